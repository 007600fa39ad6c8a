//! Whose recording it is, and where it goes: all that is needed to end it without asking anybody.

use std::borrow::Cow;
use std::io;

use restage_record::MediaTypes;
use restage_record::document::{Composite, LATEST_THUMBNAIL_PATH, Subject, THUMBNAILS_PATH};
use restage_record::playlist::{HLS_PATH, RENDITION};
use serde::{Deserialize, Serialize};

use crate::bucket::BucketPlace;
use crate::folder::Folder;
use crate::key::{BucketName, InvalidName, Key};

use super::SpoolError;

/// The file in the folder of a recording.
const NAME: &str = "job.json";
/// Largest such file.
const BYTES_MAX: u64 = 64 << 10;

/// Where a recording goes, and what its documents say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Account: 12 digits.
    pub account: String,
    /// Region of the storage configuration.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Prefix of the recording's keys, without a slash at its end.
    pub prefix: String,
    /// ARN of the stage.
    pub stage_arn: String,
    /// The stage session of the prefix.
    pub session: String,
    /// The participant.
    pub participant: String,
    /// Which media is recorded.
    pub media_types: MediaTypes,
    /// Target duration of segments in seconds.
    pub segment_seconds: u32,
    /// Whether numbered thumbnails are kept.
    pub has_thumbnails: bool,
    /// Whether the newest thumbnail is kept.
    pub has_latest_thumbnail: bool,
    /// Of a composition: its rendition. It has no session and no participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composite: Option<Composite>,
}

/// What the file has: the destination, and where its bucket was when something was put into it for the first time.
#[derive(Serialize, Deserialize)]
struct File {
    #[serde(flatten)]
    destination: Destination,
    /// `None`: nothing was put yet, or an earlier version of restage has put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<BucketPlace>,
}

impl Destination {
    /// Refuses a destination that no object could be written to.
    pub(crate) fn check(&self) -> Result<(), SpoolError> {
        let invalid = |error: InvalidName| SpoolError::Invalid(error.to_string());
        BucketName::parse(&self.bucket).map_err(invalid)?;
        Key::parse(&self.prefix).map_err(invalid)?;
        Ok(())
    }

    /// Name of the one rendition.
    pub fn rendition(&self) -> &str {
        let composite = self.composite.as_ref();
        composite.map_or(RENDITION, |composite| &composite.rendition)
    }

    /// The key of a file by its path below the prefix. The spool and its journal name files of every recording as those of a participant;
    /// objects of a composition are in folders of its own rendition.
    ///
    /// # Errors
    /// The path is none that an object could have.
    pub(crate) fn key(&self, path: &str) -> Result<Key, InvalidName> {
        Key::below(&self.prefix, &self.object_path(path))
    }

    fn object_path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        let Some(composite) = &self.composite else {
            return Cow::Borrowed(path);
        };
        let folders = [
            (HLS_PATH, composite.rendition.clone()),
            (THUMBNAILS_PATH, composite.thumbnails()),
            (LATEST_THUMBNAIL_PATH, composite.thumbnails()),
        ];
        let moved = folders.into_iter().find_map(|(folder, name)| {
            let within = path.strip_prefix(folder)?.strip_prefix('/')?;
            let file = within.strip_prefix(RENDITION)?.strip_prefix('/')?;
            Some(format!("{folder}/{name}/{file}"))
        });
        moved.map_or(Cow::Borrowed(path), Cow::Owned)
    }

    /// What the recording's documents are of.
    pub fn subject(&self) -> Subject {
        Subject {
            stage_arn: self.stage_arn.clone(),
            session_id: self.session.clone(),
            participant_id: self.participant.clone(),
            media_types: self.media_types,
            has_thumbnails: self.has_thumbnails,
            has_latest_thumbnail: self.has_latest_thumbnail,
            composite: self.composite.clone(),
        }
    }

    pub(super) fn write(&self, folder: &Folder, place: Option<&BucketPlace>) -> io::Result<()> {
        let file = File {
            destination: self.clone(),
            place: place.cloned(),
        };
        folder.write(NAME, &serde_json::to_vec(&file)?)
    }

    pub(super) fn read(folder: &Folder) -> Result<(Self, Option<BucketPlace>), SpoolError> {
        let what = folder.path().join(NAME);
        let bytes = folder.read(NAME, BYTES_MAX);
        let bytes = bytes.map_err(|error| SpoolError::io(what.display(), error))?;
        let read: File = serde_json::from_slice(&bytes).map_err(|error| SpoolError::Io {
            what: what.display().to_string(),
            source: error.into(),
        })?;
        read.destination.check()?;
        Ok((read.destination, read.place))
    }

    pub(super) fn is_file(name: &str) -> bool {
        name == NAME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture::{PREFIX, destination};

    #[test]
    fn files_of_a_composition_are_in_folders_of_its_rendition() {
        let composite = Destination {
            composite: Some(Composite {
                rendition: "720p30-De5tHs0KuV9g".into(),
                width: 1280,
                height: 720,
            }),
            ..destination()
        };
        for (path, object) in [
            (
                "media/hls/high/3.mp4",
                "media/hls/720p30-De5tHs0KuV9g/3.mp4",
            ),
            ("media/hls/multivariant.m3u8", "media/hls/multivariant.m3u8"),
            (
                "media/thumbnails/high/7.jpg",
                "media/thumbnails/1280x720/7.jpg",
            ),
            (
                "media/latest_thumbnail/high/thumb.jpg",
                "media/latest_thumbnail/1280x720/thumb.jpg",
            ),
            ("events/recording-ended.json", "events/recording-ended.json"),
        ] {
            let key = |of: &Destination| of.key(path).unwrap().to_string();
            assert_eq!(key(&composite), format!("{PREFIX}/{object}"));
            assert_eq!(key(&destination()), format!("{PREFIX}/{path}"));
        }
    }
}
