//! The media of a connection, received from a publisher and sent to a subscriber under keys from DTLS.

use super::*;
use crate::receive::Arrival;
use crate::send::seat::OWN;
use crate::srtp::protect::Srtp;
use crate::stats::TrackStats;

impl Transport {
    /// Processes an RTP packet. `Ok(false)`: it is malformed, not from the remote end, or from a subscriber, which
    /// sends none.
    pub(crate) fn receive_rtp(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        let Some(receiver) = &mut self.receiver else {
            return Ok(false);
        };
        guard(|| {
            // Feedback is sent to the packet's source, from the address at which the packet arrived.
            match receiver.receive(now, path, bytes, &mut sink.plain) {
                Arrival::Refused => return false,
                Arrival::OneTooMany => {
                    sink.sources_refused += 1;
                    return false;
                }
                Arrival::Nothing => {}
                Arrival::Packet(kind, received) => {
                    sink.events.push(TransportEvent::Packet(kind, received));
                }
            }
            receiver.report(now, &mut sink.buffers, &mut sink.outputs);
            true
        })
    }

    /// Processes an RTCP packet. `Ok(false)`: it is malformed or not from the remote end.
    pub(crate) fn receive_rtcp(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        guard(|| match self.role {
            Role::Publisher => self.receive_sender_reports(now, bytes, sink),
            Role::Subscriber => self.receive_feedback(now, path, bytes, sink),
        })
    }

    fn receive_sender_reports(&mut self, now: Instant, bytes: &[u8], sink: &mut Sink) -> bool {
        let Some(receiver) = &mut self.receiver else {
            return false;
        };
        let is_taken = receiver.receive_rtcp(now, bytes, |kind, rid, report| {
            let report = TransportEvent::SenderReport(kind, rid, report);
            sink.events.push(report);
        });
        sink.sources_refused += receiver.take_sources_refused();
        is_taken
    }

