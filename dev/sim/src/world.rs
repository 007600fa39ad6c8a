//! One run: virtual time, the server, the clients, and the network between them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use restage_core::id::ConnectionId;
use restage_core::row::ConnectionKind;
use restage_core::{Claims, Command};

use crate::audit::Counts;
use crate::audit::quality::{self, Quality};
use crate::client::encoder::Encoder;
use crate::client::{CHECK_EVERY, Client, State};
use crate::coverage::Coverage;
use crate::network::{Line, Way};
use crate::plan::{Fault, Plan};
use crate::random::{Dice, Purpose};
use crate::server::store::Step;
use crate::server::{Later, Out, Server, Then};

/// Most events that wait at one time: more means that something goes round in a circle.
const EVENTS_MAX: usize = 200_000;
/// Most events at one time of the virtual clock.
const EVENTS_AT_ONCE_MAX: u32 = 100_000;
/// Datagrams that the kernel keeps while the process stands still.
const SOCKET_BUFFER: usize = 300;
/// How long bytes of a TCP connection take: nothing overtakes.
const TCP_DELAY: Duration = Duration::from_millis(12);
/// How long a client waits before it joins again.
const RETRY: Duration = Duration::from_millis(400);
/// How long it waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What happens at a time.
#[derive(Debug)]
enum Event {
    /// A datagram arrives at a client.
    ToClient(SocketAddr, SocketAddr, Vec<u8>),
    /// A datagram arrives at the server.
    ToServer(SocketAddr, SocketAddr, Vec<u8>),
    /// Something inside the server, of this process.
    Inside(u32, Later),
    /// A client's offer arrives.
    Join(usize, u64, SocketAddr, String),
    /// The answer to it arrives; `None`: the server could not be reached.
    Joined(usize, u64, Option<Result<(ConnectionId, String), String>>),
    /// A client's goodbye arrives.
    Leave(ConnectionId),
    /// A client asks whether its connection is still there, and learns it.
    Check(usize, ConnectionId),
    /// A call of the API arrives.
    Call(u64, Command),
    /// An encoder opens a connection.
    Connect(u64),
    /// Bytes of an encoder arrive.
    ToIngest(u64, Vec<u8>),
    /// Bytes of the server arrive at an encoder.
    ToEncoder(u64, Vec<u8>),
    /// An encoder's connection is gone, as the server learns it, and as the encoder does.
    EncoderGone(u64),
    HungUp(u64),
    /// The server starts again.
    Start,
}

