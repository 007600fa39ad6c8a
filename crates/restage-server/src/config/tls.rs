//! Where the certificate of the listeners comes from, and what an authority needs to make one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::ValueEnum;
use http::Uri;
use serde::{Deserialize, Serialize};

use super::Settings;

/// The directory of Let's Encrypt, for certificates that everybody accepts.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The profile of Let's Encrypt for addresses: it certifies these for about six days only.
const ADDRESS_PROFILE: &str = "shortlived";
/// The ports at which authorities check a name or an address (RFC 8737 §3, RFC 8555 §8.3).
const TLS_PORT: u16 = 443;
/// Longest name and label of DNS (RFC 1035 §2.3.4), as they are written.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
/// Domains of which nobody owns names, not even in a private network.
const SPECIAL: [&str; 2] = ["invalid", "localhost"];
/// Domains that the public DNS does not have or that are for tests and documents (RFC 2606, RFC 6761, RFC 6762, RFC 7686).
const PRIVATE: [&str; 6] = ["local", "internal", "onion", "test", "example", "alt"];
const HTTP_PORT: u16 = 80;

/// Whether the server gets a certificate by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// No, it has none, or one in files (the default).
    Off,
    /// Yes, from an authority, by ACME.
    Auto,
}

/// How an authority checks that the name or address is this server's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcmeChallenge {
    /// By a TLS handshake, on port 443.
    #[value(name = "tls-alpn-01")]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
    /// By a request, on port 80.
    #[value(name = "http-01")]
    #[serde(rename = "http-01")]
    Http,
}

/// Where the certificate comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TlsSource {
    /// From files that somebody else keeps.
    Files(TlsFiles),
    /// From an authority.
    Acme(AcmeSettings),
}

/// A certificate chain and its key, both PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// What an authority needs to make a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcmeSettings {
    /// For whom: the host of the public URL.
    pub host: Host,
    /// URL of the authority's directory.
    pub directory: String,
    /// A file with the root certificates by which the authority itself is known; `None` means the system's.
    pub ca_file: Option<PathBuf>,
    /// Where the authority writes to.
    pub email: Option<String>,
    /// How the authority checks the host.
    pub challenge: AcmeChallenge,
    /// The kind of certificate, as the authority names it; `None` leaves that to the authority.
    pub profile: Option<String>,
}

/// The host of a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// A DNS name, in lower case.
    Name(String),
    /// An IP address.
    Address(IpAddr),
}

/// Why TLS cannot be as the settings say, with advice.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TlsFault {
    #[error(
        "tls-cert and tls-key go together: the certificate chain and its private key, both PEM"
    )]
    Half,
    #[error(
        "tls is auto, and tls-cert is set: the certificate comes from an authority or from files; leave one out"
    )]
    Both,
    #[error("the listener serves TLS, so public-url must begin with https://, not {0:?}")]
    PlainUrl(String),
    #[error(
        "tls is auto, so public-url must say for whom the certificate is: https:// and the name or address by which \
         clients reach this server"
    )]
    NoUrl,
    #[error(
        "no authority certifies {0}, which every machine has: set public-url to a name or an address that others reach, or \
         make a certificate yourself and give --tls-cert and --tls-key"
    )]
    LocalHost(Host),
    #[error(
        "Let's Encrypt does not certify {0}, which is an address of a private network: set public-url to a name or an \
         address that the Internet reaches, or acme-directory to an authority of your own"
    )]
    PrivateHost(IpAddr),
    #[error(
        "tls is auto, and every http is on loopback, where no authority reaches it: give --http 0.0.0.0:443"
    )]
    Loopback,
    #[error(
        "tls is auto, and authorities look at port 443 or at port 80 only: give --http 0.0.0.0:443, or a second --http \
         0.0.0.0:80; if one of these ports is forwarded to this server, say by acme-challenge which: tls-alpn-01 is asked \
         at port 443, http-01 at port 80"
    )]
    Port,
    #[error(
        "tls is auto, which needs your consent to the terms of the authority ({0}): read them, then give \
         --acme-accept-terms"
    )]
    Terms(String),
    #[error(
        "no authority can certify {host}: {rule}. Set public-url to a name or an address by which clients reach this server"
    )]
    Uncertifiable { host: Host, rule: &'static str },
    #[error(
        "Let's Encrypt does not certify {host}: {rule}. Set public-url to one that the Internet reaches, or acme-directory to \
         an authority of your own"
    )]
    NotPublic { host: Host, rule: &'static str },
    #[error(
        "{0} is set, and tls is not auto: no authority is asked; add --tls auto, or leave it out"
    )]
    Unused(&'static str),
    #[error("acme-directory must begin with https://, not {0:?}")]
    Directory(String),
    #[error("acme-email must be an address such as ops@example.org, not {0:?}")]
    Email(String),
}

