//! A virtual client: it publishes or watches with a WebRTC engine of its own, and comes back by itself.

pub(crate) mod encoder;
mod engine;
pub(crate) mod source;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use restage_core::Claims;
use restage_core::id::ConnectionId;
use restage_core::row::ConnectionKind;
use restage_load::peer::{Packet, Peer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::rtp::ExtensionValues;
use str0m::{Event, Input, Output};

use crate::random::Dice;
use source::{Made, SOUND, Source};

/// Time between two questions of a client whether its connection still exists.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(1_000);
/// Names of simulcast layers, the smallest first.
const RIDS: [&str; 2] = ["l", "h"];

/// Where a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It will join then.
    Away(Duration),
    /// It waits for the answer to its offer.
    Joining(Duration),
    /// It has a connection.
    Joined(ConnectionId),
    /// It will not come back.
    Left,
}

/// A datagram that a client sends.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

impl Sent {
    /// Where it stands among datagrams that leave together: packets of media by stream and number, after everything else.
    fn place(&self) -> (bool, u64) {
        let is_rtp =
            matches!(self.bytes[..], [128..=191, second, ..] if !(192..=223).contains(&second));
        let number = |range: std::ops::Range<usize>| -> u64 {
            let bytes = self.bytes.get(range).unwrap_or_default();
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        match is_rtp {
            true => (true, number(8..12) << 16 | number(2..4)),
            false => (false, 0),
        }
    }
}

/// A packet that a client was given by its engine.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) is_audio: bool,
    pub(crate) seq: u64,
    pub(crate) ssrc: u32,
    pub(crate) codec: Codec,
    pub(crate) payload: std::sync::Arc<[u8]>,
}

/// The media that a client sends or takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habit {
    pub(crate) codec: Codec,
    pub(crate) layers: u8,
    pub(crate) has_audio: bool,
    pub(crate) has_video: bool,
    pub(crate) packets: u8,
    pub(crate) has_feedback: bool,
}

/// One connection's engine.
struct Session {
    peer: Peer,
    sources: Vec<Source>,
    is_connected: bool,
    is_closed: bool,
    engine_at: Duration,
}

/// A participant's program.
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) kind: ConnectionKind,
    pub(crate) claims: Claims,
    pub(crate) habit: Habit,
    pub(crate) state: State,
    /// The reason of its last refusal.
    pub(crate) refusal: String,
    /// The address that the network shows.
    pub(crate) address: SocketAddr,
    pub(crate) check_at: Duration,
    /// It neither sends nor receives, without a word.
    pub(crate) is_gone: bool,
    /// Asks for key frames and says that packets are missing, all the time.
    pub(crate) is_greedy: bool,
    greedy_at: Duration,
    /// The number of its present connection, for marks.
    pub(crate) feed: u64,
    own: SocketAddr,
    session: Option<Session>,
    base: Instant,
    pub(crate) sent: Vec<Sent>,
    pub(crate) got: Vec<Got>,
}

impl Client {
    pub(crate) fn new(
        number: usize,
        kind: ConnectionKind,
        claims: Claims,
        habit: Habit,
        base: Instant,
        now: Duration,
    ) -> Self {
        let address = SocketAddr::from(([198, 51, 100, 1], 1));
        Self {
            number,
            kind,
            claims,
            habit,
            state: State::Away(now),
            refusal: String::new(),
            address,
            check_at: now,
            is_gone: false,
            is_greedy: false,
            greedy_at: now,
            feed: 0,
            own: address,
            session: None,
            base,
            sent: Vec::new(),
            got: Vec::new(),
        }
    }

    pub(crate) fn publishes(&self) -> bool {
        self.kind == ConnectionKind::Publish
    }

