//! One run: virtual time, the server, the clients, and the network between them.

mod encoders;
mod event;
mod faults;
mod joins;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::audit::Counts;
use crate::audit::quality::{self, Quality};
use crate::client::encoder::Encoder;
use crate::client::{Client, State};
use crate::coverage::Coverage;
use crate::network::{Line, Way};
use crate::plan::Plan;
use crate::random::{Dice, Purpose};
use crate::server::store::Step;
use crate::server::{Out, Server, Then};
use encoders::TCP_DELAY;
use event::Event;

/// Most events that wait at one time: more means that something goes round in a circle.
const EVENTS_MAX: usize = 200_000;
/// Most events at one time of the virtual clock.
const EVENTS_AT_ONCE_MAX: u32 = 100_000;
/// Datagrams that the kernel keeps while the process stands still.
const SOCKET_BUFFER: usize = 300;

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Virtual time.
    pub time: Duration,
    /// Steps of the virtual clock; the engines of the clients may need one more or less.
    pub events: u64,
    /// Commands that were decided.
    pub commands: u64,
    /// These commands, in order.
    pub steps: Vec<Step>,
    /// Counters of the auditor.
    pub counts: Counts,
    /// States that were reached.
    pub coverage: Coverage,
    /// A digest of everything that happened: equal for two runs of one plan.
    pub digest: u64,
}

/// See the module.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Duration,
    pub(crate) server: Server,
    pub(crate) clients: Vec<Client>,
    pub(crate) lines: Vec<Line>,
    pub(crate) encoders: Vec<Encoder>,
    pub(crate) is_calm: bool,
    /// Answers of the API, by the number of the call.
    pub(crate) answers: BTreeMap<u64, Result<(), String>>,
    base: Instant,
    network: Dice,
    habits: Dice,
    events: BTreeMap<(Duration, u64), Event>,
    made: u64,
    feeds: u64,
    calls: u64,
    addresses: u16,
    pub(crate) frozen_until: Duration,
    /// Events that wait for the server to go on.
    stalled: VecDeque<Event>,
    buffered: usize,
    at_once: (Duration, u32),
    look_at: Duration,
    quality: Quality,
    outcome: Outcome,
}

impl World {
    pub(crate) fn new(plan: &Plan, base: Instant) -> Self {
        fastrand::seed(Dice::new(plan.seed, Purpose::Engines).bits());
        let mut world = Self {
            plan: plan.clone(),
            now: Duration::ZERO,
            server: Server::new(plan, base),
            clients: Vec::new(),
            lines: Vec::new(),
            encoders: Vec::new(),
            is_calm: false,
            answers: BTreeMap::new(),
            base,
            network: Dice::new(plan.seed, Purpose::Network),
            habits: Dice::new(plan.seed, Purpose::Clients),
            events: BTreeMap::new(),
            made: 0,
            feeds: 0,
            calls: 0,
            addresses: 0,
            frozen_until: Duration::ZERO,
            stalled: VecDeque::new(),
            buffered: 0,
            at_once: (Duration::ZERO, 0),
            look_at: Duration::ZERO,
            quality: Quality::default(),
            outcome: Outcome {
                digest: 0xcbf2_9ce4_8422_2325,
                ..Outcome::default()
            },
        };
        world.drain_server();
        world
    }

    pub(crate) fn outcome(&mut self) -> Outcome {
        Outcome {
            time: self.now,
            commands: self.server.store.steps.len() as u64,
            steps: std::mem::take(&mut self.server.store.steps),
            counts: self.server.auditor.counts,
            coverage: self.server.coverage.clone(),
            ..self.outcome.clone()
        }
    }

    /// Runs until a time.
    pub(crate) fn advance(&mut self, until: Duration) {
        while self.now < until {
            self.step(until);
        }
    }

