//! Reads, on connections of their own. Each is one statement and therefore one consistent snapshot.
//!
//! Lists are paged by key: a page starts after the position of the last row seen, in an index in the
//! order of the list. So a page costs the same anywhere in the list, and rows that are added or removed meanwhile
//! never make a page repeat or skip another row.

pub(crate) mod compositions;
mod counts;
pub(crate) mod ingests;
pub(crate) mod recordings;

pub use compositions::CompositionFilter;
pub use counts::LiveCounts;
pub use ingests::{FoundIngest, IngestFilter};
pub use recordings::{
    NamedRecording, ParticipantRecording, Recorded, RecordedParticipant, RecordingFilter,
};

use restage_core::id::{ArnId as _, JobId, ParticipantId, StageId, StageSessionId, Time};
use restage_core::row::{
    ConnectionTokenKey, Job, Participant, Plain, PlainId, PlainRow, RecordingState, Replica,
    RevokedConnectionToken, Stage, StageEvent, StageSession, Token,
};

use crate::error::StoreError;
use crate::limits::PAGE_ROWS_MAX;
use crate::load::{connection_tokens, rows};
use crate::sql::{Query, Row, query};
use crate::store::Store;
use crate::tables::{Table as _, decode, event, participant, plain, replica, session, stage};

/// The position before every row of a list in ascending order. Ids are never empty.
const FIRST: (i64, &str) = (i64::MIN, "");
/// The position after every row of a list: no id begins with the last code point.
const LAST: (i64, &str) = (i64::MAX, "\u{10FFFF}");

/// Part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// At most as many rows as requested.
    pub rows: Vec<T>,
    /// Whether more rows follow.
    pub more: bool,
}

impl<T> Page<T> {
    /// Makes a page from up to one row more than requested.
    fn cut(mut rows: Vec<T>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, more }
    }
}

/// The filters of ListParticipants, at most one per call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParticipantFilter {
    /// No filter.
    None,
    /// `filterByUserId`
    UserId(String),
    /// `filterByPublished`
    Published(bool),
    /// `filterByState`
    Connected(bool),
    /// `filterByRecordingState`
    RecordingState(RecordingState),
}

/// The position of a replication in the list of a participant's replications. The sessions make it
/// unique: two sources may start at the same time into the same session.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReplicaPosition {
    /// Time of the first start.
    pub started_at: Time,
    /// The destination session.
    pub destination_session: StageSessionId,
    /// The source session.
    pub source_session: StageSessionId,
}

impl From<&Replica> for ReplicaPosition {
    fn from(row: &Replica) -> Self {
        Self {
            started_at: row.started_at,
            destination_session: row.destination_session.clone(),
            source_session: row.source_session.clone(),
        }
    }
}

/// An event of a participant's history with its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedEvent {
    /// Counts up from 1 within one participant's history in one stage session.
    pub seq: i64,
    /// The event.
    pub event: StageEvent,
}

pub(crate) const GET_STAGE: &str = concat!(
    "SELECT ",
    stage::columns!(),
    " FROM stages s WHERE s.id = $1"
);

pub(crate) const LIST_STAGES: &str = concat!(
    "SELECT ",
    stage::columns!(),
    " FROM stages s WHERE s.account = $1 AND s.region = $2 AND (s.created_at, s.id) > ($3, $4) \
     ORDER BY s.created_at, s.id LIMIT $5"
);

pub(crate) const LIST_LIVE_STAGES: &str = concat!(
    "SELECT ",
    stage::columns!(),
    " FROM stages s WHERE s.account = $1 AND s.active_session IS NOT NULL \
     ORDER BY s.created_at, s.id LIMIT $2"
);

/// Jumps from one Region to the next in the index, however many stages each has.
pub(crate) const LIST_REGIONS: &str = "WITH RECURSIVE found(region) AS (\
     SELECT MIN(s.region) FROM stages s WHERE s.account = $1 \
     UNION ALL \
     SELECT (SELECT MIN(s.region) FROM stages s WHERE s.account = $1 AND s.region > found.region) \
     FROM found WHERE found.region IS NOT NULL) \
     SELECT found.region FROM found WHERE found.region IS NOT NULL LIMIT $2";

