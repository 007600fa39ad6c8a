//! Reconnecting with an expired token: by the resumption secret of the stage session, or while a reconnect window is
//! open.

use crate::support::{IDLE_S, Scene, TOKEN_S};

const EXPIRED: &str = "TokenExpired: the participant token of ann has expired";

/// ann of A publishes with a token that has expired meanwhile; bob publishes with one that has not.
fn expired() -> Scene {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.wait(TOKEN_S);
    scene.join("A/bob", "publish", "c2");
    scene
}

#[test]
fn who_was_let_in_opens_whatever_the_token_allows() {
    let mut scene = expired();
    scene.resume("A/ann", "publish", "c3", "s1").gives(&[
        "opened in s1",
        "close c1 Replaced",
        "publish c3 as s1/ann",
    ]);
    scene.resume("A/ann", "events", "c4", "s1").ok();
    scene.resume("A/ann", "watch bob", "c5", "s1").ok();
    // Also after it has left.
    for connection in ["c3", "c4", "c5"] {
        scene.closed("A/ann", connection).ok();
    }
    scene.resume("A/ann", "publish", "c6", "s1").ok();
}

#[test]
fn a_secret_is_good_for_its_participant_and_its_session_alone() {
    let mut scene = expired();
    scene.token("A", "dan").ok();
    scene.wait(TOKEN_S);
    // dan was never admitted, so it never got such a secret.
    scene
        .resume("A/dan", "publish", "c3", "s1")
        .refused("TokenExpired: the participant token of dan has expired");
    scene
        .resume("A/ann", "publish", "c3", "s2")
        .refused(EXPIRED);
    // The session ends, and the next one does not accept its secret.
    scene.closed("A/ann", "c1").ok();
    scene.closed("A/bob", "c2").ok();
    scene.tick_after(IDLE_S).ok();
    scene
        .resume("A/ann", "publish", "c4", "s1")
        .refused(EXPIRED);
    scene.join("A/eve", "publish", "c5");
    scene
        .resume("A/ann", "publish", "c6", "s1")
        .refused(EXPIRED);
}

#[test]
fn it_ends_with_the_participant_and_with_the_key() {
    let mut scene = expired();
    scene.disconnect("A/ann").ok();
    scene
        .resume("A/ann", "publish", "c3", "s1")
        .refused("TokenRevoked: participant ann was disconnected; its token is dead");

    let mut scene = Scene::new(&["A"]);
    scene.import_key("K").ok();
    let claims = scene.self_signed("A/ann", "K");
    scene.join_as(&claims, "publish", "c1");
    scene.wait(TOKEN_S);
    scene.resume_as(&claims, "publish", "c2", "s1").ok();
    scene.delete_key("K").ok();
    scene
        .resume_as(&claims, "publish", "c3", "s1")
        .is_refused("TokenInvalid: kid: there is no public key arn:aws:ivs:eu-west-1:111122223333:public-key/K; it was never imported, or it was deleted");
}

#[test]
fn a_secret_does_not_stand_for_what_a_token_may_do() {
    let mut scene = expired();
    scene.capabilities.subscribe = false;
    scene.resume("A/ann", "watch bob", "c3", "s1").is_refused(
        "MissingCapability: the participant token of ann lacks the capability SUBSCRIBE",
    );
}

#[test]
fn an_encoder_that_knows_only_its_token_comes_back_while_its_window_is_open() {
    let mut scene = expired();
    scene.replicate("A/ann", "B", 30).ok();
    scene.open("A/ann", "publish", "c3").refused(EXPIRED);
    scene.closed("A/ann", "c1").ok();
    scene.wait(29);
    scene.open("A/ann", "watch bob", "c3").refused(EXPIRED);
    scene.open("A/ann", "publish", "c3").ok();
    scene.established("A/ann", "c3").ok();
    assert!(scene.replica("s1", "ann", "s2").active);
    // The window was used and is closed; the next connection is too late.
    scene.open("A/ann", "publish", "c4").refused(EXPIRED);
    scene.closed("A/ann", "c3").ok();
    scene.wait(30);
    scene.open("A/ann", "publish", "c5").refused(EXPIRED);
}
