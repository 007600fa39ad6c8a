//! One connection: an engine, its socket, and what it publishes or has received.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::rtp::ExtensionValues;
use str0m::{Event, Input, Output};

use crate::media::{
    AUDIO_INTERVAL, AUDIO_TICKS, FRAME_RATE, FRAME_TICKS, KEY_FRAME_EVERY, Rate, Stamp,
    audio_payload, unix_ns, video_payload,
};
use crate::peer::{Engine, Packet, Peer};
use crate::srtp::Srtp;
use crate::tally::{Received, Tally, Window};

/// Times of a client's milestones, in nanoseconds since 1970; 0 means not yet.
#[derive(Debug, Default)]
pub(crate) struct Milestones {
    pub(crate) connected_ns: AtomicU64,
    /// The last missing packet of the first key frame arrived.
    pub(crate) decodable_ns: AtomicU64,
}

/// The engine of every client. All share one certificate, so that the cost of joining does not include creating one.
pub(crate) fn engine(srtp: Srtp) -> anyhow::Result<Engine> {
    let crypto = Arc::new(srtp.provider());
    let certificate = crypto.dtls_provider.generate_certificate();
    Ok(Engine {
        crypto,
        certificate: Some(certificate.context("no DTLS certificate")?),
        others: Vec::new(),
        has_feedback: true,
        feedback_interval: None,
    })
}

pub(crate) struct Client {
    peer: Peer,
    pub(crate) socket: mio::net::UdpSocket,
    address: SocketAddr,
    pub(crate) deadline: Instant,
    pub(crate) milestones: Arc<Milestones>,
    window: Arc<Window>,
    is_connected: bool,
    publishing: Option<Publishing>,
    pub(crate) received: Received,
    /// Packets of key frames that are not complete yet, until the first one is.
    key_frames: HashMap<u32, u64>,
    arrived_ns: u64,
    /// A receiver says at this interval what has come, and when it does so next. Otherwise its engine decides.
    feedback: Option<(Duration, Instant)>,
}

/// A publisher's clock and counters.
struct Publishing {
    source: u32,
    rate: Rate,
    video_at: Instant,
    audio_at: Instant,
    frame: u64,
    video_seq: u32,
    audio_seq: u32,
    needs_key_frame: bool,
    sent: u64,
    sent_audio: u64,
}

/// What has come of asking an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polled {
    Something,
    Nothing,
    Failed,
}

/// A client whose offer was sent.
pub(crate) struct Offered {
    client: Client,
    pub(crate) offer: String,
}

impl Offered {
    pub(crate) fn accept(mut self, answer: &str) -> anyhow::Result<Client> {
        self.client.peer.accept(answer)?;
        Ok(self.client)
    }
}

impl Client {
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn offer(
        engine: &Engine,
        window: Arc<Window>,
        publishes: Option<(u32, Rate)>,
    ) -> anyhow::Result<Offered> {
        let now = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        // So that a burst for many subscribers is not lost in the generator.
        socket2::SockRef::from(&socket)
            .set_recv_buffer_size(1 << 20)
            .ok();
        let address = socket.local_addr()?;
        let direction = if publishes.is_some() {
            Direction::SendOnly
        } else {
            Direction::RecvOnly
        };
        let kinds = [MediaKind::Audio, MediaKind::Video];
        let (peer, offer) = Peer::offer(engine.build(now), address, direction, &kinds, &[])?;
        let publishing = publishes.map(|(source, rate)| Publishing {
            source,
            rate,
            video_at: now,
            audio_at: now,
            frame: 0,
            video_seq: 0,
            audio_seq: 0,
            needs_key_frame: true,
            sent: 0,
            sent_audio: 0,
        });
        let client = Self {
            peer,
            socket: mio::net::UdpSocket::from_std(socket),
            address,
            deadline: now,
            milestones: Arc::default(),
            window,
            is_connected: false,
            publishing,
            received: Received::default(),
            key_frames: HashMap::new(),
            arrived_ns: 0,
            feedback: engine.feedback_interval.map(|interval| (interval, now)),
        };
        Ok(Offered { client, offer })
    }

