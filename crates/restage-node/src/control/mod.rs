//! The control plane: executes commands in the store, performs their effects on the media plane
//! and the events sockets, and turns reports of the media plane into commands.

mod admission;
mod alert;
mod codecs;
mod connection_tokens;
mod connections;
mod effects;
mod ended;
mod hub;
mod if_match;
mod ingest;
mod join;
mod layers;
mod media_limits;
mod mute;
mod receive;
mod report;
mod speakers;
mod statistics;
mod streams;
mod taps;
mod tokens;
mod trouble;
mod turns;
mod user_agent;
mod watch;
mod wishes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use restage_core::command::Command;
use restage_core::id::{ConnectionId, ParticipantId, RunId, StageId};
use restage_core::limits::{CONNECTION_TOKEN_LIFE_MAX_S, TOKEN_LIFE_MAX_S};
use restage_core::rate::Buckets;
use restage_core::row::{COMPOSITION_JOB, RECORDING_JOB};
use restage_core::{CloseReason, Context, Effect, Limits, Reply};
use restage_media::{Control as MediaControl, H264ProfileMatch, PeerId};
use restage_store::system::clock::StepWatch;
use restage_store::system::{clock, ids};
use restage_store::{Execution, Store, StoreError, TURN_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::executor::Executor;
use crate::jobs::{Jobs, Runners};
use crate::media::{Media, MediaEvent};
use crate::supervise::Parts;
use crate::token::Tokens;

pub use crate::executor::Failure;
use connection_tokens::ConnectionSockets;
pub use connection_tokens::{ConnectionClose, ConnectionSocket, code_of};
use connections::{Attached, Connections, Live, Reach};
pub use connections::{Muted, SocketClose};
pub use effects::{EFFECT_QUEUE_LEN, EffectRoom, Effects, effect_queue};
pub use ended::Ending;
use ended::Endings;
use hub::{Hub, publication_of, stage_state};
pub use hub::{Shown, StageState};
pub use if_match::IfMatch;
use ingest::RedundantIngests;
pub use ingest::{Ingest, IngestClose, IngestError, IngestItem};
pub use join::{EventsSocket, JoinError, Joined, MediaJoin, Patched};
pub use media_limits::publish_limits;
pub use mute::MuteError;
use receive::{Holder, Receivings};
pub use receive::{
    RECEIVE_ANSWER_MAX, RECEIVE_ORPHAN_MAX, RECEIVE_PARTICIPANTS_MAX, RECEIVE_STAGES_MAX,
    ReceiveClosed, ReceiveError, ReceiveLink, ReceiveNews, ReceiveOffer, ReceiveState,
    ReceiveStream, ReceiveWant, ReceivedState, Viewer, ViewerState, ViewerWant,
};
use report::About;
pub use report::{FailureLabels, Failures};
pub use statistics::{ConnectionStats, OWN_CONNECTIONS_MAX, StatsPage};
pub use streams::{STREAMS_MAX, StreamNews};
pub use taps::TapError;
pub use tokens::Exchanged;
pub use trouble::Trouble;
use turns::Turns;
pub use user_agent::client_of;
pub use watch::StageWatch;
pub use wishes::{WishError, Wished};

/// Interval at which reconnect windows and idle stage sessions are checked.
const TICK: Duration = Duration::from_millis(250);
/// Interval between log lines about failing checks, while the store fails.
const TICK_FAILURE_EVERY: Duration = Duration::from_secs(10);
/// The level of digital silence, in dBov (RFC 6464 §3).
const SILENT: i8 = -127;
/// How often it is decided who speaks.
const SPEAKERS_EVERY: Duration = Duration::from_millis(250);
/// Most media events whose commands are under way at the same time.
const MEDIA_COMMANDS_MAX: usize = 512;

/// First wait before a report of the media plane is written again, and the longest.
const REPORT_RETRY_FIRST: Duration = Duration::from_millis(100);
const REPORT_RETRY_MAX: Duration = Duration::from_secs(5);

/// Settings of the control plane.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The limits in force.
    pub limits: Limits,
    /// A stage session ends when nobody has been publishing for this long.
    pub session_idle_s: u32,
    /// Which viewers get H.264 of a higher profile than they offer.
    pub profiles: H264ProfileMatch,
}

