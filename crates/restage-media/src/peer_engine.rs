//! The WebRTC engine behind a few verbs. Only this file, what is below it, `peer_factory.rs`, `peer_codec.rs` and `peer_keys.rs`
//! know which engine.
//!
//! The engine's contract is kept here: whatever changes it is followed by draining it. A panic inside is caught and
//! ends this peer alone; the engine shares nothing mutable with others.

mod egress;
mod events;
mod ingress;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::media::Mid;
use str0m::net::{Protocol, Receive};
use str0m::rtp::Ssrc;
use str0m::{Input, Rtc};

use crate::codec::Format;
use crate::egress::history::History;
use crate::egress::{Egress, Path, rtcp};
use crate::error::{OfferError, OfferErrorKind};
use crate::ingress::Ingress;
use crate::ingress::config::Config;
use crate::io::MediaKind;
use crate::limits::{IDLE_ENGINE_TICK, REJECTED_DATAGRAMS_MAX};
use crate::packet::{Outgoing, RidName};
use crate::peer_event::{EngineEvent, Failure, Sink};
use crate::peer_keys::KeySlot;
use crate::sdp::offer::{IceCredentials, Offer, Role};
use crate::stats::SrtpProfile;

/// Runs engine code; a panic becomes a [`Failure`].
pub(crate) fn guard<T>(run: impl FnOnce() -> T) -> Result<T, Failure> {
    // Nothing the closure can see outlives the peer, except the sink, whose queues are whole after any push.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Failure::Panic)
}

pub(crate) fn not_accepted(reason: &str) -> OfferError {
    OfferError::new(
        OfferErrorKind::NotAccepted,
        format!("The offer could not be taken: {reason}."),
    )
}

/// One WebRTC connection.
pub(crate) struct Engine {
    /// Apart, so that what is touched for every packet lies close together.
    rtc: Box<Rtc>,
    sections: [Option<Section>; 2],
    addresses: Arc<[SocketAddr]>,
    /// The local address datagrams really arrive on, when it is not the advertised one (NAT 1:1).
    arrived_on: Option<SocketAddr>,
    deadline: Instant,
    /// When the engine was given the time last.
    driven_at: Instant,
    /// Where the keys appear.
    keys: KeySlot,
    role: Role,
    /// What a publisher has offered to send, until it can be received.
    config: Option<Box<Config>>,
    /// Receives from a publisher instead of the engine once the keys are there. A subscriber sends no media.
    ingress: Option<Box<Ingress>>,
    /// Sends instead of the engine once the keys are there.
    egress: Option<Egress>,
    /// The path of the newest datagram of media or reports that the engine would have sent.
    path: Option<Path>,
    probes: u64,
    rejected: u32,
    /// Panics at the next timeout, as if the engine had a bug.
    #[cfg(test)]
    pub(crate) is_faulty: bool,
}

#[derive(Debug)]
struct Section {
    mid: Mid,
    /// Where a subscriber's packets go out.
    ssrc: Option<Ssrc>,
    rtx_ssrc: Option<Ssrc>,
    /// Payload types and those of their retransmissions.
    types: Vec<(u8, Option<u8>)>,
    clock_rate: u32,
}

impl Engine {
    pub(crate) fn new(
        rtc: Rtc,
        keys: KeySlot,
        offer: &Offer,
        addresses: Arc<[SocketAddr]>,
        now: Instant,
    ) -> Self {
        let config = || Box::new(Config::new(offer));
        Self {
            rtc: Box::new(rtc),
            sections: [None, None],
            addresses,
            arrived_on: None,
            deadline: now,
            driven_at: now,
            keys,
            role: offer.role,
            config: (offer.role == Role::Publisher).then(config),
            ingress: None,
            egress: None,
            path: None,
            probes: 0,
            rejected: 0,
            #[cfg(test)]
            is_faulty: false,
        }
    }

    pub(crate) fn negotiate(
        &mut self,
        offer: &Offer,
        remote: &IceCredentials,
    ) -> Result<(IceCredentials, String), OfferError> {
        let sdp = SdpOffer::from_sdp_string(&offer.to_engine_sdp(remote))
            .map_err(|error| not_accepted(&error.to_string()))?;
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(sdp)
            .map_err(|error| not_accepted(&error.to_string()))?;
        let ice = self.rtc.direct_api().local_ice_credentials();
        Ok((
            IceCredentials {
                ufrag: ice.ufrag,
                pwd: ice.pass,
            },
            answer.to_sdp_string(),
        ))
    }

    pub(crate) fn add_section(&mut self, kind: MediaKind, mid: &str, formats: &[Format]) {
        let mid = Mid::from(mid);
        let mut api = self.rtc.direct_api();
        let ssrc = api.stream_tx_by_mid(mid, None).map(|stream| {
            // The engine sends nothing, so it need not remember what it has sent.
            stream.set_rtx_cache(0, Duration::ZERO, None);
            (stream.ssrc(), stream.rtx())
        });
        self.sections[kind.index()] = Some(Section {
            mid,
            ssrc: ssrc.map(|(ssrc, _)| ssrc),
            rtx_ssrc: ssrc.and_then(|(_, rtx)| rtx),
            types: formats
                .iter()
                .map(|format| (format.pt, format.rtx))
                .collect(),
            clock_rate: formats
                .first()
                .map_or(0, |format| format.codec.clock_rate()),
        });
    }

    /// When [`on_timeout`](Self::on_timeout) is due.
    pub(crate) fn deadline(&self) -> Instant {
        let media = match (&self.egress, &self.ingress) {
            (None, None) => return self.deadline,
            (Some(egress), _) => egress.deadline(),
            (None, Some(ingress)) => ingress.deadline(),
        };
        let idle = self.idle_until();
        media.map_or(idle, |at| at.min(idle))
    }

