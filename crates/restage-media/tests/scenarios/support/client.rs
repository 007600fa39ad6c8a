//! A WebRTC client: an engine of its own, which publishes a synthetic source or counts what it receives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_media::PeerKey;
use restage_sim::Srtp;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::Flight;
use super::source::{AudioSource, SourcePacket, VideoSource};

#[derive(Debug, Clone)]
pub struct Got {
    pub at: Instant,
    pub kind: MediaKind,
    pub ssrc: u32,
    pub pt: u8,
    pub codec: Codec,
    pub seq: u64,
    pub time: u32,
    pub marker: bool,
    pub audio_level: Option<i8>,
    pub payload: Arc<[u8]>,
}

#[derive(Debug, Clone, Copy)]
pub struct SenderReport {
    pub kind: MediaKind,
    pub ntp: std::time::SystemTime,
    pub time: u32,
}

pub struct Client {
    pub key: PeerKey,
    pub rtc: Rtc,
    /// What the engine believes its address to be.
    pub address: SocketAddr,
    /// What the network shows instead, behind a NAT.
    pub nat: Option<SocketAddr>,
    pub audio: Option<Mid>,
    pub video: Option<Mid>,
    pub is_connected: bool,
    pub is_closed: bool,
    /// Neither sends nor receives any more, as if unplugged.
    pub is_offline: bool,
    /// Payloads, each once.
    pub sent: Vec<(MediaKind, Arc<[u8]>)>,
    pub got: Vec<Got>,
    pub reports: Vec<SenderReport>,
    /// When key frames were asked for, and of which encoding.
    pub keyframe_requests: Vec<(Instant, Option<String>)>,
    pub audio_source: Option<AudioSource>,
    /// One per simulcast encoding.
    pub video_sources: Vec<VideoSource>,
    offer: Option<String>,
    pending: Option<SdpPendingOffer>,
    flights: Vec<Flight>,
    engine_at: Instant,
    now: Instant,
}

impl Client {
    pub fn publisher(now: Instant, key: u64, number: usize) -> Self {
        Self::new(
            now,
            key,
            number,
            Direction::SendOnly,
            &super::AUDIO_AND_VIDEO,
            &[],
        )
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
        Self::new(
            now,
            key,
            number,
            Direction::RecvOnly,
            &super::AUDIO_AND_VIDEO,
            &[],
        )
    }

    pub fn new(
        now: Instant,
        key: u64,
        number: usize,
        direction: Direction,
        kinds: &[MediaKind],
        rids: &[&str],
    ) -> Self {
        let rtc = engine(now, Srtp::All);
        Self::with_rtc(now, rtc, key, number, direction, kinds, rids)
    }

    /// Sends or receives both kinds, and offers these ways of protecting them.
    pub fn offering(
        srtp: Srtp,
        now: Instant,
        key: u64,
        number: usize,
        direction: Direction,
    ) -> Self {
        let rtc = engine(now, srtp);
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
        mut rtc: Rtc,
        key: u64,
        number: usize,
        direction: Direction,
        kinds: &[MediaKind],
        rids: &[&str],
    ) -> Self {
        let address: SocketAddr = format!("198.51.100.{}:{}", number % 250 + 1, 20_000 + number)
            .parse()
            .unwrap();
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let (mut audio, mut video) = (None, None);
        for kind in kinds {
            match kind {
                MediaKind::Audio => audio = Some(api.add_media(*kind, direction, None, None, None)),
                MediaKind::Video => {
                    let simulcast = (!rids.is_empty()).then(|| {
                        let mut simulcast = Simulcast::new();
                        rids.iter()
                            .for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
                        simulcast
                    });
                    video = Some(api.add_media(*kind, direction, None, None, simulcast));
                }
            }
        }
        let (offer, pending) = api.apply().unwrap();
        Self {
            key: PeerKey(key),
            rtc,
            address,
            nat: None,
            audio,
            video,
            is_connected: false,
            is_closed: false,
            is_offline: false,
            sent: Vec::new(),
            got: Vec::new(),
            reports: Vec::new(),
            keyframe_requests: Vec::new(),
            audio_source: None,
            video_sources: Vec::new(),
            offer: Some(offer.to_sdp_string()),
            pending: Some(pending),
            flights: Vec::new(),
            engine_at: now,
            now,
        }
    }

    pub fn take_offer(&mut self) -> String {
        self.offer.take().unwrap()
    }