/// What a run has come to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Virtual time.
    pub time: Duration,
    /// Events.
    pub events: u64,
    /// Commands that were decided.
    pub commands: u64,
    /// These commands, in order.
    pub steps: Vec<Step>,
    /// What the auditor has counted.
    pub counts: Counts,
    /// What was reached.
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
    /// What waits for the server to go on.
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

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            time: self.now,
            commands: self.server.store.steps.len() as u64,
            steps: self.server.store.steps.clone(),
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
                    self.server.later(self.now, later);
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
                        .submit(crate::server::ACCOUNT, command, Then::Call(call)),
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
        let (kind, size) = match event {
            // Handshakes have signatures, whose length varies.
            Event::ToClient(_, _, bytes) | Event::ToServer(_, _, bytes) => {
                let is_handshake = matches!(bytes.first(), Some(20..=63));
                (1, if is_handshake { 0 } else { bytes.len() })
            }
            Event::Inside(run, later) => {
                (2 + *run as usize, std::mem::discriminant(later).hash_of())
            }
            Event::Join(client, ..) => (100, *client),
            Event::Joined(client, ..) => (101, *client),
            Event::Leave(_) => (102, 0),
            Event::Check(client, _) => (103, *client),
            Event::Call(call, _) => (104, *call as usize),
            Event::Start => (105, 0),
            Event::Connect(feed) | Event::EncoderGone(feed) | Event::HungUp(feed) => {
                (106, *feed as usize)
            }
            Event::ToIngest(_, bytes) | Event::ToEncoder(_, bytes) => (107, bytes.len()),
        };
        if self.plan.is_traced {
            eprintln!("{:>12.6} {}", self.now.as_secs_f64(), event.summary());
        }
        for word in [self.now.as_micros() as u64, kind as u64, size as u64] {
            self.outcome.digest = (self.outcome.digest ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn reach_client(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
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
                Out::After(delay, later) => self.later(delay, Event::Inside(run, later)),
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
                    let answer = reply.map(drop).map_err(|error| error.to_string());
                    self.answers.insert(call, answer);
                }
            }
        }
    }

    fn drain_client(&mut self, number: usize) {
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

    // Encoders.

    fn serve_encoder(&mut self, number: usize) {
        let (now, base) = (self.now, self.base);
        let Self {
            encoders, habits, ..
        } = self;
        let encoder = &mut encoders[number];
        if encoder.retry_at.is_some() {
            self.feeds += 1;
            let feed = self.feeds;
            encoder.connect(now, base, feed, habits);
            self.later(TCP_DELAY, Event::Connect(feed));
            self.drain_encoder(feed);
            return;
        }
        let (feed, goes_on) = (encoder.feed, encoder.on_time(now));
        match goes_on {
            true => self.drain_encoder(feed),
            false => self.break_encoder(feed),
        }
    }

    fn drain_encoder(&mut self, feed: u64) {
        let own = |encoder: &&mut Encoder| encoder.feed == feed;
        let own = self.encoders.iter_mut().find(own);
        let bytes = own.map(|encoder| std::mem::take(&mut encoder.output));
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            self.later(TCP_DELAY, Event::ToIngest(feed, bytes));
        }
    }

    /// An encoder's connection breaks, or the encoder closes it.
    pub(crate) fn break_encoder(&mut self, feed: u64) {
        let own = |encoder: &&mut Encoder| encoder.feed == feed;
        if let Some(encoder) = self.encoders.iter_mut().find(own) {
            encoder.lose(self.now);
        }
        self.later(TCP_DELAY, Event::EncoderGone(feed));
    }

    /// An encoder says that its stream is over.
    pub(crate) fn finish_encoder(&mut self, number: usize) {
        self.encoders[number].finish();
        let feed = self.encoders[number].feed;
        self.drain_encoder(feed);
        self.later(2 * TCP_DELAY, Event::EncoderGone(feed));
    }

    // Joining and leaving.

    /// Another client, which joins at once.
    pub(crate) fn add_client(
        &mut self,
        kind: ConnectionKind,
        claims: Claims,
        habit: crate::client::Habit,
    ) -> usize {
        let number = self.clients.len();
        let client = Client::new(number, kind, claims, habit, self.base, self.now);
        self.clients.push(client);
        let mut line = Line::draw(&self.plan, &mut self.network);
        if self.is_calm {
            line.heal();
        }
        self.lines.push(line);
        number
    }

    fn next_address(&mut self) -> SocketAddr {
        self.addresses += 1;
        SocketAddr::from(([198, 51, 100, 7], 10_000 + self.addresses))
    }

    /// What a client does by itself, from time to time.
    fn look_after(&mut self, number: usize) {
        self.clients[number].check_at = self.now + CHECK_EVERY;
        if self.clients[number].is_gone {
            return;
        }
        match self.clients[number].state.clone() {
            State::Left => self.clients[number].check_at = Duration::MAX,
            State::Away(at) if at <= self.now => self.join(number),
            State::Away(at) => self.clients[number].check_at = at,
            State::Joining(since) if self.now >= since + ANSWER_MAX => self.retry(number),
            State::Joining(_) => {}
            State::Joined(connection) => {
                let line = &self.lines[number];
                if self.now >= line.cut_until {
                    let delay = line.delay();
                    self.later(delay, Event::Check(number, connection));
                }
            }
        }
    }

    fn join(&mut self, number: usize) {
        let address = self.next_address();
        self.feeds += 1;
        let feed = self.feeds;
        let offer = self.clients[number].offer(self.now, address, feed);
        let delay = self.lines[number].delay();
        self.later(delay, Event::Join(number, feed, address, offer));
    }

    fn take_join(&mut self, number: usize, feed: u64, address: SocketAddr, offer: String) {
        if !self.server.is_up {
            let delay = self.lines[number].delay();
            self.later(delay, Event::Joined(number, feed, None));
            return;
        }
        self.server.now = self.now;
        let client = &self.clients[number];
        let (kind, claims) = (client.kind.clone(), client.claims.clone());
        self.server
            .join((number, feed), kind, claims, offer, address);
    }

    fn take_answer(
        &mut self,
        number: usize,
        feed: u64,
        outcome: Option<Result<(ConnectionId, String), String>>,
    ) {
        let client = &self.clients[number];
        let waits = matches!(client.state, State::Joining(_)) && client.feed == feed;
        if !waits || client.is_gone {
            // It has given up, or is gone: the server learns that by itself, or by its goodbye.
            if let Some(Ok((connection, _))) = outcome {
                let delay = self.lines[number].delay();
                self.later(delay, Event::Leave(connection));
            }
            return;
        }
        match outcome {
            Some(Ok((connection, answer))) => {
                let Self {
                    clients, habits, ..
                } = self;
                clients[number].accept(self.now, &answer, habits);
                clients[number].state = State::Joined(connection.clone());
                if clients[number].publishes() {
                    let feed = clients[number].feed;
                    let session = self.server.store.world.connections.get(&connection);
                    if let Some(row) = session {
                        let key = restage_core::PublicationKey {
                            session: row.session.clone(),
                            participant: row.participant.clone(),
                        };
                        self.server.auditor.feeds(feed, key);
                    }
                }
                self.drain_client(number);
            }
            Some(Err(reason)) => {
                self.clients[number].refusal = reason;
                // Refused: whoever is told no does not ask at once again.
                self.clients[number].hang_up(self.now, false);
                self.clients[number].state = State::Away(self.now + 4 * RETRY);
                self.clients[number].check_at = self.now + 4 * RETRY;
            }
            None => self.retry(number),
        }
    }

    fn retry(&mut self, number: usize) {
        let at = self.now + RETRY;
        self.clients[number].hang_up(self.now, false);
        self.clients[number].state = State::Away(at);
        self.clients[number].check_at = at;
    }

    /// A client learns that its connection is no more.
    fn lose(&mut self, number: usize, connection: &ConnectionId) {
        if self.clients[number].state == State::Joined(connection.clone()) {
            self.retry(number);
        }
    }

    /// A client leaves for good.
    pub(crate) fn leave(&mut self, number: usize, says_so: bool) {
        let state = std::mem::replace(&mut self.clients[number].state, State::Left);
        self.clients[number].hang_up(self.now, says_so);
        if !says_so {
            self.server.coverage.reach("client vanished");
        }
        if says_so {
            self.drain_client(number);
            if let State::Joined(connection) = state {
                let delay = self.lines[number].delay();
                self.later(delay, Event::Leave(connection));
            }
        }
        self.clients[number].is_gone = true;
    }

    /// Somebody calls the API. The number of the call, under which the answer comes.
    pub(crate) fn call(&mut self, command: Command) -> u64 {
        self.calls += 1;
        let call = self.calls;
        self.later(Duration::from_millis(1), Event::Call(call, command));
        call
    }

    // Faults.

    pub(crate) fn crash(&mut self, down: Duration) {
        if self.server.is_up {
            self.server.coverage.reach("crash");
            self.server.crash(self.now);
            let connected = self
                .encoders
                .iter()
                .filter(|encoder| encoder.retry_at.is_none());
            let feeds: Vec<u64> = connected.map(|encoder| encoder.feed).collect();
            for feed in feeds {
                self.later(TCP_DELAY, Event::HungUp(feed));
            }
            self.later(down, Event::Start);
        }
    }

    pub(crate) fn freeze(&mut self, time: Duration) {
        if self.server.is_up {
            self.server.coverage.reach("freeze");
            self.frozen_until = self.frozen_until.max(self.now + time);
        }
    }

    /// A client has another address for the network from now on.
    pub(crate) fn move_client(&mut self, number: usize) {
        self.server.coverage.reach("address changed");
        let address = self.next_address();
        let before = std::mem::replace(&mut self.clients[number].address, address);
        self.server.auditor.moved(before, address);
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        self.is_calm = true;
        self.server.is_calm = true;
        for line in &mut self.lines {
            line.heal();
        }
        for client in &mut self.clients {
            client.is_greedy = false;
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.plan.has(fault) && !self.is_calm
    }
}

