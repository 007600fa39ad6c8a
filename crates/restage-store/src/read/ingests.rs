//! Reads of ingest configurations, each with whether an encoder publishes with it.

use restage_core::id::{StageId, Time};
use restage_core::row::{IngestConfiguration, IngestConfigurationId};

use super::{FIRST, Page, position};
use crate::error::StoreError;
use crate::sql::{Row, query};
use crate::store::Store;
use crate::tables::cells::Cells;
use crate::tables::{Table as _, ingest_configuration};

/// An ingest configuration, and its state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundIngest {
    /// The ingest configuration.
    pub row: IngestConfiguration,
    /// Whether its state is ACTIVE: an encoder has a connection open in its stage.
    pub is_active: bool,
}

/// The filters of ListIngestConfigurations, at most one per call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IngestFilter {
    /// No filter.
    None,
    /// `filterByStageArn`
    Stage(StageId),
    /// `filterByState`: whether it is ACTIVE.
    Active(bool),
}

/// Whether an encoder has a connection open: one of its participants is connected in the active session of its stage.
macro_rules! is_active {
    () => {
        "EXISTS (SELECT 1 FROM stages s JOIN participants p ON p.session = s.active_session \
         WHERE s.id = i.stage AND p.id IN (i.participant, i.first_participant, i.second_participant) \
         AND p.ingest = i.id AND p.connected = 1)"
    };
}

macro_rules! select {
    ($condition:expr) => {
        concat!(
            "SELECT ",
            ingest_configuration::columns!(),
            ", CASE WHEN ",
            is_active!(),
            " THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END FROM ingest_configurations i WHERE ",
            $condition
        )
    };
}

macro_rules! list {
    ($condition:expr) => {
        select!(concat!(
            "i.account = $1 AND i.region = $2 AND (i.created_at, i.id) > ($3, $4)",
            $condition,
            " ORDER BY i.created_at, i.id LIMIT $5"
        ))
    };
}

pub(crate) const GET: &str = select!("i.id = $1");
pub(crate) const LIST: &str = list!("");
pub(crate) const LIST_OF_STAGE: &str = list!(" AND i.stage = $6");
pub(crate) const LIST_ACTIVE: &str = list!(concat!(" AND ", is_active!()));
pub(crate) const LIST_INACTIVE: &str = list!(concat!(" AND NOT ", is_active!()));

impl Store {
    /// An ingest configuration by its id.
    pub async fn get_ingest_configuration(
        &self,
        id: &IngestConfigurationId,
    ) -> Result<Option<FoundIngest>, StoreError> {
        self.one(query(GET).bind(id.as_str()), found).await
    }

    /// The ingest configurations of an account in a Region in the order of their creation, from just after a position.
    pub async fn list_ingest_configurations(
        &self,
        account: &str,
        region: &str,
        filter: &IngestFilter,
        after: Option<(Time, IngestConfigurationId)>,
        limit: u32,
    ) -> Result<Page<FoundIngest>, StoreError> {
        let sql = match filter {
            IngestFilter::None => LIST,
            IngestFilter::Stage(_) => LIST_OF_STAGE,
            IngestFilter::Active(true) => LIST_ACTIVE,
            IngestFilter::Active(false) => LIST_INACTIVE,
        };
        let (time, id) = position(after.as_ref().map(|(time, id)| (*time, id.as_str())), FIRST);
        let limit = limit.min(crate::limits::PAGE_ROWS_MAX);
        let query = query(sql)
            .bind(account)
            .bind(region)
            .bind(time)
            .bind(id)
            .bind(i64::from(limit) + 1);
        let query = match filter {
            IngestFilter::Stage(stage) => query.bind(stage.as_str()),
            IngestFilter::None | IngestFilter::Active(_) => query,
        };
        Ok(Page::cut(self.all(query, found).await?, limit))
    }
}

fn found(row: &Row<'_>) -> Result<FoundIngest, StoreError> {
    let mut cells = Cells::new(row, IngestConfiguration::ROW);
    Ok(FoundIngest {
        row: IngestConfiguration::take(&mut cells)?,
        is_active: cells.flag()?,
    })
}