    /// Reads everything from the socket. `false`: the connection has failed.
    pub(crate) fn on_readable(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        control: &mut [u8],
    ) -> bool {
        while let Some((source, length, arrived_ns)) = self.receive(buffer, control) {
            self.arrived_ns = arrived_ns.unwrap_or_else(unix_ns);
            let Ok(receive) = Receive::new(Protocol::Udp, source, self.address, &buffer[..length])
            else {
                continue;
            };
            if self
                .peer
                .rtc
                .handle_input(Input::Receive(now, receive))
                .is_err()
            {
                return false;
            }
            let goes_on = match self.waits(now) && is_media(&buffer[..length]) {
                true => self.step(),
                false => self.drain(),
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Whether what it says is to wait. It is not before the first picture is whole: what it has to say and to tell at the beginning would
    /// hold packets back in the engine.
    fn waits(&self, now: Instant) -> bool {
        let waits = self.feedback.is_some_and(|(_, next)| now < next);
        waits && self.is_receiving() && self.has_picture()
    }

    fn has_picture(&self) -> bool {
        self.milestones.decodable_ns.load(Ordering::Relaxed) != 0
    }

    fn receive(
        &self,
        buffer: &mut [u8],
        control: &mut [u8],
    ) -> Option<(SocketAddr, usize, Option<u64>)> {
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(control),
            MsgFlags::MSG_DONTWAIT,
        )
        .ok()?;
        let source = SocketAddr::V4((*message.address?.as_sockaddr_in()?).into());
        let arrived = message.cmsgs().ok()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => Some(nanoseconds(at)),
            _ => None,
        });
        Some((source, message.bytes, arrived))
    }

    /// Whether it is connected and sends nothing by itself.
    pub(crate) fn is_receiving(&self) -> bool {
        self.is_connected && self.publishing.is_none()
    }

    /// Performs what is due. `false`: the connection has failed.
    pub(crate) fn on_time(&mut self, now: Instant) -> bool {
        let is_sending = self.publish_due(now);
        if (is_sending || self.deadline <= now)
            && self.peer.rtc.handle_input(Input::Timeout(now)).is_err()
        {
            return false;
        }
        if let Some((interval, next)) = &mut self.feedback {
            *next = now + *interval;
        }
        self.drain()
    }

    fn drain(&mut self) -> bool {
        loop {
            match self.poll() {
                Polled::Something => {}
                Polled::Nothing => return self.peer.rtc.is_alive(),
                Polled::Failed => return false,
            }
        }
    }

    /// Takes a packet that has come from the engine. What the engine wants to say comes after that, and is left in it: it puts all that
    /// there is into one datagram.
    fn step(&mut self) -> bool {
        if let Some((_, next)) = self.feedback {
            self.deadline = self.deadline.min(next);
        }
        self.poll() != Polled::Failed
    }

