//! Stage sessions: when one opens, and what belongs to it.

use restage_core::Reply;
use restage_core::row::Protocol;

use crate::support::Scene;

#[test]
fn a_fresh_stage_has_no_session_and_the_first_join_opens_one() {
    let mut scene = Scene::new(&["A"]);
    assert!(scene.world.sessions.is_empty());
    scene.token("A", "ann").ok();
    assert_eq!(scene.active_session("A"), None, "a token alone is nobody");
    scene.wait(5);
    scene
        .open("A/ann", "events", "c1")
        .gives(&["opened in s1", "s1/ann JOINED"]);
    assert_eq!(scene.active_session("A"), Some("s1"));
    let session = scene.session("s1");
    assert_eq!(
        (session.started_at, session.ended_at, session.idle_since),
        (scene.now, None, Some(scene.now))
    );
}

#[test]
fn later_joins_are_in_the_same_session() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "events", "c1");
    scene.token("A", "bob").ok();
    scene.open("A/bob", "publish", "c2").gives(&[
        "opened in s1",
        "s1/bob JOINED",
        "publish c2 as s1/bob",
    ]);
    scene.token("B", "cyd").ok();
    scene
        .open("B/cyd", "events", "c3")
        .gives(&["opened in s2", "s2/cyd JOINED"]);
}

#[test]
fn the_reply_to_an_opened_connection_is_the_participant_as_it_now_is() {
    let mut scene = Scene::new(&["A"]);
    scene.attributes = crate::support::attributes(&[("order", "1")]);
    scene.token("A", "ann").ok();
    let step = scene.open("A/ann", "publish", "c1");
    let Ok(Reply::Opened {
        session,
        participant,
    }) = step.decision.reply
    else {
        panic!("not opened")
    };
    assert_eq!(session.as_str(), "s1");
    assert_eq!(&participant, scene.participant("s1/ann"));
    assert_eq!(
        (
            participant.user_id.as_str(),
            participant.attributes["order"].as_str()
        ),
        ("user-ann", "1")
    );
    assert_eq!(
        (
            participant.connected,
            participant.publishing,
            participant.published
        ),
        (true, false, false)
    );
    assert_eq!(
        (
            participant.protocol,
            participant.client.browser_name.as_str()
        ),
        (Protocol::Whip, "Firefox")
    );
}

#[test]
fn an_events_socket_alone_has_no_protocol() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "events", "c1");
    assert_eq!(scene.participant("s1/ann").protocol, Protocol::Unknown);
}

#[test]
fn a_session_is_idle_exactly_while_nobody_publishes() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    assert_eq!(scene.session("s1").idle_since, None);
    scene.join("A/bob", "publish", "c2");
    scene.wait(10);
    scene.closed("A/ann", "c1").ok();
    assert_eq!(scene.session("s1").idle_since, None, "bob publishes");
    scene.wait(10);
    scene.closed("A/bob", "c2").ok();
    let since = scene.now;
    assert_eq!(scene.session("s1").idle_since, Some(since));
    scene.wait(10);
    scene.join("A/cyd", "events", "c3");
    scene.open("A/ann", "publish", "c4").ok();
    assert_eq!(
        scene.session("s1").idle_since,
        Some(since),
        "opening is not publishing"
    );
    scene.established("A/ann", "c4").ok();
    assert_eq!(scene.session("s1").idle_since, None);
}

#[test]
fn a_stage_that_is_gone_cannot_be_joined() {
    let mut scene = Scene::new(&["A"]);
    scene.token("A", "ann").ok();
    scene.delete_stage("A").ok();
    scene
        .open("A/ann", "publish", "c1")
        .refused("NotFound: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/A");
}
