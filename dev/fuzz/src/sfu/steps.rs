//! What a session does, step by step, by the bytes of an input.

use std::sync::Arc;
use std::time::Duration;

use restage_media::{
    Control, FirstLayer, Format, InletId, InletPacket, Input, LayerLabel, PreferredLayer, Priority,
    Protocol, PublicationId, TapId, TapLayers, Wish, WorkerId,
};

use super::client::address;
use super::media::{AUDIO, Media};
use super::rtcp;
use super::world::World;
use crate::input::Input as Bytes;

/// Most steps of a session.
const STEPS_MAX: usize = 120;
/// Parts of URLs that tests know: publications of the publisher, of the inlet, and one that nobody feeds.
const PUBLICATIONS: [u64; 3] = [1, 2, 3];

/// A session that runs.
pub(crate) struct Session {
    pub(crate) world: World,
    /// By client: what publishers send next.
    pub(crate) media: Vec<Media>,
    inlet_sequence: u64,
    inlet_time: u64,
}

impl Session {
    pub(crate) fn new(world: World) -> Self {
        let media = world
            .clients
            .iter()
            .map(|client| Media::new(client.is_simulcast))
            .collect();
        Self {
            world,
            media,
            inlet_sequence: 1_000,
            inlet_time: 90_000,
        }
    }

    pub(crate) fn run(&mut self, input: &mut Bytes<'_>) {
        for _ in 0..STEPS_MAX {
            if input.is_empty() {
                return;
            }
            self.step(input);
            self.world.settle();
        }
    }

    fn step(&mut self, input: &mut Bytes<'_>) {
        match input.byte() % 32 {
            0..=9 => self.media(input),
            10 => self.raw_rtp(input),
            11 => self.raw_rtcp(input),
            12..=15 => self.feedback(input),
            16 => self.datagram(input),
            17 | 18 => self.check(input),
            19 => self.again(input),
            20 => self.close_notify(input),
            21 => self.wish(input),
            22 => self.route(input),
            23 => self.patch(input),
            24 => self.tap(input),
            25 => self.inlet(input),
            26 => self.elsewhere(input),
            27 => self.end(input),
            28 => self.everybody_checks(),
            29 => self.stranger(input),
            kind => {
                let time = match input.byte() {
                    255 => Duration::from_millis(u64::from(input.short())),
                    short => Duration::from_millis(u64::from(short) * u64::from(short) / 16),
                };
                self.world.wait(time, kind == 30);
            }
        }
    }

    fn publisher(&self, input: &mut Bytes<'_>) -> usize {
        let publishers: Vec<usize> = (0..self.world.clients.len())
            .filter(|index| self.world.clients[*index].publishes)
            .collect();
        publishers[input.below(publishers.len())]
    }

    /// Encrypts a packet and sends it.
    fn send(&mut self, index: usize, packet: &[u8], body: usize, number: u64) {
        let client = &self.world.clients[index];
        let Some(keys) = &client.keys else {
            return;
        };
        let (from, sealed) = (client.address, keys.seal_rtp(packet, body, number));
        self.world.datagram(from, &sealed);
    }

    /// The next packets of a track, with faults.
    fn media(&mut self, input: &mut Bytes<'_>) {
        let index = self.publisher(input);
        for packet in self.media[index].next(input) {
            self.send(index, &packet.bytes, packet.body, packet.number);
        }
        self.world.now += Duration::from_millis(u64::from(input.byte() & 15) * 3);
    }

    /// Any header and any payload under valid keys.
    fn raw_rtp(&mut self, input: &mut Bytes<'_>) {
        let index = self.publisher(input);
        let mut packet = vec![0x80 | input.byte() & 0x3f, input.byte()];
        let number = match input.byte() {
            255 => input.long() & 0xffff_ffff_ffff,
            step => 1_000 + u64::from(step),
        };
        packet.extend((number as u16).to_be_bytes());
        packet.extend(input.word().to_be_bytes());
        let ssrc = input.pick(&[2_000, 2_100, 1_000, 3_000, 3_001, 0, 0xffff_ffff]);
        packet.extend(u32::to_be_bytes(ssrc));
        packet.extend_from_slice(input.piece());
        // The header as the bytes say it; where they say more than there is, all is header.
        let mut body = 12 + 4 * usize::from(packet[0] & 0x0f);
        if packet[0] & 0x10 != 0
            && let Some(length) = packet.get(body + 2..body + 4)
        {
            body += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
        let body = body.min(packet.len());
        self.send(index, &packet, body, number);
    }

    /// Any RTCP under valid keys.
    fn raw_rtcp(&mut self, input: &mut Bytes<'_>) {
        let index = input.below(self.world.clients.len());
        let mut packet = vec![0x80 | input.byte() & 0x3f, 192 + input.byte() % 32];
        let piece = input.piece();
        packet.extend(((piece.len() / 4 + 1) as u16).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 9]);
        packet.extend_from_slice(piece);
        self.send_rtcp(index, &packet);
    }

