//! What a publisher is told about its layers: which of them somebody wants.

use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_media::LayerWanted;
use serde::Serialize;

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    stage_id: &'a str,
    participant_id: &'a str,
    session: &'a str,
    layers: Vec<Layer<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer<'a> {
    rid: &'a str,
    is_wanted: bool,
}

impl<'a> Layer<'a> {
    fn of(layer: &'a LayerWanted) -> Self {
        Self {
            rid: &layer.rid,
            is_wanted: layer.is_wanted,
        }
    }
}

/// The text of a PUBLISH_LAYERS_WANTED about a publishing connection.
pub(super) fn text(
    stage: &StageId,
    participant: &ParticipantId,
    session: &ConnectionId,
    layers: &[LayerWanted],
) -> String {
    let payload = Payload {
        stage_id: stage.as_str(),
        participant_id: participant.as_str(),
        session: session.as_str(),
        layers: layers.iter().map(Layer::of).collect(),
    };
    let r#type = "PUBLISH_LAYERS_WANTED";
    serde_json::to_string(&Message { r#type, payload }).unwrap_or_default()
}
