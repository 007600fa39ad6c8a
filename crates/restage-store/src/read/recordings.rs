//! Reads of recordings, and of participants with their newest one.

use restage_core::id::{ParticipantId, StageId, Time};
use restage_core::row::{Participant, Recording, RecordingId, RecordingState};

use super::{LAST, Page, position};
use crate::error::StoreError;
use crate::sql::{Row, query};
use crate::store::Store;
use crate::tables::cells::Cells;
use crate::tables::{Table as _, recording};

/// A participant, with how its newest recording stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedParticipant {
    /// The participant.
    pub row: Participant,
    /// Its newest recording; `None` if it was never recorded, or if that was so long ago that the recording is not known
    /// any more.
    pub recording: Option<ParticipantRecording>,
}

/// How a recording stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParticipantRecording {
    /// The progress.
    pub state: RecordingState,
    /// The name of the bucket.
    pub bucket: String,
    /// The beginning of the keys of its objects.
    pub prefix: String,
}

/// Which recordings a list has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordingFilter {
    /// Those of one stage, which may have been deleted.
    pub stage: Option<StageId>,
    /// Those of one participant.
    pub participant: Option<ParticipantId>,
}

pub(crate) const GET: &str = concat!(
    "SELECT ",
    recording::columns!(),
    " FROM recordings v WHERE v.id = $1"
);

macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            recording::columns!(),
            " FROM recordings v WHERE v.account = $1 AND v.region = $2",
            $condition,
            " AND (v.created_at, v.id) < ($3, $4) ORDER BY v.created_at DESC, v.id DESC LIMIT $5"
        )
    };
}

pub(crate) const LIST: &str = list!("");
pub(crate) const LIST_OF_STAGE: &str = list!(" AND v.stage = $6");
pub(crate) const LIST_OF_PARTICIPANT: &str = list!(" AND v.participant = $6");
pub(crate) const LIST_OF_BOTH: &str = list!(" AND v.participant = $6 AND v.stage = $7");

impl Store {
    /// A recording by its id.
    pub async fn get_recording(&self, id: &RecordingId) -> Result<Option<Recording>, StoreError> {
        let query = query(GET).bind(id.as_str());
        self.one(query, Recording::read).await
    }

    /// The recordings that are not wholly in their buckets, of all accounts. It reads all rows that there are, which is done at a start.
    pub async fn unfinished_recordings(&self) -> Result<Vec<Recording>, StoreError> {
        let query = query(crate::load::recordings::UNFINISHED);
        self.all(query, Recording::read).await
    }

    /// The recordings of an account in a Region, newest first, from just before a position.
    pub async fn list_recordings(
        &self,
        account: &str,
        region: &str,
        filter: &RecordingFilter,
        before: Option<(Time, RecordingId)>,
        limit: u32,
    ) -> Result<Page<Recording>, StoreError> {
        let sql = match (&filter.stage, &filter.participant) {
            (None, None) => LIST,
            (Some(_), None) => LIST_OF_STAGE,
            (None, Some(_)) => LIST_OF_PARTICIPANT,
            (Some(_), Some(_)) => LIST_OF_BOTH,
        };
        let (time, id) = position(before.as_ref().map(|(time, id)| (*time, id.as_str())), LAST);
        let limit = limit.min(crate::limits::PAGE_ROWS_MAX);
        let mut query = query(sql)
            .bind(account)
            .bind(region)
            .bind(time)
            .bind(id)
            .bind(i64::from(limit) + 1);
        if let Some(participant) = &filter.participant {
            query = query.bind(participant.as_str());
        }
        if let Some(stage) = &filter.stage {
            query = query.bind(stage.as_str());
        }
        Ok(Page::cut(self.all(query, Recording::read).await?, limit))
    }
}

/// A participant's columns, then the state, the bucket and the prefix of its newest recording, or NULL.
pub(super) fn recorded_participant(row: &Row<'_>) -> Result<RecordedParticipant, StoreError> {
    let mut cells = Cells::new(row, Participant::ROW);
    let row = Participant::take(&mut cells)?;
    let recording = match (cells.opt_str()?, cells.opt_str()?, cells.opt_str()?) {
        (Some(word), Some(bucket), Some(prefix)) => {
            let state = recording::state(word)
                .ok_or_else(|| cells.corrupt(format!("{word:?} is no state of a recording")))?;
            Some(ParticipantRecording {
                state,
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            })
        }
        _ => None,
    };
    Ok(RecordedParticipant { row, recording })
}
