//! Ingest: encoders publish with stream keys, one by one or two for one participant.

use restage_core::command::Command;
use restage_core::id::{ConnectionId, ParticipantId};
use restage_core::row::{
    IngestConfiguration, IngestCredential, IngestProtocol, Plain as _, Protocol, StageEventError,
    StreamKey,
};
use restage_core::{Fault, Limits};

use crate::support::{
    ACCOUNT, REGION, Scene, Step, arn, attributes, create, delete, ingest_arn, ingest_row, stream,
};

const HOURS_24: u32 = 24 * 3_600;

/// A scene with the ingest configuration `I` for stage A, and its participant `I`.
fn scene() -> Scene {
    let mut scene = Scene::new(&["A", "B"]);
    scene
        .run(&create(ingest_row("I", Some("A"), false)))
        .gives(&["ingest configuration I"]);
    scene
}

/// The same with two streams, whose participants are `Ia` and `Ib`.
fn redundant() -> Scene {
    let mut scene = Scene::new(&["A", "B"]);
    scene.run(&create(ingest_row("I", Some("A"), true))).ok();
    scene
}

fn row<'a>(scene: &'a Scene, id: &str) -> &'a IngestConfiguration {
    let row = scene.world.plain.get(&ingest_arn(id).id.into());
    row.and_then(IngestConfiguration::of).unwrap()
}

fn update(scene: &mut Scene, stage: Option<Option<&str>>, redundant: Option<bool>) -> Step {
    scene.run(&Command::UpdateIngestConfiguration {
        configuration: ingest_arn("I"),
        stage: stage.map(|stage| stage.map(arn)),
        redundant,
        fresh: ["Ic", "Id"].map(|id| stream("I", id)),
    })
}

fn forget(scene: &mut Scene, force: bool) -> Step {
    scene.run(&Command::DeleteIngestConfiguration {
        configuration: ingest_arn("I"),
        force,
    })
}

#[test]
fn an_encoder_publishes_as_the_participant_of_its_key() {
    let mut scene = Scene::new(&["A"]);
    let mut given = ingest_row("I", Some("A"), false);
    given.user_id = "encoder".to_owned();
    given.attributes = attributes(&[("order", "1")]);
    scene.run(&create(given)).ok();
    scene
        .ingest("I", "I", "c1")
        .gives(&["opened in s1", "s1/I JOINED", "publish c1 as s1/I"]);
    let there = scene.participant("s1/I");
    assert_eq!(there.user_id, "encoder");
    assert_eq!(there.attributes, attributes(&[("order", "1")]));
    assert_eq!(there.protocol, Protocol::Rtmps);
    let link = there.ingest.as_ref().unwrap();
    assert_eq!((link.configuration.as_str(), &link.redundant), ("I", &None));
    scene
        .established("A/I", "c1")
        .gives(&["s1/I PUBLISH_STARTED", "changed A"]);
    scene.join("A/bob", "watch I", "c2");
    scene.closed("A/I", "c1").gives(&[
        "s1/I PUBLISH_STOPPED",
        "s1/bob SUBSCRIBE_STOPPED of I",
        "s1/bob LEFT",
        "s1/I LEFT",
        "close c2 PublisherLeft",
        "changed A",
    ]);
    // It is the same participant when it comes back.
    scene.ingest("I", "I", "c3").ok();
    assert!(scene.participant("s1/I").published);
}

#[test]
fn a_key_that_is_not_right_tells_nothing_and_writes_nothing() {
    let mut scene = scene();
    scene.join("A/bob", "publish", "c0");
    let refusal = |id: &str| {
        format!("TokenInvalid: the stream key is not one of the ingest configuration {id}")
    };
    scene.ingest("I", "other", "c1").refused(&refusal("I"));
    scene.ingest("J", "I", "c1").refused(&refusal("J"));
    let step = scene.ingest("I", "", "c1");
    let refused = step.decision.reply.unwrap_err();
    assert_eq!(refused.code, Some(StageEventError::InvalidStreamKey));
}

