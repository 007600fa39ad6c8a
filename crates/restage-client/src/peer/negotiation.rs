//! The SDP offer, and the media that the server's answer agrees to.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::{Codec as EngineCodec, PayloadParams};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::{Candidate, Rtc, RtcConfig};

use super::sockets::Sockets;
use super::{Media, Wanted};
use crate::error::Error;
use crate::frame::{Codec, TrackKind};

/// Interval at which statistics are updated.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// H.264 payload types offered for sending: payload type, its RTX, profile-level-id (RFC 6184
/// §8.1). Constrained Baseline first, since that is what every receiver has; level 3.1 is 720p30.
const H264_OFFER: [(u8, u8, u32); 4] = [
    (108, 109, 0x42_e01f),
    (127, 121, 0x42_001f),
    (123, 119, 0x4d_001f),
    (114, 115, 0x64_001f),
];

/// An offer that was sent and waits for its answer.
pub(super) struct Offer {
    rtc: Box<Rtc>,
    pending: SdpPendingOffer,
    sdp: String,
    mids: Vec<(Mid, TrackKind)>,
    codecs: Vec<Codec>,
}

/// A connection whose two sides have agreed on media.
pub(super) struct Agreed {
    pub(super) rtc: Box<Rtc>,
    pub(super) tracks: Vec<AgreedTrack>,
}

/// A media section that both sides accept.
pub(super) struct AgreedTrack {
    pub(super) mid: Mid,
    pub(super) kind: TrackKind,
    formats: Vec<AgreedFormat>,
}

struct AgreedFormat {
    codec: Codec,
    pt: Pt,
    h264_profile: Option<u8>,
}

impl Offer {
    pub(super) fn new(wanted: &Wanted<'_>, sockets: &Sockets) -> Result<Self, Error> {
        let mut rtc = Box::new(engine_config(wanted).build(Instant::now()));
        for address in sockets.addresses() {
            let candidate = Candidate::host(address, "udp").map_err(transport)?;
            rtc.add_local_candidate(candidate);
        }
        let mut change = rtc.sdp_api();
        let mut mids = Vec::new();
        for kind in [TrackKind::Audio, TrackKind::Video] {
            if wanted.codecs.iter().any(|codec| codec.kind() == kind) {
                let engine_kind = match kind {
                    TrackKind::Audio => MediaKind::Audio,
                    TrackKind::Video => MediaKind::Video,
                };
                // One stream id groups audio and video for lip sync (RFC 8830).
                let stream = Some("restage".to_owned());
                let mid = change.add_media(engine_kind, wanted.direction, stream, None, None);
                mids.push((mid, kind));
            }
        }
        let (offer, pending) = change
            .apply()
            .ok_or_else(|| Error::Transport("neither audio nor video was asked for".to_owned()))?;
        let codecs = wanted.codecs.clone();
        Ok(Self {
            rtc,
            pending,
            sdp: offer.to_sdp_string(),
            mids,
            codecs,
        })
    }

    pub(super) fn sdp(&self) -> &str {
        &self.sdp
    }

    /// Applies the server's answer. Opens further sockets if its candidates are reached from
    /// local addresses without a socket; the server learns those from our checks (peer-reflexive).
    pub(super) fn accept(mut self, answer: &str, sockets: &mut Sockets) -> Result<Agreed, Error> {
        let unusable = |why: String| Error::Answer(why);
        let remotes = candidate_addresses(answer);
        if remotes.is_empty() {
            return Err(unusable(
                "it has no UDP candidate with an IP address".to_owned(),
            ));
        }
        let answer =
            SdpAnswer::from_sdp_string(answer).map_err(|error| unusable(error.to_string()))?;
        self.rtc
            .sdp_api()
            .accept_answer(self.pending, answer)
            .map_err(|error| unusable(error.to_string()))?;
        for remote in remotes {
            if let Some(address) = sockets.face(remote) {
                let candidate = Candidate::host(address, "udp").map_err(transport)?;
                self.rtc.add_local_candidate(candidate);
            }
        }
        let tracks: Vec<AgreedTrack> = self
            .mids
            .iter()
            .filter_map(|&(mid, kind)| agreed_track(&self.rtc, mid, kind, &self.codecs))
            .collect();
        if tracks.is_empty() {
            return Err(unusable("it accepts none of the codecs offered".to_owned()));
        }
        Ok(Agreed {
            rtc: self.rtc,
            tracks,
        })
    }
}

