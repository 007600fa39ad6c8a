//! Ingest configurations: CreateIngestConfiguration, GetIngestConfiguration, ListIngestConfigurations,
//! UpdateIngestConfiguration, DeleteIngestConfiguration.

use restage_api::shape::{
    CreateIngestConfigurationRequest, CreateIngestConfigurationResponse,
    DeleteIngestConfigurationRequest, GetIngestConfigurationRequest,
    GetIngestConfigurationResponse, IngestConfigurationFilter as WireFilter,
    IngestConfigurationShape, IngestConfigurationState, IngestConfigurationSummary,
    IngestProtocol as WireProtocol, ListIngestConfigurationsRequest,
    ListIngestConfigurationsResponse, RedundantIngestCredential, UpdateIngestConfigurationRequest,
    UpdateIngestConfigurationResponse,
};
use restage_api::{ApiError, Operation, Request as _};
use restage_core::command::Command;
use restage_core::id::Time;
use restage_core::row::{
    IngestConfiguration, IngestConfigurationId, IngestCredential, IngestProtocol, Plain as _,
    StreamKey,
};
use restage_core::{Arn, Reply, StageArn};
use restage_store::system::ids;
use restage_store::{FoundIngest, IngestFilter};

use super::super::App;
use super::super::api::Caller;
use super::{Missing, Paging, answer, arn, check_owner, empty, execute, own_region, store_failed};

/// Length of the secret in a stream key: 202 bits.
const SECRET_LEN: usize = 34;

pub(super) async fn create(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = CreateIngestConfigurationRequest::parse(body)?;
    let stage = stage_arn(&request.stage_arn)?;
    if let Some(stage) = &stage {
        check_owner(caller, "stageArn", &stage.account)?;
        if stage.region != caller.region {
            return Err(ApiError::validation(format!(
                "stageArn: {stage} is in another Region than the ingest configuration would be, which is {}; both must be in the same one",
                caller.region
            )));
        }
    }
    let arn = ids::resource(&caller.account, &caller.region);
    let row = IngestConfiguration {
        name: request.name,
        tags: request.tags,
        stage: stage.map(|stage| stage.id),
        user_id: request.user_id,
        attributes: request.attributes,
        protocol: match request.ingest_protocol {
            WireProtocol::Rtmp => IngestProtocol::Rtmp,
            WireProtocol::Rtmps => IngestProtocol::Rtmps,
        },
        insecure: request.insecure_ingest,
        credential: credential(&arn),
        redundant: request.redundant_ingest.then(|| fresh(&arn)),
        created_at: Time::default(),
        id: arn.id,
        account: arn.account,
        region: arn.region,
    };
    let command = Command::CreateResource { row: row.into() };
    let created = row_reply(execute(app, caller, command).await?)?;
    answer(&CreateIngestConfigurationResponse {
        ingest_configuration: shape(&inactive(created)),
    })
}

pub(super) async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = GetIngestConfigurationRequest::parse(body)?;
    let arn: Arn<IngestConfigurationId> = arn("arn", &request.arn)?;
    check_owner(caller, "arn", &arn.account)?;
    let found = app
        .control
        .store()
        .get_ingest_configuration(&arn.id)
        .await
        .map_err(store_failed)?;
    let here = arn.region == caller.region;
    let found = found.filter(|found| here && Arn::of(&found.row) == arn);
    let found = found.ok_or_else(|| {
        let what = format!("ingest configuration {arn} in region {}", caller.region);
        Missing::NotFound.error(&what)
    })?;
    answer(&GetIngestConfigurationResponse {
        ingest_configuration: shape(&found),
    })
}

pub(super) async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListIngestConfigurationsRequest::parse(body)?;
    let filter = match &request.filter {
        None => IngestFilter::None,
        Some(WireFilter::State(state)) => {
            IngestFilter::Active(*state == IngestConfigurationState::Active)
        }
        Some(WireFilter::StageArn(text)) => {
            let missing = Missing::Invalid("filterByStageArn");
            let stage = super::stage_of(app, caller, "filterByStageArn", text, missing).await?;
            IngestFilter::Stage(stage.id)
        }
    };
    let filters = request.filters();
    let paging = Paging::new(app, caller, Operation::ListIngestConfigurations, &filters);
    let after = paging.start(request.next_token.as_deref())?;
    let page = app
        .control
        .store()
        .list_ingest_configurations(
            &caller.account,
            &caller.region,
            &filter,
            after,
            request.max_results,
        )
        .await
        .map_err(store_failed)?;
    let last = page.rows.last().map(|found| &found.row);
    let last = last.map(|row| (row.created_at, row.id.as_str()));
    let next_token = paging.next(page.more, last);
    answer(&ListIngestConfigurationsResponse {
        ingest_configurations: page.rows.iter().map(summary).collect(),
        next_token,
    })
}

