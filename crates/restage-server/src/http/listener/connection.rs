//! One connection, from its first byte to its last: who opened it, what it begins with, and which protocol serves it.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::BoxError;
use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;
use restage_node::media::{Ends, Media, prepare_connection};
use restage_node::seldom::Seldom;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::super::door::Seated;
use super::Shared;
use super::arriving::Arriving;
use super::conversation::converse;
use super::opening::Opening;
use super::proxy::{self, Beginning};
use super::stream::{Begun, Stream};

/// The answer to a client that has reached its number of connections.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n\
    Content-Type: application/json\r\nContent-Length: 101\r\n\r\n\
    {\"code\":\"TOO_MANY_CONNECTIONS\",\"message\":\"this address has as many connections open as one may have\"}";
/// The answer to a TLS handshake where TLS is not served: the alert handshake_failure, which is fatal (RFC 8446 §6).
/// Clients print it as what it is, and an answer of HTTP as a broken TLS record.
pub(super) const NO_TLS: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];

/// The connection of a request, as one of the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The client's address, or the one that a trusted proxy reported when it opened the connection.
    pub(crate) address: IpAddr,
    /// Both of its ends. The port is that of whoever connected to this listener, be it a proxy.
    pub(crate) ends: Ends,
    /// Whether it is encrypted from the client to this listener.
    pub(crate) is_encrypted: bool,
    /// Keeps the descriptor counted as long as this lives.
    pub(crate) descriptor: Arc<OwnedSemaphorePermit>,
}

/// Serves a connection until either side closes it or `stopped` loses its sender. Then a connection without a request
/// under way ends at once, any other one after its request.
///
/// # Errors
/// What ended the connection early: the client disconnected, or violated the protocol.
pub(super) async fn run<S, B>(
    mut stream: TcpStream,
    peer: SocketAddr,
    shared: Shared<S>,
    seated: Seated,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()>
where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let door = &shared.door;
    // Answers are small and complete, so waiting to fill a segment would only delay them.
    prepare_connection(&stream);
    let local = stream.local_addr()?;
    let (peer, port) = (peer.ip(), peer.port());
    let beginning = match door.proxies().trusts(peer) {
        true => unless_over(proxy::begin(&mut stream), &seated, &mut stopped).await?,
        false => Some(Beginning::default()),
    };
    let Some(beginning) = beginning else {
        return Ok(());
    };
    let address = beginning.source.unwrap_or(peer).to_canonical();
    let client = door.proxies().client_of_connection(address);
    let Some(_place) = door.connections().take(client) else {
        static REFUSED: Seldom = Seldom::new();
        if let Some(kept_back) = REFUSED.admit() {
            let max = door.connections().max();
            tracing::warn!(client = %address, max, "a client has all the connections one may have; if it is a proxy, name it in trusted-proxies{kept_back}");
        }
        // If the client does not accept it at once, it is not repeated. A client that begins with a TLS handshake could
        // not read it.
        if shared.tls.is_none() {
            stream.try_write(TOO_MANY).ok();
        }
        return Ok(());
    };
    let connection = Connection {
        address,
        ends: Ends {
            client: SocketAddr::new(address, port),
            local: SocketAddr::new(local.ip().to_canonical(), local.port()),
        },
        is_encrypted: false,
        descriptor: seated.descriptor(),
    };
    let mut stream = Begun::new(stream, beginning.read);
    let Some(opening) = unless_over(stream.opening(), &seated, &mut stopped).await? else {
        return Ok(());
    };
    if let (Opening::Tls, Some(tls)) = (opening, shared.tls.clone()) {
        let shaking = seated.notes().shakes();
        let Some(stream) = unless_over(tls.handshake(stream), &seated, &mut stopped).await? else {
            tls.note_unfinished();
            return Ok(());
        };
        drop(shaking);
        // The request's head has all its time, however long the handshake took.
        seated.notes().arrives();
        let mut stream = Begun::new(stream, Vec::new());
        let Some(opening) = unless_over(stream.opening(), &seated, &mut stopped).await? else {
            return Ok(());
        };
        let connection = Connection {
            is_encrypted: true,
            ..connection
        };
        return dispatch(opening, stream, connection, &seated, shared, &mut stopped).await;
    }
    dispatch(opening, stream, connection, &seated, shared, &mut stopped).await
}

/// Serves what a plain or decrypted stream begins with. This is the only place where that is decided.
async fn dispatch<S, B>(
    opening: Opening,
    mut stream: Begun<impl Stream>,
    connection: Connection,
    seated: &Seated,
    shared: Shared<S>,
    stopped: &mut watch::Receiver<()>,
) -> io::Result<()>
where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    match opening {
        Opening::Http => converse(stream, connection, seated, shared.service, stopped).await,
        Opening::Tls => {
            stream.write_all(NO_TLS).await?;
            stream.shutdown().await
        }
        Opening::Stun | Opening::FramedStun => {
            if let Some(media) = shared.media {
                let is_framed = opening == Opening::FramedStun;
                carry(is_framed, stream, connection, seated, &media, stopped).await;
            }
            Ok(())
        }
    }
}

/// Serves a connection that carries media, until it ends or the server stops. Its time limits are those of the media
/// plane.
async fn carry(
    is_framed: bool,
    stream: Begun<impl Stream>,
    connection: Connection,
    seated: &Seated,
    media: &Media,
    stopped: &mut watch::Receiver<()>,
) {
    // From here on the room's sweep leaves the connection alone.
    seated.notes().begins();
    let serving = async {
        match is_framed {
            true => media.serve_ice(stream, connection.ends).await,
            false => media.serve_relay(stream, connection.ends).await,
        }
    };
    tokio::select! {
        () = Box::pin(serving) => {}
        _ = stopped.changed() => {}
    }
}

/// The result of a step of the connection's beginning, unless the connection must close before: it takes too long, its
/// place is needed, or the server stops.
async fn unless_over<T>(
    step: impl Future<Output = io::Result<T>>,
    seated: &Seated,
    stopped: &mut watch::Receiver<()>,
) -> io::Result<Option<T>> {
    tokio::select! {
        done = step => done.map(Some),
        () = seated.must_close() => Ok(None),
        _ = stopped.changed() => Ok(None),
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