    /// When the engine is to be given the time although media goes past it: all that is left to it is answering checks,
    /// which it does as they come.
    fn idle_until(&self) -> Instant {
        self.deadline.max(self.driven_at + IDLE_ENGINE_TICK)
    }

    pub(crate) fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.keys.profile()
    }

    /// Whether a STUN message from an address not used so far is really the remote end's: its integrity is checked.
    pub(crate) fn accepts_stun(
        &self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let destination = self.candidate_for(destination);
        guard(|| {
            Receive::new(Protocol::Udp, source, destination, bytes)
                .is_ok_and(|receive| self.rtc.accepts(&Input::Receive(now, receive)))
        })
        .unwrap_or(false)
    }

    /// Takes a datagram. `Ok(false)`: it was malformed or rejected.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        if let Some(egress) = self.egress.as_mut().filter(|_| rtcp::is_rtcp(bytes)) {
            let Some(heard) = egress.hear(bytes) else {
                return Ok(false);
            };
            if heard.wants_key_frame {
                sink.events.push(EngineEvent::KeyframeWanted);
            }
            if !heard.missing.is_empty() {
                sink.events.push(EngineEvent::Missing(heard.missing));
            }
            return Ok(true);
        }
        if self.role == Role::Publisher && is_media(bytes) {
            return guard(|| self.hear(now, source, destination, bytes, sink))?;
        }
        if is_media(bytes) && !rtcp::is_rtcp(bytes) {
            // A subscriber sends none.
            return Ok(false);
        }
        let candidate = self.candidate_for(destination);
        self.arrived_on = (candidate != destination).then_some(destination);
        guard(|| {
            let Ok(receive) = Receive::new(Protocol::Udp, source, candidate, bytes) else {
                return Ok(false);
            };
            let is_taken = match self.rtc.handle_input(Input::Receive(now, receive)) {
                Ok(()) => true,
                Err(error) => {
                    tracing::debug!(%error, "datagram rejected");
                    self.rejected += 1;
                    if self.rejected > REJECTED_DATAGRAMS_MAX {
                        return Err(Failure::Error(error.to_string()));
                    }
                    false
                }
            };
            self.drain(sink)?;
            self.follow(now, source, sink)?;
            Ok(is_taken)
        })?
    }

    pub(crate) fn on_timeout(&mut self, now: Instant, sink: &mut Sink) -> Result<(), Failure> {
        guard(|| {
            #[cfg(test)]
            assert!(!self.is_faulty, "a fault for a test");
            if let Some(egress) = &mut self.egress {
                let since_1970 = sink.since_1970(now);
                egress.report(now, since_1970, &mut sink.buffers, &mut sink.outputs);
            }
            if let Some(ingress) = &mut self.ingress {
                ingress.report(now, &mut sink.buffers, &mut sink.outputs);
            }
            let is_past = self.egress.is_some() || self.ingress.is_some();
            if is_past && now < self.idle_until() {
                return Ok(());
            }
            self.drive(now, sink)
        })?
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
            Some(egress) if !burst.is_empty() => {
                guard(|| egress.send(kind, burst, &mut sink.buffers, &mut sink.outputs))
            }
            _ => Ok(()),
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

    /// Restarts ICE towards new remote credentials; returns ours. Media goes on over the old path until the new
    /// one is nominated (RFC 8445 §2.4).
    pub(crate) fn restart(
        &mut self,
        now: Instant,
        offer: &Offer,
        remote: &IceCredentials,
        sink: &mut Sink,
    ) -> Result<Result<IceCredentials, OfferError>, Failure> {
        guard(|| {
            let outcome = self.negotiate(offer, remote).map(|(ice, _)| ice);
            self.drive(now, sink)?;
            Ok(outcome)
        })?
    }

    /// Says goodbye: RTCP BYE and DTLS close_notify, as far as the connection has got.
    pub(crate) fn close(&mut self, sink: &mut Sink) {
        let outcome = guard(|| {
            if let Some(egress) = &mut self.egress {
                egress.close(&mut sink.buffers, &mut sink.outputs);
            }
            // Nothing to say to a remote end that is not there yet.
            if self.rtc.is_connected() && self.rtc.close().is_ok() {
                let _ = self.drain(sink);
            }
        });
        if outcome.is_err() {
            tracing::warn!("the engine panicked while closing");
        }
    }

    pub(crate) fn drive(&mut self, now: Instant, sink: &mut Sink) -> Result<(), Failure> {
        self.driven_at = now;
        self.rtc
            .handle_input(Input::Timeout(now))
            .map_err(|error| Failure::Error(error.to_string()))?;
        self.drain(sink)
    }

    /// The advertised address a datagram was meant for. Behind a NAT 1:1 it arrives on another one.
    fn candidate_for(&self, destination: SocketAddr) -> SocketAddr {
        if self.addresses.contains(&destination) {
            return destination;
        }
        let same_family = |address: &&SocketAddr| address.is_ipv4() == destination.is_ipv4();
        self.addresses
            .iter()
            .find(same_family)
            .copied()
            .unwrap_or(destination)
    }
}

/// Whether a datagram is RTP or RTCP (RFC 7983 §7).
pub(crate) fn is_media(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure() {
        assert_eq!(guard(|| 5), Ok(5));
        let failure = guard(|| -> u8 { std::panic::panic_any("boom") });
        assert_eq!(failure, Err(Failure::Panic));
    }
}
