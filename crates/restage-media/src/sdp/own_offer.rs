//! The offers that this end makes to a client that receives several publications by one connection.
//!
//! Every section offers all that is forwarded, under the same payload types and ids. Sections are only added: one that is used no more
//! is inactive until another stream takes it (RFC 9429 §5.2.2).

use std::fmt::Write as _;

use restage_codec::{Codec, MediaKind};

use super::answer::write_format;
use super::candidate::Candidates;
use super::format::Format;
use super::media::{AUDIO_LEVEL, DEPENDENCY, MID, ROTATION, TRANSPORT_SEQ};
use super::offer::IceCredentials;

/// The first payload type of each row: the dynamic ones (RFC 3551 §3), and those below that RTCP does not use (RFC 5761 §4).
const OPUS: u8 = 111;
const RED: u8 = 63;
/// Payload types of pictures and of their retransmissions, what they are, and the parameters of each. The first that a client keeps is
/// the one that it prefers; nothing follows from the order here, because what is sent depends on the publisher.
const PICTURES: [(u8, u8, Codec, &str); 16] = [
    (
        96,
        97,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ),
    (
        98,
        99,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
    ),
    (
        100,
        101,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
    ),
    (
        102,
        103,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
    ),
    (
        104,
        105,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f",
    ),
    (
        106,
        107,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
    ),
    (
        108,
        109,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f",
    ),
    (
        112,
        113,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f",
    ),
    (
        114,
        115,
        Codec::H264,
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=64001f",
    ),
    (116, 117, Codec::Vp8, ""),
    (118, 119, Codec::Vp9, "profile-id=0"),
    (120, 121, Codec::Vp9, "profile-id=2"),
    (122, 123, Codec::Av1, "level-idx=5;profile=0;tier=0"),
    (124, 125, Codec::Av1, "level-idx=5;profile=1;tier=0"),
    (
        126,
        127,
        Codec::H265,
        "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
    ),
    (
        35,
        36,
        Codec::H265,
        "level-id=180;profile-id=2;tier-flag=0;tx-mode=SRST",
    ),
];

/// Header extensions of sound and of pictures. Ids are the same in all sections, because they share one transport (RFC 9143 §15.1).
const AUDIO_EXTENSIONS: [(u8, &str); 3] = [(1, AUDIO_LEVEL), (3, TRANSPORT_SEQ), (4, MID)];
const VIDEO_EXTENSIONS: [(u8, &str); 4] =
    [(3, TRANSPORT_SEQ), (4, MID), (7, ROTATION), (8, DEPENDENCY)];

/// What is offered of a kind, without codecs in which nobody may publish.
pub(crate) fn formats(kind: MediaKind, refused: &[Codec]) -> Vec<Format> {
    let feedback = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match kind {
        MediaKind::Audio => [
            (
                OPUS,
                Codec::Opus,
                "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1".to_owned(),
            ),
            (RED, Codec::Red, format!("{OPUS}/{OPUS}")),
        ]
        .map(|(pt, codec, fmtp)| Format {
            pt,
            rtx: None,
            codec,
            fmtp,
            feedback: feedback(&["transport-cc", "goog-remb"]),
        })
        .into(),
        MediaKind::Video => PICTURES
            .iter()
            .filter(|(.., codec, _)| !refused.contains(codec))
            .map(|(pt, rtx, codec, fmtp)| Format {
                pt: *pt,
                rtx: Some(*rtx),
                codec: *codec,
                fmtp: (*fmtp).to_owned(),
                feedback: feedback(&["nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"]),
            })
            .collect(),
    }
}

/// The header extensions of a kind.
pub(crate) fn extensions(kind: MediaKind) -> &'static [(u8, &'static str)] {
    match kind {
        MediaKind::Audio => &AUDIO_EXTENSIONS,
        MediaKind::Video => &VIDEO_EXTENSIONS,
    }
}

/// An offer of this end.
pub(crate) struct OwnOffer<'a> {
    pub(crate) ice: &'a IceCredentials,
    /// In the form `sha-256 …`.
    pub(crate) fingerprint: &'a str,
    pub(crate) candidates: Candidates<'a>,
    pub(crate) cname: &'a str,
    /// Names the session in the `o=` line (RFC 8866 §5.2), and counts its offers.
    pub(crate) session: u64,
    pub(crate) version: u64,
    /// Codecs in which nobody may publish.
    pub(crate) refused: &'a [Codec],
    pub(crate) sections: Vec<OwnSection<'a>>,
}

/// One of its sections.
pub(crate) struct OwnSection<'a> {
    pub(crate) kind: MediaKind,
    pub(crate) mid: &'a str,
    /// `None`: it is inactive.
    pub(crate) stream: Option<OwnStream<'a>>,
}

/// The stream that a section is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnStream<'a> {
    pub(crate) label: &'a str,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
}

