//! Checks of the certificate with which the HTTP listeners serve TLS.

use std::io;

use restage_store::system::clock;

use super::http::reach;
use super::{Finding, PROBE_MAX, Verdict, finding};
use crate::config::{AcmeSettings, Config, Host, TlsSource};
use crate::tls::{Certificate, Found, find, read_files, shown};

const CHECK: &str = "tls";
/// The part of its life after which a certificate should have been exchanged: seven eighths.
const LATE_NUMERATOR: i64 = 7;
const LATE_DENOMINATOR: i64 = 8;

pub(super) fn tls(config: &Config) -> Vec<Finding> {
    let (certificate, found) = configured(config);
    let host = host_of(config);
    let shown = certificate.and_then(|certificate| of_server(config, host.as_ref(), &certificate));
    [found].into_iter().chain(shown).collect()
}

/// What can be told without a connection.
pub(super) fn certificate(config: &Config) -> Finding {
    configured(config).1
}

fn host_of(config: &Config) -> Option<Host> {
    config.public_url.as_deref().and_then(Host::of_url)
}

fn configured(config: &Config) -> (Option<Certificate>, Finding) {
    let now_s = clock::now().0.div_euclid(1_000_000);
    let host = host_of(config);
    match &config.tls {
        None => (None, without(config)),
        Some(TlsSource::Files(files)) => match read_files(files) {
            Err(fault) => {
                let sentence = format!("TLS cannot be served: {fault}.");
                (None, finding(CHECK, Verdict::Fail, sentence))
            }
            Ok(certificate) => {
                let mend = "put a new one into its files, which the server reads by itself";
                let found = of_certificate(&certificate, host.as_ref(), now_s, mend);
                (Some(certificate), found)
            }
        },
        Some(TlsSource::Acme(settings)) => {
            let found = find(settings, &config.data_dir);
            let told = of_authority(settings, &found, now_s);
            (found.certificate, told)
        }
    }
}

/// What a running server shows; `None` without one.
fn of_server(config: &Config, host: Option<&Host>, certificate: &Certificate) -> Option<Finding> {
    let address = reach(*config.http.first()?);
    let host = host.map_or_else(|| address.ip().to_string(), Host::to_string);
    let (verdict, sentence) = match shown(address, &host, PROBE_MAX) {
        Ok((_, der)) if certificate.is(&der) => (
            Verdict::Ok,
            format!("The running server shows this certificate at TCP {address}."),
        ),
        Ok((facts, _)) => (
            Verdict::Warn,
            format!(
                "The running server shows another certificate at TCP {address}, for {} until {}: it was started with other \
                 settings, or its log says why it does not take this one.",
                facts.names_shown(),
                clock::iso(facts.ends_s)
            ),
        ),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return None,
        Err(error) => (
            Verdict::Warn,
            format!(
                "A TLS handshake with TCP {address} failed ({error}): what listens there was started without TLS, or is \
                 another program."
            ),
        ),
    };
    Some(finding(CHECK, verdict, sentence))
}

/// Without TLS, which only others need.
fn without(config: &Config) -> Finding {
    let is_reached = config.http.iter().any(|http| !http.ip().is_loopback());
    let is_behind = config
        .public_url
        .as_deref()
        .is_some_and(|url| url.starts_with("https://"));
    let (verdict, sentence) = match (is_reached, is_behind) {
        (_, true) => (
            Verdict::Ok,
            "TLS is off, and public-url begins with https://: a proxy in front does it.",
        ),
        (false, false) => (
            Verdict::Ok,
            "TLS is off, and HTTP is on loopback, where browsers need none.",
        ),
        (true, false) => (
            Verdict::Warn,
            "TLS is off: browsers on other machines publish only from pages over TLS. Give --tls auto, or --tls-cert and \
             --tls-key; or put a proxy with TLS in front, and give --public-url https://HOST.",
        ),
    };
    finding(CHECK, verdict, sentence)
}

fn of_certificate(
    certificate: &Certificate,
    host: Option<&Host>,
    now_s: i64,
    mend: &str,
) -> Finding {
    let facts = certificate.facts();
    let (names, ends) = (facts.names_shown(), clock::iso(facts.ends_s));
    let life = facts.ends_s.saturating_sub(facts.begins_s);
    let late_s = facts.begins_s + life / LATE_DENOMINATOR * LATE_NUMERATOR;
    let uncovered = host.filter(|host| !certificate.covers(&host.to_string()));
    let (verdict, sentence) = if now_s > facts.ends_s {
        (
            Verdict::Fail,
            format!("The certificate for {names} has ended at {ends}: {mend}."),
        )
    } else if now_s < facts.begins_s {
        let begins = clock::iso(facts.begins_s);
        (
            Verdict::Fail,
            format!("The certificate for {names} is not valid before {begins}: look at the clock."),
        )
    } else if let Some(host) = uncovered {
        (
            Verdict::Fail,
            format!(
                "The certificate is for {names}, and public-url names {host}: {mend}, or change public-url."
            ),
        )
    } else if now_s > late_s {
        (
            Verdict::Warn,
            format!("The certificate for {names} ends soon, at {ends}: {mend}."),
        )
    } else {
        (
            Verdict::Ok,
            format!("The certificate for {names} is valid until {ends}."),
        )
    };
    finding(CHECK, verdict, sentence)
}

