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

/// Size of the buffer for the head of a request, and for each part of its body. A token in a header has some kilobytes.
pub(super) const HEAD_LEN_MAX: usize = 32 * 1024;
/// Most bytes read and discarded of a body that was refused. Closing the connection while the client is still sending
/// would discard the answer.
const DISCARDED_MAX: usize = 8 * 1024 * 1024;
/// Time limit for that.
const DISCARDING_MAX: Duration = Duration::from_secs(5);
/// Size of the buffer into which they are read.
const SCRATCH_LEN: usize = 4 * 1024;
/// The answer to a client that has reached its number of connections.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n\
    Content-Type: application/json\r\nContent-Length: 101\r\n\r\n\
    {\"code\":\"TOO_MANY_CONNECTIONS\",\"message\":\"this address has as many connections open as one may have\"}";

/// The connection of a request, as one of the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The client's address, or the one that a trusted proxy reported when it opened the connection.
    pub(crate) address: IpAddr,
    /// Keeps the descriptor counted as long as this lives.
    pub(crate) descriptor: Arc<OwnedSemaphorePermit>,
}

/// Serves a connection until either side closes it or `stopped` loses its sender. Then a connection without a request
/// under way ends at once, any other one after its request.
pub(super) async fn run<S, B>(
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
    // Answers are small and complete, so waiting to fill a segment would only delay them.
    stream.set_nodelay(true).ok();
    let beginning = if door.proxies().trusts(peer) {
        tokio::select! {
            beginning = proxy::begin(&mut stream) => beginning?,
            () = seated.must_close() => return Ok(()),
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
        // If the client does not accept it at once, it is not repeated.
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
            () = seated.must_close() => {}
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
        () = seated.must_close() => return Ok(()),
        _ = stopped.changed() => {}
    }
    if !seated.is_busy() {
        return Ok(());
    }
    conversation.as_mut().graceful_shutdown();
    conversation.await
}

/// Wraps the service: records when requests begin and end, and attaches the connection to them.
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
        // A client that expects "100 Continue" is not asked for the body of a refused request.
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

/// Reads and discards until the client has closed its side, or up to the limit.
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
    // A client that takes longer is disconnected.
    let _ = tokio::time::timeout(DISCARDING_MAX, all).await;
}

/// A stream that records when bytes arrive, and that returns to the connection when HTTP has finished with it.
struct Watched {
    /// `Some` until this is dropped.
    stream: Option<TcpStream>,
    /// Bytes that were read before HTTP began.
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
            self.notes.bytes_arrived();
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
