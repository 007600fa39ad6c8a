//! The connection of a client: ICE-lite, DTLS, and media under the keys of DTLS.
//!
//! A panic inside is caught and ends this connection only; it shares nothing mutable with others.

pub(crate) mod demux;
pub(crate) mod dtls;
pub(crate) mod event;
pub(crate) mod ice;
pub(crate) mod identity;
mod media;
pub(crate) mod secrets;
pub(crate) mod stun;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use crate::config::Config;
use crate::error::{OfferError, OfferErrorKind};
use crate::io::datagrams::{Path, Remote};
use crate::io::{self, ConnectFailure};
use crate::limits::{HELLO_BYTES_MAX, IDLE_TICK};
use crate::publication::history::History;
use crate::receive::Receiver;
use crate::receive::streams::StreamMap;
use crate::rtp::extensions::RidName;
use crate::sdp::candidate::Candidates;
use crate::sdp::offer::{IceCredentials, Offer, Role};
use crate::sdp::stream::StreamConfig;
use crate::send::seat::SeatNumber;
use crate::send::{Outgoing, Sender};
use crate::srtp::keys::SrtpProfile;
use crate::transport::event::{Failure, Sink, TransportEvent};
use dtls::{Dtls, Progress};
use ice::{Ice, Outcome};
use identity::Identity;
use secrets::Secrets;
use stun::Message;

/// Runs code that processes data of the remote end; a panic becomes a [`Failure`].
pub(crate) fn guard<T>(run: impl FnOnce() -> T) -> Result<T, Failure> {
    // Nothing that the closure can see outlives the peer, except the sink, whose queues are complete after every push.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Failure::Panic)
}

/// What all connections of an [`Sfu`](crate::Sfu) share.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) secrets: Secrets,
    /// The advertised candidates of UDP.
    pub(crate) addresses: Arc<[SocketAddr]>,
    /// The advertised candidates of TCP.
    pub(crate) tcp_addresses: Arc<[SocketAddr]>,
}

impl Shared {
    /// Addresses that cannot be candidates (unspecified, multicast, no port) are left out.
    pub(crate) fn new(config: &Config) -> Self {
        let (identity, mut secrets) = Identity::generate(config.since_1970)
            .expect("OpenSSL makes a P-256 key and signs with it");
        secrets.worker = config.worker;
        let is_usable = |address: &SocketAddr| {
            let ip = address.ip();
            let is_usable = !ip.is_unspecified() && !ip.is_multicast() && address.port() != 0;
            if !is_usable {
                tracing::warn!(%address, "this address cannot be advertised");
            }
            is_usable
        };
        let usable = |all: &[SocketAddr]| all.iter().copied().filter(is_usable).collect();
        Self {
            identity,
            secrets,
            addresses: usable(&config.candidates),
            tcp_addresses: usable(&config.tcp_candidates),
        }
    }
}

impl Shared {
    /// What answers advertise.
    pub(crate) fn candidates(&self) -> Candidates<'_> {
        Candidates {
            udp: &self.addresses,
            tcp: &self.tcp_addresses,
        }
    }
}

/// One WebRTC connection.
pub(crate) struct Transport {
    /// Boxed, so that what is touched for every packet lies close together.
    session: Box<Session>,
    role: Role,
    /// Receives from a publisher once keys are available. A subscriber sends no media.
    receiver: Option<Box<Receiver>>,
    /// Sends to a subscriber once keys are available and the path to it is proven.
    sender: Option<Sender>,
    driven_at: Instant,
    /// See [`is_uncertain`](Self::is_uncertain).
    has_trial: bool,
    /// Makes the next timeout panic, as if there were a bug.
    #[cfg(test)]
    pub(crate) is_faulty: bool,
    /// The same outside the guard.
    #[cfg(test)]
    pub(crate) is_unguarded: bool,
}

