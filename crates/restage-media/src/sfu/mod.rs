//! The entrance: every input is handled here, with all that follows from it, before the next one.

mod allot;
pub(crate) mod carrier;
mod carry;
mod codecs;
mod datagram;
mod forward;
mod inlet;
mod layers;
mod measure;
mod open;
pub(crate) mod peer;
pub(crate) mod receiver;
mod recover;
mod relay;
mod route;
mod shed;
mod tap;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use crate::allocate::download::Download;
use crate::config::Config;
use crate::io::datagrams::{Path, Remote};
use crate::io::{
    ConnectFailure, Control, GoneReason, InletId, Input, Output, PeerId, PublicationId, TapId,
};
use crate::limits::{PAYLOAD_BYTES_MAX, TICK_MIN};
use crate::packet::MediaPacket;
use crate::publication::Publication;
use crate::receive::Received;
use crate::sdp::offer::Role;
use crate::send::Outgoing;
use crate::sfu::peer::{Overdue, Peer};
use crate::stats::Stats;
use crate::transport::demux::Demux;
use crate::transport::event::{Failure, Sink, TransportEvent};
use crate::transport::{Shared, Transport};
use crate::util::rng::Rng;
use crate::util::slab::{Index, Slab};
use crate::util::timers::Timers;
use forward::Delivery;
use shed::Shed;

/// A selective forwarding unit without sockets, clock or threads: feed it [`Input`] and [`Control`], drain
/// [`Output`], come back at [`poll_timeout`](Self::poll_timeout).
///
/// ```no_run
/// # use std::net::SocketAddr;
/// # use std::time::Instant;
/// # use restage_media::{Config, Input, Output, Protocol, Sfu};
/// # type Datagram = (SocketAddr, SocketAddr, Vec<u8>);
/// fn run(
///     mut sfu: Sfu,
///     now: impl Fn() -> Instant,
///     receive_until: impl Fn(Option<Instant>) -> Vec<Datagram>,
///     send: impl Fn(SocketAddr, SocketAddr, &[u8]),
/// ) {
///     loop {
///         let batch = receive_until(sfu.poll_timeout());
///         for (source, destination, payload) in &batch {
///             let (source, destination) = (*source, *destination);
///             let protocol = Protocol::Udp;
///             sfu.handle_input(now(), Input::Datagram { protocol, source, destination, payload });
///         }
///         if batch.is_empty() {
///             sfu.handle_input(now(), Input::Timeout);
///         }
///         while let Some(output) = sfu.poll_output() {
///             match output {
///                 Output::Transmit { source, destination, payload, .. } => send(source, destination, &payload),
///                 Output::Train { source, destination, contents, segment, .. } => {
///                     contents.chunks(segment).for_each(|one| send(source, destination, one));
///                     sfu.reuse(contents);
///                 }
///                 _ => {}
///             }
///         }
///     }
/// }
/// ```
pub struct Sfu {
    config: Config,
    shared: Shared,
    rng: Rng,
    /// The time of the last input. It never goes back.
    now: Option<Instant>,
    peers: Slab<Peer>,
    peer_keys: HashMap<PeerId, Index>,
    peer_timers: Timers,
    demux: Demux,
    publications: Slab<Publication>,
    publication_keys: HashMap<PublicationId, Index>,
    publication_timers: Timers,
    /// The publication of each external inlet.
    inlet_keys: HashMap<InletId, Index>,
    /// The publication of each tap.
    tap_keys: HashMap<TapId, Index>,
    feeds: u64,
    /// Publications with packets to forward.
    ready: VecDeque<Index>,
    /// The burst being forwarded.
    delivery: Option<Delivery>,
    /// What is left out because the worker is overloaded.
    shed: Shed,
    /// The peer that is being served.
    serving: Option<Index>,
    sink: Sink,
    scratch: Vec<Outgoing>,
    /// Empty lists for the packets of taps.
    tap_buffers: Vec<Vec<MediaPacket>>,
    stats: Stats,
}

/// A worker thread owns its `Sfu`, so it must be `Send`.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Sfu>();
};

