pub mod client;
pub mod descriptor;
pub mod offers;
pub mod source;
pub mod viewer;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use restage_media::{
    Burst, Config, Control, Download, GoneReason, InletEnd, InletError, InletId, Input,
    LayerWanted, MediaPacket, OfferError, OfferedStream, Output, PeerId, Protocol, PublicationId,
    Sfu, StreamState, TapError, TapId, Wish, WorkerId, limits,
};
use str0m::format::Codec;
use str0m::media::Direction;

/// SplitMix64, for loss and hostile bytes.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

#[derive(Debug, Clone)]
pub struct Flight {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// The outputs of the `Sfu` about its peers.
#[derive(Debug)]
pub enum News {
    Answer(PeerId, String),
    Patched(PeerId, Option<String>),
    Refused(PeerId, OfferError),
    Connected(PeerId),
    /// What it cannot decode, and what is published of it.
    Undecodable(PeerId, restage_media::MediaKind, String),
    Gone(PeerId, GoneReason),
    TapRefused(TapId, TapError),
    Offer(PeerId, String, Vec<OfferedStream>),
    Answered(PeerId),
    InletRefused(InletId, InletError),
    InletEnded(InletId, InletEnd),
}

pub struct World {
    pub sfu: Sfu,
    pub sfu_address: SocketAddr,
    /// The real address of the `Sfu`, behind a one-to-one NAT.
    pub sfu_private: Option<SocketAddr>,
    pub now: Instant,
    pub clients: Vec<Client>,
    pub news: Vec<News>,
    /// What goes to other workers: packets, and wishes for key frames.
    pub relayed: Vec<(PublicationId, Vec<WorkerId>, Burst)>,
    pub wanted: Vec<(PublicationId, u8)>,
    /// How many layers other workers were asked for.
    pub needed: Vec<(PublicationId, usize)>,
    /// What publishers were told about their layers.
    pub layers: Vec<(PeerId, Vec<LayerWanted>)>,
    /// How loud publications are.
    pub loudness: Vec<(PublicationId, i8)>,
    /// What taps were given.
    pub tapped: Vec<(TapId, MediaPacket)>,
    /// Which layers of external inlets were asked for key frames.
    pub inlet_key_frames: Vec<(InletId, u8)>,
    /// One-way delay of every datagram.
    pub delay: Duration,
    /// Percentage of RTP and RTCP datagrams that are lost on the way to and from the `Sfu`.
    pub loss_in: usize,
    pub loss_out: usize,
    /// Percentage of them in which a bit is changed on the way.
    pub tampered: usize,
    pub rng: Rng,
    /// What subscribers were told to be shown.
    pub streams: Vec<(PeerId, StreamState)>,
    /// The download that the next subscribers count towards.
    pub download: Option<Arc<Download>>,
    /// What the next subscribers wish.
    pub wish: Wish,
    /// Decides for every datagram whether it is lost.
    pub loses: Option<Loss>,
    /// Whether the next subscribers say how their packets arrive, so that the rate of their network is estimated. Without, they are
    /// shown what they wish.
    pub has_feedback: bool,
    /// The video codecs of further publishers and subscribers, beside H.264.
    pub codecs: Vec<Codec>,
    /// Narrow parts of the way from the `Sfu` to some clients.
    pub links: Vec<Link>,
    /// Every datagram that reached the `Sfu` or left it, while recording.
    pub recording: Option<Vec<Flight>>,
    /// Addresses of clients that use another protocol than UDP.
    pub protocols: BTreeMap<SocketAddr, Protocol>,
    in_flight: BTreeMap<(Instant, u64), Flight>,
    flights: u64,
}

/// The packets of one output: a burst, or the present picture.
const TAPPED_PACKETS_MAX: usize = limits::LAYERS_MAX * limits::HEAD_PACKETS_MAX;
const _: () = assert!(TAPPED_PACKETS_MAX >= limits::BATCH_PACKETS_MAX);

pub const AUDIO_AND_VIDEO: [str0m::media::MediaKind; 2] = [
    str0m::media::MediaKind::Audio,
    str0m::media::MediaKind::Video,
];

pub fn sfu_address() -> SocketAddr {
    "192.0.2.1:4081".parse().unwrap()
}

/// The instant all others are relative to; no test depends on what it is.
#[allow(clippy::disallowed_methods)]
pub fn epoch() -> Instant {
    Instant::now()
}

pub fn config() -> Config {
    Config {
        candidates: vec![sfu_address()],
        seed: 1,
        ..Config::default()
    }
}

/// Decides for a datagram whether it is lost.
pub type Loss = Box<dyn FnMut(&Flight) -> bool>;

impl World {
    pub fn new() -> Self {
        Self::with(config())
    }

    /// One whose subscribers say how their packets arrive.
    pub fn with_feedback() -> Self {
        Self {
            has_feedback: true,
            ..Self::new()
        }
    }

