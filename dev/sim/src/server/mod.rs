//! The server: the real rules, the real media workers, and between them a thin model of the node.
//!
//! Nothing here waits. What takes time is an event that comes later ([`Later`]); what leaves the server is put into [`Server::out`].

mod connections;
mod ingest;
mod jobs;
mod media;
mod routes;
pub(crate) mod spool;
pub(crate) mod store;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use restage_core::id::{ConnectionId, ParticipantId, StageId, Time};

use restage_core::{Command, Effect, Error, Limits, PublicationKey};
use restage_media::{
    Burst, Config, Control, Download, InletId, PeerId, PublicationId, Sfu, WorkerId,
};

use crate::audit::Auditor;
use crate::coverage::Coverage;
use crate::plan::{Fault, Plan};
use crate::random::{Dice, Purpose};
use ingest::Ingests;
use jobs::Captures;
use routes::Routes;
use spool::Spool;
use store::{Clocks, Store};

pub(crate) const ACCOUNT: &str = "111122223333";
/// When a run begins, in microseconds since 1970.
const START_US: i64 = 1_800_000_000_000_000;
/// Time between two looks at windows, idle sessions and jobs.
const TICK: Duration = Duration::from_millis(250);
/// Most commands that wait for the writer.
const COMMITS_MAX: usize = 10_000;

/// Events within the server.
#[derive(Debug)]
pub(crate) enum Later {
    /// The writer commits the next command.
    Commit,
    /// The effects of the oldest commit are performed.
    Perform,
    /// It is time to look at what is due.
    Tick,
    /// Packets of another worker arrive.
    Relayed(WorkerId, PublicationId, Burst),
    /// A worker is asked for something by another one.
    Order(WorkerId, Control),
    /// Encoders' media that is due goes to the workers.
    Pour,
    /// A recording looks at its tap.
    Beat,
    /// Files of recordings are written.
    Write,
    /// Recordings are brought to their bucket.
    Upload,
}

/// The one who waits for a command.
#[derive(Debug)]
pub(crate) enum Then {
    /// Nobody.
    Nothing,
    /// A client that joins.
    Join {
        client: usize,
        feed: u64,
        connection: ConnectionId,
        answer: String,
    },
    /// An encoder.
    Ingest { feed: u64, connection: ConnectionId },
    /// Somebody who has called the API.
    Call(u64),
}

/// Everything that leaves the server.
#[derive(Debug)]
pub(crate) enum Out {
    /// A datagram.
    Datagram {
        to: SocketAddr,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    /// An event to come.
    After(Duration, Later),
    /// The answer to a join.
    Joined {
        client: usize,
        feed: u64,
        outcome: Result<(ConnectionId, String), String>,
    },
    /// Bytes to an encoder, by the number of its connection.
    Bytes(u64, Vec<u8>),
    /// The connection of an encoder is closed.
    Hangup(u64),
    /// The answer to a call.
    Called(u64, Result<(), Error>),
}

/// The media side of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// A peer.
    Peer(PeerId),
    /// An inlet that an encoder feeds, whose connection has this number.
    Inlet(InletId, u64),
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) stage: StageId,
    pub(crate) participant: ParticipantId,
    pub(crate) worker: WorkerId,
    pub(crate) reach: Reach,
    pub(crate) publication: Option<PublicationId>,
    pub(crate) is_connected: bool,
    /// `None` for an encoder.
    pub(crate) address: Option<SocketAddr>,
}

/// One machine with its database, its disk and its processes, one after the other.
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) spool: Spool,
    pub(crate) out: Vec<Out>,
    pub(crate) auditor: Auditor,
    pub(crate) coverage: Coverage,
    /// Counts the processes.
    pub(crate) run: u32,
    pub(crate) is_up: bool,
    /// Microseconds by which the wall clock is ahead of the time that has passed.
    pub(crate) wall_offset_us: i64,
    pub(crate) now: Duration,
    pub(crate) workers: Vec<Sfu>,
    pub(crate) live: BTreeMap<ConnectionId, Live>,
    pub(crate) is_calm: bool,
    base: Instant,
    plan: Plan,
    dice: Dice,
    peers: BTreeMap<PeerId, ConnectionId>,
    publications: BTreeMap<PublicationKey, PublicationId>,
    downloads: BTreeMap<(StageId, ParticipantId), std::sync::Arc<Download>>,
    routes: Routes,
    captures: Captures,
    ingests: Ingests,
    commits: VecDeque<(String, Command, Then)>,
    effects: VecDeque<Vec<Effect>>,
    writer_free_at: Duration,
    performed_at: Duration,
    answers: BTreeMap<PeerId, Result<String, String>>,
    made: u64,
}

