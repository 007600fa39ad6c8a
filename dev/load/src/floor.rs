//! The floor: the lowest cost of any server that encrypts for each receiver and sends with this kernel.
//!
//! Per packet and receiver: copy the payload behind a header, seal it with AES-256-GCM under the receiver's own key
//! (the profile that clients and server agree on), and per picture one GSO train of it to the receiver's own socket.
//! No packets are received, nothing is counted, and there is no feedback and no timer.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use mio::{Events, Interest, Poll, Token, Waker};
use quinn_udp::{Transmit, UdpSocketState};
use serde::Serialize;

use crate::media::{AUDIO_BYTES, AUDIO_INTERVAL, FRAME_RATE, Rate};
use crate::process::thread_cpu_ns;

const HEADER_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Pictures sent before the measured ones.
const WARM_UP: usize = 20;
/// How long the floor is measured at the pace of a publisher.
const PACED: Duration = Duration::from_secs(3);

/// The cost of the floor.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Floor {
    /// Number of receivers.
    pub receivers: usize,
    /// Pictures sent to each.
    pub frames: usize,
    /// Packets of a picture.
    pub packets_per_frame: u8,
    /// Whether the kernel accepted GSO trains.
    pub has_gso: bool,
    /// CPU microseconds, user and system, per packet and receiver.
    pub us_per_packet: f64,
    /// The part for encryption, measured without sending.
    pub seal_us_per_packet: f64,
    /// The same at the pace of a publisher, including audio, while another thread empties the receivers' sockets as
    /// packets arrive. Caches are then cold, receivers must be woken, and every other train is a single small packet,
    /// as for a server.
    pub paced_us_per_packet: f64,
}

impl Floor {
    /// The median of each cost over one or more measurements, because they vary by more than the differences that they
    /// are compared with.
    pub fn median(of: &[Self]) -> Option<Self> {
        let middle = |cost: fn(&Self) -> f64| {
            let mut costs: Vec<f64> = of.iter().map(cost).collect();
            costs.sort_by(f64::total_cmp);
            let [below, above] = [(costs.len() - 1) / 2, costs.len() / 2].map(|at| costs[at]);
            f64::midpoint(below, above)
        };
        let first = *of.first()?;
        Some(Self {
            us_per_packet: middle(|floor| floor.us_per_packet),
            seal_us_per_packet: middle(|floor| floor.seal_us_per_packet),
            paced_us_per_packet: middle(|floor| floor.paced_us_per_packet),
            ..first
        })
    }
}

struct Receiver {
    socket: UdpSocket,
    address: SocketAddr,
    key: LessSafeKey,
}

/// Everything that is needed for sending.
struct Bench {
    all: Vec<Receiver>,
    socket: UdpSocket,
    state: UdpSocketState,
    train: Vec<u8>,
    seq: u64,
}

impl Bench {
    fn new(receivers: usize) -> anyhow::Result<Self> {
        let all = (0..receivers)
            .map(receiver)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let state = UdpSocketState::new((&socket).into())?;
        state.set_send_buffer_size((&socket).into(), 4 << 20).ok();
        Ok(Self {
            all,
            socket,
            state,
            train: Vec::new(),
            seq: 0,
        })
    }

    fn has_gso(&self, count: u8) -> bool {
        self.state.max_gso_segments() >= usize::from(count)
    }

    /// Encrypts this many packets for every receiver, and sends those of each receiver as one train if `sends`.
    fn burst(&mut self, payload: &[u8], count: u8, sends: bool) -> anyhow::Result<()> {
        let packet_bytes = HEADER_BYTES + payload.len() + TAG_BYTES;
        let has_gso = self.has_gso(count);
        for receiver in &self.all {
            self.train.clear();
            for index in 0..count {
                let seq = self.seq + u64::from(index);
                seal(&mut self.train, &receiver.key, payload, seq)?;
            }
            if !sends {
                continue;
            }
            let size = if has_gso {
                self.train.len()
            } else {
                packet_bytes
            };
            for contents in self.train.chunks(size) {
                let transmit = Transmit {
                    destination: receiver.address,
                    ecn: None,
                    contents,
                    segment_size: (contents.len() > packet_bytes).then_some(packet_bytes),
                    src_ip: None,
                };
                self.state
                    .try_send((&self.socket).into(), &transmit)
                    .context("the floor cannot send")?;
            }
        }
        self.seq += u64::from(count);
        Ok(())
    }
}

/// Measures the floor: one picture after another to all receivers, whose sockets are emptied outside the measured time.
pub fn measure(receivers: usize, frames: usize, rate: Rate) -> anyhow::Result<Floor> {
    let mut bench = Bench::new(receivers)?;
    let payload = vec![0xa5; rate.payload_bytes];
    let mut spent = [0_u64; 2];
    for frame in 0..WARM_UP + frames {
        for (measured, sends) in spent.iter_mut().zip([true, false]) {
            let before = thread_cpu_ns()?;
            bench.burst(&payload, rate.packets_per_frame, sends)?;
            if frame >= WARM_UP {
                *measured += thread_cpu_ns()? - before;
            }
        }
        empty(&bench.all);
    }
    let packets = (frames * receivers * usize::from(rate.packets_per_frame)) as f64;
    let [whole, sealing] = spent.map(|ns| ns as f64 / 1_000.0 / packets);
    Ok(Floor {
        receivers,
        frames,
        packets_per_frame: rate.packets_per_frame,
        has_gso: bench.has_gso(rate.packets_per_frame),
        us_per_packet: whole,
        seal_us_per_packet: sealing,
        paced_us_per_packet: measure_paced(receivers, PACED, rate)?,
    })
}