    /// One whose publishers and subscribers have this codec beside H.264 and VP8.
    pub fn carrying(codec: Codec) -> Self {
        Self {
            codecs: vec![Codec::Vp8, codec],
            ..Self::new()
        }
    }

    pub fn with(config: Config) -> Self {
        Self {
            sfu: Sfu::new(config),
            sfu_address: sfu_address(),
            sfu_private: None,
            now: epoch(),
            clients: Vec::new(),
            news: Vec::new(),
            relayed: Vec::new(),
            wanted: Vec::new(),
            needed: Vec::new(),
            layers: Vec::new(),
            loudness: Vec::new(),
            tapped: Vec::new(),
            inlet_key_frames: Vec::new(),
            delay: Duration::from_millis(5),
            loss_in: 0,
            loss_out: 0,
            tampered: 0,
            rng: Rng(7),
            streams: Vec::new(),
            download: None,
            wish: Wish::default(),
            loses: None,
            has_feedback: false,
            codecs: vec![Codec::Vp8],
            links: Vec::new(),
            recording: None,
            protocols: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            flights: 0,
        }
    }

    /// What carries the datagrams of the client at this address.
    pub fn protocol_of(&self, client: SocketAddr) -> Protocol {
        let known = self.protocols.get(&client);
        known.copied().unwrap_or(Protocol::Udp)
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.sfu.handle_input(self.now, input);
        self.drain_sfu();
    }

    pub fn control(&mut self, control: Control) {
        self.sfu.control(self.now, control);
        self.drain_sfu();
    }

    /// Opens a publishing client and returns its index. It is not connected yet.
    pub fn publisher(&mut self, key: u64, publication: u64) -> usize {
        let number = self.clients.len();
        let client = Client::of_codecs(&self.codecs, self.now, key, number, Direction::SendOnly);
        let index = self.open(client, true);
        self.control(Control::Publish {
            peer: PeerId(key),
            publication: PublicationId(publication),
        });
        index
    }

    pub fn subscriber(&mut self, key: u64, publication: u64) -> usize {
        let number = self.clients.len();
        let client = Client::of_codecs(&self.codecs, self.now, key, number, Direction::RecvOnly);
        let index = self.open(client, false);
        self.control(Control::Subscribe {
            peer: PeerId(key),
            publication: PublicationId(publication),
        });
        index
    }

    /// Exchanges offer and answer.
    pub fn open(&mut self, mut client: Client, publishes: bool) -> usize {
        let mut offer = client.take_offer();
        if !publishes && !self.has_feedback {
            offer = without_feedback(&offer);
        }
        let peer = client.key;
        if publishes {
            self.control(Control::OpenPublisher {
                peer,
                offer: offer.to_owned(),
            });
        } else {
            let download = self.download.clone();
            self.control(Control::OpenSubscriber {
                peer,
                offer: offer.to_owned(),
                download,
                wish: self.wish.clone(),
            });
        }
        let answer = self.answer(peer).expect("an answer");
        client.take_answer(&answer);
        self.clients.push(client);
        self.clients.len() - 1
    }

    pub fn answer(&self, peer: PeerId) -> Option<String> {
        self.news.iter().rev().find_map(|news| match news {
            News::Answer(key, sdp) if *key == peer => Some(sdp.clone()),
            _ => None,
        })
    }

    pub fn refusal(&self, peer: PeerId) -> Option<&OfferError> {
        self.news.iter().rev().find_map(|news| match news {
            News::Refused(key, error) if *key == peer => Some(error),
            _ => None,
        })
    }

    pub fn gone(&self, key: u64) -> Option<&GoneReason> {
        self.news.iter().find_map(|news| match news {
            News::Gone(peer, reason) if peer.0 == key => Some(reason),
            _ => None,
        })
    }

    /// What a peer cannot decode, as reported to it.
    pub fn undecodable(&self, key: u64) -> Vec<(restage_media::MediaKind, &str)> {
        let told = self.news.iter().filter_map(|news| match news {
            News::Undecodable(peer, kind, published) if peer.0 == key => {
                Some((*kind, published.as_str()))
            }
            _ => None,
        });
        told.collect()
    }

    /// The packets of a kind that a tap got, in order.
    pub fn tapped(&self, key: u64, kind: restage_media::MediaKind) -> Vec<&MediaPacket> {
        let of_tap = self.tapped.iter().filter(|(tap, _)| tap.0 == key);
        of_tap
            .map(|(_, packet)| packet)
            .filter(|packet| packet.kind == kind)
            .collect()
    }

    /// Why pushes into an inlet, or its opening, were refused.
    pub fn inlet_errors(&self, key: u64) -> Vec<InletError> {
        let errors = self.news.iter().filter_map(|news| match news {
            News::InletRefused(inlet, error) if inlet.0 == key => Some(*error),
            _ => None,
        });
        errors.collect()
    }

