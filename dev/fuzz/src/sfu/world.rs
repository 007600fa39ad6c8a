//! An `Sfu` with its clients, and what must hold whatever they send.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use restage_media::{
    Burst, Config, Control, InletPacket, Input, MediaPacket, Output, PeerId, Protocol,
    PublicationId, Sfu, limits,
};

use super::client::{Client, address};
use super::keys::word;

/// The most of a tap in one output: a burst, or the present picture.
const TAPPED_MAX: usize = limits::LAYERS_MAX * limits::HEAD_PACKETS_MAX;
/// Outputs that follow from one input. A key frame for two viewers, taps and reports are far below.
const OUTPUTS_MAX: usize = 4_096;
/// Times that the `Sfu` may ask for the same instant.
const SAME_INSTANT_MAX: usize = 64;
/// Checks of a client before its handshake begins.
const CHECKS_BEFORE: usize = 8;
/// Received datagrams that can be sent once more.
const RECORDED_MAX: usize = 24;

/// What a stream to a viewer has had.
#[derive(Default)]
struct Sent {
    highest: u64,
    /// What was sent under each number.
    packets: BTreeMap<u64, Vec<u8>>,
}

/// What a viewer has got, for the feedback that it gives.
#[derive(Default)]
pub(crate) struct Got {
    /// The newest sequence number of each SSRC.
    pub(crate) newest: Vec<(u32, u16)>,
    /// The newest transport-wide number.
    pub(crate) wide: u16,
}

pub(crate) struct World {
    pub(crate) sfu: Sfu,
    pub(crate) now: Instant,
    pub(crate) clients: Vec<Client>,
    /// By client.
    pub(crate) got: Vec<Got>,
    /// By the key of the client and the SSRC.
    streams: HashMap<(u64, u32), Sent>,
    rtcp: HashMap<(u64, u32), u64>,
    pub(crate) answers: Vec<(PeerId, String)>,
    pub(crate) bursts: Vec<(PublicationId, Burst)>,
    /// Datagrams that came, with their sources.
    pub(crate) recorded: Vec<(SocketAddr, Vec<u8>)>,
    /// Peers that were opened without a client behind them.
    pub(crate) has_strangers: bool,
    /// What has to be answered, so that it does not go round in one call.
    pending: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) packets_to_viewers: u64,
}

