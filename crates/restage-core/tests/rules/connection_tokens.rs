//! Connection tokens: which are taken, and what RevokeConnectionToken ends and forbids.

use restage_core::command::ConnectionTokenClaims;
use restage_core::limits::REVOCATIONS_MAX;
use restage_core::row::{ConnectionTokenId, ConnectionTokenKey};
use restage_core::{Command, ISSUED_AHEAD_MAX_S};

use crate::support::{ACCOUNT, REGION, Scene, key_arn};

/// A scene with the public key `K`, and a connection token of its owner.
fn with_token(stages: &[&str]) -> (Scene, ConnectionTokenClaims) {
    let mut scene = Scene::new(stages);
    scene.import_key("K").ok();
    let token = scene.connection_token("t1", "K");
    (scene, token)
}

fn key(id: &str) -> ConnectionTokenKey {
    ConnectionTokenKey {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        id: ConnectionTokenId::new(id),
    }
}

#[test]
fn a_revocation_ends_all_of_its_token_in_every_stage_and_nothing_else() {
    let (mut scene, token) = with_token(&["A", "B"]);
    let other = scene.connection_token("t2", "K");
    scene.join_with(&token, "A/ann", "publish", "c1");
    scene.join_with(&token, "A/ann", "events", "c2");
    scene.join_with(&other, "B/dan", "publish", "c3");
    scene.join_with(&token, "B/ann", "watch dan", "c4");
    scene.join_with(&other, "A/bob", "watch ann", "c5");
    // Two connections of one participant, of which one has no connection token.
    scene.join("B/ann", "events", "c6");
    scene.revoke("t1").gives(&[
        "s2/ann SUBSCRIBE_STOPPED of dan",
        "s1/ann PUBLISH_STOPPED",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "s1/ann LEFT",
        "revoke connection token t1",
        "close c4 ConnectionTokenRevoked",
        "close c1 ConnectionTokenRevoked",
        "close c5 PublisherLeft",
        "close c2 ConnectionTokenRevoked",
        "changed A",
    ]);
    assert!(scene.participant("s2/ann").connected && scene.participant("s2/dan").publishing);
    assert_eq!(scene.world.revocations[&key("t1")].revoked_at, scene.now);
    assert_eq!(scene.world.revocations.len(), 1);
}

#[test]
fn a_revoked_token_opens_nothing_more_and_the_participants_own_tokens_stay_good() {
    let (mut scene, token) = with_token(&["A"]);
    scene.join_with(&token, "A/ann", "publish", "c1");
    scene.revoke("t1").ok();
    for (kind, connection) in [("publish", "c2"), ("events", "c3"), ("watch bob", "c4")] {
        let step = scene.open_with(&token, "A/ann", kind, connection);
        step.refused("ConnectionToken(Revoked): the connection token t1 was revoked");
        assert!(step.decision.changes.is_empty(), "{kind} leaves no trace");
    }
    // One that is signed later with the same id is the same token.
    let again = scene.connection_token("t1", "K");
    scene
        .open_with(&again, "A/ann", "publish", "c5")
        .refused("ConnectionToken(Revoked): the connection token t1 was revoked");
    let fresh = scene.connection_token("t2", "K");
    scene.join_with(&fresh, "A/ann", "publish", "c6");
    scene.join("A/ann", "events", "c7");
    // It is still known after a restart, when all connections are gone.
    scene.restart().ok();
    scene
        .open_with(&token, "A/ann", "events", "c8")
        .refused("ConnectionToken(Revoked): the connection token t1 was revoked");
}

#[test]
fn a_publisher_may_come_back_within_its_windows() {
    let (mut scene, token) = with_token(&["A", "B"]);
    scene.join_with(&token, "A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 60).ok();
    scene.join("B/dan", "watch ann", "c2");
    scene.revoke("t1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s1/ann LEFT",
        "revoke connection token t1",
        "close c1 ConnectionTokenRevoked",
        "changed A",
        "changed B",
    ]);
    let fresh = scene.connection_token("t2", "K");
    scene.join_with(&fresh, "A/ann", "publish", "c3");
    assert!(scene.participant("s2/ann").publishing);
}

#[test]
fn an_unknown_token_is_revoked_before_its_first_use_and_again_later() {
    let (mut scene, token) = with_token(&["A"]);
    scene.revoke("t1").gives(&["revoke connection token t1"]);
    scene
        .open_with(&token, "A/ann", "events", "c1")
        .refused("ConnectionToken(Revoked): the connection token t1 was revoked");
    let first = scene.now;
    scene.wait(3_600);
    scene.revoke("t1").gives(&["revoke connection token t1"]);
    let row = &scene.world.revocations[&key("t1")];
    assert!(row.revoked_at > first, "it is remembered from now on");
}

