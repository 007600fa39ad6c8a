//! The media socket: batched receive with GRO, trains of equal datagrams sent with GSO, several in one call.

#[cfg(target_os = "linux")]
use std::io::IoSlice;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use nix::libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, in_addr,
    in_pktinfo, in6_addr, in6_pktinfo, sock_filter, sock_fprog,
};
#[cfg(target_os = "linux")]
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, setsockopt, sockopt,
};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use super::own::OwnAddresses;
use crate::media::{Audience, MediaPlaces};

/// Receive buffer, large enough for one datagram train from the kernel.
const RECV_BUFFER_LEN: usize = 64 * 1024;
/// Requested size of both socket buffers; `doctor` reports when the kernel grants less.
pub(super) const SOCKET_BUFFER_LEN: usize = 4 * 1024 * 1024;
/// Requested size of the receive buffer for RTCP: what a late worker has not read is old, and comes again.
#[cfg(target_os = "linux")]
const RTCP_BUFFER_LEN: usize = 1024 * 1024;
/// The largest UDP payload of IPv4; a train must fit.
pub(super) const TRAIN_LEN_MAX: usize = 65_507;
/// Interval between log lines about datagrams from other machines.
const REFUSAL_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Features of the socket, for the ready line and `doctor`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpReport {
    /// Datagrams that the kernel accepts in one train; 1 means no GSO.
    pub gso_segments: usize,
    /// Datagrams that the kernel delivers in one train; 1 means no GRO.
    pub gro_segments: usize,
    /// Granted size of the send buffer in bytes.
    pub send_buffer: usize,
    /// Granted size of the receive buffer in bytes.
    pub receive_buffer: usize,
    /// Requested size in bytes.
    pub wanted_buffer: usize,
}

/// A non-blocking UDP socket of one worker.
pub(super) struct Socket {
    socket: std::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    only: Option<IpAddr>,
    audience: Audience,
    own: OwnAddresses,
    /// Datagrams from other machines, dropped because only this one is served.
    refused: u64,
    refusal_told_at: Option<Instant>,
    buffers: Vec<Vec<u8>>,
    /// What the kernel says about the buffers, and how many of them are filled.
    metas: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

/// One received datagram.
pub(super) struct Received<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) payload: &'a [u8],
}

/// The result of [`Socket::receive`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Batch {
    Nothing,
    /// Less than there was room for: the socket is empty now.
    Last,
    /// There may be more.
    Full,
}

impl Socket {
    /// Binds an address at which the advertised addresses can be reached: the address itself if there is only one,
    /// otherwise all addresses.
    pub(super) fn bind(places: &MediaPlaces, port: u16) -> io::Result<Self> {
        Self::bind_with(places, port, |_| Ok(()))
    }

