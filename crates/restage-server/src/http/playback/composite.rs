//! Recordings of compositions, as far as the rows of their compositions are there: until five minutes after their end.

use restage_core::row::{
    Composition, CompositionDestination, CompositionDestinationId, CompositionId,
    CompositionRecording, RecordingId,
};
use restage_node::recording::{of_recording, recording_id};
use restage_storage::RecordingPlace;
use restage_store::StoreError;

use super::super::App;

/// The recording of a destination of a composition.
pub(in crate::http) struct Composite {
    pub(in crate::http) composition: Composition,
    destination: CompositionDestinationId,
    recording: CompositionRecording,
}

/// The id of a destination's recording, if there is something in it, or may be.
pub(in crate::http) fn id_of(
    composition: &Composition,
    destination: &CompositionDestination,
) -> Option<RecordingId> {
    destination.target.recording()?;
    let is_playable = destination.started_at.is_some() && destination.duration_ms != Some(0);
    let id = recording_id(composition.id.as_str(), destination.id.as_str());
    is_playable.then(|| RecordingId::new(id))
}

/// The recording with this id, if it is one of a composition that is known.
pub(in crate::http) async fn find(
    app: &App,
    id: &RecordingId,
) -> Result<Option<Composite>, StoreError> {
    let Some((composition, destination)) = of_recording(id.as_str()) else {
        return Ok(None);
    };
    let composition = CompositionId::new(composition);
    let found = app.control.store().get_composition(&composition).await?;
    Ok(found.and_then(|row| of(row, CompositionDestinationId::new(destination))))
}

fn of(composition: Composition, destination: CompositionDestinationId) -> Option<Composite> {
    let row = composition.destination(&destination)?;
    let recording = row.target.recording()?.clone();
    Some(Composite {
        composition,
        destination,
        recording,
    })
}

impl Composite {
    /// Where it is.
    pub(super) fn place(self) -> RecordingPlace {
        let id = recording_id(self.composition.id.as_str(), self.destination.as_str());
        RecordingPlace {
            recording: id,
            account: self.composition.account,
            region: self.composition.region,
            bucket: self.recording.storage.bucket,
            prefix: self.recording.prefix,
        }
    }

    /// Whether something is recorded, or may be later.
    pub(in crate::http) fn may_have_playlist(&self) -> bool {
        let row = self.composition.destination(&self.destination);
        row.is_some_and(|row| row.duration_ms != Some(0))
    }
}