impl Event {
    /// The event in a line, without what is drawn by the system.
    fn summary(&self) -> String {
        let kind = |bytes: &[u8]| match bytes.first() {
            Some(0..=3) => "STUN",
            Some(20..=63) => "DTLS",
            _ if bytes
                .get(1)
                .is_some_and(|second| (192..=223).contains(second)) =>
            {
                "RTCP"
            }
            _ => "RTP",
        };
        match self {
            Self::ToClient(from, to, bytes) | Self::ToServer(from, to, bytes) => {
                format!("{from} > {to} {} {}", kind(bytes), bytes.len())
            }
            Self::Inside(run, Later::Relayed(worker, publication, _)) => {
                format!("run {run}: relayed to {worker:?} of {publication:?}")
            }
            Self::Join(client, feed, address, _) => {
                format!("client {client} joins from {address}, feed {feed}")
            }
            Self::Joined(client, feed, outcome) => {
                let outcome = outcome
                    .as_ref()
                    .map(|outcome| outcome.as_ref().map(|answer| &answer.0));
                format!("client {client}, feed {feed}: {outcome:?}")
            }
            Self::ToIngest(feed, bytes) => format!("encoder {feed} sends {} bytes", bytes.len()),
            Self::ToEncoder(feed, bytes) => format!("encoder {feed} gets {} bytes", bytes.len()),
            other => format!("{other:?}"),
        }
    }
}

/// A number of a discriminant that is the same in every process.
trait HashOf {
    fn hash_of(self) -> usize;
}

impl<T> HashOf for std::mem::Discriminant<T> {
    fn hash_of(self) -> usize {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish() as usize
    }
}