#[test]
fn a_key_without_a_stage_is_unusable() {
    let mut scene = scene();
    update(&mut scene, Some(None), None).gives(&["ingest configuration I"]);
    let step = scene.ingest("I", "I", "c1");
    step.refused("Conflict: the ingest configuration I has no stage, so its stream keys are unusable; set stageArn with UpdateIngestConfiguration");
    let code = step.decision.reply.unwrap_err().code;
    assert_eq!(code, Some(StageEventError::InvalidStreamKey));
    update(&mut scene, Some(Some("B")), None).ok();
    scene.ingest("I", "I", "c2").ok();
    assert_eq!(scene.active_session("A"), None);
    assert_eq!(scene.active_session("B"), Some("s1"));
}

#[test]
fn rtmp_is_refused_where_it_is_not_allowed() {
    let mut scene = scene();
    let given = ingest_row("J", Some("A"), false);
    let insecure = IngestConfiguration {
        insecure: true,
        protocol: IngestProtocol::Rtmp,
        ..given
    };
    scene.run(&create(insecure)).ok();
    scene
        .ingest_by(IngestProtocol::Rtmp, "I", "I", "c1")
        .refused(
            "Conflict: the ingest configuration I takes RTMPS only: its insecureIngest is false",
        );
    scene.ingest_by(IngestProtocol::Rtmp, "J", "J", "c1").ok();
    assert_eq!(scene.participant("s1/J").protocol, Protocol::Rtmp);
    // Its session has begun, so the refusal is recorded.
    scene
        .ingest_by(IngestProtocol::Rtmp, "I", "I", "c2")
        .gives(&[
            "refused Conflict: the ingest configuration I takes RTMPS only: its insecureIngest is false",
            "s1/I PUBLISH_ERROR INVALID_PROTOCOL",
        ]);
    scene.closed("A/J", "c1").ok();
    scene.ingest("J", "J", "c3").ok();
    assert_eq!(scene.participant("s1/J").protocol, Protocol::Rtmps);
}

#[test]
fn the_first_with_a_key_stays() {
    let mut scene = scene();
    scene.ingest("I", "I", "c1").ok();
    scene.ingest("I", "I", "c2").gives(&[
        "refused Conflict: the stream key of participant I of the ingest configuration I is in use",
        "s1/I PUBLISH_ERROR REUSE_OF_STREAM_KEY",
    ]);
    scene.established("A/I", "c1").ok();
    scene
        .failed("A/I", "c1", StageEventError::BFramePresent, true)
        .gives(&[
            "s1/I PUBLISH_ERROR B_FRAME_PRESENT",
            "s1/I PUBLISH_STOPPED",
            "s1/I LEFT",
            "changed A",
        ]);
    scene.ingest("I", "I", "c3").ok();
}

#[test]
fn limits_hold_for_encoders() {
    let mut scene = redundant();
    scene.limits = Limits {
        publishers_per_stage: 2,
        ..Limits::AWS
    };
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "publish", "c2");
    scene.ingest("I", "Ia", "c3").gives(&[
        "refused LimitExceeded: Publishers per stage: the limit of 2 is reached (setting limit-publishers-per-stage)",
        "s1/Ia PUBLISH_ERROR QUOTA_EXCEEDED",
    ]);
    scene.closed("A/bob", "c2").ok();
    scene.ingest("I", "Ia", "c4").ok();
    // Each stream takes a place; the virtual participant takes none.
    scene.established("A/Ia", "c4").ok();
    scene
        .ingest("I", "Ib", "c5")
        .is_refused("LimitExceeded: Publishers per stage: the limit of 2 is reached (setting limit-publishers-per-stage)");
    scene.limits.publishers_per_stage = 3;
    scene.limits.publishers = 2;
    scene
        .ingest("I", "Ib", "c6")
        .is_refused("LimitExceeded: Concurrent publishers per account and Region: the limit of 2 is reached (setting limit-publishers)");
}

