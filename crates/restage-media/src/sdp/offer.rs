//! A client's offer: what it says that matters here, and the rebuilt offer the engine is given.
//!
//! At most one audio and one video section are taken, the first of each that fits the role. Remote candidates are
//! left out: an ICE-lite agent answers checks and learns addresses from them (RFC 8445 §2.5).

use std::fmt::Write as _;

use super::{
    Description, Section, SyntaxError, any_of, attribute, attributes, has_flag, is_ice_chars,
};
use crate::codec::{Codec, Format};
use crate::error::{OfferError, OfferErrorKind};
use crate::io::MediaKind;
use crate::limits::{FORMATS_PER_SECTION_MAX, LAYERS_MAX, OFFER_BYTES_MAX};
use crate::packet::RidName;

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Subscriber,
}

/// ICE credentials of one end (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IceCredentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

impl IceCredentials {
    pub(crate) fn parse(ufrag: &str, pwd: &str) -> Option<Self> {
        (is_ice_chars(ufrag, 4..=256) && is_ice_chars(pwd, 22..=256)).then(|| Self {
            ufrag: ufrag.into(),
            pwd: pwd.into(),
        })
    }
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// An offer that can be answered.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) role: Role,
    pub(crate) ice: IceCredentials,
    pub(crate) is_trickling: bool,
    pub(crate) is_bundled: bool,
    fingerprint: String,
    setup: &'static str,
    /// Every section in order, the refused ones too: an answer has as many.
    pub(crate) sections: Vec<OfferedSection>,
}

#[derive(Debug, Clone)]
pub(crate) struct OfferedSection {
    /// For a refused section: the `m=` line fields to echo.
    pub(crate) kind: String,
    pub(crate) proto: String,
    pub(crate) formats: String,
    pub(crate) mid: Option<String>,
    pub(crate) media: Option<MediaOffer>,
}

/// A section that is taken.
#[derive(Debug, Clone)]
pub(crate) struct MediaOffer {
    pub(crate) kind: MediaKind,
    pub(crate) mid: String,
    /// In the order of the answer.
    pub(crate) formats: Vec<Format>,
    extensions: Vec<(u8, String)>,
    /// Names of simulcast encodings, none for a plain track.
    rids: Vec<String>,
    /// SSRC of a plain track and of its retransmissions, if announced.
    ssrcs: Option<(u32, Option<u32>)>,
}

/// Mids the engine can hold.
const MID_LENGTH_MAX: usize = 16;

/// Header extensions worth negotiating with a publisher: stream identification, what its congestion control lives
/// on, and what is passed on to subscribers.
const PUBLISHER_EXTENSIONS: &[&str] = &[
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:3gpp:video-orientation",
];

/// With a subscriber: each costs time for every packet and subscriber, so only what is used.
const SUBSCRIBER_EXTENSIONS: &[&str] = &[
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:3gpp:video-orientation",
];

impl Offer {
    pub(crate) fn parse(text: &str, role: Role) -> Result<Self, OfferError> {
        if text.len() > OFFER_BYTES_MAX {
            return Err(OfferError::new(
                OfferErrorKind::TooLarge,
                format!(
                    "The offer is {} bytes long; at most {OFFER_BYTES_MAX} are taken.",
                    text.len()
                ),
            ));
        }
        let description = Description::parse(text).map_err(|error| syntax_error(&error))?;
        if description.session.first() != Some(&"v=0") {
            return Err(OfferError::new(
                OfferErrorKind::NotSdp,
                "The offer does not begin with the line v=0.",
            ));
        }
        if has_flag(&description.session, "ice-lite") {
            return Err(OfferError::new(
                OfferErrorKind::IceLite,
                "The offer says ice-lite; this server is ICE-lite too, so neither end would check the path.",
            ));
        }
        let bundle = bundle_group(&description);
        let sections = take_sections(&description, role, bundle.as_deref())?;
        Ok(Self {
            role,
            ice: ice_credentials(&description)?,
            is_trickling: any_of(&description, "ice-options")
                .is_some_and(|options| options.split(' ').any(|option| option == "trickle")),
            is_bundled: bundle.is_some(),
            fingerprint: fingerprint(&description)?,
            setup: setup(&description)?,
            sections,
        })
    }

    pub(crate) fn media(&self) -> impl Iterator<Item = &MediaOffer> {
        self.sections
            .iter()
            .filter_map(|section| section.media.as_ref())
    }

