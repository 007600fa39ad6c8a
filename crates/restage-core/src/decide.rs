//! The door to the rules: which rule decides a command, and which rows it needs.

use crate::job;
use crate::kernel::command::Command;
use crate::kernel::context::Context;
use crate::kernel::decision::{Decision, Outcome};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::world::World;
use crate::live::connection::{self, closed, established, exceeded, failed, open, record_error};
use crate::live::participant::{disconnect, exchange_token};
use crate::live::{composition, connection_token, ingest, recording, recover, replica, tick};
use crate::resource::{ingest_configuration, plain, stage, tag, token};

/// Decides a command on the rows given. Total: rows that are missing count as absent.
pub fn decide(world: &World, context: &Context, command: &Command) -> Decision {
    let mut draft = Draft::new(world, context);
    let reply = answer(&mut draft, command);
    recording::follow(&mut draft);
    composition::follow(&mut draft);
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
        } => stage::create::decide(draft, stage, name, tags, recording, tokens),
        Command::UpdateStage {
            stage,
            name,
            recording,
        } => stage::update::decide(draft, stage, name.as_deref(), recording.as_ref()),
        Command::DeleteStage { stage } => stage::delete::decide(draft, stage),
        Command::CreateParticipantToken { stage, token } => token::create(draft, stage, token),
        Command::CreateResource { row } => plain::create(draft, row),
        Command::DeleteResource { resource } => plain::delete(draft, resource),
        Command::UpdateIngestConfiguration {
            configuration,
            stage,
            redundant,
            fresh,
        } => {
            let update = ingest_configuration::Update {
                configuration,
                stage: stage.as_ref().map(Option::as_ref),
                redundant: *redundant,
                fresh,
            };
            ingest_configuration::update(draft, &update)
        }
        Command::DeleteIngestConfiguration {
            configuration,
            force,
        } => ingest_configuration::delete(draft, configuration, *force),
        Command::TagResource { resource, tags } => tag::tag(draft, resource, tags),
        Command::UntagResource { resource, keys } => tag::untag(draft, resource, keys),
        Command::DisconnectParticipant { stage, participant } => {
            disconnect::decide(draft, stage, participant)
        }
        Command::RevokeConnectionToken { region, token } => {
            connection_token::revoke(draft, region, token)
        }
        Command::StartParticipantReplication {
            source,
            destination,
            participant,
            reconnect_window_s,
            attributes,
        } => {
            let request = replica::start::Request {
                source,
                destination,
                participant,
                reconnect_window_s: *reconnect_window_s,
                attributes,
            };
            replica::start::decide(draft, &request)
        }
        Command::StopParticipantReplication {
            source,
            destination,
            participant,
        } => replica::stop::decide(draft, source, destination, participant),
        Command::OpenConnection {
            connection,
            kind,
            claims,
            resumes,
            protocol,
            client,
            connection_token,
        } => {
            let request = open::Request {
                connection,
                kind,
                claims,
                resumes: resumes.as_ref(),
                protocol: *protocol,
                client,
                connection_token: connection_token.as_ref(),
            };
            open::decide(draft, &request)
        }
        Command::StartIngest {
            connection,
            configuration,
            key,
            protocol,
        } => {
            let request = ingest::start::Request {
                connection,
                configuration,
                key,
                protocol: *protocol,
            };
            ingest::start::decide(draft, &request)
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
        } => record_error::decide(draft, claims, kind, *error),
        Command::ConnectionEstablished {
            connection,
            stage,
            participant,
        } => established::decide(draft, connection, stage, participant),
        Command::ConnectionClosed {
            connection,
            stage,
            participant,
        } => closed::decide(draft, connection, stage, participant),
        Command::ConnectionExceeded {
            connection,
            stage,
            participant,
            error,
        } => exceeded::decide(draft, connection, stage, participant, *error),
        Command::ConnectionFailed {
            connection,
            stage,
            participant,
            error,
            is_over,
        } => {
            let report = failed::Report {
                connection,
                stage,
                participant,
                error: *error,
                is_over: *is_over,
            };
            failed::decide(draft, &report)
        }
        Command::StartJob { job } => job::start::decide(draft, job),
        Command::StopJob { job } => job::stop::decide(draft, job),
        Command::RenewJob { job, generation } => job::report::renew(draft, job, *generation),
        Command::ReportJob {
            job,
            generation,
            outcome,
        } => job::report::ended(draft, job, *generation, outcome),
        Command::RecordingStarted { job, generation } => {
            recording::report::started(draft, job, *generation)
        }
        Command::RecordingStartFailed {
            job,
            generation,
            failure,
        } => recording::report::start_failed(draft, job, *generation, failure),
        Command::RecordingFinished {
            recording,
            duration_ms,
            failure,
            message,
        } => {
            let report = recording::report::Finished {
                recording,
                duration_ms: *duration_ms,
                failure: failure.as_ref(),
                message: message.as_deref(),
            };
            recording::report::finished(draft, &report)
        }
        Command::PauseRecording { recording, region } => {
            recording::pause::decide(draft, recording, region, true)
        }
        Command::ResumeRecording { recording, region } => {
            recording::pause::decide(draft, recording, region, false)
        }
        Command::StartComposition {
            composition,
            stage,
            layout,
            destinations,
            tags,
            idempotency,
        } => {
            let request = composition::start::Request {
                composition,
                stage,
                layout,
                destinations,
                tags,
                idempotency: idempotency.as_ref(),
            };
            composition::start::decide(draft, &request)
        }
        Command::StopComposition { composition } => composition::stop::decide(draft, composition),
        Command::CompositionStarted { job, generation } => {
            composition::report::started(draft, job, *generation)
        }
        Command::CompositionDestinationChanged {
            job,
            generation,
            destination,
            change,
        } => composition::report::changed(draft, job, *generation, destination, change),
        Command::CompositionDestinationFinished {
            composition,
            destination,
            duration_ms,
            failure,
        } => {
            let report = composition::report::Finished {
                composition,
                destination,
                duration_ms: *duration_ms,
                failure: failure.as_ref(),
            };
            composition::report::finished(draft, &report)
        }
        Command::Tick => tick::decide(draft),
        Command::Recover => recover::decide(draft),
    }
}

