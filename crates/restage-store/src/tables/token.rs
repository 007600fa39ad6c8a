//! Participant tokens.

use restage_core::row::{Capabilities, Token};

use super::cells::Cells;
use super::declare::table;
use super::field::Field;
use crate::error::StoreError;
use crate::sql::Cell;

table! {
    Token in "tokens" as "t", row "token", since 1, newest [],
    key (stage, participant),
    fields (expires_at, revoked_at, self_signed ("allow_publish", "allow_subscribe"))
}

/// What a self-signed token allows; both are NULL where restage made the token.
impl Field for Option<Capabilities> {
    fn put(&self, cells: &mut Vec<Cell>) {
        for allowed in [self.map(|of| of.publish), self.map(|of| of.subscribe)] {
            cells.push(Cell::OptInt(allowed.map(i64::from)));
        }
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        match (cells.opt_flag()?, cells.opt_flag()?) {
            (None, None) => Ok(None),
            (Some(publish), Some(subscribe)) => Ok(Some(Capabilities { publish, subscribe })),
            _ => Err(cells.corrupt("capabilities come together".to_owned())),
        }
    }
}