    /// The offer for the engine, with these credentials of the remote end.
    pub(crate) fn to_engine_sdp(&self, ice: &IceCredentials) -> String {
        let mut sdp =
            String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
        for media in self.media() {
            sdp.push(' ');
            sdp.push_str(&media.mid);
        }
        // Writing into a String cannot fail.
        let _ = write!(
            sdp,
            "\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{}\r\na=setup:{}\r\n",
            ice.ufrag, ice.pwd, self.fingerprint, self.setup
        );
        for media in self.media() {
            media.write(&mut sdp, self.role);
        }
        sdp
    }
}

impl MediaOffer {
    fn write(&self, sdp: &mut String, role: Role) {
        let _ = write!(sdp, "m={} 9 UDP/TLS/RTP/SAVPF", self.kind);
        for format in &self.formats {
            let _ = write!(sdp, " {}", format.pt);
            if let Some(rtx) = format.rtx {
                let _ = write!(sdp, " {rtx}");
            }
        }
        let direction = match role {
            Role::Publisher => "sendonly",
            Role::Subscriber => "recvonly",
        };
        let _ = write!(
            sdp,
            "\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\na={direction}\r\na=rtcp-mux\r\n",
            self.mid
        );
        for (id, uri) in &self.extensions {
            let _ = write!(sdp, "a=extmap:{id} {uri}\r\n");
        }
        for format in &self.formats {
            write_format(sdp, format);
        }
        for rid in &self.rids {
            let _ = write!(sdp, "a=rid:{rid} send\r\n");
        }
        if !self.rids.is_empty() {
            let _ = write!(sdp, "a=simulcast:send {}\r\n", self.rids.join(";"));
        }
        if let Some((main, rtx)) = self.ssrcs {
            if let Some(rtx) = rtx {
                let _ = write!(sdp, "a=ssrc-group:FID {main} {rtx}\r\n");
            }
            for ssrc in [Some(main), rtx].into_iter().flatten() {
                let _ = write!(sdp, "a=ssrc:{ssrc} cname:x\r\n");
            }
        }
    }
}

fn write_format(sdp: &mut String, format: &Format) {
    let (pt, rate) = (format.pt, format.codec.clock_rate());
    let _ = match format.codec {
        Codec::Opus => write!(sdp, "a=rtpmap:{pt} opus/{rate}/2\r\n"),
        Codec::H264 => write!(sdp, "a=rtpmap:{pt} H264/{rate}\r\n"),
        Codec::Vp8 => write!(sdp, "a=rtpmap:{pt} VP8/{rate}\r\n"),
    };
    if !format.fmtp.is_empty() {
        let _ = write!(sdp, "a=fmtp:{pt} {}\r\n", format.fmtp);
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

fn syntax_error(error: &SyntaxError) -> OfferError {
    match error {
        SyntaxError::Line(line) => OfferError::new(
            OfferErrorKind::NotSdp,
            format!("Line {line} of the offer is not of the form <letter>=<value>."),
        ),
        SyntaxError::MediaLine(line) => OfferError::new(
            OfferErrorKind::NotSdp,
            format!("Line {line} of the offer, an m= line, lacks media, port or protocol."),
        ),
        SyntaxError::TooManySections => OfferError::new(
            OfferErrorKind::TooLarge,
            format!(
                "The offer has more than {} media sections.",
                crate::limits::SECTIONS_MAX
            ),
        ),
    }
}

/// The mids of the first BUNDLE group.
fn bundle_group<'a>(description: &Description<'a>) -> Option<Vec<&'a str>> {
    description.session.iter().find_map(|line| {
        let mut words = line.strip_prefix("a=group:")?.split_ascii_whitespace();
        (words.next()? == "BUNDLE").then(|| words.collect())
    })
}

fn take_sections(
    description: &Description<'_>,
    role: Role,
    bundle: Option<&[&str]>,
) -> Result<Vec<OfferedSection>, OfferError> {
    if bundle.is_none() && description.sections.len() > 1 {
        return Err(OfferError::new(
            OfferErrorKind::NoBundle,
            "The offer has several media sections but no a=group:BUNDLE; they must share one transport.",
        ));
    }
    let mut taken = [false; 2];
    let mut codecless = None;
    let mut sections = Vec::with_capacity(description.sections.len());
    for section in &description.sections {
        let mut media = None;
        if let Some(kind) = usable_kind(description, section, role, bundle)
            && !taken[kind.index()]
        {
            media = media_offer(section, kind, role, sections.len())?;
            taken[kind.index()] = true;
            if media.is_none() {
                codecless = codecless.or(Some(kind));
            }
        }
        sections.push(OfferedSection {
            kind: section.kind.into(),
            proto: section.proto.into(),
            formats: section.formats.join(" "),
            mid: attribute(&section.lines, "mid").map(Into::into),
            media,
        });
    }
    check_sections(&sections, role, codecless)?;
    Ok(sections)
}

