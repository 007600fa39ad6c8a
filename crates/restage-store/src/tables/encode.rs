//! Rows to the values of their columns.

use restage_core::row::{
    Capabilities, Connection, Job, Participant, PublicKey, Replica, StageEvent, StageSession, Token,
};

use super::decode::{
    client_text, event_error_word, event_name_word, job_state_columns, kind_columns, map_text,
    protocol_word, replication_columns,
};
use crate::sql::Cell;

// Each list below is in the order of its target's columns. The patterns name every field, so a new
// field of a row does not compile until it has a column.

pub(crate) fn token_cells(token: &Token) -> Vec<Cell> {
    let Token {
        stage,
        participant,
        expires_at,
        revoked_at,
        self_signed,
    } = token;
    let allowed = |flag: fn(&Capabilities) -> bool| {
        let flag = self_signed.as_ref().map(flag);
        Cell::OptInt(flag.map(i64::from))
    };
    vec![
        Cell::text(stage.as_str()),
        Cell::text(participant.as_str()),
        Cell::Int(expires_at.0),
        Cell::opt_time(*revoked_at),
        allowed(|of| of.publish),
        allowed(|of| of.subscribe),
    ]
}

pub(crate) fn public_key_cells(key: &PublicKey) -> Vec<Cell> {
    let PublicKey {
        id,
        account,
        region,
        name,
        tags,
        material,
        fingerprint,
        point,
        created_at,
    } = key;
    vec![
        Cell::text(id.as_str()),
        Cell::text(account),
        Cell::text(region),
        Cell::text(name),
        Cell::Text(map_text(tags)),
        Cell::text(material),
        Cell::text(fingerprint),
        Cell::text(point),
        Cell::Int(created_at.0),
    ]
}

pub(crate) fn session_cells(session: &StageSession) -> Vec<Cell> {
    let StageSession {
        id,
        stage,
        started_at,
        ended_at,
        idle_since,
    } = session;
    vec![
        Cell::text(id.as_str()),
        Cell::text(stage.as_str()),
        Cell::Int(started_at.0),
        Cell::opt_time(*ended_at),
        Cell::opt_time(*idle_since),
    ]
}

pub(crate) fn participant_cells(participant: &Participant) -> Vec<Cell> {
    let Participant {
        session,
        id,
        stage,
        user_id,
        attributes,
        connected,
        publishing,
        published,
        first_joined_at,
        protocol,
        client,
        replication,
    } = participant;
    let (word, active, source_stage, source_session) = replication_columns(replication);
    vec![
        Cell::text(session.as_str()),
        Cell::text(id.as_str()),
        Cell::text(stage.as_str()),
        Cell::text(user_id),
        Cell::Text(map_text(attributes)),
        Cell::flag(*connected),
        Cell::flag(*publishing),
        Cell::flag(*published),
        Cell::Int(first_joined_at.0),
        Cell::text(protocol_word(*protocol)),
        Cell::Text(client_text(client)),
        Cell::text(word),
        Cell::flag(active),
        Cell::opt_text(source_stage),
        Cell::opt_text(source_session),
    ]
}

pub(crate) fn replica_cells(replica: &Replica) -> Vec<Cell> {
    let Replica {
        source_stage,
        source_session,
        participant,
        destination_stage,
        destination_session,
        active,
        attributes,
        reconnect_window_s,
        window_ends_at,
        started_at,
    } = replica;
    vec![
        Cell::text(source_session.as_str()),
        Cell::text(participant.as_str()),
        Cell::text(destination_session.as_str()),
        Cell::text(source_stage.as_str()),
        Cell::text(destination_stage.as_str()),
        Cell::flag(*active),
        Cell::Text(map_text(attributes)),
        Cell::Int(i64::from(*reconnect_window_s)),
        Cell::opt_time(*window_ends_at),
        Cell::Int(started_at.0),
    ]
}

pub(crate) fn connection_cells(row: &Connection) -> Vec<Cell> {
    let Connection {
        id,
        stage,
        session,
        participant,
        kind,
        established,
        opened_at,
    } = row;
    let (word, publisher) = kind_columns(kind);
    vec![
        Cell::text(id.as_str()),
        Cell::text(stage.as_str()),
        Cell::text(session.as_str()),
        Cell::text(participant.as_str()),
        Cell::text(word),
        Cell::opt_text(publisher),
        Cell::flag(*established),
        Cell::Int(opened_at.0),
    ]
}

pub(crate) fn job_cells(job: &Job) -> Vec<Cell> {
    let (word, owner, started_at, due_at, result) = job_state_columns(job);
    let Job {
        id,
        kind,
        stage,
        session,
        participant,
        spec,
        state: _,
        generation,
        attempts,
        stop_requested,
        created_at,
        ended_at,
    } = job;
    vec![
        Cell::text(id.as_str()),
        Cell::text(kind),
        Cell::text(stage.as_str()),
        Cell::opt_text(session.as_ref().map(|id| id.as_str())),
        Cell::opt_text(participant.as_ref().map(|id| id.as_str())),
        Cell::text(spec),
        Cell::text(word),
        Cell::opt_text(owner),
        Cell::opt_time(started_at),
        Cell::opt_time(due_at),
        Cell::Int(i64::from(*generation)),
        Cell::Int(i64::from(*attempts)),
        Cell::flag(*stop_requested),
        Cell::opt_text(result),
        Cell::Int(created_at.0),
        Cell::opt_time(*ended_at),
    ]
}

pub(crate) fn event_cells(event: &StageEvent) -> Vec<Cell> {
    let StageEvent {
        session,
        participant,
        name,
        at,
        remote_participant,
        error,
        destination,
        replica,
        exchange,
    } = event;
    let destination = destination.as_ref();
    vec![
        Cell::text(session.as_str()),
        Cell::text(participant.as_str()),
        Cell::text(event_name_word(*name)),
        Cell::Int(at.0),
        Cell::opt_text(remote_participant.as_ref().map(|id| id.as_str())),
        Cell::opt_text(error.map(event_error_word)),
        Cell::opt_text(destination.map(|(stage, _)| stage.as_str())),
        Cell::opt_text(destination.map(|(_, session)| session.as_str())),
        Cell::flag(*replica),
        Cell::OptText(exchange.as_deref().map(super::exchange::to_text)),
    ]
}
