//! Checks of the rows and the history, for after every decision.

use std::collections::{BTreeMap, BTreeSet};

use restage_core::id::{ParticipantId, StageId, StageSessionId};
use restage_core::limits::{JOB_ATTEMPTS_MAX, JOBS_PER_STAGE_MAX};
use restage_core::row::{
    Connection, ConnectionKind, IngestConfiguration, JobState, Participant, Plain as _,
    RECORDING_JOB, Recording, RecordingState, Replication, StageEventName, StageSession,
};
use restage_core::{Census, Change, Decision, Limits, World};

use crate::compositions::audit_compositions;

/// Checks the whole world.
///
/// # Panics
/// Something does not hold.
#[track_caller]
pub fn audit(world: &World, limits: &Limits) {
    for session in world.sessions.values() {
        audit_session(world, session, limits);
    }
    for row in world.participants.values() {
        audit_participant(world, row);
    }
    audit_replicas(world, limits);
    audit_connections(world);
    audit_history(world);
    audit_jobs(world);
    audit_recordings(world);
    audit_compositions(world, limits);
}

fn is_active(world: &World, id: &StageSessionId) -> bool {
    world
        .sessions
        .get(id)
        .is_some_and(|row| row.ended_at.is_none())
}

fn connections<'a>(world: &'a World, row: &'a Participant) -> impl Iterator<Item = &'a Connection> {
    world
        .connections
        .values()
        .filter(|open| open.session == row.session && open.participant == row.id)
}

#[track_caller]
fn audit_session(world: &World, session: &StageSession, limits: &Limits) {
    let stage = &world.stages[&session.stage];
    let named = stage.active_session.as_ref() == Some(&session.id);
    assert_eq!(
        named,
        session.ended_at.is_none(),
        "a stage names its session in progress: {session:?}"
    );
    assert!(
        session.ended_at.is_none_or(|at| at >= session.started_at),
        "{session:?} ends before it begins"
    );
    if session.ended_at.is_some() {
        return;
    }
    let occupancy = world.occupancy_of(&session.id);
    assert_eq!(
        session.idle_since.is_none(),
        occupancy.publishing > 0,
        "idle while nobody publishes: {session:?}"
    );
    assert!(occupancy.publishing <= occupancy.publishers);
    assert!(
        occupancy.publishers <= u64::from(limits.publishers_per_stage),
        "{session:?}: {occupancy:?}"
    );
    assert!(
        occupancy.subscribers <= u64::from(limits.subscribers_per_stage),
        "{session:?}: {occupancy:?}"
    );
}

#[track_caller]
fn audit_participant(world: &World, row: &Participant) {
    let session = &world.sessions[&row.session];
    assert_eq!(session.stage, row.stage);
    assert!(
        !row.publishing || (row.connected && row.published),
        "{row:?}"
    );
    assert!(!row.connected || session.ended_at.is_none(), "{row:?}");
    let outgoing = |active: bool| {
        world.replicas.values().any(|replica| {
            replica.source_session == row.session
                && replica.participant == row.id
                && (replica.active || !active)
        })
    };
    match &row.replication {
        Replication::Replica {
            active,
            source_stage,
            source_session,
        } => {
            assert_eq!(
                connections(world, row).count(),
                0,
                "replicas have no connections: {row:?}"
            );
            let key = (source_session.clone(), row.id.clone(), row.session.clone());
            let replica = world.replicas.get(&key);
            assert!(
                replica.is_some() || !world.stages.contains_key(source_stage),
                "{row:?}"
            );
            assert_eq!(
                replica.is_some_and(|replica| replica.active),
                *active,
                "{row:?}"
            );
            let shown =
                replica.is_some_and(|replica| replica.active && replica.window_ends_at.is_none());
            assert_eq!((row.connected, row.publishing), (shown, shown), "{row:?}");
            assert!(!outgoing(false), "replicas are not replicated: {row:?}");
        }
        Replication::None | Replication::Source { .. } => {
            assert_eq!(
                row.replication == Replication::None,
                !outgoing(false),
                "{row:?}"
            );
            assert_eq!(
                row.replication == Replication::Source { active: true },
                outgoing(true),
                "{row:?}"
            );
            let sources = sources(world, row);
            let open = || sources.iter().flat_map(|row| connections(world, row));
            assert_eq!(row.connected, open().count() > 0, "{row:?}");
            let feeds = open().any(|open| open.kind == ConnectionKind::Publish && open.established);
            assert_eq!(row.publishing, feeds, "{row:?}");
            if row.ingest.is_some() {
                audit_ingest(world, row);
            } else if world
                .tokens
                .get(&(row.stage.clone(), row.id.clone()))
                .is_none_or(|token| token.revoked_at.is_some())
            {
                assert!(!row.connected, "the token of {row:?} is dead");
            }
        }
    }
}

