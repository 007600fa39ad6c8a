//! What the job of a composition is to do, as JSON for its runner.
//!
//! ```json
//! {"account": "111122223333", "region": "eu-west-1", "stage": "hT5vN1cGy8Ud", "stageArn": "arn:aws:ivs:…",
//!  "composition": "Cx4nRt7PqZ1s", "compositionArn": "arn:aws:ivs:…",
//!  "layout": {"grid": {"featuredParticipantAttribute": "", "omitStoppedVideo": false, "videoAspectRatio": "VIDEO",
//!    "videoFillMode": null, "gridGap": 2, "participantOrderAttribute": ""}},
//!  "destinations": [
//!    {"id": "De5tHs0KuV9g", "name": "", "encoder": {"width": 1280, "height": 720, "framerate": 30.0, "bitrate": 2500000},
//!     "channel": {"arn": "arn:aws:ivs:…"}},
//!    {"id": "Ab3kLm8QwE2r", "name": "", "encoder": {…},
//!     "s3": {"bucket": "my-vods", "prefix": "hT5vN1cGy8Ud/…/composite", "storage": "Bz3mKq9WfA6j", "segmentSeconds": 2,
//!       "thumbnails": {"storage": ["SEQUENTIAL"], "targetIntervalSeconds": 60}}}]}
//! ```
//!
//! `layout` has either `grid` or `pip`, with every member of the API model; one that has no default is `null` where the
//! request had none. `framerate` may have decimals. `thumbnails` is `null` for none. A destination that has failed or
//! ended is left out.

use crate::arn::{Arn, CompositionArn, StageArn};
use crate::live::json::{Object, list, quoted};
use crate::row::{
    Composition, CompositionDestination, CompositionRecording, CompositionTarget, GridLayout,
    LayoutSettings, PipLayout,
};

/// The job's task.
pub(super) fn text(row: &Composition) -> String {
    let arn = CompositionArn::of_composition(row);
    let stage: StageArn = arn.clone().with_id(|_| row.stage.clone());
    let mut object = Object::new();
    object.text("account", &row.account);
    object.text("region", &row.region);
    object.text("stage", row.stage.as_str());
    object.text("stageArn", &stage.to_string());
    object.text("composition", row.id.as_str());
    object.text("compositionArn", &arn.to_string());
    object.raw("layout", &layout(&row.layout));
    let open = row.destinations.iter().filter(|row| row.is_open());
    let destinations = open.map(|destination| self::destination(&arn, destination));
    object.raw("destinations", &list(destinations));
    object.end()
}

fn layout(settings: &LayoutSettings) -> String {
    let mut object = Object::new();
    match settings {
        LayoutSettings::Grid(grid) => object.raw("grid", &self::grid(grid)),
        LayoutSettings::Pip(pip) => object.raw("pip", &self::pip(pip)),
    }
    object.end()
}

fn grid(settings: &GridLayout) -> String {
    let mut object = Object::new();
    object.text("featuredParticipantAttribute", &settings.featured_attribute);
    object.raw("omitStoppedVideo", flag(settings.omit_stopped_video));
    object.text("videoAspectRatio", settings.aspect_ratio.word());
    let fill_mode = settings.fill_mode.map(|mode| quoted(mode.word()));
    object.raw("videoFillMode", &or_null(fill_mode));
    object.raw("gridGap", &settings.gap.to_string());
    object.text("participantOrderAttribute", &settings.order_attribute);
    object.end()
}

fn pip(settings: &PipLayout) -> String {
    let mut object = Object::new();
    object.text("featuredParticipantAttribute", &settings.featured_attribute);
    object.raw("omitStoppedVideo", flag(settings.omit_stopped_video));
    object.text("videoFillMode", settings.fill_mode.word());
    object.raw("gridGap", &settings.gap.to_string());
    object.text("pipParticipantAttribute", &settings.pip_attribute);
    object.text("pipBehavior", settings.behavior.word());
    object.raw("pipOffset", &settings.offset.to_string());
    object.text("pipPosition", settings.position.word());
    let length = |length: Option<u32>| or_null(length.map(|pixels| pixels.to_string()));
    object.raw("pipWidth", &length(settings.width));
    object.raw("pipHeight", &length(settings.height));
    object.text("participantOrderAttribute", &settings.order_attribute);
    object.end()
}

fn destination(composition: &CompositionArn, row: &CompositionDestination) -> String {
    let mut object = Object::new();
    object.text("id", row.id.as_str());
    object.text("name", &row.name);
    object.raw("encoder", &row.video);
    match &row.target {
        CompositionTarget::Channel(id) => {
            let arn: Arn<_> = composition.clone().with_id(|_| id.clone());
            let mut channel = Object::new();
            channel.text("arn", &arn.to_string());
            object.raw("channel", &channel.end());
        }
        CompositionTarget::S3(settings) => object.raw("s3", &recording(settings)),
    }
    object.end()
}

fn recording(settings: &CompositionRecording) -> String {
    let mut object = Object::new();
    object.text("bucket", &settings.storage.bucket);
    object.text("prefix", &settings.prefix);
    object.text("storage", settings.storage.configuration.as_str());
    object.raw("segmentSeconds", &settings.segment_s.to_string());
    let thumbnails = settings.thumbnails.as_ref().map(|thumbnails| {
        let kinds = thumbnails.storage.iter().map(|kind| quoted(kind.word()));
        let mut object = Object::new();
        object.raw("storage", &list(kinds));
        object.raw("targetIntervalSeconds", &thumbnails.interval_s.to_string());
        object.end()
    });
    object.raw("thumbnails", &or_null(thumbnails));
    object.end()
}

const fn flag(is_set: bool) -> &'static str {
    if is_set { "true" } else { "false" }
}

fn or_null(json: Option<String>) -> String {
    json.unwrap_or_else(|| "null".to_owned())
}
