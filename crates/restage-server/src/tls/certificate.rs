//! A certificate with its key, as TLS connections are served with, and what it says of itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectAltName};

/// Most certificates of a chain; usual ones have two or three.
const CHAIN_LEN_MAX: usize = 16;
/// Most names of a certificate that sentences list.
const NAMES_SHOWN_MAX: usize = 4;
/// The part of its life after which a certificate without a better rule is renewed: two thirds.
const RENEW_NUMERATOR: i64 = 2;
const RENEW_DENOMINATOR: i64 = 3;

/// The cryptography of all TLS connections of the server.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

/// Why a certificate and a key cannot be used, as the end of a sentence about them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CertificateFault {
    #[error("the certificate is not PEM: {0}")]
    Pem(String),
    #[error("there is no certificate in it (BEGIN CERTIFICATE)")]
    Absent,
    #[error("the chain has more than {CHAIN_LEN_MAX} certificates")]
    TooLong,
    #[error("the first certificate cannot be read: {0}")]
    Unreadable(String),
    #[error(
        "there is no private key in it (BEGIN PRIVATE KEY); an encrypted key must be decrypted before"
    )]
    NoKey,
    #[error("the key does not belong to the certificate, whose own comes first in the file: {0}")]
    Mismatch(String),
}

/// A certificate chain with its private key.
#[derive(Clone)]
pub struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    facts: Facts,
}

/// What a certificate says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Seconds since the epoch from which it is valid.
    pub begins_s: i64,
    /// Seconds since the epoch after which it is not valid any more.
    pub ends_s: i64,
    /// The DNS names and IP addresses for which it is valid, as text.
    pub names: Vec<String>,
    /// What names it to its authority; `None` if it does not say by which key it was signed.
    pub(super) id: Option<Id>,
}

/// What names a certificate to its authority (RFC 9773 §4.1): both as the contents of their DER encoding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Id {
    pub(super) authority_key: Vec<u8>,
    pub(super) serial: Vec<u8>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a chain, the server's certificate first, and the key that belongs to it. Both may be the same text.
    ///
    /// # Errors
    /// What cannot be read, or that the two do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateFault> {
        let mut certificates = Vec::new();
        for found in CertificateDer::pem_slice_iter(chain) {
            if certificates.len() == CHAIN_LEN_MAX {
                return Err(CertificateFault::TooLong);
            }
            certificates.push(found.map_err(|error| CertificateFault::Pem(error.to_string()))?);
        }
        let first = certificates.first().ok_or(CertificateFault::Absent)?;
        let facts = Facts::of(first)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateFault::NoKey)?;
        let key = CertifiedKey::from_der(certificates, key, &provider())
            .map_err(|error| CertificateFault::Mismatch(error.to_string()))?;
        Ok(Self {
            key: Arc::new(key),
            facts,
        })
    }

    /// What the certificate says of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether these bytes are the server's own certificate of the chain, as it is sent.
    pub fn is(&self, der: &[u8]) -> bool {
        self.key.cert.first().is_some_and(|first| **first == *der)
    }

    /// Whether clients that ask for this name or address accept it, as far as its names decide that.
    pub fn covers(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let Ok(name) = ServerName::try_from(bare) else {
            return false;
        };
        let parsed = self.key.end_entity_cert().map(ParsedCertificate::try_from);
        let Ok(Ok(parsed)) = parsed else {
            return false;
        };
        rustls::client::verify_server_name(&parsed, &name).is_ok()
    }
}