/// The participants whose connections carry this one: itself, or the streams of the redundant ingest that it shows.
fn sources<'a>(world: &'a World, row: &'a Participant) -> Vec<&'a Participant> {
    if !row.is_virtual() {
        return vec![row];
    }
    assert_eq!(connections(world, row).count(), 0, "{row:?}");
    let link = row.ingest.as_ref().unwrap();
    let others = link.others(&row.id);
    others
        .filter_map(|id| world.participants.get(&(row.session.clone(), id.clone())))
        .collect()
}

/// What publishes by an ingest configuration has its stage and its participants.
#[track_caller]
fn audit_ingest(world: &World, row: &Participant) {
    if !row.connected {
        return;
    }
    let link = row.ingest.clone().unwrap();
    let configuration = world.plain.get(&link.configuration.clone().into());
    let configuration = configuration.and_then(IngestConfiguration::of).unwrap();
    assert_eq!(configuration.stage.as_ref(), Some(&row.stage), "{row:?}");
    assert_eq!(configuration.link(&row.id), link, "{row:?}");
    assert!(configuration.participants().contains(&&row.id), "{row:?}");
    let open = connections(world, row);
    assert!(
        open.into_iter()
            .all(|open| open.kind == ConnectionKind::Publish),
        "{row:?}"
    );
}

#[track_caller]
fn audit_replicas(world: &World, limits: &Limits) {
    let mut active: BTreeMap<(&StageSessionId, &ParticipantId), u32> = BTreeMap::new();
    for (key, row) in &world.replicas {
        assert_eq!(*key, row.key());
        if !row.active {
            assert_eq!(row.window_ends_at, None, "{row:?}");
            continue;
        }
        *active
            .entry((&row.source_session, &row.participant))
            .or_default() += 1;
        assert!(
            is_active(world, &row.source_session) && is_active(world, &row.destination_session),
            "{row:?}"
        );
        let source = &world.participants[&(row.source_session.clone(), row.participant.clone())];
        assert_eq!(
            source.publishing,
            row.window_ends_at.is_none(),
            "a window runs while the publisher is away: {row:?}"
        );
        assert!(
            row.window_ends_at.is_none() || row.reconnect_window_s > 0,
            "{row:?}"
        );
        let there =
            &world.participants[&(row.destination_session.clone(), row.participant.clone())];
        assert_eq!(there.user_id, source.user_id);
        let mut shown = source.attributes.clone();
        shown.extend(row.attributes.clone());
        assert_eq!(there.attributes, shown, "overrides lie on top: {row:?}");
    }
    for (participant, count) in active {
        assert!(
            count <= limits.replications_per_participant,
            "{participant:?} has {count} replications"
        );
    }
}

#[track_caller]
fn audit_connections(world: &World) {
    let mut kinds = BTreeSet::new();
    for row in world.connections.values() {
        assert!(is_active(world, &row.session), "{row:?}");
        assert!(
            kinds.insert((&row.session, &row.participant, &row.kind)),
            "two of a kind: {row:?}"
        );
        assert!(
            world
                .participants
                .contains_key(&(row.session.clone(), row.participant.clone())),
            "{row:?}"
        );
        if let ConnectionKind::Subscribe { publisher } = &row.kind {
            let watched = &world.participants[&(row.session.clone(), publisher.clone())];
            assert!(!watched.is_physical(), "{row:?}");
            assert!(
                watched.publishing || watched.in_replication(),
                "{row:?} watches nothing: {watched:?}"
            );
        }
    }
}

#[track_caller]
fn audit_jobs(world: &World) {
    let mut live: BTreeMap<&StageId, usize> = BTreeMap::new();
    for (id, row) in &world.jobs {
        assert_eq!(*id, row.id);
        assert_eq!(row.ended_at.is_none(), row.is_live(), "{row:?}");
        assert!(
            row.generation > 0,
            "a job is started when it is made: {row:?}"
        );
        match &row.state {
            JobState::Running(lease) => assert!(lease.started_at < lease.ends_at, "{row:?}"),
            JobState::Pending { .. } => {
                assert!(row.attempts < JOB_ATTEMPTS_MAX, "{row:?}");
            }
            JobState::Done { .. } | JobState::Failed { .. } => {
                assert!(world.stages.contains_key(&row.stage), "{row:?}");
            }
        }
        *live.entry(&row.stage).or_default() += usize::from(row.is_live());
    }
    assert!(live.values().all(|count| *count <= JOBS_PER_STAGE_MAX));
}