pub(crate) const GET_SESSION: &str = concat!(
    "SELECT ",
    session::columns!(),
    " FROM stage_sessions x JOIN stages s ON s.id = x.stage WHERE x.id = $1 AND x.stage = $2"
);

pub(crate) const LIST_SESSIONS: &str = concat!(
    "SELECT ",
    session::columns!(),
    " FROM stage_sessions x WHERE x.stage = $1 AND (x.started_at, x.id) < ($2, $3) \
     AND EXISTS (SELECT 1 FROM stages s WHERE s.id = $1) \
     ORDER BY x.started_at DESC, x.id DESC LIMIT $4"
);

/// The rest of a statement on rows of session `$1`: only if its stage still exists.
macro_rules! of_existing_stage {
    () => {
        " AND EXISTS (SELECT 1 FROM stage_sessions x JOIN stages s ON s.id = x.stage \
          WHERE x.id = $1)"
    };
}

// The state, the bucket and the prefix of the newest recording follow the participant's own columns.
pub(crate) const GET_PARTICIPANT: &str = concat!(
    "SELECT ",
    participant::columns!(),
    ", v.state, v.bucket, v.prefix FROM participants p LEFT JOIN recordings v ON v.id = p.recording \
     WHERE p.session = $1 AND p.id = $2",
    of_existing_stage!()
);

macro_rules! list_participants {
    ($condition:literal) => {
        list_participants!("LEFT JOIN", $condition)
    };
    ($join:literal, $condition:literal) => {
        concat!(
            "SELECT ",
            participant::columns!(),
            ", v.state, v.bucket, v.prefix FROM participants p ",
            $join,
            " recordings v ON v.id = p.recording WHERE p.session = $1 AND (p.first_joined_at, p.id) > ($2, $3)",
            $condition,
            of_existing_stage!(),
            " ORDER BY p.first_joined_at, p.id LIMIT $4"
        )
    };
}

pub(crate) const LIST_PARTICIPANTS: &str = list_participants!("");
pub(crate) const LIST_PARTICIPANTS_BY_USER: &str = list_participants!(" AND p.user_id = $5");
pub(crate) const LIST_PARTICIPANTS_BY_STATE: &str = list_participants!(" AND p.connected = $5");
pub(crate) const LIST_PARTICIPANTS_BY_PUBLISHED: &str = list_participants!(" AND p.published = $5");

/// Only participants that were recorded, which have an index of their own.
pub(crate) const LIST_PARTICIPANTS_BY_RECORDING: &str =
    list_participants!("JOIN", " AND p.recording IS NOT NULL AND v.state = $5");

pub(crate) const LIST_EVENTS: &str = concat!(
    "SELECT ",
    event::columns!(),
    ", e.seq FROM stage_events e WHERE e.session = $1 AND e.participant = $2 AND e.seq > $3",
    of_existing_stage!(),
    " ORDER BY e.seq LIMIT $4"
);

pub(crate) const LIST_REPLICAS: &str = concat!(
    "SELECT ",
    replica::columns!(),
    " FROM replicas r WHERE r.source_stage = $1 AND r.participant = $2 \
     AND (r.started_at, r.destination_session, r.source_session) > ($3, $4, $5) \
     AND EXISTS (SELECT 1 FROM stages s WHERE s.id = $1) \
     ORDER BY r.started_at, r.destination_session, r.source_session LIMIT $6"
);

pub(crate) const PUBLISHING_PARTICIPANTS: &str = concat!(
    "SELECT ",
    participant::columns!(),
    " FROM stages s JOIN participants p ON p.session = s.active_session \
     WHERE s.id = $1 AND p.publishing = 1 ORDER BY p.first_joined_at, p.id"
);

impl Store {
    /// A stage by its id.
    pub async fn get_stage(&self, id: &StageId) -> Result<Option<Stage>, StoreError> {
        self.one(query(GET_STAGE).bind(id.as_str()), Stage::read)
            .await
    }

    /// The stages of an account in a region in the order of their creation, from just after a position.
    pub async fn list_stages(
        &self,
        account: &str,
        region: &str,
        after: Option<(Time, StageId)>,
        limit: u32,
    ) -> Result<Page<Stage>, StoreError> {
        let (time, id) = position(after.as_ref().map(|(time, id)| (*time, id.as_str())), FIRST);
        let query = query(LIST_STAGES)
            .bind(account)
            .bind(region)
            .bind(time)
            .bind(id);
        self.page(query, limit, Stage::read).await
    }

