//! trickle-ice-sdpfrag (RFC 8840 §9): the body of a client's WHIP or WHEP PATCH.

use super::offer::IceCredentials;
use super::{Description, any_of};
use crate::error::{OfferError, OfferErrorKind};
use crate::limits::OFFER_BYTES_MAX;

/// A parsed fragment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// Its ICE credentials, if it has any.
    pub(crate) ice: Option<IceCredentials>,
    /// Number of candidates. Their contents are not needed, because an ICE-lite agent learns addresses from checks.
    pub(crate) candidates: u32,
}

impl Fragment {
    pub(crate) fn parse(text: &str) -> Result<Self, OfferError> {
        if text.len() > OFFER_BYTES_MAX {
            return Err(OfferError::new(
                OfferErrorKind::TooLarge,
                format!(
                    "The fragment is {} bytes long; at most {OFFER_BYTES_MAX} are taken.",
                    text.len()
                ),
            ));
        }
        let not_fragment = |message: &str| OfferError::new(OfferErrorKind::NotFragment, message);
        let description = Description::parse(text).map_err(|_| {
            not_fragment("The fragment has a line that is not of the form <letter>=<value>.")
        })?;
        let ufrag = any_of(&description, "ice-ufrag");
        let pwd = any_of(&description, "ice-pwd");
        let ice = match (ufrag, pwd) {
            (Some(ufrag), Some(pwd)) => {
                Some(IceCredentials::parse(ufrag, pwd).ok_or_else(|| {
                    not_fragment("a=ice-ufrag or a=ice-pwd of the fragment is malformed.")
                })?)
            }
            // Some clients name their session only by its user name fragment.
            (_, None) => None,
            (None, Some(_)) => {
                return Err(not_fragment(
                    "The fragment has an a=ice-pwd without an a=ice-ufrag.",
                ));
            }
        };
        let mut candidates = 0;
        let mut says_end = false;
        let lines = description
            .session
            .iter()
            .chain(description.sections.iter().flat_map(|s| &s.lines));
        for line in lines {
            if let Some(candidate) = line.strip_prefix("a=candidate:") {
                if !is_candidate(candidate) {
                    return Err(not_fragment(
                        "The fragment has an a=candidate that is not one.",
                    ));
                }
                candidates += 1;
            }
            says_end |= *line == "a=end-of-candidates";
        }
        if ice.is_none() && candidates == 0 && !says_end {
            return Err(not_fragment(
                "The fragment has neither candidates nor ICE credentials.",
            ));
        }
        Ok(Self { ice, candidates })
    }
}

/// Checks the fixed part of RFC 8839 §5.1; the address may be a name (mDNS).
fn is_candidate(value: &str) -> bool {
    let fields: Vec<&str> = value.split_ascii_whitespace().take(8).collect();
    let [_, component, _, priority, _, port, typ, _] = fields[..] else {
        return false;
    };
    component.parse::<u16>().is_ok()
        && priority.parse::<u32>().is_ok()
        && port.parse::<u16>().is_ok()
        && typ == "typ"
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATE: &str =
        "a=candidate:1 1 udp 2130706431 3f.local 5000 typ host generation 0\r\n";
    const ICE: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";

    fn kind(text: &str) -> OfferErrorKind {
        Fragment::parse(text).unwrap_err().kind()
    }

    #[test]
    fn candidates_with_credentials() {
        let fragment = Fragment::parse(&format!(
            "{ICE}m=audio 9 RTP/AVP 0\r\na=mid:0\r\n{CANDIDATE}{CANDIDATE}"
        ));
        let fragment = fragment.unwrap();
        assert_eq!(fragment.ice.unwrap().ufrag, "abcd");
        assert_eq!(fragment.candidates, 2);
    }

    #[test]
    fn the_end_of_candidates_alone_is_a_fragment() {
        let fragment =
            Fragment::parse("m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n").unwrap();
        assert_eq!(
            fragment,
            Fragment {
                ice: None,
                candidates: 0
            }
        );
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        assert_eq!(kind(""), OfferErrorKind::NotFragment);
        assert_eq!(kind("{\"candidate\":1}"), OfferErrorKind::NotFragment);
        assert_eq!(kind("a=ice-ufrag:abcd\r\n"), OfferErrorKind::NotFragment);
        assert_eq!(
            kind("a=ice-ufrag:a\r\na=ice-pwd:b\r\n"),
            OfferErrorKind::NotFragment
        );
        assert_eq!(kind("a=candidate:1 1 udp\r\n"), OfferErrorKind::NotFragment);
        assert_eq!(
            kind(&"a=x\r\n".repeat(OFFER_BYTES_MAX)),
            OfferErrorKind::TooLarge
        );
    }
}