/// ICE and DTLS, and what waits for them.
struct Session {
    ice: Ice,
    dtls: Dtls,
    is_connected: bool,
    profile: Option<SrtpProfile>,
    /// The path of the handshake's flights, as long as it was only one.
    handshake: Handshake,
    /// Bytes that a DTLS client may still send in hellos to a server that has sent nothing.
    hello_credit: usize,
    /// The streams of a publisher, until they can be received.
    config: Option<Box<StreamMap>>,
    /// The streams of a subscriber, until they can be sent.
    streams: [Option<StreamConfig>; 2],
    /// Of a connection that carries subscriptions: their streams, until they can be sent.
    carried: Option<Waiting>,
    cname: String,
    /// Our SSRC in reports to a publisher.
    report_ssrc: u32,
}

/// The streams of carried subscriptions that wait for keys: at most two for each.
#[derive(Debug, Default)]
struct Waiting {
    /// Whether the client gives transport-wide feedback.
    has_feedback: bool,
    streams: Vec<(SeatNumber, MediaKind, StreamConfig)>,
}

/// The path of a handshake's flights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handshake {
    Nowhere,
    To(Path),
    /// They went to several paths, so the end of the handshake proves none of them.
    Several,
}

impl Transport {
    /// `now` is the time of the offer; `report_ssrc` and those in `streams` are this end's.
    pub(crate) fn new(
        shared: &mut Shared,
        offer: &Offer,
        streams: [Option<StreamConfig>; 2],
        cname: String,
        report_ssrc: u32,
        now: Instant,
    ) -> Result<Self, OfferError> {
        let local = shared.secrets.ice_credentials();
        let mut transport = Self::prepare(shared, offer, local, cname, now)?;
        let session = &mut transport.session;
        session.streams = streams;
        session.report_ssrc = report_ssrc;
        session.config = (offer.role == Role::Publisher).then(|| Box::new(StreamMap::new(offer)));
        Ok(transport)
    }

    /// The connection of a client that has answered an offer of this end with these credentials. It carries subscriptions.
    pub(crate) fn carrying(
        shared: &mut Shared,
        answer: &Offer,
        (local, cname): (IceCredentials, String),
        has_feedback: bool,
        now: Instant,
    ) -> Result<Self, OfferError> {
        let mut transport = Self::prepare(shared, answer, local, cname, now)?;
        transport.session.carried = Some(Waiting {
            has_feedback,
            streams: Vec::new(),
        });
        Ok(transport)
    }

    /// A connection without media.
    fn prepare(
        shared: &mut Shared,
        offer: &Offer,
        local: IceCredentials,
        cname: String,
        now: Instant,
    ) -> Result<Self, OfferError> {
        let dtls = Dtls::new(
            &shared.identity,
            offer.fingerprints.clone(),
            offer.is_dtls_server,
        );
        let dtls = dtls.map_err(|error| {
            let message = format!("The connection could not be prepared: {error}.");
            OfferError::new(OfferErrorKind::NotAccepted, message)
        })?;
        let session = Session {
            ice: Ice::new(local, offer.ice.clone(), &mut shared.secrets),
            dtls,
            is_connected: false,
            profile: None,
            handshake: Handshake::Nowhere,
            hello_credit: HELLO_BYTES_MAX,
            config: None,
            streams: [None, None],
            carried: None,
            cname,
            report_ssrc: 0,
        };
        Ok(Self {
            session: Box::new(session),
            role: offer.role,
            receiver: None,
            sender: None,
            driven_at: now,
            has_trial: false,
            #[cfg(test)]
            is_faulty: false,
            #[cfg(test)]
            is_unguarded: false,
        })
    }

    /// The client's end of the path of media.
    pub(crate) fn destination(&self) -> Option<Remote> {
        self.session.ice.selected().map(|path| path.remote())
    }

    /// Whether packets cannot simply go to the selected path: it is no longer proven, or another one is on trial.
    fn is_uncertain(&self) -> bool {
        let ice = &self.session.ice;
        ice.trial().is_some() || !ice.is_proven()
    }

    /// The address belongs to another peer now.
    pub(crate) fn disprove(&mut self, remote: Remote) {
        self.session.ice.disprove(remote);
        self.has_trial = self.is_uncertain();
    }

    /// Nothing that is sent to the address arrives any more.
    pub(crate) fn end_path(&mut self, remote: Remote) {
        self.session.ice.end_path(remote);
        if let Some(receiver) = &mut self.receiver {
            receiver.end_path(remote);
        }
        self.has_trial = self.is_uncertain();
    }

