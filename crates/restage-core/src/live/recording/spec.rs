//! What the job of a recording is to do, as JSON for its runner.
//!
//! ```json
//! {"account": "111122223333", "region": "eu-west-1", "stage": "hT5vN1cGy8Ud", "stageArn": "arn:aws:ivs:…",
//!  "session": "st-4Hc9sTnV2bQ7x", "participant": "q7Rk2ZpLw0Xe", "bucket": "my-vods", "prefix": "hT5vN1cGy8Ud/…",
//!  "storage": "Bz3mKq9WfA6j", "mediaTypes": "AUDIO_VIDEO", "segmentSeconds": 6,
//!  "thumbnails": {"recordingMode": "DISABLED", "storage": ["SEQUENTIAL"], "targetIntervalSeconds": 60}, "mayReturn": false,
//!  "publication": {"session": "st-4Hc9sTnV2bQ7x", "participant": "q7Rk2ZpLw0Xe"}, "paused": false}
//! ```
//!
//! `session` and `participant` are those of the prefix. `publication` is what is captured now, of a replica the source's; it
//! is `null` while the publisher is away. `mayReturn` says that another publication may continue the recording.

use crate::arn::StageArn;
use crate::live::json::{Object, list, quoted};
use crate::row::{Recording, ThumbnailMode, Thumbnails};

/// The job's task.
pub(super) fn text(row: &Recording) -> String {
    let arn = StageArn {
        region: row.region.clone(),
        account: row.account.clone(),
        id: row.stage.clone(),
    };
    let mut object = Object::new();
    object.text("account", &row.account);
    object.text("region", &row.region);
    object.text("stage", row.stage.as_str());
    object.text("stageArn", &arn.to_string());
    object.text("session", row.session.as_str());
    object.text("participant", row.participant.as_str());
    object.text("bucket", &row.storage.bucket);
    object.text("prefix", &row.prefix);
    object.text("storage", row.storage.configuration.as_str());
    object.text("mediaTypes", row.settings.media.word());
    object.raw("segmentSeconds", &row.settings.segment_s.to_string());
    object.raw("thumbnails", &thumbnails(row));
    // A replica also waits for the window of its replication.
    let may_return = row.settings.reconnect_window_s > 0 || row.is_replica();
    object.raw("mayReturn", if may_return { "true" } else { "false" });
    let publication = row.publication.as_ref().map_or_else(
        || "null".to_owned(),
        |key| {
            let mut object = Object::new();
            object.text("session", key.session.as_str());
            object.text("participant", key.participant.as_str());
            object.end()
        },
    );
    object.raw("publication", &publication);
    object.raw("paused", if row.paused { "true" } else { "false" });
    object.end()
}

fn thumbnails(row: &Recording) -> String {
    let Thumbnails {
        storage,
        interval_s,
        ..
    } = &row.settings.thumbnails;
    let mode = match row.settings.has_thumbnails() {
        true => ThumbnailMode::Interval,
        false => ThumbnailMode::Disabled,
    };
    let mut object = Object::new();
    object.text("recordingMode", mode.word());
    object.raw(
        "storage",
        &list(storage.iter().map(|kind| quoted(kind.word()))),
    );
    object.raw("targetIntervalSeconds", &interval_s.to_string());
    object.end()
}
