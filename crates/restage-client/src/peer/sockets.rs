//! The UDP sockets of one connection: one for each local address from which the server is reached, so that
//! ICE knows at which address a datagram arrived (RFC 8445 §5.1.1.1).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use socket2::{Domain, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::error::Error;

/// Most local addresses used at once.
const SOCKETS_MAX: usize = 8;
/// Socket buffer size, enough for the packets around a key frame; the system may grant less.
const SOCKET_BUFFER: usize = 1 << 20;
/// Longest datagram accepted; WebRTC stays below the Ethernet MTU.
pub(super) const DATAGRAM_MAX: usize = 2048;

/// Documentation addresses (RFC 5737, RFC 3849). Asking the system for a route to them finds the
/// local address towards the internet and sends nothing.
const ANYWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

pub(super) struct Sockets {
    sockets: Vec<(UdpSocket, SocketAddr)>,
    /// The socket to read first; it rotates so that no socket starves another.
    turn: usize,
}

impl Sockets {
    /// Opens sockets on the local addresses towards the signalling server and the internet.
    pub(super) fn facing(server: &[SocketAddr]) -> Result<Self, Error> {
        let mut this = Self {
            sockets: Vec::new(),
            turn: 0,
        };
        // A server on this machine is reached over loopback, unless its answer says otherwise.
        let is_here = server.iter().all(|address| address.ip().is_loopback());
        let further: &[IpAddr] = if is_here { &[] } else { &ANYWHERE };
        let anywhere = further.iter().map(|&ip| SocketAddr::new(ip, 9));
        for remote in server.iter().copied().chain(anywhere) {
            this.face(remote);
        }
        if this.sockets.is_empty() {
            return Err(Error::Transport("no UDP socket could be opened".to_owned()));
        }
        Ok(this)
    }

    /// Opens a socket on the local address from which the system would reach `remote`, unless there is
    /// one. Returns the address if it is new.
    pub(super) fn face(&mut self, remote: SocketAddr) -> Option<SocketAddr> {
        if self.sockets.len() >= SOCKETS_MAX {
            return None;
        }
        let local = local_address_towards(remote).ok()?;
        if self
            .sockets
            .iter()
            .any(|(_, address)| address.ip() == local)
        {
            return None;
        }
        let socket = open(local).ok()?;
        let address = socket.local_addr().ok()?;
        self.sockets.push((socket, address));
        Some(address)
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|(_, address)| *address)
    }

    /// Waits for a datagram. Returns the local address, the sender's address, and the length.
    pub(super) async fn receive(
        &mut self,
        buffer: &mut [u8],
    ) -> (SocketAddr, io::Result<(usize, SocketAddr)>) {
        std::future::poll_fn(|context| self.poll_receive(context, buffer)).await
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<(SocketAddr, io::Result<(usize, SocketAddr)>)> {
        let count = self.sockets.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let (socket, local) = &self.sockets[index];
            let mut buffer = ReadBuf::new(buffer);
            if let Poll::Ready(result) = socket.poll_recv_from(context, &mut buffer) {
                self.turn = (index + 1) % count;
                let length = buffer.filled().len();
                return Poll::Ready((*local, result.map(|remote| (length, remote))));
            }
        }
        Poll::Pending
    }

    /// Sends a datagram from one of our addresses. A datagram that the network refuses is lost, as any
    /// datagram may be; ICE notices if this persists.
    pub(super) async fn send(&self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        let socket = self.sockets.iter().find(|(_, address)| *address == from);
        if let Some((socket, _)) = socket
            && let Err(error) = socket.send_to(datagram, to).await
        {
            tracing::trace!(%to, %error, "datagram not sent");
        }
    }
}

fn local_address_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let probe = std::net::UdpSocket::bind(SocketAddr::new(unspecified(remote.ip()), 0))?;
    probe.connect(remote)?;
    let local = probe.local_addr()?.ip();
    if local.is_unspecified() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(local)
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn open(local: IpAddr) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(local, 0);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    // Best effort: a smaller buffer causes retransmissions but does not break the connection.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loopback_server_is_faced_from_loopback() {
        let server = SocketAddr::from(([127, 0, 0, 1], 4080));
        let mut sockets = Sockets::facing(&[server, server]).unwrap();
        let loopback: Vec<_> = sockets.addresses().collect();
        assert_eq!(loopback.len(), 1);
        assert!(loopback[0].ip().is_loopback());
        assert_eq!(sockets.face(server), None, "faced already");

        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        other.send_to(b"ping", loopback[0]).await.unwrap();
        let mut buffer = [0; DATAGRAM_MAX];
        let (local, result) = sockets.receive(&mut buffer).await;
        assert_eq!(local, loopback[0]);
        assert_eq!(result.unwrap(), (4, other.local_addr().unwrap()));

        sockets
            .send(loopback[0], other.local_addr().unwrap(), b"pong")
            .await;
        assert_eq!(
            other.recv_from(&mut buffer).await.unwrap(),
            (4, loopback[0])
        );
    }
}
