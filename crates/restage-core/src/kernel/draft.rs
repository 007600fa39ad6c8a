//! A decision in the making: the rows given, the changes laid over them, the history and the effects.
//!
//! What follows from row changes alone is worked out once, in [`Draft::finish`]: since when a session is
//! idle, and which stages' publishers changed. So no rule can forget it.

mod census;
mod compositions;
mod connections;
mod finish;
mod notices;
mod recordings;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ConnectionId, JobId, ParticipantId, StageId, StageSessionId};
use crate::kernel::context::Context;
use crate::kernel::decision::{CloseReason, Effect};
use crate::kernel::overlay::Overlay;
use crate::kernel::world::{Occupancy, RegionCount, World};
use crate::row::{
    Composition, CompositionId, Connection, ConnectionKind, ConnectionTokenKey, Job, Participant,
    PlainId, PlainRow, PublicationKey, Recording, RecordingId, Replica, ReplicaKey,
    RevokedConnectionToken, Stage, StageEvent, StageEventName, StageSession, Token,
};

type Presence = (StageSessionId, ParticipantId);
type Index = BTreeMap<Presence, BTreeSet<ConnectionId>>;

/// A decision in the making. See the module.
pub(crate) struct Draft<'a> {
    pub(crate) context: &'a Context,
    world: &'a World,
    stages: Overlay<'a, StageId, Stage>,
    sessions: Overlay<'a, StageSessionId, StageSession>,
    tokens: Overlay<'a, (StageId, ParticipantId), Token>,
    revocations: Overlay<'a, ConnectionTokenKey, RevokedConnectionToken>,
    plain: Overlay<'a, PlainId, PlainRow>,
    participants: Overlay<'a, Presence, Participant>,
    replicas: Overlay<'a, ReplicaKey, Replica>,
    connections: Overlay<'a, ConnectionId, Connection>,
    jobs: Overlay<'a, JobId, Job>,
    recordings: Overlay<'a, RecordingId, Recording>,
    compositions: Overlay<'a, CompositionId, Composition>,
    /// Ids of the recordings of participants, whatever their stage.
    by_recorded: BTreeMap<ParticipantId, BTreeSet<RecordingId>>,
    by_participant: Index,
    by_publisher: Index,
    deleted: BTreeSet<StageId>,
    events: Vec<StageEvent>,
    /// User ids of participants whose connection failed; these may have no row.
    claimed_users: BTreeMap<ParticipantId, String>,
    effects: Vec<Effect>,
    /// Number of recordings that this decision begins.
    recordings_begun: u32,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(world: &'a World, context: &'a Context) -> Self {
        let mut draft = Self {
            context,
            world,
            stages: Overlay::new(&world.stages),
            sessions: Overlay::new(&world.sessions),
            tokens: Overlay::new(&world.tokens),
            revocations: Overlay::new(&world.revocations),
            plain: Overlay::new(&world.plain),
            participants: Overlay::new(&world.participants),
            replicas: Overlay::new(&world.replicas),
            connections: Overlay::new(&world.connections),
            jobs: Overlay::new(&world.jobs),
            recordings: Overlay::new(&world.recordings),
            compositions: Overlay::new(&world.compositions),
            by_recorded: BTreeMap::new(),
            by_participant: Index::new(),
            by_publisher: Index::new(),
            deleted: BTreeSet::new(),
            events: Vec::new(),
            claimed_users: BTreeMap::new(),
            effects: Vec::new(),
            recordings_begun: 0,
        };
        for connection in world.connections.values() {
            draft.index(connection);
        }
        for recording in world.recordings.values() {
            draft.index_recording(recording);
        }
        draft
    }

    /// The rows as they were given.
    pub(crate) const fn given(&self) -> &'a World {
        self.world
    }

    // Stages, sessions, tokens, plain resources.

    pub(crate) fn stage(&self, id: &StageId) -> Option<&Stage> {
        self.stages.get(id)
    }

    pub(crate) fn edit_stage(&mut self, id: &StageId) -> Option<&mut Stage> {
        self.stages.edit(id)
    }

    pub(crate) fn put_stage(&mut self, row: Stage) {
        self.stages.put(row.id.clone(), row);
    }

    /// Drops the stage and every change so far to what goes with it.
    pub(crate) fn delete_stage(&mut self, id: &StageId) {
        self.deleted.insert(id.clone());
    }

    /// The session in progress, if the stage and the session are there.
    pub(crate) fn active_session(&self, stage: &StageId) -> Option<StageSessionId> {
        let id = self.stages.get(stage)?.active_session.as_ref()?;
        self.sessions.get(id).map(|row| row.id.clone())
    }

    pub(crate) fn session(&self, id: &StageSessionId) -> Option<&StageSession> {
        self.sessions.get(id)
    }

    /// Sessions that are others now, as (id, before, after).
    pub(crate) fn session_differences(
        &self,
    ) -> impl Iterator<
        Item = (
            &StageSessionId,
            Option<&StageSession>,
            Option<&StageSession>,
        ),
    > {
        self.sessions.differences()
    }

    /// The sessions in progress of stages that go with this decision.
    pub(crate) fn deleted_sessions(&self) -> Vec<(StageId, StageSessionId)> {
        let active = |stage: &StageId| Some((stage.clone(), self.active_session(stage)?));
        self.deleted.iter().filter_map(active).collect()
    }

    pub(crate) fn edit_session(&mut self, id: &StageSessionId) -> Option<&mut StageSession> {
        self.sessions.edit(id)
    }

    pub(crate) fn put_session(&mut self, row: StageSession) {
        self.sessions.put(row.id.clone(), row);
    }

    pub(crate) fn token(&self, stage: &StageId, id: &ParticipantId) -> Option<&Token> {
        self.tokens.get(&(stage.clone(), id.clone()))
    }

    pub(crate) fn edit_token(&mut self, stage: &StageId, id: &ParticipantId) -> Option<&mut Token> {
        self.tokens.edit(&(stage.clone(), id.clone()))
    }

    pub(crate) fn put_token(&mut self, row: Token) {
        self.tokens
            .put((row.stage.clone(), row.participant.clone()), row);
    }

    pub(crate) fn is_revoked(&self, token: &ConnectionTokenKey) -> bool {
        self.revocations.get(token).is_some()
    }

    /// Writes that a connection token is revoked, and orders its own sockets ended.
    pub(crate) fn put_revocation(&mut self, row: RevokedConnectionToken) {
        let token = row.key();
        self.revocations.put(token.clone(), row);
        self.effects.push(Effect::RevokeConnectionToken { token });
    }

    pub(crate) fn plain(&self, id: &PlainId) -> Option<&PlainRow> {
        self.plain.get(id)
    }

    pub(crate) fn put_plain(&mut self, row: PlainRow) {
        self.plain.put(row.id(), row);
    }

    pub(crate) fn remove_plain(&mut self, id: &PlainId) {
        self.plain.remove(id);
    }

    // Participants.

    pub(crate) fn participant(
        &self,
        session: &StageSessionId,
        id: &ParticipantId,
    ) -> Option<&Participant> {
        self.participants.get(&(session.clone(), id.clone()))
    }

    pub(crate) fn edit_participant(
        &mut self,
        session: &StageSessionId,
        id: &ParticipantId,
    ) -> Option<&mut Participant> {
        self.participants.edit(&(session.clone(), id.clone()))
    }

    pub(crate) fn put_participant(&mut self, row: Participant) {
        self.participants
            .put((row.session.clone(), row.id.clone()), row);
    }

    /// Ids of the participant rows of a session, in order.
    pub(crate) fn participants_of(&self, session: &StageSessionId) -> Vec<ParticipantId> {
        let first = (session.clone(), ParticipantId::new(""));
        let keys = self.participants.keys_from(&first, |(of, _)| of == session);
        keys.into_iter().map(|(_, id)| id).collect()
    }

    /// Participants that are others now, as (key, before, after).
    pub(crate) fn participant_differences(
        &self,
    ) -> impl Iterator<Item = (&Presence, Option<&Participant>, Option<&Participant>)> {
        self.participants.differences()
    }

    /// Connections that are others now, as (id, before, after).
    pub(crate) fn connection_differences(
        &self,
    ) -> impl Iterator<Item = (&ConnectionId, Option<&Connection>, Option<&Connection>)> {
        self.connections.differences()
    }

    /// Whether this id stands for a replica in this session.
    pub(crate) fn is_replica(&self, session: &StageSessionId, id: &ParticipantId) -> bool {
        self.participant(session, id)
            .is_some_and(Participant::is_replica)
    }

    /// How much an account had live in a region before this decision.
    pub(crate) fn region_count(&self, account: &str, region: &str) -> RegionCount {
        self.world.region_count(account, region)
    }

    /// How full a session was before this decision.
    pub(crate) fn occupancy(&self, session: &StageSessionId) -> Occupancy {
        self.world.occupancy_of(session)
    }

    // Replicas.

    /// How many ACTIVE replicas a participant that joined this session had before this decision.
    pub(crate) fn replications(&self, source: &StageSessionId, id: &ParticipantId) -> u64 {
        self.world.replications_of(source, id)
    }

    pub(crate) fn replica(&self, key: &ReplicaKey) -> Option<&Replica> {
        self.replicas.get(key)
    }

    pub(crate) fn edit_replica(&mut self, key: &ReplicaKey) -> Option<&mut Replica> {
        self.replicas.edit(key)
    }

    pub(crate) fn put_replica(&mut self, row: Replica) {
        self.replicas.put(row.key(), row);
    }

    /// Keys of the ACTIVE replicas of a participant that joined this session, by destination session.
    pub(crate) fn active_replicas(
        &self,
        source: &StageSessionId,
        participant: &ParticipantId,
    ) -> Vec<ReplicaKey> {
        let first = (source.clone(), participant.clone(), StageSessionId::new(""));
        let mut keys = self.replicas.keys_from(&first, |(session, id, _)| {
            session == source && id == participant
        });
        keys.retain(|key| self.replicas.get(key).is_some_and(|row| row.active));
        keys
    }

    // History and effects.

    /// The history so far.
    pub(crate) fn events(&self) -> &[StageEvent] {
        &self.events
    }

    /// Keeps the user id of a token whose bearer may have no row.
    pub(crate) fn claim_user(&mut self, participant: &ParticipantId, user_id: &str) {
        self.claimed_users
            .insert(participant.clone(), user_id.to_owned());
    }

    /// See [`claim_user`](Self::claim_user).
    pub(crate) fn claimed_user(&self, participant: &ParticipantId) -> Option<&str> {
        self.claimed_users.get(participant).map(String::as_str)
    }

    /// Adds a line to a participant's history, for a caller to complete. It says whether the participant
    /// is a replica here.
    pub(crate) fn record(
        &mut self,
        name: StageEventName,
        session: &StageSessionId,
        participant: &ParticipantId,
    ) -> &mut StageEvent {
        let index = self.events.len();
        let replica = self.is_replica(session, participant);
        self.events.push(StageEvent {
            session: session.clone(),
            participant: participant.clone(),
            name,
            at: self.context.now,
            remote_participant: None,
            error: None,
            destination: None,
            replica,
            exchange: None,
        });
        &mut self.events[index]
    }

    /// Orders that credentials of this participant are not accepted any more.
    pub(crate) fn revoke(&mut self, stage: &StageId, participant: &ParticipantId) {
        self.effects.push(Effect::Revoke {
            stage: stage.clone(),
            participant: participant.clone(),
        });
    }

    /// Orders a connection closed.
    pub(crate) fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        self.effects.push(Effect::Close { connection, reason });
    }

    /// Orders a connection to feed or to receive a publication, by its kind.
    pub(crate) fn route(
        &mut self,
        connection: ConnectionId,
        kind: &ConnectionKind,
        publication: PublicationKey,
    ) {
        match kind {
            ConnectionKind::Publish => self.effects.push(Effect::Publish {
                connection,
                publication,
            }),
            ConnectionKind::Subscribe { .. } => self.effects.push(Effect::Subscribe {
                connection,
                publication,
            }),
            ConnectionKind::Events => {}
        }
    }
}
