//! Participants' history. In addition to the declared columns the table has `seq`, which counts up from 1 within one
//! participant's history in one stage session. The statement that writes an event sets it.

use restage_core::id::{StageId, StageSessionId};
use restage_core::row::{StageEvent, StageEventError, StageEventName, TokenExchange};

use super::cells::Cells;
use super::declare::{Table, table};
use super::exchange;
use super::field::{Field, words};
use crate::error::StoreError;
use crate::sql::{Cell, Row};

table! {
    StageEvent in "stage_events" as "e", row "stage event", since 1, newest [],
    key (session, participant),
    fields (
        name, at, remote_participant, error, destination ("destination_stage", "destination_session"), replica,
        exchange
    )
}

/// An event and its position in the participant's history, from a statement that has `seq` after the columns.
pub(crate) fn placed(row: &Row<'_>) -> Result<(i64, StageEvent), StoreError> {
    let mut cells = Cells::new(row, StageEvent::ROW);
    let event = StageEvent::take(&mut cells)?;
    Ok((cells.number()?, event))
}

words!(StageEventName {
    Joined = "JOINED",
    Left = "LEFT",
    PublishStarted = "PUBLISH_STARTED",
    PublishStopped = "PUBLISH_STOPPED",
    SubscribeStarted = "SUBSCRIBE_STARTED",
    SubscribeStopped = "SUBSCRIBE_STOPPED",
    PublishError = "PUBLISH_ERROR",
    SubscribeError = "SUBSCRIBE_ERROR",
    JoinError = "JOIN_ERROR",
    ReplicationStarted = "REPLICATION_STARTED",
    ReplicationStopped = "REPLICATION_STOPPED",
    TokenExchanged = "TOKEN_EXCHANGED",
});

/// Why something failed: the error codes of the API.
pub(crate) mod error {
    use super::{Cell, Cells, Field, StageEventError, StoreError, words};

    words!(StageEventError {
        InsufficientCapabilities = "INSUFFICIENT_CAPABILITIES",
        QuotaExceeded = "QUOTA_EXCEEDED",
        PublisherNotFound = "PUBLISHER_NOT_FOUND",
        InvalidAudioCodec = "INVALID_AUDIO_CODEC",
        InvalidVideoCodec = "INVALID_VIDEO_CODEC",
        StreamDurationExceeded = "STREAM_DURATION_EXCEEDED",
        BitrateExceeded = "BITRATE_EXCEEDED",
        ResolutionExceeded = "RESOLUTION_EXCEEDED",
        InvalidProtocol = "INVALID_PROTOCOL",
        InvalidStreamKey = "INVALID_STREAM_KEY",
        ReuseOfStreamKey = "REUSE_OF_STREAM_KEY",
        BFramePresent = "B_FRAME_PRESENT",
        InvalidInput = "INVALID_INPUT",
        InternalServerException = "INTERNAL_SERVER_EXCEPTION",
    });

    impl Field for Option<StageEventError> {
        fn put(&self, cells: &mut Vec<Cell>) {
            cells.push(Cell::opt_text(self.map(word)));
        }

        fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
            let Some(word) = cells.opt_str()? else {
                return Ok(None);
            };
            let error = meaning(word).ok_or_else(|| {
                cells.corrupt(format!("{word:?} is not an error code restage uses"))
            });
            error.map(Some)
        }
    }
}

/// The destination of a replica: its stage and its session, or neither.
impl Field for Option<(StageId, StageSessionId)> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let destination = self.as_ref();
        cells.extend([
            Cell::opt_text(destination.map(|(stage, _)| stage.as_str())),
            Cell::opt_text(destination.map(|(_, session)| session.as_str())),
        ]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        match (cells.opt_id()?, cells.opt_id()?) {
            (Some(stage), Some(session)) => Ok(Some((stage, session))),
            (None, None) => Ok(None),
            _ => Err(cells.corrupt("a destination has both a stage and a session".to_owned())),
        }
    }
}

/// What a token exchange changed, as JSON.
impl Field for Option<Box<TokenExchange>> {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::OptText(self.as_deref().map(exchange::to_text)));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let Some(text) = cells.opt_str()? else {
            return Ok(None);
        };
        let exchange = exchange::from_text(text);
        exchange
            .map(Some)
            .map_err(|error| cells.corrupt(error.to_string()))
    }
}