#[test]
fn a_participant_of_a_token_and_one_of_a_key_do_not_take_each_others_place() {
    let mut scene = scene();
    scene.import_key("K").ok();
    scene.ingest("I", "I", "c1").ok();
    let claims = scene.self_signed("A/I", "K");
    scene
        .open_as(&claims, "publish", "c2")
        .refused("Conflict: participant I of arn:aws:ivs:eu-west-1:111122223333:stage/A publishes by an ingest configuration");
    update(&mut scene, Some(Some("B")), None).is_refused("Conflict: arn: arn:aws:ivs:eu-west-1:111122223333:ingest-configuration/I is ACTIVE, because an encoder publishes with it; update it when that has ended, or end it with DisconnectParticipant");
    scene.closed("A/I", "c1").ok();
    update(&mut scene, Some(Some("B")), None).ok();
    let claims = scene.self_signed("B/I", "K");
    scene.join_as(&claims, "publish", "c3");
    scene.ingest("I", "I", "c4").is_refused(
        "Conflict: the stream key of participant I of the ingest configuration I is in use",
    );
    scene.closed("B/I", "c3").ok();
    scene.ingest("I", "I", "c5").gives(&[
        "refused Conflict: the stage has another participant I",
        "s2/I PUBLISH_ERROR INVALID_INPUT",
    ]);
}

#[test]
fn a_stage_that_is_not_the_callers_is_not_attached() {
    let mut scene = scene();
    scene
        .run(&create(ingest_row("J", Some("Z"), false)))
        .refused("Invalid: stageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z");
    let mut elsewhere = ingest_row("J", Some("A"), false);
    elsewhere.region = "us-east-1".to_owned();
    scene
        .run(&create(elsewhere.clone()))
        .refused("Invalid: stageArn: there is no stage arn:aws:ivs:us-east-1:111122223333:stage/A");
    update(&mut scene, Some(Some("Z")), None).refused(
        "NotFound: stageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z",
    );
    elsewhere.stage = None;
    scene.run(&create(elsewhere)).ok();
    let step = scene.run(&Command::UpdateIngestConfiguration {
        configuration: restage_core::Arn {
            region: "us-east-1".to_owned(),
            ..ingest_arn("J")
        },
        stage: Some(Some(arn("A"))),
        redundant: None,
        fresh: ["Jc", "Jd"].map(|id| stream("J", id)),
    });
    step.refused("Invalid: stageArn: arn:aws:ivs:eu-west-1:111122223333:stage/A is in another Region than the ingest configuration, which is in us-east-1; both must be in the same one");
}

#[test]
fn disconnecting_takes_the_stage_from_the_configuration() {
    let mut scene = scene();
    scene.ingest("I", "I", "c1").ok();
    scene.established("A/I", "c1").ok();
    scene.disconnect("A/I").gives(&[
        "s1/I PUBLISH_STOPPED",
        "s1/I LEFT",
        "close c1 Disconnected",
        "changed A",
    ]);
    assert_eq!(row(&scene, "I").stage, None);
    scene
        .ingest("I", "I", "c2")
        .is_refused("Conflict: the ingest configuration I has no stage, so its stream keys are unusable; set stageArn with UpdateIngestConfiguration");
    // The participant is known, and disconnected.
    scene.disconnect("A/I").changes_nothing();
}

#[test]
fn one_that_has_not_come_yet_is_disconnected_all_the_same() {
    let mut scene = scene();
    scene.disconnect("A/I").ok();
    assert_eq!(row(&scene, "I").stage, None);
    scene.disconnect("A/I").refused(
        "NotFound: participantId: arn:aws:ivs:eu-west-1:111122223333:stage/A has no participant I",
    );
}

#[test]
fn deleting_the_stage_takes_it_from_its_configurations() {
    let mut scene = scene();
    scene.run(&create(ingest_row("J", Some("A"), true))).ok();
    scene.run(&create(ingest_row("K", Some("B"), false))).ok();
    scene.ingest("I", "I", "c1").ok();
    scene.ingest("J", "Ja", "c2").ok();
    scene
        .delete_stage("A")
        .gives(&["close c1 StageDeleted", "close c2 StageDeleted"]);
    assert_eq!(
        (&row(&scene, "I").stage, &row(&scene, "J").stage),
        (&None, &None)
    );
    assert_eq!(row(&scene, "K").stage, Some("B".into()));
}

