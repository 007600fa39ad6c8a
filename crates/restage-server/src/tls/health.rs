//! How the server's certificate stands, for whoever asks.

use std::sync::{Mutex, PoisonError};

use restage_store::system::clock;

use super::certificate::Facts;

/// What went wrong last with the certificate, until something goes well.
#[derive(Debug, Default)]
pub struct Health(Mutex<Option<Failure>>);

/// A failure to exchange the certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// The reason as the end of a sentence; everybody may read it.
    pub(super) reason: String,
    /// When it is tried again, in seconds since the epoch; `None` when somebody changes what is wrong.
    pub(super) again_s: Option<i64>,
}

impl Health {
    pub(super) fn fails(&self, failure: Failure) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    pub(super) fn is_well(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn failure(&self) -> Option<Failure> {
        self.0
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
    /// It is valid, but could not be exchanged: the sentence says why, and until when it is valid.
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
            Some(_) => Self::Good,
        }
    }
}

impl Failure {
    /// The rest of a sentence that says what does not work.
    fn told(&self) -> String {
        match self.again_s {
            Some(at) => format!(": {}; next try at {}", self.reason, clock::iso(at)),
            None => format!(": {}", self.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        health.is_well();
        assert_eq!(stands(Some(&facts), 1_500), Standing::Good);
    }
}
