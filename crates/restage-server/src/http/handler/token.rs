//! CreateParticipantToken, and the issuing it shares with CreateStage; RevokeConnectionToken.

use restage_api::shape::{
    Capability, CreateParticipantTokenRequest, CreateParticipantTokenResponse, ParticipantToken,
    ParticipantTokenConfiguration, RevokeConnectionTokenRequest, StringMap,
};
use restage_api::{ApiError, Request as _, Timestamp};
use restage_core::StageArn;
use restage_core::command::{Command, NewToken};
use restage_core::id::{ParticipantId, Time};
use restage_core::row::Capabilities;
use restage_node::token::Grant;
use restage_store::system::{clock, ids};

use super::super::App;
use super::super::api::Caller;
use super::{answer, arn, empty, execute, own_region};

pub(super) async fn create(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = CreateParticipantTokenRequest::parse(body)?;
    let stage = arn("stageArn", &request.stage_arn)?;
    own_region(caller, "stageArn", stage.clone())?;
    let issue = Issue::new(request.configuration);
    let command = Command::CreateParticipantToken {
        stage: stage.clone(),
        token: issue.row(),
    };
    execute(app, caller, command).await?;
    let participant_token = issue.sign(app, &stage)?;
    answer(&CreateParticipantTokenResponse { participant_token })
}

pub(super) async fn revoke(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = RevokeConnectionTokenRequest::parse(body)?;
    let command = Command::RevokeConnectionToken {
        region: caller.region.clone(),
        token: request.token_id.as_str().into(),
    };
    execute(app, caller, command).await?;
    empty()
}

/// A token that is being issued: its id and times are chosen, its row is written, then it is signed.
pub(super) struct Issue {
    participant: ParticipantId,
    issued_at: Time,
    expires_at: Time,
    configuration: ParticipantTokenConfiguration,
}

impl Issue {
    pub(super) fn new(configuration: ParticipantTokenConfiguration) -> Self {
        // Tokens have times in whole seconds, so the answer has the same.
        let issued_at = Time(clock::now().0 / 1_000_000 * 1_000_000);
        let expires_at = issued_at.plus_seconds(configuration.duration_minutes() * 60);
        Self {
            participant: ids::participant(),
            issued_at,
            expires_at,
            configuration,
        }
    }

    pub(super) fn row(&self) -> NewToken {
        NewToken {
            participant: self.participant.clone(),
            expires_at: self.expires_at,
        }
    }

    pub(super) fn sign(self, app: &App, stage: &StageArn) -> Result<ParticipantToken, ApiError> {
        let none = StringMap::new();
        let grant = Grant {
            participant: &self.participant,
            stage,
            user_id: self.configuration.user_id.as_deref().unwrap_or_default(),
            attributes: self.configuration.attributes.as_ref().unwrap_or(&none),
            capabilities: Capabilities {
                publish: self.configuration.allows(Capability::Publish),
                subscribe: self.configuration.allows(Capability::Subscribe),
            },
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        };
        let token = app
            .control
            .tokens()
            .sign(&grant)
            .map_err(|error| ApiError::internal_server(error.to_string()))?;
        let expires_at = Timestamp(self.expires_at.0);
        Ok(self
            .configuration
            .issued(self.participant.to_string(), token, expires_at))
    }
}