impl Server {
    pub(crate) fn new(plan: &Plan, base: Instant) -> Self {
        let mut limits = Limits::OPEN;
        limits.publishers_per_stage = 4;
        limits.replications_per_participant = 3;
        let mut server = Self {
            store: Store::new(limits),
            spool: Spool::default(),
            out: Vec::new(),
            auditor: Auditor::default(),
            coverage: Coverage::default(),
            run: 0,
            is_up: false,
            wall_offset_us: 0,
            now: Duration::ZERO,
            workers: Vec::new(),
            live: BTreeMap::new(),
            is_calm: false,
            base,
            plan: plan.clone(),
            dice: Dice::new(plan.seed, Purpose::Server),
            peers: BTreeMap::new(),
            publications: BTreeMap::new(),
            downloads: BTreeMap::new(),
            routes: Routes::default(),
            captures: Captures::default(),
            ingests: Ingests::default(),
            commits: VecDeque::new(),
            effects: VecDeque::new(),
            writer_free_at: Duration::ZERO,
            performed_at: Duration::ZERO,
            answers: BTreeMap::new(),
            made: 0,
        };
        server.start(Duration::ZERO);
        server
    }

    /// The address of a worker.
    pub(crate) fn address(worker: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 4_081 + worker as u16))
    }

    /// A process begins: it closes what the last one left open.
    pub(crate) fn start(&mut self, now: Duration) {
        self.now = now;
        self.run += 1;
        self.is_up = true;
        self.workers = (0..self.plan.workers)
            .map(|worker| self.new_worker(worker))
            .collect();
        self.writer_free_at = now;
        self.performed_at = now;
        let decision = self.decide("", &Command::Recover);
        // Media is gone with the process; what remains to be done is about files.
        self.effects.push_back(decision.effects);
        self.after(Duration::ZERO, Later::Perform);
        self.after(TICK, Later::Tick);
        self.after(Duration::from_millis(100), Later::Beat);
        self.after(Duration::from_millis(100), Later::Upload);
    }

    /// The process is gone, whatever it was doing.
    pub(crate) fn crash(&mut self, now: Duration) {
        self.now = now;
        self.is_up = false;
        self.workers.clear();
        for (connection, live) in std::mem::take(&mut self.live) {
            self.auditor.closed(&connection, live.address);
        }
        self.peers.clear();
        self.publications.clear();
        self.downloads.clear();
        self.routes = Routes::default();
        self.captures = Captures::default();
        self.ingests = Ingests::default();
        self.spool.crash();
        self.commits.clear();
        self.effects.clear();
        self.answers.clear();
        self.out.clear();
    }

    fn new_worker(&self, worker: usize) -> Sfu {
        Sfu::new(Config {
            candidates: vec![Self::address(worker)],
            seed: self.plan.seed ^ u64::from(self.run) << 32 ^ worker as u64,
            since_1970: Duration::from_micros(START_US as u64) + self.now,
            worker: WorkerId(worker as u16),
            generation: self.run as u16,
            ..Config::default()
        })
    }

    pub(crate) fn clocks(&self) -> Clocks {
        let passed = self.now.as_micros() as i64;
        Clocks {
            wall: Time(START_US + passed + self.wall_offset_us),
            // The steady clock of a machine goes on over a restart of the process.
            steady: Time(1_000_000_000 + passed),
        }
    }

    fn fresh(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn after(&mut self, delay: Duration, later: Later) {
        self.out.push(Out::After(delay, later));
    }

    fn instant(&self) -> Instant {
        self.base + self.now
    }

    fn decide(&mut self, account: &str, command: &Command) -> restage_core::Decision {
        let clocks = self.clocks();
        let decision =
            self.store
                .execute(account, command, clocks, self.run, self.plan.session_idle_s);
        store::cover(&mut self.coverage, &decision);
        decision
    }

    /// Gives the writer a command.
    pub(crate) fn submit(&mut self, account: &str, command: Command, then: Then) {
        assert!(
            self.commits.len() < COMMITS_MAX,
            "commands wait without end"
        );
        let latency = match self.plan.has(Fault::SlowStore) && !self.is_calm {
            true if self.dice.one_in(30) => self.dice.ms(200, 2_000),
            true => self.dice.ms(1, 30),
            false => self.dice.ms(0, 3),
        };
        self.commits.push_back((account.to_owned(), command, then));
        self.writer_free_at = self.writer_free_at.max(self.now) + latency;
        self.after(self.writer_free_at - self.now, Later::Commit);
    }

    /// Something that was to come later.
    pub(crate) fn later(&mut self, now: Duration, later: Later) {
        self.now = now;
        match later {
            Later::Commit => self.commit(),
            Later::Perform => {
                for effect in self.effects.pop_front().unwrap_or_default() {
                    self.perform(effect);
                }
            }
            Later::Tick => {
                self.submit("", Command::Tick, Then::Nothing);
                self.shed();
                self.after(TICK, Later::Tick);
            }
            Later::Relayed(worker, publication, burst) => {
                self.relayed(worker, publication, &burst);
            }
            Later::Order(worker, control) => self.control(worker, control),
            Later::Pour => self.pour(),
            Later::Beat => self.beat(),
            Later::Write => self.spool.write(),
            Later::Upload => self.upload(),
        }
    }

    fn commit(&mut self) {
        let Some((account, command, then)) = self.commits.pop_front() else {
            return;
        };
        let decision = self.decide(&account, &command);
        if !decision.effects.is_empty() {
            let delay = self.dice.ms(0, 3);
            self.performed_at = self.performed_at.max(self.now + delay);
            self.effects.push_back(decision.effects);
            self.after(self.performed_at - self.now, Later::Perform);
        }
        match then {
            Then::Nothing => {}
            Then::Ingest { feed, connection } => {
                self.ingest_answered(feed, &connection, decision.reply.is_ok());
            }
            Then::Call(call) => self.out.push(Out::Called(call, decision.reply.map(drop))),
            Then::Join {
                client,
                feed,
                connection,
                answer,
            } => {
                let outcome = match decision.reply {
                    Ok(_) => Ok((connection, answer)),
                    Err(error) => {
                        self.let_go(&connection);
                        Err(error.to_string())
                    }
                };
                self.out.push(Out::Joined {
                    client,
                    feed,
                    outcome,
                });
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Publish {
                connection,
                publication,
            } => self.attach(&connection, &publication, true),
            Effect::Subscribe {
                connection,
                publication,
            } => self.attach(&connection, &publication, false),
            Effect::Close { connection, .. } => {
                self.let_go(&connection);
            }
            Effect::RunJob { job } => self.run_job(*job),
            Effect::TellJob { job } => self.tell_job(&job),
            Effect::StopJob { job, generation } => self.stop_job(&job, generation),
            Effect::AbandonJob { job, generation } => self.abandon_job(&job, generation),
            Effect::FinishRecording { recording } => self.spool.want_upload(&recording),
            Effect::FinishCompositionDestination { .. }
            | Effect::Revoke { .. }
            | Effect::RevokeConnectionToken { .. }
            | Effect::StageChanged { .. } => {}
        }
    }

    /// An overloaded worker leaves pictures out.
    fn shed(&mut self) {
        if !self.plan.has(Fault::Overload) {
            return;
        }
        let step = match self.is_calm {
            true => 0,
            false => self.dice.below(4) as u8,
        };
        let turn = self.dice.below(8) as u8;
        let withheld = self
            .workers
            .iter()
            .map(|worker| worker.stats().peers_withheld);
        if withheld.sum::<u64>() > 0 {
            self.coverage.reach("pictures withheld");
        }
        for worker in 0..self.workers.len() {
            self.control(WorkerId(worker as u16), Control::Shed { step, turn });
        }
    }

    /// True if no command and no effect waits.
    pub(crate) fn is_settled(&self) -> bool {
        self.commits.is_empty() && self.effects.is_empty()
    }
}
