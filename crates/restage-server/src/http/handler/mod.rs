//! The handlers of the operations, one file per resource. This file dispatches and has what all handlers need.

mod composition;
mod encoder_configuration;
mod ingest_configuration;
mod participant;
mod plain;
mod public_key;
mod recording;
mod replica;
mod session;
mod stage;
mod storage_configuration;
mod tag;
mod token;

use restage_api::shape::{self, EmptyResponse};
use restage_api::{Action, ApiError, Operation, PageScope, Position, PositionReader};
use restage_core::command::Command;
use restage_core::id::{ResourceId, Time};
use restage_core::row::{EncoderConfiguration, PublicKey, Replica, Stage, StorageConfiguration};
use restage_core::{Arn, Fault, Reply, ResourceArn, StageArn};
use restage_node::control::Failure;
use restage_store::{ReplicaPosition, StoreError};
use serde::Serialize;

use super::App;
use super::answer_cache::Answer;
use super::api::Caller;

/// The parts of a request that an operation reads. Most need only the body.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
}

/// Runs one operation of the service or one of restage's own.
pub(super) async fn call(
    app: &App,
    caller: &Caller,
    action: Action,
    input: Input<'_>,
) -> Result<Answer, ApiError> {
    let body = input.body;
    let operation = match action {
        Action::Operation(operation) => operation,
        Action::Extension(extension) => {
            let answered = recording::call(app, caller, extension, body).await;
            return answered.map(Answer::from);
        }
    };
    let answered = match operation {
        Operation::CreateStage => stage::create(app, caller, body).await,
        Operation::GetStage => return stage::get(app, caller, body).await,
        Operation::ListStages => stage::list(app, caller, body).await,
        Operation::UpdateStage => stage::update(app, caller, body).await,
        Operation::DeleteStage => stage::delete(app, caller, body).await,
        Operation::CreateParticipantToken => token::create(app, caller, body).await,
        Operation::RevokeConnectionToken => token::revoke(app, caller, body).await,
        Operation::DisconnectParticipant => participant::disconnect(app, caller, body).await,
        Operation::ListStageSessions => session::list(app, caller, body).await,
        Operation::GetStageSession => session::get(app, caller, body).await,
        Operation::ListParticipants => participant::list(app, caller, body).await,
        Operation::GetParticipant => participant::get(app, caller, body).await,
        Operation::ListParticipantEvents => participant::events(app, caller, body).await,
        Operation::StartParticipantReplication => replica::start(app, caller, body).await,
        Operation::StopParticipantReplication => replica::stop(app, caller, body).await,
        Operation::ListParticipantReplicas => return replica::list(app, caller, body).await,
        Operation::ImportPublicKey => plain::create::<PublicKey>(app, caller, body).await,
        Operation::GetPublicKey => plain::get::<PublicKey>(app, caller, body).await,
        Operation::ListPublicKeys => plain::list::<PublicKey>(app, caller, body).await,
        Operation::DeletePublicKey => plain::delete::<PublicKey>(app, caller, body).await,
        Operation::CreateEncoderConfiguration => {
            plain::create::<EncoderConfiguration>(app, caller, body).await
        }
        Operation::GetEncoderConfiguration => {
            plain::get::<EncoderConfiguration>(app, caller, body).await
        }
        Operation::ListEncoderConfigurations => {
            plain::list::<EncoderConfiguration>(app, caller, body).await
        }
        Operation::DeleteEncoderConfiguration => {
            plain::delete::<EncoderConfiguration>(app, caller, body).await
        }
        Operation::CreateStorageConfiguration => {
            plain::create::<StorageConfiguration>(app, caller, body).await
        }
        Operation::GetStorageConfiguration => {
            plain::get::<StorageConfiguration>(app, caller, body).await
        }
        Operation::ListStorageConfigurations => {
            plain::list::<StorageConfiguration>(app, caller, body).await
        }
        Operation::DeleteStorageConfiguration => {
            plain::delete::<StorageConfiguration>(app, caller, body).await
        }
        Operation::CreateIngestConfiguration => {
            ingest_configuration::create(app, caller, body).await
        }
        Operation::GetIngestConfiguration => ingest_configuration::get(app, caller, body).await,
        Operation::ListIngestConfigurations => ingest_configuration::list(app, caller, body).await,
        Operation::UpdateIngestConfiguration => {
            ingest_configuration::update(app, caller, body).await
        }
        Operation::DeleteIngestConfiguration => {
            ingest_configuration::delete(app, caller, body).await
        }
        Operation::StartComposition => composition::start(app, caller, body).await,
        Operation::GetComposition => composition::get(app, caller, body).await,
        Operation::ListCompositions => composition::list(app, caller, body).await,
        Operation::StopComposition => composition::stop(app, caller, body).await,
        Operation::TagResource => tag::tag(app, caller, input).await,
        Operation::UntagResource => tag::untag(app, caller, input).await,
        Operation::ListTagsForResource => tag::list(app, caller, input).await,
    };
    answered.map(Answer::from)
}