    fn poll(&mut self) -> Polled {
        match self.peer.rtc.poll_output() {
            Ok(Output::Timeout(at)) => {
                self.deadline = match (&self.publishing, self.feedback) {
                    (Some(publishing), _) if self.is_connected => {
                        at.min(publishing.video_at).min(publishing.audio_at)
                    }
                    (None, Some((_, next))) if self.is_connected && self.has_picture() => {
                        at.max(next)
                    }
                    _ => at,
                };
                Polled::Nothing
            }
            Ok(Output::Transmit(transmit)) => {
                // A full socket buffer on loopback is loss, which is what is measured.
                self.socket
                    .send_to(&transmit.contents, transmit.destination)
                    .ok();
                Polled::Something
            }
            Ok(Output::Event(event)) => {
                self.on_event(event);
                Polled::Something
            }
            Err(_) => Polled::Failed,
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.is_connected = true;
                self.milestones
                    .connected_ns
                    .store(unix_ns(), Ordering::Release);
            }
            Event::KeyframeRequest(_) => {
                if let Some(publishing) = &mut self.publishing {
                    publishing.needs_key_frame = true;
                }
            }
            Event::RtpPacket(packet) => {
                if let Some(stamp) = Stamp::of(&packet.payload) {
                    self.on_packet(&stamp);
                }
            }
            _ => {}
        }
    }

    fn on_packet(&mut self, stamp: &Stamp) {
        if stamp.is_key && !self.has_picture() {
            let got = self.key_frames.entry(stamp.frame).or_default();
            *got |= 1 << (stamp.index % 64);
            if got.count_ones() == u32::from(stamp.count) {
                self.milestones
                    .decodable_ns
                    .store(self.arrived_ns, Ordering::Release);
                self.key_frames = HashMap::new();
            }
        }
        if self.window.contains(stamp.sent_ns) {
            self.received.add(stamp, self.arrived_ns);
        }
    }

    /// Sends the packets that are due; those of one picture are sent together.
    fn publish_due(&mut self, now: Instant) -> bool {
        let Some(publishing) = self.publishing.as_mut().filter(|_| self.is_connected) else {
            return false;
        };
        let mut is_sending = false;
        if publishing.audio_at <= now {
            publishing.audio_at = next(publishing.audio_at, now, AUDIO_INTERVAL);
            let stamp = Stamp {
                source: publishing.source,
                seq: publishing.audio_seq,
                sent_ns: unix_ns(),
                frame: 0,
                index: 0,
                count: 1,
                is_key: false,
                is_video: false,
            };
            let time = publishing.audio_seq.wrapping_mul(AUDIO_TICKS);
            let payload = audio_payload(stamp);
            is_sending |= self
                .peer
                .send(packet(Codec::Opus, &stamp, time, false, payload));
            publishing.audio_seq += 1;
            let counts = u64::from(self.window.contains(stamp.sent_ns));
            publishing.sent += counts;
            publishing.sent_audio += counts;
        }
        if publishing.video_at <= now {
            publishing.video_at = next(
                publishing.video_at,
                now,
                Duration::from_secs(1) / FRAME_RATE,
            );
            let is_key =
                publishing.frame.is_multiple_of(KEY_FRAME_EVERY) || publishing.needs_key_frame;
            publishing.needs_key_frame = false;
            let time = (publishing.frame as u32).wrapping_mul(FRAME_TICKS);
            let count = publishing.rate.packets_per_frame;
            for index in 0..count {
                let stamp = Stamp {
                    source: publishing.source,
                    seq: publishing.video_seq,
                    sent_ns: unix_ns(),
                    frame: publishing.frame as u32,
                    index,
                    count,
                    is_key,
                    is_video: true,
                };
                let payload = video_payload(publishing.rate.payload_bytes, stamp);
                let is_last = index + 1 == count;
                is_sending |= self
                    .peer
                    .send(packet(Codec::H264, &stamp, time, is_last, payload));
                publishing.video_seq += 1;
                publishing.sent += u64::from(self.window.contains(stamp.sent_ns));
            }
            publishing.frame += 1;
        }
        is_sending
    }

    /// What it sent and received within the window.
    pub(crate) fn take_tally(&mut self) -> Tally {
        let mut tally = std::mem::take(&mut self.received).tally;
        if let Some(publishing) = &mut self.publishing {
            tally.sent = std::mem::take(&mut publishing.sent);
            tally.sent_audio = std::mem::take(&mut publishing.sent_audio);
        }
        tally
    }
}

/// Whether a datagram is an RTP packet, and not RTCP (RFC 5761 §4) or something else (RFC 9443).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

/// The next time of an interval. A generator that is late by more than one interval does not send a burst to catch up.
fn next(at: Instant, now: Instant, interval: Duration) -> Instant {
    let next = at + interval;
    if next + interval < now { now } else { next }
}

/// A packet for the engine. Sequence numbers start at 1,000, so that they wrap around within minutes.
#[allow(clippy::disallowed_methods)]
fn packet(codec: Codec, stamp: &Stamp, time: u32, marker: bool, payload: Vec<u8>) -> Packet {
    Packet {
        codec,
        rid: None,
        seq: u64::from(stamp.seq) + 1_000,
        time,
        captured_at: Instant::now(),
        marker,
        extensions: ExtensionValues::default(),
        payload: payload.into(),
    }
}

fn nanoseconds(at: TimeSpec) -> u64 {
    at.tv_sec() as u64 * 1_000_000_000 + at.tv_nsec() as u64
}
