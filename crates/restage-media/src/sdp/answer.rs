//! The answer to an offer, and to an ICE restart.

use std::fmt::Write as _;

use restage_codec::Codec;

use super::candidate::Candidates;
use super::format::Format;
use super::media::MediaOffer;
use super::offer::{IceCredentials, Offer, OfferedSection, Role};
use crate::sdp::stream::StreamConfig;

/// This end's part of an answer.
pub(crate) struct Local<'a> {
    pub(crate) ice: &'a IceCredentials,
    /// In the form `sha-256 …`.
    pub(crate) fingerprint: &'a str,
    pub(crate) candidates: Candidates<'a>,
    /// The streams to a subscriber.
    pub(crate) streams: &'a [Option<StreamConfig>; 2],
    pub(crate) cname: &'a str,
    /// Names the session in the `o=` line (RFC 8866 §5.2).
    pub(crate) session: u64,
}

/// Parameters of `a=fmtp` that describe decoding and so apply to both directions. Other parameters describe
/// only the sender.
const ECHOED_PARAMETERS: &[&str] = &[
    "level-asymmetry-allowed",
    "packetization-mode",
    "profile-level-id",
    "profile-space",
    "profile-id",
    "profile",
    "level-idx",
    "level-id",
    "tier",
    "tier-flag",
    "tx-mode",
    "minptime",
    "useinbandfec",
    "usedtx",
    "stereo",
    "sprop-stereo",
];

/// Answers an offer: the same sections in the same order, where unused ones are refused one by one, with our
/// candidates in every active section.
pub(crate) fn answer(offer: &Offer, local: &Local<'_>) -> String {
    let mut sdp = String::with_capacity(4_096);
    // Writing into a String cannot fail.
    let _ = write!(
        sdp,
        "v=0\r\no=- {} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
        local.session
    );
    // A group may be answered only if it was offered (RFC 9143 §7.3).
    if offer.is_bundled {
        sdp.push_str("a=group:BUNDLE");
        let living = offer.sections.iter().filter(|section| section.lives());
        for mid in living.filter_map(|section| section.mid.as_ref()) {
            let _ = write!(sdp, " {mid}");
        }
        sdp.push_str("\r\n");
    }
    // The structure in a dependency descriptor is longer than the values that the one-byte form has.
    if offer.mixes_forms && offer.media().any(MediaOffer::has_descriptors) {
        sdp.push_str("a=extmap-allow-mixed\r\n");
    }
    sdp.push_str("a=msid-semantic:WMS *\r\na=ice-lite\r\n");
    for section in &offer.sections {
        match &section.media {
            Some(media) => write_taken(&mut sdp, offer, section, media, local),
            None => write_refused(&mut sdp, offer, section, local),
        }
    }
    sdp
}

impl OfferedSection {
    /// Whether the section is active, so that its answer has a port.
    fn lives(&self) -> bool {
        self.media.is_some() || self.is_tagged
    }
}

fn write_taken(
    sdp: &mut String,
    offer: &Offer,
    section: &OfferedSection,
    media: &MediaOffer,
    local: &Local<'_>,
) {
    let _ = write!(sdp, "m={} 9 {}", section.kind, section.proto);
    for format in &media.formats {
        for pt in [Some(format.pt), format.rtx].into_iter().flatten() {
            let _ = write!(sdp, " {pt}");
        }
    }
    sdp.push_str("\r\n");
    write_transport(sdp, offer, section, local);
    for (id, uri) in &media.extensions {
        let _ = write!(sdp, "a=extmap:{id} {uri}\r\n");
    }
    sdp.push_str(match offer.role {
        Role::Publisher => "a=recvonly\r\n",
        Role::Subscriber => "a=sendonly\r\n",
    });
    sdp.push_str("a=rtcp-mux\r\n");
    if section.has_rsize {
        sdp.push_str("a=rtcp-rsize\r\n");
    }
    for format in &media.formats {
        write_format(sdp, format);
    }
    write_rids(sdp, &media.rids);
    if let Some(stream) = &local.streams[media.kind.index()] {
        write_stream(sdp, stream, section, local.cname);
    }
    local.candidates.write(sdp);
}

/// A refused section has port 0. The section that represents the bundle's transport may not be refused while others
/// are active, so it is inactive instead. Both have what some clients expect in every section: credentials,
/// fingerprint, formats.
fn write_refused(sdp: &mut String, offer: &Offer, section: &OfferedSection, local: &Local<'_>) {
    let port = if section.lives() { 9 } else { 0 };
    let (kind, proto, formats) = (&section.kind, &section.proto, &section.formats);
    let _ = write!(sdp, "m={kind} {port} {proto} {formats}\r\n");
    write_transport(sdp, offer, section, local);
    sdp.push_str("a=inactive\r\n");
    if proto.contains("RTP") {
        sdp.push_str("a=rtcp-mux\r\n");
    }
    for line in &section.echo {
        let _ = write!(sdp, "{line}\r\n");
    }
    if section.lives() {
        local.candidates.write(sdp);
    } else {
        sdp.push_str("a=end-of-candidates\r\n");
    }
}

