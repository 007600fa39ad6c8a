//! The HTTP part of WHIP and WHEP: send an offer, receive an answer, end the session with DELETE
//! (RFC 9725 §4; WHEP draft-ietf-wish-whep §4 is the same exchange in the other direction).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::watch;
use url::Url;

use crate::error::{Error, chain, first_line, harmless};
use crate::ice_server::{self, IceServer};
use crate::trust::Trust;

/// Redirects followed from the given URL to the answer. IVS needs one; its samples allow five.
const REDIRECTS_MAX: usize = 6;
/// Longest SDP answer read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Longest error body read.
pub(crate) const REFUSAL_BYTES_MAX: usize = 16 * 1024;
/// Time limit of one HTTP request, from connecting to the last byte of the body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The header of a resumption secret, in requests and answers.
pub(crate) const RESUMPTION: &str = "restage-resumption";
const SDP: HeaderValue = HeaderValue::from_static("application/sdp");

/// The HTTP client that sends offers. Cheap to clone; give one to many publishers and
/// subscribers to share its set-up (TLS roots, name resolution).
#[derive(Debug, Clone)]
pub struct HttpClient {
    pub(crate) client: reqwest::Client,
    /// The number of sessions on servers that have not ended yet.
    open: Arc<watch::Sender<usize>>,
}

impl HttpClient {
    /// A client that follows no redirects itself and keeps no idle connections.
    ///
    /// # Errors
    /// [`Error::Http`] if the system's TLS roots cannot be read.
    pub fn new() -> Result<Self, Error> {
        Self::trusting(&Trust::system())
    }

    /// Like [`HttpClient::new`], with a choice of the trusted certificates.
    ///
    /// # Errors
    /// As [`HttpClient::new`].
    pub fn trusting(trust: &Trust) -> Result<Self, Error> {
        // `post_offer` follows the redirects, because a general client drops the bearer token
        // when the host changes, which WHIP must not. Idle connections would bind the client to the
        // runtime that used it first.
        let mut builder = reqwest::Client::builder();
        if let Some(config) = trust.rustls_config() {
            builder = builder.tls_backend_preconfigured(config.as_ref().clone());
        }
        builder
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("restage-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(|client| Self {
                client,
                open: Arc::new(watch::Sender::new(0)),
            })
            .map_err(|error| Error::Http {
                host: "any host".to_owned(),
                reason: chain(&error),
            })
    }

    /// Waits until the servers know that every connection of this client has ended, or have refused
    /// the DELETE. Publishers and subscribers that are dropped send the DELETE in the background: a
    /// program should await this before it exits.
    pub async fn hung_up(&self) {
        let mut open = self.open.subscribe();
        // `wait_for` fails only when there is no sender, and this client holds one.
        let _ = open.wait_for(|count| *count == 0).await;
    }
}

/// Counts one session that is open on a server, as far as this client knows.
struct Open(Arc<watch::Sender<usize>>);

