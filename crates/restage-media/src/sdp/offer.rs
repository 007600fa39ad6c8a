//! A client's offer: the parts that matter here.
//!
//! At most one audio and one video section are accepted, the first of each that fits the role. Remote candidates are ignored: an
//! ICE-lite agent answers checks and learns addresses from them (RFC 8445 §2.5).

use restage_codec::{Codec, MediaKind};

use super::fingerprint::{self, Fingerprint};
use super::format::Format;
use super::media::MediaOffer;
use super::{Description, Section, SyntaxError, any_of, attribute, has_flag, is_ice_chars};
use crate::error::{OfferError, OfferErrorKind};
use crate::limits::OFFER_BYTES_MAX;

/// What a peer does with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It sends one publisher's audio and video (WHIP, RFC 9725).
    Publisher,
    /// It receives one publication (WHEP).
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
    /// Whether header extensions of one-byte and of two-byte form may be mixed in the stream (RFC 8285 §4.1.2).
    pub(crate) mixes_forms: bool,
    /// The client's certificate must match one of these.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// Whether the client wants to be the DTLS server (`a=setup:passive`).
    pub(crate) is_dtls_server: bool,
    /// Every section in order, including refused ones, because an answer has the same number.
    pub(crate) sections: Vec<OfferedSection>,
}

#[derive(Debug, Clone)]
pub(crate) struct OfferedSection {
    /// The fields of its `m=` line, for the answer.
    pub(crate) kind: String,
    pub(crate) proto: String,
    pub(crate) formats: String,
    pub(crate) mid: Option<String>,
    /// Whether the client accepts feedback without sender or receiver reports before it (RFC 5506 §5).
    pub(crate) has_rsize: bool,
    /// Whether this is the first section of the bundle: its answer may not refuse it, because it represents the
    /// transport (RFC 9143 §7.3.3).
    pub(crate) is_tagged: bool,
    /// `None`: the section is not used.
    pub(crate) media: Option<MediaOffer>,
    /// The kind of the section, if it is refused only because no codec of it is forwarded.
    pub(crate) lacks_codec: Option<MediaKind>,
    /// For an unused section: the lines that describe its formats. Some clients refuse an answer without them.
    pub(crate) echo: Vec<String>,
}

impl OfferedSection {
    /// What a client takes of a stream that it was offered: no media means that it can decode nothing of it.
    pub(crate) fn taken(kind: MediaKind, media: Option<MediaOffer>) -> Self {
        Self {
            kind: kind.to_string(),
            proto: String::new(),
            formats: String::new(),
            mid: None,
            has_rsize: false,
            is_tagged: false,
            lacks_codec: media.is_none().then_some(kind),
            media,
            echo: Vec::new(),
        }
    }
}

impl Offer {
    /// A kind of media is not wanted any more.
    pub(crate) fn drop_kind(&mut self, kind: MediaKind) {
        let of = |section: &OfferedSection| {
            let media = section.media.as_ref().map(|media| media.kind);
            media.or(section.lacks_codec)
        };
        self.sections.retain(|section| of(section) != Some(kind));
    }

