//! Whom to watch, when nobody was named.

use restage_client::{EventStream, ParticipantToken, StageEvent};

use crate::exit::{Exit, Failure};
use crate::live::Figures;
use crate::stage;
use crate::table::printable;

/// The one participant that publishes; waits until there is one.
pub(crate) async fn publisher(
    token: &ParticipantToken,
    figures: &Figures,
) -> anyhow::Result<String> {
    let mut events = EventStream::join(token).await.map_err(stage::failure)?;
    let mut has_said = false;
    while let Some(event) = events.next().await.map_err(stage::failure)? {
        let StageEvent::State(state) = event else {
            continue;
        };
        let publishing: Vec<_> = state
            .participants
            .iter()
            .filter(|participant| participant.is_publishing)
            .collect();
        match publishing.as_slice() {
            [] if has_said => {}
            [] => {
                has_said = true;
                figures.note("nobody publishes yet; waiting");
            }
            [only] => {
                let shown = printable(&format!("watching {} {}", only.id, only.user_id));
                figures.note(shown.trim_end());
                events.close().await.ok();
                return Ok(only.id.clone());
            }
            several => {
                let shown: Vec<String> = several
                    .iter()
                    .map(|one| {
                        format!("{} {}", one.id, printable(&one.user_id))
                            .trim()
                            .to_owned()
                    })
                    .collect();
                return Err(
                    Failure::usage(format!("{} participants publish", several.len()))
                        .advise(format!(
                            "restage watch with one of their ids: {}",
                            shown.join(", ")
                        ))
                        .into(),
                );
            }
        }
    }
    Err(
        Failure::new(Exit::Refused, "the server closed the events socket")
            .advise("the stage may have been deleted: restage stages list")
            .into(),
    )
}
