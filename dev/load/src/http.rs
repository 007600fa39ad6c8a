//! The HTTP that clients for load need: sending an SDP offer, and reading a page.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Longest wait for the answer to an offer. A slower server is not worth measuring.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Posts an offer to a WHIP or WHEP endpoint and returns the answer.
pub(crate) fn post_offer(url: &str, token: &str, offer: &str) -> anyhow::Result<String> {
    let headers = format!(
        "Authorization: Bearer {token}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
        offer.len()
    );
    let (status, body) = exchange("POST", url, &headers, offer)?;
    if status != "201" {
        return Err(Refused { status, body }.into());
    }
    Ok(body)
}

/// Reads a page.
pub fn get(url: &str) -> anyhow::Result<String> {
    let (status, body) = exchange("GET", url, "", "")?;
    if status != "200" {
        bail!("{url} was answered with {status}");
    }
    Ok(body)
}

/// The server refused an offer.
#[derive(Debug)]
pub struct Refused {
    /// The HTTP status, as text.
    pub status: String,
    /// The body of the answer.
    pub body: String,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, body } = self;
        write!(f, "the server refused the offer with {status}: {body}")
    }
}

/// Status and body of the answer.
fn exchange(
    method: &str,
    url: &str,
    headers: &str,
    content: &str,
) -> anyhow::Result<(String, String)> {
    let rest = url
        .strip_prefix("http://")
        .context("the endpoint is not an http URL")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream =
        TcpStream::connect(authority).with_context(|| format!("cannot reach {authority}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {authority}\r\n{headers}Connection: close\r\n\r\n{content}"
    );
    stream.write_all(request.as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).context("no answer")?;
    let (head, body) = reply
        .split_once("\r\n\r\n")
        .context("the answer has no end of headers")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}