    /// [`Self::bind`], with a step before the socket is bound.
    fn bind_with(
        places: &MediaPlaces,
        port: u16,
        prepare: impl FnOnce(&RawSocket) -> io::Result<()>,
    ) -> io::Result<Self> {
        let addresses = places.addresses.as_slice();
        let v6 = addresses.iter().any(IpAddr::is_ipv6);
        let only = match addresses {
            [one] => Some(*one),
            _ => None,
        };
        // An address that this machine does not have (one-to-one NAT) cannot be bound, but all addresses can.
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
        prepare(&raw)?;
        raw.bind(&SocketAddr::new(ip, port).into())?;
        let socket: std::net::UdpSocket = raw.into();
        let state = UdpSocketState::new((&socket).into())?;
        // The kernel may grant less; the report shows it.
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
            audience: places.audience,
            own: OwnAddresses::read(now()),
            refused: 0,
            refusal_told_at: None,
            buffers,
            metas: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        })
    }

    /// A second socket on the same port, which the kernel gives all RTCP from now on, and this one everything else.
    ///
    /// # Errors
    /// The kernel cannot do that. Then this socket goes on to receive everything.
    #[cfg(target_os = "linux")]
    pub(super) fn split_rtcp(&self, places: &MediaPlaces) -> io::Result<Self> {
        // The option is set after binding: so a server that is started on a port in use is refused, because its first socket does not
        // share.
        setsockopt(&self.socket, sockopt::ReusePort, &true)?;
        let rtcp = self.join_rtcp(places);
        if rtcp.is_err() {
            setsockopt(&self.socket, sockopt::ReusePort, &false)?;
        }
        rtcp
    }

    #[cfg(target_os = "linux")]
    fn join_rtcp(&self, places: &MediaPlaces) -> io::Result<Self> {
        let share = |raw: &RawSocket| raw.set_reuse_port(true);
        let rtcp = Self::bind_with(places, self.local.port(), share)?;
        rtcp.state
            .set_recv_buffer_size((&rtcp.socket).into(), RTCP_BUFFER_LEN)
            .ok();
        let mut steps = rtcp_to_second();
        let program = sock_fprog {
            len: steps.len() as u16,
            filter: steps.as_mut_ptr(),
        };
        setsockopt(&self.socket, sockopt::AttachReusePortCbpf, &program)?;
        Ok(rtcp)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn split_rtcp(&self, _: &MediaPlaces) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn port(&self) -> u16 {
        self.local.port()
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(super) fn report(&self) -> UdpReport {
        // Linux returns twice the size that it grants (socket(7)).
        let granted = |size: io::Result<usize>| size.unwrap_or(0) / 2;
        UdpReport {
            gso_segments: self.state.max_gso_segments(),
            gro_segments: self.state.gro_segments(),
            send_buffer: granted(self.state.send_buffer_size((&self.socket).into())),
            receive_buffer: granted(self.state.recv_buffer_size((&self.socket).into())),
            wanted_buffer: SOCKET_BUFFER_LEN,
        }
    }

    /// Datagrams from other machines that were dropped unread.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Receives one batch and passes each datagram to `take`, except those from another machine while only this one is
    /// served.
    pub(super) fn receive(
        &mut self,
        at: Instant,
        take: impl FnMut(Received<'_>),
    ) -> io::Result<Batch> {
        let batch = self.fill(at)?;
        self.empty(at, take);
        Ok(batch)
    }

    /// Receives one batch, which stays in the buffers until [`Self::empty`].
    pub(super) fn fill(&mut self, at: Instant) -> io::Result<Batch> {
        self.filled = 0;
        self.own.renew(at);
        let mut slices: Vec<IoSliceMut<'_>> = self
            .buffers
            .iter_mut()
            .map(|buffer| IoSliceMut::new(buffer))
            .collect();
        let socket = (&self.socket).into();
        match self.state.recv(socket, &mut slices, &mut self.metas) {
            Ok(count) => {
                self.filled = count;
                Ok(match count < BATCH_SIZE {
                    true => Batch::Last,
                    false => Batch::Full,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Batch::Nothing),
            // ICMP errors of earlier sends are reported here; they do not mean that this socket has failed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Batch::Full),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Batch::Full),
            Err(error) => Err(error),
        }
    }

    /// Where the datagrams in the buffers come from, of each train once.
    pub(super) fn sources(&self) -> impl Iterator<Item = SocketAddr> {
        let metas = self.metas.iter().take(self.filled);
        metas.map(|meta| SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port()))
    }

    /// Passes each datagram in the buffers to `take`, except those from another machine while only this one is served.
    pub(super) fn empty(&mut self, at: Instant, mut take: impl FnMut(Received<'_>)) {
        let mut refused_one = None;
        let filled = std::mem::take(&mut self.filled);
        for (meta, buffer) in self.metas.iter().zip(&self.buffers).take(filled) {
            let ip = self.only.or(meta.dst_ip).unwrap_or_else(|| self.local.ip());
            let destination = SocketAddr::new(ip.to_canonical(), self.local.port());
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            if self.audience == Audience::ThisMachine && !self.own.recognizes(source.ip(), at) {
                self.refused += meta.len.div_ceil(meta.stride.max(1)).max(1) as u64;
                refused_one = Some(source);
                continue;
            }
            let filled = &buffer[..meta.len.min(buffer.len())];
            for payload in filled.chunks(meta.stride.max(1)) {
                take(Received {
                    source,
                    destination,
                    payload,
                });
            }
        }
        if let Some(source) = refused_one {
            self.warn_of_refusal(source, at);
        }
    }

    #[cold]
    fn warn_of_refusal(&mut self, source: SocketAddr, at: Instant) {
        let is_recent = |told: Instant| at.saturating_duration_since(told) < REFUSAL_TOLD_EVERY;
        if self.refusal_told_at.is_some_and(is_recent) {
            return;
        }
        self.refusal_told_at = Some(at);
        tracing::info!(
            %source,
            port = self.local.port(),
            "media from another machine was dropped: only this machine is served; to serve others give --media-ip, \
             or --http with an address beyond loopback"
        );
    }

    /// The local address from which an answer must be sent, if the kernel might choose another one: clients accept
    /// answers only from the address they sent to. A socket that is bound to one address needs none, and an address
    /// that is not this machine's (the outer one of a NAT) cannot be used.
    pub(super) fn answers_from(
        &self,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<IpAddr> {
        let ip = source.ip();
        let is_needed = self.local.ip().is_unspecified() && ip != destination.ip();
        (is_needed && self.own.contains(ip)).then_some(ip)
    }

    /// The destination in the form that this socket needs.
    fn reach(&self, destination: SocketAddr) -> SocketAddr {
        match (self.local.ip(), destination) {
            (IpAddr::V6(_), SocketAddr::V4(v4)) => {
                SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port())
            }
            _ => destination,
        }
    }

    /// Datagrams that the kernel accepts in one train; 1 means no GSO. It changes when an interface does not support
    /// GSO.
    pub(super) fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends one train: `contents` is datagrams of `segment` bytes, of which the last may be shorter.
    /// What the kernel has no room for is dropped, as in a network. `true` if it was sent.
    pub(super) fn send(
        &self,
        from: Option<IpAddr>,
        destination: SocketAddr,
        contents: &[u8],
        segment: usize,
    ) -> bool {
        let transmit = Transmit {
            destination: self.reach(destination),
            ecn: None,
            contents,
            segment_size: (contents.len() > segment).then_some(segment),
            // With a removed source address, sending fails as on a network without GSO and would switch GSO off.
            src_ip: from.filter(|_| self.segments_max() == 1),
        };
        match self.state.try_send((&self.socket).into(), &transmit) {
            Ok(()) => true,
            Err(error) => {
                tracing::trace!(%destination, %error, "datagrams dropped on send");
                false
            }
        }
    }

    /// Sends trains in one system call, all from the same address, and all with the same segment size or all of a
    /// single datagram. Returns how many were sent before the first failure.
    #[cfg(target_os = "linux")]
    pub(super) fn send_many(&self, headers: &mut Headers, trains: &[Train]) -> usize {
        let Some(first) = trains.first() else {
            return 0;
        };
        let slices: Vec<_> = trains
            .iter()
            .map(|train| [IoSlice::new(&train.contents)])
            .collect();
        let addresses: Vec<_> = trains
            .iter()
            .map(|train| Some(SockaddrStorage::from(self.reach(train.destination))))
            .collect();
        let fd = self.socket.as_raw_fd();
        let segment = first.segment as u16;
        let (from_v4, from_v6) = (packet_info_v4(first.from), packet_info_v6(first.from));
        let segments = ControlMessage::UdpGsoSegments(&segment);
        let from = match first.from {
            None => None,
            Some(IpAddr::V4(_)) => Some(ControlMessage::Ipv4PacketInfo(&from_v4)),
            Some(IpAddr::V6(_)) => Some(ControlMessage::Ipv6PacketInfo(&from_v6)),
        };
        let control = [from.unwrap_or(segments), segments];
        let control = match (first.from.is_some(), first.is_single()) {
            (true, false) => &control[..],
            (false, true) => &control[..0],
            (true, true) | (false, false) => &control[..1],
        };
        let headers = headers.of(first);
        let sent = sendmmsg(fd, headers, &slices, &addresses, control, MsgFlags::empty());
        sent.map_or(0, Iterator::count)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn send_many(&self, _: &mut Headers, _: &[Train]) -> usize {
        0
    }
}

/// A program in the kernel's packet filter language that names a socket for a datagram: the second for RTCP, the first for everything
/// else. They are told apart as in RFC 7983 §7 (first byte 128 to 191: RTP or RTCP) and RFC 5761 §4 (second byte 192 to 223: RTCP).
/// For a datagram of fewer bytes the kernel ends the program with 0, which is the first socket.
#[cfg(target_os = "linux")]
fn rtcp_to_second() -> [sock_filter; 8] {
    const LOAD_BYTE: u32 = BPF_LD | BPF_B | BPF_ABS;
    const AND: u32 = BPF_ALU | BPF_AND | BPF_K;
    const IF_EQUAL: u32 = BPF_JMP | BPF_JEQ | BPF_K;
    const RETURN: u32 = BPF_RET | BPF_K;
    // Operation, steps to skip if not equal, operand.
    let steps = [
        (LOAD_BYTE, 0, 0),
        (AND, 0, 0b1100_0000),
        (IF_EQUAL, 4, 0b1000_0000),
        (LOAD_BYTE, 0, 1),
        (AND, 0, 0b1110_0000),
        (IF_EQUAL, 1, 0b1100_0000),
        (RETURN, 0, 1),
        (RETURN, 0, 0),
    ];
    steps.map(|(code, jf, k)| sock_filter {
        code: code as u16,
        jt: 0,
        jf,
        k,
    })
}

#[cfg(target_os = "linux")]
fn packet_info_v4(from: Option<IpAddr>) -> in_pktinfo {
    let octets = match from {
        Some(IpAddr::V4(ip)) => ip.octets(),
        _ => [0; 4],
    };
    in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: in_addr {
            s_addr: u32::from_ne_bytes(octets),
        },
        ipi_addr: in_addr { s_addr: 0 },
    }
}

#[cfg(target_os = "linux")]
fn packet_info_v6(from: Option<IpAddr>) -> in6_pktinfo {
    let octets = match from {
        Some(IpAddr::V6(ip)) => ip.octets(),
        _ => [0; 16],
    };
    in6_pktinfo {
        ipi6_addr: in6_addr { s6_addr: octets },
        ipi6_ifindex: 0,
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

/// Datagrams of `segment` bytes for one destination; the last may be shorter.
#[derive(Debug)]
pub(super) struct Train {
    /// The local address, as returned by [`Socket::answers_from`].
    pub(super) from: Option<IpAddr>,
    pub(super) destination: SocketAddr,
    pub(super) contents: Vec<u8>,
    pub(super) segment: usize,
}

impl Train {
    pub(super) fn is_single(&self) -> bool {
        self.contents.len() <= self.segment
    }

    /// Number of datagrams in it.
    pub(super) fn count(&self) -> u64 {
        self.contents.len().div_ceil(self.segment.max(1)) as u64
    }
}

/// The message headers for the kernel, kept for reuse. They stay on the thread that made them.
pub(super) struct Headers {
    /// By whether there is a source address, its family, and whether there are segments: each entry has exactly the
    /// room needed.
    #[cfg(target_os = "linux")]
    all: [MultiHeaders<SockaddrStorage>; 6],
}

impl Headers {
    /// Headers for this number of trains in one call.
    #[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
    pub(super) fn new(trains: usize) -> Self {
        #[cfg(target_os = "linux")]
        let room = |room| MultiHeaders::preallocate(trains, room);
        Self {
            #[cfg(target_os = "linux")]
            all: [
                room(None),
                room(Some(nix::cmsg_space!(u16))),
                room(Some(nix::cmsg_space!(in_pktinfo))),
                room(Some(nix::cmsg_space!(in_pktinfo, u16))),
                room(Some(nix::cmsg_space!(in6_pktinfo))),
                room(Some(nix::cmsg_space!(in6_pktinfo, u16))),
            ],
        }
    }

    /// The headers with room for what such a train needs.
    #[cfg(target_os = "linux")]
    fn of(&mut self, train: &Train) -> &mut MultiHeaders<SockaddrStorage> {
        let from = match train.from {
            None => 0,
            Some(IpAddr::V4(_)) => 2,
            Some(IpAddr::V6(_)) => 4,
        };
        &mut self.all[from + usize::from(!train.is_single())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends each payload to the port, and returns what the sockets receive.
    #[cfg(target_os = "linux")]
    fn delivered(sockets: &mut [Socket], payloads: &[&[u8]]) -> Vec<Vec<Vec<u8>>> {
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for payload in payloads {
            client
                .send_to(payload, ("127.0.0.1", sockets[0].port()))
                .unwrap();
        }
        let mut all = vec![Vec::new(); sockets.len()];
        let begun = now();
        while all.iter().map(Vec::len).sum::<usize>() < payloads.len() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{all:?}");
            for (socket, got) in sockets.iter_mut().zip(&mut all) {
                let take = |datagram: Received<'_>| got.push(datagram.payload.to_vec());
                socket.receive(now(), take).unwrap();
            }
        }
        all
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn rtcp_comes_to_the_second_socket_and_everything_else_to_the_first() {
        let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let first = Socket::bind(&places, 0).unwrap();
        let second = first.split_rtcp(&places).unwrap();
        let mut sockets = [first, second];
        let rtp: [&[u8]; 3] = [&[0x80, 96, 0, 1], &[0x90, 0x80 | 63, 0], &[0xbf, 224]];
        let others: [&[u8]; 5] = [
            &[0x00, 0x01, 0, 8],
            &[22, 254, 253],
            &[64, 200],
            &[0x80],
            &[255, 200],
        ];
        let rtcp: [&[u8]; 3] = [&[0x80, 192], &[0x81, 205, 0, 1], &[0x8f, 223, 9]];
        let to_first: Vec<&[u8]> = rtp.into_iter().chain(others).collect();
        let all: Vec<&[u8]> = to_first.iter().copied().chain(rtcp).collect();
        let got = delivered(&mut sockets, &all);
        assert_eq!(got[0], to_first);
        assert_eq!(got[1], rtcp);
        // Without the second, the first receives everything.
        let [first, second] = sockets;
        drop(second);
        assert_eq!(delivered(&mut [first], &rtcp)[0], rtcp);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_with_two_sockets_is_taken() {
        let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let first = Socket::bind(&places, 0).unwrap();
        let _second = first.split_rtcp(&places).unwrap();
        let again = Socket::bind(&places, first.port());
        let refused = again.map(|socket| socket.port()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_report_tells_what_was_granted() {
        let loopback = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let report = Socket::bind(&loopback, 0).unwrap().report();
        assert!(report.gso_segments >= 1 && report.gro_segments >= 1);
        assert!(report.receive_buffer > 0 && report.wanted_buffer == SOCKET_BUFFER_LEN);
    }
}