    /// This end's ICE credentials.
    pub(crate) fn local(&self) -> &IceCredentials {
        self.session.ice.local()
    }

    /// When [`on_timeout`](Self::on_timeout) is due.
    pub(crate) fn deadline(&self) -> Instant {
        #[cfg(test)]
        assert!(!self.is_unguarded, "a fault for a test");
        let idle = self.driven_at + IDLE_TICK;
        let media = match (&self.sender, &self.receiver) {
            (Some(sender), _) => sender.deadline(),
            (None, Some(receiver)) => receiver.deadline(),
            (None, None) => None,
        };
        let timers = [
            media,
            self.session.ice.deadline(),
            self.session.dtls.deadline(),
        ];
        timers.into_iter().flatten().fold(idle, Instant::min)
    }

    pub(crate) fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.session.profile
    }

    /// How far a connection came that is given up because it took too long.
    pub(crate) fn unfinished(&self) -> ConnectFailure {
        let (ice, dtls) = (&self.session.ice, &self.session.dtls);
        match (ice.is_reached(), ice.has_forgeries) {
            (true, _) => dtls.unfinished(),
            (false, true) => ConnectFailure::WrongPassword,
            (false, false) => ConnectFailure::NoStun,
        }
    }

    /// Processes a STUN message. The result says whether the source is the remote end's. See [`Ice::receive`].
    pub(crate) fn receive_stun(
        &mut self,
        now: Instant,
        path: Path,
        message: &Message<'_>,
        is_anothers: bool,
        secrets: &mut Secrets,
        sink: &mut Sink,
    ) -> Result<Outcome, Failure> {
        guard(|| {
            let session = &mut self.session;
            let ice = &mut session.ice;
            let outcome = ice.receive(now, path, message, is_anothers, secrets);
            let started = session.start(now)?;
            session.flush(sink);
            self.settle(now, started, secrets, sink)?;
            Ok(outcome)
        })?
    }

    /// Processes a DTLS datagram from an address of the remote end. `Ok(false)`: it is malformed or not from the
    /// remote end.
    pub(crate) fn receive_dtls(
        &mut self,
        now: Instant,
        path: Path,
        bytes: &[u8],
        secrets: &mut Secrets,
        sink: &mut Sink,
    ) -> Result<bool, Failure> {
        guard(|| {
            // Only the handshake needs this. Afterwards random datagrams from an address could make it receive media.
            if !self.session.dtls.is_connected() {
                self.session.ice.on_datagram(path, bytes.len());
            }
            let result = self.session.dtls.receive(now, bytes);
            self.session.flush(sink);
            let progress = result.map_err(Failure::Connect)?;
            self.settle(now, progress, secrets, sink)?;
            Ok(progress != Progress::Rejected)
        })?
    }

    pub(crate) fn on_timeout(&mut self, now: Instant, sink: &mut Sink) -> Result<(), Failure> {
        guard(|| {
            #[cfg(test)]
            assert!(!self.is_faulty, "a fault for a test");
            let is_proven = !self.has_trial || self.session.ice.is_proven();
            if let Some(sender) = self.sender.as_mut().filter(|_| !is_proven) {
                sender.skip_report(now);
            } else if let Some(sender) = &mut self.sender {
                let since_1970 = sink.since_1970(now);
                let may_send = !self.has_trial || self.session.ice.is_proven();
                let (buffers, outputs) = (&mut sink.buffers, &mut sink.outputs);
                let probe = sender.on_timeout(now, since_1970, may_send, buffers, outputs);
                if probe > 0 {
                    sink.events.push(TransportEvent::ProbeDue(probe));
                }
            }
            if let Some(receiver) = &mut self.receiver {
                receiver.report(now, &mut sink.buffers, &mut sink.outputs);
            }
            self.driven_at = now;
            let session = &mut self.session;
            session.ice.on_timeout(now);
            let result = session.dtls.on_timeout(now);
            session.flush(sink);
            result.map_err(Failure::Connect)
        })?
    }

    /// Restarts ICE with new remote credentials. Media keeps its path until there is one of the new session
    /// (RFC 8445 §2.4).
    pub(crate) fn restart(&mut self, local: IceCredentials, remote: IceCredentials) {
        self.session.ice.restart(local, remote);
    }

    /// Sends RTCP BYE and DTLS close_notify, as far as the connection has come.
    pub(crate) fn close(&mut self, sink: &mut Sink) {
        let outcome = guard(|| {
            if let Some(sender) = &mut self.sender {
                sender.close(&mut sink.buffers, &mut sink.outputs);
            }
            self.session.dtls.close();
            self.session.flush(sink);
        });
        if outcome.is_err() {
            tracing::warn!("a connection panicked while it was closed");
        }
    }

    /// Acts on the progress of DTLS.
    fn settle(
        &mut self,
        now: Instant,
        progress: Progress,
        secrets: &mut Secrets,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        match progress {
            Progress::Rejected | Progress::Nothing => {}
            Progress::Connected => self.session.on_handshake(now, secrets),
            Progress::Closed => sink.events.push(TransportEvent::Closed),
        }
        self.session.flush(sink);
        let session = &mut self.session;
        if !session.is_connected && session.dtls.is_connected() && session.ice.is_proven() {
            self.begin_media(now)?;
            self.session.is_connected = true;
            sink.events.push(TransportEvent::Connected);
        }
        if let (Some(sender), Some(path)) = (&mut self.sender, self.session.ice.selected()) {
            sender.path = path;
            self.has_trial = self.is_uncertain();
        }
        Ok(())
    }
}

