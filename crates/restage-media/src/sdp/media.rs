//! Parses one media section of an offer.

use restage_codec::{Codec, MediaKind};

use super::format::{Format, codec_of_rtpmap, parameter};
use super::offer::Role;
use super::{Section, attribute, attributes};
use crate::error::{OfferError, OfferErrorKind};
use crate::limits::{FORMATS_PER_SECTION_MAX, LAYERS_MAX};
use crate::rtp::extensions::RidName;

/// A section that is accepted.
#[derive(Debug, Clone)]
pub(crate) struct MediaOffer {
    pub(crate) kind: MediaKind,
    pub(crate) mid: String,
    /// In the order of the answer.
    pub(crate) formats: Vec<Format>,
    pub(crate) extensions: Vec<(u8, String)>,
    /// Names of simulcast encodings, none for a plain track.
    pub(crate) rids: Vec<String>,
    /// SSRC of a plain track and of its retransmissions, if announced.
    pub(crate) ssrcs: Option<(u32, Option<u32>)>,
}

/// Longest mid in bytes. Names over 16 bytes do not fit the header extension; their packets are identified by other
/// means.
const MID_LENGTH_MAX: usize = 255;

/// Header extensions by their URIs (RFC 8285 §8).
pub(crate) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(crate) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
pub(crate) const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
pub(crate) const TRANSPORT_SEQ: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(crate) const ROTATION: &str = "urn:3gpp:video-orientation";
pub(crate) const DEPENDENCY: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Header extensions that are negotiated with a publisher: stream identification, those that its congestion control
/// needs, those that are forwarded to subscribers, and the one that says which layer a frame belongs to.
const PUBLISHER_EXTENSIONS: &[&str] = &[
    MID,
    RID,
    REPAIRED_RID,
    TRANSPORT_SEQ,
    AUDIO_LEVEL,
    ROTATION,
    DEPENDENCY,
];

/// Header extensions with a subscriber: only those that are used, because each costs time for every packet. Dependency descriptors are
/// sent with AV1 alone.
const SUBSCRIBER_EXTENSIONS: &[&str] = &[MID, TRANSPORT_SEQ, AUDIO_LEVEL, ROTATION, DEPENDENCY];

impl MediaOffer {
    /// `None` if no codec of the section is forwarded. `mixes_forms` says that the offer permits long header extensions beside short ones.
    pub(super) fn parse(
        section: &Section<'_>,
        kind: MediaKind,
        role: Role,
        position: usize,
        mixes_forms: bool,
    ) -> Result<Option<Self>, OfferError> {
        // A section may lack a mid only if it is the only one; any name will do then.
        let mid = attribute(&section.lines, "mid").map_or_else(|| position.to_string(), Into::into);
        let is_token = mid.bytes().all(|byte| byte.is_ascii_graphic());
        if mid.is_empty() || mid.len() > MID_LENGTH_MAX || !is_token {
            return Err(OfferError::new(
                OfferErrorKind::NotSdp,
                format!(
                    "The a=mid of the {kind} section must be 1 to {MID_LENGTH_MAX} visible characters."
                ),
            ));
        }
        let mut formats = formats(section, kind, role);
        if formats.is_empty() {
            return Ok(None);
        }
        let mut extensions = extensions(section, role);
        if role == Role::Subscriber {
            choose_feedback(&mut formats, &mut extensions);
            // The structure in a descriptor is longer than the short form permits.
            let is_av1 = |format: &Format| format.codec == Codec::Av1;
            if !(mixes_forms && formats.iter().any(is_av1)) {
                extensions.retain(|(_, uri)| uri != DEPENDENCY);
            }
        }
        let rids = if role == Role::Publisher && kind == MediaKind::Video {
            rids(section)
        } else {
            Vec::new()
        };
        let ssrcs = if role == Role::Publisher && rids.is_empty() {
            ssrcs(section)
        } else {
            None
        };
        Ok(Some(Self {
            kind,
            mid,
            formats,
            extensions,
            rids,
            ssrcs,
        }))
    }
}

impl MediaOffer {
    /// Whether dependency descriptors are sent.
    pub(crate) fn has_descriptors(&self) -> bool {
        self.extensions.iter().any(|(_, uri)| uri == DEPENDENCY)
    }
}

