//! One turn of a worker: read the socket, let the `Sfu` decide, send.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use restage_media::{Control, Input, Output, Protocol, WorkerId};
use restage_turn::{Client, is_for_relay};

use super::super::MediaEvent;
use super::super::counters::WorkerStats;
use super::super::link::{Leaving, Message};
use super::super::load::Shed;
use super::super::tap::Passed;
use super::super::udp::{Batch, Train};
use super::{RtcpSocket, Worker, now};
use crate::seldom::Seldom;

/// A worker that could receive nothing for this long, because every attempt failed, stops.
const DEAF_MAX: Duration = Duration::from_secs(5);
static DEAF: Seldom = Seldom::new();
/// Most batches that are read before the resulting datagrams are sent.
const BATCHES_PER_READ: usize = 8;
/// Reading stops when this many packets wait to be forwarded, because they may have many subscribers.
const PENDING_MAX: usize = 128;
/// Most datagrams accepted in one turn. Beyond that, reports and requests of subscribers are dropped: they are sent
/// again, and must not delay the packets of publishers when the worker is late.
const TAKEN_PER_TURN_MAX: usize = 256;
/// Most outputs that are performed before the clock is read again.
const OUTPUTS_PER_LOOK: usize = 64;
/// Longest time between two reads of the socket while there is much to send: with the default settings of the kernel
/// its buffer holds only some hundred small datagrams.
const READ_EVERY: Duration = Duration::from_millis(5);
/// Longest time for which a drain reads in between.
const READ_ON_MAX: Duration = Duration::from_millis(100);
/// Most orders that are applied before datagrams are read.
const ORDERS_PER_TURN: usize = 64;
/// Most messages of other workers that are applied before datagrams are read.
const MESSAGES_PER_TURN: usize = 64;

impl Worker {
    /// One round of orders, datagrams and timers. Returns `true` if more is waiting than fits into a round.
    ///
    /// # Errors
    /// The reason why the worker cannot continue.
    pub(super) fn turn(&mut self) -> Result<bool, String> {
        let mut orders = 0;
        while orders < ORDERS_PER_TURN
            && let Ok(order) = self.inbox.try_recv()
        {
            self.apply(order)?;
            orders += 1;
        }
        let has_messages = self.receive_from_neighbours();
        let has_arrivals = self.receive_arrivals();
        self.taken = 0;
        self.read();
        self.check_socket()?;
        self.drain();
        let has_rtcp = self.read_rtcp();
        let at = now();
        if let Some(due) = self.sfu.poll_timeout().filter(|due| *due <= at) {
            self.gauge.timer(due, at);
            self.sfu.handle_input(at, Input::Timeout);
            self.drain();
        }
        self.sweep_lines();
        self.measure_load();
        self.surveyor.turn(now(), &self.sfu, &self.live);
        self.report();
        let has_datagrams = has_rtcp || !self.is_socket_empty;
        Ok(has_messages || has_arrivals || has_datagrams || orders == ORDERS_PER_TURN)
    }