/// A publisher means each track it offers, so a track nobody could watch is an error. A subscriber offers what it
/// could receive, so it gets what fits.
fn check_sections(
    sections: &[OfferedSection],
    role: Role,
    codecless: Option<MediaKind>,
) -> Result<(), OfferError> {
    let any = sections.iter().any(|section| section.media.is_some());
    if let Some(kind) = codecless
        && (role == Role::Publisher || !any)
    {
        let codecs = match kind {
            MediaKind::Audio => "Opus",
            MediaKind::Video => "H.264 or VP8",
        };
        return Err(OfferError::new(
            OfferErrorKind::NoUsableCodec(kind),
            format!("The {kind} section of the offer has no usable codec; {codecs} is needed."),
        ));
    }
    if !any {
        let direction = match role {
            Role::Publisher => "sendonly or sendrecv",
            Role::Subscriber => "recvonly or sendrecv",
        };
        return Err(OfferError::new(
            OfferErrorKind::NoMedia,
            format!("The offer has no audio or video section that is {direction}."),
        ));
    }
    let mut mids: Vec<&str> = sections
        .iter()
        .filter_map(|s| s.media.as_ref())
        .map(|m| m.mid.as_str())
        .collect();
    mids.sort_unstable();
    if mids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(OfferError::new(
            OfferErrorKind::NotSdp,
            "Two media sections of the offer have the same a=mid.",
        ));
    }
    Ok(())
}

fn usable_kind(
    description: &Description<'_>,
    section: &Section<'_>,
    role: Role,
    bundle: Option<&[&str]>,
) -> Option<MediaKind> {
    let kind = match section.kind {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => return None,
    };
    let is_in_bundle = bundle
        .is_none_or(|mids| attribute(&section.lines, "mid").is_some_and(|mid| mids.contains(&mid)));
    // Port 0 means refused, except for a bundle-only section (RFC 9143 §6).
    let is_alive = section.port != "0" || has_flag(&section.lines, "bundle-only");
    let is_secure = matches!(section.proto, "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP");
    let direction = ["sendrecv", "sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|name| has_flag(&section.lines, name))
        .or_else(|| {
            ["sendonly", "recvonly", "inactive"]
                .into_iter()
                .find(|name| has_flag(&description.session, name))
        })
        .unwrap_or("sendrecv");
    let fits = match role {
        Role::Publisher => matches!(direction, "sendrecv" | "sendonly"),
        Role::Subscriber => matches!(direction, "sendrecv" | "recvonly"),
    };
    (is_in_bundle && is_alive && is_secure && fits).then_some(kind)
}

/// `None` when no codec of the section is forwarded here.
fn media_offer(
    section: &Section<'_>,
    kind: MediaKind,
    role: Role,
    position: usize,
) -> Result<Option<MediaOffer>, OfferError> {
    // A section may lack a mid only when it is alone; any name serves then.
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
    let formats = formats(section, kind);
    if formats.is_empty() {
        return Ok(None);
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
    Ok(Some(MediaOffer {
        kind,
        mid,
        formats,
        extensions: extensions(section, role),
        rids,
        ssrcs,
    }))
}

fn formats(section: &Section<'_>, kind: MediaKind) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    let mut used = [false; 128];
    for name in section.formats.iter().take(4 * FORMATS_PER_SECTION_MAX) {
        let Some(pt) = payload_type(name) else {
            continue;
        };
        if formats.len() == FORMATS_PER_SECTION_MAX || used[usize::from(pt)] {
            continue;
        }
        let Some(codec) = codec_of(section, pt, kind) else {
            continue;
        };
        let fmtp = value_for(section, "fmtp", pt).unwrap_or_default();
        let mut feedback: Vec<String> = Vec::new();
        for value in attributes(&section.lines, "rtcp-fb") {
            let Some((target, value)) = value.split_once(' ') else {
                continue;
            };
            if (target == "*" || payload_type(target) == Some(pt)) && feedback.len() < 16 {
                feedback.push(value.trim().into());
            }
        }
        used[usize::from(pt)] = true;
        let format = Format {
            pt,
            rtx: None,
            codec,
            fmtp: fmtp.into(),
            feedback,
        };
        // H.264 with an interleaved mode or a malformed profile cannot be forwarded.
        if codec == Codec::H264
            && (format.packetization_mode() > 1 || format.h264_profile().is_none())
        {
            continue;
        }
        formats.push(format);
    }
    for format in &mut formats {
        format.rtx = retransmission_type(section, format.pt).filter(|rtx| !used[usize::from(*rtx)]);
        if let Some(rtx) = format.rtx {
            used[usize::from(rtx)] = true;
        }
    }
    formats.sort_by_key(Format::preference);
    formats
}

/// A payload type as written, if it is one that RTP and RTCP on one port cannot confuse (RFC 5761 §4).
fn payload_type(text: &str) -> Option<u8> {
    let pt: u8 = text.parse().ok()?;
    matches!(pt, 0..=63 | 96..=127).then_some(pt)
}

fn value_for<'a>(section: &'a Section<'a>, name: &'a str, pt: u8) -> Option<&'a str> {
    attributes(&section.lines, name).find_map(|value| {
        let (target, value) = value.split_once(' ')?;
        (payload_type(target) == Some(pt)).then(|| value.trim())
    })
}