/// The control plane's runtime. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

/// A handle that does not keep the control plane alive, for what the control plane itself holds.
#[derive(Clone, Debug)]
pub(crate) struct WeakControl(Weak<Inner>);

impl WeakControl {
    /// `None` when the control plane is gone.
    pub(crate) fn upgrade(&self) -> Option<Control> {
        Some(Control {
            inner: self.0.upgrade()?,
        })
    }
}

struct Inner {
    store: Store,
    media: Media,
    tokens: Tokens,
    rules: Rules,
    jobs: Jobs,
    /// This run of the process: who holds the leases of its jobs.
    run: RunId,
    room: EffectRoom,
    hub: Hub,
    connections: Mutex<Connections>,
    connection_sockets: ConnectionSockets,
    receivings: Mutex<Receivings>,
    endings: Mutex<Endings>,
    failures: Failures,
    /// Set when no new connection may be opened.
    is_stopping: AtomicBool,
    /// Joins and token exchanges by stage and participant.
    joins: Mutex<Buckets<(StageId, ParticipantId)>>,
    /// Changed wishes, by whose they are.
    wishes: Mutex<Buckets<Holder>>,
    /// Requests for statistics under way.
    measurements: Semaphore,
    redundant: RedundantIngests,
    /// How often subscribers of redundant ingests have gone over to the other stream.
    switches: Counter,
}