impl Session {
    /// Lets a DTLS client begin once there is a path.
    fn start(&mut self, now: Instant) -> Result<Progress, Failure> {
        if self.ice.selected().is_none() {
            return Ok(Progress::Nothing);
        }
        self.dtls.start(now).map_err(Failure::Connect)
    }

    /// The handshake is complete. If all flights went to one path, the remote end is proven to receive there.
    fn on_handshake(&mut self, now: Instant, secrets: &mut Secrets) {
        match self.handshake {
            Handshake::To(path) if Some(path) == self.ice.selected() => self.ice.prove(path),
            _ => self.ice.check_selected(now, secrets),
        }
    }

    /// Whether a DTLS client may repeat its hello: a server that waits for it sends nothing that would raise the bound.
    fn may_send_hello(&mut self, bytes: usize) -> bool {
        let is_hello = self.dtls.is_client() && !self.dtls.has_begun;
        let rest = self.hello_credit.checked_sub(bytes);
        let rest = rest.filter(|_| is_hello);
        self.hello_credit = rest.unwrap_or(self.hello_credit);
        rest.is_some()
    }

    /// Hands out the datagrams of ICE and DTLS.
    fn flush(&mut self, sink: &mut Sink) {
        for reply in self.ice.take_replies() {
            transmit(sink, reply.path, reply.bytes);
        }
        let outgoing = self.dtls.take_outgoing();
        let Some(path) = self.ice.selected() else {
            return;
        };
        for datagram in outgoing {
            if !self.ice.may_send(datagram.len()) && !self.may_send_hello(datagram.len()) {
                continue;
            }
            // The last flight of this end does not show where the remote end receives.
            if !self.dtls.is_connected() {
                self.handshake = match self.handshake {
                    Handshake::Nowhere => Handshake::To(path),
                    Handshake::To(other) if other == path => Handshake::To(path),
                    _ => Handshake::Several,
                };
            }
            transmit(sink, path, datagram);
        }
    }
}

fn transmit(sink: &mut Sink, path: Path, payload: Vec<u8>) {
    sink.outputs.push_back(io::Output::Transmit {
        protocol: path.protocol,
        source: path.source,
        destination: path.destination,
        payload,
    });
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

    #[test]
    fn unusable_addresses_are_not_advertised() {
        let addresses =
            ["127.0.0.1:4081", "0.0.0.0:4081", "[::1]:4081"].map(|a| a.parse().unwrap());
        let shared = Shared::new(&Config {
            candidates: addresses.to_vec(),
            tcp_candidates: addresses.to_vec(),
            ..Config::default()
        });
        assert_eq!(*shared.addresses, [addresses[0], addresses[2]]);
        assert_eq!(shared.addresses, shared.tcp_addresses);
    }
}