    pub fn is_connected(&self, key: u64) -> bool {
        self.news
            .iter()
            .any(|news| matches!(news, News::Connected(peer) if peer.0 == key))
    }

    /// Runs until the condition is true. Panics if it is not within `limit` of virtual time.
    pub fn wait(&mut self, what: &str, limit: Duration, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = self.now + limit;
        while !condition(self) {
            assert!(self.now < deadline, "waited {limit:?} for: {what}");
            self.step(deadline);
        }
    }

    pub fn run(&mut self, time: Duration) {
        let deadline = self.now + time;
        while self.now < deadline {
            self.step(deadline);
        }
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    /// Runs until all clients so far are connected on both ends.
    pub fn connect(&mut self) {
        self.wait("all clients connected", Duration::from_secs(5), |world| {
            world
                .clients
                .iter()
                .filter(|client| !client.is_offline)
                .all(|client| client.is_connected && world.is_connected(client.key.0))
        });
    }

    /// Advances to the next event, at most to `limit`.
    fn step(&mut self, limit: Instant) {
        let mut next = limit;
        if let Some((&(at, _), _)) = self.in_flight.first_key_value() {
            next = next.min(at);
        }
        if let Some(at) = self.sfu.poll_timeout() {
            // A worker takes the time since then for lag, of which it sheds load.
            assert!(at >= self.now, "a deadline {:?} ago", self.now - at);
            next = next.min(at);
        }
        for client in self.clients.iter().filter(|client| !client.is_offline) {
            next = next.min(client.wants_at());
        }
        self.now = next.max(self.now);
        self.deliver();
        if self.sfu.poll_timeout().is_some_and(|at| at <= self.now) {
            self.input(Input::Timeout);
        }
        for index in 0..self.clients.len() {
            if !self.clients[index].is_offline && self.clients[index].wants_at() <= self.now {
                self.clients[index].on_time(self.now);
                self.drain_client(index);
            }
        }
    }

    /// Passes on whatever has arrived; datagrams for the `Sfu` as one batch.
    fn deliver(&mut self) {
        let mut has_batch = false;
        while let Some(entry) = self.in_flight.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let flight = entry.remove();
            if flight.to == self.sfu_address {
                if let Some(recording) = &mut self.recording {
                    recording.push(flight.clone());
                }
                let input = Input::Datagram {
                    protocol: self.protocol_of(flight.from),
                    source: flight.from,
                    destination: self.sfu_private.unwrap_or(flight.to),
                    payload: &flight.bytes,
                };
                self.sfu.handle_input(self.now, input);
                has_batch = true;
                continue;
            }
            let recipient = self
                .clients
                .iter()
                .position(|client| client.public_address() == flight.to && !client.is_offline);
            if let Some(index) = recipient {
                self.clients[index].receive(self.now, &flight);
                self.drain_client(index);
            }
        }
        if has_batch {
            self.drain_sfu();
        }
    }

    pub fn drain_sfu(&mut self) {
        while let Some(output) = self.sfu.poll_output() {
            self.take(output);
        }
    }

