//! The requests of one connection, over a plain or a decrypted stream.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::BoxError;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use super::super::door::{Notes, Seated};
use super::arriving::Arriving;
use super::connection::Connection;
use super::stream::Stream;
use super::watched::Watched;

/// Size of the buffer for the head of a request, and for each part of its body. A token in a header has some kilobytes.
pub(super) const HEAD_LEN_MAX: usize = 32 * 1024;
/// Most bytes read and discarded of a body that was refused. Closing the connection while the client is still sending
/// would discard the answer.
const DISCARDED_MAX: usize = 8 * 1024 * 1024;
/// Time limit for that.
const DISCARDING_MAX: Duration = Duration::from_secs(5);
/// Size of the buffer into which they are read.
const SCRATCH_LEN: usize = 4 * 1024;

/// Answers the connection's requests until either side closes it or `stopped` loses its sender.
///
/// # Errors
/// What ended the connection early: the client disconnected, or violated the protocol.
pub(super) async fn converse<S, B>(
    stream: impl Stream,
    connection: Connection,
    seated: &Seated,
    service: S,
    stopped: &mut watch::Receiver<()>,
) -> io::Result<()>
where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let watched = Watched::new(stream, seated.notes());
    answer(watched, connection, seated, service, stopped)
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

async fn answer<S, B>(
    watched: Watched<impl Stream>,
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
async fn discard(mut stream: impl Stream) {
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
