//! How the engine hands a publisher's keys over, after which its media is received past it.

use std::net::SocketAddr;
use std::time::Instant;

use super::Engine;
use crate::egress::{Path, rtcp};
use crate::ingress::{Heard, Ingress};
use crate::peer_event::{EngineEvent, Failure, Sink};

impl Engine {
    /// Takes RTP or RTCP of a publisher. `Ok(false)`: it was malformed or is not the publisher's.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        if self.ingress.is_none() {
            self.begin_ingress(now)?;
        }
        let Some(ingress) = &mut self.ingress else {
            return Ok(false);
        };
        if rtcp::is_rtcp(bytes) {
            return Ok(ingress.hear(now, bytes, |kind, rid, report| {
                let report = EngineEvent::SenderReport(kind, rid, report);
                sink.events.push(report);
            }));
        }
        // Feedback goes where the packet came from, by the address it arrived on.
        let path = Path {
            source: destination,
            destination: source,
        };
        match ingress.receive(now, path, bytes, &mut sink.plain) {
            Heard::Refused => return Ok(false),
            Heard::Nothing => {}
            Heard::Packet(kind, received) => {
                sink.events.push(EngineEvent::Packet(kind, received));
            }
        }
        ingress.report(now, &mut sink.buffers, &mut sink.outputs);
        Ok(true)
    }

    /// Without keys nothing can be read: it is looked for them with every packet.
    fn begin_ingress(&mut self, now: Instant) -> Result<(), Failure> {
        let Some(material) = self.keys.take() else {
            return Ok(());
        };
        let Some(config) = self.config.take() else {
            return Ok(());
        };
        let ssrc = *self.rtc.direct_api().new_ssrc();
        let ingress = Ingress::new(&material, *config, ssrc, now);
        let ingress =
            ingress.ok_or_else(|| Failure::Error("SRTP keys of another length".into()))?;
        self.ingress = Some(Box::new(ingress));
        Ok(())
    }
}
