//! What a token allows, and until when.

use restage_core::row::{Capabilities, StageEventError};

use crate::support::{IDLE_S, Scene, TOKEN_S};

#[test]
fn a_token_that_was_never_issued_is_refused() {
    let mut scene = Scene::new(&["A", "B"]);
    let refusal = "TokenRevoked: no participant token ann was issued for arn:aws:ivs:eu-west-1:111122223333:stage/A";
    scene.open("A/ann", "publish", "c1").refused(refusal);
    scene.token("B", "ann").ok();
    scene.open("A/ann", "publish", "c1").refused(refusal);
}

#[test]
fn an_expired_token_cannot_join() {
    let mut scene = Scene::new(&["A"]);
    scene.token("A", "ann").ok();
    scene.token("A", "bob").ok();
    scene.wait(TOKEN_S - 1);
    scene.open("A/ann", "publish", "c1").ok();
    scene.established("A/ann", "c1").ok();
    scene.wait(1);
    scene
        .open("A/bob", "publish", "c2")
        .refused("TokenExpired: the participant token of bob has expired");

    // A participant that was admitted stays, but its expired token opens no further connection.
    for what in ["publish", "events", "watch ann"] {
        scene
            .open("A/ann", what, "c3")
            .refused("TokenExpired: the participant token of ann has expired");
    }
    scene.tick_after(IDLE_S).changes_nothing();
}

#[test]
fn a_revoked_token_stays_dead() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.disconnect("A/ann").ok();
    for what in ["publish", "events", "watch ann"] {
        scene
            .open("A/ann", what, "c2")
            .refused("TokenRevoked: participant ann was disconnected; its token is dead");
    }
    scene
        .connection_error("A/ann", "publish", StageEventError::InvalidInput)
        .changes_nothing();
}

#[test]
fn capabilities_are_enforced_and_errors_go_into_the_history() {
    let mut scene = Scene::new(&["A"]);
    scene.token("A", "ann").ok();
    scene.capabilities = Capabilities {
        publish: false,
        subscribe: true,
    };
    // There is no session yet, so there is no history.
    let refusal = "MissingCapability: the participant token of ann lacks the capability PUBLISH";
    scene.open("A/ann", "publish", "c1").refused(refusal);

    scene.capabilities = Capabilities {
        publish: true,
        subscribe: false,
    };
    scene.join("A/bob", "publish", "c2");
    scene.capabilities.publish = false;
    scene.open("A/ann", "publish", "c3").gives(&[
        "refused MissingCapability: the participant token of ann lacks the capability PUBLISH",
        "s1/ann PUBLISH_ERROR INSUFFICIENT_CAPABILITIES",
    ]);
    scene.open("A/ann", "watch bob", "c3").gives(&[
        "refused MissingCapability: the participant token of ann lacks the capability SUBSCRIBE",
        "s1/ann SUBSCRIBE_ERROR of bob INSUFFICIENT_CAPABILITIES",
    ]);
    // The events socket needs neither capability.
    scene
        .open("A/ann", "events", "c3")
        .gives(&["opened in s1", "s1/ann JOINED"]);
}

#[test]
fn errors_of_the_edge_go_into_the_history_of_the_session_in_progress() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.token("A", "ann").ok();
    scene
        .connection_error("A/ann", "publish", StageEventError::InvalidVideoCodec)
        .changes_nothing();
    scene.join("A/bob", "publish", "c1");
    scene
        .connection_error("A/ann", "publish", StageEventError::InvalidVideoCodec)
        .gives(&["s1/ann PUBLISH_ERROR INVALID_VIDEO_CODEC"]);
    scene
        .connection_error("A/ann", "watch bob", StageEventError::InvalidAudioCodec)
        .gives(&["s1/ann SUBSCRIBE_ERROR of bob INVALID_AUDIO_CODEC"]);
    scene
        .connection_error("A/ann", "events", StageEventError::InvalidInput)
        .gives(&["s1/ann JOIN_ERROR INVALID_INPUT"]);

    scene.replicate("A/bob", "B", 0).ok();
    scene.token("B", "dan").ok();
    scene
        .connection_error(
            "B/dan",
            "watch bob",
            StageEventError::InternalServerException,
        )
        .gives(&["s2/dan SUBSCRIBE_ERROR of bob INTERNAL_SERVER_EXCEPTION (replica)"]);
    scene
        .connection_error("A/nobody", "publish", StageEventError::InvalidInput)
        .changes_nothing();
}

#[test]
fn a_token_is_remembered_for_its_stage() {
    let mut scene = Scene::new(&["A"]);
    scene.token("A", "ann").ok();
    let row = scene.token_row("A/ann");
    assert_eq!(
        (row.stage.as_str(), row.expires_at, row.revoked_at),
        ("A", scene.now.plus_seconds(TOKEN_S), None)
    );
    scene.token("Z", "bob").refused(
        "NotFound: stageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z",
    );
}
