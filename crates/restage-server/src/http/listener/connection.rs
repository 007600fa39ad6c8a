//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use restage_node::seldom::Seldom;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::super::door::{Door, Notes, Seated};
use super::arriving::Arriving;
use super::proxy::{self, Beginning};

/// Room for the head of one request, and what of its body is read at a time: a token in a header is some kilobytes.
pub(super) const HEAD_LEN_MAX: usize = 32 * 1024;
/// What is read, and thrown away, of a body that was refused: closing the connection on a client that is still sending
/// would take the refusal back.
const DISCARDED_MAX: usize = 8 * 1024 * 1024;
/// How long that may take.
const DISCARDING_MAX: Duration = Duration::from_secs(5);
/// Bytes that are thrown away at a time.
const SCRATCH_LEN: usize = 4 * 1024;
/// The answer to a client that has as many connections as one may have.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n\
    Content-Type: application/json\r\nContent-Length: 101\r\n\r\n\
    {\"code\":\"TOO_MANY_CONNECTIONS\",\"message\":\"this address has as many connections open as one may have\"}";

/// What a request is told of the connection it came over.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The other end, or whom a trusted proxy named when it opened the connection.
    pub(crate) address: IpAddr,
    /// Counted among the descriptors as long as this lives.
    pub(crate) descriptor: Arc<OwnedSemaphorePermit>,
}

/// Serves a connection until either side has enough or `stopped` loses its sender. A connection without a request under
/// way ends then at once, any other after that request.
pub(super) async fn converse<S, B>(
    mut stream: TcpStream,
    peer: IpAddr,
    door: &Door,
    seated: Seated,
    service: S,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()>
where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    // Answers are small and whole: waiting to fill a segment only delays them.
    stream.set_nodelay(true).ok();
    let beginning = if door.proxies().trusts(peer) {
        tokio::select! {
            beginning = proxy::begin(&mut stream) => beginning?,
            () = seated.is_to_leave() => return Ok(()),
            _ = stopped.changed() => return Ok(()),
        }
    } else {
        Beginning::default()
    };
    let address = beginning.source.unwrap_or(peer).to_canonical();
    let client = door.proxies().client_of_connection(address);
    let Some(_place) = door.connections().take(client) else {
        static REFUSED: Seldom = Seldom::new();
        if let Some(kept_back) = REFUSED.admit() {
            let max = door.connections().max();
            tracing::warn!(client = %address, max, "a client has all the connections one may have; if it is a proxy, name it in trusted-proxies{kept_back}");
        }
        // Who does not take it at once is not waited for.
        stream.try_write(TOO_MANY).ok();
        return Ok(());
    };
    let connection = Connection {
        address,
        descriptor: seated.descriptor(),
    };
    let watched = Watched {
        stream: Some(stream),
        read: beginning.read,
        notes: seated.notes(),
    };
    serve(watched, connection, &seated, service, &mut stopped)
        .await
        .map_err(io::Error::other)?;
    if let Some(stream) = seated.left() {
        tokio::select! {
            () = discard(stream) => {}
            () = seated.is_to_leave() => {}
            _ = stopped.changed() => {}
        }
    }
    Ok(())
}

async fn serve<S, B>(
    watched: Watched,
    connection: Connection,
    seated: &Seated,
    service: S,
    stopped: &mut watch::Receiver<()>,
) -> hyper::Result<()>
where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let noted = noted(service, connection, seated.notes());
    let conversation = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(watched), noted)
        .with_upgrades();
    tokio::pin!(conversation);
    tokio::select! {
        biased;
        ended = conversation.as_mut() => return ended,
        () = seated.is_to_leave() => return Ok(()),
        _ = stopped.changed() => {}
    }
    if !seated.is_busy() {
        return Ok(());
    }
    conversation.as_mut().graceful_shutdown();
    conversation.await
}

/// The same service, with notes of when it is asked and when it has answered. Requests bring their connection along.
fn noted<S, B>(
    service: S,
    connection: Connection,
    notes: Notes,
) -> impl Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Send
where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: Body + Send,
{
    service_fn(move |request: Request<Incoming>| {
        notes.begins();
        // Whoever waits to be told to send the body is not told so by who refuses it.
        let expects = request.headers().contains_key(EXPECT);
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(connection.clone());
        let (body, left) = Arriving::new(body);
        let answer = service.call(Request::from_parts(parts, body));
        let notes = notes.clone();
        async move {
            let mut answer = answer.await;
            let is_at_end = left.is_at_end(expects).await;
            if let (Ok(answer), false) = (&mut answer, is_at_end) {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            notes.ends(is_at_end);
            answer
        }
    })
}

/// Reads on until the client has closed its side, or enough. Nothing is kept.
async fn discard(mut stream: TcpStream) {
    let all = async {
        stream.shutdown().await.ok();
        let mut scratch = vec![0; SCRATCH_LEN];
        let mut discarded = 0;
        while discarded < DISCARDED_MAX {
            match stream.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(length) => discarded += length,
            }
        }
    };
    // Who takes longer is left.
    let _ = tokio::time::timeout(DISCARDING_MAX, all).await;
}

/// A stream of which it is noted when bytes come, and which is left to the connection when HTTP is done with it.
struct Watched {
    /// There until this is dropped.
    stream: Option<TcpStream>,
    /// Read before HTTP began.
    read: Vec<u8>,
    notes: Notes,
}

impl Watched {
    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.stream.as_mut().map(Pin::new).ok_or_else(gone)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.notes.leaves(stream);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            let length = self.read.len().min(buffer.remaining());
            buffer.put_slice(&self.read[..length]);
            self.read.drain(..length);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = self.stream()?.poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.notes.heard();
        }
        outcome
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(TcpStream::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
        let said: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(said["code"], "TOO_MANY_CONNECTIONS");
    }
}