#[track_caller]
fn audit_recordings(world: &World) {
    let mut open = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for (id, row) in &world.recordings {
        assert_eq!(*id, row.id);
        assert!(
            prefixes.insert(&row.prefix),
            "its prefix is another's: {row:?}"
        );
        assert_eq!(row.is_open(), row.ended_at.is_none(), "{row:?}");
        match row.state {
            RecordingState::Failed => assert!(row.failure.is_some(), "{row:?}"),
            // The capture may have failed, and the rest is on its way.
            RecordingState::Stopping => {}
            _ => assert_eq!(row.failure, None, "{row:?}"),
        }
        assert!(
            row.state != RecordingState::Active || row.started_at.is_some(),
            "{row:?}"
        );
        if !row.is_open() {
            assert_eq!(
                (&row.publication, row.window_ends_at),
                (&None, None),
                "{row:?}"
            );
            continue;
        }
        assert!(
            open.insert((&row.stage, &row.participant)),
            "two at once: {row:?}"
        );
        assert_eq!(
            row.publication.is_none(),
            row.window_ends_at.is_some(),
            "{row:?}"
        );
        audit_open(world, row);
    }
    for row in world.participants.values() {
        let Some(named) = &row.recording else {
            continue;
        };
        let recording = &world.recordings[&named.id];
        assert_eq!(
            (
                &recording.stage,
                &recording.participant,
                recording.created_at
            ),
            (&row.stage, &row.id, named.since)
        );
    }
}

