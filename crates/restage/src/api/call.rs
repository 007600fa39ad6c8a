//! One call of the API: the request, signed and sent, and its answer as JSON.
//!
//! Written here over reqwest and the signatures of restage-api. The AWS SDK for Rust took a fifth of the time in which restage is
//! built; its types cannot be converted back to the JSON that commands print; and its own client refuses the self-signed
//! certificates that the AWS CLI takes.

use std::fmt;
use std::time::Duration;

use restage_api::Action;
use restage_api::sigv4::{Signer, UnsignedRequest, sign};
use restage_client::Trust;
use restage_client::paginate::{JsonPage, PageRequest, PageSource};
use restage_store::system::clock;
use serde_json::{Map, Value};

use super::{Api, first_line_of};

/// How long a connection may take to be made. A server that is not there answers at once; this is
/// for one behind a firewall.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take, repetitions included.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a call is sent if the service is out of reach, overloaded or broken: as often as the AWS SDKs send it.
const ATTEMPTS_MAX: u32 = 3;
/// Pause before the second attempt; it doubles before each further one.
const PAUSE: Duration = Duration::from_millis(300);
/// Longest answer taken; pages have at most 100 items.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client for the API that accepts the certificates `trust` names.
///
/// # Errors
/// The TLS library cannot be set up.
pub(super) fn client(trust: &Trust) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT);
    if let Some(config) = trust.rustls_config() {
        builder = builder.tls_backend_preconfigured(config.as_ref().clone());
    }
    Ok(builder.build()?)
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The service refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error's name, for example `ConflictException`.
        code: String,
        /// The service's own words.
        message: Option<String>,
    },
    /// Something answered that is not the API.
    Foreign {
        /// Its answer, shortened, in words for the user.
        said: String,
    },
    /// Nothing answered.
    NoAnswer {
        /// The reason, in words for the user.
        why: String,
    },
}

impl CallError {
    /// The name of the service's error, if the service refused.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Foreign { .. } | Self::NoAnswer { .. } => None,
        }
    }

    /// Whether the same call can succeed a moment later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                matches!(status, 429 | 500 | 502..=504) || code == "ThrottlingException"
            }
            Self::Foreign { .. } => false,
            Self::NoAnswer { .. } => true,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message, .. } => {
                write!(f, "{code}: {}", message.as_deref().unwrap_or_default())
            }
            Self::Foreign { said } => write!(f, "not an answer of the API: {said}"),
            Self::NoAnswer { why } => write!(f, "no answer: {why}"),
        }
    }
}

impl std::error::Error for CallError {}

/// A call that is being put together.
#[derive(Clone)]
pub(crate) struct Call {
    api: Api,
    action: Action,
    input: Map<String, Value>,
}

impl Call {
    pub(super) fn new(api: &Api, action: Action) -> Self {
        Self {
            api: api.clone(),
            action,
            input: Map::new(),
        }
    }

    /// Sets a member of the input.
    #[must_use]
    pub(crate) fn set(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.input.insert(member.to_owned(), value.into());
        self
    }

