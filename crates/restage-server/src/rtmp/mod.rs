//! RTMP and RTMPS: encoders connect, and what they send is published.
//!
//! Each connection is a task; the protocol itself is restage-rtmp. The number of connections is bounded in total and for each client
//! ([`Connections`]), and so is what each of them holds.

mod connections;
mod counters;
mod publishing;
mod session;
mod sound;
mod stream;
mod words;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use restage_core::Limits;
use restage_core::row::IngestProtocol;
use restage_node::control::{Control, publish_limits};
use restage_node::media::PublishLimits;
use restage_node::seldom::Seldom;
use restage_rtmp::RuleLimits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::tls::Tls;
pub(crate) use connections::Connections;
pub(crate) use counters::Counters;
use session::Serving;

/// The port of RTMP where its URL names none.
const RTMP_PORT: u16 = 1935;
/// How long the handshake of TLS may take.
const TLS_MAX: Duration = Duration::from_secs(5);
/// A stop waits at most so long for encoders to read that the server stops.
const STOP_MAX: Duration = Duration::from_secs(2);
/// Pause after the kernel refused a connection, for example because the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 1_024;
/// Bytes that the kernel keeps of a connection until they are read. More would hide from the encoder that the server is slow, and make the
/// stream late instead.
const RECEIVE_BUFFER_BYTES: u32 = 256 << 10;

/// What a listener needs.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// RTMPS if there is TLS, RTMP otherwise.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) control: Control,
    pub(crate) limits: RuleLimits,
    pub(crate) connections: Connections,
    pub(crate) counters: Counters,
}

/// Listens at an address.
///
/// # Errors
/// The system's.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The URL for encoders, as stages name it: the host of the public URL with the port of the listener. `None` if the public URL has no host.
pub(crate) fn endpoint(
    public_url: &str,
    listener: &TcpListener,
    is_secure: bool,
) -> Option<String> {
    let port = listener.local_addr().ok()?.port();
    endpoint_at(public_url, port, is_secure)
}

fn endpoint_at(public_url: &str, port: u16, is_secure: bool) -> Option<String> {
    let uri: http::Uri = public_url.parse().ok()?;
    let host = uri.host()?;
    Some(match (is_secure, port) {
        (false, RTMP_PORT) => format!("rtmp://{host}/app/"),
        (false, _) => format!("rtmp://{host}:{port}/app/"),
        (true, _) => format!("rtmps://{host}:{port}/app/"),
    })
}

/// What a stream may be. The rules of core end one that has lasted too long.
pub(crate) fn rules(limits: &Limits) -> RuleLimits {
    let PublishLimits {
        bits_per_s, pixels, ..
    } = publish_limits(limits);
    RuleLimits {
        bits_per_s_max: bits_per_s,
        pixels_max: pixels,
        duration_max: None,
    }
}

impl Listener {
    /// Serves until `shutdown` resolves. The streams end with the control plane.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(());
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = &mut shutdown => break,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, stopped.clone()),
                Err(error) => refused(&error).await,
            }
        }
        drop(stopped);
        stop.send_replace(());
        // Each connection has a receiver as long as it tells its encoder why it ends.
        timeout(STOP_MAX, stop.closed()).await.ok();
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr, stopped: watch::Receiver<()>) {
        let Some((place, ended)) = self.connections.admit(peer.ip()) else {
            return;
        };
        // What is sent is short and waited for.
        stream.set_nodelay(true).ok();
        let tls = self.tls.clone();
        let serving = Serving {
            control: self.control.clone(),
            limits: self.limits,
            protocol: match tls {
                Some(_) => IngestProtocol::Rtmps,
                None => IngestProtocol::Rtmp,
            },
            counters: self.counters.clone(),
        };
        tokio::spawn(async move {
            let serve = async {
                match tls {
                    Some(tls) => match timeout(TLS_MAX, tls.handshake(stream)).await {
                        Ok(Ok(stream)) => session::run(stream, serving, place, stopped).await,
                        Ok(Err(error)) => tracing::debug!(%error, "an RTMPS connection ended"),
                        Err(_) => tls.note_unfinished(),
                    },
                    None => session::run(stream, serving, place, stopped).await,
                }
            };
            tokio::select! {
                () = serve => {}
                // It makes room for another client.
                _ = ended => {}
            }
        });
    }
}

/// Handles a failed accept.
async fn refused(error: &io::Error) {
    static REFUSED: Seldom = Seldom::new();
    if let Some(kept_back) = REFUSED.admit() {
        tracing::warn!(%error, "an RTMP connection could not be accepted{kept_back}");
    }
    // The encoder gave up before it was accepted.
    if error.raw_os_error().map(Errno::from_raw) != Some(Errno::ECONNABORTED) {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_are_given_the_host_of_the_public_url_and_the_port_of_their_listener() {
        for (public_url, port, is_secure, endpoint) in [
            (
                "http://127.0.0.1:4080",
                1935,
                false,
                "rtmp://127.0.0.1/app/",
            ),
            (
                "http://127.0.0.1:4080",
                1936,
                false,
                "rtmp://127.0.0.1:1936/app/",
            ),
            (
                "https://video.example.org",
                443,
                true,
                "rtmps://video.example.org:443/app/",
            ),
            (
                "https://video.example.org/base",
                1936,
                true,
                "rtmps://video.example.org:1936/app/",
            ),
            (
                "http://[2001:db8::1]:4080",
                1935,
                false,
                "rtmp://[2001:db8::1]/app/",
            ),
        ] {
            let found = endpoint_at(public_url, port, is_secure);
            assert_eq!(found.as_deref(), Some(endpoint));
        }
    }
}