impl OwnOffer<'_> {
    /// The offer as text.
    pub(crate) fn write(&self) -> String {
        let mut sdp = String::with_capacity(4_096 * (1 + self.sections.len()));
        // Writing into a String cannot fail.
        let _ = write!(
            sdp,
            "v=0\r\no=- {} {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE",
            self.session, self.version
        );
        for section in &self.sections {
            let _ = write!(sdp, " {}", section.mid);
        }
        // The structure in a dependency descriptor is longer than the values that the one-byte form has.
        sdp.push_str("\r\na=extmap-allow-mixed\r\na=msid-semantic:WMS *\r\na=ice-lite\r\n");
        let kinds = MediaKind::BOTH.map(|kind| formats(kind, self.refused));
        for section in &self.sections {
            self.write_section(&mut sdp, section, &kinds[section.kind.index()]);
            // All sections share one transport, and some clients look for its candidates in another than the first.
            self.candidates.write(&mut sdp);
        }
        sdp
    }

    fn write_section(&self, sdp: &mut String, section: &OwnSection<'_>, formats: &[Format]) {
        let _ = write!(sdp, "m={} 9 UDP/TLS/RTP/SAVPF", section.kind);
        for format in formats {
            for pt in [Some(format.pt), format.rtx].into_iter().flatten() {
                let _ = write!(sdp, " {pt}");
            }
        }
        let _ = write!(
            sdp,
            "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\n\
             a=fingerprint:{}\r\na=setup:actpass\r\na=mid:{}\r\n",
            self.ice.ufrag, self.ice.pwd, self.fingerprint, section.mid
        );
        for (id, uri) in extensions(section.kind) {
            let _ = write!(sdp, "a=extmap:{id} {uri}\r\n");
        }
        sdp.push_str(match section.stream {
            Some(_) => "a=sendonly\r\n",
            None => "a=inactive\r\n",
        });
        sdp.push_str("a=rtcp-mux\r\na=rtcp-rsize\r\n");
        for format in formats {
            write_format(sdp, format);
        }
        if let Some(stream) = &section.stream {
            self.write_stream(sdp, section.kind, stream);
        }
    }

    fn write_stream(&self, sdp: &mut String, kind: MediaKind, stream: &OwnStream<'_>) {
        let (label, cname) = (stream.label, self.cname);
        let _ = write!(sdp, "a=msid:{label} {kind}\r\n");
        if let Some(rtx) = stream.rtx_ssrc {
            let _ = write!(sdp, "a=ssrc-group:FID {} {rtx}\r\n", stream.ssrc);
        }
        for ssrc in [Some(stream.ssrc), stream.rtx_ssrc].into_iter().flatten() {
            let _ = write!(
                sdp,
                "a=ssrc:{ssrc} cname:{cname}\r\na=ssrc:{ssrc} msid:{label} {kind}\r\n"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Description;

    #[test]
    fn no_payload_type_has_two_meanings_and_rtcp_is_not_taken_for_rtp() {
        let mut used = std::collections::BTreeSet::new();
        for format in MediaKind::BOTH
            .into_iter()
            .flat_map(|kind| formats(kind, &[]))
        {
            assert_eq!(format.check(), Ok(()), "{format:?}");
            for pt in [Some(format.pt), format.rtx].into_iter().flatten() {
                assert!(used.insert(pt), "{pt} twice");
                assert!(matches!(pt, 35..=63 | 96..=127), "{pt}");
            }
        }
    }

    #[test]
    fn sections_are_active_or_inactive_and_share_everything_else() {
        let ice = IceCredentials {
            ufrag: "abcd".to_owned(),
            pwd: "0123456789012345678901".to_owned(),
        };
        let addresses = ["192.0.2.1:4081".parse().unwrap()];
        let stream = OwnStream {
            label: "ann",
            ssrc: 7,
            rtx_ssrc: Some(8),
        };
        let offer = OwnOffer {
            ice: &ice,
            fingerprint: "sha-256 00",
            candidates: Candidates {
                udp: &addresses,
                tcp: &[],
            },
            cname: "c",
            session: 1,
            version: 2,
            refused: &[Codec::H265],
            sections: vec![
                OwnSection {
                    kind: MediaKind::Audio,
                    mid: "0",
                    stream: None,
                },
                OwnSection {
                    kind: MediaKind::Video,
                    mid: "1",
                    stream: Some(stream),
                },
            ],
        };
        let text = offer.write();
        let parsed = Description::parse(&text).unwrap();
        assert!(parsed.session.contains(&"a=group:BUNDLE 0 1"));
        let [audio, video] = &parsed.sections[..] else {
            panic!("two sections")
        };
        assert!(audio.lines.contains(&"a=inactive") && video.lines.contains(&"a=sendonly"));
        assert!(video.lines.contains(&"a=msid:ann video"));
        assert!(video.lines.contains(&"a=ssrc-group:FID 7 8"));
        assert!(!audio.lines.iter().any(|line| line.starts_with("a=ssrc")));
        assert!(!text.contains("H265") && text.contains("AV1"));
        assert_eq!(text.matches("a=candidate").count(), 2);
    }
}
