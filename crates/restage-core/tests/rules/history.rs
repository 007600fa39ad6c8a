//! The history of participants: times, and which participant an event belongs to.

use restage_core::row::StageEvent;

use crate::support::Scene;

#[test]
fn each_line_has_its_time_and_details() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.wait(4);
    scene.replicate("A/ann", "B", 0).ok();
    let started: &StageEvent = scene.world.events.last().unwrap();
    assert_eq!(
        (
            started.session.as_str(),
            started.participant.as_str(),
            started.at
        ),
        ("s1", "ann", scene.now)
    );
    let (stage, session) = started.destination.as_ref().unwrap();
    assert_eq!((stage.as_str(), session.as_str()), ("B", "s2"));
    assert!(
        !started.replica,
        "at the source it is the participant itself"
    );
}

#[test]
fn the_whole_story_of_a_replica_in_its_destination() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 30).ok();
    scene.closed("A/ann", "c1").ok();
    scene.join("A/ann", "publish", "c2");
    scene.closed("A/ann", "c2").ok();
    scene.tick_after(30).ok();
    let of = |session: &str| -> Vec<_> {
        scene
            .world
            .events
            .iter()
            .filter(|row| row.session.as_str() == session)
            .map(|row| row.name)
            .collect()
    };
    use restage_core::row::StageEventName::{
        Joined, Left, PublishStarted, PublishStopped, ReplicationStarted, ReplicationStopped,
    };
    assert_eq!(
        of("s2"),
        [
            Joined,
            PublishStarted,
            PublishStopped,
            PublishStarted,
            PublishStopped,
            Left
        ]
    );
    assert_eq!(
        of("s1"),
        [
            Joined,
            PublishStarted,
            ReplicationStarted,
            PublishStopped,
            Left,
            Joined,
            PublishStarted,
            PublishStopped,
            Left,
            ReplicationStopped
        ]
    );
}