/// The rows `command` looks at. Times and limits only matter for [`Command::Tick`].
pub fn needs(command: &Command, context: &Context) -> Vec<Need> {
    match command {
        Command::CreateStage {
            stage, recording, ..
        } => stage::create::needs(stage, recording),
        Command::UpdateStage {
            stage, recording, ..
        } => stage::update::needs(stage, recording.as_ref()),
        Command::DeleteStage { stage } => stage::delete::needs(stage),
        Command::CreateParticipantToken { stage, .. } => token::needs(stage),
        Command::CreateResource { row } => plain::needs_to_create(row),
        Command::DeleteResource { resource } => plain::needs_to_delete(resource),
        Command::UpdateIngestConfiguration {
            configuration,
            stage,
            ..
        } => {
            let stage = stage.as_ref().and_then(Option::as_ref);
            ingest_configuration::needs_to_update(configuration, stage)
        }
        Command::DeleteIngestConfiguration { configuration, .. } => {
            vec![ingest_configuration::needs_to_delete(&configuration.id)]
        }
        Command::StartIngest { configuration, .. } => ingest::start::needs(configuration),
        Command::TagResource { resource, .. } | Command::UntagResource { resource, .. } => {
            tag::needs(resource)
        }
        Command::DisconnectParticipant { stage, participant } => {
            disconnect::needs(stage, participant)
        }
        Command::RevokeConnectionToken { region, token } => {
            connection_token::needs_to_revoke(context, region, token)
        }
        Command::StartParticipantReplication {
            source,
            destination,
            participant,
            ..
        } => replica::start::needs(source, destination, participant),
        Command::StopParticipantReplication {
            source,
            destination,
            participant,
        } => replica::stop::needs(source, destination, participant),
        Command::OpenConnection {
            kind,
            claims,
            connection_token,
            ..
        } => {
            let is_expired = context.wall >= claims.expires_at;
            open::needs(kind, claims, is_expired, connection_token.as_ref())
        }
        Command::ExchangeToken {
            stage,
            participant,
            claims,
            ..
        } => exchange_token::needs(stage, participant, claims),
        Command::RecordConnectionError { claims, kind, .. } => record_error::needs(kind, claims),
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
        } => connection::needs_of_report(stage, participant),
        Command::StartJob { job } => job::start::needs(job),
        Command::StopJob { job } => job::stop::needs(job),
        Command::RenewJob { job, .. } | Command::ReportJob { job, .. } => job::report::needs(job),
        Command::RecordingStarted { job, .. } | Command::RecordingStartFailed { job, .. } => {
            recording::report::needs_of_runner(job)
        }
        Command::RecordingFinished { recording, .. } => {
            recording::report::needs_of_finished(recording)
        }
        Command::PauseRecording { recording, .. } | Command::ResumeRecording { recording, .. } => {
            recording::pause::needs(recording)
        }
        Command::StartComposition {
            composition,
            stage,
            destinations,
            idempotency,
            ..
        } => composition::start::needs(composition, stage, destinations, idempotency.as_ref()),
        Command::StopComposition { composition } => composition::stop::needs(composition),
        Command::CompositionStarted { job, .. }
        | Command::CompositionDestinationChanged { job, .. } => {
            composition::report::needs_of_runner(job)
        }
        Command::CompositionDestinationFinished { composition, .. } => {
            composition::report::needs_of_finished(composition)
        }
        Command::Tick => tick::needs(context),
        Command::Recover => recover::needs(),
    }
}
