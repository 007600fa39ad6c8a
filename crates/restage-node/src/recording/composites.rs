//! What the rules say of the recordings of compositions: their ids in the spool, and where they go.

use restage_core::arn::StageArn;
use restage_core::row::{Composition, CompositionDestinationId, ThumbnailStorage as ThumbnailKind};
use restage_record::MediaTypes;
use restage_record::document::Composite;
use restage_storage::Destination;
use serde::Deserialize;

/// How a destination is encoded: the `video` of its row.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub(crate) struct CompositeEncoder {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) framerate: f64,
    pub(crate) bitrate: u32,
}

/// The id in the spool of the recording of a composition's destination. Those of participants have no hyphen.
pub fn recording_id(composition: &str, destination: &str) -> String {
    format!("{composition}-{destination}")
}

/// The composition and the destination of a recording in the spool; `None` for one of a participant.
pub fn of_recording(id: &str) -> Option<(&str, &str)> {
    id.split_once('-')
}

/// The recordings of compositions that are not wholly in their buckets, by their ids in the spool; those alone that have begun.
pub(crate) fn unfinished(rows: &[Composition]) -> impl Iterator<Item = String> {
    rows.iter().flat_map(|row| {
        let begun = row
            .destinations
            .iter()
            .filter(|one| one.is_unfinished() && one.started_at.is_some());
        begun.map(|one| recording_id(row.id.as_str(), one.id.as_str()))
    })
}

/// Where the recording of a composition's destination goes, by its row; `None`: there is none.
pub(crate) fn destination_of_composition(
    row: &Composition,
    id: &CompositionDestinationId,
) -> Option<Destination> {
    let destination = row.destination(id)?;
    let recording = destination.target.recording()?;
    let encoder: CompositeEncoder = serde_json::from_str(&destination.video).ok()?;
    let arn = StageArn {
        region: row.region.clone(),
        account: row.account.clone(),
        id: row.stage.clone(),
    };
    let thumbnails = recording.thumbnails.as_ref();
    let has = |kind| thumbnails.is_some_and(|kept| kept.storage.contains(&kind));
    Some(Destination {
        account: row.account.clone(),
        region: row.region.clone(),
        bucket: recording.storage.bucket.clone(),
        prefix: recording.prefix.clone(),
        stage_arn: arn.to_string(),
        session: String::new(),
        participant: String::new(),
        media_types: MediaTypes::AudioVideo,
        segment_seconds: recording.segment_s,
        has_thumbnails: has(ThumbnailKind::Sequential),
        has_latest_thumbnail: has(ThumbnailKind::Latest),
        composite: Some(encoder.composite(id.as_str())),
    })
}

impl CompositeEncoder {
    /// Its rendition in a bucket.
    pub(crate) fn composite(self, destination: &str) -> Composite {
        let Self {
            width,
            height,
            framerate,
            ..
        } = self;
        Composite {
            rendition: format!("{height}p{}-{destination}", framerate.round()),
            width,
            height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_compositions_are_told_by_their_ids() {
        let id = recording_id("Cx4nRt7PqZ1s", "De5tHs0KuV9g");
        assert_eq!(of_recording(&id), Some(("Cx4nRt7PqZ1s", "De5tHs0KuV9g")));
        assert_eq!(of_recording("Bz3mKq9WfA6jBz3mKq9WfA"), None);
    }
}