impl Agreed {
    /// Every negotiated codec, without repetitions.
    pub(super) fn codecs(&self) -> Vec<Codec> {
        let mut codecs = Vec::new();
        for format in self.tracks.iter().flat_map(|track| &track.formats) {
            if !codecs.contains(&format.codec) {
                codecs.push(format.codec);
            }
        }
        codecs
    }
}

impl AgreedTrack {
    /// The payload type for a frame. For H.264 it depends on the profile, so that a receiver that
    /// accepted several profiles sees the right one.
    pub(super) fn payload_type(&self, codec: Codec, h264_profile: Option<u8>) -> Option<Pt> {
        let mut formats = self.formats.iter().filter(|format| format.codec == codec);
        let first = formats.next()?;
        let exact = h264_profile.and_then(|profile| {
            self.formats
                .iter()
                .find(|format| format.h264_profile == Some(profile))
        });
        Some(exact.unwrap_or(first).pt)
    }
}

fn agreed_track(rtc: &Rtc, mid: Mid, kind: TrackKind, wanted: &[Codec]) -> Option<AgreedTrack> {
    let media = rtc.media(mid)?;
    if media.disabled() || media.direction() == Direction::Inactive {
        return None;
    }
    let mut formats: Vec<AgreedFormat> = rtc
        .codec_config()
        .params()
        .iter()
        .filter(|params| media.remote_pts().contains(&params.pt()))
        .filter_map(agreed_format)
        .collect();
    formats.retain(|format| wanted.contains(&format.codec));
    (!formats.is_empty()).then_some(AgreedTrack { mid, kind, formats })
}

fn agreed_format(params: &PayloadParams) -> Option<AgreedFormat> {
    let spec = params.spec();
    let profile = spec.format.profile_level_id.map(|id| (id >> 16) as u8);
    Some(AgreedFormat {
        codec: Codec::from_engine(spec.codec)?,
        pt: params.pt(),
        h264_profile: (spec.codec == EngineCodec::H264)
            .then_some(profile)
            .flatten(),
    })
}

fn engine_config(wanted: &Wanted<'_>) -> RtcConfig {
    let mut config = RtcConfig::new()
        .clear_codecs()
        .set_stats_interval(Some(STATS_INTERVAL))
        .set_rtp_mode(wanted.media == Media::Packets)
        .enable_opus(wanted.codecs.contains(&Codec::Opus), false)
        .enable_vp8(wanted.codecs.contains(&Codec::Vp8))
        .enable_vp9(wanted.codecs.contains(&Codec::Vp9))
        .enable_av1(wanted.codecs.contains(&Codec::Av1));
    if wanted.codecs.contains(&Codec::H264) {
        if wanted.direction == Direction::SendOnly {
            for (pt, rtx, profile) in H264_OFFER {
                config
                    .codec_config()
                    .add_h264(pt.into(), Some(rtx.into()), true, profile);
            }
        } else {
            config = config.enable_h264(true);
        }
    }
    if let Some(bps) = wanted.initial_bps {
        config = config.enable_bwe(Some(str0m::bwe::Bitrate::bps(bps)));
    }
    config
}

/// The addresses of the UDP candidates in an SDP (RFC 8839 §5.1): `a=candidate:<foundation>
/// <component> <transport> <priority> <address> <port> …`. Names (mDNS) are left out.
fn candidate_addresses(sdp: &str) -> Vec<SocketAddr> {
    let candidate = |line: &str| {
        let mut fields = line
            .trim()
            .strip_prefix("a=candidate:")?
            .split_ascii_whitespace()
            .skip(2);
        let transport = fields.next()?;
        let ip: IpAddr = fields.nth(1)?.parse().ok()?;
        let port: u16 = fields.next()?.parse().ok()?;
        transport
            .eq_ignore_ascii_case("udp")
            .then(|| SocketAddr::new(ip, port))
    };
    let mut addresses: Vec<SocketAddr> = sdp.lines().filter_map(candidate).collect();
    addresses.dedup();
    addresses
}

fn transport(error: impl std::fmt::Display) -> Error {
    Error::Transport(error.to_string())
}

/// The profile of the H.264 that is sent. Only key frames contain it. A receiver restarts its decoder
/// when the payload type changes, so the frames between key frames must keep the same profile.
#[derive(Default)]
pub(super) struct SentProfile(Option<u8>);

impl SentProfile {
    /// The profile of `access_unit`, which is the next one to be sent.
    pub(super) fn of(&mut self, access_unit: &[u8]) -> Option<u8> {
        self.0 = h264_profile(access_unit).or(self.0);
        self.0
    }
}

