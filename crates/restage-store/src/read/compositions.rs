//! Reads of compositions.

use restage_core::id::{StageId, Time};
use restage_core::row::{Composition, CompositionId, EncoderConfigurationId};

use super::{FIRST, Page, position};
use crate::error::StoreError;
use crate::sql::query;
use crate::store::Store;
use crate::tables::{Table as _, composition};

/// Which compositions a list has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CompositionFilter {
    /// Those of one stage, which may have been deleted.
    pub stage: Option<StageId>,
    /// Those with a destination that is encoded by one encoder configuration.
    pub encoder: Option<EncoderConfigurationId>,
}

pub(crate) const GET: &str = concat!(
    "SELECT ",
    composition::columns!(),
    " FROM compositions z WHERE z.id = $1"
);

macro_rules! list {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            composition::columns!(),
            " FROM compositions z WHERE z.account = $1 AND z.region = $2",
            $condition,
            " AND (z.created_at, z.id) > ($3, $4) ORDER BY z.created_at, z.id LIMIT $5"
        )
    };
}

pub(crate) const LIST: &str = list!("");
pub(crate) const LIST_OF_STAGE: &str = list!(" AND z.stage = $6");
// Compositions are few, as each is removed soon after its end: the list is read in its order.
pub(crate) const LIST_OF_ENCODER: &str =
    list!(" AND (COALESCE(z.first_encoder, '') = $6 OR COALESCE(z.second_encoder, '') = $6)");
pub(crate) const LIST_OF_BOTH: &str = list!(
    " AND z.stage = $6 AND (COALESCE(z.first_encoder, '') = $7 OR COALESCE(z.second_encoder, '') = $7)"
);

impl Store {
    /// A composition by its id.
    pub async fn get_composition(
        &self,
        id: &CompositionId,
    ) -> Result<Option<Composition>, StoreError> {
        let query = query(GET).bind(id.as_str());
        self.one(query, Composition::read).await
    }

    /// The compositions of an account in a Region in the order of their starts, from just after a position.
    pub async fn list_compositions(
        &self,
        account: &str,
        region: &str,
        filter: &CompositionFilter,
        after: Option<(Time, CompositionId)>,
        limit: u32,
    ) -> Result<Page<Composition>, StoreError> {
        let sql = match (&filter.stage, &filter.encoder) {
            (None, None) => LIST,
            (Some(_), None) => LIST_OF_STAGE,
            (None, Some(_)) => LIST_OF_ENCODER,
            (Some(_), Some(_)) => LIST_OF_BOTH,
        };
        let (time, id) = position(after.as_ref().map(|(time, id)| (*time, id.as_str())), FIRST);
        let limit = limit.min(crate::limits::PAGE_ROWS_MAX);
        let mut query = query(sql)
            .bind(account)
            .bind(region)
            .bind(time)
            .bind(id)
            .bind(i64::from(limit) + 1);
        if let Some(stage) = &filter.stage {
            query = query.bind(stage.as_str());
        }
        if let Some(encoder) = &filter.encoder {
            query = query.bind(encoder.as_str());
        }
        Ok(Page::cut(self.all(query, Composition::read).await?, limit))
    }

    /// All compositions, of all accounts, by state and by the states of destinations. It reads the rows there are: those
    /// that have not ended, or ended within minutes.
    pub async fn all_compositions(&self) -> Result<Vec<Composition>, StoreError> {
        self.all(query(Composition::SELECT), Composition::read)
            .await
    }
}
