//! Performs, with the AWS SDK for Rust, the task that five SDKs are given: see conformance/agreement/README.md.
//! Reads the file named by AGREEMENT_TASK and writes the one named by AGREEMENT_REPORT.

use std::collections::BTreeMap;
use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::config::retry::RetryConfig;
use aws_sdk_ivsrealtime::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ivsrealtime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ivsrealtime::operation::RequestId;
use aws_sdk_ivsrealtime::types::ParticipantTokenCapability;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

type Input = Map<String, Value>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
}

#[derive(Deserialize)]
struct Task {
    url: String,
    region: String,
    #[serde(flatten)]
    keys: Keys,
    errors: Vec<Refused>,
    walks: Vec<Walk>,
    token: Input,
    tokens: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    operation: String,
    input: Input,
    keys: Option<Keys>,
    #[serde(default)]
    repeat: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Walk {
    name: String,
    operation: String,
    input: Input,
    page_sizes: Vec<i32>,
    max_items: usize,
}

impl Task {
    /// A client that does not retry, so that every error is seen.
    fn client(&self, keys: &Keys) -> Client {
        let (key, secret) = (&keys.access_key_id, &keys.secret_access_key);
        let config = aws_sdk_ivsrealtime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(&self.url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new(key, secret, None, None, "the task"));
        Client::from_conf(config.build())
    }
}

fn text(input: &Input, name: &str) -> Option<String> {
    input.get(name)?.as_str().map(str::to_owned)
}

fn number(input: &Input, name: &str) -> Option<i32> {
    input.get(name)?.as_i64()?.try_into().ok()
}

/// Describes an error; empty if there is none.
fn seen<T, E>(
    answer: std::result::Result<T, SdkError<E>>,
    is_unhandled: fn(&E) -> bool,
) -> Option<Value>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    SdkError<E>: RequestId,
{
    let error = answer.err()?;
    Some(json!({
        "code": error.code(),
        "status": error.raw_response().map(|response| response.status().as_u16()),
        "message": error.message(),
        "hasRequestId": error.request_id().is_some_and(|id| !id.is_empty()),
        "hasClass": error.as_service_error().is_some_and(|kind| !is_unhandled(kind)),
    }))
}

/// Calls one operation of the table of errors. Returns the error.
macro_rules! send {
    ($request:expr, $error:path) => {
        // For errors outside the model the SDK has a variant that must not be matched, so this reads its text.
        seen($request.send().await, |error: &$error| {
            format!("{error:?}").starts_with("Unhandled")
        })
    };
}

async fn refusal(client: &Client, case: &Refused) -> Result<Option<Value>> {
    use aws_sdk_ivsrealtime::operation as op;
    let of = |name| text(&case.input, name);
    Ok(match case.operation.as_str() {
        "GetStage" => send!(
            client.get_stage().set_arn(of("arn")),
            op::get_stage::GetStageError
        ),
        "CreateStage" => send!(
            client.create_stage().set_name(of("name")),
            op::create_stage::CreateStageError
        ),
        "ListStages" => {
            let request = client.list_stages().set_next_token(of("nextToken"));
            let request = request.set_max_results(number(&case.input, "maxResults"));
            send!(request, op::list_stages::ListStagesError)
        }
        "ListPublicKeys" => send!(
            client.list_public_keys().set_next_token(of("nextToken")),
            op::list_public_keys::ListPublicKeysError
        ),
        "ImportPublicKey" => send!(
            client
                .import_public_key()
                .set_public_key_material(of("publicKeyMaterial")),
            op::import_public_key::ImportPublicKeyError
        ),
        "DeleteStorageConfiguration" => send!(
            client.delete_storage_configuration().set_arn(of("arn")),
            op::delete_storage_configuration::DeleteStorageConfigurationError
        ),
        "ListCompositions" => send!(
            client.list_compositions(),
            op::list_compositions::ListCompositionsError
        ),
        "ListTagsForResource" => send!(
            client
                .list_tags_for_resource()
                .set_resource_arn(of("resourceArn")),
            op::list_tags_for_resource::ListTagsForResourceError
        ),
        "StartParticipantReplication" => send!(
            client
                .start_participant_replication()
                .set_source_stage_arn(of("sourceStageArn"))
                .set_destination_stage_arn(of("destinationStageArn"))
                .set_participant_id(of("participantId")),
            op::start_participant_replication::StartParticipantReplicationError
        ),
        "StopParticipantReplication" => send!(
            client
                .stop_participant_replication()
                .set_source_stage_arn(of("sourceStageArn"))
                .set_destination_stage_arn(of("destinationStageArn"))
                .set_participant_id(of("participantId")),
            op::stop_participant_replication::StopParticipantReplicationError
        ),
        other => bail!("{other} is not among the operations here"),
    })
}

/// Reads a list with the SDK's paginator: the ids, up to a limit, and the token of the first page.
macro_rules! walk {
    ($request:expr, $size:expr, $limit:expr, $items:ident, $id:expr) => {{
        let mut pages = $request.into_paginator();
        if $size > 0 {
            pages = pages.page_size($size);
        }
        let mut pages = pages.send();
        let (mut ids, mut token) = (Vec::new(), None);
        while ids.len() < $limit
            && let Some(page) = pages.next().await
        {
            let page = page?;
            ids.extend(page.$items().iter().map($id));
            token = token.or(Some(page.next_token().map(str::to_owned)));
        }
        ids.truncate($limit);
        (ids, token.flatten())
    }};
}

async fn walk(
    client: &Client,
    list: &Walk,
    size: i32,
    from: Option<&str>,
    limit: usize,
) -> Result<(Vec<String>, Option<String>)> {
    let of = |name| text(&list.input, name);
    let from = from.map(str::to_owned);
    Ok(match list.operation.as_str() {
        "ListStages" => {
            let request = client.list_stages().set_next_token(from);
            walk!(request, size, limit, stages, |stage| stage.arn().to_owned())
        }
        "ListPublicKeys" => {
            let request = client.list_public_keys().set_next_token(from);
            walk!(request, size, limit, public_keys, |key| key
                .arn()
                .unwrap_or_default()
                .to_owned())
        }
        "ListIngestConfigurations" => {
            let request = client.list_ingest_configurations().set_next_token(from);
            let request = request.set_filter_by_stage_arn(of("filterByStageArn"));
            walk!(request, size, limit, ingest_configurations, |row| row
                .arn()
                .to_owned())
        }
        "ListParticipantReplicas" => {
            let request = client.list_participant_replicas().set_next_token(from);
            let request = request.set_source_stage_arn(of("sourceStageArn"));
            let request = request.set_participant_id(of("participantId"));
            walk!(request, size, limit, replicas, |replica| replica
                .destination_stage_arn()
                .to_owned())
        }
        "ListParticipantEvents" => {
            let request = client.list_participant_events().set_next_token(from);
            let request = request
                .set_stage_arn(of("stageArn"))
                .set_session_id(of("sessionId"));
            let request = request.set_participant_id(of("participantId"));
            walk!(request, size, limit, events, |event| {
                event
                    .name()
                    .map_or_else(String::new, |name| name.as_str().to_owned())
            })
        }
        other => bail!("{other} is not among the lists here"),
    })
}

/// Makes a participant token and returns its claims, without those that differ each time.
async fn participant_token(client: &Client, wishes: &Input) -> Result<Value> {
    let attributes: Option<HashMap<String, String>> = wishes
        .get("attributes")
        .cloned()
        .map(serde_json::from_value)
        .transpose()?;
    let capabilities: Vec<String> = serde_json::from_value(wishes["capabilities"].clone())?;
    let capabilities = capabilities
        .iter()
        .map(|name| ParticipantTokenCapability::from(name.as_str()));
    let request = client
        .create_participant_token()
        .set_stage_arn(text(wishes, "stageArn"))
        .set_user_id(text(wishes, "userId"))
        .set_duration(number(wishes, "duration"))
        .set_attributes(attributes)
        .set_capabilities(Some(capabilities.collect()));
    let made = request
        .send()
        .await?
        .participant_token
        .context("no token")?;
    let payload = made
        .token()
        .and_then(|token| token.split('.').nth(1))
        .context("no payload")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    let capabilities: Vec<_> = made
        .capabilities()
        .iter()
        .map(|item| item.as_str())
        .collect();
    Ok(json!({
        "userId": made.user_id(),
        "duration": made.duration(),
        "attributes": made.attributes(),
        "capabilities": capabilities,
        "isItsId": claims["jti"].as_str() == made.participant_id(),
        "expiresAtClaim": claims["exp"].as_i64() == made.expiration_time().map(|at| at.secs()),
    }))
}

#[tokio::main]
async fn main() -> Result<()> {
    let path = std::env::var("AGREEMENT_TASK").context("AGREEMENT_TASK names no file")?;
    let task: Task = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let client = task.client(&task.keys);
    let mut errors = Map::new();
    for case in &task.errors {
        let own = task.client(case.keys.as_ref().unwrap_or(&task.keys));
        let mut refused = None;
        for _ in 0..case.repeat.max(1) {
            refused = refused.or(refusal(&own, case).await?);
        }
        errors.insert(
            case.name.clone(),
            refused.with_context(|| format!("{}: not refused", case.name))?,
        );
    }
    let (mut walks, mut tokens, mut resumed) = (Map::new(), Map::new(), Map::new());
    for list in &task.walks {
        for &size in &list.page_sizes {
            let (ids, _) = walk(&client, list, size, None, usize::MAX).await?;
            walks.insert(format!("{} by {size}", list.name), json!(ids));
        }
        let (ids, token) = walk(&client, list, 2, None, list.max_items).await?;
        walks.insert(format!("{} up to a limit", list.name), json!(ids));
        tokens.insert(list.name.clone(), json!(token));
        let mut others = Map::new();
        for (sdk, known) in &task.tokens {
            let from = known.get(&list.name).map(String::as_str);
            let (ids, _) = walk(&client, list, 3, from, usize::MAX).await?;
            others.insert(sdk.clone(), json!(ids));
        }
        resumed.insert(list.name.clone(), Value::Object(others));
    }
    let token = participant_token(&client, &task.token).await?;
    let report = json!({
        "errors": errors, "walks": walks, "tokens": tokens, "resumed": resumed, "token": token,
    });
    let path = std::env::var("AGREEMENT_REPORT").context("AGREEMENT_REPORT names no file")?;
    std::fs::write(path, report.to_string())?;
    Ok(())
}
