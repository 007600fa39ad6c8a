//! Fingerprints of certificates (RFC 8122 §5).

use super::{Description, attributes};
use crate::error::{OfferError, OfferErrorKind};
use crate::limits::FINGERPRINTS_MAX;

/// A hash function of `a=fingerprint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Names are case-insensitive.
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "sha-1" => Self::Sha1,
            "sha-224" => Self::Sha224,
            "sha-256" => Self::Sha256,
            "sha-384" => Self::Sha384,
            "sha-512" => Self::Sha512,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A fingerprint of the remote end's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) hash: Hash,
    pub(crate) bytes: Box<[u8]>,
}

impl Fingerprint {
    /// `None` for another hash function, and for malformed hexadecimal pairs or a wrong number of them.
    fn parse(value: &str) -> Option<Self> {
        let (name, pairs) = value.split_once(char::is_whitespace)?;
        let hash = Hash::of(name)?;
        let byte = |pair: &str| {
            let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_pair.then(|| u8::from_str_radix(pair, 16).ok())?
        };
        let bytes: Option<Box<[u8]>> = pairs.trim().split(':').map(byte).collect();
        let bytes = bytes.filter(|bytes| bytes.len() == hash.bytes())?;
        Some(Self { hash, bytes })
    }
}

/// Every usable fingerprint of an offer; the certificate must match one. SHA-1 counts only if there is no better one.
pub(crate) fn all_of(description: &Description<'_>) -> Result<Vec<Fingerprint>, OfferError> {
    let sections = description.sections.iter();
    let lines = attributes(&description.session, "fingerprint")
        .chain(sections.flat_map(|section| attributes(&section.lines, "fingerprint")));
    let mut all: Vec<Fingerprint> = Vec::new();
    for fingerprint in lines.filter_map(Fingerprint::parse) {
        if all.len() < FINGERPRINTS_MAX && !all.contains(&fingerprint) {
            all.push(fingerprint);
        }
    }
    if all.iter().any(|fingerprint| fingerprint.hash != Hash::Sha1) {
        all.retain(|fingerprint| fingerprint.hash != Hash::Sha1);
    }
    if all.is_empty() {
        return Err(OfferError::new(
            OfferErrorKind::NoDtls,
            "The offer lacks an a=fingerprint with sha-256, sha-384, sha-512, sha-224 or sha-1.",
        ));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Option<Vec<Hash>> {
        let text = format!("v=0\n{lines}");
        let all = all_of(&Description::parse(&text).unwrap()).ok()?;
        Some(all.iter().map(|fingerprint| fingerprint.hash).collect())
    }

    fn line(name: &str, bytes: usize) -> String {
        format!("a=fingerprint:{name} {}\n", vec!["aB"; bytes].join(":"))
    }

    #[test]
    fn every_hash_is_taken_in_any_case_and_with_any_space() {
        for (name, bytes) in [
            ("sha-224", 28),
            ("SHA-256", 32),
            ("sha-384", 48),
            ("Sha-512", 64),
        ] {
            assert_eq!(of(&line(name, bytes)).unwrap().len(), 1, "{name}");
        }
        let spaced = line(" sha-256 ", 32);
        assert_eq!(of(&spaced), Some(vec![Hash::Sha256]));
    }

    #[test]
    fn sha_1_counts_only_alone() {
        assert_eq!(of(&line("sha-1", 20)), Some(vec![Hash::Sha1]));
        let both = line("sha-1", 20) + &line("sha-256", 32);
        assert_eq!(of(&both), Some(vec![Hash::Sha256]));
    }

    #[test]
    fn what_is_malformed_is_passed_over() {
        for bad in [
            line("sha-256", 31),
            line("md5", 16),
            "a=fingerprint:sha-256\n".into(),
            line("sha-256", 32).replace("aB:aB", "aG:aB"),
            line("sha-256", 32).replacen("aB:", "+B:", 1),
        ] {
            assert_eq!(of(&bad), None, "{bad}");
            let beside = bad + &line("sha-256", 32);
            assert_eq!(of(&beside), Some(vec![Hash::Sha256]));
        }
    }
}