#[test]
fn deletion_needs_force_while_an_encoder_publishes() {
    let mut scene = redundant();
    scene.ingest("I", "Ia", "c1").ok();
    scene.established("A/Ia", "c1").ok();
    let refusal = "Conflict: arn: arn:aws:ivs:eu-west-1:111122223333:ingest-configuration/I is ACTIVE, because an encoder publishes with it; set force to disconnect it and delete arn:aws:ivs:eu-west-1:111122223333:ingest-configuration/I";
    forget(&mut scene, false).refused(refusal);
    scene.run(&delete(ingest_arn("I"))).refused(refusal);
    forget(&mut scene, true).gives(&[
        "s1/Ia PUBLISH_STOPPED",
        "s1/I PUBLISH_STOPPED",
        "s1/Ia LEFT",
        "s1/I LEFT",
        "close c1 Disconnected",
        "changed A",
    ]);
    forget(&mut scene, true).refused("NotFound: arn: there is no ingest configuration arn:aws:ivs:eu-west-1:111122223333:ingest-configuration/I");
    scene
        .ingest("I", "Ia", "c2")
        .is_refused("TokenInvalid: the stream key is not one of the ingest configuration I");
}

#[test]
fn one_that_nobody_publishes_with_is_deleted_without_force() {
    let mut scene = scene();
    scene.ingest("I", "I", "c1").ok();
    scene.closed("A/I", "c1").ok();
    forget(&mut scene, false).gives(&[]);
    assert!(scene.world.plain.is_empty());
}

#[test]
fn a_crash_leaves_no_configuration_active() {
    let mut scene = redundant();
    scene.ingest("I", "Ia", "c1").ok();
    scene.established("A/Ia", "c1").ok();
    scene.restart().ok();
    assert!(!scene.participant("s1/I").connected && !scene.participant("s1/Ia").connected);
    update(&mut scene, Some(Some("B")), None).ok();
    scene.ingest("I", "Ia", "c2").ok();
}

#[test]
fn participants_of_ingest_are_replicated_and_wait_for_their_encoder() {
    let mut scene = scene();
    scene.ingest("I", "I", "c1").ok();
    scene.established("A/I", "c1").ok();
    scene.replicate("A/I", "B", 30).ok();
    assert_eq!(scene.participant("s2/I").protocol, Protocol::Rtmps);
    scene.closed("A/I", "c1").ok();
    assert!(!scene.participant("s2/I").publishing);
    scene.wait(10);
    scene.ingest("I", "I", "c2").ok();
    scene.established("A/I", "c2").gives(&[
        "s1/I PUBLISH_STARTED",
        "s2/I PUBLISH_STARTED (replica)",
        "changed A",
        "changed B",
    ]);
    // DisconnectParticipant of the replica stops that one, and leaves the encoder its stage.
    scene.disconnect("B/I").ok();
    assert_eq!(row(&scene, "I").stage, Some("A".into()));
}

