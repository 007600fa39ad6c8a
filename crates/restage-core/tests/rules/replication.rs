//! Participant replication: start, its results, stop, start again.

use restage_core::id::{StageId, StageSessionId};
use restage_core::row::{Protocol, Replication};

use crate::support::{Scene, attributes};

fn as_replica(active: bool, source_stage: &str, source_session: &str) -> Replication {
    Replication::Replica {
        active,
        source_stage: StageId::new(source_stage),
        source_session: StageSessionId::new(source_session),
    }
}

#[test]
fn a_publisher_appears_in_another_stage() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.attributes = attributes(&[("order", "1"), ("team", "red")]);
    scene.join("A/ann", "publish", "c1");
    scene.wait(3);
    scene
        .replicate_with("A/ann", "B", 30, &[("order", "9"), ("pip", "yes")])
        .gives(&[
            "s2/ann JOINED (replica)",
            "s2/ann PUBLISH_STARTED (replica)",
            "s1/ann REPLICATION_STARTED to B/s2",
            "changed B",
        ]);
    assert_eq!(
        scene.active_session("B"),
        Some("s2"),
        "a session opens in an idle destination"
    );
    assert_eq!(scene.session("s2").idle_since, None);

    let source = scene.participant("s1/ann");
    assert_eq!(source.replication, Replication::Source { active: true });
    assert_eq!(
        source.attributes,
        attributes(&[("order", "1"), ("team", "red")]),
        "the source keeps its own"
    );
    let there = scene.participant("s2/ann");
    assert_eq!(there.replication, as_replica(true, "A", "s1"));
    assert_eq!(
        there.attributes,
        attributes(&[("order", "9"), ("pip", "yes"), ("team", "red")])
    );
    assert_eq!(
        (
            there.stage.as_str(),
            there.user_id.as_str(),
            there.first_joined_at
        ),
        ("B", "user-ann", scene.now)
    );
    assert!(there.connected && there.publishing && there.published);
    assert_eq!(
        (there.protocol, there.client.browser_name.as_str()),
        (Protocol::Whip, "Firefox")
    );

    let row = scene.replica("s1", "ann", "s2");
    assert_eq!(
        (row.source_stage.as_str(), row.destination_stage.as_str()),
        ("A", "B")
    );
    assert!(row.active && row.window_ends_at.is_none());
    assert_eq!((row.reconnect_window_s, row.started_at), (30, scene.now));
    assert_eq!(
        row.attributes,
        attributes(&[("order", "9"), ("pip", "yes")])
    );
}

#[test]
fn the_replica_is_watched_by_its_own_id_and_is_the_sources_publication() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("B/dan", "events", "c2");
    scene.replicate("A/ann", "B", 0).ok();
    assert_eq!(
        scene.active_session("B"),
        Some("s2"),
        "the destination's own session is used"
    );
    scene
        .open("B/dan", "watch ann", "c3")
        .gives(&["opened in s2", "subscribe c3 to s1/ann"]);
    scene
        .established("B/dan", "c3")
        .gives(&["s2/dan SUBSCRIBE_STARTED of ann (replica)"]);
    scene
        .closed("B/dan", "c3")
        .gives(&["s2/dan SUBSCRIBE_STOPPED of ann (replica)"]);
}

#[test]
fn a_battle_goes_both_ways() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("B/ben", "publish", "c2");
    scene.replicate("A/ann", "B", 0).gives(&[
        "s2/ann JOINED (replica)",
        "s2/ann PUBLISH_STARTED (replica)",
        "s1/ann REPLICATION_STARTED to B/s2",
        "changed B",
    ]);
    scene.replicate("B/ben", "A", 0).gives(&[
        "s1/ben JOINED (replica)",
        "s1/ben PUBLISH_STARTED (replica)",
        "s2/ben REPLICATION_STARTED to A/s1",
        "changed A",
    ]);
    scene
        .open("A/ann", "watch ben", "c3")
        .gives(&["opened in s1", "subscribe c3 to s2/ben"]);
}

