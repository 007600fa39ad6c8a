//! The media socket: batched receive with GRO, trains of equal datagrams sent with GSO.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

/// Room for one datagram train from the kernel.
const RECV_BUFFER_LEN: usize = 64 * 1024;
/// Asked of the kernel for both directions; `doctor` says when it gave less.
pub(super) const SOCKET_BUFFER_LEN: usize = 4 * 1024 * 1024;
/// The largest UDP payload IPv4 carries: a train must fit.
const TRAIN_LEN_MAX: usize = 65_507;

/// What the socket can do, for the ready line and `doctor`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpReport {
    /// Datagrams the kernel takes in one train; 1 means no GSO.
    pub gso_segments: usize,
    /// Datagrams the kernel gives in one train; 1 means no GRO.
    pub gro_segments: usize,
    /// Bytes granted.
    pub send_buffer: usize,
    /// Bytes granted.
    pub receive_buffer: usize,
    /// Bytes asked for.
    pub wanted_buffer: usize,
}

/// A non-blocking UDP socket of one worker.
pub(super) struct Socket {
    socket: std::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    only: Option<IpAddr>,
    buffers: Vec<Vec<u8>>,
}

/// One received datagram.
pub(super) struct Received<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) payload: &'a [u8],
}

impl Socket {
    /// Binds where the advertised addresses can be reached: the address itself if there is one,
    /// else all addresses.
    pub(super) fn bind(addresses: &[IpAddr], port: u16) -> io::Result<Self> {
        let v6 = addresses.iter().any(IpAddr::is_ipv6);
        let only = match addresses {
            [one] => Some(*one),
            _ => None,
        };
        // An address this machine does not have (one-to-one NAT) cannot be bound; all can.
        let own = only.filter(|ip| ip.is_loopback());
        let ip = own.unwrap_or(if v6 {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        });
        let domain = if ip.is_ipv6() {
            Domain::IPV6
        } else {
            Domain::IPV4
        };
        let raw = RawSocket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if ip.is_ipv6() && !ip.is_loopback() {
            raw.set_only_v6(false)?;
        }
        raw.bind(&SocketAddr::new(ip, port).into())?;
        let socket: std::net::UdpSocket = raw.into();
        let state = UdpSocketState::new((&socket).into())?;
        // The kernel caps what it grants; the report says so.
        state
            .set_send_buffer_size((&socket).into(), SOCKET_BUFFER_LEN)
            .ok();
        state
            .set_recv_buffer_size((&socket).into(), SOCKET_BUFFER_LEN)
            .ok();
        let local = socket.local_addr()?;
        let buffers = (0..BATCH_SIZE).map(|_| vec![0; RECV_BUFFER_LEN]).collect();
        Ok(Self {
            socket,
            state,
            local,
            only,
            buffers,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.local.port()
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(super) fn report(&self) -> UdpReport {
        // Linux answers twice the size it grants (socket(7)).
        let granted = |size: io::Result<usize>| size.unwrap_or(0) / 2;
        UdpReport {
            gso_segments: self.state.max_gso_segments(),
            gro_segments: self.state.gro_segments(),
            send_buffer: granted(self.state.send_buffer_size((&self.socket).into())),
            receive_buffer: granted(self.state.recv_buffer_size((&self.socket).into())),
            wanted_buffer: SOCKET_BUFFER_LEN,
        }
    }

    /// Receives one batch and hands each datagram to `take`. `false` when nothing was there.
    pub(super) fn receive(&mut self, mut take: impl FnMut(Received<'_>)) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut slices: Vec<IoSliceMut<'_>> = self
            .buffers
            .iter_mut()
            .map(|buffer| IoSliceMut::new(buffer))
            .collect();
        let count = match self
            .state
            .recv((&self.socket).into(), &mut slices, &mut metas)
        {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            // ICMP errors of earlier sends surface here; they say nothing about this socket.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        for (meta, buffer) in metas.iter().zip(&self.buffers).take(count) {
            let ip = self.only.or(meta.dst_ip).unwrap_or_else(|| self.local.ip());
            let destination = SocketAddr::new(ip.to_canonical(), self.local.port());
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let filled = &buffer[..meta.len.min(buffer.len())];
            for payload in filled.chunks(meta.stride.max(1)) {
                take(Received {
                    source,
                    destination,
                    payload,
                });
            }
        }
        Ok(true)
    }

    /// Sends one train: `contents` is datagrams of `segment` bytes, the last may be shorter.
    /// What the kernel has no room for is dropped, as a network would. Answers how many bytes left.
    fn send(&self, destination: SocketAddr, contents: &[u8], segment: usize) -> usize {
        let destination = match (self.local.ip(), destination) {
            (IpAddr::V6(_), SocketAddr::V4(v4)) => {
                SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port())
            }
            _ => destination,
        };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: (contents.len() > segment).then_some(segment),
            src_ip: None,
        };
        match self.state.try_send((&self.socket).into(), &transmit) {
            Ok(()) => contents.len(),
            Err(error) => {
                tracing::trace!(%destination, %error, "datagrams dropped on send");
                0
            }
        }
    }
}

/// Collects consecutive datagrams for one destination into a train.
pub(super) struct Trains {
    destination: Option<SocketAddr>,
    contents: Vec<u8>,
    segment: usize,
    segments: usize,
    closed: bool,
    /// Datagrams handed to the kernel.
    pub(super) sent: u64,
    /// Datagrams the kernel had no room for.
    pub(super) dropped: u64,
}

impl Trains {
    pub(super) fn new() -> Self {
        Self {
            destination: None,
            contents: Vec::with_capacity(TRAIN_LEN_MAX),
            segment: 0,
            segments: 0,
            closed: false,
            sent: 0,
            dropped: 0,
        }
    }

    pub(super) fn push(&mut self, socket: &Socket, destination: SocketAddr, payload: &[u8]) {
        let joins = self.destination == Some(destination)
            && !self.closed
            && payload.len() <= self.segment
            && self.segments < socket.state.max_gso_segments()
            && self.contents.len() + payload.len() <= TRAIN_LEN_MAX;
        if !joins {
            self.flush(socket);
            self.destination = Some(destination);
            self.segment = payload.len();
        }
        // Only the last datagram of a train may be shorter.
        self.closed = payload.len() < self.segment;
        self.contents.extend_from_slice(payload);
        self.segments += 1;
    }

    /// Sends a train that is one already, after what has been collected.
    pub(super) fn send(
        &mut self,
        socket: &Socket,
        destination: SocketAddr,
        contents: &[u8],
        segment: usize,
    ) {
        self.flush(socket);
        let segment = segment.max(1);
        // A kernel without GSO takes one datagram at a time.
        let taken = socket.state.max_gso_segments().min(TRAIN_LEN_MAX / segment);
        for train in contents.chunks(segment * taken.max(1)) {
            let count = train.len().div_ceil(segment) as u64;
            if socket.send(destination, train, segment) > 0 {
                self.sent += count;
            } else {
                self.dropped += count;
            }
        }
    }

    pub(super) fn flush(&mut self, socket: &Socket) {
        if let Some(destination) = self.destination.take() {
            let count = self.segments as u64;
            if socket.send(destination, &self.contents, self.segment) > 0 {
                self.sent += count;
            } else {
                self.dropped += count;
            }
        }
        self.contents.clear();
        self.segments = 0;
        self.closed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn loopback() -> Socket {
        Socket::bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap()
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn trains_arrive_as_the_datagrams_they_were() {
        let sender = loopback();
        let mut receiver = loopback();
        let to = SocketAddr::from(([127, 0, 0, 1], receiver.port()));
        let sizes = [900, 900, 900, 500, 900, 901, 40];
        let mut trains = Trains::new();
        for (number, size) in sizes.iter().enumerate() {
            trains.push(&sender, to, &vec![number as u8; *size]);
        }
        trains.flush(&sender);
        assert_eq!(trains.sent, sizes.len() as u64);
        let mut got = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(5);
        while got.len() < sizes.len() && Instant::now() < deadline {
            receiver
                .receive(|datagram| {
                    assert_eq!(datagram.destination, to);
                    got.push((datagram.payload[0], datagram.payload.len()));
                })
                .unwrap();
        }
        let expected: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| (n as u8, *size))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn the_report_tells_what_was_granted() {
        let report = loopback().report();
        assert!(report.gso_segments >= 1 && report.gro_segments >= 1);
        assert!(report.receive_buffer > 0 && report.wanted_buffer == SOCKET_BUFFER_LEN);
    }
}
