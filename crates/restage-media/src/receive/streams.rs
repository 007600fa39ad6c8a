//! The streams that a publisher has offered to send, and to which of them a packet belongs.

use restage_codec::MediaKind;

use crate::rtp::extensions::RidName;
use crate::rtp::header::{Elements, Header, Ids};
use crate::sdp::media::{self, MediaOffer};
use crate::sdp::offer::Offer;

/// The SSRC of bandwidth probes that belong to no stream. No stream may have it.
const PROBE_SSRC: u32 = 0;

/// The streams as they were negotiated.
#[derive(Debug, Clone)]
pub(crate) struct StreamMap {
    /// Header extension ids; an id has the same meaning in all sections (RFC 8843 §7.1.3, RFC 8859).
    pub(crate) ids: Ids,
    sections: Vec<Section>,
}

#[derive(Debug, Clone)]
pub(crate) struct Section {
    kind: MediaKind,
    mid: String,
    /// Names of simulcast encodings; empty for a plain track.
    rids: Vec<RidName>,
    /// SSRCs of a plain track and of its retransmissions, if announced.
    ssrcs: Option<(u32, Option<u32>)>,
    /// Payload types with those of their retransmissions.
    pub(crate) types: Vec<(u8, Option<u8>)>,
    /// Lost packets may be requested.
    pub(crate) can_nack: bool,
    pub(crate) clock_rate: u32,
}

/// What an SSRC carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Retransmission,
    Probe,
    /// Not known yet.
    Unknown,
}

/// The identity of an SSRC. A probe has no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) part: Part,
    pub(crate) kind: Option<MediaKind>,
    pub(crate) rid: Option<RidName>,
}

impl StreamMap {
    pub(crate) fn new(offer: &Offer) -> Self {
        let mut ids = Ids::default();
        for (id, uri) in offer.media().flat_map(|section| &section.extensions) {
            let place = match uri.as_str() {
                media::MID => &mut ids.mid,
                media::RID => &mut ids.rid,
                media::REPAIRED_RID => &mut ids.repaired_rid,
                media::TRANSPORT_SEQ => &mut ids.transport_seq,
                media::AUDIO_LEVEL => &mut ids.audio_level,
                media::ROTATION => &mut ids.rotation,
                media::DEPENDENCY => &mut ids.dependency,
                _ => continue,
            };
            place.get_or_insert(*id);
        }
        Self {
            ids,
            sections: offer.media().map(Section::new).collect(),
        }
    }

    pub(crate) fn section(&self, kind: MediaKind) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind == kind)
    }

    /// What the SSRC of a packet carries (RFC 8843 §9.2). The section is the one that its MID names; without a MID the one that
    /// has announced the SSRC, or the only one that has the payload type. `None`: nothing that was negotiated.
    pub(crate) fn identify(&self, header: &Header, elements: &Elements<'_>) -> Option<Identity> {
        if header.ssrc == PROBE_SSRC {
            return Some(Identity {
                part: Part::Probe,
                kind: None,
                rid: None,
            });
        }
        let named = elements.mid.and_then(|mid| {
            let mut sections = self.sections.iter();
            sections.find(|section| section.mid.as_bytes() == mid)
        });
        let announced = || {
            let mut sections = self.sections.iter();
            sections.find(|section| section.announced(header.ssrc).is_some())
        };
        let section = match (named, elements.mid) {
            (Some(section), _) => section,
            (None, Some(_)) => announced()?,
            (None, None) => announced().or_else(|| self.only_section_of(header.pt))?,
        };
        section.identify(header.ssrc, header.pt, elements)
    }

    /// What an announced SSRC carries.
    pub(crate) fn announced(&self, ssrc: u32) -> Option<Identity> {
        self.sections.iter().find_map(|section| {
            let part = section.announced(ssrc)?;
            Some(section.identity(part, None))
        })
    }

    /// The SSRC that the retransmissions of this SSRC repeat, if that was announced.
    pub(crate) fn repeated_by(&self, ssrc: u32) -> Option<u32> {
        let mut pairs = self.sections.iter().filter_map(|section| section.ssrcs);
        let (main, _) = pairs.find(|(_, rtx)| *rtx == Some(ssrc))?;
        Some(main)
    }

    fn only_section_of(&self, pt: u8) -> Option<&Section> {
        let mut sections = self.sections.iter().filter(|section| section.has(pt));
        let only = sections.next()?;
        sections.next().is_none().then_some(only)
    }
}

impl Section {
    fn new(media: &MediaOffer) -> Self {
        let formats = &media.formats;
        Self {
            kind: media.kind,
            mid: media.mid.clone(),
            rids: media
                .rids
                .iter()
                .filter_map(|rid| RidName::new(rid))
                .collect(),
            ssrcs: media.ssrcs,
            types: formats
                .iter()
                .map(|format| (format.pt, format.rtx))
                .collect(),
            can_nack: formats.iter().any(|format| format.has_feedback("nack")),
            clock_rate: formats
                .first()
                .map_or(0, |format| format.codec.clock_rate()),
        }
    }

    fn has(&self, pt: u8) -> bool {
        self.is_main(pt) || self.types.iter().any(|(_, rtx)| *rtx == Some(pt))
    }

    fn is_main(&self, pt: u8) -> bool {
        self.types.iter().any(|(main, _)| *main == pt)
    }

    fn identity(&self, part: Part, rid: Option<RidName>) -> Identity {
        Identity {
            part,
            kind: Some(self.kind),
            rid,
        }
    }

    fn announced(&self, ssrc: u32) -> Option<Part> {
        match self.ssrcs? {
            (main, _) if main == ssrc => Some(Part::Main),
            (_, rtx) if rtx == Some(ssrc) => Some(Part::Retransmission),
            _ => None,
        }
    }

    /// By RID if there are encodings (RFC 8852). The payload type marks a retransmission. An SSRC that was announced for
    /// retransmissions is one whatever the payload type: padding may have any.
    fn identify(&self, ssrc: u32, pt: u8, elements: &Elements<'_>) -> Option<Identity> {
        if !self.has(pt) {
            return None;
        }
        let repeats = !self.is_main(pt) || self.announced(ssrc) == Some(Part::Retransmission);
        let part = |repeats| {
            if repeats {
                Part::Retransmission
            } else {
                Part::Main
            }
        };
        if self.rids.is_empty() {
            return Some(self.identity(part(repeats), None));
        }
        let name = elements.rid.or(elements.repaired_rid)?;
        let mut rids = self.rids.iter();
        let rid = rids.find(|rid| rid.as_str().as_bytes() == name)?;
        Some(self.identity(part(repeats || elements.rid.is_none()), Some(*rid)))
    }
}
