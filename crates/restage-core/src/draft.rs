//! A decision in the making: the rows given, the changes laid over them, the history and the effects.
//!
//! What follows from row changes alone is worked out once, in [`Draft::finish`]: since when a session is
//! idle, and which stages' publishers changed. So no rule can forget it.

use std::collections::{BTreeMap, BTreeSet};

use crate::census;
use crate::decision::{Change, CloseReason, Decision, Effect, PublicationKey, Reply};
use crate::error::Error;
use crate::id::{ConnectionId, ParticipantId, PublicKeyId, StageId, StageSessionId};
use crate::notice;
use crate::op::Context;
use crate::overlay::Overlay;
use crate::row::{
    Attributes, Connection, ConnectionKind, Participant, PublicKey, Replica, Stage, StageEvent,
    StageEventName, StageSession, Token,
};
use crate::world::{Occupancy, RegionCount, ReplicaKey, World};

type Presence = (StageSessionId, ParticipantId);
type Index = BTreeMap<Presence, BTreeSet<ConnectionId>>;

/// See the module.
pub(crate) struct Draft<'a> {
    pub(crate) context: &'a Context,
    world: &'a World,
    stages: Overlay<'a, StageId, Stage>,
    sessions: Overlay<'a, StageSessionId, StageSession>,
    tokens: Overlay<'a, (StageId, ParticipantId), Token>,
    public_keys: Overlay<'a, PublicKeyId, PublicKey>,
    participants: Overlay<'a, Presence, Participant>,
    replicas: Overlay<'a, ReplicaKey, Replica>,
    connections: Overlay<'a, ConnectionId, Connection>,
    by_participant: Index,
    by_publisher: Index,
    deleted: BTreeSet<StageId>,
    events: Vec<StageEvent>,
    /// Labels of those whose connection failed, who may have no row.
    claimed_users: BTreeMap<ParticipantId, String>,
    effects: Vec<Effect>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(world: &'a World, context: &'a Context) -> Self {
        let mut draft = Self {
            context,
            world,
            stages: Overlay::new(&world.stages),
            sessions: Overlay::new(&world.sessions),
            tokens: Overlay::new(&world.tokens),
            public_keys: Overlay::new(&world.public_keys),
            participants: Overlay::new(&world.participants),
            replicas: Overlay::new(&world.replicas),
            connections: Overlay::new(&world.connections),
            by_participant: Index::new(),
            by_publisher: Index::new(),
            deleted: BTreeSet::new(),
            events: Vec::new(),
            claimed_users: BTreeMap::new(),
            effects: Vec::new(),
        };
        for connection in world.connections.values() {
            draft.index(connection);
        }
        draft
    }

    /// The rows as they were given.
    pub(crate) const fn given(&self) -> &'a World {
        self.world
    }

    // Stages, sessions, tokens, keys.

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

    pub(crate) fn public_key(&self, id: &PublicKeyId) -> Option<&PublicKey> {
        self.public_keys.get(id)
    }

    pub(crate) fn put_public_key(&mut self, row: PublicKey) {
        self.public_keys.put(row.id.clone(), row);
    }

    pub(crate) fn remove_public_key(&mut self, id: &PublicKeyId) {
        self.public_keys.remove(id);
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

    // Connections.

    pub(crate) fn connection(&self, id: &ConnectionId) -> Option<&Connection> {
        self.connections.get(id)
    }

    pub(crate) fn edit_connection(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        self.connections.edit(id)
    }

    pub(crate) fn put_connection(&mut self, row: Connection) {
        self.index(&row);
        self.connections.put(row.id.clone(), row);
    }

    pub(crate) fn remove_connection(&mut self, id: &ConnectionId) -> Option<Connection> {
        let row = self.connections.remove(id)?;
        let mut forget = |index: fn(&mut Self) -> &mut Index, of: &ParticipantId| {
            let index = index(self);
            let key = (row.session.clone(), of.clone());
            if let Some(ids) = index.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    index.remove(&key);
                }
            }
        };
        forget(|draft| &mut draft.by_participant, &row.participant);
        if let ConnectionKind::Subscribe { publisher } = &row.kind {
            forget(|draft| &mut draft.by_publisher, publisher);
        }
        Some(row)
    }

    /// A participant's open connections, by id.
    pub(crate) fn connections_of(
        &self,
        session: &StageSessionId,
        participant: &ParticipantId,
    ) -> Vec<ConnectionId> {
        listed(&self.by_participant, session, participant)
    }

    pub(crate) fn has_connection(
        &self,
        session: &StageSessionId,
        participant: &ParticipantId,
    ) -> bool {
        self.by_participant
            .contains_key(&(session.clone(), participant.clone()))
    }

    /// The open subscriptions to a publisher in a session, by id.
    pub(crate) fn subscriptions_to(
        &self,
        session: &StageSessionId,
        publisher: &ParticipantId,
    ) -> Vec<ConnectionId> {
        listed(&self.by_publisher, session, publisher)
    }

    /// All open connections of a session, by participant.
    pub(crate) fn connections_in(&self, session: &StageSessionId) -> Vec<ConnectionId> {
        let first = (session.clone(), ParticipantId::new(""));
        let of_session = self
            .by_participant
            .range(first..)
            .take_while(|((of, _), _)| of == session);
        of_session
            .flat_map(|(_, ids)| ids.iter().cloned())
            .collect()
    }

    fn index(&mut self, row: &Connection) {
        let key = (row.session.clone(), row.participant.clone());
        self.by_participant
            .entry(key)
            .or_default()
            .insert(row.id.clone());
        if let ConnectionKind::Subscribe { publisher } = &row.kind {
            let key = (row.session.clone(), publisher.clone());
            self.by_publisher
                .entry(key)
                .or_default()
                .insert(row.id.clone());
        }
    }

    // History and effects.

    /// The history so far.
    pub(crate) fn events(&self) -> &[StageEvent] {
        &self.events
    }

    /// Remembers what a token says its bearer is called.
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

    /// Drops all effects so far: for a decision about connections that are gone already.
    pub(crate) fn without_effects(mut self, reply: Result<Reply, Error>) -> Decision {
        self.settle_idle();
        Decision {
            reply,
            notices: notice::of(&self),
            changes: self.changes(),
            effects: Vec::new(),
        }
    }

    /// The decision.
    pub(crate) fn finish(mut self, reply: Result<Reply, Error>) -> Decision {
        self.settle_idle();
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(
            self.changed_stages()
                .into_iter()
                .map(|stage| Effect::StageChanged { stage }),
        );
        Decision {
            reply,
            notices: notice::of(&self),
            changes: self.changes(),
            effects,
        }
    }

    /// A session is idle from the moment the last of its publishers stops.
    fn settle_idle(&mut self) {
        let mut publishing: BTreeMap<StageSessionId, u64> = BTreeMap::new();
        for ((session, _), before, after) in self.participants.differences() {
            let was = before.is_some_and(|row| row.publishing);
            let is = after.is_some_and(|row| row.publishing);
            if was != is {
                let count = publishing
                    .entry(session.clone())
                    .or_insert_with(|| self.world.publishing_in(session));
                *count = if is {
                    count.saturating_add(1)
                } else {
                    count.saturating_sub(1)
                };
            }
        }
        let now = self.context.now;
        for (session, count) in publishing {
            let Some(row) = self.sessions.edit(&session) else {
                continue;
            };
            row.idle_since = (count == 0).then_some(now);
        }
    }

    /// Stages whose publishers are others now, or say other things of themselves.
    fn changed_stages(&self) -> BTreeSet<StageId> {
        fn shown(row: &Participant) -> Option<(&str, &Attributes)> {
            row.publishing
                .then_some((row.user_id.as_str(), &row.attributes))
        }
        self.participants
            .differences()
            .filter(|(_, before, after)| before.and_then(shown) != after.and_then(shown))
            .filter_map(|(_, before, after)| after.or(before).map(|row| row.stage.clone()))
            .filter(|stage| !self.deleted.contains(stage))
            .collect()
    }

    /// Rows in the order of what refers to what, history in the order it happened, deletions last.
    fn changes(self) -> Vec<Change> {
        let gone = |stage: &StageId| self.deleted.contains(stage);
        let gone_session =
            |id: &StageSessionId| self.sessions.get(id).is_some_and(|row| gone(&row.stage));
        let mut changes = Vec::new();
        let stages = self
            .stages
            .differences()
            .filter_map(|(_, _, row)| row)
            .filter(|row| !gone(&row.id));
        changes.extend(stages.cloned().map(Change::PutStage));
        let tokens = self
            .tokens
            .differences()
            .filter_map(|(_, _, row)| row)
            .filter(|row| !gone(&row.stage));
        changes.extend(tokens.cloned().map(Change::PutToken));
        changes.extend(
            self.public_keys
                .differences()
                .map(|(id, _, row)| match row.cloned() {
                    Some(row) => Change::PutPublicKey(row),
                    None => Change::DeletePublicKey(id.clone()),
                }),
        );
        let sessions = self
            .sessions
            .differences()
            .filter_map(|(_, _, row)| row)
            .filter(|row| !gone(&row.stage));
        changes.extend(sessions.cloned().map(Change::PutSession));
        let participants = self
            .participants
            .differences()
            .filter_map(|(_, _, row)| row);
        changes.extend(
            participants
                .filter(|row| !gone(&row.stage))
                .cloned()
                .map(Change::PutParticipant),
        );
        let replicas = self.replicas.differences().filter_map(|(_, _, row)| row);
        changes.extend(
            replicas
                .filter(|row| !gone(&row.source_stage))
                .cloned()
                .map(Change::PutReplica),
        );
        let closed = self
            .connections
            .differences()
            .filter(|(_, _, row)| row.is_none());
        changes.extend(closed.map(|(id, _, _)| Change::DeleteConnection(id.clone())));
        let open = self.connections.differences().filter_map(|(_, _, row)| row);
        changes.extend(open.cloned().map(Change::PutConnection));
        changes.extend(
            self.events
                .iter()
                .filter(|row| !gone_session(&row.session))
                .cloned()
                .map(Change::AddEvent),
        );
        changes.extend(census::changes(&self));
        changes.extend(self.deleted.iter().cloned().map(Change::DeleteStage));
        changes
    }
}

fn listed(
    index: &Index,
    session: &StageSessionId,
    participant: &ParticipantId,
) -> Vec<ConnectionId> {
    index
        .get(&(session.clone(), participant.clone()))
        .map_or_else(Vec::new, |ids| ids.iter().cloned().collect())
}
