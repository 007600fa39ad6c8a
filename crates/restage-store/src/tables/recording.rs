//! Recordings.

use restage_core::row::{
    PublicationKey, Recording, RecordingFailure, RecordingFailureCode, RecordingId, RecordingState,
};

use super::cells::Cells;
use super::declare::table;
use super::field::{Field, ids};
use crate::error::StoreError;
use crate::sql::Cell;

table! {
    Recording in "recordings" as "v", row "recording", since 8,
    newest ["SELECT COALESCE(MAX(created_at), 0) FROM recordings"],
    key (id),
    fields (
        account, region, stage, session, participant, source, storage ("storage", "bucket"), prefix, settings,
        state ("state", "is_open", "is_final"), paused,
        publication ("publication_session", "publication_participant"),
        window_ends_at, started_at, ended_at, duration_ms, message,
        failure ("failure_code", "failure_reason"), created_at
    )
}

ids!(RecordingId);

/// The word of the API model, and what statements ask of it.
impl Field for RecordingState {
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
pub(crate) fn state(word: &str) -> Option<RecordingState> {
    RecordingState::ALL
        .into_iter()
        .find(|state| state.word() == word)
}

fn code(word: &str) -> Option<RecordingFailureCode> {
    use RecordingFailureCode::{AccessDenied, InternalServer, ResourceNotFound, Validation};
    [ResourceNotFound, AccessDenied, Validation, InternalServer]
        .into_iter()
        .find(|code| code.word() == word)
}

/// The session and the participant, or NULL for both.
impl Field for Option<PublicationKey> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let session = self.as_ref().map(|key| key.session.as_str());
        let participant = self.as_ref().map(|key| key.participant.as_str());
        cells.extend([Cell::opt_text(session), Cell::opt_text(participant)]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        match (cells.opt_id()?, cells.opt_id()?) {
            (Some(session), Some(participant)) => Ok(Some(PublicationKey {
                session,
                participant,
            })),
            (None, None) => Ok(None),
            _ => Err(cells.corrupt("half a publication".to_owned())),
        }
    }
}

/// The code and the reason, or NULL for both.
impl Field for Option<RecordingFailure> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let code = self.as_ref().map(|failure| failure.code.word());
        let reason = self.as_ref().map(|failure| failure.reason.as_str());
        cells.extend([Cell::opt_text(code), Cell::opt_text(reason)]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let (word, reason) = (cells.opt_str()?, cells.opt_str()?);
        match (word, reason) {
            (Some(word), Some(reason)) => {
                let code = code(word)
                    .ok_or_else(|| cells.corrupt(format!("{word:?} is no code of a failure")))?;
                let reason = reason.to_owned();
                Ok(Some(RecordingFailure { code, reason }))
            }
            (None, None) => Ok(None),
            _ => Err(cells.corrupt("half a failure".to_owned())),
        }
    }
}