    /// Makes the offer another one before it is taken.
    pub fn edit_offer(&mut self, edit: impl FnOnce(&str) -> String) {
        self.offer = self.offer.as_deref().map(edit);
    }

    /// Sends packets of video by hand. Numbers are where the caller puts them.
    pub fn send_video(&mut self, now: Instant, codec: Codec, packets: Vec<SourcePacket>) {
        self.now = now;
        let video = self.video.unwrap();
        let pt = payload_type(&self.rtc, video, codec);
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(video, None).unwrap();
        for packet in packets {
            let (seq, time) = (packet.seq.into(), packet.time);
            let write = RtpWrite::new(pt.into(), seq, time, now, packet.payload);
            stream.write_rtp(write.marker(packet.marker).nackable(true));
        }
        self.drain();
    }

    pub fn take_answer(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc
            .sdp_api()
            .accept_answer(self.pending.take().unwrap(), answer)
            .unwrap();
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
        let video = self.video.unwrap();
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(video, None) {
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
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
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
            let packet = source.next();
            self.sent
                .push((MediaKind::Audio, Arc::clone(&packet.payload)));
            let pt = payload_type(&self.rtc, self.audio.unwrap(), Codec::Opus);
            let mut api = self.rtc.direct_api();
            let stream = api.stream_tx_by_mid(self.audio.unwrap(), None).unwrap();
            let values = ExtensionValues {
                audio_level: Some(-30),
                voice_activity: Some(true),
                ..Default::default()
            };
            stream.write_rtp(
                RtpWrite::new(
                    pt.into(),
                    packet.seq.into(),
                    packet.time,
                    now,
                    packet.payload,
                )
                .marker(packet.marker)
                .ext_vals(values),
            );
        }
        for source in self
            .video_sources
            .iter_mut()
            .filter(|source| source.next_at <= now)
        {
            let pt = payload_type(&self.rtc, self.video.unwrap(), source.codec);
            let mut api = self.rtc.direct_api();
            let rid = source.rid.as_deref().map(Into::into);
            let stream = api.stream_tx_by_mid(self.video.unwrap(), rid).unwrap();
            for packet in source.next() {
                self.sent
                    .push((MediaKind::Video, Arc::clone(&packet.payload)));
                let write = RtpWrite::new(
                    pt.into(),
                    packet.seq.into(),
                    packet.time,
                    now - source.encode_delay,
                    packet.payload,
                );
                stream.write_rtp(write.marker(packet.marker).nackable(true));
            }
        }
    }

    pub fn receive(&mut self, now: Instant, flight: &Flight) {
        self.now = now;
        let receive =
            Receive::new(Protocol::Udp, flight.from, self.address, &flight.bytes).unwrap();
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
        self.drain();
    }

    pub fn close(&mut self) {
        self.rtc.close().unwrap();
        self.drain();
    }

    /// Where the network finds it.
    pub fn public_address(&self) -> SocketAddr {
        self.nat.unwrap_or(self.address)
    }

    pub fn take_flights(&mut self) -> Vec<Flight> {
        std::mem::take(&mut self.flights)
    }

    pub fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
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
                    pt,
                    codec,
                    seq: *packet.seq_no,
                    time: packet.header.timestamp,
                    marker: packet.header.marker,
                    audio_level: packet.header.ext_vals.audio_level,
                    payload: packet.payload,
                });
            }
            Event::SenderFeedback(feedback) => self.reports.push(SenderReport {
                kind: if Some(feedback.mid) == self.audio {
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

fn engine(now: Instant, srtp: Srtp) -> Rtc {
    Rtc::builder()
        .set_rtp_mode(true)
        .set_crypto_provider(Arc::new(srtp.provider()))
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .enable_h264(true)
        .build(now)
}

/// The payload type negotiated for a codec; for H.264 constrained baseline in packetization mode 1.
pub fn payload_type(rtc: &Rtc, mid: Mid, codec: Codec) -> u8 {
    let media = rtc.media(mid).expect("a negotiated section");
    let params = rtc.codec_config().params();
    let fits = |params: &&str0m::format::PayloadParams| {
        let spec = params.spec();
        let is_h264 = codec == Codec::H264;
        spec.codec == codec
            && media.remote_pts().contains(&params.pt())
            && (!is_h264
                || (spec.format.profile_level_id == Some(0x42e01f)
                    && spec.format.packetization_mode == Some(1)))
    };
    *params
        .iter()
        .find(fits)
        .expect("the codec is negotiated")
        .pt()
}