    fn step(&mut self, limit: Duration) {
        let mut next = limit;
        if let Some((&(at, _), _)) = self.events.first_key_value() {
            next = next.min(at);
        }
        if self.now >= self.frozen_until
            && let Some(at) = self.server.wants_at()
        {
            next = next.min(at);
        }
        next = next.min(self.look_at);
        for at in self.encoders.iter().filter_map(Encoder::wants_at) {
            next = next.min(at);
        }
        for client in &self.clients {
            if let Some(at) = client.wants_at() {
                next = next.min(at);
            }
            if client.state != State::Left {
                next = next.min(client.check_at);
            }
        }
        if !self.stalled.is_empty() {
            next = next.min(self.frozen_until);
        }
        self.now = self.now.max(next);
        self.outcome.events += 1;
        self.count_at_once();
        self.thaw();
        self.deliver();
        if self.server.is_up
            && self.now >= self.frozen_until
            && self.server.wants_at().is_some_and(|at| at <= self.now)
        {
            self.server.on_time(self.now);
            self.drain_server();
        }
        if self.look_at <= self.now && self.now < self.frozen_until {
            // A process that stands still adapts to nothing.
            self.look_at = self.frozen_until;
            self.quality = Quality::default();
        }
        if self.look_at <= self.now {
            self.look_at = self.now + quality::EVERY;
            let looks = self.server.look();
            let coverage = &mut self.server.coverage;
            self.quality.look(self.now, &looks, coverage);
        }
        for number in 0..self.encoders.len() {
            if self.encoders[number]
                .wants_at()
                .is_some_and(|at| at <= self.now)
            {
                self.serve_encoder(number);
            }
        }
        for number in 0..self.clients.len() {
            if self.clients[number]
                .wants_at()
                .is_some_and(|at| at <= self.now)
            {
                self.clients[number].on_time(self.now);
                self.drain_client(number);
            }
            if self.clients[number].check_at <= self.now {
                self.look_after(number);
            }
        }
    }

    /// The server goes on with what has come in the meantime.
    fn thaw(&mut self) {
        if self.now < self.frozen_until {
            return;
        }
        self.buffered = 0;
        while let Some(event) = self.stalled.pop_front() {
            self.happen(event);
        }
    }

