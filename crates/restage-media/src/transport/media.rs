//! The media of a connection: what is received from a publisher and sent to a subscriber under the keys of DTLS.

use super::*;
use crate::receive::Heard;
use crate::rtp::rtcp::sender as rtcp;
use crate::srtp::protect::Srtp;

impl Transport {
    /// Takes RTP or RTCP. `Ok(false)`: it was malformed or is not the remote end's.
    pub(super) fn receive_media(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        match self.role {
            Role::Publisher => Ok(self.receive_published(now, path, bytes, sink)),
            Role::Subscriber => Ok(self.receive_feedback(now, path, bytes, sink)),
        }
    }

    /// A subscriber sends reports and nothing else.
    fn receive_feedback(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> bool {
        let Some(egress) = self.egress.as_mut().filter(|_| rtcp::is_rtcp(bytes)) else {
            return false;
        };
        let heard = egress.hear(bytes);
        sink.sources_refused += egress.take_sources_refused();
        let Some(heard) = heard else {
            return false;
        };
        let ice = &mut self.session.ice;
        ice.on_verified(now, path);
        egress.path = ice.selected().unwrap_or(egress.path);
        self.has_trial = self.is_uncertain();
        if heard.wants_key_frame {
            sink.events.push(TransportEvent::KeyframeWanted);
        }
        if !heard.missing.is_empty() {
            sink.events.push(TransportEvent::Missing(heard.missing));
        }
        true
    }

    fn receive_published(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> bool {
        let Some(ingress) = &mut self.ingress else {
            return false;
        };
        if rtcp::is_rtcp(bytes) {
            let is_taken = ingress.hear(now, bytes, |kind, rid, report| {
                let report = TransportEvent::SenderReport(kind, rid, report);
                sink.events.push(report);
            });
            sink.sources_refused += ingress.take_sources_refused();
            return is_taken;
        }
        // Feedback goes where the packet came from, by the address it arrived on.
        match ingress.receive(now, path, bytes, &mut sink.plain) {
            Heard::Refused => return false,
            Heard::OneTooMany => {
                sink.sources_refused += 1;
                return false;
            }
            Heard::Nothing => {}
            Heard::Packet(kind, received) => {
                sink.events.push(TransportEvent::Packet(kind, received));
            }
        }
        ingress.report(now, &mut sink.buffers, &mut sink.outputs);
        true
    }

    /// Takes the keys of DTLS into use.
    pub(super) fn begin_media(&mut self, now: Instant) -> Result<(), Failure> {
        let session = &mut self.session;
        let material = session.dtls.keying_material().ok_or_else(|| {
            Failure::Connect(ConnectFailure::AlertSent {
                code: HANDSHAKE_FAILURE,
                detail: "the client offers no SRTP profile that is known here (use_srtp)".into(),
            })
        })?;
        session.profile = Some(material.profile);
        let wrong_keys = || Failure::Error("SRTP keys of another length".into());
        if let Some(config) = session.config.take() {
            let ingress = Ingress::new(&material, *config, session.report_ssrc, now);
            self.ingress = Some(Box::new(ingress.ok_or_else(wrong_keys)?));
            return Ok(());
        }
        let Some(path) = session.ice.selected() else {
            return Ok(());
        };
        let srtp = Srtp::new(&material).ok_or_else(wrong_keys)?;
        let streams = std::mem::take(&mut session.streams);
        let cname = std::mem::take(&mut session.cname);
        self.egress = Some(Egress::new(srtp, streams, cname, path));
        Ok(())
    }

    /// What has to follow a [`send`](Self::send). True: the deadline may be another one now.
    pub(crate) fn after_send(&mut self, now: Instant, sink: &mut Sink) -> Result<bool, Failure> {
        let is_reporting = self
            .egress
            .as_ref()
            .map(|egress| egress.deadline().is_some());
        if is_reporting == Some(true) {
            return Ok(false);
        }
        self.on_timeout(now, sink).map(|()| true)
    }

    /// Sends again what a subscriber misses. Returns how many packets.
    pub(crate) fn resend(&mut self, missing: &[u16], history: &History, sink: &mut Sink) -> u64 {
        match &mut self.egress {
            Some(egress) => egress.resend(missing, history, &mut sink.buffers, &mut sink.outputs),
            None => 0,
        }
    }

    /// A subscriber receives another publication from now on.
    pub(crate) fn forget_sent(&mut self) {
        if let Some(egress) = &mut self.egress {
            egress.forget_sent();
        }
    }

    /// See [`Egress::touch`].
    pub(crate) fn touch(&self, kind: MediaKind) -> u64 {
        self.egress.as_ref().map_or(0, |egress| egress.touch(kind))
    }

    /// Sends a burst on the stream of `kind`.
    pub(crate) fn send(
        &mut self,
        kind: MediaKind,
        burst: &[Outgoing],
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        match &mut self.egress {
            Some(_) if self.has_trial => guard(|| self.send_on_trial(kind, burst, sink)),
            Some(egress) if !burst.is_empty() => {
                guard(|| egress.send(kind, burst, &mut sink.buffers, &mut sink.outputs))
            }
            _ => Ok(()),
        }
    }

    /// Sends a burst where the client is known to receive, if anywhere, and copies of what the bound allows to where it says it is now.
    /// Copies, because whoever replays a check of the client must not take its media away.
    fn send_on_trial(&mut self, kind: MediaKind, burst: &[Outgoing], sink: &mut Sink) {
        if burst.is_empty() || !self.session.ice.is_proven() {
            return;
        }
        let Some(egress) = &mut self.egress else {
            return;
        };
        let before = sink.outputs.len();
        egress.send(kind, burst, &mut sink.buffers, &mut sink.outputs);
        let ice = &mut self.session.ice;
        let Some(trial) = ice.trial() else {
            return;
        };
        let sent = sink.outputs.iter().skip(before);
        let datagrams = sent.flat_map(|output| match output {
            io::Output::Train {
                contents, segment, ..
            } => contents.chunks(*segment),
            io::Output::Transmit { payload, .. } => payload.chunks(payload.len().max(1)),
            _ => [].chunks(1),
        });
        let copies: Vec<Vec<u8>> = datagrams
            .filter(|datagram| ice.may_try(datagram.len()))
            .map(<[u8]>::to_vec)
            .collect();
        for payload in copies {
            transmit(sink, trial, payload);
        }
    }

    /// Asks a publisher for a key frame. `Ok(false)`: there is no such stream yet.
    pub(crate) fn request_key_frame(
        &mut self,
        rid: Option<RidName>,
        with_fir: bool,
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        let Some(ingress) = &mut self.ingress else {
            return Ok(false);
        };
        guard(|| ingress.request_key_frame(rid, with_fir, &mut sink.buffers, &mut sink.outputs))
    }
}

/// RFC 5246 §7.2.2.
const HANDSHAKE_FAILURE: u8 = 40;