/// An open recording has a job, and captures what its participant publishes.
#[track_caller]
fn audit_open(world: &World, row: &Recording) {
    let job = &world.jobs[&row.id.job()];
    assert!(
        job.is_live() && job.kind == RECORDING_JOB,
        "{job:?} of {row:?}"
    );
    let stage = &world.stages[&row.stage];
    let Some(key) = &row.publication else {
        assert!(
            job.spec.contains(r#""publication":null"#),
            "{job:?} of {row:?}"
        );
        return;
    };
    let publisher = &world.participants[&(key.session.clone(), key.participant.clone())];
    assert!(
        publisher.publishing && !publisher.is_replica(),
        "{publisher:?} of {row:?}"
    );
    let session = stage.active_session.clone().unwrap();
    let shown = &world.participants[&(session, row.participant.clone())];
    assert!(shown.publishing, "{shown:?} of {row:?}");
    assert_eq!(
        shown.recording.as_ref().map(|named| &named.id),
        Some(&row.id)
    );
    let of_source = format!(r#""publication":{{"session":"{}""#, key.session);
    assert!(job.spec.contains(&of_source), "{job:?} of {row:?}");
    let paused = format!(r#""paused":{}"#, row.paused);
    assert!(job.spec.contains(&paused), "{job:?} of {row:?}");
}

/// Every kind of line comes in pairs, and what is begun and not ended is what the rows say.
#[track_caller]
fn audit_history(world: &World) {
    use StageEventName as Name;
    /// Begun and not ended: joined, publishing, subscribed to whom, replicated to where.
    #[derive(Default, Debug, PartialEq)]
    struct Open {
        joined: bool,
        publishing: bool,
        subscriptions: BTreeSet<ParticipantId>,
        replications: BTreeSet<StageSessionId>,
    }
    let mut open: BTreeMap<(StageSessionId, ParticipantId), Open> = BTreeMap::new();
    let mut latest = BTreeMap::new();
    for event in &world.events {
        assert!(
            world.sessions.contains_key(&event.session),
            "history of a session: {event:?}"
        );
        let key = (event.session.clone(), event.participant.clone());
        let before = latest.insert(key.clone(), event.at);
        assert!(before.is_none_or(|before| before <= event.at), "{event:?}");
        let state = open.entry(key).or_default();
        let remote = event.remote_participant.clone();
        let destination = event
            .destination
            .as_ref()
            .map(|(_, session)| session.clone());
        let in_turn = match event.name {
            Name::Joined => !std::mem::replace(&mut state.joined, true),
            Name::Left => std::mem::replace(&mut state.joined, false),
            Name::PublishStarted => state.joined && !std::mem::replace(&mut state.publishing, true),
            Name::PublishStopped => state.joined && std::mem::replace(&mut state.publishing, false),
            Name::SubscribeStarted => state.joined && state.subscriptions.insert(remote.unwrap()),
            Name::SubscribeStopped => state.joined && state.subscriptions.remove(&remote.unwrap()),
            Name::ReplicationStarted => {
                state.joined && state.replications.insert(destination.unwrap())
            }
            Name::ReplicationStopped => state.replications.remove(&destination.unwrap()),
            Name::TokenExchanged => state.joined && event.exchange.is_some(),
            Name::PublishError | Name::SubscribeError | Name::JoinError => event.error.is_some(),
        };
        assert!(in_turn, "out of turn: {event:?}");
    }
    for (key, row) in &world.participants {
        let subscriptions = connections(world, row)
            .filter(|open| open.established)
            .filter_map(|open| match &open.kind {
                ConnectionKind::Subscribe { publisher } => Some(publisher.clone()),
                _ => None,
            });
        let replications = world.replicas.values().filter(|replica| {
            replica.active && replica.source_session == row.session && replica.participant == row.id
        });
        let expected = Open {
            // A replica is there from the start of its replication to the end, windows included.
            joined: if row.is_replica() {
                row.in_replication()
            } else {
                row.connected
            },
            publishing: row.publishing,
            subscriptions: subscriptions.collect(),
            replications: replications
                .map(|replica| replica.destination_session.clone())
                .collect(),
        };
        assert_eq!(
            open.remove(key),
            Some(expected),
            "history and rows agree on {key:?}"
        );
    }
    for (key, rest) in open {
        assert_eq!(rest, Open::default(), "{key:?} never joined");
    }
}

/// A row is written at most once, and only if it is another than before.
///
/// # Panics
/// It is not so.
#[track_caller]
pub fn changes_are_minimal(world: &World, decision: &Decision) {
    let mut seen = BTreeSet::new();
    for change in &decision.changes {
        let (name, is_news) = match change {
            Change::PutStage(row) => (
                format!("{:?}", row.id),
                world.stages.get(&row.id) != Some(row),
            ),
            Change::DeleteStage(id) => (format!("{id:?}"), world.stages.contains_key(id)),
            Change::PutToken(row) => (
                format!("token {:?} {:?}", row.stage, row.participant),
                world
                    .tokens
                    .get(&(row.stage.clone(), row.participant.clone()))
                    != Some(row),
            ),
            Change::PutRevokedConnectionToken(row) => (
                format!("revocation {:?}", row.key()),
                world.revocations.get(&row.key()) != Some(row),
            ),
            Change::PutPlain(row) => (
                format!("{:?}", row.id()),
                world.plain.get(&row.id()) != Some(row),
            ),
            Change::DeletePlain(id) => (format!("{id:?}"), world.plain.contains_key(id)),
            Change::PutSession(row) => (
                format!("{:?}", row.id),
                world.sessions.get(&row.id) != Some(row),
            ),
            Change::PutParticipant(row) => {
                let key = (row.session.clone(), row.id.clone());
                (
                    format!("{key:?}"),
                    world.participants.get(&key) != Some(row),
                )
            }
            Change::PutReplica(row) => (
                format!("{:?}", row.key()),
                world.replicas.get(&row.key()) != Some(row),
            ),
            Change::PutConnection(row) => (
                format!("{:?}", row.id),
                world.connections.get(&row.id) != Some(row),
            ),
            Change::DeleteConnection(id) => (format!("{id:?}"), world.connections.contains_key(id)),
            Change::PutJob(row) => (
                format!("{:?}", row.id),
                world.jobs.get(&row.id) != Some(row),
            ),
            Change::DeleteJob(id) => (format!("{id:?}"), world.jobs.contains_key(id)),
            Change::PutRecording(row) => (
                format!("recording {:?}", row.id),
                world.recordings.get(&row.id) != Some(row),
            ),
            Change::PutComposition(row) => (
                format!("composition {:?}", row.id),
                world.compositions.get(&row.id) != Some(row),
            ),
            Change::DeleteComposition(id) => (
                format!("composition {id:?}"),
                world.compositions.contains_key(id),
            ),
            Change::AddEvent(_) => continue,
            Change::Count { session, by, .. } => {
                (format!("count {session:?}"), *by != Census::default())
            }
        };
        assert!(is_news, "nothing new in {change:?}");
        assert!(seen.insert(name), "twice: {change:?}");
    }
}
