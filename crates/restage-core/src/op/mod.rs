//! One file per command. This one dispatches, and holds what several of them check.

mod connection_closed;
mod connection_established;
mod connection_exceeded;
mod connection_failed;
mod create_participant_token;
mod create_stage;
mod delete_public_key;
mod delete_stage;
mod disconnect_participant;
mod exchange_token;
mod import_public_key;
mod open_connection;
mod record_connection_error;
mod recover;
mod start_participant_replication;
mod stop_participant_replication;
mod tag_resource;
mod tick;
mod update_stage;

use std::fmt;

use crate::arn::{PublicKeyArn, StageArn};
use crate::command::{Command, Need};
use crate::decision::{Decision, Reply};
use crate::draft::Draft;
use crate::error::{Error, Fault};
use crate::id::{StageSessionId, Time};
use crate::limits::Limits;
use crate::row::{PublicKey, Stage};
use crate::world::World;

pub(crate) use tick::overdue;

/// What a decision takes from outside besides rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// The caller's account (API commands); commands of the media plane carry the stage's.
    pub account: String,
    /// The time that rows and history are written with. It never goes back, so that lists keep their order: while
    /// the wall clock is behind what was written before, it is ahead of [`wall`](Self::wall).
    pub now: Time,
    /// The wall clock, as this machine has it: what tokens expire by. It may be set, either way.
    pub wall: Time,
    /// The steady clock: it counts the time that passes, whatever the wall clock is set to. Reconnect windows, idle
    /// sessions and the age of connections are measured by it. Its times mean nothing to another process.
    pub steady: Time,
    /// The limits in force.
    pub limits: Limits,
    /// A stage session ends when nobody has been publishing for this long.
    pub session_idle_s: u32,
    /// A fresh stage session id, used if the command opens a session.
    pub fresh_session: StageSessionId,
}

type Outcome = Result<Reply, Error>;

/// Decides a command on the rows given. Total: rows that are missing count as absent.
pub fn decide(world: &World, context: &Context, command: &Command) -> Decision {
    let mut draft = Draft::new(world, context);
    let reply = answer(&mut draft, command);
    if *command == Command::Recover {
        draft.without_effects(reply)
    } else {
        draft.finish(reply)
    }
}

fn answer(draft: &mut Draft<'_>, command: &Command) -> Outcome {
    match command {
        Command::CreateStage {
            stage,
            name,
            tags,
            recording,
            tokens,
        } => create_stage::decide(draft, stage, name, tags, recording, tokens),
        Command::UpdateStage {
            stage,
            name,
            recording,
        } => update_stage::decide(draft, stage, name.as_deref(), recording.as_deref()),
        Command::DeleteStage { stage } => delete_stage::decide(draft, stage),
        Command::CreateParticipantToken { stage, token } => {
            create_participant_token::decide(draft, stage, token)
        }
        Command::ImportPublicKey {
            key,
            name,
            tags,
            material,
            fingerprint,
            point,
        } => {
            let request = import_public_key::Request {
                key,
                name,
                tags,
                material,
                fingerprint,
                point,
            };
            import_public_key::decide(draft, &request)
        }
        Command::DeletePublicKey { key } => delete_public_key::decide(draft, key),
        Command::TagResource { resource, tags } => tag_resource::tag(draft, resource, tags),
        Command::UntagResource { resource, keys } => tag_resource::untag(draft, resource, keys),
        Command::DisconnectParticipant { stage, participant } => {
            disconnect_participant::decide(draft, stage, participant)
        }
        Command::StartParticipantReplication {
            source,
            destination,
            participant,
            reconnect_window_s,
            attributes,
        } => {
            let request = start_participant_replication::Request {
                source,
                destination,
                participant,
                reconnect_window_s: *reconnect_window_s,
                attributes,
            };
            start_participant_replication::decide(draft, &request)
        }
        Command::StopParticipantReplication {
            source,
            destination,
            participant,
        } => stop_participant_replication::decide(draft, source, destination, participant),
        Command::OpenConnection {
            connection,
            kind,
            claims,
            resumes,
            protocol,
            client,
        } => {
            let request = open_connection::Request {
                connection,
                kind,
                claims,
                resumes: resumes.as_ref(),
                protocol: *protocol,
                client,
            };
            open_connection::decide(draft, &request)
        }
        Command::ExchangeToken {
            connection,
            stage,
            participant,
            claims,
        } => {
            let request = exchange_token::Request {
                connection,
                stage,
                participant,
                claims,
            };
            exchange_token::decide(draft, &request)
        }
        Command::RecordConnectionError {
            claims,
            kind,
            error,
        } => record_connection_error::decide(draft, claims, kind, *error),
        Command::ConnectionEstablished {
            connection,
            stage,
            participant,
        } => connection_established::decide(draft, connection, stage, participant),
        Command::ConnectionClosed {
            connection,
            stage,
            participant,
        } => connection_closed::decide(draft, connection, stage, participant),
        Command::ConnectionExceeded {
            connection,
            stage,
            participant,
            error,
        } => connection_exceeded::decide(draft, connection, stage, participant, *error),
        Command::ConnectionFailed {
            connection,
            stage,
            participant,
            error,
            is_over,
        } => {
            let report = connection_failed::Report {
                connection,
                stage,
                participant,
                error: *error,
                is_over: *is_over,
            };
            connection_failed::decide(draft, &report)
        }
        Command::Tick => tick::decide(draft),
        Command::Recover => recover::decide(draft),
    }
}

