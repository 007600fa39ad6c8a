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

/// A recording, and what people call those that it is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedRecording {
    /// The recording.
    pub row: Recording,
    /// The user id of its participant, which may be empty; `None` if the participant is not known any more.
    pub user_id: Option<String>,
    /// The name of its stage, which may be empty; `None` if the stage was deleted.
    pub stage_name: Option<String>,
}

/// Which recordings a list has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordingFilter {
    /// Those of one stage, which may have been deleted.
    pub stage: Option<StageId>,
    /// Those of one person.
    pub of: Recorded,
}

/// Whose recordings a list has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Recorded {
    /// Everybody's.
    #[default]
    All,
    /// Those of one participant.
    Participant(ParticipantId),
    /// Those of participants with this user id.
    User(String),
}

pub(crate) const GET: &str = concat!(
    "SELECT ",
    recording::columns!(),
    " FROM recordings v WHERE v.id = $1"
);

/// The columns of a recording, and of the names that belong to it. Participants and stages may be gone.
macro_rules! named {
    ($($rest:literal),+) => {
        concat!(
            "SELECT ",
            recording::columns!(),
            ", p.user_id, s.name FROM recordings v \
             LEFT JOIN participants p ON p.session = v.session AND p.id = v.participant \
             LEFT JOIN stages s ON s.id = v.stage",
            $($rest),+
        )
    };
}

pub(crate) const GET_NAMED: &str = named!(" WHERE v.id = $1");

macro_rules! list {
    ($condition:literal) => {
        named!(
            " WHERE v.account = $1 AND v.region = $2",
            $condition,
            " AND (v.created_at, v.id) < ($3, $4) ORDER BY v.created_at DESC, v.id DESC LIMIT $5"
        )
    };
}

pub(crate) const LIST: &str = list!("");
pub(crate) const LIST_OF_STAGE: &str = list!(" AND v.stage = $6");
pub(crate) const LIST_OF_PARTICIPANT: &str = list!(" AND v.participant = $6");
pub(crate) const LIST_OF_BOTH: &str = list!(" AND v.participant = $6 AND v.stage = $7");
// User ids have no index of their own: the list is read in its order, which COALESCE leaves to the planner as the only way.
pub(crate) const LIST_OF_USER: &str = list!(" AND COALESCE(p.user_id, '') = $6");
pub(crate) const LIST_OF_USER_IN_STAGE: &str =
    list!(" AND COALESCE(p.user_id, '') = $6 AND v.stage = $7");

impl Store {
    /// A recording by its id.
    pub async fn get_recording(&self, id: &RecordingId) -> Result<Option<Recording>, StoreError> {
        let query = query(GET).bind(id.as_str());
        self.one(query, Recording::read).await
    }

    /// A recording by its id, with the names that belong to it.
    pub async fn get_named_recording(
        &self,
        id: &RecordingId,
    ) -> Result<Option<NamedRecording>, StoreError> {
        let query = query(GET_NAMED).bind(id.as_str());
        self.one(query, named_recording).await
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
    ) -> Result<Page<NamedRecording>, StoreError> {
        let (sql, of) = match (&filter.stage, &filter.of) {
            (None, Recorded::All) => (LIST, None),
            (Some(_), Recorded::All) => (LIST_OF_STAGE, None),
            (None, Recorded::Participant(id)) => (LIST_OF_PARTICIPANT, Some(id.as_str())),
            (Some(_), Recorded::Participant(id)) => (LIST_OF_BOTH, Some(id.as_str())),
            (None, Recorded::User(id)) => (LIST_OF_USER, Some(id.as_str())),
            (Some(_), Recorded::User(id)) => (LIST_OF_USER_IN_STAGE, Some(id.as_str())),
        };
        let (time, id) = position(before.as_ref().map(|(time, id)| (*time, id.as_str())), LAST);
        let limit = limit.min(crate::limits::PAGE_ROWS_MAX);
        let mut query = query(sql)
            .bind(account)
            .bind(region)
            .bind(time)
            .bind(id)
            .bind(i64::from(limit) + 1);
        if let Some(of) = of {
            query = query.bind(of);
        }
        if let Some(stage) = &filter.stage {
            query = query.bind(stage.as_str());
        }
        Ok(Page::cut(self.all(query, named_recording).await?, limit))
    }
}

/// A recording's columns, then the participant's user id and the stage's name, or NULL.
fn named_recording(row: &Row<'_>) -> Result<NamedRecording, StoreError> {
    let mut cells = Cells::new(row, Recording::ROW);
    let row = Recording::take(&mut cells)?;
    Ok(NamedRecording {
        row,
        user_id: cells.opt_str()?.map(str::to_owned),
        stage_name: cells.opt_str()?.map(str::to_owned),
    })
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
