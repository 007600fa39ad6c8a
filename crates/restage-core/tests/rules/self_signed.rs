//! Self-signed tokens: who may sign them, on which stages they are accepted, and when they no longer are.

use restage_core::id::{StageId, Time};
use restage_core::row::{Capabilities, PublicKey, StageEventError};
use restage_core::{Claims, Command, ISSUED_AHEAD_MAX_S, PublicKeyArn, Signer, StageArn};

use crate::support::{Scene, TOKEN_S, arn, attributes, key_arn, key_row};

fn with_key(stages: &[&str]) -> Scene {
    let mut scene = Scene::new(stages);
    scene.import_key("K").ok();
    scene
}

#[test]
fn its_identity_is_known_from_the_first_join() {
    let mut scene = with_key(&["A"]);
    let token = scene.self_signed("A/ann", "K");
    scene.disconnect("A/ann").refused(
        "NotFound: participantId: arn:aws:ivs:eu-west-1:111122223333:stage/A has no participant ann",
    );
    scene.open_as(&token, "publish", "c1").gives(&[
        "opened in s1",
        "s1/ann JOINED",
        "publish c1 as s1/ann",
    ]);
    let row = scene.token_row("A/ann");
    assert_eq!((row.expires_at, row.revoked_at), (token.expires_at, None));
    assert_eq!(row.self_signed, Some(token.capabilities));
    assert_eq!(scene.participant("s1/ann").user_id, "user-ann");
}

#[test]
fn a_refused_join_leaves_no_identity_behind() {
    let mut scene = with_key(&["A"]);
    scene.capabilities.publish = false;
    let token = scene.self_signed("A/ann", "K");
    scene
        .open_as(&token, "publish", "c1")
        .refused("MissingCapability: the participant token of ann lacks the capability PUBLISH");
    assert!(scene.world.tokens.is_empty());
}

#[test]
fn disconnected_means_every_token_with_that_identity_is_dead() {
    let mut scene = with_key(&["A", "B"]);
    scene.join_as(&scene.self_signed("A/ann", "K"), "events", "c1");
    scene
        .disconnect("A/ann")
        .gives(&["s1/ann LEFT", "revoke A/ann", "close c1 Disconnected"]);
    scene.wait(10);
    let newer = scene.self_signed("A/ann", "K");
    scene
        .open_as(&newer, "events", "c2")
        .refused("TokenRevoked: participant ann was disconnected; its token is dead");
    // On another stage it is another participant.
    scene.join_as(&scene.self_signed("B/ann", "K"), "events", "c3");
}

#[test]
fn two_stages_may_hear_the_same_name() {
    let mut scene = with_key(&["A", "B"]);
    scene.join_as(&scene.self_signed("A/host", "K"), "publish", "c1");
    scene.join_as(&scene.self_signed("B/host", "K"), "publish", "c2");
    assert!(scene.participant("s1/host").publishing && scene.participant("s2/host").publishing);
    scene.disconnect("A/host").ok();
    assert!(scene.participant("s2/host").publishing);
    assert_eq!(scene.token_row("B/host").revoked_at, None);
}

#[test]
fn a_deleted_key_refuses_new_joins_and_leaves_those_who_are_in() {
    let mut scene = with_key(&["A"]);
    let token = scene.self_signed("A/ann", "K");
    scene.join_as(&token, "publish", "c1");
    scene.delete_key("K").gives(&[]);
    assert!(scene.participant("s1/ann").publishing);
    let refusal = "TokenInvalid: kid: there is no public key arn:aws:ivs:eu-west-1:111122223333:public-key/K; it was never imported, or it was deleted";
    scene.open_as(&token, "events", "c2").refused(refusal);
    scene
        .open_as(&scene.self_signed("A/bob", "K"), "publish", "c3")
        .refused(refusal);
    // The same key with another ARN is another key.
    scene.import_key("L").ok();
    scene.open_as(&token, "events", "c4").refused(refusal);
    scene
        .open_as(&scene.self_signed("A/ann", "L"), "events", "c5")
        .ok();
}

#[test]
fn the_key_must_be_of_the_stages_account_and_region() {
    let mut scene = with_key(&["A"]);
    let good = scene.self_signed("A/ann", "K");
    let with = |key: PublicKeyArn| Claims {
        signer: Signer::PublicKey(key),
        ..good.clone()
    };
    let elsewhere = PublicKeyArn {
        region: "us-east-1".to_owned(),
        ..key_arn("K")
    };
    scene.open_as(&with(elsewhere), "events", "c1").refused(
        "TokenInvalid: kid: the key arn:aws:ivs:us-east-1:111122223333:public-key/K is not of the account and Region of the stage arn:aws:ivs:eu-west-1:111122223333:stage/A",
    );
    let theirs = PublicKeyArn {
        account: "999988887777".to_owned(),
        ..key_arn("L")
    };
    let row = PublicKey {
        account: theirs.account.clone(),
        ..key_row("L", "theirs")
    };
    let import = Command::CreateResource { row: row.into() };
    scene.run_as("999988887777", &import).ok();
    scene.open_as(&with(theirs.clone()), "events", "c1").refused(
        "TokenInvalid: kid: the key arn:aws:ivs:eu-west-1:999988887777:public-key/L is not of the account and Region of the stage arn:aws:ivs:eu-west-1:111122223333:stage/A",
    );
    // Changing the account in the ARN of the stage or the key does not help.
    let stage = StageArn {
        account: "999988887777".to_owned(),
        ..arn("A")
    };
    let claims = Claims {
        stage,
        ..with(theirs)
    };
    scene
        .open_as(&claims, "events", "c1")
        .refused("NotFound: there is no stage arn:aws:ivs:eu-west-1:999988887777:stage/A");
    scene.open_as(&with(key_arn("L")), "events", "c1").refused(
        "TokenInvalid: kid: there is no public key arn:aws:ivs:eu-west-1:111122223333:public-key/L; it was never imported, or it was deleted",
    );
}