fn answer<T: Serialize>(response: &T) -> Result<String, ApiError> {
    Ok(shape::to_json(response))
}

fn empty() -> Result<String, ApiError> {
    answer(&EmptyResponse {})
}

/// The error of an operation for an unknown stage or session: not every operation models a 404.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// ResourceNotFoundException.
    NotFound,
    /// ValidationException naming this member.
    Invalid(&'static str),
}

impl Missing {
    fn error(self, what: &str) -> ApiError {
        match self {
            Self::NotFound => ApiError::resource_not_found(format!("{what} does not exist")),
            Self::Invalid(member) => {
                ApiError::validation(format!("{member}: {what} does not exist"))
            }
        }
    }
}

/// Parses an ARN. The request's constraints have checked its form already.
pub(super) fn arn<I: ResourceId>(member: &str, text: &str) -> Result<Arn<I>, ApiError> {
    Arn::parse(text).ok_or_else(|| {
        let article = match I::NAME.starts_with(['a', 'e', 'i', 'o', 'u']) {
            true => "an",
            false => "a",
        };
        ApiError::validation(format!("{member} must be the ARN of {article} {}", I::NAME))
    })
}

/// Checks that an ARN belongs to the caller's account.
fn check_owner(caller: &Caller, member: &str, account: &str) -> Result<(), ApiError> {
    if account == caller.account {
        return Ok(());
    }
    Err(ApiError::access_denied(format!(
        "{member} belongs to account {account}, the caller to {}",
        caller.account
    )))
}

/// The caller's stage.
async fn stage_of(
    app: &App,
    caller: &Caller,
    member: &str,
    text: &str,
    missing: Missing,
) -> Result<Stage, ApiError> {
    let arn: StageArn = arn(member, text)?;
    check_owner(caller, member, &arn.account)?;
    let stage = app
        .control
        .store()
        .get_stage(&arn.id)
        .await
        .map_err(store_failed)?;
    let theirs = |stage: &Stage| stage.account == arn.account && stage.region == arn.region;
    let here = arn.region == caller.region;
    stage
        .filter(|stage| here && theirs(stage))
        .ok_or_else(|| missing.error(&format!("stage {arn} in region {}", caller.region)))
}

/// Checks that a changing operation names a resource of the caller's Region; the rules check the account.
fn own_region(caller: &Caller, member: &str, arn: impl Into<ResourceArn>) -> Result<(), ApiError> {
    let arn = arn.into();
    if arn.region() == caller.region || arn.account() != caller.account {
        return Ok(());
    }
    Err(ApiError::resource_not_found(format!(
        "{member}: {arn} does not exist in region {}, where the request was signed for",
        caller.region
    )))
}

