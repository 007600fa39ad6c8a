//! Ingest: an encoder publishes with the stream key of an ingest configuration, as the participant that the key stands
//! for. From then on its connection is one like every other.
//!
//! In a redundant ingest each of the two streams is a participant. The virtual participant, which subscribers see, is
//! CONNECTED while one of them is, and publishes while one of them does ([`presence`], [`publication`]).

pub(crate) mod start;

use crate::id::{ParticipantId, StageId, StageSessionId};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::live::{presence, publication};
use crate::row::{IngestConfiguration, Participant, Plain as _, RedundantIngest};

/// The rows that say whether this participant publishes, or may publish, to this stage by an ingest configuration.
pub(crate) fn need_of(stage: &StageId, participant: &ParticipantId) -> Need {
    Need::IngestBy(stage.clone(), participant.clone())
}

/// The ingest configuration by which this participant publishes to this stage.
pub(crate) fn of_participant(
    draft: &Draft<'_>,
    stage: &StageId,
    participant: &ParticipantId,
) -> Option<IngestConfiguration> {
    let mut attached = attached_to(draft, stage);
    attached.retain(|row| row.participants().contains(&participant));
    attached.pop()
}

/// The ingest configurations that publish to this stage, of those that are loaded.
pub(crate) fn attached_to(draft: &Draft<'_>, stage: &StageId) -> Vec<IngestConfiguration> {
    let rows = draft.given().plain_of::<IngestConfiguration>();
    let rows = rows.filter_map(|row| draft.plain(&row.id.clone().into()));
    let rows = rows.filter_map(IngestConfiguration::of);
    rows.filter(|row| row.stage.as_ref() == Some(stage))
        .cloned()
        .collect()
}

/// The ingest configuration has no stage from now on.
pub(crate) fn detach(draft: &mut Draft<'_>, row: IngestConfiguration) {
    draft.put_plain(IngestConfiguration { stage: None, ..row }.into());
}

/// Whether an encoder has a connection open by this ingest configuration: its state is ACTIVE.
pub(crate) fn is_active(draft: &Draft<'_>, row: &IngestConfiguration) -> bool {
    let session = row.stage.as_ref().and_then(|id| draft.active_session(id));
    let is_connected = |session: &StageSessionId, id| {
        draft.participant(session, id).is_some_and(|participant| {
            let link = participant.ingest.as_ref();
            participant.connected && link.is_some_and(|link| link.configuration == row.id)
        })
    };
    session.is_some_and(|session| {
        let mut participants = row.participants().into_iter();
        participants.any(|id| is_connected(&session, id))
    })
}

/// A physical participant publishes: the virtual one does so, too.
pub(crate) fn started(draft: &mut Draft<'_>, session: &StageSessionId, row: &Participant) {
    if let Some(streams) = streams_of(row) {
        publication::start(draft, session, &streams.virtual_participant);
    }
}

/// A physical participant publishes no more. The virtual one goes on with the other stream, or stops.
pub(crate) fn stopped(draft: &mut Draft<'_>, session: &StageSessionId, row: &Participant) {
    if let Some(streams) = streams_of(row)
        && !other_publishes(draft, session, row)
    {
        publication::stop(draft, session, &streams.virtual_participant);
    }
}

/// A physical participant has left. The virtual one leaves with the last of them.
pub(crate) fn left(draft: &mut Draft<'_>, session: &StageSessionId, row: &Participant) {
    let Some(streams) = streams_of(row) else {
        return;
    };
    let other = streams.other(&row.id);
    let stays = other.is_some_and(|id| draft.has_connection(session, id));
    if !stays {
        presence::leave(draft, session, &streams.virtual_participant);
    }
}

/// Whether the other stream of a redundant ingest publishes.
pub(crate) fn other_publishes(
    draft: &Draft<'_>,
    session: &StageSessionId,
    row: &Participant,
) -> bool {
    let other = streams_of(row).and_then(|streams| streams.other(&row.id));
    let other = other.and_then(|id| draft.participant(session, id));
    other.is_some_and(|row| row.publishing)
}

/// The streams that this participant is one of.
fn streams_of(row: &Participant) -> Option<&RedundantIngest> {
    let link = row.ingest.as_ref().filter(|_| row.is_physical())?;
    link.redundant.as_ref()
}