fn of_authority(settings: &AcmeSettings, found: &Found, now_s: i64) -> Finding {
    let AcmeSettings {
        host, directory, ..
    } = settings;
    let failed = found.failure.as_ref().map(|(reason, again_s)| {
        let again = clock::iso(*again_s);
        format!(
            "the last try failed ({reason}); the next one is at {again} or when the server starts"
        )
    });
    match (&found.certificate, failed) {
        (None, None) => finding(
            CHECK,
            Verdict::Warn,
            format!(
                "There is no certificate for {host} yet; the server asks {directory} for one when it starts."
            ),
        ),
        (None, Some(failed)) => finding(
            CHECK,
            Verdict::Fail,
            format!("There is no certificate for {host}: {failed}."),
        ),
        (Some(certificate), failed) => {
            let mend = match &failed {
                Some(failed) => failed.clone(),
                None => "the running server asks for another one".to_owned(),
            };
            let plain = of_certificate(certificate, Some(host), now_s, &mend);
            match (plain.verdict, failed) {
                (Verdict::Ok, Some(failed)) => finding(
                    CHECK,
                    Verdict::Warn,
                    format!("{} It could not be renewed: {failed}.", plain.sentence),
                ),
                (Verdict::Ok, None) if !found.is_of_authority => finding(
                    CHECK,
                    Verdict::Warn,
                    format!(
                        "{} Another authority has made it; the server asks {directory} for one when it starts.",
                        plain.sentence
                    ),
                ),
                _ => plain,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::tls::testing::made;

    fn found(settings: Settings) -> Finding {
        tls(&settings.resolve().unwrap()).remove(0)
    }

    #[test]
    fn who_is_reached_without_tls_is_told_how() {
        let settings = |http: &str, url: Option<&str>| Settings {
            http: vec![http.parse().unwrap()],
            public_url: url.map(str::to_owned),
            ..Settings::default()
        };
        for (http, url, verdict) in [
            ("127.0.0.1:4080", None, Verdict::Ok),
            ("0.0.0.0:4080", None, Verdict::Warn),
            ("0.0.0.0:4080", Some("http://a.test"), Verdict::Warn),
            ("0.0.0.0:4080", Some("https://a.test"), Verdict::Ok),
        ] {
            assert_eq!(
                found(settings(http, url)).verdict,
                verdict,
                "{http} {url:?}"
            );
        }
    }

    #[test]
    fn files_are_read_and_their_certificate_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        let look = |url: &str| {
            found(Settings {
                tls_cert: Some(cert.clone()),
                tls_key: Some(key.clone()),
                public_url: Some(url.to_owned()),
                ..Settings::default()
            })
        };
        let missing = look("https://a.test");
        assert_eq!(missing.verdict, Verdict::Fail);
        assert!(missing.sentence.contains("tls-cert"), "{missing:?}");
        for (names, age, life, verdict, words) in [
            (&["a.test"][..], 1, 90, Verdict::Ok, "valid until"),
            (&["a.test"], 80, 90, Verdict::Warn, "ends soon"),
            (&["a.test"], 91, 90, Verdict::Fail, "has ended"),
            (&["b.test"], 1, 90, Verdict::Fail, "public-url names a.test"),
        ] {
            let made = made(names, age, life);
            std::fs::write(&cert, &made.chain).unwrap();
            std::fs::write(&key, &made.key).unwrap();
            let finding = look("https://a.test");
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.sentence.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn an_authoritys_certificate_and_its_failures_are_told() {
        let settings = Settings {
            tls: Some(crate::config::TlsMode::Auto),
            http: vec!["0.0.0.0:443".parse().unwrap()],
            public_url: Some("https://a.example.org".to_owned()),
            acme_accept_terms: Some(true),
            ..Settings::default()
        };
        let config = settings.resolve().unwrap();
        let Some(TlsSource::Acme(acme)) = &config.tls else {
            panic!("{config:?}");
        };
        let now_s = clock::now().0 / 1_000_000;
        let failure = || Some(("no route".to_owned(), now_s + 60));
        let fresh = || Some(made(&["a.example.org"], 1, 90).certificate());
        for (certificate, is_of_authority, failure, verdict, words) in [
            (None, false, None, Verdict::Warn, "when it starts"),
            (None, false, failure(), Verdict::Fail, "no route"),
            (fresh(), true, None, Verdict::Ok, "valid until"),
            (fresh(), true, failure(), Verdict::Warn, "no route"),
            (fresh(), false, None, Verdict::Warn, "Another authority"),
            (
                Some(made(&["a.example.org"], 91, 90).certificate()),
                true,
                failure(),
                Verdict::Fail,
                "no route",
            ),
        ] {
            let finding = of_authority(
                acme,
                &Found {
                    certificate,
                    is_of_authority,
                    failure,
                },
                now_s,
            );
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.sentence.contains(words), "{finding:?}");
        }
    }
}