#[test]
fn two_streams_are_one_participant_for_subscribers() {
    let mut scene = redundant();
    scene.ingest("I", "Ia", "c1").gives(&[
        "opened in s1",
        "s1/I JOINED",
        "s1/Ia JOINED",
        "publish c1 as s1/Ia",
    ]);
    scene.established("A/Ia", "c1").gives(&[
        "s1/Ia PUBLISH_STARTED",
        "s1/I PUBLISH_STARTED",
        "changed A",
    ]);
    let (shown, first) = (scene.participant("s1/I"), scene.participant("s1/Ia"));
    assert!(shown.is_virtual() && !shown.is_physical() && first.is_physical());
    scene.join("A/bob", "watch I", "c9");
    scene.token("A", "dan").ok();
    scene
        .open("A/dan", "watch Ia", "c8")
        .is_refused("NotFound: participant Ia is not publishing in this stage");
    scene
        .ingest("I", "Ib", "c2")
        .gives(&["opened in s1", "s1/Ib JOINED", "publish c2 as s1/Ib"]);
    scene
        .established("A/Ib", "c2")
        .gives(&["s1/Ib PUBLISH_STARTED", "changed A"]);
    // One goes, and nobody who watches is told.
    scene
        .closed("A/Ia", "c1")
        .gives(&["s1/Ia PUBLISH_STOPPED", "s1/Ia LEFT", "changed A"]);
    assert!(scene.participant("s1/I").publishing);
    scene.closed("A/Ib", "c2").gives(&[
        "s1/Ib PUBLISH_STOPPED",
        "s1/I PUBLISH_STOPPED",
        "s1/bob SUBSCRIBE_STOPPED of I",
        "s1/bob LEFT",
        "s1/Ib LEFT",
        "s1/I LEFT",
        "close c9 PublisherLeft",
        "changed A",
    ]);
}

#[test]
fn the_virtual_participant_is_replicated_and_its_streams_are_recorded() {
    let mut scene = Scene::new(&[]);
    for stage in ["A", "B"] {
        scene.create_recorded(stage, 0);
    }
    scene.run(&create(ingest_row("I", Some("A"), true))).ok();
    for (id, connection) in [("Ia", "c1"), ("Ib", "c2")] {
        scene.ingest("I", id, connection).ok();
        scene.established(&format!("A/{id}"), connection).ok();
    }
    let recorded = |scene: &Scene, who: &str| scene.participant(who).recording.is_some();
    assert!(recorded(&scene, "s1/Ia") && recorded(&scene, "s1/Ib"));
    assert!(!recorded(&scene, "s1/I"));
    scene
        .replicate("A/Ia", "B", 0)
        .refused("Conflict: Ia is a stream of a redundant ingest; replicate the participantId of its ingest configuration");
    scene.replicate("A/I", "B", 0).ok();
    assert!(recorded(&scene, "s2/I"));
    scene.closed("A/Ia", "c1").ok();
    assert!(scene.participant("s2/I").publishing);
    scene.closed("A/Ib", "c2").ok();
    assert!(!scene.participant("s2/I").publishing);
}

#[test]
fn with_any_participant_of_a_redundant_ingest_all_are_disconnected() {
    for who in ["I", "Ia", "Ib"] {
        let mut scene = redundant();
        scene.ingest("I", "Ia", "c1").ok();
        scene.established("A/Ia", "c1").ok();
        scene.disconnect(&format!("A/{who}")).gives(&[
            "s1/Ia PUBLISH_STOPPED",
            "s1/I PUBLISH_STOPPED",
            "s1/Ia LEFT",
            "s1/I LEFT",
            "close c1 Disconnected",
            "changed A",
        ]);
        assert_eq!(row(&scene, "I").stage, None, "{who}");
    }
}

#[test]
fn the_two_streams_do_not_end_at_the_same_time() {
    let mut scene = redundant();
    scene.limits = Limits {
        connection_seconds: HOURS_24,
        ..Limits::AWS
    };
    for (id, connection) in [("Ia", "c1"), ("Ib", "c2")] {
        scene.ingest("I", id, connection).ok();
        scene.established(&format!("A/{id}"), connection).ok();
    }
    scene.tick_after(HOURS_24).gives(&[
        "s1/Ia PUBLISH_ERROR STREAM_DURATION_EXCEEDED",
        "s1/Ia PUBLISH_STOPPED",
        "s1/Ia LEFT",
        "close c1 LimitExceeded",
        "changed A",
    ]);
    scene.tick_after(300).gives(&[]);
    scene.ingest("I", "Ia", "c3").ok();
    scene.tick().gives(&[]);
    scene.established("A/Ia", "c3").ok();
    scene.tick().gives(&[
        "s1/Ib PUBLISH_ERROR STREAM_DURATION_EXCEEDED",
        "s1/Ib PUBLISH_STOPPED",
        "s1/Ib LEFT",
        "close c2 LimitExceeded",
        "changed A",
    ]);
    // The only one left is not waited for without end.
    scene.tick_after(HOURS_24).gives(&[]);
    scene.tick_after(599).gives(&[]);
    assert!(scene.participant("s1/I").publishing);
    scene.tick_after(1).ok();
    assert!(!scene.participant("s1/I").publishing);
}