#[test]
fn expiry_counts_when_a_connection_opens_and_is_each_tokens_own() {
    let mut scene = with_key(&["A"]);
    let first = scene.self_signed("A/ann", "K");
    scene.join_as(&first, "publish", "c1");
    scene.wait(TOKEN_S);
    scene
        .open_as(&first, "events", "c2")
        .refused("TokenExpired: the participant token of ann has expired");
    scene.closed("A/ann", "c1").ok();
    let second = scene.self_signed("A/ann", "K");
    scene.open_as(&second, "events", "c3").ok();
    assert_eq!(scene.token_row("A/ann").expires_at, second.expires_at);
}

#[test]
fn a_token_from_the_future_is_refused() {
    let mut scene = with_key(&["A"]);
    let mut token = scene.self_signed("A/ann", "K");
    token.issued_at = Time(scene.now.plus_seconds(ISSUED_AHEAD_MAX_S).0 + 1);
    scene
        .open_as(&token, "events", "c1")
        .refused("TokenInvalid: iat: the token says it was issued more than 300 seconds from now");
    token.issued_at = scene.now.plus_seconds(ISSUED_AHEAD_MAX_S);
    scene.open_as(&token, "events", "c1").ok();
}

#[test]
fn the_identity_of_a_token_restage_made_is_taken() {
    let mut scene = with_key(&["A"]);
    scene.token("A", "ann").ok();
    scene.open_as(&scene.self_signed("A/ann", "K"), "events", "c1").refused(
        "Conflict: jti: ann is the identity of a token that CreateParticipantToken or CreateStage made",
    );
    scene.disconnect("A/ann").ok();
    let step = scene.open_as(&scene.self_signed("A/ann", "K"), "events", "c1");
    assert!(step.decision.reply.is_err());
}

#[test]
fn a_later_token_says_something_new_wherever_its_bearer_is_shown() {
    let mut scene = with_key(&["A", "B"]);
    scene.attributes = attributes(&[("order", "1")]);
    scene.join_as(&scene.self_signed("A/ann", "K"), "publish", "c1");
    scene
        .replicate_with("A/ann", "B", 30, &[("pip", "yes")])
        .ok();
    scene.attributes = attributes(&[("order", "2"), ("pip", "no")]);
    let later = scene.self_signed("A/ann", "K");
    scene
        .open_as(&later, "events", "c2")
        .gives(&["opened in s1", "changed A", "changed B"]);
    assert_eq!(
        scene.participant("s2/ann").attributes,
        attributes(&[("order", "2"), ("pip", "yes")])
    );
    // A token that does not fit the overrides is refused before anything changes.
    scene.attributes = attributes(&[("x", &"y".repeat(1020))]);
    scene.open_as(&scene.self_signed("A/ann", "K"), "events", "c3").refused(
        "Invalid: attributes: the token's with the replication's merged over them come to 1027 bytes; at most 1024 are allowed",
    );
}

#[test]
fn errors_of_the_edge_go_into_the_history_unless_the_token_is_dead() {
    let mut scene = with_key(&["A"]);
    scene.join("A/bob", "publish", "c1");
    let claims = scene.self_signed("A/ann", "K");
    let record = |claims: &Claims| Command::RecordConnectionError {
        claims: claims.clone(),
        kind: crate::support::kind("publish"),
        error: StageEventError::InvalidVideoCodec,
    };
    scene
        .run(&record(&claims))
        .gives(&["s1/ann PUBLISH_ERROR INVALID_VIDEO_CODEC"]);
    scene.delete_key("K").ok();
    scene.run(&record(&claims)).changes_nothing();
}

/// `Scene::run` decides on the rows the command needs and on all rows: the replica's row must not make a difference.
#[test]
fn a_refused_join_is_not_that_of_a_replica_with_the_same_identity() {
    let mut scene = with_key(&["A", "B"]);
    scene.join_as(&scene.self_signed("A/ann", "K"), "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    let record = Command::RecordConnectionError {
        claims: scene.self_signed("B/ann", "K"),
        kind: crate::support::kind("events"),
        error: StageEventError::InvalidInput,
    };
    scene
        .run(&record)
        .gives(&["s2/ann JOIN_ERROR INVALID_INPUT"]);
}

#[test]
fn a_stage_that_goes_takes_its_identities_with_it() {
    let mut scene = with_key(&["A"]);
    scene.capabilities = Capabilities {
        publish: false,
        subscribe: true,
    };
    scene.join_as(&scene.self_signed("A/ann", "K"), "events", "c1");
    scene.delete_stage("A").ok();
    assert!(
        scene
            .world
            .tokens
            .keys()
            .all(|(stage, _)| *stage != StageId::new("A"))
    );
    scene
        .open_as(&scene.self_signed("A/ann", "K"), "events", "c2")
        .refused("NotFound: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/A");
    assert_eq!(
        scene.world.plain_of::<PublicKey>().count(),
        1,
        "keys belong to the account"
    );
}
