//! Chooses the publisher to watch.

use restage_client::{EventStream, EventsClose, ParticipantToken, StageEvent, StageParticipant};

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
    Err(closed(events.closed()).into())
}

/// Why nobody was chosen: the server has closed the events socket, which is needed until then.
pub(crate) fn closed(close: Option<&EventsClose>) -> Failure {
    let Some(close) = close else {
        return Failure::new(
            Exit::NoAnswer,
            "the connection to the events socket ended without a reason",
        )
        .advise("the server, or a proxy before it, may have stopped: restage doctor");
    };
    let what = format!("the server closed the events socket: {}", close.reason);
    let exit = match close.is_passing() {
        true => Exit::NoAnswer,
        false => Exit::Refused,
    };
    Failure::new(exit, what).advise(advice(close.code))
}

/// What helps after this close code.
pub(crate) fn advice(code: u16) -> &'static str {
    match code {
        4401 => {
            "restage token inspect TOKEN says why the token is refused; restage token create makes another"
        }
        4403 => "restage token inspect TOKEN says what the token allows",
        4404 => "the stage was deleted; restage stages list shows those that are there",
        4409 => {
            "one token has one events socket at a time, and another program uses this token now: give each its own (restage \
             token create), or name the participant by its id, which needs no events socket"
        }
        4410 => "the participant was disconnected; restage token create makes a token for another",
        4429 | 1013 => "the server takes no more at present; try again in a while",
        1001 | 1012 => "the server stops or restarts; try again when it is back",
        _ => "try again; the server's log may say more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_close_code_has_its_advice() {
        for (code, words) in [
            (4401, "inspect"),
            (4403, "allows"),
            (4404, "deleted"),
            (4409, "its own"),
            (4410, "disconnected"),
            (4429, "no more at present"),
            (1012, "restarts"),
            (1011, "log"),
        ] {
            assert!(advice(code).contains(words), "{code}: {}", advice(code));
        }
        let unsaid = closed(None);
        assert!(unsaid.to_string().contains("without a reason"));
    }
}