    fn count_at_once(&mut self) {
        if self.at_once.0 != self.now {
            self.at_once = (self.now, 0);
        }
        self.at_once.1 += 1;
        assert!(self.at_once.1 < EVENTS_AT_ONCE_MAX, "time stands still");
        assert!(self.events.len() < EVENTS_MAX, "events wait without end");
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > self.now {
                return;
            }
            let event = entry.remove();
            self.happen(event);
        }
    }

    /// Something is to happen after a delay.
    fn later(&mut self, delay: Duration, event: Event) {
        self.made += 1;
        self.events.insert((self.now + delay, self.made), event);
    }

    fn happen(&mut self, event: Event) {
        self.digest(&event);
        let is_frozen = self.now < self.frozen_until;
        match event {
            Event::ToServer(..) if is_frozen && self.buffered >= SOCKET_BUFFER => return,
            Event::ToServer(..)
            | Event::Inside(..)
            | Event::Join(..)
            | Event::Leave(..)
            | Event::Check(..)
            | Event::Call(..)
            | Event::Connect(..)
            | Event::ToIngest(..)
            | Event::EncoderGone(..)
                if is_frozen =>
            {
                // They wait in the kernel, in order.
                self.buffered += usize::from(matches!(event, Event::ToServer(..)));
                self.stalled.push_back(event);
                return;
            }
            Event::ToServer(from, to, bytes) => {
                if self.server.is_up {
                    self.server.receive(self.now, from, to, &bytes);
                }
            }
            Event::Inside(run, later) => {
                if self.server.is_up && run == self.server.run {
                    self.server.later(self.now, *later);
                }
            }
            Event::ToClient(from, to, bytes) => self.reach_client(from, to, &bytes),
            Event::Join(client, feed, address, offer) => {
                self.take_join(client, feed, address, offer);
            }
            Event::Joined(client, feed, outcome) => self.take_answer(client, feed, outcome),
            Event::Leave(connection) => {
                self.server.now = self.now;
                if self.server.is_up {
                    self.server.leave(&connection);
                }
            }
            Event::Check(client, connection) => {
                if self.server.is_up && !self.server.live.contains_key(&connection) {
                    self.lose(client, &connection);
                }
            }
            Event::Call(call, command) => {
                self.server.now = self.now;
                match self.server.is_up {
                    true => self
                        .server
                        .submit(crate::server::ACCOUNT, *command, Then::Call(call)),
                    false => {
                        let reason = "the server is down".to_owned();
                        self.answers.insert(call, Err(reason));
                    }
                }
            }
            Event::Connect(feed) => match self.server.is_up {
                true => {
                    self.server.now = self.now;
                    self.server.accept(feed);
                }
                false => self.later(TCP_DELAY, Event::HungUp(feed)),
            },
            Event::ToIngest(feed, bytes) => match self.server.is_up {
                true => {
                    let own = self.encoders.iter().find(|encoder| encoder.feed == feed);
                    if let Some(configuration) = own.map(|encoder| encoder.configuration.clone()) {
                        self.server.now = self.now;
                        self.server.take_bytes(feed, &configuration, &bytes);
                    }
                }
                false => self.later(TCP_DELAY, Event::HungUp(feed)),
            },
            Event::ToEncoder(feed, bytes) => {
                let now = self.now;
                let own = |encoder: &&mut Encoder| encoder.feed == feed;
                let own = self.encoders.iter_mut().find(own);
                match own.map(|encoder| encoder.receive(now, &bytes)) {
                    Some(true) => self.drain_encoder(feed),
                    Some(false) => self.break_encoder(feed),
                    None => {}
                }
            }
            Event::EncoderGone(feed) => {
                self.server.now = self.now;
                if self.server.is_up {
                    self.server.encoder_gone(feed);
                }
            }
            Event::HungUp(feed) => {
                let own =
                    |encoder: &&mut Encoder| encoder.feed == feed && encoder.retry_at.is_none();
                if let Some(encoder) = self.encoders.iter_mut().find(own) {
                    encoder.lose(self.now);
                }
            }
            Event::Start => {
                self.server.forget_reports();
                self.server.start(self.now);
            }
        }
        self.drain_server();
    }
    fn digest(&mut self, event: &Event) {
        if self.plan.is_traced {
            eprintln!("{:>12.6} {}", self.now.as_secs_f64(), event.summary());
        }
        let [kind, size] = event.words();
        for word in [self.now.as_micros() as u64, kind, size] {
            self.outcome.digest = (self.outcome.digest ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn reach_client(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let found = self.clients.iter().position(|client| client.address == to);
        let Some(number) = found else { return };
        self.clients[number].receive(self.now, from, bytes);
        self.drain_client(number);
    }

    // What leaves the server and the clients.

    pub(crate) fn drain_server(&mut self) {
        let run = self.server.run;
        for out in std::mem::take(&mut self.server.out) {
            match out {
                Out::Datagram {
                    to,
                    from,
                    mut bytes,
                } => {
                    let found = self.clients.iter().position(|client| client.address == to);
                    let Some(number) = found else { continue };
                    let (line, dice) = (&mut self.lines[number], &mut self.network);
                    let copies = line.pass(Way::Down, self.now, &mut bytes, dice);
                    for at in copies.into_iter().flatten() {
                        let event = Event::ToClient(from, to, bytes.clone());
                        self.later(at - self.now, event);
                    }
                }
                Out::After(delay, later) => self.later(delay, Event::Inside(run, Box::new(later))),
                Out::Joined {
                    client,
                    feed,
                    outcome,
                } => {
                    let delay = self.lines[client].delay();
                    self.later(delay, Event::Joined(client, feed, Some(outcome)));
                }
                Out::Bytes(feed, bytes) => self.later(TCP_DELAY, Event::ToEncoder(feed, bytes)),
                Out::Hangup(feed) => self.later(TCP_DELAY, Event::HungUp(feed)),
                Out::Called(call, reply) => {
                    let answer = reply.map_err(|error| error.to_string());
                    self.answers.insert(call, answer);
                }
            }
        }
    }

    pub(super) fn drain_client(&mut self, number: usize) {
        let got = std::mem::take(&mut self.clients[number].got);
        if let State::Joined(connection) = &self.clients[number].state {
            for packet in &got {
                let Server {
                    auditor, coverage, ..
                } = &mut self.server;
                auditor.got(connection, packet, coverage);
            }
        }
        let from = self.clients[number].address;
        for sent in std::mem::take(&mut self.clients[number].sent) {
            let mut bytes = sent.bytes;
            let (line, dice) = (&mut self.lines[number], &mut self.network);
            let copies = line.pass(Way::Up, self.now, &mut bytes, dice);
            for at in copies.into_iter().flatten() {
                let event = Event::ToServer(from, sent.to, bytes.clone());
                self.later(at - self.now, event);
            }
        }
    }
}