impl Open {
    fn of(http: &HttpClient) -> Self {
        http.open.send_modify(|count| *count += 1);
        Self(Arc::clone(&http.open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A server's answer to an offer.
pub(crate) struct Answered {
    /// The SDP answer.
    pub(crate) sdp: String,
    /// The session on the server, if the answer named one.
    pub(crate) session: Option<HttpSession>,
    /// The resumption secret, for connections after the token has expired, if the server issued one.
    pub(crate) resumption: Option<String>,
    /// The relays that the server named.
    pub(crate) ice_servers: Vec<IceServer>,
}

/// A WHIP or WHEP session on a server: the target of DELETE.
pub(crate) struct HttpSession {
    pub(crate) http: HttpClient,
    pub(crate) url: Url,
    pub(crate) authorization: HeaderValue,
    _open: Open,
}

pub(crate) fn parse_url(text: &str, schemes: [&str; 2]) -> Result<Url, Error> {
    let fail = |reason: String| Error::Url {
        url: text.to_owned(),
        reason,
    };
    let url = Url::parse(text).map_err(|error| fail(error.to_string()))?;
    if !schemes.contains(&url.scheme()) {
        return Err(fail(format!(
            "its scheme must be {} or {}",
            schemes[0], schemes[1]
        )));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(fail("it names no host".to_owned()));
    }
    Ok(url)
}

/// The addresses behind a URL, from which the local address towards the server is found.
pub(crate) async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, Error> {
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| Error::Http {
            host: authority(url),
            reason: error.to_string(),
        })?
        .collect();
    Ok(addresses)
}

/// Posts an SDP offer, follows redirects that keep the method (307, 308), and returns the answer.
pub(crate) async fn post_offer(
    http: &HttpClient,
    endpoint: Url,
    token: &str,
    resumption: Option<&str>,
    offer: &str,
) -> Result<Answered, Error> {
    let authorization = bearer(token)?;
    let resumption = resumption.and_then(secret);
    let mut url = endpoint;
    for _ in 0..=REDIRECTS_MAX {
        let mut request = http
            .client
            .request(Method::POST, url.clone())
            .header(AUTHORIZATION, authorization.clone())
            .header(CONTENT_TYPE, SDP)
            .header(ACCEPT, SDP);
        if let Some(secret) = &resumption {
            request = request.header(RESUMPTION, secret.clone());
        }
        let response = request
            .body(offer.to_owned())
            .send()
            .await
            .map_err(|error| http_error(&url, error))?;
        match response.status() {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                url = redirect_target(&url, response.headers())?;
            }
            StatusCode::CREATED | StatusCode::OK => {
                let session = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|location| location.to_str().ok())
                    .and_then(|location| url.join(location).ok())
                    .filter(|session| is_same_or_safer(&url, session))
                    .map(|url| HttpSession {
                        http: http.clone(),
                        url,
                        authorization,
                        _open: Open::of(http),
                    });
                let given = response.headers().get(RESUMPTION);
                let resumption = given.and_then(|value| value.to_str().ok());
                let resumption = resumption.map(str::to_owned);
                let ice_servers = ice_server::of_headers(response.headers());
                let status = response.status().as_u16();
                let sdp = read_body(&url, response, ANSWER_BYTES_MAX).await?;
                if !sdp.trim_start().starts_with("v=") {
                    return Err(no_sdp(&url, status, &sdp));
                }
                return Ok(Answered {
                    sdp,
                    session,
                    resumption,
                    ice_servers,
                });
            }
            _ => return Err(refused(&url, response).await),
        }
    }
    let reason = format!("more than {REDIRECTS_MAX} redirects");
    Err(Error::Redirect {
        from: authority(&url),
        reason,
    })
}

/// The error for an answer that is not from a WHIP or WHEP server.
fn no_sdp(url: &Url, status: u16, body: &str) -> Error {
    let host = authority(url);
    let line = first_line(body.as_bytes());
    Error::Answer(match line {
        Some(line) => format!("{host} said HTTP {status} and no SDP but: {line}"),
        None => format!("{host} said HTTP {status} and nothing else"),
    })
}

impl HttpSession {
    pub(crate) fn authority(&self) -> String {
        authority(&self.url)
    }