fn codec_of(section: &Section<'_>, pt: u8, kind: MediaKind) -> Option<Codec> {
    let mut fields = value_for(section, "rtpmap", pt)?.split('/');
    let codec = Codec::from_rtpmap(fields.next()?, fields.next()?.parse().ok()?)?;
    // RFC 7587 §7: Opus is always declared with two channels.
    let channels = fields.next().unwrap_or("1");
    let is_right = codec != Codec::Opus || channels == "2";
    (codec.kind() == kind && is_right).then_some(codec)
}

fn retransmission_type(section: &Section<'_>, pt: u8) -> Option<u8> {
    section
        .formats
        .iter()
        .filter_map(|name| payload_type(name))
        .find(|candidate| {
            value_for(section, "rtpmap", *candidate)
                .is_some_and(|map| map.to_ascii_lowercase().starts_with("rtx/"))
                && value_for(section, "fmtp", *candidate)
                    .and_then(|fmtp| crate::codec::parameter(fmtp, "apt"))
                    .and_then(payload_type)
                    == Some(pt)
        })
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
        // `/sendrecv` and the like may follow the id (RFC 8285 §8).
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
        for group in list.split(';') {
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
                && rid.bytes().all(|byte| byte.is_ascii_alphanumeric());
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

fn ice_credentials(description: &Description<'_>) -> Result<IceCredentials, OfferError> {
    let ufrag = any_of(description, "ice-ufrag");
    let pwd = any_of(description, "ice-pwd");
    let (Some(ufrag), Some(pwd)) = (ufrag, pwd) else {
        return Err(OfferError::new(
            OfferErrorKind::NoIce,
            "The offer lacks a=ice-ufrag or a=ice-pwd.",
        ));
    };
    IceCredentials::parse(ufrag, pwd).ok_or_else(|| {
        OfferError::new(
            OfferErrorKind::NoIce,
            "a=ice-ufrag must be 4 to 256 and a=ice-pwd 22 to 256 letters, digits, + or /.",
        )
    })
}

fn fingerprint(description: &Description<'_>) -> Result<String, OfferError> {
    let all = attributes(&description.session, "fingerprint").chain(
        description
            .sections
            .iter()
            .flat_map(|section| attributes(&section.lines, "fingerprint")),
    );
    let mut weaker = None;
    for value in all {
        let Some((hash, bytes)) = value.split_once(' ') else {
            continue;
        };
        let bytes = bytes.trim();
        let length = match hash.to_ascii_lowercase().as_str() {
            "sha-256" => 32,
            "sha-1" => 20,
            _ => continue,
        };
        let is_hex =
            |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        if bytes.split(':').count() != length || !bytes.split(':').all(is_hex) {
            continue;
        }
        let value = format!("{} {bytes}", hash.to_ascii_lowercase());
        if length == 32 {
            return Ok(value);
        }
        weaker = weaker.or(Some(value));
    }
    weaker.ok_or_else(|| {
        OfferError::new(
            OfferErrorKind::NoDtls,
            "The offer lacks an a=fingerprint with sha-256 or sha-1.",
        )
    })
}

fn setup(description: &Description<'_>) -> Result<&'static str, OfferError> {
    match any_of(description, "setup") {
        Some("actpass") | None => Ok("actpass"),
        Some("active") => Ok("active"),
        Some("passive") => Ok("passive"),
        Some(_) => Err(OfferError::new(
            OfferErrorKind::NoDtls,
            "a=setup of the offer must be actpass, active or passive.",
        )),
    }
}