    fn receive_feedback(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> bool {
        let Some(sender) = &mut self.sender else {
            return false;
        };
        let heard = sender.receive_rtcp(now, sink.since_1970(now), bytes);
        sink.sources_refused += sender.take_sources_refused();
        let Some(heard) = heard else {
            return false;
        };
        let ice = &mut self.session.ice;
        ice.on_verified(now, path);
        sender.path = ice.selected().unwrap_or(sender.path);
        self.has_trial = self.is_uncertain();
        for (seat, requests) in std::iter::once((OWN, heard.own)).chain(heard.carried) {
            if requests.wants_key_frame {
                sink.events.push(TransportEvent::KeyframeWanted(seat));
            }
            if !requests.missing.is_empty() {
                let missing = TransportEvent::Missing(seat, requests.missing);
                sink.events.push(missing);
            }
        }
        true
    }

    /// Starts using the keys from DTLS.
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
            let receiver = Receiver::new(&material, *config, session.report_ssrc, now);
            self.receiver = Some(Box::new(receiver.ok_or_else(wrong_keys)?));
            return Ok(());
        }
        let Some(path) = session.ice.selected() else {
            return Ok(());
        };
        let srtp = Srtp::new(&material).ok_or_else(wrong_keys)?;
        let streams = std::mem::take(&mut session.streams);
        let cname = std::mem::take(&mut session.cname);
        self.sender = Some(match session.carried.take() {
            None => Sender::new(srtp, streams, cname, path, now),
            Some(waiting) => {
                let mut sender = Sender::carrying(srtp, waiting.has_feedback, cname, path, now);
                for (seat, kind, config) in waiting.streams {
                    sender.occupy(seat, kind, config);
                }
                sender
            }
        });
        Ok(())
    }

    /// Has to be called after [`send`](Self::send). True: the deadline may have changed.
    pub(crate) fn after_send(&mut self, now: Instant, sink: &mut Sink) -> Result<bool, Failure> {
        if let Some(sender) = self.sender.as_ref().filter(|sender| sender.has_reported()) {
            return Ok(sender.is_pacing());
        }
        self.on_timeout(now, sink).map(|()| true)
    }

    /// Sends packets again that a subscriber has not received. Returns how many.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        missing: (SeatNumber, &[u16]),
        history: &History,
        sink: &mut Sink,
    ) -> u64 {
        let (buffers, outputs) = (&mut sink.buffers, &mut sink.outputs);
        match &mut self.sender {
            Some(sender) => sender.resend(now, missing, history, buffers, outputs),
            None => 0,
        }
    }

    /// The seat whose packets are repeated by the probe that is due.
    pub(crate) fn seat_to_probe(&mut self) -> SeatNumber {
        self.sender.as_mut().map_or(OWN, Sender::seat_to_probe)
    }

    /// Begins a stream of a carried subscription: at once, or with the connection.
    pub(crate) fn occupy(&mut self, seat: SeatNumber, kind: MediaKind, config: StreamConfig) {
        match (&mut self.sender, &mut self.session.carried) {
            (Some(sender), _) => sender.occupy(seat, kind, config),
            (None, Some(waiting)) => waiting.streams.push((seat, kind, config)),
            (None, None) => {}
        }
    }

    /// Ends a stream of a carried subscription.
    pub(crate) fn vacate(&mut self, seat: SeatNumber, kind: MediaKind, sink: &mut Sink) {
        match (&mut self.sender, &mut self.session.carried) {
            (Some(sender), _) => {
                sender.vacate(seat, kind, &mut sink.buffers, &mut sink.outputs);
            }
            (None, Some(waiting)) => {
                let is_other = |(of, what, _): &(SeatNumber, MediaKind, StreamConfig)| {
                    (*of, *what) != (seat, kind)
                };
                waiting.streams.retain(is_other);
            }
            (None, None) => {}
        }
    }

    /// Sends `bytes` of packets that the subscriber has already, or of padding: see [`TransportEvent::ProbeDue`].
    pub(crate) fn probe(
        &mut self,
        now: Instant,
        bytes: (SeatNumber, usize),
        history: Option<&History>,
        sink: &mut Sink,
    ) {
        if let Some(sender) = &mut self.sender {
            sender.probe(now, bytes, history, &mut sink.buffers, &mut sink.outputs);
        }
    }

    /// The subscriber receives another publication at this seat from now on.
    pub(crate) fn forget_sent(&mut self, seat: SeatNumber) {
        if let Some(sender) = &mut self.sender {
            sender.forget_sent(seat);
        }
    }

    /// See [`Sfu::touch`](crate::sfu::Sfu::touch).
    pub(crate) fn touch_for_rtcp(&self) -> u64 {
        let sender = self.sender.as_ref();
        u64::from(self.session.ice.selected().is_some())
            ^ sender.map_or(0, |sender| sender.touch_for_rtcp())
    }

    /// See [`Sender::touch`].
    pub(crate) fn touch(&self, kind: MediaKind) -> u64 {
        self.sender.as_ref().map_or(0, |sender| sender.touch(kind))
    }

    /// Sends a burst on the stream of a seat and kind.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        which: (SeatNumber, MediaKind),
        burst: &[Outgoing],
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        match &mut self.sender {
            Some(_) if self.has_trial => guard(|| self.send_on_trial(now, which, burst, sink)),
            Some(sender) if !burst.is_empty() => {
                guard(|| sender.send(now, which, burst, &mut sink.buffers, &mut sink.outputs))
            }
            _ => Ok(()),
        }
    }

    /// Sends a burst to the address where the client is known to receive, if there is one, and copies to the address that it
    /// claims, within the bound for unproven addresses. They are copies because whoever replays a check of the client must not
    /// take its media away.
    fn send_on_trial(
        &mut self,
        now: Instant,
        which: (SeatNumber, MediaKind),
        burst: &[Outgoing],
        sink: &mut Sink,
    ) {
        if burst.is_empty() || !self.session.ice.is_proven() {
            return;
        }
        let Some(sender) = &mut self.sender else {
            return;
        };
        let before = sink.outputs.len();
        sender.send(now, which, burst, &mut sink.buffers, &mut sink.outputs);
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

    /// What is counted of a subscriber's stream of a kind.
    pub(crate) fn sent_stats(&self, seat: SeatNumber, kind: MediaKind) -> Option<TrackStats> {
        self.sender.as_ref()?.stats(seat, kind)
    }

    /// What is counted of a publisher's tracks, with their names.
    pub(crate) fn received_stats(&self) -> Vec<(Option<RidName>, TrackStats)> {
        let receiver = self.receiver.as_ref();
        receiver.map_or_else(Vec::new, |receiver| receiver.stats().collect())
    }

    /// The time to the client and back, as far as it is known.
    pub(crate) fn round_trip(&self) -> Option<std::time::Duration> {
        match (&self.sender, &self.receiver) {
            (Some(sender), _) => sender.round_trip(),
            (None, Some(receiver)) => receiver.round_trip(),
            (None, None) => None,
        }
    }

    /// Share of packets that a subscriber's network has lost lately.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.sender.as_ref()?.loss()
    }

    /// What a subscriber's network is estimated to carry, in bits per second.
    pub(crate) fn estimate(&self) -> Option<u64> {
        self.sender.as_ref()?.estimate()
    }

    /// What estimates the rate that a subscriber's network carries, if there is feedback for it.
    pub(crate) fn estimator_mut(&mut self) -> Option<&mut restage_bwe::Estimator> {
        self.sender.as_mut()?.estimator_mut()
    }

    /// Requests a key frame from a publisher. `Ok(false)`: there is no such stream yet.
    pub(crate) fn request_key_frame(
        &mut self,
        rid: Option<RidName>,
        with_fir: bool,
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        let Some(receiver) = &mut self.receiver else {
            return Ok(false);
        };
        guard(|| receiver.request_key_frame(rid, with_fir, &mut sink.buffers, &mut sink.outputs))
    }
}

/// The alert handshake_failure (RFC 5246 §7.2.2).
const HANDSHAKE_FAILURE: u8 = 40;