    /// The oldest stages of an account, in any region, that have a session in progress.
    pub async fn list_live_stages(
        &self,
        account: &str,
        limit: u32,
    ) -> Result<Vec<Stage>, StoreError> {
        let query = query(LIST_LIVE_STAGES)
            .bind(account)
            .bind(i64::from(limit.min(PAGE_ROWS_MAX)));
        self.all(query, Stage::read).await
    }

    /// The regions in which an account has stages, in the order of their names.
    pub async fn list_regions(&self, account: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let query = query(LIST_REGIONS)
            .bind(account)
            .bind(i64::from(limit.min(PAGE_ROWS_MAX)));
        self.all(query, |row| row.text(0).map(str::to_owned)).await
    }

    /// A stage session by its id, if it is of this stage.
    pub async fn get_session(
        &self,
        stage: &StageId,
        id: &StageSessionId,
    ) -> Result<Option<StageSession>, StoreError> {
        let query = query(GET_SESSION).bind(id.as_str()).bind(stage.as_str());
        self.one(query, StageSession::read).await
    }

    /// The sessions of a stage, newest first, from just before a position.
    pub async fn list_sessions(
        &self,
        stage: &StageId,
        before: Option<(Time, StageSessionId)>,
        limit: u32,
    ) -> Result<Page<StageSession>, StoreError> {
        let (time, id) = position(before.as_ref().map(|(time, id)| (*time, id.as_str())), LAST);
        let query = query(LIST_SESSIONS)
            .bind(stage.as_str())
            .bind(time)
            .bind(id);
        self.page(query, limit, StageSession::read).await
    }

    /// A participant of a stage session, with how its newest recording stands.
    pub async fn get_participant(
        &self,
        session: &StageSessionId,
        id: &ParticipantId,
    ) -> Result<Option<RecordedParticipant>, StoreError> {
        let query = query(GET_PARTICIPANT)
            .bind(session.as_str())
            .bind(id.as_str());
        self.one(query, recordings::recorded_participant).await
    }

    /// The participants of a stage session in the order of their first join, from just after a
    /// position; each with how its newest recording stands.
    pub async fn list_participants(
        &self,
        session: &StageSessionId,
        filter: &ParticipantFilter,
        after: Option<(Time, ParticipantId)>,
        limit: u32,
    ) -> Result<Page<RecordedParticipant>, StoreError> {
        let sql = match filter {
            ParticipantFilter::None => LIST_PARTICIPANTS,
            ParticipantFilter::UserId(_) => LIST_PARTICIPANTS_BY_USER,
            ParticipantFilter::Connected(_) => LIST_PARTICIPANTS_BY_STATE,
            ParticipantFilter::Published(_) => LIST_PARTICIPANTS_BY_PUBLISHED,
            ParticipantFilter::RecordingState(_) => LIST_PARTICIPANTS_BY_RECORDING,
        };
        let (time, id) = position(after.as_ref().map(|(time, id)| (*time, id.as_str())), FIRST);
        let limit = limit.min(PAGE_ROWS_MAX);
        let query = query(sql)
            .bind(session.as_str())
            .bind(time)
            .bind(id)
            .bind(i64::from(limit) + 1);
        let query = match filter {
            ParticipantFilter::UserId(user) => query.bind(user.as_str()),
            ParticipantFilter::Connected(flag) | ParticipantFilter::Published(flag) => {
                query.bind(i64::from(*flag))
            }
            ParticipantFilter::RecordingState(state) => query.bind(state.word()),
            ParticipantFilter::None => query,
        };
        let rows = self.all(query, recordings::recorded_participant).await?;
        Ok(Page::cut(rows, limit))
    }

    /// A participant's history in a stage session, oldest first, after a sequence number (0 for all).
    pub async fn list_events(
        &self,
        session: &StageSessionId,
        participant: &ParticipantId,
        after_seq: i64,
        limit: u32,
    ) -> Result<Page<RecordedEvent>, StoreError> {
        let query = query(LIST_EVENTS)
            .bind(session.as_str())
            .bind(participant.as_str())
            .bind(after_seq);
        self.page(query, limit, |row| {
            event::placed(row).map(|(seq, event)| RecordedEvent { seq, event })
        })
        .await
    }

