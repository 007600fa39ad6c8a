//! StartComposition and what it refuses, and how a composition begins.

use restage_core::command::DestinationChange;
use restage_core::limits::{COMPOSITION_IDLE_S, COMPOSITION_LIFE_S};
use restage_core::row::{
    AspectRatio, CompositionState, DEFAULT_VIDEO, DestinationState, FillMode, GridLayout,
    LayoutSettings, PipLayout, PlainKind,
};
use restage_core::{Command, Reply};

use crate::support::compositions::{
    channel_arn, compose, composition_arn, encoded, to_bucket, to_channel,
};
use crate::support::{ACCOUNT, REGION, Scene, create, delete, key_arn, plain_row, storage_arn};

/// A stage where ann publishes, and the storage configuration W.
fn scene() -> Scene {
    let mut scene = Scene::new(&["A"]);
    let row = plain_row(PlainKind::StorageConfiguration, "W");
    scene.run(&create(row)).ok();
    scene.join("A/ann", "publish", "c1");
    scene
}

#[test]
fn it_has_a_job_and_is_active_when_it_is_composed() {
    let mut scene = scene();
    let both = vec![to_channel("d1", "one"), to_bucket("d2", "W")];
    let step = scene.run(&compose("X", "A", both, ""));
    step.gives(&["composition X", "run X 1"]);
    step.tells_of(&[]);
    let row = scene.composition("X");
    assert_eq!(row.state, CompositionState::Starting);
    assert_eq!(row.idle_since, None, "somebody publishes");
    assert_eq!(
        row.lives_until,
        scene.steady.plus_seconds(COMPOSITION_LIFE_S)
    );
    assert_eq!(row.layout, LayoutSettings::Grid(GridLayout::default()));
    let recording = scene.destination("X/d2").target.recording().unwrap();
    assert_eq!(recording.prefix, "A/X/d2/composite");
    assert_eq!(recording.storage.bucket, "bucket-of-w");

    scene
        .composition_started("X", 1)
        .tells_of(&["X Session Start"]);
    scene.composition_started("X", 1).changes_nothing();
    let started = DestinationChange::Started;
    let step = scene.destination_changed("X/d2", 1, started.clone());
    step.tells_of(&["X/d2 Start"]);
    scene
        .destination_changed("X/d2", 1, started)
        .changes_nothing();
    assert_eq!(scene.composition("X").state, CompositionState::Active);
    assert_eq!(scene.destination("X/d2").state, DestinationState::Active);
    assert_eq!(scene.destination("X/d1").state, DestinationState::Starting);
}

#[test]
fn what_arrives_at_a_destination_is_composed() {
    let mut scene = scene();
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    scene
        .destination_changed("X/d1", 1, DestinationChange::Started)
        .tells_of(&["X Session Start", "X/d1 Start"]);
    assert_eq!(scene.composition("X").state, CompositionState::Active);
}

#[test]
fn the_job_is_told_everything_its_runner_needs() {
    let mut scene = scene();
    let row = plain_row(PlainKind::EncoderConfiguration, "E");
    scene.run(&create(row)).ok();
    let both = vec![encoded(to_channel("d1", "one"), "E"), to_bucket("d2", "W")];
    scene.run(&compose("X", "A", both, "")).ok();
    let of = format!("arn:aws:ivs:{REGION}:{ACCOUNT}");
    let expected = format!(
        r#"{{"account":"{ACCOUNT}","region":"{REGION}","stage":"A","stageArn":"{of}:stage/A","composition":"X","compositionArn":"{of}:composition/X","layout":{{"grid":{{"featuredParticipantAttribute":"","omitStoppedVideo":false,"videoAspectRatio":"VIDEO","videoFillMode":null,"gridGap":2,"participantOrderAttribute":""}}}},"destinations":[{{"id":"d1","name":"","encoder":{{}},"channel":{{"arn":"{of}:channel/one"}}}},{{"id":"d2","name":"vod","encoder":{DEFAULT_VIDEO},"s3":{{"bucket":"bucket-of-w","prefix":"A/X/d2/composite","storage":"W","segmentSeconds":2,"thumbnails":{{"storage":["SEQUENTIAL"],"targetIntervalSeconds":60}}}}}}]}}"#
    );
    assert_eq!(scene.job("X").spec, expected);
    assert_eq!(scene.job("X").kind, "composition");
}

