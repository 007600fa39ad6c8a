//! Clients that do not use UDP: what comes from their connections, what goes to them, and this worker's own relay.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_media::{Input, Protocol, WorkerId};
use restage_turn::{Client, Outcome, Server};

use super::super::link::{Arrival, Datagrams, Leaving, Line};
use super::super::relay::Relay;
use super::super::tcp::{Fate, Parcel, Thinner};
use super::{Worker, now};

/// Most batches of datagrams that are taken before the socket is read.
const ARRIVALS_PER_TURN: usize = 64;
/// How often lines that have ended are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// A client's address, and what carries its datagrams.
type Key = (Protocol, SocketAddr);

/// The lines to clients. Their number is bounded by those of connections and of allocations.
pub(super) struct Lines {
    known: HashMap<Key, Known>,
    /// The relay for clients that use UDP.
    pub(super) relay: Option<OwnRelay>,
    /// Lines whose end was noticed while something was sent.
    ended: Vec<Key>,
    swept_at: Instant,
    /// Datagrams that were queued for connections.
    pub(super) sent: u64,
    /// Datagrams that were dropped because a connection is too slow, or has ended.
    pub(super) dropped: u64,
}

struct Known {
    line: Line,
    thinner: Thinner,
}

/// This worker's relay.
pub(super) struct OwnRelay {
    shared: Arc<Relay>,
    server: Server,
    /// The UDP port of each worker.
    ports: Arc<[u16]>,
    /// Answers to clients, from the local addresses to which they had sent.
    answers: Vec<(Client, Vec<u8>)>,
    /// Datagrams for peers of other workers.
    passed: Vec<(usize, Datagrams)>,
    message: Vec<u8>,
}

impl Lines {
    pub(super) fn new(relay: Option<Arc<Relay>>, ports: Arc<[u16]>, now: Instant) -> Self {
        Self {
            known: HashMap::new(),
            relay: relay.map(|shared| OwnRelay {
                server: shared.server(),
                shared,
                ports,
                answers: Vec::new(),
                passed: Vec::new(),
                message: Vec::new(),
            }),
            ended: Vec::new(),
            swept_at: now,
            sent: 0,
            dropped: 0,
        }
    }

    /// The datagrams of this client come by this line from now on.
    fn learn(&mut self, key: Key, line: &Line) {
        let known = self.known.get(&key);
        let is_same = known.is_some_and(|known| match (&known.line, line) {
            (Line::Own, Line::Own) => true,
            (Line::Worker(one), Line::Worker(other)) => one == other,
            (Line::Connection(one), Line::Connection(other)) => Arc::ptr_eq(one, other),
            _ => false,
        });
        if !is_same {
            let line = line.clone();
            let thinner = Thinner::default();
            self.known.insert(key, Known { line, thinner });
        }
    }

    /// Takes a datagram of the socket that is for the relay. Returns what it sends to a peer of this worker: the client's
    /// allocated address, the peer's, and the datagram.
    pub(super) fn take<'a>(
        &mut self,
        id: WorkerId,
        at: Instant,
        client: Client,
        bytes: &'a [u8],
    ) -> Option<(SocketAddr, SocketAddr, &'a [u8])> {
        let relay = self.relay.as_mut()?;
        let time = relay.shared.time(at);
        match relay.server.receive(time, client, bytes) {
            Outcome::Nothing => None,
            Outcome::Reply(answer) => {
                relay.answers.push((client, answer));
                None
            }
            Outcome::Deliver {
                relayed,
                peer,
                payload,
            } => {
                let worker = relay.ports.iter().position(|port| *port == peer.port())?;
                if worker == usize::from(id.0) {
                    self.learn((Protocol::Turn, relayed), &Line::Own);
                    return Some((relayed, peer, payload));
                }
                relay.passed.push((
                    worker,
                    Datagrams {
                        line: Line::Worker(id),
                        protocol: Protocol::Turn,
                        source: relayed,
                        bytes: payload.to_vec(),
                        parts: vec![(peer, 0..payload.len())],
                    },
                ));
                None
            }
        }
    }
}

impl Worker {
    /// Takes what has come from connections and from relays of other workers. Returns `true` if there is more.
    pub(super) fn receive_arrivals(&mut self) -> bool {
        let mut count = 0;
        while count < ARRIVALS_PER_TURN
            && let Ok(arrival) = self.neighbours.arrivals.try_recv()
        {
            count += 1;
            match arrival {
                Arrival::Datagrams(datagrams) => self.receive_datagrams(&datagrams),
                Arrival::ForClient(leaving) => self.send_by_own_relay(&leaving),
                Arrival::Ended { relayed } => self.end_line((Protocol::Turn, relayed)),
            }
        }
        if count > 0 {
            self.drain();
        }
        count == ARRIVALS_PER_TURN
    }