    /// The replications of a participant out of a stage, ACTIVE and STOPPED, over all of the stage's
    /// sessions, in the order of their first start, from just after a position.
    pub async fn list_replicas(
        &self,
        source_stage: &StageId,
        participant: &ParticipantId,
        after: Option<ReplicaPosition>,
        limit: u32,
    ) -> Result<Page<Replica>, StoreError> {
        let (time, destination, source) = match after {
            Some(after) => (
                after.started_at.0,
                after.destination_session.to_string(),
                after.source_session.to_string(),
            ),
            None => (FIRST.0, FIRST.1.to_owned(), FIRST.1.to_owned()),
        };
        let query = query(LIST_REPLICAS)
            .bind(source_stage.as_str())
            .bind(participant.as_str())
            .bind(time)
            .bind(destination)
            .bind(source);
        self.page(query, limit, Replica::read).await
    }

    /// The publishing participants of the stage's active session, replicas included, in the order of first joins.
    pub async fn publishing_participants(
        &self,
        stage: &StageId,
    ) -> Result<Vec<Participant>, StoreError> {
        let query = query(PUBLISHING_PARTICIPANTS).bind(stage.as_str());
        self.all(query, Participant::read).await
    }

    /// The token row of this participant id in a stage.
    pub async fn get_token(
        &self,
        stage: &StageId,
        participant: &ParticipantId,
    ) -> Result<Option<Token>, StoreError> {
        let query = query(rows::TOKEN)
            .bind(stage.as_str())
            .bind(participant.as_str());
        self.one(query, Token::read).await
    }

    /// Whether a connection token was revoked, as far as this is remembered.
    pub async fn is_revoked(&self, token: &ConnectionTokenKey) -> Result<bool, StoreError> {
        let query = query(connection_tokens::REVOCATION)
            .bind(token.account.as_str())
            .bind(token.region.as_str())
            .bind(token.id.as_str());
        let row = self.one(query, RevokedConnectionToken::read).await?;
        Ok(row.is_some())
    }

    /// A job by its id, whether it has ended or not.
    pub async fn get_job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let query = query(rows::JOB).bind(id.as_str());
        self.one(query, Job::read).await
    }

    /// A plain resource by its id.
    pub async fn get_plain<R: Plain>(&self, id: &R::Id) -> Result<Option<R>, StoreError> {
        let row = self.get_plain_row(&id.clone().into()).await?;
        Ok(row.and_then(R::take))
    }

    /// A plain resource of any kind by its id.
    pub async fn get_plain_row(&self, id: &PlainId) -> Result<Option<PlainRow>, StoreError> {
        let table = plain(id.of_kind());
        self.one(query(table.get).bind(id.text()), table.read).await
    }

    /// The plain resources of a kind that an account has in a Region, in the order of their creation, from just after a
    /// position.
    pub async fn list_plain<R: Plain>(
        &self,
        account: &str,
        region: &str,
        after: Option<(Time, R::Id)>,
        limit: u32,
    ) -> Result<Page<R>, StoreError> {
        let (time, id) = position(after.as_ref().map(|(time, id)| (*time, id.text())), FIRST);
        let table = plain(R::KIND);
        let query = query(table.list)
            .bind(account)
            .bind(region)
            .bind(time)
            .bind(id);
        let Page { rows, more } = self.page(query, limit, table.read).await?;
        let rows = rows.into_iter().filter_map(R::take).collect();
        Ok(Page { rows, more })
    }

    /// A value stored for the deployment itself, such as the key of page tokens.
    pub async fn meta_get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one(query(rows::META).bind(name), decode::meta_value)
            .await
    }

    /// Runs a statement with the limit as its last parameter.
    async fn page<T>(
        &self,
        query: Query,
        limit: u32,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        Ok(Page::cut(
            self.all(query.bind(i64::from(limit) + 1), decode).await?,
            limit,
        ))
    }

    async fn all<T>(
        &self,
        query: Query,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.readers().rows(query, decode).await
    }

    async fn one<T>(
        &self,
        query: Query,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.readers().row(query, decode).await
    }
}

fn position(given: Option<(Time, &str)>, otherwise: (i64, &str)) -> (i64, String) {
    let (time, id) = given.map_or(otherwise, |(time, id)| (time.0, id));
    (time, id.to_owned())
}