#[test]
fn the_layout_in_the_spec_has_every_member() {
    let mut scene = scene();
    let mut start = |id: &str, layout| {
        let mut command = compose(id, "A", vec![to_channel("d1", id)], "");
        if let Command::StartComposition { layout: of, .. } = &mut command {
            *of = layout;
        }
        scene.run(&command).ok();
        scene.job(id).spec.clone()
    };
    let pip = start("X", LayoutSettings::Pip(PipLayout::default()));
    let members = r#""layout":{"pip":{"featuredParticipantAttribute":"","omitStoppedVideo":false,"videoFillMode":"COVER","gridGap":0,"pipParticipantAttribute":"","pipBehavior":"STATIC","pipOffset":0,"pipPosition":"BOTTOM_RIGHT","pipWidth":null,"pipHeight":null,"participantOrderAttribute":""}}"#;
    assert!(pip.contains(members), "{pip}");
    let pip = PipLayout {
        width: Some(320),
        height: Some(180),
        ..PipLayout::default()
    };
    let pip = start("Y", LayoutSettings::Pip(pip));
    assert!(pip.contains(r#""pipWidth":320,"pipHeight":180"#), "{pip}");
    let grid = GridLayout {
        featured_attribute: "host".to_owned(),
        aspect_ratio: AspectRatio::Square,
        fill_mode: Some(FillMode::Contain),
        ..GridLayout::default()
    };
    let grid = start("Z", LayoutSettings::Grid(grid));
    let members = r#""featuredParticipantAttribute":"host","omitStoppedVideo":false,"videoAspectRatio":"SQUARE","videoFillMode":"CONTAIN""#;
    assert!(grid.contains(members), "{grid}");
}

#[test]
fn what_it_names_must_be_there_and_in_the_same_region() {
    let mut scene = scene();
    let channel = || vec![to_channel("d1", "one")];
    scene.run(&compose("X", "B", channel(), "")).refused(
        "NotFound: stageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/B",
    );
    scene.run(&compose("X", "A", vec![to_bucket("d1", "V")], "")).refused(
        "NotFound: destinations.0.s3.storageConfigurationArn: there is no storage configuration arn:aws:ivs:eu-west-1:111122223333:storage-configuration/V",
    );
    let both = vec![to_bucket("d1", "W"), encoded(to_channel("d2", "one"), "E")];
    scene.run(&compose("X", "A", both, "")).refused(
        "NotFound: destinations.1.channel.encoderConfigurationArn: there is no encoder configuration arn:aws:ivs:eu-west-1:111122223333:encoder-configuration/E",
    );
    let step = scene.run_as("999988887777", &compose("X", "A", channel(), ""));
    step.refused(
        "Denied: stageArn: arn:aws:ivs:eu-west-1:111122223333:stage/A belongs to another account",
    );

    let mut elsewhere = compose("X", "A", channel(), "");
    if let Command::StartComposition { destinations, .. } = &mut elsewhere {
        let mut arn = channel_arn("one");
        "us-east-1".clone_into(&mut arn.region);
        destinations[0].target = restage_core::command::NewTarget::Channel(arn.clone());
    }
    scene.run(&elsewhere).refused(
        "Invalid: destinations.0.channel.channelArn: arn:aws:ivs:us-east-1:111122223333:channel/one is in another Region than the request, which is for eu-west-1; both must be in the same one",
    );
}

#[test]
fn the_quotas_count_what_has_not_ended() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.limits.compositions = 3;
    scene.limits.compositions_per_stage = 2;
    let to = |id: &str| vec![to_channel("d1", id)];
    scene.run(&compose("X1", "A", to("one"), "")).ok();
    scene.run(&compose("X2", "A", to("two"), "")).ok();
    scene.run(&compose("X3", "A", to("three"), "")).refused(
        "LimitExceeded: Compositions per stage that have not ended: the limit of 2 is reached (setting limit-compositions-per-stage)",
    );
    scene.run(&compose("X3", "B", to("three"), "")).ok();
    let refused = "LimitExceeded: Compositions per account and Region that have not ended: the limit of 3 is reached (setting limit-compositions)";
    scene
        .run(&compose("X4", "B", to("four"), ""))
        .refused(refused);
    // One that is to end still counts; one that has ended does not.
    scene.stop_composition("X1").gives(&["stop X1 1"]);
    scene
        .run(&compose("X4", "B", to("four"), ""))
        .refused(refused);
    let done = restage_core::command::JobOutcome::Done(String::new());
    scene.report_job("X1", 1, done).ok();
    assert_eq!(scene.composition("X1").state, CompositionState::Stopped);
    scene.run(&compose("X4", "B", to("four"), "")).ok();
}

#[test]
fn a_channel_takes_one_composition() {
    let mut scene = scene();
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    let again = compose("Y", "A", vec![to_channel("d1", "one")], "");
    scene.run(&again).refused(
        "Conflict: destinations.0.channel.channelArn: another composition that has not ended is sent to arn:aws:ivs:eu-west-1:111122223333:channel/one; end it with StopComposition first",
    );
    scene.stop_composition("X").ok();
    let done = restage_core::command::JobOutcome::Done(String::new());
    scene.report_job("X", 1, done).ok();
    scene.run(&again).ok();
}

#[test]
fn a_token_is_good_for_one_composition() {
    let mut scene = scene();
    let first = compose("X", "A", vec![to_channel("d1", "one")], "token");
    scene.run(&first).gives(&["composition X", "run X 1"]);
    let again = compose("Y", "A", vec![to_channel("d2", "one")], "token");
    let step = scene.run(&again);
    step.gives(&["composition X"]);
    step.changes_nothing();
    let Ok(Reply::Composition(row)) = &step.decision.reply else {
        panic!("{:?}", step.decision.reply);
    };
    assert_eq!(row.destinations[0].id.as_str(), "d1");
    let other = vec![to_channel("d1", "two"), to_bucket("d2", "W")];
    scene.run(&compose("Z", "A", other, "token")).refused(
        "Conflict: idempotencyToken: token was used with other parameters for arn:aws:ivs:eu-west-1:111122223333:composition/X; use another token, or the same parameters",
    );
    // It answers as long as the composition can be read, also if its stage is gone.
    scene.delete_stage("A").ok();
    scene.run(&again).gives(&["composition X"]);
    let done = restage_core::command::JobOutcome::Done(String::new());
    scene.report_job("X", 1, done).ok();
    scene.run(&again).gives(&["composition X"]);
    scene.tick_after(300).ok();
    scene.create_stage("A").ok();
    scene.run(&again).gives(&["composition Y", "run Y 1"]);
}

#[test]
fn the_same_token_of_another_region_is_another() {
    let mut scene = scene();
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], "token"))
        .ok();
    let mut elsewhere = compose("Y", "A", vec![to_channel("d1", "one")], "token");
    if let Command::StartComposition { composition, .. } = &mut elsewhere {
        "us-east-1".clone_into(&mut composition.region);
    }
    scene.run(&elsewhere).refused(
        "Invalid: stageArn: arn:aws:ivs:eu-west-1:111122223333:stage/A is in another Region than the request, which is for us-east-1; both must be in the same one",
    );
}

