//! A WebRTC client: an engine of its own, which publishes a synthetic source or counts what it receives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_load::Srtp;
use restage_load::peer::{Engine, Packet, Peer};
use restage_media::PeerId;
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::rtp::ExtensionValues;
use str0m::{Event, Input, Output, Rtc};

use super::Flight;
use super::descriptor;
use super::source::{AudioSource, SourcePacket, VideoSource};

#[derive(Debug, Clone)]
pub struct Got {
    pub at: Instant,
    pub kind: MediaKind,
    pub ssrc: u32,
    /// The section that it names itself.
    pub mid: Option<String>,
    pub pt: u8,
    pub codec: Codec,
    pub seq: u64,
    pub time: u32,
    pub marker: bool,
    pub audio_level: Option<i8>,
    /// The dependency descriptor, if the packet has one.
    pub descriptor: Option<Arc<[u8]>>,
    pub payload: Arc<[u8]>,
}

#[derive(Debug, Clone, Copy)]
pub struct SenderReport {
    pub kind: MediaKind,
    pub ntp: std::time::SystemTime,
    pub time: u32,
}

pub struct Client {
    pub key: PeerId,
    pub peer: Peer,
    /// The address that the engine knows.
    pub address: SocketAddr,
    /// The address that the network shows, behind a NAT.
    pub nat: Option<SocketAddr>,
    pub is_connected: bool,
    pub is_closed: bool,
    /// Whether it neither sends nor receives any more, as if unplugged.
    pub is_offline: bool,
    /// It sends a report this often and nothing else, no checks of consent either, as GStreamer's webrtcbin does.
    pub reports_every: Option<Duration>,
    reported_at: Instant,
    /// The received payloads, each once.
    pub sent: Vec<(MediaKind, Arc<[u8]>)>,
    pub got: Vec<Got>,
    pub reports: Vec<SenderReport>,
    /// When key frames were requested, and of which encoding.
    pub keyframe_requests: Vec<(Instant, Option<String>)>,
    pub audio_source: Option<AudioSource>,
    /// One per simulcast encoding.
    pub video_sources: Vec<VideoSource>,
    offer: Option<String>,
    flights: Vec<Flight>,
    engine_at: Instant,
    now: Instant,
}

impl Client {
    pub fn publisher(now: Instant, key: u64, number: usize) -> Self {
        Self::of_codecs(&[Codec::Vp8], now, key, number, Direction::SendOnly)
    }

    pub fn simulcast(now: Instant, key: u64, number: usize, rids: &[&str]) -> Self {
        Self::new(
            now,
            key,
            number,
            Direction::SendOnly,
            &super::AUDIO_AND_VIDEO,
            rids,
        )
    }

    pub fn subscriber(now: Instant, key: u64, number: usize) -> Self {
        Self::of_codecs(&[Codec::Vp8], now, key, number, Direction::RecvOnly)
    }

    pub fn new(
        now: Instant,
        key: u64,
        number: usize,
        direction: Direction,
        kinds: &[MediaKind],
        rids: &[&str],
    ) -> Self {
        let rtc = engine(now, Srtp::All, &[Codec::Vp8]);
        Self::with_rtc(now, rtc, key, number, direction, kinds, rids)
    }

    /// Sends or receives both kinds, and has these video codecs beside H.264.
    pub fn of_codecs(
        codecs: &[Codec],
        now: Instant,
        key: u64,
        number: usize,
        direction: Direction,
    ) -> Self {
        let rtc = engine(now, Srtp::All, codecs);
        let kinds = &super::AUDIO_AND_VIDEO;
        Self::with_rtc(now, rtc, key, number, direction, kinds, &[])
    }

    /// Sends or receives both kinds, and offers these ways of protecting them.
    pub fn offering(
        srtp: Srtp,
        now: Instant,
        key: u64,
        number: usize,
        direction: Direction,
    ) -> Self {
        let rtc = engine(now, srtp, &[Codec::Vp8]);
        Self::with_rtc(
            now,
            rtc,
            key,
            number,
            direction,
            &super::AUDIO_AND_VIDEO,
            &[],
        )
    }

    pub fn with_rtc(
        now: Instant,
        rtc: Rtc,
        key: u64,
        number: usize,
        direction: Direction,
        kinds: &[MediaKind],
        rids: &[&str],
    ) -> Self {
        let address: SocketAddr = format!("198.51.100.{}:{}", number % 250 + 1, 20_000 + number)
            .parse()
            .unwrap();
        let (peer, offer) = Peer::offer(rtc, address, direction, kinds, rids).unwrap();
        Self::of_peer(now, key, peer, address, Some(offer))
    }

