//! What changes for requests when the listeners serve TLS: plain ones are sent to the public URL, browsers are told to
//! stay with TLS, and authorities get the answers to their challenges.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Router, body};
use http::header::{CONTENT_TYPE, HOST, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use restage_store::system::clock;

use super::door::Proxies;
use super::listener::Connection;
use super::refusal::Refusal;
use super::{App, address};
use crate::config::Host;
use crate::tls::{Standing, Tls};

/// By which protocol a proxy was asked.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Where authorities look for the answer to a challenge over HTTP (RFC 8555 §8.3); they ask without TLS.
const CHALLENGES: &str = "/.well-known/acme-challenge/";
/// Health checks, which ask addresses and not names.
const CHECKS: [&str; 2] = ["/healthz", "/readyz"];
/// For how long browsers stay with TLS after their last visit (RFC 6797 §6.1.1): 180 days.
const STAY: HeaderValue = HeaderValue::from_static("max-age=15552000");

/// The TLS of the listeners, as requests see it.
pub struct Secure {
    tls: Arc<Tls>,
    /// The public URL, which begins with `https://`, without a trailing slash.
    public_url: String,
    base_path: String,
    /// The host and port of the public URL as browsers send them, if it is a name of its own. Browsers that were told to
    /// stay with TLS at `localhost` would do so for every program of the machine.
    stays: Option<String>,
}

impl Secure {
    /// TLS at this public URL.
    pub fn new(tls: Arc<Tls>, public_url: &str, base_path: &str) -> Self {
        let is_name =
            matches!(Host::of_url(public_url), Some(host @ Host::Name(_)) if !host.is_local());
        let authority = public_url
            .strip_prefix("https://")
            .and_then(|rest| rest.split('/').next())
            .map(|authority| authority.strip_suffix(":443").unwrap_or(authority));
        Self {
            tls,
            public_url: public_url.to_owned(),
            base_path: base_path.to_owned(),
            stays: authority.filter(|_| is_name).map(str::to_ascii_lowercase),
        }
    }

    /// The TLS of the listeners.
    pub(crate) fn tls(&self) -> &Arc<Tls> {
        &self.tls
    }

    /// Where to send a request that came without TLS; `None` serves it. Health checks, challenges and this machine are
    /// served without TLS as well. A trusted proxy, which may end TLS itself, is served unless it says that its client
    /// came without.
    pub(super) fn instead<B>(&self, request: &Request<B>, proxies: &Proxies) -> Option<Response> {
        let connection = request.extensions().get::<Connection>()?;
        if connection.is_encrypted {
            return None;
        }
        let path = request.uri().path();
        let path = address::beyond(&self.base_path, path).unwrap_or(path);
        if CHECKS.contains(&path) || path.starts_with(CHALLENGES) {
            return None;
        }
        if proxies.trusts(connection.address) {
            let by = request
                .headers()
                .get_all(X_FORWARDED_PROTO)
                .iter()
                .next_back()?;
            if !by.as_bytes().trim_ascii().ends_with(b"http") {
                return None;
            }
        } else if connection.address.is_loopback() {
            return None;
        }
        let query = request.uri().query();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Some(self.sent_to(request.method(), &format!("{path}{query}")))
    }

    fn sent_to(&self, method: &Method, path: &str) -> Response {
        // Both keep method and body. WHIP clients know 307, because Amazon IVS answers it.
        let status = match *method {
            Method::GET | Method::HEAD => StatusCode::PERMANENT_REDIRECT,
            _ => StatusCode::TEMPORARY_REDIRECT,
        };
        let message = "this server is asked over TLS; Location has the URL";
        let mut response = Refusal::new(status, "TLS_REQUIRED", message).into_response();
        // The path of `OPTIONS *` is an asterisk.
        let path = if path.starts_with('/') { path } else { "/" };
        let location = format!("{}{path}", self.public_url);
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }

    /// Whether to tell the browser that sent this request to stay with TLS.
    pub(super) fn tells_to_stay<B>(&self, request: &Request<B>) -> bool {
        let (Some(authority), Some(host)) = (&self.stays, request.headers().get(HOST)) else {
            return false;
        };
        let host = host.as_bytes();
        let host = host.strip_suffix(b":443").unwrap_or(host);
        let connection = request.extensions().get::<Connection>();
        host.eq_ignore_ascii_case(authority.as_bytes())
            && connection.is_some_and(|connection| connection.is_encrypted)
    }

    /// How the certificate stands now.
    pub(crate) fn standing(&self) -> Standing {
        self.tls.standing(clock::now().0 / 1_000_000)
    }
}

/// Tells a browser to stay with TLS.
pub(super) fn tell_to_stay<B>(response: &mut http::Response<B>) {
    let headers = response.headers_mut();
    headers.insert(STRICT_TRANSPORT_SECURITY, STAY);
}

/// The answers to challenges over HTTP.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/.well-known/acme-challenge/{token}", get(challenge))
}