    /// Reads the socket. Packets of publishers are accepted at once and forwarded only after everything has been read,
    /// so that they are not lost because the socket's buffer is full. Of the reports of subscribers, a limited number
    /// is accepted in each turn.
    fn read(&mut self) {
        for _ in 0..BATCHES_PER_READ {
            let at = now();
            self.read_at = at;
            let Self {
                socket,
                sfu,
                received,
                taken,
                feedback_dropped,
                lines,
                id,
                ..
            } = self;
            let has_relay = lines.relay.is_some();
            let before = *received;
            let got = socket.receive(at, |datagram| {
                *received += 1;
                *taken += 1;
                let protocol = Protocol::Udp;
                if *taken > TAKEN_PER_TURN_MAX
                    && sfu.is_feedback(protocol, datagram.source, datagram.payload)
                {
                    *feedback_dropped += 1;
                    return;
                }
                let mut input = Input::Datagram {
                    protocol,
                    source: datagram.source,
                    destination: datagram.destination,
                    payload: datagram.payload,
                };
                if has_relay && is_for_relay(datagram.payload) {
                    let client = Client {
                        address: datagram.source,
                        local: datagram.destination,
                        is_connected: false,
                    };
                    let Some((source, destination, payload)) =
                        lines.take(*id, at, client, datagram.payload)
                    else {
                        return;
                    };
                    input = Input::Datagram {
                        protocol: Protocol::Turn,
                        source,
                        destination,
                        payload,
                    };
                }
                sfu.handle_input(at, input);
            });
            match &got {
                Ok(_) => self.deaf_since = None,
                Err(error) => {
                    self.deaf_since.get_or_insert(at);
                    if let Some(kept_back) = DEAF.admit() {
                        tracing::warn!(%error, "receiving on the media socket failed{kept_back}");
                    }
                }
            }
            self.flush_relay();
            self.is_socket_empty = !matches!(got, Ok(Batch::Full));
            self.gauge
                .read(at, self.received > before, self.is_socket_empty);
            // Subscribers get a limited number of packets at a time.
            if self.is_socket_empty || self.sfu.packets_pending() >= PENDING_MAX {
                return;
            }
        }
    }

    /// Fails if nothing could be received for a while, because such a socket does not recover by itself.
    fn check_socket(&self) -> Result<(), String> {
        match self.deaf_since {
            Some(since) if self.read_at.saturating_duration_since(since) >= DEAF_MAX => {
                Err(format!(
                    "nothing could be received from its socket for {} s",
                    DEAF_MAX.as_secs()
                ))
            }
            _ => Ok(()),
        }
    }

    /// Closes a window of measurement, and withholds video as it requires.
    fn measure_load(&mut self) {
        let at = now();
        self.gauge.done(at);
        let peers = self.live.len();
        if let Some(shed) = self.gauge.close_window(at, peers, &self.health) {
            self.apply_shed(at, shed);
        }
    }

    pub(super) fn apply_shed(&mut self, at: Instant, shed: Shed) {
        let Shed { step, turn } = shed;
        self.sfu.control(at, Control::Shed { step, turn });
        self.drain();
        let peers_withheld = self.sfu.stats().peers_withheld;
        self.care.warn_of_overload(at, step, peers_withheld);
    }

    /// Applies the messages of other workers, and changes of who receives what. Returns `true` if there is more.
    fn receive_from_neighbours(&mut self) -> bool {
        self.neighbours.links[usize::from(self.id.0)].looks();
        let at = now();
        for duty in self.neighbours.routes.duties(self.id) {
            let publication = duty.publication;
            if duty.is_fed_elsewhere {
                self.sfu.control(at, Control::Yield { publication });
            }
            let to = duty.to;
            self.sfu.control(at, Control::Relay { publication, to });
            self.drain();
        }
        let mut count = 0;
        while count < MESSAGES_PER_TURN
            && let Ok(message) = self.neighbours.messages.try_recv()
        {
            count += 1;
            match message {
                Message::Burst { publication, burst } => {
                    let burst = &burst;
                    self.sfu
                        .handle_input(at, Input::Relayed { publication, burst });
                }
                Message::Control(control) => self.sfu.control(at, control),
            }
            self.drain();
        }
        for worker in self.neighbours.routes.concerned(self.id) {
            self.neighbours.links[usize::from(worker.0)].wake();
        }
        count == MESSAGES_PER_TURN
    }

    fn send_to(&mut self, worker: WorkerId, message: Message) {
        let link = self.neighbours.links.get(usize::from(worker.0));
        if !link.is_some_and(|link| link.send(message)) {
            self.bursts_dropped += 1;
        }
    }

