//! How the server's certificate stands, for whoever asks.

use std::sync::{Mutex, PoisonError};

use restage_store::system::clock;

use super::certificate::{Certificate, Facts};

/// What is wrong with the certificate.
#[derive(Debug, Default)]
pub struct Health {
    /// What went wrong last, until something goes well.
    failure: Mutex<Option<Failure>>,
    /// The host of the public URL, if one is set.
    host: Option<String>,
    /// That the certificate is for other hosts, as a sentence.
    elsewhere: Mutex<Option<String>>,
}

/// A failure to exchange the certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// The reason as the end of a sentence; everybody may read it.
    pub(super) reason: String,
    /// When it is tried again, in seconds since the epoch; `None` when somebody changes what is wrong.
    pub(super) again_s: Option<i64>,
    /// Why not sooner, as the end of a sentence, where that is not plain.
    pub(super) because: Option<&'static str>,
}

impl Health {
    /// That of a server whose clients ask for this host.
    pub(super) fn of(host: Option<String>) -> Self {
        Self {
            host,
            ..Self::default()
        }
    }

    /// Checks that a certificate which is about to be served is for the host of the public URL.
    pub(super) fn looks_at(&self, certificate: &Certificate) {
        let host = self.host.as_ref();
        let uncovered = host.filter(|host| !certificate.covers(host));
        let sentence = uncovered.map(|host| {
            let names = certificate.facts().names_shown();
            format!(
                "the certificate is for {names}, and public-url names {host}: clients refuse it"
            )
        });
        if let Some(sentence) = &sentence {
            tracing::warn!("{sentence}");
        }
        *self
            .elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = sentence;
    }

    fn elsewhere(&self) -> Option<String> {
        let elsewhere = self.elsewhere.lock();
        elsewhere.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn fails(&self, failure: Failure) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    /// Adds why the next try is not made sooner, as the end of a sentence.
    pub(super) fn waits(&self, because: &'static str) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = failure.as_mut() {
            failure.because = Some(because);
        }
    }

    pub(super) fn is_well(&self) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn failure(&self) -> Option<Failure> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How the certificate stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is valid, and nothing went wrong.
    Good,
    /// It is valid, but could not be exchanged, or is for another host: the sentence says what is wrong.
    Ageing(String),
    /// There is none that is valid: the sentence says why.
    Bad(String),
}

impl Standing {
    pub(super) fn of(facts: Option<&Facts>, health: &Health, now_s: i64) -> Self {
        let failure = health.failure();
        let why = failure.as_ref().map(Failure::told).unwrap_or_default();
        match facts {
            None if failure.is_none() => Self::Bad("there is no certificate yet".to_owned()),
            None => Self::Bad(format!("there is no certificate yet{why}")),
            Some(facts) if now_s > facts.ends_s => Self::Bad(format!(
                "the certificate has ended at {}{why}",
                clock::iso(facts.ends_s)
            )),
            Some(facts) if now_s < facts.begins_s => Self::Bad(format!(
                "the certificate is not valid before {}; look at the clock{why}",
                clock::iso(facts.begins_s)
            )),
            Some(facts) if failure.is_some() => Self::Ageing(format!(
                "the certificate, which is valid until {}, could not be exchanged{why}",
                clock::iso(facts.ends_s)
            )),
            Some(_) => health.elsewhere().map_or(Self::Good, Self::Ageing),
        }
    }
}

impl Failure {
    /// The rest of a sentence that says what does not work.
    fn told(&self) -> String {
        match self.again_s {
            Some(at) => {
                let because = self.because.map(|because| format!(", {because}"));
                let because = because.unwrap_or_default();
                format!(": {}; next try at {}{because}", self.reason, clock::iso(at))
            }
            None => format!(": {}", self.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::made;
    use super::*;

    #[test]
    fn a_certificate_for_another_host_is_reported_until_there_is_a_right_one() {
        let health = Health::of(Some("a.test".to_owned()));
        let stands = |host: &str| {
            let certificate = made(&[host], 0, 90).certificate();
            health.looks_at(&certificate);
            let now_s = certificate.facts().begins_s + 10;
            Standing::of(Some(certificate.facts()), &health, now_s)
        };
        let told = format!("{:?}", stands("b.test"));
        assert!(
            told.contains("Ageing") && told.contains("is for b.test, and public-url names a.test"),
            "{told}"
        );
        assert_eq!(stands("a.test"), Standing::Good);
        // Without a public URL nobody knows by which name clients come.
        let anywhere = Health::default();
        anywhere.looks_at(&made(&["b.test"], 0, 90).certificate());
        assert_eq!(anywhere.elsewhere(), None);
    }

    #[test]
    fn a_certificate_is_good_ageing_or_bad() {
        let facts = Facts {
            begins_s: 1_000,
            ends_s: 2_000,
            names: Vec::new(),
            id: None,
        };
        let health = Health::default();
        let stands = |facts: Option<&Facts>, now| Standing::of(facts, &health, now);
        assert!(matches!(stands(None, 1_500), Standing::Bad(text) if text.contains("yet")));
        assert_eq!(stands(Some(&facts), 1_500), Standing::Good);
        assert!(
            matches!(stands(Some(&facts), 2_001), Standing::Bad(text) if text.contains("ended"))
        );
        assert!(matches!(stands(Some(&facts), 999), Standing::Bad(text) if text.contains("clock")));
        health.fails(Failure {
            reason: "the authority is not reached".to_owned(),
            again_s: Some(1_600),
            because: None,
        });
        for (facts, now, is_bad) in [
            (Some(&facts), 1_500, false),
            (Some(&facts), 2_001, true),
            (None, 1_500, true),
        ] {
            let text = match stands(facts, now) {
                Standing::Bad(text) if is_bad => text,
                Standing::Ageing(text) if !is_bad => text,
                other => panic!("{other:?}"),
            };
            assert!(
                text.contains("is not reached; next try at 1970-01-01T00:26:40Z"),
                "{text}"
            );
        }
        health.waits("because it has asked for that");
        let waits = format!("{:?}", stands(None, 1_500));
        assert!(waits.contains("00:26:40Z, because it has asked"), "{waits}");
        health.is_well();
        assert_eq!(stands(Some(&facts), 1_500), Standing::Good);
    }
}