pub(crate) fn sfu_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_081))
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            sfu: Sfu::new(config),
            now: crate::target::epoch(),
            clients: Vec::new(),
            got: Vec::new(),
            streams: HashMap::new(),
            rtcp: HashMap::new(),
            answers: Vec::new(),
            bursts: Vec::new(),
            recorded: Vec::new(),
            has_strangers: false,
            pending: Vec::new(),
            packets_to_viewers: 0,
        }
    }

    /// Opens a client and connects it. Returns its index.
    pub(crate) fn connect(
        &mut self,
        mut client: Client,
        control: impl FnOnce(PeerId, String) -> Control,
    ) -> usize {
        let (key, offer) = (client.key, client.offer());
        self.control(control(key, offer));
        let answer = self.answers.iter().rev().find(|(peer, _)| *peer == key);
        client.take_credentials(&answer.expect("the offer is good").1);
        self.clients.push(client);
        self.got.push(Got::default());
        let index = self.clients.len() - 1;
        // As many as the answer of the handshake is bytes: before the client is proven, three are sent for each that came.
        for _ in 0..CHECKS_BEFORE {
            self.check(index, 0, true, 0x6e00_01ff);
        }
        let first = self.clients[index].shake(self.now, None);
        self.send_all(index, first);
        for _ in 0..16 {
            self.settle();
            if self.clients[index].is_connected {
                return index;
            }
            self.wait(Duration::from_millis(5), true);
        }
        panic!(
            "client {} is not connected: {:?} {:?}",
            key.0,
            self.sfu.connect_failure(key),
            self.sfu.stats()
        );
    }

    /// A check of a client from one of its addresses.
    pub(crate) fn check(&mut self, index: usize, place: usize, nominates: bool, priority: u32) {
        let client = &mut self.clients[index];
        client.address = address(client.key.0, place);
        let (from, bytes) = (client.address, client.check(nominates, priority));
        self.datagram(from, &bytes);
    }

    pub(crate) fn send_all(&mut self, index: usize, datagrams: Vec<Vec<u8>>) {
        let from = self.clients[index].address;
        for bytes in datagrams {
            self.datagram(from, &bytes);
        }
    }

    pub(crate) fn datagram(&mut self, source: SocketAddr, payload: &[u8]) {
        if self.recorded.len() < RECORDED_MAX {
            self.recorded.push((source, payload.to_vec()));
        }
        self.input(Input::Datagram {
            protocol: Protocol::Udp,
            source,
            destination: sfu_address(),
            payload,
        });
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let closed = self.closed();
        self.sfu.handle_input(self.now, input);
        self.drain(&closed);
    }

    pub(crate) fn control(&mut self, control: Control) {
        let closed = self.closed();
        let ends = match &control {
            Control::Close { peer } => Some(*peer),
            _ => None,
        };
        self.sfu.control(self.now, control);
        self.drain(&closed);
        if let Some(client) = self
            .clients
            .iter_mut()
            .find(|client| Some(client.key) == ends)
        {
            client.is_over = true;
        }
    }

    /// Clients that had ended before this input.
    fn closed(&self) -> Vec<PeerId> {
        let over = self.clients.iter().filter(|client| client.is_over);
        over.map(|client| client.key).collect()
    }

    /// Answers what the `Sfu` has asked of clients.
    pub(crate) fn settle(&mut self) {
        for (from, bytes) in std::mem::take(&mut self.pending) {
            self.datagram(from, &bytes);
        }
    }

    /// Lets time pass. Punctually: with every deadline on the way, up to a bound. Otherwise the worker is late.
    pub(crate) fn wait(&mut self, time: Duration, is_punctual: bool) {
        let until = self.now + time;
        let mut rounds = 0;
        while is_punctual && rounds < 400 {
            let Some(at) = self.sfu.poll_timeout().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.input(Input::Timeout);
            self.settle();
            rounds += 1;
        }
        self.now = until;
        self.input(Input::Timeout);
        self.settle();
    }

    fn drain(&mut self, closed: &[PeerId]) {
        let mut outputs = 0;
        while let Some(output) = self.sfu.poll_output() {
            outputs += 1;
            assert!(outputs <= OUTPUTS_MAX, "one input has {outputs} outputs");
            self.take(output, closed);
        }
        // A deadline that has come is due in the same moment, but not again and again.
        let mut again = 0;
        while self.sfu.poll_timeout().is_some_and(|at| at < self.now) {
            again += 1;
            assert!(again <= SAME_INSTANT_MAX, "a deadline stays in the past");
            self.sfu.handle_input(self.now, Input::Timeout);
            while let Some(output) = self.sfu.poll_output() {
                self.take(output, closed);
            }
        }
        let stats = self.sfu.stats();
        assert_eq!(stats.peer_panics, 0, "a peer has panicked");
        assert!(stats.addresses <= stats.peers * limits::ADDRESSES_PER_PEER_MAX as u64);
        assert!(stats.taps <= limits::TAPS_MAX as u64);
    }

    fn take(&mut self, output: Output, closed: &[PeerId]) {
        match output {
            Output::Transmit {
                protocol,
                source,
                destination,
                payload,
            } => {
                assert_eq!((protocol, source), (Protocol::Udp, sfu_address()));
                self.receive(destination, &payload, closed);
            }
            Output::Train {
                protocol,
                source,
                destination,
                contents,
                segment,
                ..
            } => {
                assert_eq!((protocol, source), (Protocol::Udp, sfu_address()));
                assert!(
                    segment > 0
                        && contents.len() <= limits::TRAIN_BYTES_MAX
                        && contents.len().div_ceil(segment) <= limits::TRAIN_SEGMENTS_MAX
                );
                for payload in contents.chunks(segment) {
                    self.receive(destination, payload, closed);
                }
                self.sfu.reuse(contents);
            }
            Output::Answer { peer, sdp } => {
                assert!(sdp.len() < 128 * 1024);
                self.answers.push((peer, sdp));
                if self.answers.len() > 32 {
                    self.answers.remove(0);
                }
            }
            Output::Patched {
                peer,
                fragment: Some(fragment),
            } => {
                if let Some(client) = self.clients.iter_mut().find(|client| client.key == peer) {
                    client.take_credentials(&fragment);
                }
            }
            Output::Connected { peer } => {
                if let Some(client) = self.clients.iter_mut().find(|client| client.key == peer) {
                    client.is_connected = true;
                }
            }
            Output::Gone { peer, .. } => {
                if let Some(client) = self.clients.iter_mut().find(|client| client.key == peer) {
                    client.is_over = true;
                }
            }
            Output::Relay {
                publication, burst, ..
            } if self.bursts.len() < 4 => self.bursts.push((publication, burst)),
            Output::Tapped { packets, .. } => {
                assert!(
                    !packets.is_empty() && packets.len() <= TAPPED_MAX,
                    "{} packets for a tap",
                    packets.len()
                );
                packets.iter().for_each(tapped);
                self.sfu.reuse_tapped(packets);
            }
            Output::Loudness { level, .. } => assert!((-127..=0).contains(&level)),
            Output::LayersWanted { layers, .. } => assert!(layers.len() <= limits::LAYERS_MAX),
            Output::LayersNeeded { level, .. } => assert!(level <= 64),
            _ => {}
        }
    }

    /// A client gets a datagram. It has to be for one of those that use the address, and to verify.
    fn receive(&mut self, to: SocketAddr, bytes: &[u8], closed: &[PeerId]) {
        assert!(!bytes.is_empty() && bytes.len() <= limits::DATAGRAM_BYTES_MAX);
        if self.has_strangers && !self.clients.iter().any(|client| owns(client, to)) {
            return;
        }
        let index = self.clients.iter().position(|client| owns(client, to));
        let index = index.unwrap_or_else(|| panic!("nobody is at {to}"));
        let living = self
            .clients
            .iter()
            .filter(|client| !closed.contains(&client.key));
        assert!(living.count() > 0, "everybody has ended");
        match bytes[0] {
            0..=3 => self.receive_stun(index, to, bytes),
            20..=63 => {
                assert!(
                    !closed.contains(&self.clients[index].key) || self.is_shared(to),
                    "DTLS after the end"
                );
                let answers = self.clients[index].shake(self.now, Some(bytes));
                let answers = answers.into_iter().map(|answer| (to, answer));
                self.pending.extend(answers);
            }
            128..=191 if (192..=223).contains(&bytes[1]) => self.receive_rtcp(bytes, closed),
            128..=191 => self.receive_rtp(bytes, closed),
            kind => panic!("a datagram of no kind: {kind}"),
        }
    }

    /// Whether another client has sent from the address as well.
    fn is_shared(&self, _: SocketAddr) -> bool {
        self.clients.len() > 1
    }

    fn receive_stun(&mut self, index: usize, to: SocketAddr, bytes: &[u8]) {
        let message =
            restage_stun::Message::parse(bytes).expect("a message of ours is well-formed");
        if message.class() != restage_stun::Class::Request {
            return;
        }
        // Checks name their receiver: `theirs:ours`.
        let user = message
            .get_text(restage_stun::attribute::USERNAME)
            .expect("a check has a name");
        let named = self
            .clients
            .iter()
            .position(|client| user.starts_with(&client.ufrag()));
        let client = &self.clients[named.unwrap_or(index)];
        if client.answers_checks && !client.is_over && self.pending.len() < 64 {
            let answer = client.answer(&message, sfu_address());
            self.pending.push((to, answer));
        }
    }

    fn receive_rtcp(&mut self, bytes: &[u8], closed: &[PeerId]) {
        let ssrc = word(&bytes[4..]);
        let opened = self.clients.iter().find_map(|client| {
            let keys = client.keys.as_ref()?;
            Some((client.key, keys.open_rtcp(bytes)?))
        });
        let (key, (index, plain)) = opened.expect("RTCP verifies under the keys of a client");
        assert!(!closed.contains(&key), "RTCP for a client that has ended");
        let next = self.rtcp.entry((key.0, 0)).or_default();
        assert!(
            u64::from(index) >= *next,
            "an index of SRTCP twice: {index} for {ssrc:x}"
        );
        *next = u64::from(index) + 1;
        compound(&plain);
    }

    fn receive_rtp(&mut self, bytes: &[u8], closed: &[PeerId]) {
        let (ssrc, seq) = (word(&bytes[8..]), u16::from_be_bytes([bytes[2], bytes[3]]));
        let body = header_bytes(bytes);
        let opened = self.clients.iter().enumerate().find_map(|(place, client)| {
            let keys = client.keys.as_ref()?;
            let highest = self
                .streams
                .get(&(client.key.0, ssrc))
                .map_or_else(|| u64::from(seq), |sent| sent.highest);
            let index = nearest(highest, seq);
            keys.open_rtp(bytes, body, index)
                .map(|payload| (place, index, payload))
        });
        let (place, index, payload) =
            opened.unwrap_or_else(|| panic!("{}", self.unopened(bytes, body)));
        let client = &self.clients[place];
        assert!(!client.publishes, "media for a publisher");
        assert!(
            !closed.contains(&client.key),
            "media for a client that has ended"
        );
        let is_padding = bytes[0] & 0x20 != 0;
        assert!(
            !payload.is_empty() && (is_padding || payload.len() <= limits::PAYLOAD_BYTES_MAX + 2)
        );
        let sent = self.streams.entry((client.key.0, ssrc)).or_default();
        sent.highest = sent.highest.max(index);
        let before = sent.packets.insert(index, bytes.to_vec());
        assert!(
            before.is_none_or(|before| before == bytes),
            "number {index} of {ssrc:x} twice, with other contents"
        );
        self.packets_to_viewers += 1;
        let got = &mut self.got[place];
        if let Some(number) = extension(bytes, 3) {
            got.wide = u16::from_be_bytes([number[0], number[1]]);
        }
        got.newest.retain(|(known, _)| *known != ssrc);
        got.newest.push((ssrc, seq));
    }

    /// Why a packet does not verify: whether it does with another rollover.
    fn unopened(&self, bytes: &[u8], body: usize) -> String {
        let (ssrc, seq) = (word(&bytes[8..]), u16::from_be_bytes([bytes[2], bytes[3]]));
        let rollovers = (0..1 << 16).map(|rollover| rollover << 16 | u64::from(seq));
        let found = self.clients.iter().find_map(|client| {
            let keys = client.keys.as_ref()?;
            let index = rollovers
                .clone()
                .find(|index| keys.open_rtp(bytes, body, *index).is_some())?;
            let sent = self.streams.get(&(client.key.0, ssrc));
            Some((
                client.key,
                index,
                sent.map(|sent| (sent.packets.len(), sent.highest)),
            ))
        });
        format!(
            "RTP of {ssrc:x} with number {seq} does not verify where it should: {found:?} (client, index, and what came before)"
        )
    }

    /// Packets into an inlet.
    pub(crate) fn push(&mut self, inlet: restage_media::InletId, packets: &[InletPacket]) {
        self.input(Input::Push { inlet, packets });
    }
}