/// `profile_idc` of the first sequence parameter set in an Annex B access unit (H.264 §7.3.2.1.1).
fn h264_profile(access_unit: &[u8]) -> Option<u8> {
    const SPS: u8 = 7;
    let start = access_unit
        .windows(4)
        .position(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1f == SPS)?;
    access_unit.get(start + 4).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::HttpClient;

    #[test]
    fn candidates_with_ip_addresses_are_found() {
        let sdp = "v=0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 4081 typ host\r\n\
                   a=candidate:2 1 UDP 1 ::1 5 typ host\r\n\
                   a=candidate:3 1 tcp 1 127.0.0.1 9 typ host tcptype active\r\n\
                   a=candidate:4 1 udp 1 b4c9.local 9 typ host\r\n\
                   a=candidate:5 1 udp 1 127.0.0.1 99999 typ host\r\n\
                   a=candidate:\r\na=candidate:1 1\r\n";
        let expected: [SocketAddr; 2] = [
            "127.0.0.1:4081".parse().unwrap(),
            "[::1]:5".parse().unwrap(),
        ];
        assert_eq!(candidate_addresses(sdp), expected);
    }

    #[test]
    fn frames_between_key_frames_are_of_the_profile_of_the_last_one() {
        let mut sent = SentProfile::default();
        let delta = [0, 0, 1, 0x41, 0x9a];
        assert_eq!(sent.of(&delta), None);
        assert_eq!(sent.of(&[0, 0, 1, 0x67, 100]), Some(100));
        assert_eq!(sent.of(&delta), Some(100));
        assert_eq!(sent.of(&[0, 0, 1, 0x67, 77]), Some(77));
        assert_eq!(sent.of(&delta), Some(77));
    }

    #[test]
    fn the_profile_is_read_from_the_sps() {
        assert_eq!(h264_profile(&[0, 0, 0, 1, 0x67, 66, 0xc0, 31]), Some(66));
        assert_eq!(
            h264_profile(&[0, 0, 1, 9, 16, 0, 0, 1, 0x27, 100]),
            Some(100)
        );
        assert_eq!(h264_profile(&[0, 0, 1, 0x65, 66]), None);
        assert_eq!(h264_profile(&[0, 0, 1, 0x67]), None);
        assert_eq!(h264_profile(&[]), None);
    }

    fn wanted() -> Wanted<'static> {
        Wanted {
            resumption: None,
            http: HttpClient::new().unwrap(),
            endpoint: "http://127.0.0.1:1/whip".parse().unwrap(),
            token: "",
            direction: Direction::SendOnly,
            media: Media::Frames,
            codecs: vec![Codec::Opus, Codec::H264],
            connect_timeout: Duration::from_secs(1),
            initial_bps: None,
        }
    }

    fn answer_to(offer: &str) -> String {
        let mut rtc = RtcConfig::new().set_ice_lite(true).build(Instant::now());
        let address = "127.0.0.1:9".parse().unwrap();
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let offer = str0m::change::SdpOffer::from_sdp_string(offer).unwrap();
        rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()
    }

    /// Leaves out, doubles, truncates or damages every line of a good answer; nothing may panic.
    #[tokio::test]
    async fn answers_spoilt_anywhere_are_taken_or_refused() {
        let wanted = wanted();
        let mut sockets = Sockets::facing(&["127.0.0.1:1".parse().unwrap()]).unwrap();
        let count = answer_to(Offer::new(&wanted, &sockets).unwrap().sdp())
            .lines()
            .count();
        let (mut taken, mut refused) = (0, 0);
        for line in 0..count {
            for spoil in 0..7 {
                let offer = Offer::new(&wanted, &sockets).unwrap();
                let answer = answer_to(offer.sdp());
                let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
                let text = lines[line].clone();
                match spoil {
                    0 => drop(lines.remove(line)),
                    1 => lines.insert(line, text),
                    2 => lines[line].truncate(text.len() / 2),
                    3 => lines[line] = text.replace(|c: char| c.is_ascii_digit(), "9"),
                    4 => lines[line] = text.replace(' ', ""),
                    5 => lines[line].push_str("\u{0}\u{e4} 99999999999999999999"),
                    _ => lines.truncate(line),
                }
                let spoilt = lines.join("\r\n") + "\r\n";
                match offer.accept(&spoilt, &mut sockets) {
                    Ok(agreed) => {
                        assert!(!agreed.codecs().is_empty());
                        taken += 1;
                    }
                    Err(error) => {
                        assert!(matches!(error, Error::Answer(_)), "{error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    }
}
