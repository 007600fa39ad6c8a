//! Tags of stages and plain resources.

use std::collections::BTreeMap;

use restage_core::row::PlainKind;
use restage_core::{Command, ResourceArn};

use crate::support::{Scene, arn, create, key_arn, plain_row};

fn tag(resource: impl Into<ResourceArn>, tags: &[(&str, &str)]) -> Command {
    Command::TagResource {
        resource: resource.into(),
        tags: crate::support::attributes(tags),
    }
}

fn untag(resource: impl Into<ResourceArn>, keys: &[&str]) -> Command {
    Command::UntagResource {
        resource: resource.into(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

fn tags_of(scene: &Scene, resource: &ResourceArn) -> BTreeMap<String, String> {
    match resource {
        ResourceArn::Stage(arn) => scene.world.stages[&arn.id].tags.clone(),
        ResourceArn::Plain(arn) => scene.world.plain[&arn.id].tags().clone(),
        ResourceArn::Composition(arn) => scene.world.compositions[&arn.id].tags.clone(),
    }
}

#[test]
fn tags_are_added_replaced_and_removed() {
    let mut scene = Scene::new(&["A"]);
    let mut resources = vec![ResourceArn::from(arn("A"))];
    for kind in PlainKind::ALL {
        let row = plain_row(*kind, "K");
        resources.push(key_arn("K").with_id(|_| row.id()).into());
        scene.run(&create(row)).ok();
    }
    for resource in resources {
        let of = |scene: &Scene| tags_of(scene, &resource);
        scene
            .run(&tag(resource.clone(), &[("team", "red"), ("note", "")]))
            .gives(&[]);
        scene
            .run(&tag(resource.clone(), &[("team", "blue"), ("Team", "x")]))
            .gives(&[]);
        let expected = [("Team", "x"), ("note", ""), ("team", "blue")];
        assert_eq!(of(&scene), crate::support::attributes(&expected));
        scene
            .run(&untag(resource.clone(), &["Team", "team", "never"]))
            .gives(&[]);
        assert_eq!(of(&scene), crate::support::attributes(&[("note", "")]));
        scene
            .run(&untag(resource.clone(), &["team"]))
            .changes_nothing();
        scene.run(&tag(resource.clone(), &[])).changes_nothing();
        scene
            .run(&tag(resource.clone(), &[("note", "")]))
            .changes_nothing();
    }
}

#[test]
fn fifty_tags_and_no_more_once_they_are_merged() {
    let mut scene = Scene::new(&["A"]);
    let names: Vec<String> = (0..50).map(|n| format!("k{n}")).collect();
    let fifty: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    scene.run(&tag(arn("A"), &fifty)).ok();
    scene.run(&tag(arn("A"), &[("k7", "w")])).ok();
    scene.run(&tag(arn("A"), &[("k7", "x"), ("more", "")])).refused(
        "Invalid: tags: with those it has, arn:aws:ivs:eu-west-1:111122223333:stage/A would have 51 tags; at most 50 are allowed",
    );
    assert_eq!(tags_of(&scene, &arn("A").into())["k7"], "w");
    scene.run(&untag(arn("A"), &["k0"])).ok();
    scene.run(&tag(arn("A"), &[("more", "")])).ok();
}

#[test]
fn what_is_not_there_or_anothers_has_no_tags() {
    let mut scene = Scene::new(&["A"]);
    scene.import_key("K").ok();
    for (resource, what) in [
        (
            ResourceArn::from(arn("B")),
            "stage arn:aws:ivs:eu-west-1:111122223333:stage/B",
        ),
        (
            key_arn("L").into(),
            "public key arn:aws:ivs:eu-west-1:111122223333:public-key/L",
        ),
    ] {
        let refusal = format!("NotFound: resourceArn: there is no {what}");
        scene
            .run(&tag(resource.clone(), &[("a", "b")]))
            .refused(&refusal);
        scene.run(&untag(resource, &["a"])).refused(&refusal);
    }
    for (resource, what) in [
        (
            ResourceArn::from(arn("A")),
            "arn:aws:ivs:eu-west-1:111122223333:stage/A",
        ),
        (
            key_arn("K").into(),
            "arn:aws:ivs:eu-west-1:111122223333:public-key/K",
        ),
    ] {
        let refusal = format!("Denied: resourceArn: {what} belongs to another account");
        scene
            .run_as("999988887777", &tag(resource.clone(), &[("a", "b")]))
            .refused(&refusal);
        scene
            .run_as("999988887777", &untag(resource, &["a"]))
            .refused(&refusal);
    }
}