    /// Ends the session on the server. A session that has already ended (404, 410) counts as success:
    /// IVS's own clients see these statuses when they leave normally.
    pub(crate) async fn delete(self) -> Result<(), Error> {
        let mut url = self.url;
        for _ in 0..=REDIRECTS_MAX {
            let response = self
                .http
                .client
                .request(Method::DELETE, url.clone())
                .header(AUTHORIZATION, self.authorization.clone())
                .send()
                .await
                .map_err(|error| http_error(&url, error))?;
            match response.status() {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = redirect_target(&url, response.headers())?;
                }
                StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(()),
                status if status.is_success() => return Ok(()),
                _ => return Err(refused(&url, response).await),
            }
        }
        let reason = format!("more than {REDIRECTS_MAX} redirects");
        Err(Error::Redirect {
            from: authority(&url),
            reason,
        })
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
        let reason = "it contains characters that cannot stand in an HTTP header";
        crate::token::TokenError::Payload(reason.to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A resumption secret as a header value; `None` for a text that cannot be one.
pub(crate) fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let fail = |reason: String| Error::Redirect {
        from: authority(from),
        reason,
    };
    let location = headers
        .get(LOCATION)
        .ok_or_else(|| fail("it has no Location header".to_owned()))?
        .to_str()
        .map_err(|_| fail("its Location is not ASCII".to_owned()))?;
    let target = from
        .join(location)
        .map_err(|error| fail(error.to_string()))?;
    if !matches!(target.scheme(), "http" | "https") || target.host_str().is_none() {
        return Err(fail(format!(
            "its Location has scheme {:?}",
            target.scheme()
        )));
    }
    if !is_same_or_safer(from, &target) {
        return Err(fail(
            "it leads from https to http and would show the token".to_owned(),
        ));
    }
    Ok(target)
}

/// Whether the bearer token may follow a redirect: to other hosts yes, as WHIP needs, but never from TLS to plain text.
fn is_same_or_safer(from: &Url, to: &Url) -> bool {
    from.scheme() != "https" || to.scheme() == "https"
}

async fn refused(url: &Url, response: Response) -> Error {
    let status = response.status();
    let code = response.headers().get("x-amzn-errortype");
    let code = code
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = read_body(url, response, REFUSAL_BYTES_MAX)
        .await
        .unwrap_or_default();
    refusal(status, code.as_deref(), body.as_bytes())
}

/// The error for a refusal. Its text is the message of the body, else the first line of the body
/// (which shows what kind of server answered), else the meaning of the status.
pub(crate) fn refusal(status: StatusCode, code: Option<&str>, body: &[u8]) -> Error {
    let message = refusal_words(body)
        .or_else(|| first_line(body))
        .unwrap_or_else(|| {
            let reason = status.canonical_reason();
            reason.unwrap_or("no reason given").to_owned()
        });
    Error::Refused {
        status: status.as_u16(),
        // A colon separates the name from an address that is not needed.
        code: code.map(|value| harmless(value.split(':').next().unwrap_or(value))),
        message,
    }
}

/// The message in an error body: a JSON member `message` or `exceptionMessage`.
fn refusal_words(body: &[u8]) -> Option<String> {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let words = ["message", "exceptionMessage"]
        .iter()
        .find_map(|name| members.get(*name)?.as_str())?;
    Some(harmless(words))
}

pub(crate) async fn read_body(
    url: &Url,
    mut response: Response,
    limit: usize,
) -> Result<String, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| http_error(url, error))?
    {
        if body.len() + chunk.len() > limit {
            let reason = format!("the answer is longer than {limit} bytes");
            return Err(Error::Http {
                host: authority(url),
                reason,
            });
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| Error::Http {
        host: authority(url),
        reason: "the answer is not UTF-8".to_owned(),
    })
}

fn http_error(url: &Url, error: reqwest::Error) -> Error {
    Error::Http {
        host: authority(url),
        reason: chain(&error.without_url()),
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_wrong_kind_are_refused() {
        let http = ["http", "https"];
        assert!(parse_url("http://[::1]:4080/whip", http).is_ok());
        for text in ["", "whip", "ws://a/b", "file:///etc/passwd", "https://"] {
            assert!(
                matches!(parse_url(text, http), Err(Error::Url { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_redirect_never_leaves_tls() {
        let at = |text: &str| Url::parse(text).unwrap();
        let to =
            |text: &'static str| HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(text))]);
        let target = redirect_target(&at("https://a/x"), &to("https://b/y")).unwrap();
        assert_eq!(target.as_str(), "https://b/y");
        let target = redirect_target(&at("https://a/x"), &to("/z")).unwrap();
        assert_eq!(target.as_str(), "https://a/z");
        for location in ["http://b/y", "ftp://b/y", "data:,x"] {
            redirect_target(&at("https://a/x"), &to(location)).unwrap_err();
        }
        redirect_target(&at("https://a/x"), &HeaderMap::new()).unwrap_err();
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        let words = |body: &str| match refusal(StatusCode::BAD_GATEWAY, None, body.as_bytes()) {
            Error::Refused { message, .. } => message,
            other => panic!("{other}"),
        };
        assert_eq!(words(r#"{"exceptionMessage":"no"}"#), "no");
        assert_eq!(words(r#"{"message":"m","exceptionMessage":"e"}"#), "m");
        assert_eq!(words("plain\n"), "plain");
        assert_eq!(words("<html>\n<head>"), "<html>");
        assert_eq!(words("{}"), "{}");
        assert_eq!(words(""), "Bad Gateway");
        assert_eq!(words("\u{7}"), "\\u{7}");
    }

    #[test]
    fn an_answer_without_sdp_is_quoted() {
        let url = Url::parse("http://127.0.0.1:8000/whip").unwrap();
        let said = no_sdp(&url, 200, "<!doctype html>\n<p>").to_string();
        assert!(said.contains("127.0.0.1:8000 said HTTP 200"), "{said}");
        assert!(said.contains("<!doctype html>"), "{said}");
    }

    #[test]
    fn a_token_with_a_line_break_is_refused() {
        assert!(bearer("a\r\nX-Other: 1").is_err());
        assert!(bearer("a.b.c").unwrap().is_sensitive());
    }
}
