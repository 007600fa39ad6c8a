//! How the engine hands a subscriber's keys and path over, after which media is sent past it.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::rtp::RtpWrite;

use super::Engine;
use crate::egress::header::MidName;
use crate::egress::srtp::Srtp;
use crate::egress::{Egress, StreamConfig};
use crate::io::MediaKind;
use crate::peer_codec;
use crate::peer_event::{Failure, Sink};
use crate::sdp::offer::Role;

impl Engine {
    /// Begins to send past the engine when that has become possible, and goes where the engine goes: a check from
    /// elsewhere may have nominated another path.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        source: SocketAddr,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let is_known = match &self.egress {
            _ if self.role == Role::Publisher => true,
            Some(egress) => egress.path.destination == source,
            None => !(self.keys.is_filled() && self.rtc.is_connected()),
        };
        if is_known {
            return Ok(());
        }
        self.locate(now, sink)?;
        if self.egress.is_none() {
            self.begin_egress();
        }
        Ok(())
    }

    /// Asks the engine for its path by giving it a packet, which is thrown away.
    fn locate(&mut self, now: Instant, sink: &mut Sink) -> Result<(), Failure> {
        let section = self
            .sections
            .iter()
            .flatten()
            .find_map(|section| Some((section.ssrc?, section.types.first()?.0)));
        let Some((ssrc, pt)) = section else {
            return Ok(());
        };
        self.probes += 1;
        if let Some(stream) = self.rtc.direct_api().stream_tx(&ssrc) {
            let probe = RtpWrite::new(pt.into(), self.probes.into(), 0, now, [0].as_slice());
            stream.write_rtp(probe);
        }
        self.drive(now, sink)
    }

    fn begin_egress(&mut self) {
        // Without a path the keys stay where they are for another attempt.
        let Some(path) = self.path.take() else {
            return;
        };
        let material = self.keys.take();
        let Some(srtp) = material.as_ref().and_then(Srtp::new) else {
            return;
        };
        let streams = MediaKind::BOTH.map(|kind| self.stream_config(kind));
        let cname = self.sections.iter().flatten().find_map(|section| {
            self.rtc
                .media(section.mid)
                .map(|media| media.cname().to_owned())
        });
        let egress = Egress::new(srtp, streams, cname.unwrap_or_default(), path);
        self.egress = Some(egress);
    }

    fn stream_config(&self, kind: MediaKind) -> Option<StreamConfig> {
        let section = self.sections[kind.index()].as_ref()?;
        Some(StreamConfig {
            mid: MidName::new(&section.mid),
            ssrc: *section.ssrc?,
            rtx_ssrc: section.rtx_ssrc.map(|ssrc| *ssrc),
            rtx_types: section
                .types
                .iter()
                .filter_map(|(pt, rtx)| Some((*pt, (*rtx)?)))
                .collect(),
            extensions: peer_codec::extension_ids(self.rtc.media(section.mid)?.remote_extmap()),
            clock_rate: section.clock_rate,
        })
    }
}