    /// Answers the offers of the `Sfu`.
    pub fn receiver(now: Instant, key: u64, number: usize) -> Self {
        let rtc = engine(now, Srtp::All, &[Codec::Vp8]);
        let address: SocketAddr = format!("198.51.100.{}:{}", number % 250 + 1, 20_000 + number)
            .parse()
            .unwrap();
        let peer = Peer::answering(rtc, address).unwrap();
        Self::of_peer(now, key, peer, address, None)
    }

    fn of_peer(
        now: Instant,
        key: u64,
        peer: Peer,
        address: SocketAddr,
        offer: Option<String>,
    ) -> Self {
        Self {
            key: PeerId(key),
            peer,
            address,
            nat: None,
            is_connected: false,
            is_closed: false,
            is_offline: false,
            reports_every: None,
            reported_at: now,
            sent: Vec::new(),
            got: Vec::new(),
            reports: Vec::new(),
            keyframe_requests: Vec::new(),
            audio_source: None,
            video_sources: Vec::new(),
            offer,
            flights: Vec::new(),
            engine_at: now,
            now,
        }
    }

    /// Answers an offer of the `Sfu`.
    pub fn answer(&mut self, offer: &str) -> String {
        let answer = self.peer.answer(offer).unwrap();
        self.drain();
        self.engine_at = self.now;
        answer
    }

