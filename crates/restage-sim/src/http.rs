//! One HTTP exchange: an SDP offer for an SDP answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// A server that takes longer to answer an offer is not worth measuring.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Posts an offer to a WHIP or WHEP endpoint and returns the answer.
pub(crate) fn post_offer(url: &str, token: &str, offer: &str) -> anyhow::Result<String> {
    let rest = url
        .strip_prefix("http://")
        .context("the endpoint is not an http URL")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream =
        TcpStream::connect(authority).with_context(|| format!("cannot reach {authority}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{offer}",
        offer.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .context("no answer to the offer")?;
    let (head, body) = reply
        .split_once("\r\n\r\n")
        .context("the answer has no end of headers")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "201" {
        bail!("the server refused the offer with {status}: {body}");
    }
    Ok(body.to_owned())
}