    /// Performs the outputs of the `Sfu`. If that takes long, the socket is read in between, so that its buffer does
    /// not overflow.
    pub(super) fn drain(&mut self) {
        let begun = now();
        let mut count = 0;
        while let Some(output) = self.sfu.poll_output() {
            count += 1;
            if count % OUTPUTS_PER_LOOK == 0 {
                self.look_at_socket(begun);
            }
            match output {
                Output::Transmit {
                    protocol: protocol @ (Protocol::Tcp | Protocol::Turn),
                    source,
                    destination,
                    payload,
                } => self.send_by_line(Leaving {
                    protocol,
                    source,
                    destination,
                    segment: payload.len(),
                    contents: payload,
                    is_video: false,
                }),
                Output::Train {
                    protocol: protocol @ (Protocol::Tcp | Protocol::Turn),
                    is_video,
                    source,
                    destination,
                    contents,
                    segment,
                } => self.send_by_line(Leaving {
                    protocol,
                    source,
                    destination,
                    contents,
                    segment,
                    is_video,
                }),
                Output::Transmit {
                    protocol: Protocol::Udp,
                    source,
                    destination,
                    payload,
                } => {
                    let from = self.socket.answers_from(source, destination);
                    self.trains.push(&self.socket, from, destination, &payload);
                }
                Output::Train {
                    protocol: Protocol::Udp,
                    source,
                    destination,
                    contents,
                    segment,
                    ..
                } => {
                    let train = Train {
                        from: self.socket.answers_from(source, destination),
                        destination,
                        contents,
                        segment: segment.max(1),
                    };
                    self.trains.send(&self.socket, train);
                    while let Some(buffer) = self.trains.spent() {
                        self.sfu.reuse(buffer);
                    }
                }
                Output::Relay {
                    publication,
                    to,
                    burst,
                } => {
                    for worker in to.iter() {
                        let burst = burst.clone();
                        self.send_to(*worker, Message::Burst { publication, burst });
                    }
                }
                Output::KeyframeWanted { publication, layer } => {
                    if let Some(home) = self.neighbours.routes.home(publication) {
                        let control = Control::WantKeyframe { publication, layer };
                        self.send_to(home, Message::Control(control));
                    }
                }
                Output::Answer { peer, sdp, .. } => self.opened(peer, sdp),
                Output::Opened { peer } => self.opened(peer, String::new()),
                Output::Offer { peer, sdp, streams } => {
                    if let Some(reply) = self.offering.remove(&peer) {
                        reply.send(Ok((sdp, streams))).ok();
                    }
                }
                Output::Answered { peer } => {
                    if let Some(reply) = self.patching.remove(&peer) {
                        reply.send(Ok(None)).ok();
                    }
                }
                Output::Patched { peer, fragment, .. } => {
                    if let Some(reply) = self.patching.remove(&peer) {
                        reply.send(Ok(fragment)).ok();
                    }
                }
                Output::Refused { peer, error } => {
                    if let Some(reply) = self.opening.remove(&peer) {
                        self.load.fetch_sub(1, Ordering::Relaxed);
                        reply.send(Err(error)).ok();
                    } else if let Some(reply) = self.offering.remove(&peer) {
                        reply.send(Err(error)).ok();
                    } else if let Some(reply) = self.patching.remove(&peer) {
                        reply.send(Err(error)).ok();
                    }
                }
                Output::Connected { peer } => self.unsent.push_back(MediaEvent::Connected(peer)),
                Output::Undecodable {
                    peer,
                    kind,
                    published,
                } => {
                    let event = MediaEvent::Undecodable(peer, kind, published);
                    self.unsent.push_back(event);
                }
                Output::LayersNeeded { publication, level } => {
                    if let Some(home) = self.neighbours.routes.home(publication) {
                        let control = Control::NeedLayers { publication, level };
                        self.send_to(home, Message::Control(control));
                    }
                }
                Output::LayersWanted { peer, layers } => drop(self.layers.insert(peer, layers)),
                Output::Loudness { publication, level } => {
                    self.loudness.insert(publication, level);
                }
                Output::Stream { peer, state } => drop(self.streams.insert(peer, state)),
                Output::Tapped {
                    tap,
                    formats,
                    mut packets,
                    ..
                } => {
                    let end = self.taps.get_mut(&tap);
                    match end.map(|end| end.pass(&formats, &mut packets)) {
                        Some(Passed::Taken) => {}
                        Some(Passed::Held) => drop(self.taps_held.insert(tap)),
                        Some(Passed::Dropped(count)) => self.tap_packets_dropped += count,
                        Some(Passed::Closed) | None => self.close_tap(tap),
                    }
                    self.sfu.reuse_tapped(packets);
                }
                Output::TapRefused { tap, error } => self.refuse_tap(tap, error),
                Output::InletRefused { inlet, error } => self.refuse_inlet(inlet, error),
                Output::InletEnded { inlet, reason } => self.inlet_ended(inlet, reason),
                Output::InletKeyframeWanted { inlet, .. } => {
                    if let Some(end) = self.inlets.get(&inlet) {
                        end.want_keyframe();
                    }
                }
                Output::Gone { peer, reason } => {
                    tracing::debug!(peer = peer.0, ?reason, "peer gone");
                    self.forget(peer);
                    self.opening.remove(&peer);
                    self.patching.remove(&peer);
                    self.unsent.push_back(MediaEvent::Gone(peer, reason));
                }
            }
        }
        self.trains.flush(&self.socket);
    }

