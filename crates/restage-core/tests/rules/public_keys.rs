//! Public keys: import, refusals, delete.

use restage_core::id::Time;
use restage_core::row::{PlainKind, PublicKey};
use restage_core::{Command, PublicKeyArn};

use crate::support::{REGION, Scene, delete, key_arn};

fn import(key: PublicKeyArn, point: &str) -> Command {
    let row = PublicKey {
        id: key.id,
        account: key.account,
        region: key.region,
        name: "deploy-1".to_owned(),
        tags: [("team".to_owned(), "red".to_owned())].into(),
        material: "PEM".to_owned(),
        fingerprint: "00:11".to_owned(),
        point: point.to_owned(),
        created_at: Time::default(),
    };
    Command::CreateResource { row: row.into() }
}

#[test]
fn an_imported_key_is_kept_as_it_came() {
    let mut scene = Scene::new(&[]);
    scene
        .run(&import(key_arn("K"), "04aa"))
        .gives(&["public key K"]);
    let row = scene.world.plain_of::<PublicKey>().next().unwrap();
    assert_eq!(row.id, key_arn("K").id);
    assert_eq!(
        (row.account.as_str(), row.region.as_str()),
        ("111122223333", REGION)
    );
    assert_eq!(
        (row.name.as_str(), row.tags["team"].as_str()),
        ("deploy-1", "red")
    );
    assert_eq!(
        (row.material.as_str(), row.fingerprint.as_str()),
        ("PEM", "00:11")
    );
    assert_eq!((row.point.as_str(), row.created_at), ("04aa", scene.now));
}

#[test]
fn the_same_key_twice_is_a_conflict_in_one_account_and_region_only() {
    let mut scene = Scene::new(&[]);
    scene.run(&import(key_arn("K"), "04aa")).ok();
    scene.run(&import(key_arn("L"), "04aa")).refused(
        "Conflict: publicKeyMaterial: this key was imported before, as arn:aws:ivs:eu-west-1:111122223333:public-key/K",
    );
    let elsewhere = PublicKeyArn {
        region: "us-east-1".to_owned(),
        ..key_arn("L")
    };
    scene.run(&import(elsewhere, "04aa")).ok();
    let theirs = PublicKeyArn {
        account: "999988887777".to_owned(),
        ..key_arn("M")
    };
    scene.run_as("999988887777", &import(theirs, "04aa")).ok();
    // After it was deleted it may be imported again.
    scene.delete_key("K").gives(&[]);
    scene.run(&import(key_arn("N"), "04aa")).ok();
}

#[test]
fn keys_per_account_and_region_are_limited() {
    let mut scene = Scene::new(&[]);
    for key in ["K", "L", "M"] {
        scene.import_key(key).ok();
    }
    let refusal = "LimitExceeded: Public keys per account and Region: the limit of 3 is reached (setting limit-public-keys)";
    scene.import_key("N").refused(refusal);
    // A duplicate is refused as such.
    scene.run(&import(key_arn("N"), "point of K")).refused(
        "Conflict: publicKeyMaterial: this key was imported before, as arn:aws:ivs:eu-west-1:111122223333:public-key/K",
    );
    scene.delete_key("L").ok();
    scene.import_key("N").ok();
    // The count of the store is used where the rows are not loaded.
    scene.delete_key("N").ok();
    scene.world.plain_counts.insert(PlainKind::PublicKey, 3);
    scene.import_key("O").refused(refusal);
}

#[test]
fn another_accounts_or_regions_key_cannot_be_touched() {
    let mut scene = Scene::new(&[]);
    scene.import_key("K").ok();
    let refusal =
        "Denied: arn: arn:aws:ivs:eu-west-1:111122223333:public-key/K belongs to another account";
    scene
        .run_as("999988887777", &delete(key_arn("K")))
        .refused(refusal);
    // Not by writing one's own account into the ARN either.
    let disguised = PublicKeyArn {
        account: "999988887777".to_owned(),
        ..key_arn("K")
    };
    scene.run_as("999988887777", &delete(disguised)).refused(
        "NotFound: arn: there is no public key arn:aws:ivs:eu-west-1:999988887777:public-key/K",
    );
    let elsewhere = PublicKeyArn {
        region: "us-east-1".to_owned(),
        ..key_arn("K")
    };
    scene.run(&delete(elsewhere)).refused(
        "NotFound: arn: there is no public key arn:aws:ivs:us-east-1:111122223333:public-key/K",
    );
    scene.delete_key("L").refused(
        "NotFound: arn: there is no public key arn:aws:ivs:eu-west-1:111122223333:public-key/L",
    );
    scene
        .run_as("999988887777", &import(key_arn("L"), "04bb"))
        .refused("Denied: arn:aws:ivs:eu-west-1:111122223333:public-key/L would belong to another account");
}