async fn execute(app: &App, caller: &Caller, command: Command) -> Result<Reply, ApiError> {
    app.control
        .execute(&caller.account, command)
        .await
        .map_err(|failure| match failure {
            Failure::Refused(refused) => match refused.fault {
                Fault::Invalid => ApiError::validation(refused.message),
                Fault::Denied
                | Fault::TokenRevoked
                | Fault::TokenExpired
                | Fault::TokenInvalid
                | Fault::MissingCapability
                | Fault::ConnectionToken(_) => ApiError::access_denied(refused.message),
                Fault::NotFound => ApiError::resource_not_found(refused.message),
                Fault::Conflict => ApiError::conflict(refused.message),
                Fault::LimitExceeded => ApiError::service_quota_exceeded(refused.message),
            },
            Failure::Store(error) => store_failed(error),
        })
}

fn store_failed(error: StoreError) -> ApiError {
    if let StoreError::Late { .. } | StoreError::Timeout { .. } = error {
        tracing::warn!(%error, "the store is slow");
        return ApiError::service_unavailable(error.to_string());
    }
    tracing::error!(%error, "the store failed");
    ApiError::internal_server(match error {
        StoreError::Unknown { .. } | StoreError::Unkept { .. } => {
            "the database stopped answering while the change was made, so that it is not known whether it was; look before \
             you repeat it"
        }
        StoreError::Corrupt { .. } => {
            "a stored row cannot be read, which trying again does not mend; the server's log and `restage db check` name it"
        }
        _ => "the server could not reach its store; try again",
    })
}

/// The page of a list request: its start, and the token for the next page.
struct Paging<'a> {
    app: &'a App,
    scope: PageScope<'a>,
}

impl<'a> Paging<'a> {
    fn new(
        app: &'a App,
        caller: &'a Caller,
        action: impl Into<Action>,
        filters: &'a [(&'a str, &'a str)],
    ) -> Self {
        let scope = PageScope {
            operation: action.into(),
            account: &caller.account,
            region: &caller.region,
            filters,
        };
        Self { app, scope }
    }

    /// The (time, id) after which the page starts; `None` for the first page.
    fn start<I: for<'t> From<&'t str>>(
        &self,
        token: Option<&str>,
    ) -> Result<Option<(Time, I)>, ApiError> {
        let Some(token) = token else { return Ok(None) };
        let bytes = self.app.pages.open(&self.scope, token)?;
        let mut reader = PositionReader::new(&bytes);
        let (time, id) = (reader.number()?, I::from(reader.text()?));
        reader.end()?;
        Ok(Some((Time(time), id)))
    }

    /// The position after which a page of replications starts; `None` for the first page.
    fn replicas_start(&self, token: Option<&str>) -> Result<Option<ReplicaPosition>, ApiError> {
        let Some(token) = token else { return Ok(None) };
        let bytes = self.app.pages.open(&self.scope, token)?;
        let mut reader = PositionReader::new(&bytes);
        let position = ReplicaPosition {
            started_at: Time(reader.number()?),
            destination_session: reader.text()?.into(),
            source_session: reader.text()?.into(),
        };
        reader.end()?;
        Ok(Some(position))
    }

    fn replicas_next(&self, more: bool, last: Option<&Replica>) -> Option<String> {
        let last = last.filter(|_| more)?;
        let position = Position::new()
            .number(last.started_at.0)
            .text(last.destination_session.as_str())
            .text(last.source_session.as_str())
            .into_bytes();
        Some(self.app.pages.seal(&self.scope, &position))
    }

    fn next(&self, more: bool, last: Option<(Time, &str)>) -> Option<String> {
        let (time, id) = last.filter(|_| more)?;
        let position = Position::new().number(time.0).text(id).into_bytes();
        Some(self.app.pages.seal(&self.scope, &position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_row_is_not_called_a_store_out_of_reach() {
        let error = store_failed(StoreError::Corrupt {
            what: "stage",
            reason: "NULL".to_owned(),
        });
        assert!(error.message.contains("restage db check"), "{error:?}");
    }
}