pub(crate) fn needs(command: &Command, context: &Context) -> Vec<Need> {
    match command {
        Command::CreateStage { stage, .. } => create_stage::needs(stage),
        Command::UpdateStage { stage, .. } => update_stage::needs(stage),
        Command::DeleteStage { stage } => delete_stage::needs(stage),
        Command::CreateParticipantToken { stage, .. } => create_participant_token::needs(stage),
        Command::ImportPublicKey { key, point, .. } => import_public_key::needs(key, point),
        Command::DeletePublicKey { key } => delete_public_key::needs(key),
        Command::TagResource { resource, .. } | Command::UntagResource { resource, .. } => {
            tag_resource::needs(resource)
        }
        Command::DisconnectParticipant { stage, participant } => {
            disconnect_participant::needs(stage, participant)
        }
        Command::StartParticipantReplication {
            source,
            destination,
            participant,
            ..
        } => start_participant_replication::needs(source, destination, participant),
        Command::StopParticipantReplication {
            source,
            destination,
            participant,
        } => stop_participant_replication::needs(source, destination, participant),
        Command::OpenConnection { kind, claims, .. } => {
            open_connection::needs(kind, claims, context.wall >= claims.expires_at)
        }
        Command::ExchangeToken {
            stage,
            participant,
            claims,
            ..
        } => exchange_token::needs(stage, participant, claims),
        Command::RecordConnectionError { claims, kind, .. } => {
            record_connection_error::needs(kind, claims)
        }
        Command::ConnectionEstablished {
            stage, participant, ..
        }
        | Command::ConnectionClosed {
            stage, participant, ..
        }
        | Command::ConnectionExceeded {
            stage, participant, ..
        }
        | Command::ConnectionFailed {
            stage, participant, ..
        } => {
            vec![
                Need::Stage(stage.clone()),
                Need::Participant(stage.clone(), participant.clone()),
            ]
        }
        Command::Tick => tick::needs(context),
        Command::Recover => recover::needs(),
    }
}

/// The caller's stage. `member` is the request member that carried the ARN.
///
/// # Errors
/// `Denied` if the ARN says that it is another account's, `NotFound` if there is nothing under this ARN:
/// whether the id is one of another account or region is not told.
fn own_stage<'a>(draft: &'a Draft<'_>, member: &str, arn: &StageArn) -> Result<&'a Stage, Error> {
    own_account(draft, member, &arn.account, arn)?;
    draft
        .stage(&arn.id)
        .filter(|row| row.account == arn.account && row.region == arn.region)
        .ok_or_else(|| {
            Error::new(
                Fault::NotFound,
                format!("{member}: there is no stage {arn}"),
            )
        })
}

/// The caller's public key. `member` is the request member that carried the ARN.
///
/// # Errors
/// As [`own_stage`].
fn own_public_key<'a>(
    draft: &'a Draft<'_>,
    member: &str,
    arn: &PublicKeyArn,
) -> Result<&'a PublicKey, Error> {
    own_account(draft, member, &arn.account, arn)?;
    draft
        .public_key(&arn.id)
        .filter(|row| row.account == arn.account && row.region == arn.region)
        .ok_or_else(|| {
            Error::new(
                Fault::NotFound,
                format!("{member}: there is no public key {arn}"),
            )
        })
}

fn own_account(
    draft: &Draft<'_>,
    member: &str,
    owner: &str,
    arn: &impl fmt::Display,
) -> Result<(), Error> {
    if owner == draft.context.account {
        return Ok(());
    }
    Err(Error::new(
        Fault::Denied,
        format!("{member}: {arn} belongs to another account"),
    ))
}

/// A refusal that names the limit, its value and the setting. Settings are named after the fields of
/// [`Limits`], with dashes.
fn limit_reached(what: &str, value: u32, field: &str) -> Error {
    let setting = field.replace('_', "-");
    Error::new(
        Fault::LimitExceeded,
        format!("{what}: the limit of {value} is reached (setting limit-{setting})"),
    )
}
