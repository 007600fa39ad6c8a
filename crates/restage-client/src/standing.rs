//! Asks over HTTP, at the URL of a WHIP or WHEP session, whether the session still exists. A server that was killed or
//! restarts sends nothing over the media path. The answer distinguishes this from a removal and from a silent path.

use std::io::{self, ErrorKind};
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::close::CloseReason;
use crate::error::harmless;
use crate::signal::{HttpSession, REFUSAL_BYTES_MAX, read_body};

/// Longest wait for an answer.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// Codes of endings after which the same participant may reconnect: the path or the server was the cause.
const PASSING: [&str; 8] = [
    "SILENT",
    "CLOSED",
    "INTERNAL",
    "BUSY",
    "NO_MEDIA_PATH",
    "ICE_FAILED",
    "DTLS_FAILED",
    "SERVER_RESTART",
];

/// The state of a session according to its URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The session is open.
    Open,
    /// The session has ended, with the reason.
    Ended(CloseReason),
    /// The server does not know the session: another process has replaced it.
    Forgotten,
    /// There is no server, or a proxy reports so.
    Away,
    /// No answer arrived in time.
    Unanswered,
    /// The answer is not that of a restage server.
    Unclear,
}

/// The error body of a restage server.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    #[serde(default)]
    message: String,
    ended: Option<Ended>,
}

#[derive(Deserialize)]
struct Ended {
    code: String,
    #[serde(default)]
    message: String,
}

impl Standing {
    fn of(status: StatusCode, body: &str) -> Self {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => return Self::Open,
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => return Self::Away,
            _ => {}
        }
        let Ok(refusal) = serde_json::from_str::<Refusal>(body) else {
            return Self::Unclear;
        };
        match (status, refusal.ended) {
            (StatusCode::NOT_FOUND, Some(ended)) => {
                Self::Ended(ending(&ended.code, &ended.message))
            }
            (StatusCode::NOT_FOUND, None) if refusal.code == "NO_SESSION" => Self::Forgotten,
            // The token is no longer valid.
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) => {
                Self::Ended(ending(&refusal.code, &refusal.message))
            }
            _ => Self::Unclear,
        }
    }
}

fn ending(code: &str, message: &str) -> CloseReason {
    match code {
        "SERVER_RESTART" => CloseReason::Restarted,
        code if PASSING.contains(&code) => CloseReason::Lost,
        code => CloseReason::Ended {
            code: harmless(code),
            message: harmless(message),
        },
    }
}

impl HttpSession {
    /// Asks once, without following redirects.
    pub(crate) fn look(&self) -> impl Future<Output = Standing> + Send + 'static + use<> {
        let request = self
            .http
            .client
            .request(Method::GET, self.url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .timeout(LOOK_TIMEOUT);
        let url = self.url.clone();
        async move {
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) if is_away(&error) => return Standing::Away,
                Err(_) => return Standing::Unanswered,
            };
            let status = response.status();
            match read_body(&url, response, REFUSAL_BYTES_MAX).await {
                Ok(body) => Standing::of(status, &body),
                Err(_) => Standing::Unclear,
            }
        }
    }
}

/// Whether the machine refused the connection, or the connection was cut before the answer. False when the name is not
/// found or the network is unreachable.
fn is_away(error: &reqwest::Error) -> bool {
    if !error.is_connect() {
        return !error.is_timeout();
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Standing {
        Standing::of(StatusCode::from_u16(status).unwrap(), body)
    }

    #[test]
    fn a_removal_is_told_from_a_restart_and_from_a_path_that_was_silent() {
        let ended = |code: &str| {
            let body = format!(
                r#"{{"code":"NO_SESSION","message":"m","ended":{{"code":"{code}","reason":"r","message":"why"}}}}"#
            );
            of(404, &body)
        };
        assert_eq!(
            ended("SERVER_RESTART"),
            Standing::Ended(CloseReason::Restarted)
        );
        assert_eq!(ended("SILENT"), Standing::Ended(CloseReason::Lost));
        for code in [
            "PARTICIPANT_DISCONNECTED",
            "REPLACED",
            "PUBLISHER_LEFT",
            "NEW",
        ] {
            let reason = CloseReason::Ended {
                code: code.to_owned(),
                message: "why".to_owned(),
            };
            assert_eq!(ended(code), Standing::Ended(reason));
        }
        let forgotten = r#"{"code":"NO_SESSION","message":"there is no such session"}"#;
        assert_eq!(of(404, forgotten), Standing::Forgotten);
        let void = r#"{"code":"TOKEN_MALFORMED","message":"no key"}"#;
        assert!(matches!(
            of(401, void),
            Standing::Ended(CloseReason::Ended { .. })
        ));
    }

    #[test]
    fn other_servers_and_proxies_are_understood_as_far_as_they_speak() {
        assert_eq!(of(405, ""), Standing::Open);
        assert_eq!(of(502, "<html>"), Standing::Away);
        for (status, body) in [
            (404, ""),
            (404, "{}"),
            (200, "v=0"),
            (401, "no"),
            (500, "{}"),
        ] {
            assert_eq!(of(status, body), Standing::Unclear, "{status} {body}");
        }
        let stage = r#"{"code":"NOT_FOUND","message":"no such stage"}"#;
        assert_eq!(of(404, stage), Standing::Unclear);
    }
}