async fn challenge(State(app): State<App>, Path(token): Path<String>) -> Response {
    let served = app.secure.as_ref().map(|secure| secure.tls().served());
    match served.and_then(|served| served.challenge(&token)) {
        Some(text) => (
            [(CONTENT_TYPE, "application/octet-stream")],
            body::Body::from(text),
        )
            .into_response(),
        None => {
            let message = "no authority has asked for this";
            Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::sync::Semaphore;

    use std::net::SocketAddr;

    use restage_node::media::Ends;

    use super::*;
    use crate::tls::testing::made;

    fn secure(public_url: &str, base_path: &str) -> Secure {
        let tls = Tls::of(made(&["a.test"], 0, 1).certificate());
        Secure::new(tls, public_url, base_path)
    }

    fn request(method: &str, url: &str, from: &str, is_encrypted: bool) -> Request<()> {
        let descriptor = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let connection = Connection {
            address: from.parse::<IpAddr>().unwrap(),
            ends: Ends {
                client: SocketAddr::new(from.parse().unwrap(), 1),
                local: SocketAddr::from(([127, 0, 0, 1], 1)),
            },
            is_encrypted,
            descriptor: Arc::new(descriptor),
        };
        Request::builder()
            .method(method)
            .uri(url)
            .extension(connection)
            .body(())
            .unwrap()
    }

    #[test]
    fn who_asks_without_tls_is_sent_to_the_public_url() {
        let secure = secure("https://video.example.org", "");
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let far = "203.0.113.9";
        for (method, url, from, is_encrypted, sent) in [
            ("GET", "/console/?a=b", far, false, Some(308)),
            ("HEAD", "/console/", far, false, Some(308)),
            ("POST", "/whip", far, false, Some(307)),
            ("POST", "/ListStages", far, false, Some(307)),
            ("OPTIONS", "/whip", far, false, Some(307)),
            ("GET", "/console/", far, true, None),
            ("GET", "/healthz", far, false, None),
            ("GET", "/readyz", far, false, None),
            ("GET", "/.well-known/acme-challenge/x", far, false, None),
            ("GET", "/.well-known/other", far, false, Some(308)),
            ("POST", "/ListStages", "127.0.0.1", false, None),
            ("POST", "/ListStages", "::1", false, None),
            // The proxy may have ended TLS.
            ("POST", "/ListStages", "10.0.0.7", false, None),
        ] {
            let request = request(method, url, from, is_encrypted);
            let answer = secure.instead(&request, &proxies);
            let status = answer.as_ref().map(|answer| answer.status().as_u16());
            assert_eq!(status, sent, "{method} {url} {from}");
            if let Some(answer) = answer {
                let location = answer.headers()[LOCATION].to_str().unwrap();
                assert_eq!(location, format!("https://video.example.org{url}"));
            }
        }
        for (proto, is_sent) in [
            ("http", true),
            ("https", false),
            ("https, http", true),
            ("", false),
        ] {
            let mut request = request("GET", "/console/", "10.0.0.7", false);
            let proto = HeaderValue::from_str(proto).unwrap();
            request.headers_mut().insert(X_FORWARDED_PROTO, proto);
            assert_eq!(secure.instead(&request, &proxies).is_some(), is_sent);
        }
    }

    #[test]
    fn a_request_without_a_path_is_sent_to_the_root() {
        let secure = secure("https://video.example.org", "");
        let request = request("OPTIONS", "*", "203.0.113.9", false);
        let answer = secure.instead(&request, &Proxies::default()).unwrap();
        assert_eq!(answer.headers()[LOCATION], "https://video.example.org/");
    }

    /// A host in the request never decides where its sender is sent.
    #[test]
    fn the_public_url_decides_and_its_path_is_kept() {
        let secure = secure("https://video.example.org:8443/live", "/live");
        let none = Proxies::default();
        for (url, location) in [
            ("/whip", "/whip"),
            ("/live/whip?token=x", "/whip?token=x"),
            ("http://attacker.example/whip", "/whip"),
            ("//attacker.example/", "//attacker.example/"),
        ] {
            let mut request = request("POST", url, "203.0.113.9", false);
            let host = HeaderValue::from_static("attacker.example");
            request.headers_mut().insert(HOST, host);
            let answer = secure.instead(&request, &none).unwrap();
            let found = answer.headers()[LOCATION].to_str().unwrap();
            assert_eq!(
                found,
                format!("https://video.example.org:8443/live{location}")
            );
        }
        let health = request("GET", "/live/healthz", "203.0.113.9", false);
        assert!(secure.instead(&health, &none).is_none());
    }

    #[test]
    fn browsers_stay_with_tls_under_a_name_of_its_own() {
        for (public_url, host, is_encrypted, stays) in [
            ("https://Video.example.org", "video.example.org", true, true),
            (
                "https://video.example.org:443/live",
                "VIDEO.example.org:443",
                true,
                true,
            ),
            (
                "https://video.example.org:8443",
                "video.example.org:8443",
                true,
                true,
            ),
            (
                "https://video.example.org:8443",
                "video.example.org",
                true,
                false,
            ),
            (
                "https://video.example.org",
                "video.example.org",
                false,
                false,
            ),
            ("https://video.example.org", "localhost", true, false),
            ("https://localhost:4080", "localhost:4080", true, false),
            ("https://203.0.113.7", "203.0.113.7", true, false),
        ] {
            let mut request = request("GET", "/console/", "203.0.113.9", is_encrypted);
            request
                .headers_mut()
                .insert(HOST, HeaderValue::from_str(host).unwrap());
            let found = secure(public_url, "").tells_to_stay(&request);
            assert_eq!(found, stays, "{public_url} {host}");
        }
    }
}
