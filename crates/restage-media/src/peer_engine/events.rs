//! What the engine has to say: datagrams to send, what a subscriber asks for, and what became of the connection.

use str0m::media::Mid;
use str0m::{Event, Output};

use super::Engine;
use crate::egress::Path;
use crate::io::{self, MediaKind};
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
                    let is_media = matches!(transmit.contents.first(), Some(128..=191));
                    if is_media && self.keys.is_filled() {
                        // Under these keys only egress and ingress send: they and the engine would use nonces twice.
                        self.path = Some(path);
                        continue;
                    }
                    sink.outputs.push_back(io::Output::Transmit {
                        source: path.source,
                        destination: path.destination,
                        payload: transmit.contents.into(),
                    });
                }
                Output::Event(event) => self.on_event(event, sink),
            }
        }
    }

    fn on_event(&self, event: Event, sink: &mut Sink) {
        match event {
            Event::Connected => sink.events.push(EngineEvent::Connected),
            Event::Closed => sink.events.push(EngineEvent::Closed),
            Event::KeyframeRequest(request)
                if self.kind_of(request.mid) == Some(MediaKind::Video) =>
            {
                sink.events.push(EngineEvent::KeyframeWanted);
            }
            _ => {}
        }
    }

    fn kind_of(&self, mid: Mid) -> Option<MediaKind> {
        MediaKind::BOTH.into_iter().find(|kind| {
            self.sections[kind.index()]
                .as_ref()
                .is_some_and(|section| section.mid == mid)
        })
    }
}