impl Facts {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, CertificateFault> {
        let unreadable =
            |error: x509_cert::der::Error| CertificateFault::Unreadable(error.to_string());
        // `Raw` accepts serial numbers longer than RFC 5280 allows.
        let parsed = CertificateInner::<Raw>::from_der(certificate).map_err(unreadable)?;
        let body = parsed.tbs_certificate();
        let seconds = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        let validity = body.validity();
        let names = body.get_extension::<SubjectAltName>().map_err(unreadable)?;
        let authority = body
            .get_extension::<AuthorityKeyIdentifier>()
            .map_err(unreadable)?;
        let authority = authority.and_then(|(_, authority)| authority.key_identifier);
        let id = authority.map(|authority| Id {
            authority_key: authority.as_bytes().to_vec(),
            serial: body.serial_number().as_bytes().to_vec(),
        });
        let names = names.map(|(_, SubjectAltName(names))| names);
        Ok(Self {
            begins_s: seconds(validity.not_before),
            ends_s: seconds(validity.not_after),
            names: names.iter().flatten().filter_map(text).collect(),
            id,
        })
    }

    /// Whether it is valid at this time, in seconds since the epoch.
    pub fn is_valid_at(&self, now_s: i64) -> bool {
        (self.begins_s..=self.ends_s).contains(&now_s)
    }

    /// When two thirds of its life are over, in seconds since the epoch.
    pub fn two_thirds_s(&self) -> i64 {
        let life = self.ends_s.saturating_sub(self.begins_s);
        self.begins_s
            .saturating_add(life / RENEW_DENOMINATOR * RENEW_NUMERATOR)
    }

    /// Its names as part of a sentence.
    pub fn names_shown(&self) -> String {
        let shown: Vec<&str> = self
            .names
            .iter()
            .take(NAMES_SHOWN_MAX)
            .map(String::as_str)
            .collect();
        let more = self.names.len().saturating_sub(shown.len());
        match (shown.is_empty(), more) {
            (true, _) => "no name".to_owned(),
            (false, 0) => shown.join(", "),
            (false, more) => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

/// A name that TLS clients compare with the host of a URL.
fn text(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(octets).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Made, made};
    use super::*;

    #[test]
    fn a_certificate_says_for_whom_and_until_when_it_is_valid() {
        let Made { chain, key } = made(&["video.example.org", "192.0.2.7", "2001:db8::7"], 0, 90);
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let facts = certificate.facts();
        assert_eq!(
            facts.names,
            ["video.example.org", "192.0.2.7", "2001:db8::7"]
        );
        let day = 86_400;
        assert_eq!(facts.ends_s - facts.begins_s, 90 * day);
        assert_eq!(facts.two_thirds_s() - facts.begins_s, 60 * day);
        for (now, is_valid) in [
            (-1, false),
            (0, true),
            (90 * day, true),
            (90 * day + 1, false),
        ] {
            assert_eq!(facts.is_valid_at(facts.begins_s + now), is_valid, "{now}");
        }
        for (host, is_covered) in [
            ("video.example.org", true),
            ("VIDEO.example.org", true),
            ("example.org", false),
            ("192.0.2.7", true),
            ("[2001:db8::7]", true),
            ("192.0.2.8", false),
            ("", false),
        ] {
            assert_eq!(certificate.covers(host), is_covered, "{host}");
        }
    }

    #[test]
    fn many_names_are_not_all_listed() {
        let names = ["a.test", "b.test", "c.test", "d.test", "e.test", "f.test"];
        let Made { chain, key } = made(&names, 0, 1);
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let shown = certificate.facts().names_shown();
        assert_eq!(shown, "a.test, b.test, c.test, d.test and 2 more");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (one, other) = (made(&["a.test"], 0, 1), made(&["b.test"], 0, 1));
        let long = one.chain.repeat(CHAIN_LEN_MAX + 1);
        let broken = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (chain, key, words) in [
            ("", &*one.key, "no certificate in it"),
            (&one.key, &one.key, "no certificate in it"),
            (broken, &one.key, "cannot be read"),
            ("-----BEGIN CERTIFICATE-----\n%%%\n", &one.key, "not PEM"),
            (&long, &one.key, "more than 16"),
            (&one.chain, "", "no private key"),
            (&one.chain, encrypted, "must be decrypted"),
            (&one.chain, &other.key, "does not belong"),
        ] {
            let fault = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
            assert!(fault.to_string().contains(words), "{fault}");
        }
        // One file with both.
        let both = format!("{}{}", one.key, one.chain);
        Certificate::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
    }
}
