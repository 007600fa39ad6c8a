//! The destinations of a composition as JSON.

use restage_core::id::Time;
use restage_core::row::{
    CompositionDestination, CompositionFailure, CompositionRecording, CompositionTarget,
    CompositionThumbnails, DestinationState, RecordingStorage, ThumbnailStorage,
};
use serde::{Deserialize, Serialize};

use super::code;

/// A destination's text. Members that are not there are absent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    id: String,
    name: String,
    #[serde(flatten)]
    target: Target,
    encoder_configuration: Option<String>,
    video: String,
    state: String,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    duration_ms: Option<u64>,
    failure: Option<Failure>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Target {
    Channel(String),
    S3(Recording),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recording {
    storage: String,
    bucket: String,
    prefix: String,
    segment_s: u32,
    thumbnails: Option<Thumbnails>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thumbnails {
    storage: Vec<Storage>,
    interval_s: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Storage {
    Sequential,
    Latest,
}

#[derive(Serialize, Deserialize)]
struct Failure {
    code: String,
    reason: String,
}

/// The text of destinations.
pub(super) fn text(rows: &[CompositionDestination]) -> String {
    let stored: Vec<Stored> = rows.iter().map(stored).collect();
    serde_json::to_string(&stored).expect("plain values always serialise")
}

/// Reads what [`text`] wrote.
pub(super) fn read(text: &str) -> Result<Vec<CompositionDestination>, String> {
    let stored: Vec<Stored> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    stored.into_iter().map(row).collect()
}

fn stored(row: &CompositionDestination) -> Stored {
    let failure = row.failure.as_ref();
    Stored {
        id: row.id.to_string(),
        name: row.name.clone(),
        target: match &row.target {
            CompositionTarget::Channel(id) => Target::Channel(id.to_string()),
            CompositionTarget::S3(recording) => Target::S3(stored_recording(recording)),
        },
        encoder_configuration: row.encoder_configuration.as_ref().map(ToString::to_string),
        video: row.video.clone(),
        state: row.state.word().to_owned(),
        started_at: row.started_at.map(|at| at.0),
        ended_at: row.ended_at.map(|at| at.0),
        duration_ms: row.duration_ms,
        failure: failure.map(|failure| Failure {
            code: failure.code.word().to_owned(),
            reason: failure.reason.clone(),
        }),
    }
}

fn stored_recording(row: &CompositionRecording) -> Recording {
    let thumbnails = row.thumbnails.as_ref();
    Recording {
        storage: row.storage.configuration.to_string(),
        bucket: row.storage.bucket.clone(),
        prefix: row.prefix.clone(),
        segment_s: row.segment_s,
        thumbnails: thumbnails.map(|thumbnails| Thumbnails {
            storage: thumbnails.storage.iter().map(stored_kind).collect(),
            interval_s: thumbnails.interval_s,
        }),
    }
}

const fn stored_kind(kind: &ThumbnailStorage) -> Storage {
    match kind {
        ThumbnailStorage::Sequential => Storage::Sequential,
        ThumbnailStorage::Latest => Storage::Latest,
    }
}

fn row(stored: Stored) -> Result<CompositionDestination, String> {
    let word = stored.state;
    let mut states = DestinationState::ALL.into_iter();
    let state = states
        .find(|state| state.word() == word)
        .ok_or_else(|| format!("{word:?} is no state of a destination"))?;
    let failure = stored.failure.map(|Failure { code: word, reason }| {
        let code = code(&word).ok_or_else(|| format!("{word:?} is no code of a failure"))?;
        Ok::<_, String>(CompositionFailure { code, reason })
    });
    Ok(CompositionDestination {
        id: stored.id.as_str().into(),
        name: stored.name,
        target: match stored.target {
            Target::Channel(id) => CompositionTarget::Channel(id.as_str().into()),
            Target::S3(recording) => CompositionTarget::S3(recording_row(recording)),
        },
        encoder_configuration: stored.encoder_configuration.map(|id| id.as_str().into()),
        video: stored.video,
        state,
        started_at: stored.started_at.map(Time),
        ended_at: stored.ended_at.map(Time),
        duration_ms: stored.duration_ms,
        failure: failure.transpose()?,
    })
}

fn recording_row(stored: Recording) -> CompositionRecording {
    let kind = |kind| match kind {
        Storage::Sequential => ThumbnailStorage::Sequential,
        Storage::Latest => ThumbnailStorage::Latest,
    };
    CompositionRecording {
        storage: RecordingStorage {
            configuration: stored.storage.as_str().into(),
            bucket: stored.bucket,
        },
        prefix: stored.prefix,
        segment_s: stored.segment_s,
        thumbnails: stored.thumbnails.map(|thumbnails| CompositionThumbnails {
            storage: thumbnails.storage.into_iter().map(kind).collect(),
            interval_s: thumbnails.interval_s,
        }),
    }
}