pub(super) async fn update(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = UpdateIngestConfigurationRequest::parse(body)?;
    let arn: Arn<IngestConfigurationId> = arn("arn", &request.arn)?;
    own_region(caller, "arn", arn.clone())?;
    let stage = request.stage_arn.as_deref().map(stage_arn).transpose()?;
    let command = Command::UpdateIngestConfiguration {
        stage,
        redundant: request.redundant_ingest,
        fresh: fresh(&arn),
        configuration: arn,
    };
    let updated = row_reply(execute(app, caller, command).await?)?;
    answer(&UpdateIngestConfigurationResponse {
        // One that is ACTIVE is not updated.
        ingest_configuration: shape(&inactive(updated)),
    })
}

pub(super) async fn delete(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = DeleteIngestConfigurationRequest::parse(body)?;
    let arn: Arn<IngestConfigurationId> = arn("arn", &request.arn)?;
    own_region(caller, "arn", arn.clone())?;
    let command = Command::DeleteIngestConfiguration {
        configuration: arn,
        force: request.force,
    };
    execute(app, caller, command).await?;
    empty()
}

/// A stage's ARN, or nothing for the empty text.
fn stage_arn(text: &str) -> Result<Option<StageArn>, ApiError> {
    match text {
        "" => Ok(None),
        text => arn("stageArn", text).map(Some),
    }
}

/// A fresh participant with a fresh key.
fn credential(arn: &Arn<IngestConfigurationId>) -> IngestCredential {
    let secret = ids::secret(SECRET_LEN);
    IngestCredential {
        participant: ids::participant(),
        key: StreamKey::new(&arn.account, &arn.region, &arn.id, &secret),
    }
}

/// Fresh streams of a redundant ingest.
fn fresh(arn: &Arn<IngestConfigurationId>) -> [IngestCredential; 2] {
    [credential(arn), credential(arn)]
}

fn row_reply(reply: Reply) -> Result<IngestConfiguration, ApiError> {
    let row = match reply {
        Reply::Plain(row) => IngestConfiguration::take(row),
        _ => None,
    };
    row.ok_or_else(|| {
        ApiError::internal_server("the rules gave no ingest configuration for its operation")
    })
}

const fn inactive(row: IngestConfiguration) -> FoundIngest {
    FoundIngest {
        row,
        is_active: false,
    }
}

fn shape(found: &FoundIngest) -> IngestConfigurationShape {
    let row = &found.row;
    let credentials = row.redundant.as_ref().map(|streams| {
        let shape = |stream: &IngestCredential| RedundantIngestCredential {
            participant_id: stream.participant.to_string(),
            stream_key: stream.key.expose().to_owned(),
        };
        streams.iter().map(shape).collect()
    });
    IngestConfigurationShape {
        name: row.name.clone(),
        arn: Arn::of(row).to_string(),
        ingest_protocol: protocol(row),
        stream_key: row.credential.key.expose().to_owned(),
        stage_arn: stage_of(row),
        participant_id: row.credential.participant.to_string(),
        state: state(found),
        user_id: row.user_id.clone(),
        redundant_ingest: row.redundant.is_some(),
        redundant_ingest_credentials: credentials,
        attributes: row.attributes.clone(),
        tags: row.tags.clone(),
    }
}

fn summary(found: &FoundIngest) -> IngestConfigurationSummary {
    let row = &found.row;
    IngestConfigurationSummary {
        name: row.name.clone(),
        arn: Arn::of(row).to_string(),
        ingest_protocol: protocol(row),
        stage_arn: stage_of(row),
        participant_id: row.credential.participant.to_string(),
        state: state(found),
        user_id: row.user_id.clone(),
        redundant_ingest: row.redundant.is_some(),
    }
}

/// The ARN of the stage; empty if there is none.
fn stage_of(row: &IngestConfiguration) -> String {
    let stage = row.stage.clone();
    let arn = stage.map(|stage| Arn::of(row).with_id(|_| stage));
    arn.map(|arn| arn.to_string()).unwrap_or_default()
}

const fn protocol(row: &IngestConfiguration) -> WireProtocol {
    match row.protocol {
        IngestProtocol::Rtmp => WireProtocol::Rtmp,
        IngestProtocol::Rtmps => WireProtocol::Rtmps,
    }
}

const fn state(found: &FoundIngest) -> IngestConfigurationState {
    match found.is_active {
        true => IngestConfigurationState::Active,
        false => IngestConfigurationState::Inactive,
    }
}
