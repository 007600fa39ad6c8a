//! A client's offer: what it says that matters here, and the rebuilt offer the engine is given.
//!
//! At most one audio and one video section are taken, the first of each that fits the role. Remote candidates are
//! left out: an ICE-lite agent answers checks and learns addresses from them (RFC 8445 §2.5).

use std::fmt::Write as _;

use super::media::MediaOffer;
use super::{
    Description, Section, SyntaxError, any_of, attribute, attributes, has_flag, is_ice_chars,
};
use crate::codec::Format;
use crate::error::{OfferError, OfferErrorKind};
use crate::io::MediaKind;
use crate::limits::OFFER_BYTES_MAX;

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
    /// It is refused only because it has no codec that is forwarded.
    pub(crate) lacks_codec: Option<MediaKind>,
}

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

    /// What a subscriber wants to receive of each kind, and in which formats: none, if it has no codec that is forwarded.
    pub(crate) fn wishes(&self) -> impl Iterator<Item = (MediaKind, &[Format])> {
        self.sections.iter().filter_map(|section| {
            let taken = section.media.as_ref();
            let taken = taken.map(|media| (media.kind, media.formats.as_slice()));
            taken.or(section.lacks_codec.map(|kind| (kind, [].as_slice())))
        })
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
        let (mut media, mut lacks_codec) = (None, None);
        if let Some(kind) = usable_kind(description, section, role, bundle)
            && !taken[kind.index()]
        {
            media = MediaOffer::parse(section, kind, role, sections.len())?;
            taken[kind.index()] = true;
            if media.is_none() {
                lacks_codec = Some(kind);
                codecless = codecless.or(Some(kind));
            }
        }
        sections.push(OfferedSection {
            kind: section.kind.into(),
            proto: section.proto.into(),
            formats: section.formats.join(" "),
            mid: attribute(&section.lines, "mid").map(Into::into),
            media,
            lacks_codec,
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
    let mut used = [false; 128];
    for format in sections
        .iter()
        .filter_map(|s| s.media.as_ref())
        .flat_map(|m| &m.formats)
    {
        for pt in [Some(format.pt), format.rtx].into_iter().flatten() {
            // Sections of one bundle share their payload types (RFC 9143 §9.2).
            if std::mem::replace(&mut used[usize::from(pt)], true) {
                return Err(OfferError::new(
                    OfferErrorKind::NotSdp,
                    format!("Payload type {pt} of the offer has two meanings."),
                ));
            }
        }
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