    fn send_rtcp(&mut self, index: usize, packet: &[u8]) {
        let client = &mut self.world.clients[index];
        let from = client.address;
        let Some(keys) = &mut client.keys else {
            return;
        };
        let sealed = keys.seal_rtcp(packet);
        self.world.datagram(from, &sealed);
    }

    /// Reports, requests and estimates about what was really sent or received.
    fn feedback(&mut self, input: &mut Bytes<'_>) {
        let index = input.below(self.world.clients.len());
        let packet = match self.world.clients[index].publishes {
            true => rtcp::of_publisher(input, &self.media[index]),
            false => rtcp::of_viewer(input, &self.world.got[index]),
        };
        self.send_rtcp(index, &packet);
    }

    /// Any datagram from a client's address, or from nobody's.
    fn datagram(&mut self, input: &mut Bytes<'_>) {
        let count = self.world.clients.len();
        let from = match input.below(count + 1) {
            place if place < count => self.world.clients[place].address,
            _ => address(1, 99),
        };
        let bytes = input.piece();
        if from == address(1, 99) {
            self.world.has_strangers = true;
        }
        self.world.datagram(from, bytes);
    }

    fn check(&mut self, input: &mut Bytes<'_>) {
        let index = input.below(self.world.clients.len());
        let form = input.byte();
        self.world.clients[index].answers_checks = form & 8 == 0;
        let priority = if form & 2 == 0 {
            0x6e00_01ff
        } else {
            input.word()
        };
        self.world
            .check(index, usize::from(form >> 4), form & 1 == 0, priority);
    }