impl Inner {
    fn endings(&self) -> MutexGuard<'_, Endings> {
        self.endings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    /// Connects the parts. Nothing runs yet; see [`Control::run`].
    pub fn new(
        (store, room): (Store, EffectRoom),
        media: Media,
        tokens: Tokens,
        rules: Rules,
        runners: Runners,
    ) -> Self {
        let inner = Inner {
            store,
            media,
            tokens,
            rules,
            jobs: Jobs::new(runners),
            run: ids::run(),
            room,
            hub: Hub::default(),
            connections: Mutex::default(),
            connection_sockets: ConnectionSockets::default(),
            receivings: Mutex::default(),
            endings: Mutex::default(),
            failures: report::no_failures(),
            is_stopping: AtomicBool::new(false),
            joins: Mutex::new(Buckets::default()),
            wishes: Mutex::new(Buckets::default()),
            measurements: Semaphore::new(statistics::MEASUREMENTS_MAX),
            redundant: RedundantIngests::default(),
            switches: Counter::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Closes what the last run left open, then starts the tasks for effects, media events,
    /// stage states and time.
    pub async fn run(
        &self,
        effects: Effects,
        events: mpsc::Receiver<MediaEvent>,
        parts: &mut Parts,
    ) -> Result<(), Failure> {
        self.recover().await?;
        // These two own the end of a queue, so they cannot be restarted: what they had taken from it would be lost.
        parts.spawn("performing effects", self.clone().serve_effects(effects));
        parts.spawn("taking up media events", self.clone().serve_media(events));
        let control = self.clone();
        parts.restarting("telling stage states", move || {
            control.clone().serve_states()
        });
        let control = self.clone();
        parts.restarting("hearing who speaks", move || {
            control.clone().serve_speakers()
        });
        let control = self.clone();
        parts.restarting("looking at the time", move || control.clone().serve_time());
        Ok(())
    }

    /// Closes everything that the rows still call open. At the start nobody performs effects yet, and at the end the
    /// queue may be blocked, so this command takes no place in it.
    async fn recover(&self) -> Result<(), Failure> {
        let ends_at = Instant::now() + TURN_MAX;
        self.execute_holding("", Command::Recover, None, ends_at)
            .await?;
        Ok(())
    }

    /// A handle that does not keep it alive.
    pub(crate) fn downgrade(&self) -> WeakControl {
        WeakControl(Arc::downgrade(&self.inner))
    }

    /// The durable store, for reads.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Signs and verifies participant tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// The limits and times in force.
    pub fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// The jobs that run here.
    pub fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    /// The media plane.
    pub fn media(&self) -> &Media {
        &self.inner.media
    }

    /// Executes a command: decided, committed, its effects queued in commit order. Waits while the effects of
    /// [`EFFECT_QUEUE_LEN`] others have not been performed; performing effects must therefore not wait for a command.
    pub async fn execute(&self, account: &str, command: Command) -> Result<Reply, Failure> {
        let ends_at = Instant::now() + TURN_MAX;
        let place = timeout_at(ends_at, self.inner.room.place()).await;
        let place = place.map_err(|_| StoreError::Late {
            seconds: TURN_MAX.as_secs(),
        })?;
        self.execute_holding(account, command, place, ends_at).await
    }

    async fn execute_holding(
        &self,
        account: &str,
        command: Command,
        place: Option<OwnedSemaphorePermit>,
        ends_at: Instant,
    ) -> Result<Reply, Failure> {
        let wall = clock::now();
        let context = Context {
            account: account.to_owned(),
            now: wall,
            wall,
            steady: clock::steady(),
            limits: self.inner.rules.limits.clone(),
            session_idle_s: self.inner.rules.session_idle_s,
            run: self.inner.run.clone(),
            fresh_session: ids::stage_session(),
            fresh_recording: ids::recording(),
        };
        let name = command.name();
        let span = tracing::debug_span!("command", name);
        let decision = self
            .inner
            .store
            .execute_holding(Execution { context, command }, place, ends_at)
            .instrument(span)
            .await?;
        Ok(decision.reply?)
    }

    /// Closes every connection and records that they ended. Clients are told that the server restarts, and new ones are
    /// refused with the same reason. If the store does not answer until `deadline`, peers are notified then.
    pub async fn stop(&self, deadline: Instant) {
        self.inner.is_stopping.store(true, Ordering::Release);
        self.inner.connection_sockets.stop();
        let live = self.connections().drain();
        for (id, connection) in live {
            match &connection.reach {
                Reach::Socket(socket) => {
                    socket.close.send_replace(Some(SocketClose::Restart));
                }
                Reach::Inlet(ingest) => {
                    ingest.close.send_replace(Some(IngestClose::Restart));
                }
                Reach::Peer(_) => self.remember(&id, &connection, Ending::of_restart()),
            }
        }
        self.inner.jobs.pause(deadline).await;
        match timeout_at(deadline, self.recover()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "could not close the stage sessions; the next start does");
            }
            Err(_) => {
                tracing::error!(
                    "the store does not answer; the next start closes the stage sessions"
                );
            }
        }
        self.inner.media.stop().await;
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.inner
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve_effects(self, mut effects: Effects) {
        while let Some(mut batch) = effects.next().await {
            for effect in batch.effects.drain(..) {
                self.perform(effect).await;
            }
        }
    }

    async fn perform(&self, effect: Effect) {
        let media = &self.inner.media;
        match effect {
            Effect::Publish {
                connection,
                publication,
            } => {
                let attached = self
                    .connections()
                    .attach(&connection, &publication, || media.fresh_publication());
                match attached {
                    Some((Attached::Peer(peer), publication)) => {
                        let control = MediaControl::Publish { peer, publication };
                        media.control(peer, control).await;
                    }
                    Some((Attached::Inlet(inlet), publication)) => {
                        media.publish_inlet(inlet, publication).await;
                    }
                    None => {}
                }
            }
            Effect::Subscribe {
                connection,
                publication,
            } => {
                let attached = self
                    .connections()
                    .attach(&connection, &publication, || media.fresh_publication());
                if let Some((Attached::Peer(peer), publication)) = attached {
                    let control = MediaControl::Subscribe { peer, publication };
                    media.control(peer, control).await;
                }
            }
            Effect::Close { connection, reason } => {
                let removed = self.connections().remove(&connection);
                if let Some(live) = removed {
                    self.close(connection, live, reason).await;
                }
            }
            Effect::Revoke { stage, participant } => {
                let name = join::relay_name(&stage, &participant);
                // No credential lasts longer than its token.
                let longest = Duration::from_secs(TOKEN_LIFE_MAX_S.unsigned_abs());
                self.inner.media.withdraw_from_relay(&name, longest);
            }
            Effect::RevokeConnectionToken { token } => {
                self.inner.connection_sockets.revoke(&token);
                let name = connection_tokens::relay_name(&token);
                // Connection tokens are withdrawn for as long as they may live.
                let longest = Duration::from_secs(CONNECTION_TOKEN_LIFE_MAX_S.unsigned_abs());
                self.inner.media.withdraw_from_relay(&name, longest);
            }
            Effect::RunJob { job } => self.inner.jobs.run(*job, self),
            Effect::TellJob { job } => self.inner.jobs.tell(*job),
            Effect::StopJob { job, generation } => self.inner.jobs.stop(&job, generation),
            Effect::AbandonJob { job, generation } => self.inner.jobs.abandon(&job, generation),
            Effect::FinishRecording { recording } => {
                self.inner.jobs.complete(RECORDING_JOB, &recording.job());
            }
            Effect::FinishCompositionDestination {
                composition,
                destination,
            } => {
                let (job, part) = (composition.job(), destination.as_str());
                self.inner.jobs.complete_part(COMPOSITION_JOB, &job, part);
            }
            Effect::StageChanged { stage } => self.inner.hub.mark(&stage),
        }
    }

    /// Closes a connection's peer. No event follows.
    async fn close_peer(&self, peer: PeerId) {
        let control = MediaControl::Close { peer };
        self.inner.media.control(peer, control).await;
    }

    /// Closes a connection that the rules have ended.
    async fn close(&self, connection: ConnectionId, live: Live, reason: CloseReason) {
        let peer = match &live.reach {
            Reach::Peer(peer) => *peer,
            Reach::Socket(socket) => {
                socket.close.send_replace(Some(SocketClose::Rules(reason)));
                return;
            }
            Reach::Inlet(ingest) => {
                if reason == CloseReason::LimitExceeded {
                    self.tell(&About::live(&connection, &live), &Trouble::too_long(), true);
                }
                ingest.close.send_replace(Some(IngestClose::Rules(reason)));
                self.inner.media.close_inlet(ingest.inlet).await;
                return;
            }
        };
        self.remember(&connection, &live, Ending::of_rules(reason));
        if let Some(publication) = live.publication().as_ref().filter(|_| live.is_muted()) {
            // The connection that replaces it says nothing of the kind, and the participant's row stays the same.
            self.inner.hub.mark_publication(publication);
        }
        if reason == CloseReason::LimitExceeded {
            self.tell(&About::live(&connection, &live), &Trouble::too_long(), true);
        }
        if reason == CloseReason::Replaced && !live.is_connected {
            // It waits for an answer of the worker, and the following effects must not wait for it.
            let control = self.clone();
            tokio::spawn(async move { control.let_go(peer, &connection, &live).await });
            return;
        }
        self.close_peer(peer).await;
    }

    /// Turns media events into commands. Those of one peer stay in order; those of different peers run concurrently, so
    /// that a thousand joins share commits.
    async fn serve_media(self, mut events: mpsc::Receiver<MediaEvent>) {
        let mut turns: Turns<PeerId, MediaEvent> = Turns::default();
        let apply_event = |event| self.clone().apply_event(event);
        loop {
            tokio::select! {
                event = events.recv(), if turns.running() < MEDIA_COMMANDS_MAX => {
                    let Some(event) = event else { return };
                    turns.add(event.peer(), event, apply_event);
                }
                Some(done) = turns.next(apply_event) => {
                    if let Err(peer) = done {
                        tracing::error!(peer = peer.0, "taking up a media event panicked; the next one goes on");
                    }
                }
            }
        }
    }

    async fn apply_event(self, event: MediaEvent) {
        let peer = event.peer();
        if let MediaEvent::Gone(_, reason) = &event
            && self.carrier_gone(peer, reason)
        {
            return;
        }
        let Some(connection) = self.connections().by_peer(peer).cloned() else {
            return;
        };
        let command = match event {
            MediaEvent::Connected(_) => {
                let connected = self.connections().connected(&connection);
                connected.map(|(stage, participant)| Command::ConnectionEstablished {
                    connection,
                    stage,
                    participant,
                })
            }
            MediaEvent::Undecodable(_, kind, published) => {
                self.goes_on_without(connection, kind, &published)
            }
            MediaEvent::LayersWanted(_, layers) => {
                self.connections().want_layers(&connection, layers);
                None
            }
            MediaEvent::Stream(_, state) => {
                self.connections().show(&connection, state);
                None
            }
            MediaEvent::Gone(_, reason) => {
                let removed = self.connections().remove(&connection);
                if let Some(Reach::Inlet(ingest)) = removed.as_ref().map(|live| &live.reach) {
                    let reason = IngestClose::Media(reason.clone());
                    ingest.close.send_replace(Some(reason));
                }
                removed.map(|live| self.lost(peer, connection, &live, &reason))
            }
        };
        if let Some(command) = command {
            self.report(command).await;
        }
    }

    /// Executes a command that no caller waits for. While the store fails it is repeated, because a lost report
    /// would leave a connection in the rows that no longer exists, until the next start.
    pub(crate) async fn report(&self, command: Command) {
        let mut pause = REPORT_RETRY_FIRST;
        loop {
            match self.execute("", command.clone()).await {
                Err(Failure::Store(StoreError::Closed)) => return,
                Err(Failure::Store(error)) if error.is_final() => return,
                Err(Failure::Store(error)) => {
                    tracing::error!(%error, "a report of the media plane could not be written yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(REPORT_RETRY_MAX);
                }
                Ok(_) | Err(Failure::Refused(_)) => return,
            }
        }
    }

    /// Ends a connection because its client left.
    async fn closed(&self, connection: ConnectionId, stage: StageId, participant: ParticipantId) {
        let control = self.clone();
        let command = Command::ConnectionClosed {
            connection,
            stage,
            participant,
        };
        // Recorded even if the caller stops waiting, because a client may disconnect after its request.
        let reporting = tokio::spawn(async move { control.report(command).await });
        reporting.await.ok();
    }

    async fn serve_states(self) {
        loop {
            for stage in self.inner.hub.changed().await {
                match self.inner.store.publishing_participants(&stage).await {
                    Ok(mut publishing) => {
                        // Nobody can subscribe to one stream of a redundant ingest.
                        publishing.retain(|row| !row.is_physical());
                        let shown: Vec<Shown> = {
                            let connections = self.connections();
                            let rows = publishing.into_iter();
                            rows.map(|participant| {
                                let publication = publication_of(&participant);
                                let muted = connections.muted(&publication);
                                Shown {
                                    participant,
                                    publication,
                                    muted,
                                }
                            })
                            .collect()
                        };
                        let state = stage_state(&stage, &shown);
                        self.inner.hub.push(&stage, state, shown);
                    }
                    Err(error) => tracing::error!(%error, "cannot read a stage's publishers"),
                }
            }
        }
    }

    /// Tells the listeners of stages who speaks. It looks from time to time, so that no packet and no worker waits for it.
    async fn serve_speakers(self) {
        let mut tick = tokio::time::interval(SPEAKERS_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let heard = self.inner.media.take_loudness();
            let heard = {
                let connections = self.connections();
                let heard = heard.into_iter();
                heard
                    .filter_map(|(handle, level)| {
                        let publication = connections.publication_of(handle)?.clone();
                        // Viewers are told that it is muted, so it counts as silent whatever it sends.
                        let is_muted = connections.muted(&publication).audio;
                        Some((publication, if is_muted { SILENT } else { level }))
                    })
                    .collect()
            };
            self.inner.hub.hear(report::now(), &heard);
        }
    }

    async fn serve_time(self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut clocks = StepWatch::new(clock::now(), clock::steady());
        let mut logged: Option<Instant> = None;
        loop {
            let before = Instant::now();
            tick.tick().await;
            clock::log_standstill(before.elapsed(), TICK);
            if let Some(step) = clocks.look(clock::now(), clock::steady()) {
                clock::log_step(step);
            }
            // What is open is closed by now, and what is due belongs to the next start.
            if self.inner.is_stopping.load(Ordering::Acquire) {
                continue;
            }
            let error = match self.execute("", Command::Tick).await {
                // Once the store is closed there is nothing to check.
                Err(Failure::Store(StoreError::Closed)) => return,
                Err(error) => error,
                Ok(_) => {
                    logged = None;
                    continue;
                }
            };
            if logged.is_none_or(|at| at.elapsed() >= TICK_FAILURE_EVERY) {
                logged = Some(Instant::now());
                tracing::error!(%error, "windows and idle sessions could not be looked at");
            }
        }
    }
}

impl Executor for Control {
    async fn execute(&self, command: Command) -> Result<Reply, Failure> {
        Self::execute(self, "", command).await
    }
}