impl Host {
    /// The host of a URL that has been checked.
    pub fn of_url(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?.trim_end_matches('.').to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        Some(match bare.parse::<IpAddr>() {
            Ok(address) => Self::Address(address.to_canonical()),
            Err(_) => Self::Name(host),
        })
    }

    /// Whether every machine calls itself so.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.is_loopback() || address.is_unspecified(),
        }
    }

    /// Why no authority can certify this host by the challenges that the server answers, as a rule.
    fn why_uncertifiable(&self) -> Option<&'static str> {
        let name = match self {
            Self::Name(name) => name,
            Self::Address(address) if address.is_multicast() => {
                return Some("the address is a group's");
            }
            Self::Address(IpAddr::V4(v4)) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => {
                return Some("no machine has such an address");
            }
            Self::Address(_) => return None,
        };
        if name.len() > NAME_BYTES_MAX {
            return Some("a name has at most 253 characters");
        }
        if name.contains('*') {
            return Some("a wildcard is proven by DNS only, which this server does not do");
        }
        let labels = || name.split('.');
        let is_sound = |label: &str| {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(letters)
        };
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        if labels().any(|label| label.is_empty() || label.len() > LABEL_BYTES_MAX) {
            Some("each part between the dots has 1 to 63 characters")
        } else if !labels().all(is_sound) {
            Some("each part between the dots has letters, digits and inner hyphens only (RFC 1123)")
        } else if labels().next_back().is_some_and(is_number) {
            Some("it ends in a number and is not an address")
        } else if SPECIAL.contains(&labels().next_back().unwrap_or_default()) {
            Some("nobody may own a name of that domain (RFC 2606, RFC 6761)")
        } else {
            None
        }
    }

    /// Why no public authority certifies this host, as a rule, although one of a private network might.
    fn why_not_public(&self) -> Option<&'static str> {
        match self {
            Self::Name(name) => {
                let last = name.rsplit('.').next().unwrap_or_default();
                if last.len() == name.len() {
                    Some("the name has no dot, so it is of one network only")
                } else if PRIVATE.contains(&last) {
                    Some("names of that domain are not of the public DNS")
                } else {
                    None
                }
            }
            Self::Address(IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                match (a, b, c) {
                    (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => {
                        Some("the address is reserved for documentation (RFC 5737)")
                    }
                    (198, 18..=19, _) => Some("the address is reserved for tests (RFC 2544)"),
                    (192, 0, 0) => Some("the address is reserved (RFC 6890)"),
                    _ => None,
                }
            }
            Self::Address(IpAddr::V6(v6)) => match v6.segments() {
                [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
                    Some("the address is reserved for documentation (RFC 3849, RFC 9637)")
                }
                [first, ..] if first & 0xe000 != 0x2000 => {
                    Some("the address is none of the Internet (RFC 4291)")
                }
                _ => None,
            },
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Settings {
    /// Where the certificate comes from, if TLS is served.
    pub(super) fn tls(
        &self,
        http: &[SocketAddr],
        public_url: Option<&str>,
    ) -> Result<Option<TlsSource>, TlsFault> {
        let files = match (self.tls_cert.clone(), self.tls_key.clone()) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            _ => return Err(TlsFault::Half),
        };
        let source = match (self.tls.unwrap_or(TlsMode::Off), files) {
            (TlsMode::Auto, Some(_)) => return Err(TlsFault::Both),
            (TlsMode::Off, files) => {
                if let Some(name) = self.acme_setting().filter(|_| self.tls.is_none()) {
                    return Err(TlsFault::Unused(name));
                }
                match files {
                    None => return Ok(None),
                    Some(files) => TlsSource::Files(files),
                }
            }
            (TlsMode::Auto, None) => TlsSource::Acme(self.acme(http, public_url)?),
        };
        match public_url {
            Some(url) if !url.starts_with("https://") => Err(TlsFault::PlainUrl(url.to_owned())),
            _ => Ok(Some(source)),
        }
    }

    /// The name of a setting of ACME that is set. Consent alone asks for nothing.
    fn acme_setting(&self) -> Option<&'static str> {
        let all = [
            ("acme-directory", self.acme_directory.is_some()),
            ("acme-ca-file", self.acme_ca_file.is_some()),
            ("acme-email", self.acme_email.is_some()),
            ("acme-challenge", self.acme_challenge.is_some()),
            ("acme-profile", self.acme_profile.is_some()),
        ];
        let mut set = all.into_iter().filter(|(_, is_set)| *is_set);
        set.next().map(|(name, _)| name)
    }

    fn acme(
        &self,
        http: &[SocketAddr],
        public_url: Option<&str>,
    ) -> Result<AcmeSettings, TlsFault> {
        let host = public_url.and_then(Host::of_url).ok_or(TlsFault::NoUrl)?;
        if host.is_local() {
            return Err(TlsFault::LocalHost(host));
        }
        let directory = self.acme_directory.clone();
        let directory = directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        if !directory.starts_with("https://") {
            return Err(TlsFault::Directory(directory));
        }
        if let Some(rule) = host.why_uncertifiable() {
            return Err(TlsFault::Uncertifiable { host, rule });
        }
        if is_public(&directory) {
            if let Host::Address(address) = host
                && is_private(address)
            {
                return Err(TlsFault::PrivateHost(address));
            }
            if let Some(rule) = host.why_not_public() {
                return Err(TlsFault::NotPublic { host, rule });
            }
        }
        if http.iter().all(|listener| listener.ip().is_loopback()) {
            return Err(TlsFault::Loopback);
        }
        let has = |port| {
            let mut reached = http.iter().filter(|listener| !listener.ip().is_loopback());
            reached.any(|listener| listener.port() == port)
        };
        let challenge = match self.acme_challenge {
            // Whoever names it knows what is forwarded to this server.
            Some(challenge) => challenge,
            None if has(TLS_PORT) => AcmeChallenge::TlsAlpn,
            None if has(HTTP_PORT) => AcmeChallenge::Http,
            None => return Err(TlsFault::Port),
        };
        if self.acme_accept_terms != Some(true) {
            let terms = match &*directory {
                LETS_ENCRYPT => "https://letsencrypt.org/repository".to_owned(),
                _ => format!("{directory} names them"),
            };
            return Err(TlsFault::Terms(terms));
        }
        let email = self.acme_email.clone().filter(|email| !email.is_empty());
        if let Some(email) = &email
            && !is_email(email)
        {
            return Err(TlsFault::Email(email.clone()));
        }
        let profile = match &host {
            Host::Address(_) => Some(ADDRESS_PROFILE.to_owned()),
            Host::Name(_) => None,
        };
        Ok(AcmeSettings {
            host,
            directory,
            ca_file: self.acme_ca_file.clone(),
            email,
            challenge,
            profile: self.acme_profile.clone().or(profile),
        })
    }
}

