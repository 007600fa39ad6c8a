//! A client of the API: the AWS SDK, and explanations of its errors for users.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ivsrealtime::config::timeout::TimeoutConfig;
use aws_sdk_ivsrealtime::config::{
    BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_ivsrealtime::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use restage_client::first_line;
use restage_server::run_file::RunFile;
use serde_json::Value;

use crate::connector::{self, CONNECT_TIMEOUT};
use crate::exit::{Exit, Failure};
use crate::target::{ApiAccess, Target};
/// How long one call may take, retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

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
    pub(crate) client: Client,
    pub(crate) connection: ApiAccess,
    answer: Arc<LastAnswer>,
}

impl Api {
    /// A client of the target server.
    pub(crate) fn new(target: &Target) -> anyhow::Result<Self> {
        let connection = target.connect()?;
        checked_region(&connection.region)?;
        let keys = connection.keys.clone();
        let credentials = Credentials::new(
            keys.access_key,
            keys.secret_key,
            keys.session_token,
            None,
            "restage",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let answer = Arc::new(LastAnswer::default());
        let mut config = aws_sdk_ivsrealtime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(connection.region.clone()))
            .timeout_config(timeouts)
            .credentials_provider(credentials)
            .http_client(connector::client(&target.trust()?)?)
            .interceptor(KeepAnswer(Arc::clone(&answer)));
        if let Some(url) = &connection.url {
            config = config.endpoint_url(checked_url(url)?);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            connection,
            answer,
        })
    }

    /// The answer of a call as the service wrote it, with every member.
    pub(crate) fn answered<T, E>(&self, outcome: Result<T, SdkError<E>>) -> anyhow::Result<Value>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        outcome.map_err(|error| self.explain(error))?;
        let body = std::mem::take(&mut *self.answer.lock()?);
        match body.is_empty() {
            true => Ok(Value::Object(serde_json::Map::new())),
            false => serde_json::from_slice(&body).context("the service's answer is not JSON"),
        }
    }

    /// The error of a failed call: the service's own message, or advice when nothing answered.
    pub(crate) fn explain<E>(&self, error: SdkError<E>) -> anyhow::Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let shown = self.connection.shown();
        match &error {
            SdkError::ServiceError(service) => {
                let error = service.err();
                if error.code().is_none() {
                    return self.foreign(service.raw()).into();
                }
                self.refusal(error.code(), error.message()).into()
            }
            SdkError::ConstructionFailure(_) => {
                Failure::usage(format!("the request cannot be made: {}", causes(&error))).into()
            }
            SdkError::ResponseError(response) => self.foreign(response.raw()).into(),
            _ => Failure::new(
                Exit::NoAnswer,
                format!("no answer from {shown}: {}", root_cause(&error)),
            )
            .advise(match self.connection.url {
                _ if root_cause(&error).contains("certificate") => CERTIFICATE,
                Some(_) => {
                    "restage serve starts a server; --endpoint-url or --data-dir names another"
                }
                None => "check the network and the region",
            })
            .into(),
        }
    }

    /// The error for an answer that is not from the API. It quotes the answer, which shows what kind of server it is.
    fn foreign(&self, answer: &HttpResponse) -> Failure {
        let status = answer.status().as_u16();
        let body = answer.body().bytes().unwrap_or_default();
        let said = match first_line(body) {
            Some(line) => format!("HTTP {status}, {line}"),
            None => format!("HTTP {status} with nothing in it"),
        };
        let shown = self.connection.shown();
        Failure::new(
            Exit::NoAnswer,
            format!("{shown} does not answer like the API: {said}"),
        )
        .advise("check that the URL is that of a restage server or of Amazon IVS Real-Time")
    }

    /// The service's refusal, with advice where the user can do something about it.
    pub(crate) fn refusal(&self, code: Option<&str>, message: Option<&str>) -> Failure {
        let code = code.unwrap_or("the service refused");
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

/// Refuses Regions that cannot be part of a host name, because the SDK puts the Region into one, with restage too.
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

/// Refuses invalid URLs. The SDK accepts any text and then fails at the first call with an unclear error.
fn checked_url(url: &str) -> anyhow::Result<&str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(url),
        _ => Err(Failure::usage(format!("{url:?} is not the URL of an API"))
            .advise("write it as http://HOST:PORT or https://HOST")
            .into()),
    }
}

/// An error and its causes, each cause once.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = vec![error.to_string()];
    let mut error = error;
    while let Some(cause) = error.source() {
        let words = cause.to_string();
        if !said.iter().any(|text| text.contains(&words)) {
            said.push(words);
        }
        error = cause;
    }
    said.join(": ")
}

/// The innermost cause, which is the specific one: "Connection refused", for example.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// The body of the last answer. Commands that print an answer make one call at a time.
#[derive(Debug, Default)]
struct LastAnswer(Mutex<Vec<u8>>);

impl LastAnswer {
    fn lock(&self) -> anyhow::Result<std::sync::MutexGuard<'_, Vec<u8>>> {
        self.0
            .lock()
            .map_err(|_| anyhow::anyhow!("a thread failed while it kept an answer"))
    }
}

/// Stores the body of each answer, because the SDK's types cannot be converted back to JSON.
#[derive(Debug)]
struct KeepAnswer(Arc<LastAnswer>);

impl Intercept for KeepAnswer {
    fn name(&self) -> &'static str {
        "KeepAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context
            .response()
            .body()
            .bytes()
            .unwrap_or_default()
            .to_vec();
        if let Ok(mut kept) = self.0.lock() {
            *kept = body;
        }
        Ok(())
    }
}