/// The lines of each payload type, collected in one pass, because an offer may have thousands of lines.
struct PayloadLines<'a> {
    rtpmap: [Option<&'a str>; 128],
    fmtp: [Option<&'a str>; 128],
    /// The payload type that retransmits each one (RFC 4588 §8.1).
    rtx: [Option<u8>; 128],
}

impl<'a> PayloadLines<'a> {
    fn gather(lines: &[&'a str]) -> Self {
        let mut gathered = Self {
            rtpmap: [None; 128],
            fmtp: [None; 128],
            rtx: [None; 128],
        };
        for line in lines {
            let (table, value) = if let Some(value) = line.strip_prefix("a=rtpmap:") {
                (&mut gathered.rtpmap, value)
            } else if let Some(value) = line.strip_prefix("a=fmtp:") {
                (&mut gathered.fmtp, value)
            } else {
                continue;
            };
            if let Some((pt, value)) = value.split_once(' ')
                && let Some(pt) = payload_type(pt)
            {
                let first = &mut table[usize::from(pt)];
                *first = first.or(Some(value.trim()));
            }
        }
        for pt in 0..128_u8 {
            let index = usize::from(pt);
            let is_rtx = gathered.rtpmap[index]
                .and_then(|map| map.get(..4))
                .is_some_and(|name| name.eq_ignore_ascii_case("rtx/"));
            let apt = gathered.fmtp[index]
                .and_then(|fmtp| parameter(fmtp, "apt"))
                .and_then(payload_type);
            if let Some(apt) = apt.filter(|_| is_rtx) {
                gathered.rtx[usize::from(apt)].get_or_insert(pt);
            }
        }
        gathered
    }

    fn codec(&self, pt: u8, kind: MediaKind) -> Option<Codec> {
        let mut fields = self.rtpmap[usize::from(pt)]?.split('/');
        let codec = codec_of_rtpmap(fields.next()?, fields.next()?.parse().ok()?)?;
        // RFC 7587 §7: Opus is always declared with two channels. Senders that omit the number mean the same.
        let channels = fields.next().unwrap_or("2");
        let is_right = codec.kind() != MediaKind::Audio || channels == "2";
        (codec.kind() == kind && is_right).then_some(codec)
    }
}

/// The usable payload types in the order of the answer.
fn formats(section: &Section<'_>, kind: MediaKind, role: Role) -> Vec<Format> {
    let lines = PayloadLines::gather(&section.lines);
    let offered: Vec<u8> = section
        .formats
        .iter()
        .filter_map(|name| payload_type(name))
        .collect();
    let mut is_offered = [false; 128];
    let mut formats: Vec<Format> = Vec::new();
    for pt in offered {
        if std::mem::replace(&mut is_offered[usize::from(pt)], true)
            || formats.len() == FORMATS_PER_SECTION_MAX
        {
            continue;
        }
        let Some(codec) = lines.codec(pt, kind) else {
            continue;
        };
        let fmtp = lines.fmtp[usize::from(pt)].unwrap_or_default().into();
        let format = Format {
            pt,
            rtx: None,
            codec,
            fmtp,
            feedback: Vec::new(),
        };
        // H.264 with an interleaved mode or a malformed profile cannot be forwarded, say.
        if format.check().is_ok() {
            formats.push(format);
        }
    }
    // Blocks of redundant audio are Opus.
    let opus = formats.iter().filter(|format| format.codec == Codec::Opus);
    let opus: Vec<u8> = opus.map(|format| format.pt).collect();
    formats.retain(|format| {
        let blocks = format.block_type();
        format.codec != Codec::Red || blocks.is_some_and(|block_type| opus.contains(&block_type))
    });
    let mut is_main = [false; 128];
    formats
        .iter()
        .for_each(|format| is_main[usize::from(format.pt)] = true);
    for format in &mut formats {
        let is_free = |rtx: &u8| is_offered[usize::from(*rtx)] && !is_main[usize::from(*rtx)];
        format.rtx = lines.rtx[usize::from(format.pt)].filter(is_free);
    }
    add_feedback(section, role, &mut formats);
    let first = formats.first().map(|format| format.codec);
    formats.sort_by_key(|format| format.preference(first));
    formats
}

/// Transport-wide feedback, from which the rate of a path is estimated, and what older clients send instead.
const TRANSPORT_CC: &str = "transport-cc";
const REMB: &str = "goog-remb";

/// Feedback types that are supported. Publishers get transport-wide feedback and no REMB.
const PUBLISHER_FEEDBACK: &[&str] = &["nack", "nack pli", "ccm fir", TRANSPORT_CC];
const SUBSCRIBER_FEEDBACK: &[&str] = &["nack", "nack pli", "ccm fir", TRANSPORT_CC, REMB];

fn add_feedback(section: &Section<'_>, role: Role, formats: &mut [Format]) {
    let used = match role {
        Role::Publisher => PUBLISHER_FEEDBACK,
        Role::Subscriber => SUBSCRIBER_FEEDBACK,
    };
    for value in attributes(&section.lines, "rtcp-fb") {
        let Some((target, value)) = value.split_once(' ') else {
            continue;
        };
        let value = value.trim();
        if !used.contains(&value) {
            continue;
        }
        let pt = payload_type(target);
        for format in formats
            .iter_mut()
            .filter(|format| target == "*" || pt == Some(format.pt))
        {
            if !format.has_feedback(value) {
                format.feedback.push(value.into());
            }
        }
    }
}

/// A subscriber's transport-wide feedback needs the numbers of packets and the other way round: without one of them, neither is
/// used. REMB is used only without both.
fn choose_feedback(formats: &mut [Format], extensions: &mut Vec<(u8, String)>) {
    let is_numbered = extensions.iter().any(|(_, uri)| uri == TRANSPORT_SEQ)
        && formats
            .iter()
            .any(|format| format.has_feedback(TRANSPORT_CC));
    let unused = match is_numbered {
        true => REMB,
        false => TRANSPORT_CC,
    };
    for format in formats {
        format.feedback.retain(|value| value != unused);
    }
    if !is_numbered {
        extensions.retain(|(_, uri)| uri != TRANSPORT_SEQ);
    }
}

/// A payload type as written, if RTP and RTCP on one port cannot be confused by it (RFC 5761 §4).
fn payload_type(text: &str) -> Option<u8> {
    let pt: u8 = text.parse().ok()?;
    matches!(pt, 0..=63 | 96..=127).then_some(pt)
}

fn extensions(section: &Section<'_>, role: Role) -> Vec<(u8, String)> {
    let wanted = match role {
        Role::Publisher => PUBLISHER_EXTENSIONS,
        Role::Subscriber => SUBSCRIBER_EXTENSIONS,
    };
    let mut extensions: Vec<(u8, String)> = Vec::new();
    for value in attributes(&section.lines, "extmap") {
        let mut words = value.split_ascii_whitespace();
        let (Some(id), Some(uri)) = (words.next(), words.next()) else {
            continue;
        };
        // `/sendrecv` and similar directions may follow the id (RFC 8285 §8).
        let Some(Ok(id)) = id.split('/').next().map(str::parse::<u8>) else {
            continue;
        };
        let is_new = extensions
            .iter()
            .all(|(other, known)| *other != id && known != uri);
        // One-byte headers have ids 1 to 14 (RFC 8285 §4.2).
        if (1..=14).contains(&id) && wanted.contains(&uri) && is_new {
            extensions.push((id, uri.into()));
        }
    }
    extensions
}

/// The encodings of `a=simulcast:send` (RFC 8853), without alternatives and paused marks.
fn rids(section: &Section<'_>) -> Vec<String> {
    let Some(simulcast) = attribute(&section.lines, "simulcast") else {
        return Vec::new();
    };
    let mut words = simulcast.split_ascii_whitespace();
    let mut rids: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        let list = words.next().unwrap_or_default();
        if word != "send" {
            continue;
        }
        // Early drafts of RFC 8853 have `rid=` before the list.
        let list = list.strip_prefix("rid=").unwrap_or(list);
        for group in list.split(';').take(2 * LAYERS_MAX) {
            let rid = group
                .split(',')
                .next()
                .unwrap_or_default()
                .trim_start_matches('~');
            let is_declared = attributes(&section.lines, "rid").any(|declared| {
                let mut words = declared.split_ascii_whitespace();
                words.next() == Some(rid) && words.next() == Some("send")
            });
            let is_name = RidName::new(rid).is_some()
                && !rid.is_empty()
                && rid
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if is_declared
                && is_name
                && rids.len() < LAYERS_MAX
                && !rids.iter().any(|known| known == rid)
            {
                rids.push(rid.into());
            }
        }
    }
    rids
}

fn ssrcs(section: &Section<'_>) -> Option<(u32, Option<u32>)> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|ssrc| *ssrc != 0);
    let group = attributes(&section.lines, "ssrc-group").find_map(|group| {
        let mut words = group.split_ascii_whitespace();
        (words.next()? == "FID").then_some(())?;
        Some((number(words.next()?)?, Some(number(words.next()?)?)))
    });
    let single = || {
        let first = attributes(&section.lines, "ssrc").next()?;
        Some((number(first.split(' ').next()?)?, None))
    };
    group
        .filter(|(main, rtx)| Some(*main) != *rtx)
        .or_else(single)
}