/// Whether a text can be the address of a mailbox, and nothing else of a `mailto` URL.
fn is_email(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?,&%\"<>".contains(&byte);
    let parts = text.split_once('@');
    parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
        && text.bytes().all(is_plain)
}

/// Whether this directory is of an authority of the Internet. Its directory for tests has the same rules.
fn is_public(directory: &str) -> bool {
    let host = Host::of_url(directory);
    matches!(host, Some(Host::Name(name)) if name == "letsencrypt.org" || name.ends_with(".letsencrypt.org"))
}

/// Whether an address is one that only its own network reaches.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4.octets()),
        IpAddr::V6(v6) => is_unique_local(v6),
    }
}

/// The addresses that providers share among customers (RFC 6598).
fn is_shared([first, second, ..]: [u8; 4]) -> bool {
    first == 100 && (64..128).contains(&second)
}

/// Those of private networks and of one link (RFC 4193, RFC 4291 §2.5.6).
fn is_unique_local(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    /// Settings that get a certificate from an authority.
    fn auto(http: &[&str], public_url: &str) -> Settings {
        Settings {
            tls: Some(TlsMode::Auto),
            http: http.iter().map(|text| text.parse().unwrap()).collect(),
            public_url: Some(public_url.to_owned()),
            acme_accept_terms: Some(true),
            ..Settings::default()
        }
    }

    fn refused(settings: Settings) -> String {
        settings.resolve().unwrap_err().to_string()
    }

    fn acme(settings: Settings) -> AcmeSettings {
        match settings.resolve().unwrap().tls {
            Some(TlsSource::Acme(acme)) => acme,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_certificate_comes_from_files_or_from_an_authority() {
        assert_eq!(Config::default().tls, None);
        let files = Settings {
            tls_cert: Some("c".into()),
            tls_key: Some("k".into()),
            ..Settings::default()
        };
        let expected = TlsSource::Files(TlsFiles {
            cert: "c".into(),
            key: "k".into(),
        });
        let config = files.clone().resolve().unwrap();
        assert_eq!(config.tls, Some(expected));
        let half = Settings {
            tls_key: None,
            ..files.clone()
        };
        assert!(refused(half).contains("go together"));
        let both = Settings {
            tls: Some(TlsMode::Auto),
            ..files.clone()
        };
        assert!(refused(both).contains("leave one out"));
        let plain = Settings {
            public_url: Some("http://x".into()),
            ..files
        };
        assert!(refused(plain).contains("must begin with https://"));
    }

    #[test]
    fn what_an_authority_is_asked_for_follows_from_url_and_ports() {
        let name = acme(auto(&["0.0.0.0:443"], "https://Video.example.org/live"));
        assert_eq!(name.host, Host::Name("video.example.org".to_owned()));
        assert_eq!(name.challenge, AcmeChallenge::TlsAlpn);
        assert_eq!((name.profile, &*name.directory), (None, LETS_ENCRYPT));
        for (url, address) in [
            ("https://5.9.0.7", "5.9.0.7"),
            ("https://[2a01:4f8::7]:8443", "2a01:4f8::7"),
        ] {
            let bare = acme(auto(&["0.0.0.0:8443", "0.0.0.0:80"], url));
            assert_eq!(bare.host, Host::Address(address.parse().unwrap()));
            assert_eq!(bare.challenge, AcmeChallenge::Http);
            assert_eq!(bare.profile.as_deref(), Some("shortlived"));
        }
        let forwarded = acme(Settings {
            acme_challenge: Some(AcmeChallenge::Http),
            acme_profile: Some("tlsserver".into()),
            ..auto(&["0.0.0.0:4080"], "https://a.example.org")
        });
        assert_eq!(forwarded.challenge, AcmeChallenge::Http);
        assert_eq!(forwarded.profile.as_deref(), Some("tlsserver"));
    }

    #[test]
    fn what_cannot_work_is_refused_with_advice() {
        let url = "https://video.example.org";
        let public = ["0.0.0.0:443"];
        for (settings, words) in [
            (
                auto(&["127.0.0.1:443", "[::1]:80"], url),
                "--http 0.0.0.0:443",
            ),
            (auto(&["0.0.0.0:4080"], url), "port 443 or at port 80"),
            // A port that others do not reach.
            (
                auto(&["0.0.0.0:4080", "127.0.0.1:443"], url),
                "port 443 or at port 80",
            ),
            (auto(&public, "https://localhost"), "--tls-cert"),
            (auto(&public, "https://a.localhost"), "--tls-cert"),
            (auto(&public, "https://127.0.0.1"), "--tls-cert"),
            (auto(&public, "https://[::1]:443"), "--tls-cert"),
            (auto(&public, "https://10.0.0.7"), "acme-directory"),
            (auto(&public, "https://100.64.0.1"), "acme-directory"),
            (auto(&public, "https://[fd00::1]"), "acme-directory"),
            (auto(&public, "http://video.example.org"), "https://"),
            (auto(&public, ""), "public-url must say for whom"),
            (auto(&public, "https://*.example.org"), "proven by DNS"),
            (auto(&public, "https://video"), "has no dot"),
            (auto(&public, "https://video.local"), "public DNS"),
            (auto(&public, "https://video.internal"), "public DNS"),
            (auto(&public, "https://video.onion"), "public DNS"),
            (auto(&public, "https://video.test"), "public DNS"),
            (auto(&public, "https://video.example"), "public DNS"),
            (auto(&public, "https://video.invalid"), "nobody may own"),
            (
                auto(&public, &format!("https://{}.example.org", "a".repeat(64))),
                "1 to 63 characters",
            ),
            (auto(&public, "https://a_b.example.org"), "inner hyphens"),
            (auto(&public, "https://-a.example.org"), "inner hyphens"),
            (auto(&public, "https://12345"), "ends in a number"),
            (auto(&public, "https://a.2.3"), "ends in a number"),
            (auto(&public, "https://192.0.2.7"), "documentation"),
            (auto(&public, "https://[2001:db8::7]"), "documentation"),
            (auto(&public, "https://198.18.0.1"), "for tests"),
            (auto(&public, "https://224.0.0.7"), "a group's"),
            (auto(&public, "https://[ff02::7]"), "a group's"),
            (auto(&public, "https://250.0.0.7"), "no machine has"),
            (
                Settings {
                    acme_directory: Some(
                        "https://acme-staging-v02.api.letsencrypt.org/directory".into(),
                    ),
                    ..auto(&public, "https://video.local")
                },
                "public DNS",
            ),
            (
                Settings {
                    acme_directory: Some("https://ca.example.org/dir".into()),
                    ..auto(&public, "https://*.corp.internal")
                },
                "proven by DNS",
            ),
            (
                Settings {
                    tls: None,
                    acme_email: Some("ops@example.org".into()),
                    ..auto(&public, url)
                },
                "acme-email is set, and tls is not auto",
            ),
            (
                Settings {
                    acme_accept_terms: None,
                    ..auto(&public, url)
                },
                "https://letsencrypt.org/repository",
            ),
            (
                Settings {
                    acme_directory: Some("http://x".into()),
                    ..auto(&public, url)
                },
                "acme-directory must",
            ),
            (
                Settings {
                    acme_email: Some("ops".into()),
                    ..auto(&public, url)
                },
                "acme-email must",
            ),
        ] {
            let error = refused(settings);
            assert!(error.contains(words), "{error}");
        }
        let own = Settings {
            acme_directory: Some("https://ca.example.org/dir".into()),
            acme_email: Some("ops@example.org".into()),
            ..auto(&public, "https://10.0.0.7")
        };
        assert_eq!(acme(own).email.as_deref(), Some("ops@example.org"));
        // An authority of one's own may certify what only its network knows.
        for url in ["https://video", "https://video.local", "https://192.0.2.7"] {
            acme(Settings {
                acme_directory: Some("https://ca.example.org/dir".into()),
                ..auto(&public, url)
            });
        }
        for bad in ["@x", "a@", "a@b@c", "a b@c", "a@b?subject=x", "a@b,c@d"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