    /// A datagram once more, perhaps changed.
    fn again(&mut self, input: &mut Bytes<'_>) {
        let place = input.below(self.world.recorded.len());
        let Some((from, mut bytes)) = self.world.recorded.get(place).cloned() else {
            return;
        };
        let at = usize::from(input.short());
        let change = input.byte();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= change;
        }
        self.world.datagram(from, &bytes);
    }

    fn close_notify(&mut self, input: &mut Bytes<'_>) {
        let index = input.below(self.world.clients.len());
        if input.byte() & 3 == 0 {
            let now = self.world.now;
            let sent = self.world.clients[index].close_notify(now);
            self.world.send_all(index, sent);
        } else {
            // A record whose length is right.
            let piece = input.piece();
            let mut record = vec![
                20 + input.byte() % 5,
                0xfe,
                0xfd,
                0,
                input.byte() & 1,
                0,
                0,
                0,
                0,
                0,
                input.byte(),
            ];
            record.extend((piece.len() as u16).to_be_bytes());
            record.extend_from_slice(piece);
            let from = self.world.clients[index].address;
            self.world.datagram(from, &record);
        }
    }

    fn wish(&mut self, input: &mut Bytes<'_>) {
        let peer = self.world.clients[input.below(self.world.clients.len())].key;
        let form = input.byte();
        let wish = Wish {
            first: input.pick(&[None, Some(FirstLayer::Lowest), Some(FirstLayer::Highest)]),
            preferred: match form & 7 {
                0 | 1 => None,
                2 => Some(PreferredLayer::Label(LayerLabel::Low)),
                3 => Some(PreferredLayer::Label(LayerLabel::Mid)),
                4 => PreferredLayer::named("h"),
                other => Some(PreferredLayer::Index(other - 5)),
            },
            height_max: (form & 8 != 0).then(|| u32::from(input.short())),
            is_audio_only: form & 0x30 == 0x30,
            is_paused: form & 0xc0 == 0xc0,
            priority: Priority::new(input.byte() % 11).unwrap_or_default(),
        };
        self.world.control(Control::Wish { peer, wish });
    }

    fn route(&mut self, input: &mut Bytes<'_>) {
        let peer = self.world.clients[input.below(self.world.clients.len())].key;
        let publication = PublicationId(input.pick(&PUBLICATIONS));
        let control = match input.flag() {
            true => Control::Publish { peer, publication },
            false => Control::Subscribe { peer, publication },
        };
        self.world.control(control);
    }

    fn patch(&mut self, input: &mut Bytes<'_>) {
        let index = input.below(self.world.clients.len());
        let peer = self.world.clients[index].key;
        let fragment = match input.below(4) {
            0 => String::from_utf8_lossy(input.piece()).into_owned(),
            1 => "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 UDP 2122252543 198.51.100.1 50000 typ host\r\n".to_owned(),
            _ if self.world.clients[index].is_over => return,
            _ => self.world.clients[index].restart(),
        };
        self.world.control(Control::Patch { peer, fragment });
    }

    fn tap(&mut self, input: &mut Bytes<'_>) {
        let tap = TapId(u64::from(input.byte() & 1));
        let layers = match input.below(3) {
            0 => TapLayers::Best,
            1 => TapLayers::All,
            _ => TapLayers::Nearest(u32::from(input.short())),
        };
        let publication = PublicationId(input.pick(&PUBLICATIONS));
        self.world.control(match input.below(4) {
            0 => Control::CloseTap { tap },
            1 => Control::ChooseTapLayers { tap, layers },
            2 => Control::RequestKeyframe { tap },
            _ => Control::OpenTap {
                tap,
                publication,
                layers,
            },
        });
    }

    fn inlet(&mut self, input: &mut Bytes<'_>) {
        let inlet = InletId(5);
        match input.below(8) {
            0 => {
                let formats = [
                    Format::new(
                        restage_media::Codec::H264,
                        "packetization-mode=1;profile-level-id=42e01f",
                    ),
                    Format::new(restage_media::Codec::Opus, ""),
                    Format::new(restage_media::Codec::Vp8, ""),
                ];
                self.world.control(Control::OpenInlet {
                    inlet,
                    publication: PublicationId(input.pick(&PUBLICATIONS)),
                    formats: formats
                        .into_iter()
                        .map(|format| format.expect("a format"))
                        .collect(),
                    is_limited: input.flag(),
                });
            }
            1 => self.world.control(Control::CloseInlet { inlet }),
            _ => {
                let count = 1 + input.below(6);
                let packets: Vec<InletPacket> =
                    (0..count).map(|_| self.inlet_packet(input)).collect();
                self.world.push(inlet, &packets);
            }
        }
    }

    fn inlet_packet(&mut self, input: &mut Bytes<'_>) -> InletPacket {
        let form = input.byte();
        self.inlet_sequence = match form >> 5 {
            7 => input.long(),
            6 => self.inlet_sequence.saturating_sub(2),
            step => self.inlet_sequence.wrapping_add(u64::from(step.min(2))),
        };
        self.inlet_time = match form >> 3 & 3 {
            3 => input.long(),
            step => self.inlet_time.wrapping_add(u64::from(step) * 3_000),
        };
        let format = usize::from(form & 3);
        let payload: Arc<[u8]> = match format {
            0 => [super::media::H264_KEY, input.piece()].concat().into(),
            1 => AUDIO.into(),
            _ => input.piece().into(),
        };
        InletPacket {
            format,
            layer: input.byte() & 1,
            sequence: self.inlet_sequence,
            timestamp: self.inlet_time,
            captured_us: (form & 4 != 0).then_some(self.inlet_time / 90),
            marker: input.flag(),
            payload,
            audio_level: (format == 1).then_some(-20),
        }
    }

    /// Other workers, and the load of this one.
    fn elsewhere(&mut self, input: &mut Bytes<'_>) {
        let publication = PublicationId(input.pick(&PUBLICATIONS));
        let kind = input.byte() % 8;
        match kind {
            0 => self.world.control(Control::Relay {
                publication,
                to: vec![WorkerId(7)],
            }),
            1 => self.world.control(Control::Relay {
                publication,
                to: Vec::new(),
            }),
            2 => self.world.control(Control::WantKeyframe {
                publication,
                layer: input.byte(),
            }),
            3 => self.world.control(Control::NeedLayers {
                publication,
                level: usize::from(input.byte()),
            }),
            4 => self.world.control(Control::Yield { publication }),
            5 => self.world.control(Control::Shed {
                step: input.byte() % 12,
                turn: input.byte(),
            }),
            _ => {
                let place = input.below(self.world.bursts.len());
                if let Some((_, burst)) = self.world.bursts.get(place).cloned() {
                    self.world.input(Input::Relayed {
                        publication,
                        burst: &burst,
                    });
                }
            }
        }
    }

    fn end(&mut self, input: &mut Bytes<'_>) {
        let index = input.below(self.world.clients.len());
        let client = &self.world.clients[index];
        let (peer, source) = (client.key, client.address);
        // A session without clients has no more to say: ends are rare.
        match input.byte() {
            0..=15 => self.world.control(Control::Close { peer }),
            16..=80 => self.world.input(Input::PathEnded {
                protocol: Protocol::Udp,
                source,
            }),
            _ => {}
        }
    }

    /// The consent of all clients, so that a session can last.
    fn everybody_checks(&mut self) {
        for index in 0..self.world.clients.len() {
            let client = &self.world.clients[index];
            if !client.is_over {
                let place = usize::from(client.address.port()) - 20_000;
                self.world.check(index, place, true, 0x6e00_01ff);
            }
        }
    }

    /// A peer with any offer, of which nothing but datagrams follows.
    fn stranger(&mut self, input: &mut Bytes<'_>) {
        let peer = restage_media::PeerId(100 + u64::from(input.byte() & 1));
        let offer = match input.below(4) {
            0 => String::from_utf8_lossy(input.piece()).into_owned(),
            _ => self.world.clients[input.below(self.world.clients.len())].offer(),
        };
        self.world.control(match input.flag() {
            true => Control::OpenPublisher { peer, offer },
            false => Control::OpenSubscriber {
                peer,
                offer,
                download: None,
                wish: Wish::default(),
            },
        });
    }
}