#[test]
fn tokens_of_other_accounts_and_regions_may_have_the_same_id() {
    let (mut scene, token) = with_token(&["A"]);
    scene.join_with(&token, "A/ann", "events", "c1");
    let elsewhere = Command::RevokeConnectionToken {
        region: "us-east-1".to_owned(),
        token: "t1".into(),
    };
    scene.run(&elsewhere).ok();
    let here = Command::RevokeConnectionToken {
        region: REGION.to_owned(),
        token: "t1".into(),
    };
    scene.run_as("999988887777", &here).ok();
    assert_eq!(scene.world.revocations.len(), 2);
    assert!(scene.participant("s1/ann").connected);
    scene.join_with(&token, "A/ann", "publish", "c2");
}

#[test]
fn a_token_is_good_for_the_stages_of_its_keys_account_and_region() {
    let (mut scene, token) = with_token(&["A"]);
    let mut elsewhere = token.clone();
    elsewhere.signer.region = "us-east-1".to_owned();
    scene.open_with(&elsewhere, "A/ann", "events", "c1").refused(
        "ConnectionToken(NotAllowed): the connection token is one of account 111122223333 in us-east-1, \
         the stage is one of 111122223333 in eu-west-1",
    );
    let mut stranger = token.clone();
    stranger.signer.account = "999988887777".to_owned();
    scene.open_with(&stranger, "A/ann", "events", "c1").refused(
        "ConnectionToken(NotAllowed): the connection token is one of account 999988887777 in eu-west-1, \
         the stage is one of 111122223333 in eu-west-1",
    );
    let mut unknown = token.clone();
    unknown.signer = key_arn("L");
    scene.open_with(&unknown, "A/ann", "events", "c1").refused(
        "ConnectionToken(Malformed): kid: there is no public key arn:aws:ivs:eu-west-1:111122223333:public-key/L; \
         it was never imported, or it was deleted",
    );
    scene.join_with(&token, "A/ann", "events", "c2");
    scene.delete_key("K").ok();
    assert!(
        scene.participant("s1/ann").connected,
        "who is in stays when the key goes"
    );
    scene.open_with(&token, "A/ann", "publish", "c3").refused(
        "ConnectionToken(Malformed): kid: there is no public key arn:aws:ivs:eu-west-1:111122223333:public-key/K; \
         it was never imported, or it was deleted",
    );
}

#[test]
fn its_times_count_when_a_connection_opens() {
    let (mut scene, mut token) = with_token(&["A"]);
    token.expires_at = scene.wall.plus_seconds(60);
    scene.join_with(&token, "A/ann", "events", "c1");
    scene.wait(60);
    scene
        .open_with(&token, "A/ann", "publish", "c2")
        .refused("ConnectionToken(Expired): the connection token t1 has expired");
    assert!(scene.participant("s1/ann").connected);
    // Revoked is told before expired.
    scene.revoke("t1").ok();
    scene
        .open_with(&token, "A/ann", "publish", "c3")
        .refused("ConnectionToken(Revoked): the connection token t1 was revoked");
    let mut ahead = scene.connection_token("t2", "K");
    ahead.issued_at = scene.wall.plus_seconds(ISSUED_AHEAD_MAX_S);
    scene.join_with(&ahead, "A/ann", "events", "c4");
    ahead.issued_at.0 += 1;
    scene.open_with(&ahead, "A/ann", "events", "c5").refused(
        "ConnectionToken(Malformed): iat: the connection token says it was issued more than 300 seconds from now",
    );
}

#[test]
fn a_connection_that_takes_anothers_place_has_its_own_token() {
    let (mut scene, token) = with_token(&["A"]);
    let other = scene.connection_token("t2", "K");
    scene.join_with(&token, "A/ann", "publish", "c1");
    scene.join_with(&other, "A/ann", "publish", "c2");
    scene.revoke("t1").gives(&["revoke connection token t1"]);
    assert!(scene.participant("s1/ann").publishing);
    scene.revoke("t2").ok();
    assert!(!scene.participant("s1/ann").publishing);
}

#[test]
fn so_many_are_remembered_and_no_more() {
    let (mut scene, token) = with_token(&["A"]);
    scene.join_with(&token, "A/ann", "events", "c1");
    scene.revoke("t9").ok();
    let counted = (ACCOUNT.to_owned(), REGION.to_owned());
    let counts = &mut scene.world.revocation_counts;
    counts.insert(counted, REVOCATIONS_MAX);
    scene.revoke("t1").refused(
        "Invalid: tokenId: 100000 connection tokens of this account and Region are revoked, the most that are remembered; \
         each is forgotten four weeks after its revocation. To forbid all tokens of a public key, delete it",
    );
    assert!(scene.participant("s1/ann").connected);
    scene.revoke("t9").ok();
}
