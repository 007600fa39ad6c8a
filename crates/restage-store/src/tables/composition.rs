//! Compositions.

mod destination;
mod layout;

use restage_core::row::{
    Composition, CompositionDestination, CompositionFailure, CompositionFailureCode, CompositionId,
    CompositionState, Idempotency,
};

use super::cells::Cells;
use super::declare::table;
use super::field::{Field, ids};
use crate::error::StoreError;
use crate::sql::Cell;

table! {
    Composition in "compositions" as "z", row "composition", since 10,
    newest ["SELECT COALESCE(MAX(created_at), 0) FROM compositions"],
    key (id),
    fields (
        account, region, stage, layout, destinations ("destinations", "channel", "storage", "first_encoder", "second_encoder"),
        tags, idempotency ("token", "fingerprint"), state ("state", "is_open", "is_final"), started_at, ended_at,
        failure ("failure_code", "failure_reason"), idle_since, lives_until, gone_at, created_at
    )
}

ids!(CompositionId);

/// The word of the API model, and what statements ask of it.
impl Field for CompositionState {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            Cell::text(self.word()),
            Cell::flag(self.is_open()),
            Cell::flag(self.is_final()),
        ]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let state = cells.word(state)?;
        let flags = (cells.flag()?, cells.flag()?);
        match flags == (state.is_open(), state.is_final()) {
            true => Ok(state),
            false => Err(cells.corrupt(format!("{} does not go with its flags", state.word()))),
        }
    }
}

/// The state that a word stands for.
fn state(word: &str) -> Option<CompositionState> {
    CompositionState::ALL
        .into_iter()
        .find(|state| state.word() == word)
}

/// The code that a word stands for.
fn code(word: &str) -> Option<CompositionFailureCode> {
    CompositionFailureCode::ALL
        .into_iter()
        .find(|code| code.word() == word)
}

/// The code and the reason, or NULL for both.
impl Field for Option<CompositionFailure> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let code = self.as_ref().map(|failure| failure.code.word());
        let reason = self.as_ref().map(|failure| failure.reason.as_str());
        cells.extend([Cell::opt_text(code), Cell::opt_text(reason)]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        match (cells.opt_str()?, cells.opt_str()?) {
            (Some(word), Some(reason)) => {
                let code = code(word)
                    .ok_or_else(|| cells.corrupt(format!("{word:?} is no code of a failure")))?;
                let reason = reason.to_owned();
                Ok(Some(CompositionFailure { code, reason }))
            }
            (None, None) => Ok(None),
            _ => Err(cells.corrupt("half a failure".to_owned())),
        }
    }
}

/// The token and the fingerprint, or NULL for both.
impl Field for Option<Idempotency> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let token = self.as_ref().map(|used| used.token.as_str());
        let fingerprint = self.as_ref().map(|used| used.fingerprint.as_str());
        cells.extend([Cell::opt_text(token), Cell::opt_text(fingerprint)]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        match (cells.opt_str()?, cells.opt_str()?) {
            (Some(token), Some(fingerprint)) => Ok(Some(Idempotency {
                token: token.to_owned(),
                fingerprint: fingerprint.to_owned(),
            })),
            (None, None) => Ok(None),
            _ => Err(cells.corrupt("a token without its fingerprint".to_owned())),
        }
    }
}

/// The destinations as JSON, then what statements ask of them.
impl Field for Vec<CompositionDestination> {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::Text(destination::text(self)));
        cells.extend(asked(self).map(Cell::opt_text));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let text = cells.str()?;
        let rows = destination::read(text).map_err(|reason| cells.corrupt(reason))?;
        let found = [
            cells.opt_str()?,
            cells.opt_str()?,
            cells.opt_str()?,
            cells.opt_str()?,
        ];
        match found == asked(&rows) {
            true => Ok(rows),
            false => Err(cells.corrupt("destinations do not go with their columns".to_owned())),
        }
    }
}

/// The channel that is in use, the storage configuration, and the encoder configurations of the first and of the second
/// destination.
fn asked(rows: &[CompositionDestination]) -> [Option<&str>; 4] {
    let mut channels = rows.iter().filter(|row| !row.state.is_final());
    let channel = channels.find_map(|row| row.target.channel());
    let storage = rows
        .iter()
        .find_map(|row| row.target.storage_configuration());
    let encoder = |at: usize| rows.get(at)?.encoder_configuration.as_ref();
    [
        channel.map(|id| id.as_str()),
        storage.map(|id| id.as_str()),
        encoder(0).map(|id| id.as_str()),
        encoder(1).map(|id| id.as_str()),
    ]
}