    /// In place of the offer of a peer that has made none.
    pub(crate) fn none() -> Self {
        Self {
            role: Role::Subscriber,
            ice: IceCredentials {
                ufrag: String::new(),
                pwd: String::new(),
            },
            is_trickling: false,
            is_bundled: true,
            mixes_forms: false,
            fingerprints: Vec::new(),
            is_dtls_server: false,
            sections: Vec::new(),
        }
    }

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
            mixes_forms: mixes_forms(&description),
            fingerprints: fingerprint::all_of(&description)?,
            is_dtls_server: is_dtls_server(&description)?,
            sections,
        })
    }

    /// Leaves these codecs out of what a publisher may send.
    ///
    /// # Errors
    /// Nothing is left of a section.
    pub(crate) fn refuse_codecs(&mut self, refused: &[Codec]) -> Result<(), OfferError> {
        let sections = self.sections.iter_mut();
        for media in sections.filter_map(|section| section.media.as_mut()) {
            media
                .formats
                .retain(|format| !refused.contains(&format.codec));
            if media.formats.is_empty() {
                let all = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H265];
                let taken = all.into_iter().filter(|codec| !refused.contains(codec));
                let taken: Vec<&str> = taken.map(|codec| codec.name()).collect();
                let kind = media.kind;
                return Err(OfferError::new(
                    OfferErrorKind::NoUsableCodec(kind),
                    format!(
                        "The {kind} section of the offer has no codec that may be published here: {} is needed (setting limit-publish-codecs).",
                        taken.join(" or ")
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn media(&self) -> impl Iterator<Item = &MediaOffer> {
        self.sections
            .iter()
            .filter_map(|section| section.media.as_ref())
    }

    /// The kinds that a subscriber wants to receive, with its formats (none if no codec of it is forwarded).
    pub(crate) fn wishes(&self) -> impl Iterator<Item = (MediaKind, &[Format])> {
        self.sections.iter().filter_map(|section| {
            let taken = section.media.as_ref();
            let taken = taken.map(|media| (media.kind, media.formats.as_slice()));
            taken.or_else(|| section.lacks_codec.map(|kind| (kind, [].as_slice())))
        })
    }
}

pub(super) fn syntax_error(error: &SyntaxError) -> OfferError {
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

/// Whether header extensions of both forms may be used (RFC 8285 §6).
pub(super) fn mixes_forms(description: &Description<'_>) -> bool {
    has_flag(&description.session, "extmap-allow-mixed")
}

/// The mids of the first BUNDLE group.
pub(super) fn bundle_group<'a>(description: &Description<'a>) -> Option<Vec<&'a str>> {
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
            let position = sections.len();
            media = MediaOffer::parse(section, kind, role, position, mixes_forms(description))?;
            taken[kind.index()] = true;
            if media.is_none() {
                lacks_codec = Some(kind);
                codecless = codecless.or(Some(kind));
            }
        }
        let mid = attribute(&section.lines, "mid");
        let is_first = bundle.is_some_and(|mids| mid.is_some() && mids.first().copied() == mid);
        sections.push(OfferedSection {
            kind: section.kind.into(),
            proto: section.proto.into(),
            formats: section.formats.join(" "),
            mid: mid.map(Into::into),
            has_rsize: has_flag(&section.lines, "rtcp-rsize"),
            is_tagged: is_first && is_idle(section),
            echo: if media.is_none() {
                echo(section)
            } else {
                Vec::new()
            },
            media,
            lacks_codec,
        });
    }
    check_sections(&sections, role, codecless)?;
    Ok(sections)
}

/// A publisher wants to send every track it offers, so a track that nobody could watch is an error. A subscriber
/// offers what it could receive, so it gets what fits.
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
            MediaKind::Video => "H.264, VP8, VP9, AV1 or H.265",
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
            format!(
                "The offer has no audio or video section that is {direction}, has the profile UDP/TLS/RTP/SAVPF, \
                 and is in the BUNDLE group by its a=mid."
            ),
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

pub(super) fn usable_kind(
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
    (is_in_bundle && is_alive && is_secure(section) && fits).then_some(kind)
}

pub(super) fn ice_credentials(description: &Description<'_>) -> Result<IceCredentials, OfferError> {
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
            "a=ice-ufrag must be 4 to 256 and a=ice-pwd 22 to 256 letters, digits, +, /, -, _ or =.",
        )
    })
}

pub(super) fn is_dtls_server(description: &Description<'_>) -> Result<bool, OfferError> {
    match any_of(description, "setup") {
        Some("actpass" | "active") | None => Ok(false),
        Some("passive") => Ok(true),
        Some(_) => Err(OfferError::new(
            OfferErrorKind::NoDtls,
            "a=setup of the offer must be actpass, active or passive.",
        )),
    }
}

/// Whether an unused section can be answered as inactive instead of refused.
fn is_idle(section: &Section<'_>) -> bool {
    matches!(section.kind, "audio" | "video") && section.port != "0" && is_secure(section)
}

fn is_secure(section: &Section<'_>) -> bool {
    matches!(section.proto, "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP")
}

/// The lines of a section that describe its formats.
fn echo(section: &Section<'_>) -> Vec<String> {
    let names = ["a=rtpmap:", "a=fmtp:", "a=sctp-port:", "a=sctpmap:"];
    let is_format = |line: &&&str| names.iter().any(|name| line.starts_with(name));
    let lines = section.lines.iter().filter(is_format);
    lines.map(|line| (*line).to_owned()).collect()
}
