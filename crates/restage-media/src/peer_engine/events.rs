//! What the engine has to say: datagrams to send, packets that arrived, and what became of the connection.

use std::time::SystemTime;

use str0m::media::Mid;
use str0m::rtp::Ssrc;
use str0m::{Event, Output};

use super::{Engine, STREAMS_KNOWN_MAX};
use crate::egress::Path;
use crate::io::{self, MediaKind};
use crate::packet::{Received, RidName};
use crate::peer_codec;
use crate::peer_event::{EngineEvent, Failure, SenderReport, Sink};

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
                        // Under these keys only the egress sends: it and the engine would use nonces twice.
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

    fn on_event(&mut self, event: Event, sink: &mut Sink) {
        match event {
            Event::Connected => sink.events.push(EngineEvent::Connected),
            Event::Closed => sink.events.push(EngineEvent::Closed),
            Event::RtpPacket(packet) => {
                let Some((kind, rid)) = self.stream(packet.header.ssrc) else {
                    return;
                };
                if let Some(ingress) = &mut self.ingress {
                    ingress.on_verified(*packet.header.ssrc, *packet.seq_no);
                }
                let received = Received {
                    ssrc: *packet.header.ssrc,
                    rid,
                    pt: *packet.header.payload_type,
                    seq: *packet.seq_no,
                    time: packet.time.numer(),
                    marker: packet.header.marker,
                    extensions: peer_codec::extensions(&packet.header.ext_vals),
                    arrived: packet.timestamp,
                    payload: packet.payload,
                };
                sink.events.push(EngineEvent::Packet(kind, received));
            }
            Event::KeyframeRequest(request)
                if self.kind_of(request.mid) == Some(MediaKind::Video) =>
            {
                sink.events.push(EngineEvent::KeyframeWanted);
            }
            Event::SenderFeedback(feedback) => {
                let since_epoch = feedback
                    .sender_info
                    .ntp_time
                    .duration_since(SystemTime::UNIX_EPOCH);
                let (Some(kind), Ok(since_epoch)) = (self.kind_of(feedback.mid), since_epoch)
                else {
                    return;
                };
                let report = SenderReport {
                    ntp_us: i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX),
                    time: feedback.sender_info.rtp_time.numer() as u32,
                    arrived: feedback.received_at,
                };
                let rid = feedback.rid.and_then(|rid| RidName::new(&rid));
                sink.events
                    .push(EngineEvent::SenderReport(kind, rid, report));
            }
            _ => {}
        }
    }

    /// What a receive stream is. Asking the engine wakes it up, so the answer is remembered.
    fn stream(&mut self, ssrc: Ssrc) -> Option<(MediaKind, Option<RidName>)> {
        if let Some((_, kind, rid)) = self.streams.iter().find(|(known, ..)| *known == ssrc) {
            return Some((*kind, *rid));
        }
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&ssrc)?;
        let (mid, rid) = (
            stream.mid(),
            stream.rid().and_then(|rid| RidName::new(&rid)),
        );
        let (kind, section) = MediaKind::BOTH
            .into_iter()
            .filter_map(|kind| Some((kind, self.sections[kind.index()].as_ref()?)))
            .find(|(_, section)| section.mid == mid)?;
        stream.suppress_nack(!section.can_nack);
        if self.streams.len() == STREAMS_KNOWN_MAX {
            self.streams.remove(0);
        }
        self.streams.push((ssrc, kind, rid));
        Some((kind, rid))
    }

    fn kind_of(&self, mid: Mid) -> Option<MediaKind> {
        MediaKind::BOTH.into_iter().find(|kind| {
            self.sections[kind.index()]
                .as_ref()
                .is_some_and(|section| section.mid == mid)
        })
    }
}
