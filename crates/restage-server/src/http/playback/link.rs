//! Links to the objects of one recording. A link is the recording's id, the second in which it stops working, and a MAC over
//! both. The server stores nothing, and needs no other sign of who asks.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use restage_core::row::RecordingId;

/// The first part of the path of every link.
pub(in crate::http) const RECORDINGS: &str = "/recordings/";
/// Life of a link, in seconds.
pub(in crate::http) const LINK_S: i64 = 15 * 60;
/// Separates the key of links from the key of tokens.
const PURPOSE: &[u8] = b"restage recording links";
/// Longest link that is read; one has 77 characters.
const LINK_LEN_MAX: usize = 160;

/// Makes and checks links.
pub struct RecordingLinks {
    key: hmac::Key,
    /// The URL of this server, without a slash at its end.
    public_url: String,
}

/// Why a link is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum LinkError {
    /// This server did not make it, or not in this form.
    Invalid,
    /// Its time is over.
    Expired,
}

impl RecordingLinks {
    /// Links that are signed with a key derived from the secret of this server's tokens, below a URL without a slash at its
    /// end.
    pub fn new(secret: &[u8], public_url: &str) -> Self {
        let of_tokens = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&of_tokens, PURPOSE);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            public_url: public_url.to_owned(),
        }
    }

    /// The URL of a recording until a second since 1970. It ends in a slash; the path of an object follows.
    pub(in crate::http) fn url(&self, recording: &RecordingId, ends_at_s: i64) -> String {
        let signed = self.sign(recording, ends_at_s);
        format!("{}{RECORDINGS}{signed}/", self.public_url)
    }

    fn sign(&self, recording: &RecordingId, ends_at_s: i64) -> String {
        let claim = format!("{recording}.{ends_at_s}");
        let mac = hmac::sign(&self.key, claim.as_bytes());
        format!("{claim}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// The recording of a link that works at a second since 1970.
    pub(in crate::http) fn open(&self, link: &str, now_s: i64) -> Result<RecordingId, LinkError> {
        if link.len() > LINK_LEN_MAX {
            return Err(LinkError::Invalid);
        }
        let (claim, mac) = link.rsplit_once('.').ok_or(LinkError::Invalid)?;
        let mac = URL_SAFE_NO_PAD
            .decode(mac)
            .map_err(|_| LinkError::Invalid)?;
        // In constant time.
        hmac::verify(&self.key, claim.as_bytes(), &mac).map_err(|_| LinkError::Invalid)?;
        let (recording, ends_at_s) = claim.split_once('.').ok_or(LinkError::Invalid)?;
        let ends_at_s: i64 = ends_at_s.parse().map_err(|_| LinkError::Invalid)?;
        match now_s < ends_at_s {
            true => Ok(RecordingId::new(recording)),
            false => Err(LinkError::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_790_000_000;

    fn links(secret: u8) -> RecordingLinks {
        RecordingLinks::new(&[secret; 32], "https://video.example.org/tv")
    }

    fn recording() -> RecordingId {
        RecordingId::new("aB3dEf6hXy7zAb3dEf6hXy")
    }

    #[test]
    fn a_link_leads_to_its_recording_until_it_ends() {
        let links = links(1);
        let url = links.url(&recording(), NOW_S + LINK_S);
        let rest = url.strip_prefix("https://video.example.org/tv/recordings/");
        let link = rest.and_then(|rest| rest.strip_suffix('/')).unwrap();
        assert_eq!(link.len(), 77);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        assert!(link.bytes().all(is_plain), "{link}");
        assert_eq!(links.open(link, NOW_S), Ok(recording()));
        assert_eq!(links.open(link, NOW_S + LINK_S - 1), Ok(recording()));
        assert_eq!(links.open(link, NOW_S + LINK_S), Err(LinkError::Expired));
    }

    #[test]
    fn no_other_link_works() {
        let links = links(1);
        let link = links.sign(&recording(), NOW_S + 1);
        assert_eq!(self::links(2).open(&link, NOW_S), Err(LinkError::Invalid));
        for place in 0..link.len() {
            for other in ['A', 'z', '0', '.'] {
                let mut changed: Vec<char> = link.chars().collect();
                if changed[place] == other {
                    continue;
                }
                changed[place] = other;
                let changed: String = changed.into_iter().collect();
                assert_ne!(links.open(&changed, NOW_S), Ok(recording()), "{changed}");
            }
        }
        let later = link.replace(&(NOW_S + 1).to_string(), &(NOW_S + 2).to_string());
        let long = format!("{link}{}", "A".repeat(LINK_LEN_MAX));
        for text in ["", ".", "..", "a.b.c", &link[..70], &later, &long] {
            assert_eq!(links.open(text, NOW_S), Err(LinkError::Invalid), "{text}");
        }
    }
}