    fn receive_datagrams(&mut self, datagrams: &Datagrams) {
        let (protocol, source) = (datagrams.protocol, datagrams.source);
        self.lines.learn((protocol, source), &datagrams.line);
        let at = now();
        for (destination, part) in &datagrams.parts {
            let Some(payload) = datagrams.bytes.get(part.clone()) else {
                continue;
            };
            self.received += 1;
            let input = Input::Datagram {
                protocol,
                source,
                destination: *destination,
                payload,
            };
            self.sfu.handle_input(at, input);
        }
    }

    /// Sends what the relay has answered, and hands datagrams to the workers of their peers.
    pub(super) fn flush_relay(&mut self) {
        let Some(relay) = &mut self.lines.relay else {
            return;
        };
        for (client, answer) in relay.answers.drain(..) {
            let from = self.socket.answers_from(client.local, client.address);
            self.trains
                .push(&self.socket, from, client.address, &answer);
        }
        for (worker, datagrams) in relay.passed.drain(..) {
            let link = self.neighbours.links.get(worker);
            if !link.is_some_and(|link| link.pass(Arrival::Datagrams(datagrams))) {
                self.lines.dropped += 1;
            }
        }
    }

    /// Sends datagrams to a client that does not use UDP.
    pub(super) fn send_by_line(&mut self, leaving: Leaving) {
        let key = (leaving.protocol, leaving.destination);
        let count = leaving.contents.len().div_ceil(leaving.segment.max(1)) as u64;
        let Some(known) = self.lines.known.get_mut(&key) else {
            self.lines.dropped += count;
            return;
        };
        match &known.line {
            Line::Own => self.send_by_own_relay(&leaving),
            Line::Worker(worker) => {
                let link = self.neighbours.links.get(usize::from(worker.0));
                if !link.is_some_and(|link| link.pass(Arrival::ForClient(leaving))) {
                    self.lines.dropped += count;
                }
            }
            Line::Connection(queue) => {
                let segment = leaving.segment;
                let (contents, left_out) = if leaving.is_video {
                    let waiting = queue.backlog(Instant::now());
                    known.thinner.thin(leaving.contents, segment, waiting)
                } else {
                    (leaving.contents, 0)
                };
                self.lines.dropped += left_out;
                if contents.is_empty() {
                    return;
                }
                let parcel = Parcel::Train {
                    source: leaving.source,
                    destination: leaving.destination,
                    contents,
                    segment,
                };
                match queue.push(parcel) {
                    Fate::Queued => self.lines.sent += count - left_out,
                    Fate::Dropped => self.lines.dropped += count - left_out,
                    Fate::Ended => {
                        self.lines.dropped += count - left_out;
                        self.lines.ended.push(key);
                    }
                }
            }
        }
    }

    /// Sends datagrams to a client of this worker's relay.
    fn send_by_own_relay(&mut self, leaving: &Leaving) {
        let Some(relay) = &mut self.lines.relay else {
            return;
        };
        let at = now();
        for datagram in leaving.contents.chunks(leaving.segment.max(1)) {
            relay.message.clear();
            let (to, from) = (leaving.destination, leaving.source);
            let wrapped = relay
                .server
                .wrap(at, to, from, datagram, &mut relay.message);
            match wrapped {
                Some(client) => {
                    let from = self.socket.answers_from(client.local, client.address);
                    self.trains
                        .push(&self.socket, from, client.address, &relay.message);
                }
                None => self.lines.dropped += 1,
            }
        }
    }

    /// Forgets lines that have ended, so that nothing more is sent there.
    pub(super) fn sweep_lines(&mut self) {
        for key in std::mem::take(&mut self.lines.ended) {
            self.end_line(key);
        }
        let at = now();
        if at.saturating_duration_since(self.lines.swept_at) < SWEEP_EVERY {
            return;
        }
        self.lines.swept_at = at;
        let is_ended = |known: &Known| match &known.line {
            Line::Connection(queue) => queue.is_ended(),
            Line::Own | Line::Worker(_) => false,
        };
        let ended = self.lines.known.iter().filter(|(_, known)| is_ended(known));
        let ended: Vec<Key> = ended.map(|(key, _)| *key).collect();
        ended.into_iter().for_each(|key| self.end_line(key));
        let Some(relay) = &mut self.lines.relay else {
            return;
        };
        relay.server.on_timeout(at);
        for relayed in relay.server.take_ended() {
            for link in self.neighbours.others(self.id) {
                // If it is lost, the other worker sends to an allocation that does not exist, until its peer is silent.
                link.pass(Arrival::Ended { relayed });
            }
            self.end_line((Protocol::Turn, relayed));
        }
    }

    fn end_line(&mut self, key: Key) {
        if self.lines.known.remove(&key).is_some() {
            let (protocol, source) = key;
            let input = Input::PathEnded { protocol, source };
            self.sfu.handle_input(now(), input);
        }
    }
}
