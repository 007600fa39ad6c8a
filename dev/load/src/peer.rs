//! The offering end of a WebRTC connection: an engine, and the sections of its offer.
//!
//! It knows no socket and no clock, so that load over real sockets and scenarios over a simulated network can use it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::{Codec, PayloadParams};
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::rtp::{Extension, ExtensionValues, RtpWrite};
use str0m::{Candidate, Rtc};

/// Constrained baseline at level 3.1, which every WebRTC client decodes (RFC 7742 §6.2).
const H264_PROFILE: u32 = 0x42_e0_1f;
/// NAL units may be fragmented (RFC 6184 §6.3).
const H264_PACKETIZATION_MODE: u8 = 1;

/// The settings of a peer's engine.
#[derive(Clone)]
pub struct Engine {
    /// How media and the handshake are protected.
    pub crypto: Arc<CryptoProvider>,
    /// The certificate; the engine creates one if there is none.
    pub certificate: Option<DtlsCert>,
    /// The video codecs that are offered in addition to H.264: VP8, VP9, AV1, H.265.
    pub others: Vec<Codec>,
    /// Whether transport-wide feedback is offered.
    pub has_feedback: bool,
    /// How often a receiver of the load generator sends it, at least 50 ms apart; without this the engine decides, 20 times a second.
    pub feedback_interval: Option<Duration>,
}

impl Engine {
    /// Builds an engine that passes RTP packets without changing them.
    pub fn build(&self, now: Instant) -> Rtc {
        self.build_with(now, Vec::new())
    }

    /// The same, with these header extensions under these ids beside those that it has anyway.
    pub fn build_with(&self, now: Instant, extensions: Vec<(u8, Extension)>) -> Rtc {
        let mut builder = Rtc::builder()
            .set_rtp_mode(true)
            .set_crypto_provider(Arc::clone(&self.crypto))
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(self.others.contains(&Codec::Vp8))
            .enable_vp9(self.others.contains(&Codec::Vp9))
            .enable_av1(self.others.contains(&Codec::Av1))
            .enable_h265(self.others.contains(&Codec::H265))
            .enable_h264(true);
        if !self.has_feedback {
            // Under the ids that the engine gives them.
            builder = builder
                .clear_extension_map()
                .set_extension(1, Extension::AudioLevel)
                .set_extension(4, Extension::RtpMid)
                .set_extension(13, Extension::VideoOrientation);
        }
        if let Some(certificate) = &self.certificate {
            builder = builder.set_dtls_cert(certificate.clone());
        }
        for (id, extension) in extensions {
            builder = builder.set_extension(id, extension);
        }
        builder.build(now)
    }
}

/// A packet to send. The sequence number is the engine's own count, without wrap-around.
pub struct Packet {
    /// The codec of the packet.
    pub codec: Codec,
    /// The simulcast encoding, if there are several.
    pub rid: Option<Rid>,
    /// Its sequence number.
    pub seq: u64,
    /// Its RTP timestamp.
    pub time: u32,
    /// When its picture or sound was captured.
    pub captured_at: Instant,
    /// Whether it is the last packet of a picture.
    pub marker: bool,
    /// Header extensions.
    pub extensions: ExtensionValues,
    /// The payload.
    pub payload: Arc<[u8]>,
}

/// A peer that sends an offer.
pub struct Peer {
    /// The engine.
    pub rtc: Rtc,
    /// The audio section, if it was offered.
    pub audio: Option<Mid>,
    /// The video section, if it was offered.
    pub video: Option<Mid>,
    pending: Option<SdpPendingOffer>,
}

impl Peer {
    /// Creates a peer at this address, and its offer in SDP: a section of each kind, in this direction. `rids` are the
    /// simulcast encodings of the sent video.
    ///
    /// # Errors
    /// The engine refuses the address, or creates no offer.
    pub fn offer(
        mut rtc: Rtc,
        address: SocketAddr,
        direction: Direction,
        kinds: &[MediaKind],
        rids: &[&str],
    ) -> anyhow::Result<(Self, String)> {
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let mut api = rtc.sdp_api();
        let (mut audio, mut video) = (None, None);
        for &kind in kinds {
            let is_simulcast = kind == MediaKind::Video && !rids.is_empty();
            let simulcast = is_simulcast.then(|| simulcast(rids));
            let mid = api.add_media(kind, direction, None, None, simulcast);
            match kind {
                MediaKind::Audio => audio = Some(mid),
                MediaKind::Video => video = Some(mid),
            }
        }
        let (offer, pending) = api.apply().context("the engine made no offer")?;
        let peer = Self {
            rtc,
            audio,
            video,
            pending: Some(pending),
        };
        Ok((peer, offer.to_sdp_string()))
    }

    /// Creates a peer at this address that answers offers.
    ///
    /// # Errors
    /// The engine refuses the address.
    pub fn answering(mut rtc: Rtc, address: SocketAddr) -> anyhow::Result<Self> {
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        Ok(Self {
            rtc,
            audio: None,
            video: None,
            pending: None,
        })
    }

    /// Answers an offer of the other end.
    ///
    /// # Errors
    /// It is not an offer, or the engine refuses it.
    pub fn answer(&mut self, offer: &str) -> anyhow::Result<String> {
        let offer = SdpOffer::from_sdp_string(offer)?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?;
        Ok(answer.to_sdp_string())
    }

    /// Applies the answer to the offer.
    ///
    /// # Errors
    /// It is not an answer to this offer, or an answer was applied before.
    pub fn accept(&mut self, answer: &str) -> anyhow::Result<()> {
        let answer = SdpAnswer::from_sdp_string(answer)?;
        let pending = self.pending.take().context("an answer was taken before")?;
        Ok(self.rtc.sdp_api().accept_answer(pending, answer)?)
    }

    /// Passes a packet to the engine. `false`: its format was not negotiated.
    pub fn send(&mut self, packet: Packet) -> bool {
        let is_video = packet.codec.is_video();
        let section = if is_video { self.video } else { self.audio };
        let Some(mid) = section else {
            return false;
        };
        let Some(pt) = payload_type(&self.rtc, mid, packet.codec) else {
            return false;
        };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, packet.rid) else {
            return false;
        };
        let write = RtpWrite::new(
            pt.into(),
            packet.seq.into(),
            packet.time,
            packet.captured_at,
            packet.payload,
        );
        let write = write.marker(packet.marker).ext_vals(packet.extensions);
        stream.write_rtp(write.nackable(is_video));
        true
    }
}

fn simulcast(rids: &[&str]) -> Simulcast {
    let mut simulcast = Simulcast::new();
    for rid in rids {
        simulcast.add_send_layer(SimulcastLayer::new(rid));
    }
    simulcast
}

/// The negotiated payload type of a codec; for H.264 that of constrained baseline with fragmented NAL units.
pub fn payload_type(rtc: &Rtc, mid: Mid, codec: Codec) -> Option<u8> {
    let media = rtc.media(mid)?;
    let fits = |params: &&PayloadParams| {
        let spec = params.spec();
        let format = &spec.format;
        let is_decodable = codec != Codec::H264
            || (format.profile_level_id == Some(H264_PROFILE)
                && format.packetization_mode == Some(H264_PACKETIZATION_MODE));
        spec.codec == codec && is_decodable && media.remote_pts().contains(&params.pt())
    };
    let found = rtc.codec_config().params().iter().find(fits);
    found.map(|params| *params.pt())
}
