//! Accepts connections. Their number, the time of each handshake and that of each request head are bounded.

mod arriving;
mod connection;
mod conversation;
pub(in crate::http) mod opening;
pub(in crate::http) mod proxy;
mod stream;
#[cfg(test)]
mod tests;
mod watched;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;
use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Ipv6V6Only;
use restage_node::media::Media;
use restage_node::seldom::Seldom;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::door::Door;
use crate::tls::Tls;

pub(crate) use arriving::Arriving;
pub(crate) use connection::Connection;
pub(crate) use stream::Stream;

/// Connections that wait in the kernel until they are accepted, as far as `net.core.somaxconn` permits.
const BACKLOG: u32 = 4_096;
/// Interval at which connections are checked for expired time limits.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Pause after the kernel refused a connection for a reason other than a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time limit for requests under way at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Listens at an address. At all addresses of IPv6 (`[::]`) it also serves IPv4, whatever the system's default is, unless
/// `is_ipv6_only`, because IPv4 has a listener of its own at this port.
///
/// # Errors
/// The system's errors: the address is in use, or does not belong to this machine.
pub(crate) fn listen(address: SocketAddr, is_ipv6_only: bool) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Otherwise a restart would have to wait for the previous run's sockets in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        setsockopt(&socket, Ipv6V6Only, &is_ipv6_only)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What all connections share, of whichever listener.
#[derive(Clone)]
pub(crate) struct Shared<S> {
    /// Answers requests.
    pub(crate) service: S,
    /// The limits.
    pub(crate) door: Arc<Door>,
    /// Encrypts connections that ask for it; `None` refuses them.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Serves connections that begin with STUN; `None` closes them.
    pub(crate) media: Option<Media>,
}

/// Serves until `shutdown` resolves, then waits for the requests under way. Connections without one are closed at once.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    shared: Shared<S>,
    shutdown: impl Future<Output = ()> + Send,
) where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let door = Arc::clone(&shared.door);
    let room = door.room();
    let (stop, stopped) = watch::channel(());
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(shutdown);
    loop {
        let seated = tokio::select! {
            seated = room.admit() => seated,
            () = &mut shutdown => break,
        };
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break Some(accepted),
                () = &mut shutdown => break None,
                _ = sweep.tick() => room.sweep(),
            }
        };
        let (stream, peer) = match accepted {
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                drop(seated);
                refused(&door, &error).await;
                continue;
            }
            None => break,
        };
        seated.notes().arrives();
        let (shared, stopped) = (shared.clone(), stopped.clone());
        tokio::spawn(async move {
            let ended = connection::run(stream, peer, shared, seated, stopped);
            // Clients that disconnect or violate the protocol are only logged.
            if let Err(error) = ended.await {
                tracing::debug!(%error, client = %peer.ip(), "an HTTP connection ended");
            }
        });
    }
    drop((listener, stop));
    door.bodies().stop();
    if tokio::time::timeout(DRAIN_MAX, room.is_empty())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time");
    }
}

/// Handles a failed accept.
async fn refused(door: &Door, error: &io::Error) {
    static REFUSED: Seldom = Seldom::new();
    let errno = error.raw_os_error().map(Errno::from_raw);
    let is_starved = matches!(errno, Some(Errno::EMFILE | Errno::ENFILE));
    if let Some(kept_back) = REFUSED.admit() {
        let what_to_do = match is_starved {
            true => {
                "; no file descriptors are left: who is connected stays, newcomers wait; raise LimitNOFILE of the unit, or `ulimit -n`"
            }
            false => "",
        };
        tracing::warn!(%error, "a connection could not be accepted{what_to_do}{kept_back}");
    }
    match is_starved {
        true => door.room().starved().await,
        false => tokio::time::sleep(ACCEPT_PAUSE).await,
    }
}