fn write_transport(sdp: &mut String, offer: &Offer, section: &OfferedSection, local: &Local<'_>) {
    sdp.push_str("c=IN IP4 0.0.0.0\r\n");
    let _ = write!(
        sdp,
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        local.ice.ufrag, local.ice.pwd
    );
    if offer.is_trickling {
        sdp.push_str("a=ice-options:trickle\r\n");
    }
    let setup = if offer.is_dtls_server {
        "active"
    } else {
        "passive"
    };
    let _ = write!(
        sdp,
        "a=fingerprint:{}\r\na=setup:{setup}\r\n",
        local.fingerprint
    );
    if let Some(mid) = &section.mid {
        let _ = write!(sdp, "a=mid:{mid}\r\n");
    }
}

pub(super) fn write_format(sdp: &mut String, format: &Format) {
    let (pt, rate) = (format.pt, format.codec.clock_rate());
    let _ = match format.codec {
        Codec::Opus => write!(sdp, "a=rtpmap:{pt} opus/{rate}/2\r\n"),
        Codec::H264 => write!(sdp, "a=rtpmap:{pt} H264/{rate}\r\n"),
        Codec::Vp8 => write!(sdp, "a=rtpmap:{pt} VP8/{rate}\r\n"),
        Codec::Vp9 => write!(sdp, "a=rtpmap:{pt} VP9/{rate}\r\n"),
        Codec::Av1 => write!(sdp, "a=rtpmap:{pt} AV1/{rate}\r\n"),
        Codec::H265 => write!(sdp, "a=rtpmap:{pt} H265/{rate}\r\n"),
        Codec::Red => write!(
            sdp,
            "a=rtpmap:{pt} red/{rate}/2\r\na=fmtp:{pt} {}\r\n",
            format.fmtp
        ),
    };
    let echoed = format.fmtp.split(';').map(str::trim).filter(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default().trim();
        ECHOED_PARAMETERS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    });
    let fmtp: Vec<&str> = echoed.collect();
    if !fmtp.is_empty() {
        let _ = write!(sdp, "a=fmtp:{pt} {}\r\n", fmtp.join(";"));
    }
    for feedback in &format.feedback {
        let _ = write!(sdp, "a=rtcp-fb:{pt} {feedback}\r\n");
    }
    if let Some(rtx) = format.rtx {
        let _ = write!(
            sdp,
            "a=rtpmap:{rtx} rtx/{rate}\r\na=fmtp:{rtx} apt={pt}\r\n"
        );
    }
}

fn write_rids(sdp: &mut String, rids: &[String]) {
    for rid in rids {
        let _ = write!(sdp, "a=rid:{rid} recv\r\n");
    }
    if !rids.is_empty() {
        let _ = write!(sdp, "a=simulcast:recv {}\r\n", rids.join(";"));
    }
}

fn write_stream(sdp: &mut String, stream: &StreamConfig, section: &OfferedSection, cname: &str) {
    let track = format!("{cname} {}", section.kind);
    let _ = write!(sdp, "a=msid:{track}\r\n");
    if let Some(rtx) = stream.rtx_ssrc {
        let _ = write!(sdp, "a=ssrc-group:FID {} {rtx}\r\n", stream.ssrc);
    }
    for ssrc in [Some(stream.ssrc), stream.rtx_ssrc].into_iter().flatten() {
        let _ = write!(
            sdp,
            "a=ssrc:{ssrc} cname:{cname}\r\na=ssrc:{ssrc} msid:{track}\r\n"
        );
    }
}

/// The answer to an ICE restart (RFC 9725 §4.3.2): our new credentials and the same candidates.
pub(crate) fn restart_fragment(
    offer: &Offer,
    ice: &IceCredentials,
    candidates: Candidates<'_>,
) -> String {
    let mut fragment = String::from("a=ice-lite\r\n");
    if offer.is_trickling {
        fragment.push_str("a=ice-options:trickle\r\n");
    }
    let _ = write!(
        fragment,
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        ice.ufrag, ice.pwd
    );
    if let Some(media) = offer.media().next() {
        let _ = write!(
            fragment,
            "m={} 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{}\r\n",
            media.kind, media.mid
        );
    }
    candidates.write(&mut fragment);
    fragment
}

/// The ICE user name fragment of an answer or of a restart fragment. It names the ICE session, so it serves as the
/// entity tag of a WHIP or WHEP resource (RFC 9725 §4.3).
pub fn local_ice_ufrag(sdp: &str) -> Option<&str> {
    sdp.lines()
        .find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}
