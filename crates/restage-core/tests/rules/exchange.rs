//! Token exchange: what it may change, its consequences, and its refusals.

use restage_core::row::Capabilities;
use restage_core::{Claims, Command, Effect, StageArn};

use crate::support::{Scene, arn, attributes};

const BOTH: Capabilities = Capabilities {
    publish: true,
    subscribe: true,
};

/// Ann is in A with both capabilities, `c1` her events socket.
fn scene() -> Scene {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.import_key("K").ok();
    scene.attributes = attributes(&[("role", "viewer")]);
    scene.join_as(&scene.self_signed("A/ann", "K"), "events", "c1");
    scene
}

fn may(publish: bool, subscribe: bool) -> Capabilities {
    Capabilities { publish, subscribe }
}

#[test]
fn it_is_in_the_history_with_what_both_tokens_said() {
    let mut scene = scene();
    let before = scene.token_row("A/ann").expires_at;
    scene.wait(60);
    let new = Claims {
        user_id: "ann-mod".to_owned(),
        attributes: attributes(&[("role", "mod")]),
        capabilities: may(false, true),
        ..scene.self_signed("A/ann", "K")
    };
    // She is not publishing, so no other participant is affected.
    scene
        .exchange("A/ann", "c1", &new)
        .gives(&["s1/ann TOKEN_EXCHANGED from PS user-ann {role=viewer} to -S ann-mod {role=mod}"]);
    let event = scene.world.events.last().unwrap();
    let exchange = event.exchange.as_deref().unwrap();
    assert_eq!(
        (exchange.previous.expires_at, exchange.new.expires_at),
        (before, new.expires_at)
    );
    let row = scene.participant("s1/ann");
    assert_eq!(
        (row.user_id.as_str(), row.attributes["role"].as_str()),
        ("ann-mod", "mod")
    );
    let row = scene.token_row("A/ann");
    assert_eq!(
        (row.expires_at, row.self_signed),
        (new.expires_at, Some(may(false, true)))
    );
    // The next exchange starts from there.
    scene
        .exchange("A/ann", "c1", &scene.self_signed("A/ann", "K"))
        .gives(&["s1/ann TOKEN_EXCHANGED from -S ann-mod {role=mod} to PS user-ann {role=viewer}"]);
}

#[test]
fn others_see_a_publisher_change_at_once_replicas_with_their_overrides_on_top() {
    let mut scene = scene();
    let first = scene.self_signed("A/ann", "K");
    scene.join_as(&first, "publish", "c2");
    scene
        .replicate_with("A/ann", "B", 0, &[("role", "guest")])
        .ok();
    scene
        .replicate_with("A/ann", "C", 0, &[("pip", "yes")])
        .ok();
    let new = Claims {
        attributes: attributes(&[("role", "mod"), ("team", "red")]),
        ..first
    };
    scene.exchange("A/ann", "c2", &new).gives(&[
        "s1/ann TOKEN_EXCHANGED from PS user-ann {role=viewer} to PS user-ann {role=mod team=red}",
        "changed A",
        "changed B",
        "changed C",
    ]);
    assert_eq!(
        scene.participant("s2/ann").attributes,
        attributes(&[("role", "guest"), ("team", "red")])
    );
    assert_eq!(
        scene.participant("s3/ann").attributes,
        attributes(&[("pip", "yes"), ("role", "mod"), ("team", "red")])
    );
    let renamed = Claims {
        user_id: "ann-2".to_owned(),
        ..new
    };
    scene.exchange("A/ann", "c2", &renamed).ok();
    assert_eq!(scene.participant("s3/ann").user_id, "ann-2");
}