/// CPU microseconds per packet and receiver at the pace of a publisher.
#[allow(clippy::disallowed_methods)]
fn measure_paced(receivers: usize, time: Duration, rate: Rate) -> anyhow::Result<f64> {
    let mut bench = Bench::new(receivers)?;
    let emptier = Emptier::start(&bench.all)?;
    let video = vec![0xa5; rate.payload_bytes];
    let audio = vec![0xa5; AUDIO_BYTES];
    let start = Instant::now();
    let (mut video_at, mut audio_at) = (start, start);
    let mut packets = 0_u64;
    let before = thread_cpu_ns()?;
    loop {
        let now = Instant::now();
        if now >= start + time {
            break;
        }
        if now >= audio_at {
            audio_at += AUDIO_INTERVAL;
            bench.burst(&audio, 1, true)?;
            packets += 1;
        }
        if now >= video_at {
            video_at += Duration::from_secs(1) / FRAME_RATE;
            bench.burst(&video, rate.packets_per_frame, true)?;
            packets += u64::from(rate.packets_per_frame);
        }
        std::thread::park_timeout(video_at.min(audio_at).saturating_duration_since(now));
    }
    let spent = thread_cpu_ns()? - before;
    emptier.stop();
    let packets = packets.max(1) * receivers as u64;
    Ok(spent as f64 / 1_000.0 / packets as f64)
}

/// A thread that receives packets and drops them.
struct Emptier {
    waker: Waker,
    thread: std::thread::JoinHandle<()>,
}

impl Emptier {
    fn start(all: &[Receiver]) -> anyhow::Result<Self> {
        const WAKE: Token = Token(usize::MAX);
        let mut poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let mut sockets = Vec::new();
        for (index, receiver) in all.iter().enumerate() {
            let mut socket = mio::net::UdpSocket::from_std(receiver.socket.try_clone()?);
            poll.registry()
                .register(&mut socket, Token(index), Interest::READABLE)?;
            sockets.push(socket);
        }
        let thread = std::thread::spawn(move || {
            let mut events = Events::with_capacity(1_024);
            let mut buffer = [0; 2_048];
            loop {
                if poll.poll(&mut events, None).is_err() {
                    return;
                }
                for event in &events {
                    let Some(socket) = sockets.get(event.token().0) else {
                        return;
                    };
                    while socket.recv(&mut buffer).is_ok() {}
                }
            }
        });
        Ok(Self { waker, thread })
    }

    fn stop(self) {
        self.waker.wake().ok();
        self.thread.join().ok();
    }
}

fn receiver(number: usize) -> anyhow::Result<Receiver> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    let mut key = [0x5a; 32];
    key[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| anyhow::anyhow!("no AES-GCM key"))?;
    Ok(Receiver {
        address: socket.local_addr()?,
        socket,
        key: LessSafeKey::new(key),
    })
}

/// Writes header and payload, and encrypts them.
fn seal(train: &mut Vec<u8>, key: &LessSafeKey, payload: &[u8], seq: u64) -> anyhow::Result<()> {
    let start = train.len();
    train.extend([0x80, 102]);
    train.extend((seq as u16).to_be_bytes());
    train.extend((seq as u32 * 3_000).to_be_bytes());
    train.extend(0x1234_5678_u32.to_be_bytes());
    let body = train.len();
    train.extend_from_slice(payload);
    let mut nonce = [0; NONCE_LEN];
    nonce[4..].copy_from_slice(&seq.to_be_bytes());
    let (header, rest) = train[start..].split_at_mut(body - start);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(&*header),
            rest,
        )
        .map_err(|_| anyhow::anyhow!("sealing failed"))?;
    train.extend_from_slice(tag.as_ref());
    Ok(())
}

fn empty(receivers: &[Receiver]) {
    let mut buffer = [0; 2_048];
    for receiver in receivers {
        while receiver.socket.recv(&mut buffer).is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_packet_opens_under_its_key_and_header() {
        let receiver = receiver(7).unwrap();
        let mut train = Vec::new();
        for seq in [5, 6] {
            seal(&mut train, &receiver.key, &[9; 100], seq).unwrap();
        }
        let second = &mut train[HEADER_BYTES + 100 + TAG_BYTES..];
        let (header, body) = second.split_at_mut(HEADER_BYTES);
        let mut nonce = [0; NONCE_LEN];
        nonce[11] = 6;
        let opened = receiver
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&*header),
                body,
            )
            .unwrap();
        assert_eq!(opened, [9; 100]);
    }

    #[test]
    fn the_floor_has_a_cost_of_which_sealing_is_a_part() {
        let floor = measure(3, 5, Rate::FULL).unwrap();
        assert!(
            floor.us_per_packet > floor.seal_us_per_packet
                && floor.seal_us_per_packet > 0.0
                && floor.paced_us_per_packet > 0.0,
            "{floor:?}"
        );
    }

    #[test]
    fn a_median_is_each_costs_own() {
        let floor = |[whole, sealing, paced]: [f64; 3]| Floor {
            receivers: 1,
            frames: 1,
            packets_per_frame: 1,
            has_gso: true,
            us_per_packet: whole,
            seal_us_per_packet: sealing,
            paced_us_per_packet: paced,
        };
        let costs = |of: &[[f64; 3]]| {
            let floors: Vec<Floor> = of.iter().copied().map(floor).collect();
            let of = Floor::median(&floors)?;
            Some([
                of.us_per_packet,
                of.seal_us_per_packet,
                of.paced_us_per_packet,
            ])
        };
        let odd = [[1.0, 9.0, 4.0], [7.0, 2.0, 6.0], [3.0, 3.0, 5.0]];
        assert_eq!(costs(&odd), Some([3.0, 3.0, 5.0]));
        assert_eq!(costs(&odd[..2]), Some([4.0, 5.5, 5.0]));
        assert_eq!(costs(&[]), None);
    }
}