    /// Asks for a key frame of the stream of a section.
    pub fn request_keyframe_at(&mut self, mid: &str) {
        let mid = mid.into();
        if let Some(stream) = self.peer.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    pub fn take_offer(&mut self) -> String {
        self.offer.take().unwrap()
    }

    /// Changes the offer before it is used.
    pub fn edit_offer(&mut self, edit: impl FnOnce(&str) -> String) {
        self.offer = self.offer.as_deref().map(edit);
    }

    /// Sends video packets that the caller makes, with the caller's sequence numbers.
    pub fn send_video(&mut self, now: Instant, codec: Codec, packets: Vec<SourcePacket>) {
        self.now = now;
        for packet in packets {
            self.send(codec, None, now, ExtensionValues::default(), packet);
        }
        self.drain();
    }

    pub fn take_answer(&mut self, answer: &str) {
        self.peer.accept(answer).unwrap();
        self.drain();
        // An engine without a DTLS timer waits for its first time before it checks paths.
        self.engine_at = self.now;
    }

    /// Starts sending Opus and video of this codec, 25 pictures a second.
    pub fn start(&mut self, now: Instant, codec: Codec) {
        self.start_audio(now);
        self.start_video(now, codec, None, 3);
    }

    pub fn start_audio(&mut self, now: Instant) {
        self.audio_source = Some(AudioSource::new(now, self.key.0));
    }

    pub fn start_video(
        &mut self,
        now: Instant,
        codec: Codec,
        rid: Option<&str>,
        packets_per_frame: usize,
    ) {
        let number = self.video_sources.len() as u64;
        let seed = self.key.0 * 31 + number;
        self.video_sources
            .push(VideoSource::new(now, codec, rid, packets_per_frame, seed));
    }

    pub fn stop(&mut self) {
        self.audio_source = None;
        self.video_sources.clear();
    }

    pub fn video_got(&self) -> impl DoubleEndedIterator<Item = &Got> {
        self.got.iter().filter(|got| got.kind == MediaKind::Video)
    }

    pub fn audio_got(&self) -> impl DoubleEndedIterator<Item = &Got> {
        self.got.iter().filter(|got| got.kind == MediaKind::Audio)
    }

    pub fn request_keyframe(&mut self) {
        let video = self.peer.video.unwrap();
        if let Some(stream) = self.peer.rtc.direct_api().stream_rx_by_mid(video, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    pub fn wants_at(&self) -> Instant {
        let sources = self.video_sources.iter().map(|source| source.next_at);
        let audio = self.audio_source.iter().map(|source| source.next_at);
        sources.chain(audio).chain([self.engine_at]).min().unwrap()
    }

    pub fn on_time(&mut self, now: Instant) {
        self.now = now;
        self.send_due(now);
        self.peer.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
        self.engine_at = self.engine_at.max(now + Duration::from_micros(500));
    }

    fn send_due(&mut self, now: Instant) {
        if !self.is_connected {
            self.video_sources
                .iter_mut()
                .for_each(|source| source.next_at = now + Duration::from_millis(10));
            self.audio_source
                .iter_mut()
                .for_each(|source| source.next_at = now + Duration::from_millis(10));
            return;
        }
        if let Some(source) = self
            .audio_source
            .as_mut()
            .filter(|source| source.next_at <= now)
        {
            let level = source.level;
            let packet = source.next();
            self.sent
                .push((MediaKind::Audio, Arc::clone(&packet.payload)));
            let values = ExtensionValues {
                audio_level: Some(level),
                voice_activity: Some(true),
                ..Default::default()
            };
            self.send(Codec::Opus, None, now, values, packet);
        }
        let mut due = Vec::new();
        for source in &mut self.video_sources {
            if source.next_at <= now {
                let (codec, rid) = (source.codec, source.rid.clone());
                let captured_at = now - source.encode_delay;
                let packets = source.next().into_iter();
                due.extend(packets.map(|packet| (codec, rid.clone(), captured_at, packet)));
            }
        }
        for (codec, rid, captured_at, packet) in due {
            let payload = Arc::clone(&packet.payload);
            self.sent.push((MediaKind::Video, payload));
            let values = ExtensionValues::default();
            self.send(codec, rid.as_deref(), captured_at, values, packet);
        }
    }

    fn send(
        &mut self,
        codec: Codec,
        rid: Option<&str>,
        captured_at: Instant,
        mut extensions: ExtensionValues,
        packet: SourcePacket,
    ) {
        descriptor::attach(&mut extensions, packet.descriptor.as_ref());
        let is_sent = self.peer.send(Packet {
            codec,
            rid: rid.map(Into::into),
            seq: packet.seq,
            time: packet.time,
            captured_at,
            marker: packet.marker,
            extensions,
            payload: packet.payload,
        });
        assert!(is_sent, "{codec} is negotiated");
    }

    pub fn receive(&mut self, now: Instant, flight: &Flight) {
        self.now = now;
        let receive =
            Receive::new(Protocol::Udp, flight.from, self.address, &flight.bytes).unwrap();
        self.peer
            .rtc
            .handle_input(Input::Receive(now, receive))
            .unwrap();
        self.drain();
    }

    pub fn close(&mut self) {
        self.peer.rtc.close().unwrap();
        self.drain();
    }

    /// Its address in the network.
    pub fn public_address(&self) -> SocketAddr {
        self.nat.unwrap_or(self.address)
    }

    pub fn take_flights(&mut self) -> Vec<Flight> {
        let mut flights = std::mem::take(&mut self.flights);
        if let Some(every) = self.reports_every {
            flights.retain(|flight| {
                let is_report = matches!(flight.bytes[..], [128..=191, 192..=223, ..]);
                let is_due = is_report && self.now >= self.reported_at + every;
                if is_due {
                    self.reported_at = self.now;
                }
                is_due
            });
        }
        flights
    }

    pub fn drain(&mut self) {
        loop {
            match self.peer.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.engine_at = at;
                    return;
                }
                Output::Transmit(transmit) => self.flights.push(Flight {
                    from: self.public_address(),
                    to: transmit.destination,
                    bytes: transmit.contents.to_vec(),
                }),
                Output::Event(event) => self.on_event(event),
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.is_connected = true,
            Event::Closed => self.is_closed = true,
            Event::KeyframeRequest(request) => {
                let rid = request.rid.map(|rid| rid.to_string());
                for source in self
                    .video_sources
                    .iter_mut()
                    .filter(|source| source.rid == rid)
                {
                    source.on_keyframe_request();
                }
                self.keyframe_requests.push((self.now, rid));
            }
            Event::RtpPacket(packet) => {
                let pt = *packet.header.payload_type;
                let codec = self
                    .peer
                    .rtc
                    .codec_config()
                    .params()
                    .iter()
                    .find(|params| *params.pt() == pt)
                    .map_or(Codec::Null, |params| params.spec().codec);
                self.got.push(Got {
                    at: packet.timestamp,
                    kind: if codec.is_audio() {
                        MediaKind::Audio
                    } else {
                        MediaKind::Video
                    },
                    ssrc: *packet.header.ssrc,
                    mid: packet.header.ext_vals.mid.map(|mid| mid.to_string()),
                    pt,
                    codec,
                    seq: *packet.seq_no,
                    time: packet.header.timestamp,
                    marker: packet.header.marker,
                    audio_level: packet.header.ext_vals.audio_level,
                    descriptor: descriptor::of(&packet.header.ext_vals),
                    payload: packet.payload,
                });
            }
            Event::SenderFeedback(feedback) => self.reports.push(SenderReport {
                kind: if Some(feedback.mid) == self.peer.audio {
                    MediaKind::Audio
                } else {
                    MediaKind::Video
                },
                ntp: feedback.sender_info.ntp_time,
                time: feedback.sender_info.rtp_time.numer() as u32,
            }),
            _ => {}
        }
    }
}

fn engine(now: Instant, srtp: Srtp, codecs: &[Codec]) -> Rtc {
    let engine = Engine {
        crypto: Arc::new(srtp.provider()),
        certificate: None,
        others: codecs.to_vec(),
        has_feedback: true,
        feedback_interval: None,
    };
    let extensions = codecs.contains(&Codec::Av1).then(descriptor::extension);
    engine.build_with(now, extensions.into_iter().collect())
}