impl std::fmt::Debug for Sfu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sfu")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Sfu {
    /// Makes the DTLS certificate that all peers of this instance share.
    pub fn new(config: Config) -> Self {
        Self {
            shared: Shared::new(&config),
            rng: Rng::new(config.seed),
            config,
            now: None,
            peers: Slab::new(),
            peer_keys: HashMap::new(),
            peer_timers: Timers::default(),
            demux: Demux::default(),
            publications: Slab::new(),
            publication_keys: HashMap::new(),
            publication_timers: Timers::default(),
            inlet_keys: HashMap::new(),
            tap_keys: HashMap::new(),
            feeds: 0,
            ready: VecDeque::new(),
            delivery: None,
            shed: Shed::default(),
            serving: None,
            sink: Sink::default(),
            scratch: Vec::new(),
            tap_buffers: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Takes packets or time. Drain [`poll_output`](Self::poll_output) afterwards; only datagrams of one batch may follow each other
    /// without. A `now` before an earlier one counts as that one.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        let now = self.begin(now);
        match input {
            Input::Datagram {
                protocol,
                source,
                destination,
                payload,
            } => {
                let path = Path {
                    source: destination,
                    destination: source,
                    protocol,
                };
                self.on_datagram(now, path, payload);
            }
            Input::PathEnded { protocol, source } => self.end_path(Remote {
                address: source,
                protocol,
            }),
            Input::Relayed { publication, burst } => self.relayed(publication, burst),
            Input::Push { inlet, packets } => self.push(now, inlet, packets),
            Input::Timeout => {
                self.forward_all();
                self.on_timeout(now);
            }
        }
        self.serving = None;
    }

    /// Does what the control plane asks. Drain [`poll_output`](Self::poll_output) afterwards. A `now` before an earlier one counts as
    /// that one.
    pub fn control(&mut self, now: Instant, control: Control) {
        let now = self.begin(now);
        // Who receives what may change now: packets that came before go to those who were there.
        self.forward_all();
        match control {
            Control::OpenPublisher { peer, offer } => {
                self.open(now, peer, &offer, Role::Publisher, None);
            }
            Control::OpenSubscriber {
                peer,
                offer,
                download,
                wish,
            } => {
                let download = download.unwrap_or_else(|| Arc::new(Download::unlimited()));
                let receiver = Some((&download, wish));
                self.open(now, peer, &offer, Role::Subscriber, receiver);
            }
            Control::OpenCarrier { peer, download } => self.open_carrier(now, peer, download),
            Control::Carry {
                peer,
                carrier,
                label,
                has_video,
                wish,
            } => self.carry(now, (peer, carrier), (label, has_video), wish),
            Control::Take { peer, has_video } => self.take(now, peer, has_video),
            Control::Offer { carrier, restarts } => self.offer(carrier, restarts),
            Control::Answer { carrier, answer } => self.answer(now, carrier, &answer),
            Control::Wish { peer, wish } => self.wish(now, peer, wish),
            Control::Patch { peer, fragment } => self.patch(now, peer, &fragment),
            Control::Publish { peer, publication } => self.publish(now, peer, publication),
            Control::Subscribe { peer, publication } => self.subscribe(now, peer, publication),
            Control::Relay { publication, to } => self.relay(publication, to),
            Control::WantKeyframe { publication, layer } => {
                self.keyframe_wanted_elsewhere(now, publication, layer);
            }
            Control::NeedLayers { publication, level } => {
                self.layers_needed_elsewhere(now, publication, level);
            }
            Control::Yield { publication } => self.yield_feed(publication),
            Control::OpenTap {
                tap,
                publication,
                layers,
            } => self.open_tap(now, tap, publication, layers),
            Control::ChooseTapLayers { tap, layers } => self.choose_tap_layers(now, tap, layers),
            Control::CloseTap { tap } => self.close_tap(tap),
            Control::RequestKeyframe { tap } => self.keyframe_wanted_by_tap(now, tap),
            Control::OpenInlet {
                inlet,
                publication,
                formats,
                is_limited,
            } => self.open_inlet(now, (inlet, publication), formats, is_limited),
            Control::CloseInlet { inlet } => self.close_inlet(inlet),
            Control::Shed { step, turn } => self.shed(step, turn),
            Control::Close { peer } => {
                if let Some(&index) = self.peer_keys.get(&peer) {
                    self.remove_peer(index, true);
                }
            }
        }
        self.serving = None;
    }

    /// Takes the time of an input.
    fn begin(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |last| last.max(now));
        self.now = Some(now);
        if self.sink.epoch.is_none() {
            self.sink.epoch = Some((now, self.config.since_1970));
        }
        debug_assert!(
            self.sink.events.is_empty(),
            "every peer's events are settled"
        );
        now
    }

    /// The next output; `None` when there is nothing more until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.next_output();
        self.serving = None;
        output
    }

    fn next_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.sink.outputs.pop_front() {
                self.stats.datagrams_out += match &output {
                    Output::Transmit { .. } => 1,
                    Output::Train {
                        contents, segment, ..
                    } => contents.len().div_ceil(*segment) as u64,
                    _ => 0,
                };
                return Some(output);
            }
            if !self.forward_step() {
                return None;
            }
        }
    }

    /// Takes back the buffer of an [`Output::Train`], so that the next one need not be allocated.
    pub fn reuse(&mut self, contents: Vec<u8>) {
        self.sink.buffers.give(contents);
    }

    /// When [`Input::Timeout`] is due, unless another input comes first.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.peer_timers.soonest(),
            self.publication_timers.soonest(),
            self.burst_due(),
        ];
        timers.into_iter().flatten().min()
    }

    /// How far the connection of a peer has come that is not connected. `None` if the peer is connected or unknown.
    pub fn connect_failure(&self, peer: PeerId) -> Option<ConnectFailure> {
        let peer = self.peers.get(*self.peer_keys.get(&peer)?)?;
        let transport = peer.transport.as_ref()?;
        (!peer.is_connected).then(|| transport.unfinished())
    }

    /// What a subscriber's network is estimated to carry, in bits per second. `None`: it is unknown, or the subscriber has given no
    /// feedback from which it follows.
    pub fn estimate(&self, peer: PeerId) -> Option<u64> {
        let peer = self.peers.get(*self.peer_keys.get(&peer)?)?;
        self.transport_of(peer)?.estimate()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        Stats {
            peers: self.peers.len() as u64,
            publications: self.publications.len() as u64,
            inlets: self.inlet_keys.len() as u64,
            taps: self.tap_keys.len() as u64,
            addresses: self.demux.addresses() as u64,
            sources_refused: self.sink.sources_refused,
            ..self.stats
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        while let Some(index) = self.peer_timers.pop_due(now) {
            self.serving = Some(index);
            let Some(peer) = self.peers.get_mut(index) else {
                continue;
            };
            if let Some(overdue) = peer.overdue(now) {
                let failure = peer.transport.as_ref().map(Transport::unfinished);
                let reason = match (overdue, failure) {
                    (Overdue::NeverConnected, Some(failure)) => GoneReason::NeverConnected(failure),
                    _ => GoneReason::Silent,
                };
                self.gone(index, reason);
                continue;
            }
            if !self.look_at_subscriber(now, index) {
                continue;
            }
            let Some(peer) = self.peers.get_mut(index) else {
                continue;
            };
            peer.rests_until = now + TICK_MIN;
            let outcome = match &mut peer.transport {
                Some(transport) if transport.deadline() <= now => {
                    transport.on_timeout(now, &mut self.sink)
                }
                _ => Ok(()),
            };
            self.settle(now, index, outcome);
        }
        self.serving = None;
        while let Some(index) = self.publication_timers.pop_due(now) {
            let Some(publication) = self.publications.get_mut(index) else {
                continue;
            };
            for layer in publication.inlet.due(now) {
                self.send_keyframe_request(now, index, layer);
            }
            self.look_at_layers(now, index);
            self.set_publication_timer(index);
        }
    }

    /// Acts on what a peer's transport produced and sets its next deadline.
    fn settle(&mut self, now: Instant, index: Index, outcome: Result<(), Failure>) {
        self.serving = Some(index);
        let mut is_closed = false;
        let mut events = std::mem::take(&mut self.sink.events);
        for event in events.drain(..) {
            match event {
                TransportEvent::Closed => is_closed = true,
                event => self.on_event(now, index, event),
            }
        }
        // Keep the allocation, unless a handler has left events of its own.
        if self.sink.events.is_empty() {
            self.sink.events = events;
        }
        match outcome {
            Err(Failure::Panic) => {
                self.stats.peer_panics += 1;
                self.gone(index, GoneReason::Panicked);
            }
            Err(Failure::Error(error)) => self.gone(index, GoneReason::Broken(error)),
            Err(Failure::Connect(failure)) => {
                self.gone(index, GoneReason::NeverConnected(failure));
            }
            Ok(()) if is_closed => self.gone(index, GoneReason::ClosedByRemote),
            Ok(()) => self.set_peer_timer(now, index),
        }
    }

    /// Sets the next deadline of a peer.
    fn set_peer_timer(&mut self, now: Instant, index: Index) {
        if let Some(peer) = self.peers.get(index) {
            // What was due before it was wanted is due now: a worker takes lateness for overload.
            self.peer_timers.set(index, peer.deadline().max(now));
        }
    }

    fn on_event(&mut self, now: Instant, index: Index, event: TransportEvent) {
        if matches!(event, TransportEvent::Connected) {
            return self.on_connected(now, index);
        }
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        match event {
            TransportEvent::Packet(kind, received) => self.on_packet(index, kind, received),
            TransportEvent::Missing(seat, missing) => {
                let publication = self.publication_at(index, seat);
                let publication = publication.and_then(|index| self.publications.get(index));
                let transport = self.peers.get_mut(index);
                let transport = transport.and_then(|peer| peer.transport.as_mut());
                if let Some((publication, transport)) = publication.zip(transport) {
                    let (missing, history) = ((seat, missing.as_slice()), &publication.history);
                    let resent = transport.resend(now, missing, history, &mut self.sink);
                    self.stats.packets_resent += resent;
                }
            }
            TransportEvent::ProbeDue(bytes) => {
                let Some(seat) = peer.transport.as_mut().map(Transport::seat_to_probe) else {
                    return;
                };
                let publication = self.publication_at(index, seat);
                let publication = publication.and_then(|index| self.publications.get(index));
                let history = publication.map(|publication| &publication.history);
                let transport = self.peers.get_mut(index);
                if let Some(transport) = transport.and_then(|peer| peer.transport.as_mut()) {
                    transport.probe(now, (seat, bytes), history, &mut self.sink);
                }
            }
            TransportEvent::KeyframeWanted(seat) => {
                if let Some(peer) = self.peer_at(index, seat) {
                    self.on_keyframe_wanted(now, peer);
                }
            }
            TransportEvent::SenderReport(kind, rid, report) => {
                let rate = peer.clock_rate(kind);
                let feed = peer
                    .publication
                    .and_then(|fed| self.publications.get_mut(fed)?.inlet.feed_of(index));
                if let (Some(feed), Some(rate)) = (feed, rate) {
                    feed.on_report(kind, rid, report, rate);
                }
            }
            TransportEvent::Connected | TransportEvent::Closed => {}
        }
    }

    fn on_connected(&mut self, now: Instant, index: Index) {
        // Packets that came before go to those who were there.
        self.forward_all();
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        peer.is_connected = true;
        peer.last_seen_at = now;
        let transport = peer.transport.as_ref();
        if let Some(profile) = transport.and_then(Transport::srtp_profile) {
            self.stats.count_profile(profile);
        }
        self.sink
            .outputs
            .push_back(Output::Connected { peer: peer.key });
        if peer.carrier.is_some() {
            self.begin_carried(now, index);
        } else {
            self.start_subscriber(now, index);
        }
    }

    fn on_packet(&mut self, index: Index, kind: MediaKind, received: Received) {
        self.stats.packets_in += 1;
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        if let Some(excess) = peer.on_upload(received.arrived, received.payload.len()) {
            self.gone(index, GoneReason::Exceeded(excess));
            return;
        }
        let Some(publication_index) = peer.publication else {
            return;
        };
        let Some(publication) = self.publications.get_mut(publication_index) else {
            return;
        };
        let Some(feed) = publication.inlet.feed_of(index) else {
            return;
        };
        let format = peer
            .format(received.pt)
            .filter(|format| format.codec.kind() == kind);
        let packet = match format {
            Some(format) if received.payload.len() <= PAYLOAD_BYTES_MAX => {
                feed.on_packet(kind, received, format)
            }
            _ => None,
        };
        let Some(packet) = packet else {
            self.stats.packets_unusable += 1;
            return;
        };
        if packet.starts_key_frame {
            self.stats.keyframes += 1;
            let size = feed.video().size(packet.encoding.layer);
            if let Some(excess) = self.config.excess_of(size) {
                self.gone(index, GoneReason::Exceeded(excess));
                return;
            }
        }
        self.queue(publication_index, packet);
    }

    /// A peer has ended by itself.
    fn gone(&mut self, index: Index, reason: GoneReason) {
        let Some(key) = self.peers.get(index).map(|peer| peer.key) else {
            return;
        };
        tracing::debug!(peer = key.0, %reason, "peer gone");
        for carried in self.carried_by(index) {
            self.gone(carried, reason.clone());
        }
        self.stats.peers_gone += 1;
        self.stats.peers_exceeding += u64::from(matches!(reason, GoneReason::Exceeded(_)));
        self.remove_peer(index, reason != GoneReason::Panicked);
        self.sink
            .outputs
            .push_back(Output::Gone { peer: key, reason });
    }
}