#[test]
fn stop_takes_it_out_at_once() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "watch ann", "c2");
    scene.replicate("A/ann", "B", 300).ok();
    scene.replicate("A/ann", "C", 300).ok();
    scene.join("B/dan", "watch ann", "c3");
    scene.join("B/eve", "events", "c4");
    scene.join("B/eve", "watch ann", "c5");
    scene.wait(5);
    scene.stop_replication("A/ann", "B").gives(&[
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s2/eve SUBSCRIBE_STOPPED of ann (replica)",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "close c3 ReplicationStopped",
        "close c5 ReplicationStopped",
        "changed B",
    ]);
    assert!(
        !scene.replica("s1", "ann", "s2").active,
        "the row stays, STOPPED"
    );
    assert_eq!(
        scene.participant("s2/ann").replication,
        as_replica(false, "A", "s1")
    );
    assert_eq!(scene.session("s2").idle_since, Some(scene.now));
    assert!(scene.participant("s1/ann").publishing, "the source goes on");
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: true }
    );

    scene.stop_replication("A/ann", "C").ok();
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: false }
    );
}

#[test]
fn a_replication_between_the_same_sessions_is_taken_up_again_in_place() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene
        .replicate_with("A/ann", "B", 10, &[("order", "1")])
        .ok();
    let first = scene.now;
    scene.wait(20);
    scene.stop_replication("A/ann", "B").ok();
    scene.wait(20);
    scene
        .replicate_with("A/ann", "B", 50, &[("pip", "yes")])
        .gives(&[
            "s2/ann JOINED (replica)",
            "s2/ann PUBLISH_STARTED (replica)",
            "s1/ann REPLICATION_STARTED to B/s2",
            "changed B",
        ]);
    assert_eq!(scene.world.replicas.len(), 1);
    let row = scene.replica("s1", "ann", "s2");
    assert_eq!(
        (row.started_at, row.reconnect_window_s, row.active),
        (first, 50, true)
    );
    assert_eq!(row.attributes, attributes(&[("pip", "yes")]));
    let there = scene.participant("s2/ann");
    assert_eq!(
        (there.first_joined_at, &there.attributes),
        (first, &attributes(&[("pip", "yes")]))
    );
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: true }
    );
}

#[test]
fn a_replication_from_a_later_source_session_is_another_row() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("B/ben", "publish", "c0");
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(crate::support::IDLE_S).ok();
    assert_eq!(scene.active_session("A"), None);
    let first = scene.participant("s1/ann").first_joined_at;
    scene.join("A/ann", "publish", "c2");
    scene.replicate("A/ann", "B", 0).ok();
    assert_eq!(
        scene.world.replicas.len(),
        2,
        "the STOPPED row of the first session stays listed"
    );
    assert_eq!(
        scene.participant("s1/ann").replication,
        as_replica(true, "A", "s3")
    );
    assert_eq!(scene.participant("s1/ann").first_joined_at, first);
}

#[test]
fn when_the_publisher_leaves_its_replicas_leave() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/ann", "events", "c2");
    scene.replicate("A/ann", "B", 0).ok();
    scene.join("B/dan", "watch ann", "c3");
    scene.wait(5);
    scene.closed("A/ann", "c1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "close c3 PublisherLeft",
        "changed A",
        "changed B",
    ]);
    assert_eq!(scene.session("s2").idle_since, Some(scene.now));
    // Without a window the replica does not return with its publisher.
    scene.join("A/ann", "publish", "c4");
    assert!(!scene.participant("s2/ann").connected);
}

#[test]
fn a_replica_cannot_be_joined_as() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    // As if a self-signed token for B had the id of one for A.
    scene.token("B", "ann").ok();
    scene.open("B/ann", "events", "c2").refused(
        "Conflict: arn:aws:ivs:eu-west-1:111122223333:stage/B shows participant ann as a replica",
    );
}
