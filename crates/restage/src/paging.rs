//! Lists: all pages of an operation, truncated and continued as by the AWS CLI.

use std::process::ExitCode;

use restage_client::paginate::{Pages, PaginateError, PaginationConfig};
use serde_json::{Map, Value};

use crate::api::{Api, CallError, List, NEXT_TOKEN};
use crate::exit::{Exit, Failure};
use crate::live::Progress;
use crate::output::{self, Layout, Output};
use crate::table::Columns;

/// Flags of every list.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Pagination")]
pub(crate) struct Paging {
    /// Most items to print; if there are more, the output has a NextToken
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_items: Option<i64>,
    /// Items per request to the service
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    page_size: Option<i32>,
    /// Where to continue: the NextToken of an earlier list, from this command, the AWS CLI or boto3
    #[arg(long, value_name = "TOKEN")]
    starting_token: Option<String>,
}

impl Paging {
    fn config(&self) -> PaginationConfig {
        let mut config = PaginationConfig::default();
        config.max_items = self.max_items;
        config.page_size = self.page_size;
        config.starting_token.clone_from(&self.starting_token);
        config
    }
}

/// The result of a list.
struct Listed {
    items: Vec<Value>,
    next_token: Option<String>,
}

/// Runs a list operation and prints the items.
pub(crate) async fn list(
    api: &Api,
    list: List,
    paging: &Paging,
    output: &Output,
    columns: &Columns,
) -> anyhow::Result<ExitCode> {
    let member = list.name();
    let listed = fetch(api, list, &paging.config()).await?;
    let mut answer = Map::new();
    answer.insert(member.to_owned(), Value::Array(listed.items));
    if let Some(token) = &listed.next_token {
        answer.insert("NextToken".to_owned(), Value::String(token.clone()));
    }
    let is_in_output = output.layout() == Layout::Json && !output.has_query();
    output.print(Value::Object(answer), columns)?;
    if let Some(token) = listed.next_token.filter(|_| !is_in_output) {
        output::note(&format!("there is more: --starting-token {token}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Every item of a list.
pub(crate) async fn all(api: &Api, list: List) -> anyhow::Result<Vec<Value>> {
    Ok(fetch(api, list, &PaginationConfig::default()).await?.items)
}

async fn fetch(api: &Api, list: List, config: &PaginationConfig) -> anyhow::Result<Listed> {
    let mut progress = Progress::new(None, list.name());
    let mut pages = Pages::new(list, config);
    let mut items = Vec::new();
    while let Some(page) = pages.next().await {
        let mut page = page.map_err(|error| explain(api, error))?;
        let mut more = page.items().map(std::mem::take).unwrap_or_default();
        progress.add(more.len() as u64);
        items.append(&mut more);
    }
    let next_token = pages.resume_token().map(str::to_owned);
    Ok(Listed { items, next_token })
}

fn explain(api: &Api, error: PaginateError<CallError>) -> anyhow::Error {
    let message = error.to_string();
    match error {
        PaginateError::Operation(error) => api.explain(error),
        PaginateError::StartingToken(_) => Failure::usage(message).advise(NEXT_TOKEN).into(),
        PaginateError::SameTokenTwice(_) => Failure::new(Exit::Refused, message).into(),
        _ => Failure::usage(message).into(),
    }
}