    /// Sets a member of the input, if there is a value.
    #[must_use]
    pub(crate) fn set_some(self, member: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(member, value),
            None => self,
        }
    }

    /// Sets a member to an object of these pairs, of two with one name the later, unless there are none.
    #[must_use]
    pub(crate) fn set_pairs(self, member: &str, pairs: &[(String, String)]) -> Self {
        let entries: Map<_, _> = pairs
            .iter()
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect();
        self.set_some(member, (!entries.is_empty()).then_some(entries))
    }

    /// Sends it. A call that failed for a passing reason is sent again, [`ATTEMPTS_MAX`] times in total.
    pub(crate) async fn send(self) -> Result<Value, CallError> {
        let all = async {
            let mut pause = PAUSE;
            for _ in 1..ATTEMPTS_MAX {
                match self.attempt().await {
                    Err(error) if error.is_passing() => {}
                    outcome => return outcome,
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            self.attempt().await
        };
        let outcome = tokio::time::timeout(CALL_TIMEOUT, all).await;
        outcome.unwrap_or_else(|_| {
            let why = format!("no answer within {} seconds", CALL_TIMEOUT.as_secs());
            Err(CallError::NoAnswer { why })
        })
    }

    /// The same as a list, whose items are the member `list` of its answers.
    pub(crate) fn listing(self, list: &'static str) -> List {
        List { call: self, list }
    }

    async fn attempt(&self) -> Result<Value, CallError> {
        let (method, path) = self.action.route();
        let mut url = self.api.url.clone();
        // The URL of a server behind a proxy may have a path of its own.
        let path = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let body = Value::Object(self.input.clone()).to_string();
        let unsigned = UnsignedRequest {
            method,
            host: &host_of(&url),
            path: url.path(),
            body: body.as_bytes(),
        };
        let keys = &self.api.connection.keys;
        let signer = Signer {
            access_key: &keys.access_key,
            secret: &keys.secret_key,
            session_token: keys.session_token.as_deref(),
            region: &self.api.connection.region,
        };
        let headers = sign(&unsigned, &signer, clock::now().0 / 1_000_000);
        let mut request = self.api.http.post(url).body(body);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(no_answer)?;
        read(answer).await
    }
}

/// The `Host` header that reqwest sends: without the port if it is the usual one of the scheme.
fn host_of(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Value, CallError> {
    let status = answer.status();
    let named = answer.headers().get("x-amzn-errortype").cloned();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let why = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
            return Err(CallError::NoAnswer { why });
        }
        body.extend_from_slice(&chunk);
    }
    let value = match body.is_empty() {
        true => Some(Value::Object(Map::new())),
        false => serde_json::from_slice(&body).ok().filter(Value::is_object),
    };
    if status.is_success()
        && let Some(value) = value
    {
        return Ok(value);
    }
    let value = value.unwrap_or_default();
    let named = named.as_ref().and_then(|name| name.to_str().ok());
    let code = named
        .or_else(|| value["__type"].as_str())
        .or_else(|| value["code"].as_str());
    let message = ["message", "Message", "exceptionMessage"]
        .iter()
        .find_map(|member| value[member].as_str());
    match code.map(bare) {
        Some(code) if !status.is_success() && !code.is_empty() => Err(CallError::Refused {
            status: status.as_u16(),
            code: code.to_owned(),
            message: message.map(str::to_owned),
        }),
        _ => Err(CallError::Foreign {
            said: first_line_of(status.as_u16(), &body),
        }),
    }
}

/// An error's name without what services put around it: `namespace#Name:http://…`.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

/// The innermost cause, which is the specific one: "Connection refused", for example.
fn no_answer(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    CallError::NoAnswer {
        why: cause.to_string(),
    }
}

/// A list operation.
#[derive(Clone)]
pub(crate) struct List {
    call: Call,
    list: &'static str,
}

impl List {
    /// Name of the member with the items.
    pub(crate) fn name(&self) -> &'static str {
        self.list
    }
}

impl PageSource for List {
    type Page = JsonPage;
    type Item = Value;
    type Error = CallError;

    fn fetch(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<JsonPage, CallError>> + Send + 'static {
        let call = self.call.clone();
        let call = call
            .set_some("nextToken", request.token)
            .set_some("maxResults", request.page_size);
        let list = self.list;
        async move { Ok(JsonPage::new(call.send().await?, list)) }
    }

    fn items(page: &mut JsonPage) -> Option<&mut Vec<Value>> {
        page.items()
    }

    fn next_token(page: &JsonPage) -> Option<&str> {
        page.next_token()
    }

    fn add_list(page: &mut JsonPage) {
        page.add_list();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_errors_are_found_in_what_is_around_them() {
        for (given, name) in [
            ("ConflictException", "ConflictException"),
            (
                "ConflictException:http://internal.amazon.com/x",
                "ConflictException",
            ),
            ("com.amazonaws.ivs#ConflictException", "ConflictException"),
            ("", ""),
        ] {
            assert_eq!(bare(given), name, "{given}");
        }
    }

    #[test]
    fn a_host_is_signed_as_it_is_sent() {
        for (url, host) in [
            ("http://127.0.0.1:7080/", "127.0.0.1:7080"),
            ("http://[::1]:7080/x", "[::1]:7080"),
            ("https://example.com:443/", "example.com"),
            ("http://example.com:443/", "example.com:443"),
        ] {
            assert_eq!(host_of(&url.parse().unwrap()), host, "{url}");
        }
    }
}