#[test]
fn lost_publish_ends_the_publishing_connection() {
    let mut scene = scene();
    let first = scene.self_signed("A/ann", "K");
    scene.join_as(&first, "publish", "c2");
    scene.replicate("A/ann", "B", 0).ok();
    scene.join("A/bob", "watch ann", "c3");
    let new = Claims {
        capabilities: may(false, true),
        ..first.clone()
    };
    scene.exchange("A/ann", "c1", &new).gives(&[
        "s1/ann TOKEN_EXCHANGED from PS user-ann {role=viewer} to -S user-ann {role=viewer}",
        "s1/ann PUBLISH_STOPPED",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "close c2 CapabilityLost",
        "close c3 PublisherLeft",
        "changed A",
        "changed B",
    ]);
    scene.open_as(&new, "publish", "c4").gives(&[
        "refused MissingCapability: the participant token of ann lacks the capability PUBLISH",
        "s1/ann PUBLISH_ERROR INSUFFICIENT_CAPABILITIES",
    ]);
    // When the capability is gained again, it is used again.
    scene.exchange("A/ann", "c1", &first).ok();
    scene.join_as(&first, "publish", "c5");
    assert!(scene.participant("s1/ann").publishing);
}

#[test]
fn a_reconnect_window_runs_when_publish_is_lost() {
    let mut scene = scene();
    let first = scene.self_signed("A/ann", "K");
    scene.join_as(&first, "publish", "c2");
    scene.replicate("A/ann", "B", 30).ok();
    let none = Claims {
        capabilities: may(false, false),
        ..first.clone()
    };
    scene.exchange("A/ann", "c1", &none).ok();
    assert!(scene.replica("s1", "ann", "s2").window_ends_at.is_some());
    // Attributes that she changes meanwhile are visible when she is back.
    let back = Claims {
        attributes: attributes(&[("role", "host")]),
        capabilities: BOTH,
        ..first
    };
    scene.exchange("A/ann", "c1", &back).ok();
    scene.join_as(&back, "publish", "c3");
    assert!(scene.participant("s2/ann").publishing);
    assert_eq!(scene.participant("s2/ann").attributes["role"], "host");
}

#[test]
fn lost_subscribe_ends_every_subscription() {
    let mut scene = scene();
    scene.join("A/bob", "publish", "c2");
    scene.join("A/cyd", "publish", "c3");
    let first = scene.self_signed("A/ann", "K");
    scene.join_as(&first, "publish", "c4");
    scene.join_as(&first, "watch bob", "c5");
    scene.open_as(&first, "watch cyd", "c6").ok();
    let new = Claims {
        capabilities: may(true, false),
        ..first
    };
    scene.exchange("A/ann", "c4", &new).gives(&[
        "s1/ann TOKEN_EXCHANGED from PS user-ann {role=viewer} to P- user-ann {role=viewer}",
        "s1/ann SUBSCRIBE_STOPPED of bob",
        "close c5 CapabilityLost",
        "close c6 CapabilityLost",
    ]);
    assert!(scene.participant("s1/ann").publishing);
}

#[test]
fn the_connection_it_came_through_may_be_the_one_that_goes() {
    let mut scene = Scene::new(&["A"]);
    scene.import_key("K").ok();
    let first = scene.self_signed("A/ann", "K");
    scene.join_as(&first, "publish", "c1");
    let new = Claims {
        capabilities: may(false, false),
        ..first
    };
    scene.exchange("A/ann", "c1", &new).gives(&[
        "s1/ann TOKEN_EXCHANGED from PS user-ann {} to -- user-ann {}",
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
        "close c1 CapabilityLost",
        "changed A",
    ]);
    scene
        .exchange("A/ann", "c1", &new)
        .refused("NotFound: there is no such connection; it may have ended");
}