    fn look_at_socket(&mut self, begun: Instant) {
        let at = now();
        let is_due = at.saturating_duration_since(self.read_at) >= READ_EVERY;
        // Sends what was read, but does not read endlessly.
        if is_due && at.saturating_duration_since(begun) < READ_ON_MAX {
            self.read();
        }
    }

    /// Sends events as far as the queue has room, and publishes the counters.
    pub(super) fn report(&mut self) {
        while let Some(event) = self.unsent.front() {
            if self.events.try_send(event.clone()).is_err() {
                break;
            }
            self.unsent.pop_front();
        }
        self.report_streams();
        self.share_loudness();
        self.share_taps();
        let stats = self.sfu.stats();
        self.care
            .warn_of_contests(self.read_at, stats.addresses_contested);
        let present = WorkerStats {
            datagrams_received: self.received,
            datagrams_sent: self.trains.sent,
            datagrams_dropped: self.trains.dropped,
            datagrams_refused: self.socket.refused()
                + self.rtcp.as_ref().map_or(0, RtcpSocket::refused),
            bursts_dropped: self.bursts_dropped,
            feedback_dropped: self.feedback_dropped,
            tap_packets_dropped: self.tap_packets_dropped,
            line_datagrams_sent: self.lines.sent,
            line_datagrams_dropped: self.lines.dropped,
            restarts: self.care.restarts(),
            ..WorkerStats::of(&stats)
        };
        self.counters.publish(self.care.with_former(present));
    }

    /// Reports what subscribers are shown, after everything else. What finds no room in the queue waits for the next turn, and newer
    /// states replace it meanwhile.
    fn report_streams(&mut self) {
        if !self.unsent.is_empty() {
            return;
        }
        while let Some(peer) = self.streams.keys().next().copied() {
            let Ok(room) = self.events.try_reserve() else {
                return;
            };
            if let Some(state) = self.streams.remove(&peer) {
                room.send(MediaEvent::Stream(peer, state));
            }
        }
        while let Some(peer) = self.layers.keys().next().copied() {
            let Ok(room) = self.events.try_reserve() else {
                return;
            };
            if let Some(layers) = self.layers.remove(&peer) {
                room.send(MediaEvent::LayersWanted(peer, layers));
            }
        }
    }

    /// Hands on what taps hold back, as a reader was just taking what waited. While it still does, that waits for the next turn.
    fn share_taps(&mut self) {
        let Self {
            taps, taps_held, ..
        } = self;
        taps_held.retain(|tap| taps.get_mut(tap).is_some_and(|end| !end.hand_on()));
    }

    /// Puts how loud publications are where the control plane looks from time to time. While it looks, that waits for the next turn.
    fn share_loudness(&mut self) {
        if !self.loudness.is_empty()
            && let Ok(mut heard) = self.heard.try_lock()
        {
            heard.extend(self.loudness.drain());
        }
    }
}
