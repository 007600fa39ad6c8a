//! The certificate that new connections are served with. It may be exchanged at any time; connections that are open
//! keep theirs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, Facts};

/// The protocol by which an authority checks a name over TLS (RFC 8737 §4). Nothing else is sent over such a
/// connection.
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";
/// Most challenges that are answered at a time. A certificate for one name needs one.
const CHALLENGES_MAX: usize = 8;

/// What is served, shared by all connections.
#[derive(Default)]
pub struct Served {
    certificate: RwLock<Option<Arc<Certificate>>>,
    challenges: RwLock<Challenges>,
}

/// The answers to an authority's challenges that are under way.
#[derive(Default)]
struct Challenges {
    /// By the name of the server that the authority asks for.
    over_tls: HashMap<String, Arc<CertifiedKey>>,
    /// By the token in the path.
    over_http: HashMap<String, String>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("facts", &self.facts())
            .finish_non_exhaustive()
    }
}

impl Served {
    /// Serves new connections with this certificate from now on.
    pub(super) fn put(&self, certificate: Certificate) {
        let mut current = self
            .certificate
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::new(certificate));
    }

    /// The certificate; `None` before there is one.
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        let current = self
            .certificate
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// What the certificate says of itself.
    pub fn facts(&self) -> Option<Facts> {
        self.certificate()
            .map(|certificate| certificate.facts().clone())
    }

    /// Answers a challenge over TLS: who asks for this server name is shown this certificate.
    pub(super) fn answer_over_tls(self: &Arc<Self>, name: &str, key: CertifiedKey) -> Answering {
        let name = name.to_ascii_lowercase();
        let mut challenges = self.challenges_mut();
        if challenges.over_tls.len() < CHALLENGES_MAX {
            challenges.over_tls.insert(name.clone(), Arc::new(key));
        }
        Answering {
            served: Arc::clone(self),
            name,
            token: String::new(),
        }
    }

    /// Answers a challenge over HTTP: who asks for this token is told this text.
    pub(super) fn answer_over_http(self: &Arc<Self>, token: &str, text: &str) -> Answering {
        let mut challenges = self.challenges_mut();
        if challenges.over_http.len() < CHALLENGES_MAX {
            challenges
                .over_http
                .insert(token.to_owned(), text.to_owned());
        }
        Answering {
            served: Arc::clone(self),
            name: String::new(),
            token: token.to_owned(),
        }
    }

    /// The answer to a challenge over HTTP (RFC 8555 §8.3), if it is under way.
    pub fn challenge(&self, token: &str) -> Option<String> {
        let challenges = self
            .challenges
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        challenges.over_http.get(token).cloned()
    }

    fn challenges_mut(&self) -> std::sync::RwLockWriteGuard<'_, Challenges> {
        self.challenges
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn().into_iter().flatten().peekable();
        let is_offered = protocols.peek().is_some();
        if is_offered && protocols.all(|protocol| protocol == ACME_TLS) {
            let name = hello.server_name()?.to_ascii_lowercase();
            let challenges = self
                .challenges
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            return challenges.over_tls.get(&name).cloned();
        }
        self.certificate()
            .map(|certificate| Arc::clone(&certificate.key))
    }
}

/// The answer to a challenge, given until this is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    served: Arc<Served>,
    name: String,
    token: String,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut challenges = self.served.challenges_mut();
        challenges.over_tls.remove(&self.name);
        challenges.over_http.remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::made;
    use super::*;

    #[test]
    fn the_newest_certificate_is_served_and_challenges_end() {
        let served = Arc::new(Served::default());
        assert_eq!(served.facts(), None);
        served.put(made(&["a.test"], 0, 1).certificate());
        served.put(made(&["b.test"], 0, 1).certificate());
        assert_eq!(served.facts().unwrap().names, ["b.test"]);
        let answering = served.answer_over_http("token", "token.print");
        assert_eq!(served.challenge("token").unwrap(), "token.print");
        assert_eq!(served.challenge("tokens"), None);
        assert_eq!(served.challenge(""), None);
        drop(answering);
        assert_eq!(served.challenge("token"), None);
    }

    #[test]
    fn challenges_have_a_bound() {
        let served = Arc::new(Served::default());
        let all: Vec<_> = (0..2 * CHALLENGES_MAX)
            .map(|number| served.answer_over_http(&number.to_string(), "x"))
            .collect();
        assert_eq!(served.challenges_mut().over_http.len(), CHALLENGES_MAX);
        drop(all);
        assert!(served.challenges_mut().over_http.is_empty());
    }
}