fn owns(client: &Client, address: SocketAddr) -> bool {
    matches!(address, SocketAddr::V4(v4) if v4.ip().octets() == [198, 51, 100, client.key.0 as u8])
}

/// The number without wrap-around that is nearest.
fn nearest(highest: u64, seq: u16) -> u64 {
    let step = seq.wrapping_sub(highest as u16) as i16;
    highest
        .checked_add_signed(i64::from(step))
        .unwrap_or_else(|| seq.into())
}

/// Bytes of an RTP header with its extensions.
fn header_bytes(bytes: &[u8]) -> usize {
    let fixed = 12 + 4 * usize::from(bytes[0] & 0x0f);
    if bytes[0] & 0x10 == 0 {
        return fixed;
    }
    fixed + 4 + 4 * usize::from(u16::from_be_bytes([bytes[fixed + 2], bytes[fixed + 3]]))
}

/// The value of a header extension, in either form.
fn extension(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    if bytes[0] & 0x10 == 0 {
        return None;
    }
    let start = 12 + 4 * usize::from(bytes[0] & 0x0f);
    let is_long = bytes[start] == 0x10;
    let mut elements = &bytes[start + 4..header_bytes(bytes)];
    loop {
        let (id, length, rest) = match elements {
            [0, rest @ ..] => {
                elements = rest;
                continue;
            }
            [id, length, rest @ ..] if is_long => (*id, usize::from(*length), rest),
            [head, rest @ ..] if !is_long => (head >> 4, usize::from(head & 0x0f) + 1, rest),
            _ => return None,
        };
        let value = rest.get(..length).expect("an extension of ours is whole");
        if id == wanted {
            return Some(value);
        }
        elements = &rest[length..];
    }
}

/// Reports and feedback that we send: packets whose lengths are right.
fn compound(mut plain: &[u8]) {
    while !plain.is_empty() {
        assert!(
            plain.len() >= 4 && plain[0] >> 6 == 2 && (200..=207).contains(&plain[1]),
            "{plain:02x?}"
        );
        let length = 4 + 4 * usize::from(u16::from_be_bytes([plain[2], plain[3]]));
        plain = plain.get(length..).expect("it is as long as it says");
    }
}

fn tapped(packet: &MediaPacket) {
    assert!(!packet.payload.is_empty() && packet.payload.len() <= limits::PAYLOAD_BYTES_MAX);
    assert!(
        packet
            .audio_level
            .is_none_or(|level| (-127..=0).contains(&level))
    );
    assert!(
        packet
            .rotation_degrees
            .is_none_or(|degrees| degrees % 90 == 0 && degrees < 360)
    );
    assert_eq!(packet.kind, packet.codec().kind());
}