    /// Begins a connection: its offer. Every connection has an address and a number that no other has.
    pub(crate) fn offer(&mut self, now: Duration, address: SocketAddr, feed: u64) -> String {
        let habit = self.habit;
        let rtc = engine::build(self.base + now, self.publishes() || habit.has_feedback);
        let kinds: Vec<MediaKind> = [
            (habit.has_audio, MediaKind::Audio),
            (habit.has_video, MediaKind::Video),
        ]
        .into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, kind)| kind)
        .collect();
        let (direction, rids) = match self.publishes() {
            true if habit.layers > 1 => (Direction::SendOnly, &RIDS[..]),
            true => (Direction::SendOnly, &[][..]),
            false => (Direction::RecvOnly, &[][..]),
        };
        let (peer, offer) =
            Peer::offer(rtc, address, direction, &kinds, rids).expect("the engine makes an offer");
        (self.address, self.own, self.feed) = (address, address, feed);
        self.session = Some(Session {
            peer,
            sources: Vec::new(),
            is_connected: false,
            is_closed: false,
            engine_at: now,
        });
        self.state = State::Joining(now);
        offer
    }

    /// The server's answer.
    pub(crate) fn accept(&mut self, now: Duration, answer: &str, dice: &mut Dice) {
        let (habit, feed, publishes) = (self.habit, self.feed, self.publishes());
        let Some(session) = &mut self.session else {
            return;
        };
        session
            .peer
            .accept(answer)
            .expect("the engine takes the answer");
        session.engine_at = now;
        if publishes && habit.has_audio {
            session.sources.push(Source::audio(feed, now, dice.bits()));
        }
        if publishes && habit.has_video {
            for layer in 0..habit.layers {
                let packets = habit.packets + layer;
                let source = Source::new(habit.codec, layer, feed, now, dice.bits(), packets);
                session.sources.push(source);
            }
        }
        self.drain(now);
    }

    /// Ends the connection on this side. It says goodbye if it is told to.
    pub(crate) fn hang_up(&mut self, now: Duration, says_so: bool) {
        if says_so && let Some(session) = &mut self.session {
            session.peer.rtc.close().ok();
            self.drain(now);
        }
        self.session = None;
    }

    /// The encoder is reset: numbers and times go on elsewhere.
    pub(crate) fn jump(&mut self, packets: u64, ticks: u32) {
        for source in self
            .session
            .iter_mut()
            .flat_map(|session| &mut session.sources)
        {
            source.jump(packets, ticks);
        }
    }

    /// Sound or pictures stop, or go on.
    pub(crate) fn hold(&mut self, is_audio: bool, until: Duration) {
        for source in self
            .session
            .iter_mut()
            .flat_map(|session| &mut session.sources)
        {
            if (source.layer == SOUND) == is_audio {
                source.next_at = source.next_at.max(until);
            }
        }
    }

    /// When it has something to do.
    pub(crate) fn wants_at(&self) -> Option<Duration> {
        let session = self.session.as_ref().filter(|_| !self.is_gone)?;
        let sources = session.sources.iter().map(|source| source.next_at);
        sources.chain([session.engine_at]).min()
    }

    /// Its time has come.
    pub(crate) fn on_time(&mut self, now: Duration) {
        self.make_media(now);
        if self.is_greedy && now >= self.greedy_at {
            self.greedy_at = now + Duration::from_millis(40);
            self.ask_for_key_frame();
        }
        let at = self.base + now;
        let Some(session) = &mut self.session else {
            return;
        };
        session.peer.rtc.handle_input(Input::Timeout(at)).ok();
        self.drain(now);
        if let Some(session) = &mut self.session {
            session.engine_at = session.engine_at.max(now + Duration::from_millis(1));
        }
    }

    fn ask_for_key_frame(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        let Some(mid) = session.peer.video else {
            return;
        };
        if let Some(stream) = session.peer.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    fn make_media(&mut self, now: Duration) {
        let base = self.base;
        let Some(session) = &mut self.session else {
            return;
        };
        let mut made: Vec<Made> = Vec::new();
        for source in &mut session.sources {
            if !session.is_connected {
                source.next_at = source.next_at.max(now + Duration::from_millis(20));
            } else if source.next_at <= now {
                made.extend(source.make());
            }
        }
        for packet in made {
            let mut extensions = ExtensionValues::default();
            if packet.layer == SOUND {
                extensions.audio_level = Some(-30);
                extensions.voice_activity = Some(true);
            }
            let is_layered = packet.layer != SOUND && self.habit.layers > 1;
            let rid = is_layered.then(|| RIDS[usize::from(packet.layer)].into());
            let Some(session) = &mut self.session else {
                return;
            };
            session.peer.send(Packet {
                codec: packet.codec,
                rid,
                seq: packet.seq,
                time: packet.time,
                captured_at: base + now,
                marker: packet.marker,
                extensions,
                payload: packet.payload,
            });
            // Of several streams that have packets, the engine sends those first that a table with random order has first.
            session
                .peer
                .rtc
                .handle_input(Input::Timeout(base + now))
                .ok();
            self.drain(now);
        }
    }

    /// A datagram has arrived.
    pub(crate) fn receive(&mut self, now: Duration, from: SocketAddr, bytes: &[u8]) {
        let Some(session) = self.session.as_mut().filter(|_| !self.is_gone) else {
            return;
        };
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.own, bytes) else {
            return;
        };
        let at = self.base + now;
        session
            .peer
            .rtc
            .handle_input(Input::Receive(at, receive))
            .ok();
        self.drain(now);
    }

    fn drain(&mut self, now: Duration) {
        let from = self.sent.len();
        self.poll(now);
        // Of several streams, the engine serves those first that a table with random order has first.
        self.sent[from..].sort_by_key(|sent| sent.place());
    }

    fn poll(&mut self, now: Duration) {
        let Some(session) = &mut self.session else {
            return;
        };
        loop {
            match session.peer.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    let at = at.saturating_duration_since(self.base);
                    session.engine_at = at.max(now);
                    return;
                }
                Ok(Output::Transmit(transmit)) => self.sent.push(Sent {
                    to: transmit.destination,
                    bytes: transmit.contents.to_vec(),
                }),
                Ok(Output::Event(event)) => {
                    Self::on_event(session, &mut self.got, event);
                }
                Err(_) => {
                    session.is_closed = true;
                    session.engine_at = now + Duration::from_secs(3_600);
                    return;
                }
            }
        }
    }

    fn on_event(session: &mut Session, got: &mut Vec<Got>, event: Event) {
        match event {
            Event::Connected => session.is_connected = true,
            Event::Closed => session.is_closed = true,
            Event::KeyframeRequest(request) => {
                for source in &mut session.sources {
                    let is_it = match request.rid {
                        Some(rid) => RIDS
                            .get(usize::from(source.layer))
                            .is_some_and(|own| rid == (*own).into()),
                        None => source.layer != SOUND,
                    };
                    if is_it {
                        source.want_key();
                    }
                }
            }
            Event::RtpPacket(packet) => {
                let pt = packet.header.payload_type;
                let params = session.peer.rtc.codec_config().params();
                let codec = params.iter().find(|params| params.pt() == pt);
                let codec = codec.map_or(Codec::Null, |params| params.spec().codec);
                got.push(Got {
                    is_audio: codec.is_audio(),
                    seq: *packet.seq_no,
                    ssrc: *packet.header.ssrc,
                    codec,
                    payload: packet.payload,
                });
            }
            _ => {}
        }
    }
}
