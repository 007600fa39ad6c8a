//! This crate over the real SDK.

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::config::retry::RetryConfig;
use aws_sdk_ivsrealtime::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_ivsrealtime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ivsrealtime::operation::list_ingest_configurations::ListIngestConfigurationsInput;
use restage_client::aws::{Paginated, Paginator, TypedList};
use restage_client::paginate::{Pages, PaginateError, PaginationConfig};
use serde_json::{Value, json};

use crate::Outcome;
use crate::cases::{Case, Mode};
use crate::service::Service;

pub(crate) struct CrateSide {
    config: Builder,
    endpoint: String,
}

impl CrateSide {
    pub(crate) fn new(endpoint: &str) -> Self {
        let config = aws_sdk_ivsrealtime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled());
        Self {
            config,
            endpoint: endpoint.to_owned(),
        }
    }

    pub(crate) async fn run(&self, label: &str, case: &Case, service: &Service) -> Outcome {
        let endpoint = format!("{}/case/{label}", self.endpoint);
        let client = Client::from_conf(self.config.clone().endpoint_url(endpoint).build());
        let mut outcome = match PaginationConfig::from_json(&case.config) {
            Err(error) => failed(&kind::<std::convert::Infallible>(&error)),
            Ok(config) => begin(&client, case, &config).await,
        };
        outcome.requests = service.take_requests(label);
        outcome
    }
}

fn failed(kind: &str) -> Outcome {
    Outcome {
        items: Value::Null,
        pages: 0,
        next_token: None,
        error: Some(kind.to_owned()),
        requests: Vec::new(),
    }
}

async fn begin(client: &Client, case: &Case, config: &PaginationConfig) -> Outcome {
    let (token, size) = (case.own_token.clone(), case.own_page_size);
    match case.service.operation {
        "list_public_keys" => {
            let list = client
                .list_public_keys()
                .set_next_token(token)
                .set_max_results(size);
            paginate(list.paginate(config), case, |key| {
                case.service.item_named(key.arn())
            })
            .await
        }
        "list_ingest_configurations" => {
            let input = ListIngestConfigurationsInput::builder()
                .set_next_token(token)
                .set_max_results(size)
                .build()
                .unwrap();
            let pages = Paginator::new(client).paginate(input, config);
            paginate(pages, case, |one| case.service.item_named(Some(one.arn()))).await
        }
        "list_participant_replicas" => {
            let list = client
                .list_participant_replicas()
                .source_stage_arn(crate::cases::SOURCE)
                .participant_id(crate::cases::PARTICIPANT)
                .set_next_token(token)
                .set_max_results(size);
            paginate(list.paginate(config), case, |replica| {
                case.service
                    .item_named(Some(replica.destination_stage_arn()))
            })
            .await
        }
        other => panic!("{other}"),
    }
}

async fn paginate<B>(
    pages: Pages<TypedList<B>>,
    case: &Case,
    show: impl Fn(&B::Item) -> Value,
) -> Outcome
where
    B: Paginated,
    B::Error: ProvideErrorMetadata,
{
    match case.mode {
        Mode::Full => finish(pages.build_full_result().await.map(|full| {
            let items = full
                .items
                .map(|items| items.iter().map(show).collect::<Vec<_>>());
            (json!(items), full.next_token)
        })),
        Mode::Json => finish(
            pages
                .into_json()
                .build_full_result()
                .await
                .map(|f| (json!(f.items), f.next_token)),
        ),
        Mode::Pages => by_page(pages, show).await,
        Mode::Search(expression) => search(pages, expression).await,
    }
}

fn finish<E: ProvideErrorMetadata>(
    result: Result<(Value, Option<String>), PaginateError<SdkError<E>>>,
) -> Outcome {
    match result {
        Ok((items, next_token)) => Outcome {
            items,
            pages: 0,
            next_token,
            error: None,
            requests: Vec::new(),
        },
        Err(error) => failed(&sdk_kind(&error)),
    }
}

async fn by_page<B>(mut pages: Pages<TypedList<B>>, show: impl Fn(&B::Item) -> Value) -> Outcome
where
    B: Paginated,
    B::Error: ProvideErrorMetadata,
{
    let (mut items, mut count, mut error) = (Vec::new(), 0, None);
    while let Some(page) = pages.next().await {
        match page {
            Ok(mut page) => {
                count += 1;
                items.push(Value::Array(
                    B::items(&mut page).iter().map(&show).collect(),
                ));
            }
            Err(stop) => error = Some(sdk_kind(&stop)),
        }
    }
    let is_config = error.as_deref() == Some("config") && count == 0;
    Outcome {
        // A refusal in `paginate()` itself leaves no list in Python; later ones an empty list.
        items: if is_config && items.is_empty() {
            json!([])
        } else {
            Value::Array(items)
        },
        pages: count,
        next_token: pages.resume_token().map(str::to_owned),
        error,
        requests: Vec::new(),
    }
}

async fn search<B>(pages: Pages<TypedList<B>>, expression: &str) -> Outcome
where
    B: Paginated,
    B::Error: ProvideErrorMetadata,
{
    let mut search = match pages.search(expression) {
        Ok(search) => search,
        Err(error) => {
            return Outcome {
                items: json!([]),
                ..failed(&sdk_kind(&error))
            };
        }
    };
    let (mut items, mut error) = (Vec::new(), None);
    while let Some(result) = search.next().await {
        match result {
            Ok(found) => items.push(found),
            Err(stop) => error = Some(sdk_kind(&stop)),
        }
    }
    Outcome {
        items: Value::Array(items),
        pages: 0,
        next_token: search.resume_token().map(str::to_owned),
        error,
        requests: Vec::new(),
    }
}

fn sdk_kind<E: ProvideErrorMetadata>(error: &PaginateError<SdkError<E>>) -> String {
    match error {
        PaginateError::Operation(error) => match error.code() {
            Some(code) => format!("service:{code}"),
            None => format!("unexpected: {error:?}", error = error.meta()),
        },
        other => kind(other),
    }
}

fn kind<E>(error: &PaginateError<E>) -> String {
    match error {
        PaginateError::Config(_) => "config",
        PaginateError::StartingToken(_) => "starting_token",
        PaginateError::SameTokenTwice(_) => "same_token",
        PaginateError::Search(_) => "search",
        _ => "unexpected",
    }
    .to_owned()
}
