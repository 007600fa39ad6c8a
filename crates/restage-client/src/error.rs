//! Errors between a program and a stage.

use std::time::Duration;

use crate::close::CloseReason;
use crate::frame::Codec;
use crate::token::TokenError;

/// An error of the stage client: [`Publisher`](crate::Publisher), [`Subscriber`](crate::Subscriber)
/// and [`EventStream`](crate::EventStream).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A URL cannot be used: it does not parse, or its scheme is not the required one.
    #[error("{url:?} cannot be used: {reason}")]
    Url {
        /// The URL as given.
        url: String,
        /// Why it cannot be used.
        reason: String,
    },

    /// The participant token could not be read.
    #[error(transparent)]
    Token(#[from] TokenError),

    /// The HTTP exchange itself failed: name resolution, route, TLS, a connection that ended early.
    #[error("the HTTP exchange with {host} failed: {reason}")]
    Http {
        /// Host and port of the request.
        host: String,
        /// The whole chain of causes, in one line.
        reason: String,
    },

    /// The server answered with a refusal.
    #[error("the server refused with HTTP {status}{}: {message}", code_suffix(.code.as_deref()))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The `x-amzn-ErrorType` header, if the server sent one.
        code: Option<String>,
        /// The server's message, cut to one line.
        message: String,
    },

    /// A redirect that must not, or cannot, be followed.
    #[error("a redirect from {from} cannot be followed: {reason}")]
    Redirect {
        /// Where the redirect came from.
        from: String,
        /// Why the redirect is not followed.
        reason: String,
    },

    /// The server's SDP answer cannot be used.
    #[error("the SDP answer cannot be used: {0}")]
    Answer(String),

    /// The local side of the media transport could not be set up or run.
    #[error("the media transport failed: {0}")]
    Transport(String),

    /// ICE, DTLS and SRTP were not connected in time.
    #[error(
        "no media connection within {0:?}: are the server's candidates reachable over UDP from here?"
    )]
    ConnectTimeout(Duration),

    /// The connection has ended; the reason says who ended it.
    #[error("the connection is closed: {0}")]
    Closed(CloseReason),

    /// A frame of a codec that was not offered, or that the server did not accept.
    #[error("{0} was not negotiated with the server")]
    NotNegotiated(Codec),

    /// The bytes to publish are not an RTP packet, or the packet is too long.
    #[error("the RTP packet cannot be sent: {0}")]
    Rtp(String),

    /// The certificates to trust cannot be used.
    #[error("the certificates cannot be used: {0}")]
    Trust(String),

    /// The events socket broke, or the server sent something other than JSON text frames.
    #[error("the events socket failed: {0}")]
    Events(String),
}

/// HTTP statuses of temporary refusals: the server is starting, stopping or busy.
const PASSING: [u16; 5] = [429, 500, 502, 503, 504];

impl Error {
    /// True if the same call may succeed later: no answer, a busy server, or a connection that was not ended on
    /// purpose.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => PASSING.contains(status),
            Self::Http { .. } | Self::ConnectTimeout(_) | Self::Events(_) => true,
            Self::Closed(reason) => reason.is_passing(),
            _ => false,
        }
    }
}

fn code_suffix(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

/// Longest quotation of another server's text, in characters.
const QUOTE_CHARS_MAX: usize = 300;

/// The first non-empty line of a body, cut to `QUOTE_CHARS_MAX`. Control characters and those
/// that change the direction of text are escaped, so that they have no effect on a terminal.
/// `None` for an empty body.
#[must_use]
pub fn first_line(body: &[u8]) -> Option<String> {
    // Only the beginning is decoded, because a body can be long.
    let head = String::from_utf8_lossy(&body[..body.len().min(8 * QUOTE_CHARS_MAX)]);
    let line = head.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(harmless(line))
}

/// Another server's text, cut and escaped.
pub(crate) fn harmless(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars().take(QUOTE_CHARS_MAX) {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c.is_control() || turns {
            true => quoted.extend(c.escape_default()),
            false => quoted.push(c),
        }
    }
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}

/// An error and all its causes in one line, because some libraries put the useful part into the
/// sources of their errors.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_quoted_in_one_harmless_line() {
        let quote = |body: &str| first_line(body.as_bytes());
        assert_eq!(quote("\n  <html>\r\n<body>").as_deref(), Some("<html>"));
        assert_eq!(quote(" \n"), None);
        assert_eq!(
            quote("a\u{1b}[2Jb\u{202e}c").as_deref(),
            Some("a\\u{1b}[2Jb\\u{202e}c")
        );
        let long = quote(&"ä".repeat(10_000)).unwrap();
        assert_eq!(long.chars().filter(|c| *c == 'ä').count(), QUOTE_CHARS_MAX);
        assert!(long.ends_with('…'));
        assert_eq!(first_line(&[0xff, b'x']).as_deref(), Some("\u{fffd}x"));
    }
}