#[test]
fn what_may_not_change_is_named() {
    let mut scene = scene();
    let rule = "differs from that of the token in use; a token exchange may change attributes, capabilities, user_id, iat and exp only";
    let other_stage = scene.self_signed("B/ann", "K");
    scene
        .exchange("A/ann", "c1", &other_stage)
        .refused(&format!("Invalid: resource {rule}"));
    let other_person = scene.self_signed("A/bob", "K");
    scene
        .exchange("A/ann", "c1", &other_person)
        .refused(&format!("Invalid: jti {rule}"));
    let other_region = Claims {
        stage: StageArn {
            region: "us-east-1".to_owned(),
            ..arn("A")
        },
        ..scene.self_signed("A/ann", "K")
    };
    scene
        .exchange("A/ann", "c1", &other_region)
        .refused("NotFound: there is no stage arn:aws:ivs:us-east-1:111122223333:stage/A");
}

#[test]
fn only_self_signed_tokens_are_exchanged() {
    let mut scene = scene();
    scene.join("A/bob", "events", "c2");
    let refusal = "Conflict: only self-signed participant tokens can be exchanged, not those of CreateParticipantToken and CreateStage";
    let self_signed = scene.self_signed("A/bob", "K");
    scene.exchange("A/bob", "c2", &self_signed).refused(refusal);
    let services = scene.claims("A", "bob");
    scene.exchange("A/bob", "c2", &services).refused(refusal);
    let services = scene.claims("A", "ann");
    scene.exchange("A/ann", "c1", &services).refused(refusal);
}

#[test]
fn the_new_token_must_be_good_for_a_join() {
    let mut scene = scene();
    let late = Claims {
        expires_at: scene.now,
        ..scene.self_signed("A/ann", "K")
    };
    scene
        .exchange("A/ann", "c1", &late)
        .refused("TokenExpired: the new participant token of ann has expired");
    let unknown = scene.self_signed("A/ann", "L");
    scene.exchange("A/ann", "c1", &unknown).refused(
        "TokenInvalid: kid: there is no public key arn:aws:ivs:eu-west-1:111122223333:public-key/L; it was never imported, or it was deleted",
    );
    // A token of another key is accepted, because keys are rotated in this way.
    scene.import_key("L").ok();
    scene.delete_key("K").ok();
    scene.exchange("A/ann", "c1", &unknown).ok();
    scene.disconnect("A/ann").ok();
    scene
        .exchange("A/ann", "c1", &unknown)
        .refused("NotFound: there is no such connection; it may have ended");
}

#[test]
fn attributes_that_do_not_go_with_a_replications_overrides_are_refused() {
    let mut scene = scene();
    let first = scene.self_signed("A/ann", "K");
    scene.join_as(&first, "publish", "c2");
    scene
        .replicate_with("A/ann", "B", 0, &[("pip", &"y".repeat(500))])
        .ok();
    let new = Claims {
        attributes: attributes(&[("a", &"x".repeat(600))]),
        ..first
    };
    scene.exchange("A/ann", "c2", &new).refused(
        "Invalid: attributes: the token's with the replication's merged over them come to 1104 bytes; at most 1024 are allowed",
    );
}

#[test]
fn a_connection_of_somebody_else_is_no_door() {
    let mut scene = scene();
    scene.join_as(&scene.self_signed("A/bob", "K"), "events", "c2");
    let new = scene.self_signed("A/ann", "K");
    scene
        .exchange("A/ann", "c2", &new)
        .refused("NotFound: there is no such connection; it may have ended");
    scene
        .exchange("A/ann", "c9", &new)
        .refused("NotFound: there is no such connection; it may have ended");
}

#[test]
fn a_connection_that_is_still_opening_is_ended_too() {
    let mut scene = scene();
    let first = scene.self_signed("A/ann", "K");
    scene.open_as(&first, "publish", "c2").ok();
    let new = Claims {
        capabilities: may(false, true),
        ..first
    };
    let step = scene.exchange("A/ann", "c1", &new);
    let closed = step
        .decision
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Close { .. }));
    assert_eq!(closed.count(), 1);
    let late = Command::ConnectionEstablished {
        connection: "c2".into(),
        stage: "A".into(),
        participant: "ann".into(),
    };
    scene.run(&late).changes_nothing();
}
