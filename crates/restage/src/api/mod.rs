//! A client of the API, and explanations of its errors for users.

mod call;

use std::path::Path;

use anyhow::Context as _;
use restage_api::{Action, Operation};
use restage_client::first_line;
use restage_server::run_file::RunFile;
use serde_json::Value;

pub(crate) use self::call::{Call, CallError, List};
use crate::exit::{Exit, Failure};
use crate::target::{ApiAccess, Target};

/// Longest label of a host name (RFC 1035 §2.3.4).
const HOST_LABEL_MAX: usize = 63;

/// Advice for a certificate that is not trusted.
pub(crate) const CERTIFICATE: &str = "--ca-bundle or AWS_CA_BUNDLE names a file with a certificate of your own; --no-verify-ssl takes any";

/// Description of a valid starting token.
pub(crate) const NEXT_TOKEN: &str =
    "the NextToken of an earlier list with the same arguments, whole and unchanged";

/// A client of the API.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) connection: ApiAccess,
    url: reqwest::Url,
    http: reqwest::Client,
}

impl Api {
    /// A client of the target server.
    pub(crate) fn new(target: &Target) -> anyhow::Result<Self> {
        let connection = target.connect()?;
        checked_region(&connection.region)?;
        let url = match &connection.url {
            Some(url) => checked_url(url)?,
            None => format!("https://ivsrealtime.{}.amazonaws.com", connection.region).parse()?,
        };
        Ok(Self {
            url,
            http: call::client(&target.trust()?)?,
            connection,
        })
    }

    /// A call of an operation, without any input yet.
    pub(crate) fn call(&self, action: impl Into<Action>) -> Call {
        Call::new(self, action.into())
    }

    /// The client for requests that are not calls of the API.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The URL of a path on the server that answers the API, which may itself be at a path.
    pub(crate) fn url_of(&self, path: &str) -> reqwest::Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url
    }

    /// A stage, as GetStage describes it.
    pub(crate) async fn stage(&self, arn: &str) -> Result<Value, CallError> {
        let call = self.call(Operation::GetStage).set("arn", arn);
        Ok(call.send().await?["stage"].take())
    }

    /// The answer of a call, or an error for the user.
    pub(crate) async fn answer(&self, call: Call) -> anyhow::Result<Value> {
        call.send().await.map_err(|error| self.explain(error))
    }

    /// The error of a failed call: the service's own message, or advice when nothing answered.
    pub(crate) fn explain(&self, error: CallError) -> anyhow::Error {
        let shown = self.connection.shown();
        match error {
            CallError::Refused { code, message, .. } => self.refusal(&code, message.as_deref()),
            CallError::Foreign { said } => Failure::new(
                Exit::NoAnswer,
                format!("{shown} does not answer like the API: {said}"),
            )
            .advise("check that the URL is that of a restage server or of Amazon IVS Real-Time"),
            CallError::NoAnswer { why } => {
                let failure =
                    Failure::new(Exit::NoAnswer, format!("no answer from {shown}: {why}"));
                failure.advise(match self.connection.url {
                    _ if why.contains("certificate") => CERTIFICATE,
                    Some(_) => {
                        "restage serve starts a server; --endpoint-url or --data-dir names another"
                    }
                    None => "check the network and the region",
                })
            }
        }
        .into()
    }

    /// The service's refusal, with advice where the user can do something about it.
    fn refusal(&self, code: &str, message: Option<&str>) -> Failure {
        let failure = Failure::new(
            Exit::Refused,
            format!("{code}: {}", message.unwrap_or("no reason was given")),
        );
        match self.advice(code, message.unwrap_or_default()) {
            Some(advice) => failure.advise(advice),
            None => failure,
        }
    }

    fn advice(&self, code: &str, message: &str) -> Option<String> {
        let region = &self.connection.region;
        // Account and Region are part of every ARN, so a call in another Region cannot find the resource.
        let other_region = message
            .split(|c: char| c.is_whitespace() || c == '"' || c == '\'')
            .filter_map(|word| word.strip_prefix("arn:aws:ivs:")?.split(':').next())
            .find(|named| named != region && is_region(named));
        if let Some(named) = other_region {
            return Some(format!(
                "--region {named}: the ARN is of {named}, the call went to {region}"
            ));
        }
        let is_about_absence =
            code == "ResourceNotFoundException" || message.contains("does not exist");
        match code {
            "ValidationException" if message.starts_with("nextToken ") => {
                Some(NEXT_TOKEN.to_owned())
            }
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationTokenException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignatureException" => Some(format!(
                "the keys came from {}; --data-dir names a server's own, --profile another set",
                self.connection.keys_from
            )),
            "ValidationException" if message.contains("must be a stage ARN") => {
                Some("restage stages list shows the stages".to_owned())
            }
            "ResourceNotFoundException" | "ConflictException"
                if message.starts_with("recordingId") =>
            {
                Some("restage recordings list shows the recordings and their states".to_owned())
            }
            "ResourceNotFoundException" | "ValidationException" if is_about_absence => Some(
                "restage stages list shows the stages, restage participants list who is in one"
                    .to_owned(),
            ),
            "ThrottlingException" => Some("the same again in a moment".to_owned()),
            "ServiceQuotaExceededException" => {
                Some("make room, or raise the limit: restage serve --limits open".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether this is a Region and not a placeholder, as in `arn:aws:ivs:<region>:…`.
fn is_region(text: &str) -> bool {
    let is_one = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(is_one)
}

/// A running server's console URL.
pub(crate) fn console_url(data_dir: &Path) -> Option<String> {
    RunFile::read(data_dir).map(|run| run.console)
}

/// The async runtime of one command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Refuses Regions that cannot be part of a host name, as Amazon's are.
fn checked_region(region: &str) -> anyhow::Result<()> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_label = (1..=HOST_LABEL_MAX).contains(&region.len())
        && region.chars().all(is_inner)
        && !region.starts_with('-')
        && !region.ends_with('-');
    if is_label {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{region:?} is not a region: it must be 1 to {HOST_LABEL_MAX} letters, digits and hyphens"
    ))
    .advise("--region, AWS_REGION or the profile's region, as us-east-1")
    .into())
}

/// Refuses what is not the URL of an API.
fn checked_url(url: &str) -> anyhow::Result<reqwest::Url> {
    let refused = || {
        Failure::usage(format!("{url:?} is not the URL of an API"))
            .advise("write it as http://HOST:PORT or https://HOST")
    };
    let parsed: reqwest::Url = url.parse().map_err(|_| refused())?;
    let is_http = matches!(parsed.scheme(), "http" | "https") && url.contains("://");
    match is_http && parsed.has_host() {
        true => Ok(parsed),
        false => Err(refused().into()),
    }
}

/// An answer that is not from the API, in words. It is quoted, which shows what kind of server it is.
fn first_line_of(status: u16, body: &[u8]) -> String {
    match first_line(body) {
        Some(line) => format!("HTTP {status}, {line}"),
        None => format!("HTTP {status} with nothing in it"),
    }
}
