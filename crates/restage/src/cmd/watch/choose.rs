//! Chooses the publisher to watch.

use restage_client::{EventStream, ParticipantToken, StageEvent, StageParticipant};

use crate::exit::{Exit, Failure};
use crate::join::{self, Caller};
use crate::live::Figures;
use crate::table::printable;

fn is_called(participant: &StageParticipant, named: &str) -> bool {
    participant.id == named || participant.user_id == named
}

/// The only participant that publishes, or the one with this id or user id; waits until it is connected.
pub(crate) async fn publisher(
    token: &ParticipantToken,
    named: Option<&str>,
    caller: &Caller,
    figures: &Figures,
) -> anyhow::Result<String> {
    let mut events = EventStream::join_trusting(token, &caller.trust)
        .await
        .map_err(join::failure)?;
    let mut has_said = false;
    while let Some(event) = events.next().await.map_err(join::failure)? {
        let StageEvent::State(state) = event else {
            continue;
        };
        let publishing: Vec<_> = state
            .participants
            .iter()
            .filter(|participant| participant.is_publishing)
            .filter(|participant| named.is_none_or(|named| is_called(participant, named)))
            .collect();
        // An id takes precedence over a user id.
        let exact = publishing
            .iter()
            .position(|one| named == Some(one.id.as_str()));
        let publishing = match exact {
            Some(at) => vec![publishing[at]],
            None => publishing,
        };
        match publishing.as_slice() {
            [] if has_said => {}
            [] => {
                has_said = true;
                figures.note(&match named {
                    Some(named) => printable(&format!("{named} does not publish yet; waiting")),
                    None => "nobody publishes yet; waiting".to_owned(),
                });
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
                let what = match named {
                    Some(named) => format!("with the user id {named:?} "),
                    None => String::new(),
                };
                return Err(Failure::usage(format!(
                    "{} participants {what}publish",
                    several.len()
                ))
                .advise(format!(
                    "restage watch with one of their ids: {}",
                    shown.join(", ")
                ))
                .into());
            }
        }
    }
    Err(
        Failure::new(Exit::Refused, "the server closed the events socket")
            .advise("the stage may have been deleted: restage stages list")
            .into(),
    )
}
