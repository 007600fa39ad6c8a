//! What the engine has to say: datagrams to send, and what became of the connection.

use str0m::{Event, Output};

use super::{Engine, is_media};
use crate::egress::Path;
use crate::io;
use crate::peer_event::{EngineEvent, Failure, Sink};

impl Engine {
    pub(super) fn drain(&mut self, sink: &mut Sink) -> Result<(), Failure> {
        loop {
            match self
                .rtc
                .poll_output()
                .map_err(|error| Failure::Error(error.to_string()))?
            {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    if let Some(egress) = &mut self.egress
                        && let Some(path) = self.path.take()
                    {
                        egress.path = path;
                    }
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    let path = Path {
                        source: self.arrived_on.unwrap_or(transmit.source),
                        destination: transmit.destination,
                    };
                    if is_media(&transmit.contents) {
                        // Only egress and ingress send it: they and the engine would use nonces twice.
                        self.path = Some(path);
                        continue;
                    }
                    sink.outputs.push_back(io::Output::Transmit {
                        source: path.source,
                        destination: path.destination,
                        payload: transmit.contents.into(),
                    });
                }
                Output::Event(Event::Connected) => sink.events.push(EngineEvent::Connected),
                Output::Event(Event::Closed) => sink.events.push(EngineEvent::Closed),
                Output::Event(_) => {}
            }
        }
    }
}
