//! Participants.

use std::collections::BTreeMap;

use restage_core::id::{ParticipantId, StageId, StageSessionId};
use restage_core::row::{
    Client, IngestLink, Participant, Protocol, Recorded, RedundantIngest, Replication,
};

use super::cells::Cells;
use super::declare::table;
use super::field::{Field, map_text, words};
use crate::error::StoreError;
use crate::sql::Cell;

table! {
    Participant in "participants" as "p", row "participant", since 1, newest [],
    key (session, id),
    fields (
        stage, user_id, attributes, connected, publishing, published, first_joined_at, protocol, client,
        replication ("replication", "replication_active", "source_stage", "source_session"),
        recording ("recording", "recorded_since"),
        ingest ("ingest", "is_virtual", "ingest_virtual", "ingest_first", "ingest_second")
    )
}

words!(Protocol {
    Unknown = "UNKNOWN",
    Whip = "WHIP",
    Rtmp = "RTMP",
    Rtmps = "RTMPS"
});

/// The client's five facts as a JSON object, without the empty ones.
impl Field for Client {
    fn put(&self, cells: &mut Vec<Cell>) {
        let Self {
            browser_name,
            browser_version,
            os_name,
            os_version,
            sdk_version,
        } = self;
        let facts = [
            ("browser_name", browser_name),
            ("browser_version", browser_version),
            ("os_name", os_name),
            ("os_version", os_version),
            ("sdk_version", sdk_version),
        ];
        let facts = facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        cells.push(Cell::Text(map_text(&facts)));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let mut facts: BTreeMap<String, String> = cells.map()?;
        let mut take = |name: &str| facts.remove(name).unwrap_or_default();
        Ok(Self {
            browser_name: take("browser_name"),
            browser_version: take("browser_version"),
            os_name: take("os_name"),
            os_version: take("os_version"),
            sdk_version: take("sdk_version"),
        })
    }
}

/// A part in replications: a word, whether it is ACTIVE, and a replica's source.
impl Field for Replication {
    fn put(&self, cells: &mut Vec<Cell>) {
        let (word, active, source_stage, source_session) = match self {
            Self::None => ("NONE", false, None, None),
            Self::Source { active } => ("SOURCE", *active, None, None),
            Self::Replica {
                active,
                source_stage,
                source_session,
            } => (
                "REPLICA",
                *active,
                Some(source_stage.as_str()),
                Some(source_session.as_str()),
            ),
        };
        cells.extend([
            Cell::text(word),
            Cell::flag(active),
            Cell::opt_text(source_stage),
            Cell::opt_text(source_session),
        ]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let word = cells.text()?;
        let active = cells.flag()?;
        let source: (Option<StageId>, Option<StageSessionId>) = (cells.opt_id()?, cells.opt_id()?);
        match (word.as_str(), source) {
            ("NONE", (None, None)) => Ok(Self::None),
            ("SOURCE", (None, None)) => Ok(Self::Source { active }),
            ("REPLICA", (Some(source_stage), Some(source_session))) => Ok(Self::Replica {
                active,
                source_stage,
                source_session,
            }),
            _ => Err(cells.corrupt(format!("{word:?} does not go with its source columns"))),
        }
    }
}

/// The recording and its time, or NULL for both.
impl Field for Option<Recorded> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let id = self.as_ref().map(|recorded| recorded.id.as_str());
        let since = self.as_ref().map(|recorded| recorded.since);
        cells.extend([Cell::opt_text(id), Cell::opt_time(since)]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        match (cells.opt_id()?, cells.opt_time()?) {
            (Some(id), Some(since)) => Ok(Some(Recorded { id, since })),
            (None, None) => Ok(None),
            _ => Err(cells.corrupt("half a recording".to_owned())),
        }
    }
}

/// The ingest configuration, whether the participant is virtual, and the participants of a redundant ingest. All is NULL
/// or 0 for others.
impl Field for Option<IngestLink> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let id = self.as_ref().map(|link| link.configuration.as_str());
        let streams = self.as_ref().and_then(|link| link.redundant.as_ref());
        cells.extend([
            Cell::opt_text(id),
            Cell::flag(streams.is_some_and(|streams| streams.is_virtual)),
        ]);
        let ids = streams.map(|streams| {
            let [first, second] = &streams.physical;
            [&streams.virtual_participant, first, second]
        });
        let ids = ids.map_or([None; 3], |ids| ids.map(|id| Some(id.as_str())));
        cells.extend(ids.map(Cell::opt_text));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let configuration = cells.opt_id()?;
        let is_virtual = cells.flag()?;
        let ids: [Option<ParticipantId>; 3] = [cells.opt_id()?, cells.opt_id()?, cells.opt_id()?];
        let redundant = match ids {
            [Some(virtual_participant), Some(first), Some(second)] => Some(RedundantIngest {
                is_virtual,
                virtual_participant,
                physical: [first, second],
            }),
            [None, None, None] if !is_virtual => None,
            _ => return Err(cells.corrupt("part of a redundant ingest".to_owned())),
        };
        match (configuration, redundant) {
            (Some(configuration), redundant) => Ok(Some(IngestLink {
                configuration,
                redundant,
            })),
            (None, None) => Ok(None),
            (None, Some(_)) => {
                Err(cells.corrupt("a redundant ingest without its configuration".to_owned()))
            }
        }
    }
}
