//! TCP connections of clients whose network does not let UDP through: ICE-TCP (RFC 6544), and TURN over TCP or TLS.
//!
//! The HTTP listener accepts them, looks at their first bytes, and hands them over with [`Media::serve_ice`] or
//! [`Media::serve_relay`]. Each has a task, which cuts what it reads into datagrams and passes them to the worker of the
//! peer, and sends what the worker puts into the connection's queue.

mod admission;
pub(in crate::media) mod framing;
mod ice;
mod queue;
mod relay;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::link::Link;
use super::relay::Relay;
use super::{Media, WorkerId};
use admission::Admission;
pub(super) use queue::{Fate, Parcel, Queue, Thinner};

/// A connection that has not proven after this long that it belongs to a client is closed: by a valid check of a known
/// peer, or by an allocation.
const PROVE_MAX: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });
/// A connection for ICE from which nothing has come for this long is closed. Clients send checks every few seconds.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Most bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;
/// Bytes that are written at once, if as many wait.
const WRITE_BYTES: usize = 64 * 1024;
/// The kernel asks for more when fewer bytes than this wait to be sent (TCP_NOTSENT_LOWAT), so that a picture that is left
/// out is left out soon, and sound does not wait behind much.
const UNSENT_BYTES: u32 = 16 * 1024;

/// The ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The client's address.
    pub client: SocketAddr,
    /// The server's.
    pub local: SocketAddr,
}

/// What the tasks of connections need.
pub(super) struct Connections {
    admission: Arc<Admission>,
    links: Arc<[Link]>,
    /// The UDP port of each worker.
    ports: Vec<u16>,
    relay: Option<Arc<Relay>>,
}

impl Connections {
    pub(super) fn new(links: Arc<[Link]>, ports: Vec<u16>, relay: Option<Arc<Relay>>) -> Self {
        Self {
            admission: Arc::default(),
            links,
            ports,
            relay,
        }
    }

    /// Connections now.
    pub(super) fn count(&self) -> usize {
        self.admission.connections()
    }

    fn link(&self, worker: WorkerId) -> Option<&Link> {
        self.links.get(usize::from(worker.0))
    }

    /// The worker that has this UDP port.
    fn worker_at(&self, port: u16) -> Option<WorkerId> {
        let number = self.ports.iter().position(|known| *known == port)?;
        u16::try_from(number).ok().map(WorkerId)
    }
}

impl Media {
    /// Serves a connection that begins with an ICE check in a frame (RFC 4571), until it ends. Dropping the future closes
    /// the connection.
    pub async fn serve_ice<S>(&self, stream: S, ends: Ends)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        ice::serve(&self.inner.connections, stream, ends).await;
    }

    /// Serves a connection that begins with a STUN or TURN message, until it ends. Without a relay it ends at once. Dropping
    /// the future closes the connection.
    pub async fn serve_relay<S>(&self, stream: S, ends: Ends)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        relay::serve(&self.inner.connections, stream, ends).await;
    }
}

/// Prepares a TCP connection for media: nothing waits to fill a segment, and little waits in the kernel.
pub fn prepare_connection(stream: &TcpStream) {
    // Without them the connection works all the same, only later.
    stream.set_nodelay(true).ok();
    #[cfg(target_os = "linux")]
    SockRef::from(stream)
        .set_tcp_notsent_lowat(UNSENT_BYTES)
        .ok();
}
