//! Ingest configurations.

use restage_core::id::ParticipantId;
use restage_core::row::{
    IngestConfiguration, IngestConfigurationId, IngestCredential, IngestProtocol, StreamKey,
};

use super::cells::Cells;
use super::declare::plain_table;
use super::field::{Field, words};
use crate::error::StoreError;
use crate::sql::Cell;

plain_table! {
    IngestConfiguration (IngestConfigurationId) in "ingest_configurations" as "i", row "ingest configuration", since 9,
    fields (
        stage, user_id, attributes, protocol, insecure, credential ("participant", "stream_key"),
        redundant ("first_participant", "first_key", "second_participant", "second_key")
    )
}

words!(IngestProtocol {
    Rtmp = "RTMP",
    Rtmps = "RTMPS"
});

/// Those that publish to a stage (`$1`).
pub(crate) const OF_STAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM ingest_configurations i WHERE i.stage = $1"
);

/// The one that publishes to a stage (`$1`) as a participant (`$2`).
pub(crate) const BY_PARTICIPANT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM ingest_configurations i WHERE i.stage = $1 \
     AND (i.participant = $2 OR i.first_participant = $2 OR i.second_participant = $2)"
);

/// The text of the key.
impl Field for StreamKey {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::text(self.expose()));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self::given(cells.str()?))
    }
}

/// The participant, and its key.
impl Field for IngestCredential {
    fn put(&self, cells: &mut Vec<Cell>) {
        let Self { participant, key } = self;
        participant.put(cells);
        key.put(cells);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            participant: Field::take(cells)?,
            key: Field::take(cells)?,
        })
    }
}

/// Two credentials, or NULL for all of them.
impl Field for Option<[IngestCredential; 2]> {
    fn put(&self, cells: &mut Vec<Cell>) {
        match self {
            Some(streams) => streams.iter().for_each(|stream| stream.put(cells)),
            None => cells.extend([const { None::<&str> }; 4].map(Cell::opt_text)),
        }
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let mut half = || -> Result<_, StoreError> {
            let participant: Option<ParticipantId> = cells.opt_id()?;
            let key = cells.opt_str()?.map(StreamKey::given);
            Ok(participant.zip(key).ok_or(()))
        };
        match (half()?, half()?) {
            (Ok(first), Ok(second)) => {
                Ok(Some([first, second].map(|(participant, key)| {
                    IngestCredential { participant, key }
                })))
            }
            (Err(()), Err(())) => Ok(None),
            _ => Err(cells.corrupt("half a redundant ingest".to_owned())),
        }
    }
}
