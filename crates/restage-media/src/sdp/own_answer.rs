//! A client's answer to an offer of this end. What it says is held against what was offered.

use restage_codec::{Codec, MediaKind};

use super::fingerprint::{self, Fingerprint};
use super::media::MediaOffer;
use super::offer::{
    IceCredentials, Offer, Role, bundle_group, ice_credentials, is_dtls_server, mixes_forms,
    syntax_error, usable_kind,
};
use super::own_offer::{extensions, formats};
use super::{Description, Section, any_of, attribute, has_flag};
use crate::error::{OfferError, OfferErrorKind};
use crate::limits::{ANSWER_BYTES_MAX, LINES_MAX};

/// A section as it was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) kind: MediaKind,
    pub(crate) mid: String,
}

/// What a client does with an offered section.
#[derive(Debug, Clone)]
pub(crate) enum Taken {
    /// It takes nothing there.
    Nothing,
    /// It would take the stream, and can decode nothing that is forwarded.
    Undecodable,
    /// It takes the stream.
    Media(Box<MediaOffer>),
}

/// An answer that fits its offer.
#[derive(Debug, Clone)]
pub(crate) struct OwnAnswer {
    pub(crate) ice: IceCredentials,
    /// The client's certificate must match one of these.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// Whether the client is the DTLS server (`a=setup:passive`).
    pub(crate) is_dtls_server: bool,
    /// In the order of the offer.
    pub(crate) sections: Vec<Taken>,
}

fn wrong(message: impl Into<String>) -> OfferError {
    OfferError::new(OfferErrorKind::WrongAnswer, message)
}

impl OwnAnswer {
    /// Reads an answer to an offer with these sections, without codecs in which nobody may publish.
    ///
    /// # Errors
    /// It is none, or says something else than what was offered.
    pub(crate) fn parse(
        text: &str,
        asked: &[Asked],
        refused: &[Codec],
    ) -> Result<Self, OfferError> {
        if text.len() > ANSWER_BYTES_MAX {
            let length = text.len();
            return Err(OfferError::new(
                OfferErrorKind::TooLarge,
                format!("The answer is {length} bytes long; at most {ANSWER_BYTES_MAX} are taken."),
            ));
        }
        let description = Description::parse_up_to(text, LINES_MAX)
            .map_err(|error| syntax_error(&error).of_answer())?;
        if description.session.first() != Some(&"v=0") {
            return Err(OfferError::new(
                OfferErrorKind::NotSdp,
                "The answer does not begin with the line v=0.",
            ));
        }
        if has_flag(&description.session, "ice-lite") {
            return Err(OfferError::new(
                OfferErrorKind::IceLite,
                "The answer says ice-lite; this server is ICE-lite too, so neither end would check the path.",
            ));
        }
        if any_of(&description, "setup") == Some("actpass") {
            return Err(OfferError::new(
                OfferErrorKind::NoDtls,
                "a=setup of the answer must be active or passive.",
            ));
        }
        let sections = take_sections(&description, asked, refused)?;
        Ok(Self {
            ice: ice_credentials(&description).map_err(OfferError::of_answer)?,
            fingerprints: fingerprint::all_of(&description).map_err(OfferError::of_answer)?,
            is_dtls_server: is_dtls_server(&description).map_err(OfferError::of_answer)?,
            sections,
        })
    }

    /// The same as an offer of its client, for the parts that make a connection.
    pub(crate) fn connection(&self) -> Offer {
        Offer {
            ice: self.ice.clone(),
            fingerprints: self.fingerprints.clone(),
            is_dtls_server: self.is_dtls_server,
            ..Offer::none()
        }
    }
}

fn take_sections(
    description: &Description<'_>,
    asked: &[Asked],
    refused: &[Codec],
) -> Result<Vec<Taken>, OfferError> {
    if description.sections.len() != asked.len() {
        return Err(wrong(format!(
            "The answer has {} media sections; the offer has {}.",
            description.sections.len(),
            asked.len()
        )));
    }
    let bundle = bundle_group(description).unwrap_or_default();
    let mut sections = Vec::with_capacity(asked.len());
    for (section, asked) in description.sections.iter().zip(asked) {
        let is_it = section.kind == asked.kind.to_string()
            && attribute(&section.lines, "mid") == Some(&asked.mid);
        if !is_it {
            return Err(wrong(format!(
                "Section {} of the answer must be {} with a=mid:{}, as in the offer.",
                sections.len(),
                asked.kind,
                asked.mid
            )));
        }
        if section.port == "0" || !bundle.contains(&asked.mid.as_str()) {
            return Err(wrong(format!(
                "The answer rejects the section with a=mid:{}; what is not wanted must be inactive, so that the section can be used again.",
                asked.mid
            )));
        }
        sections.push(take(description, section, asked, (&bundle, refused))?);
    }
    Ok(sections)
}

