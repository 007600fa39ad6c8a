//! What can go wrong between a program and a stage.

use std::time::Duration;

use crate::frame::Codec;
use crate::peer::CloseReason;
use crate::token::TokenError;

/// An error of the stage client: [`Publisher`](crate::Publisher), [`Subscriber`](crate::Subscriber)
/// and [`EventStream`](crate::EventStream).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A URL could not be used: it does not parse, or its scheme is not the one needed.
    #[error("{url:?} cannot be used: {reason}")]
    Url {
        /// The text given.
        url: String,
        /// Why it cannot be used.
        reason: String,
    },

    /// The participant token could not be read.
    #[error(transparent)]
    Token(#[from] TokenError),

    /// The HTTP exchange itself failed: name, route, TLS, a connection cut short.
    #[error("the HTTP exchange with {host} failed: {reason}")]
    Http {
        /// Host and port that were asked.
        host: String,
        /// The whole chain of causes, in one line.
        reason: String,
    },

    /// The server answered and said no.
    #[error("the server refused with HTTP {status}{}: {message}", code_suffix(.code.as_deref()))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The `x-amzn-ErrorType` header, if the server sent one.
        code: Option<String>,
        /// The server's words, cut to a line.
        message: String,
    },

    /// A redirect that must not, or cannot, be followed.
    #[error("a redirect from {from} cannot be followed: {reason}")]
    Redirect {
        /// Where the redirect came from.
        from: String,
        /// Why it stops here.
        reason: String,
    },

    /// The server's SDP answer is not one this client can work with.
    #[error("the SDP answer cannot be used: {0}")]
    Answer(String),

    /// The local end of the media transport could not be set up or driven.
    #[error("the media transport failed: {0}")]
    Transport(String),

    /// ICE, DTLS and SRTP were not up in time.
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

    /// What was to be published as an RTP packet is none, or too long.
    #[error("the RTP packet cannot be sent: {0}")]
    Rtp(String),

    /// The events socket broke or the server spoke something else than JSON text frames.
    #[error("the events socket failed: {0}")]
    Events(String),
}

fn code_suffix(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

/// An error and all its causes in one line, for errors of libraries that hide the useful part
/// in their sources.
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