    /// Passes on what the `Sfu` has given out.
    pub fn take(&mut self, output: Output) {
        match output {
            Output::Transmit {
                protocol,
                source,
                destination,
                payload,
            } => {
                assert_eq!(protocol, self.protocol_of(destination));
                assert_eq!(source, self.sfu_private.unwrap_or(self.sfu_address));
                let flight = Flight {
                    from: self.sfu_address,
                    to: destination,
                    bytes: payload,
                };
                if let Some(recording) = &mut self.recording {
                    recording.push(flight.clone());
                }
                let loss = self.loss_out;
                self.launch(flight, loss);
            }
            Output::Train {
                source,
                destination,
                contents,
                segment,
                protocol,
                ..
            } => {
                assert_eq!(protocol, self.protocol_of(destination));
                assert_eq!(source, self.sfu_private.unwrap_or(self.sfu_address));
                for bytes in contents.chunks(segment) {
                    let flight = Flight {
                        from: self.sfu_address,
                        to: destination,
                        bytes: bytes.to_vec(),
                    };
                    if let Some(recording) = &mut self.recording {
                        recording.push(flight.clone());
                    }
                    let loss = self.loss_out;
                    self.launch(flight, loss);
                }
                self.sfu.reuse(contents);
            }
            Output::Relay {
                publication,
                to,
                burst,
            } => self.relayed.push((publication, to.to_vec(), burst)),
            Output::KeyframeWanted { publication, layer } => {
                self.wanted.push((publication, layer));
            }
            Output::LayersNeeded { publication, level } => self.needed.push((publication, level)),
            Output::LayersWanted { peer, layers } => self.layers.push((peer, layers)),
            Output::Loudness { publication, level } => self.loudness.push((publication, level)),
            Output::Offer { peer, sdp, streams } => {
                self.news.push(News::Offer(peer, sdp, streams));
            }
            Output::Opened { .. } => {}
            Output::Answered { peer } => self.news.push(News::Answered(peer)),
            Output::Answer { peer, sdp } => self.news.push(News::Answer(peer, sdp)),
            Output::Patched { peer, fragment } => self.news.push(News::Patched(peer, fragment)),
            Output::Refused { peer, error } => self.news.push(News::Refused(peer, error)),
            Output::Connected { peer } => self.news.push(News::Connected(peer)),
            Output::Undecodable {
                peer,
                kind,
                published,
            } => self.news.push(News::Undecodable(peer, kind, published)),
            Output::Stream { peer, state } => self.streams.push((peer, state)),
            Output::Gone { peer, reason } => self.news.push(News::Gone(peer, reason)),
            Output::Tapped {
                tap,
                formats,
                packets,
                ..
            } => {
                assert!(!packets.is_empty() && packets.len() <= TAPPED_PACKETS_MAX);
                let is_agreed = |packet: &MediaPacket| formats.contains(&packet.format);
                assert!(packets.iter().all(is_agreed), "a tap is told what may come");
                self.tapped
                    .extend(packets.into_iter().map(|packet| (tap, packet)));
            }
            Output::TapRefused { tap, error } => self.news.push(News::TapRefused(tap, error)),
            Output::InletRefused { inlet, error } => {
                self.news.push(News::InletRefused(inlet, error));
            }
            Output::InletEnded { inlet, reason } => {
                self.news.push(News::InletEnded(inlet, reason));
            }
            Output::InletKeyframeWanted { inlet, layer } => {
                self.inlet_key_frames.push((inlet, layer));
            }
        }
    }

    pub fn drain_client(&mut self, index: usize) {
        for flight in self.clients[index].take_flights() {
            let loss = self.loss_in;
            self.launch(flight, loss);
        }
    }

    fn launch(&mut self, mut flight: Flight, loss: usize) {
        if self.loses.as_mut().is_some_and(|loses| loses(&flight)) {
            return;
        }
        let is_media = matches!(flight.bytes.first(), Some(128..=191));
        if is_media && self.rng.below(100) < loss {
            return;
        }
        if is_media && self.rng.below(100) < self.tampered {
            // Changes no bits by which it is recognised as media. On the way to a client the SSRC is not changed either,
            // because its engine looks that up before it verifies the packet.
            let free = flight.bytes.len() * 8 - 2;
            let is_incoming = flight.to == self.sfu_address;
            let bit = match 2 + self.rng.below(if is_incoming { free } else { free - 32 }) {
                bit if is_incoming || bit < 64 => bit,
                bit => bit + 32,
            };
            flight.bytes[bit / 8] ^= 0x80 >> (bit % 8);
        }
        let mut leaves_at = self.now;
        if let Some(link) = self
            .links
            .iter_mut()
            .find(|link| link.to.contains(&flight.to))
        {
            match link.pass(self.now, flight.bytes.len()) {
                Some(at) => leaves_at = at,
                None => return,
            }
        }
        self.flights += 1;
        self.in_flight
            .insert((leaves_at + self.delay, self.flights), flight);
    }
}

/// An offer without transport-wide congestion control and without REMB.
fn without_feedback(offer: &str) -> String {
    let is_kept = |line: &&str| {
        !["transport-cc", "transport-wide-cc", "goog-remb"]
            .iter()
            .any(|name| line.contains(name))
    };
    offer.split_inclusive('\n').filter(is_kept).collect()
}

/// A bottleneck with a queue, for all datagrams to some addresses.
pub struct Link {
    pub to: Vec<SocketAddr>,
    pub bits_per_s: u64,
    free_at: Option<Instant>,
    /// Datagrams that found the queue full.
    pub dropped: u64,
}

impl Link {
    /// Longest time that a datagram waits.
    const QUEUE: Duration = Duration::from_millis(300);

    pub fn new(to: Vec<SocketAddr>, bits_per_s: u64) -> Self {
        Self {
            to,
            bits_per_s,
            free_at: None,
            dropped: 0,
        }
    }

    /// When a datagram has passed; `None`: it is dropped.
    fn pass(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let begins_at = self.free_at.map_or(now, |free| free.max(now));
        if begins_at > now + Self::QUEUE {
            self.dropped += 1;
            return None;
        }
        // With the headers of IPv4 and UDP.
        let micros = (bytes as u64 + 28) * 8 * 1_000_000 / self.bits_per_s;
        let free_at = begins_at + Duration::from_micros(micros);
        self.free_at = Some(free_at);
        Some(free_at)
    }
}