#[test]
fn configurations_in_use_cannot_be_deleted() {
    let mut scene = scene();
    let row = plain_row(PlainKind::EncoderConfiguration, "E");
    scene.run(&create(row)).ok();
    let destinations = vec![encoded(to_bucket("d1", "W"), "E")];
    scene.run(&compose("X", "A", destinations, "")).ok();
    let encoder = key_arn("").with_id(|_| restage_core::row::EncoderConfigurationId::new("E"));
    scene.run(&delete(encoder.clone())).refused(
        "Conflict: arn: compositions with this encoder configuration that are STARTING, ACTIVE or STOPPING: 1; delete it when they are STOPPED or FAILED",
    );
    let in_use = "Conflict: arn: compositions with this storage configuration that are STARTING, ACTIVE or STOPPING: 1; delete it when they are STOPPED or FAILED";
    scene.run(&delete(storage_arn("W"))).refused(in_use);
    scene.stop_composition("X").ok();
    let done = restage_core::command::JobOutcome::Done(String::new());
    scene.report_job("X", 1, done).ok();
    scene.run(&delete(storage_arn("W"))).refused(in_use);
    scene.destination_finished("X/d1", None).ok();
    scene.run(&delete(storage_arn("W"))).ok();
    scene.run(&delete(encoder)).ok();
}

#[test]
fn it_has_tags() {
    let mut scene = scene();
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    let tags = [("team".to_owned(), "video".to_owned())];
    let tag = |id: &str| Command::TagResource {
        resource: composition_arn(id).into(),
        tags: tags.clone().into(),
    };
    scene.run(&tag("X")).ok();
    assert_eq!(scene.composition("X").tags, tags.clone().into());
    scene.run(&tag("Y")).refused(
        "NotFound: resourceArn: there is no composition arn:aws:ivs:eu-west-1:111122223333:composition/Y; one that has ended is removed after 5 minutes",
    );
    let untag = Command::UntagResource {
        resource: composition_arn("X").into(),
        keys: ["team".to_owned()].into(),
    };
    scene.run(&untag).ok();
    assert!(scene.composition("X").tags.is_empty());
}

#[test]
fn it_is_counted_from_the_start_that_nobody_publishes() {
    let mut scene = Scene::new(&["A"]);
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    assert_eq!(scene.composition("X").idle_since, Some(scene.steady));
    let step = scene.tick_while_composed("X", COMPOSITION_IDLE_S - 1);
    step.changes_nothing();
    scene.tick_after(1).gives(&["stop X 1"]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopping);
}