fn take(
    description: &Description<'_>,
    section: &Section<'_>,
    asked: &Asked,
    (bundle, refused): (&[&str], &[Codec]),
) -> Result<Taken, OfferError> {
    let usable = usable_kind(description, section, Role::Subscriber, Some(bundle));
    if usable != Some(asked.kind) {
        return Ok(Taken::Nothing);
    }
    let forms = mixes_forms(description);
    let media = MediaOffer::parse(section, asked.kind, Role::Subscriber, 0, forms);
    let Some(media) = media.map_err(OfferError::of_answer)? else {
        return Ok(Taken::Undecodable);
    };
    let offered = formats(asked.kind, refused);
    for format in &media.formats {
        let same = offered.iter().find(|one| one.pt == format.pt);
        let is_offered = same.is_some_and(|one| {
            let is_same_rtx = format.rtx.is_none() || format.rtx == one.rtx;
            one.codec == format.codec && one.block_type() == format.block_type() && is_same_rtx
        });
        if !is_offered {
            return Err(wrong(format!(
                "Payload type {} in the section with a=mid:{} of the answer is not what it is in the offer.",
                format.pt, asked.mid
            )));
        }
    }
    let known = extensions(asked.kind);
    let is_known = |(id, uri): &(u8, String)| known.contains(&(*id, uri.as_str()));
    if let Some((id, _)) = media.extensions.iter().find(|one| !is_known(one)) {
        return Err(wrong(format!(
            "Header extension {id} in the section with a=mid:{} of the answer is not what it is in the offer.",
            asked.mid
        )));
    }
    Ok(Taken::Media(Box::new(media)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        a=extmap-allow-mixed\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:active\r\n\
        a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";
    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\n";
    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 116 117\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=rtpmap:116 VP8/90000\r\na=rtcp-fb:116 nack\r\na=rtcp-fb:116 transport-cc\r\n\
        a=rtpmap:117 rtx/90000\r\na=fmtp:117 apt=116\r\n";

    fn parse(text: &str) -> Result<OwnAnswer, OfferErrorKind> {
        let asked = [(MediaKind::Audio, "0"), (MediaKind::Video, "1")].map(|(kind, mid)| Asked {
            kind,
            mid: mid.to_owned(),
        });
        OwnAnswer::parse(text, &asked, &[]).map_err(|error| error.kind())
    }

    #[test]
    fn a_client_keeps_what_it_can_decode() {
        let answer = parse(&format!("{HEAD}{AUDIO}{VIDEO}")).unwrap();
        let [Taken::Media(audio), Taken::Media(video)] = &answer.sections[..] else {
            panic!("{:?}", answer.sections)
        };
        assert_eq!((audio.formats.len(), audio.formats[0].pt), (1, 111));
        assert_eq!(
            (video.formats[0].pt, video.formats[0].rtx),
            (116, Some(117))
        );
        assert!(!answer.is_dtls_server);
        let inactive = VIDEO.replace("recvonly", "inactive");
        let answer = parse(&format!("{HEAD}{AUDIO}{inactive}")).unwrap();
        assert!(matches!(answer.sections[1], Taken::Nothing));
        let unknown = VIDEO.replace("VP8", "MPEG");
        let answer = parse(&format!("{HEAD}{AUDIO}{unknown}")).unwrap();
        assert!(matches!(answer.sections[1], Taken::Undecodable));
    }

    #[test]
    fn what_was_not_offered_is_refused() {
        use OfferErrorKind::{IceLite, NoDtls, NoIce, NotSdp, TooLarge, WrongAnswer};
        let whole = format!("{HEAD}{AUDIO}{VIDEO}");
        for (from, to, kind) in [
            ("m=video", "m=audio", WrongAnswer),
            ("a=mid:1", "a=mid:2", WrongAnswer),
            ("m=video 9", "m=video 0", WrongAnswer),
            ("BUNDLE 0 1", "BUNDLE 0", WrongAnswer),
            ("a=rtpmap:116 VP8", "a=rtpmap:116 H264", WrongAnswer),
            (
                "a=fmtp:117 apt=116",
                "a=fmtp:119 apt=116\r\na=rtpmap:119 rtx/90000",
                WrongAnswer,
            ),
            ("a=extmap:3", "a=extmap:5", WrongAnswer),
            ("a=setup:active", "a=setup:actpass", NoDtls),
            ("a=setup:active", "a=setup:holdconn", NoDtls),
            ("a=fingerprint", "a=nothing", NoDtls),
            ("a=ice-pwd", "a=nothing", NoIce),
            ("t=0 0", "t=0 0\r\na=ice-lite", IceLite),
            ("v=0", "v=1", NotSdp),
            ("s=-", "hello", NotSdp),
        ] {
            let changed = whole.replace(from, to);
            let changed = match from {
                "a=fmtp:117 apt=116" => changed.replace("116 117", "116 119"),
                _ => changed,
            };
            assert_ne!(changed, whole);
            assert_eq!(parse(&changed).map(drop), Err(kind), "{from} -> {to}");
        }
        let (short, long) = (format!("{HEAD}{AUDIO}"), format!("{whole}{VIDEO}"));
        assert_eq!(parse(&short).map(drop), Err(WrongAnswer));
        assert_eq!(parse(&long).map(drop), Err(WrongAnswer));
        assert_eq!(parse("").map(drop), Err(NotSdp));
        let many = format!("{HEAD}{}", VIDEO.repeat(LINES_MAX + 1));
        assert_eq!(parse(&many).map(drop), Err(TooLarge));
        let huge = "a=x\r\n".repeat(ANSWER_BYTES_MAX);
        assert_eq!(parse(&huge).map(drop), Err(TooLarge));
    }
}