#[test]
fn redundancy_is_switched_on_and_off_between_streams() {
    let mut scene = scene();
    assert_eq!(row(&scene, "I").redundant, None);
    update(&mut scene, None, Some(true)).ok();
    let streams = row(&scene, "I").redundant.clone().unwrap();
    assert_eq!(streams, ["Ic", "Id"].map(|id| stream("I", id)));
    // Asked again, the streams stay.
    let other = ["Ie", "If"].map(|id| stream("I", id));
    scene
        .run(&Command::UpdateIngestConfiguration {
            configuration: ingest_arn("I"),
            stage: None,
            redundant: Some(true),
            fresh: other,
        })
        .ok();
    assert_eq!(row(&scene, "I").redundant.as_ref(), Some(&streams));
    scene.join("A/bob", "publish", "c0");
    scene.ingest("I", "I", "c1").gives(&[
        "refused Conflict: the ingest configuration I is redundant: publish with the stream keys of redundantIngestCredentials",
        "s1/I PUBLISH_ERROR INVALID_STREAM_KEY",
    ]);
    scene.ingest("I", "Ic", "c2").ok();
    update(&mut scene, None, Some(false)).is_refused("Conflict: arn: arn:aws:ivs:eu-west-1:111122223333:ingest-configuration/I is ACTIVE, because an encoder publishes with it; update it when that has ended, or end it with DisconnectParticipant");
    scene.closed("A/Ic", "c2").ok();
    update(&mut scene, None, Some(false)).ok();
    scene.ingest("I", "I", "c3").ok();
    assert!(!scene.participant("s1/I").is_virtual());
    scene
        .ingest("I", "Ic", "c4")
        .is_refused("TokenInvalid: the stream key is not one of the ingest configuration I");
}

#[test]
fn an_encoder_that_gives_up_before_its_media_leaves_a_line() {
    let mut scene = scene();
    scene.ingest("I", "I", "c1").ok();
    scene.wait(5);
    scene
        .closed("A/I", "c1")
        .gives(&["s1/I PUBLISH_ERROR INVALID_INPUT", "s1/I LEFT"]);
}

#[test]
fn refusals_have_the_codes_of_the_documentation() {
    let mut scene = redundant();
    let mut code = |key: &str, protocol| {
        let step = scene.run(&Command::StartIngest {
            connection: ConnectionId::new("c"),
            configuration: "I".into(),
            key: stream("I", key).key,
            protocol,
        });
        let refusal = step.decision.reply.unwrap_err();
        (refusal.fault, refusal.code)
    };
    let rtmps = IngestProtocol::Rtmps;
    let invalid_key = Some(StageEventError::InvalidStreamKey);
    assert_eq!(code("x", rtmps), (Fault::TokenInvalid, invalid_key));
    assert_eq!(code("I", rtmps), (Fault::Conflict, invalid_key));
    let protocol = Some(StageEventError::InvalidProtocol);
    assert_eq!(
        code("Ia", IngestProtocol::Rtmp),
        (Fault::Conflict, protocol)
    );
}

#[test]
fn nothing_of_a_key_is_shown_by_debug() {
    let row = ingest_row("I", Some("A"), true);
    let shown = format!("{:?} {:?}", create(row.clone()), row);
    assert!(!shown.contains("rt_"), "{shown}");
    let credential = IngestCredential {
        participant: ParticipantId::new("I"),
        key: StreamKey::new(ACCOUNT, REGION, &row.id, "hidden"),
    };
    assert!(!format!("{credential:?}").contains("hidden"));
}
