//! One certificate from an authority: account, order, challenge, request (RFC 8555 §7).

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeHandle,
    ChallengeType, Error, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{Der, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::super::certificate::{Certificate, CertificateFault, Id, provider};
use super::super::served::{Answering, Served};
use super::client::{Client, Unreached};
use super::kept::{Kept, KeptAccount};
use crate::config::{AcmeChallenge, AcmeSettings, Host};
use crate::data_dir::DataDirError;

/// How often and for how long an authority is asked whether it has finished.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .timeout(Duration::from_secs(120));

/// The kinds of errors (RFC 8555 §6.7, RFC 9773 §7.4) that are handled by themselves.
const GONE: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
const REPLACED: &str = "urn:ietf:params:acme:error:alreadyReplaced";

/// The authority no longer knows, or never knew, a number that a request was made with.
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub(super) enum OrderFault {
    #[error("{0}")]
    Acme(#[from] Error),
    #[error("the authority does not offer the challenge {0}; choose another acme-challenge")]
    NotOffered(&'static str),
    #[error("the check of {host} by {challenge} failed: {told}")]
    Refused {
        host: String,
        challenge: &'static str,
        told: String,
    },
    #[error("the order ended as {0:?}")]
    Ended(OrderStatus),
    #[error("the certificate request cannot be made: {0}")]
    Request(#[from] rcgen::Error),
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] CertificateFault),
    #[error("the certificate is for {0}")]
    Elsewhere(String),
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    #[error(transparent)]
    Kept(#[from] DataDirError),
    #[error("it took longer than {0} seconds")]
    Late(u64),
}

impl OrderFault {
    /// Whether the same may be asked again at once (RFC 8555 §6.5).
    pub(super) fn is_of_nonce(&self) -> bool {
        matches!(self, Self::Acme(Error::Api(problem)) if problem.r#type.as_deref() == Some(BAD_NONCE))
    }

    /// The reason in words that everybody may read: without what an authority tells about this machine's network.
    pub(super) fn outline(&self) -> String {
        let kind = |problem: &Problem| {
            let kind = problem.r#type.as_deref().unwrap_or("no kind");
            let short = kind.strip_prefix("urn:ietf:params:acme:error:");
            format!("the authority refused: {}", short.unwrap_or(kind))
        };
        match self {
            Self::Acme(Error::Api(problem)) => kind(problem),
            Self::Acme(Error::Timeout(_)) | Self::Late(_) => {
                "the authority did not finish in time".to_owned()
            }
            Self::Acme(Error::Other(error)) => {
                let why = error.downcast_ref::<Unreached>();
                let why = why.map_or("its answer cannot be read", |why| why.outline.as_str());
                format!("the authority was not reached: {why}")
            }
            Self::Acme(_) => "the authority's answer was not understood".to_owned(),
            Self::Refused { challenge, .. } => {
                format!("the authority's check by {challenge} failed")
            }
            Self::Kept(_) => "the data directory cannot be written".to_owned(),
            Self::NotOffered(_)
            | Self::Ended(_)
            | Self::Request(_)
            | Self::Unusable(_)
            | Self::Elsewhere(_)
            | Self::Library(_) => self.to_string(),
        }
    }
}

/// A certificate that was made now.
pub(super) struct Issued {
    pub(super) certificate: Certificate,
    pub(super) chain: String,
    pub(super) key: String,
}

/// What is needed to ask an authority for certificates.
pub(super) struct Applicant {
    pub(super) settings: AcmeSettings,
    pub(super) client: Client,
    pub(super) kept: Kept,
    pub(super) served: Arc<Served>,
}

impl Applicant {
    /// The account at the authority, which is created at first use.
    pub(super) async fn account(&self) -> Result<Account, OrderFault> {
        let directory = &self.settings.directory;
        let email = self.settings.email.clone();
        let contact = email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let builder = || Account::builder_with_http(Box::new(self.client.clone()));
        if let Some(found) = self.kept.account(directory) {
            let credentials = serde_json::to_value(&found.credentials).map_err(Error::from)?;
            let account = builder().from_credentials(found.credentials).await?;
            if found.email != email {
                account.update_contacts(&contact).await?;
                self.kept.keep_account(&KeptAccount {
                    directory: directory.clone(),
                    email,
                    credentials: serde_json::from_value(credentials).map_err(Error::from)?,
                })?;
            }
            return Ok(account);
        }
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let (account, credentials) = builder().create(&wanted, directory.clone(), None).await?;
        self.kept.keep_account(&KeptAccount {
            directory: directory.clone(),
            email,
            credentials,
        })?;
        Ok(account)
    }

    /// A new certificate, in place of the one with this id.
    pub(super) async fn apply(&self, replaced: Option<&Id>) -> Result<Issued, OrderFault> {
        let account = self.account().await?;
        let mut order = match self.order(&account, replaced).await {
            Err(OrderFault::Acme(Error::Api(problem)))
                if problem.r#type.as_deref() == Some(GONE) =>
            {
                self.kept.forget_account();
                let account = self.account().await?;
                self.order(&account, None).await?
            }
            order => order?,
        };
        self.prove(&mut order).await?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![self.settings.host.to_string()])?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?;
        order.finalize_csr(request.der()).await?;
        let chain = order.poll_certificate(&POLLS).await?;
        let key = key.serialize_pem();
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes())?;
        if !certificate.covers(&self.settings.host.to_string()) {
            return Err(OrderFault::Elsewhere(certificate.facts().names_shown()));
        }
        Ok(Issued {
            certificate,
            chain,
            key,
        })
    }

    /// An order for the host, of the profile that is wanted if the authority has any.
    async fn order(&self, account: &Account, replaced: Option<&Id>) -> Result<Order, OrderFault> {
        let host = [match &self.settings.host {
            Host::Name(name) => Identifier::Dns(name.clone()),
            Host::Address(address) => Identifier::Ip(*address),
        }];
        let has_profiles = account.profiles().next().is_some();
        let profile = self.settings.profile.as_deref().filter(|_| has_profiles);
        let wanted = || {
            let wanted = NewOrder::new(&host);
            match profile {
                Some(profile) => wanted.profile(profile),
                None => wanted,
            }
        };
        if let Some(id) = replaced {
            match account.new_order(&wanted().replaces(identifier(id))).await {
                // The authority does not care which certificate is replaced.
                Err(Error::Unsupported(_)) => {}
                // Another order has replaced it, whose certificate was lost.
                Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(REPLACED) => {}
                order => return Ok(order?),
            }
        }
        Ok(account.new_order(&wanted()).await?)
    }

    /// Proves that the host is this server's, and waits until the authority has seen it.
    async fn prove(&self, order: &mut Order) -> Result<(), OrderFault> {
        let (kind, name) = match self.settings.challenge {
            AcmeChallenge::TlsAlpn => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
            AcmeChallenge::Http => (ChallengeType::Http01, "http-01"),
        };
        let mut answers = Vec::new();
        let mut open = order.authorizations();
        while let Some(found) = open.next().await {
            let mut found: AuthorizationHandle<'_> = found?;
            if found.status == AuthorizationStatus::Valid {
                continue;
            }
            let mut challenge = found
                .challenge(kind.clone())
                .ok_or(OrderFault::NotOffered(name))?;
            answers.push(self.answer(&challenge)?);
            challenge.set_ready().await?;
        }
        let ended = order.poll_ready(&POLLS).await;
        drop(answers);
        match ended {
            Ok(OrderStatus::Ready) => Ok(()),
            // What was wrong is told by the challenge.
            Ok(OrderStatus::Invalid) | Err(Error::Api(_)) => {
                let told = why_refused(order).await;
                match (told, ended) {
                    (Some(told), _) => Err(OrderFault::Refused {
                        host: self.settings.host.to_string(),
                        challenge: name,
                        told,
                    }),
                    (None, Err(error)) => Err(error.into()),
                    (None, Ok(status)) => Err(OrderFault::Ended(status)),
                }
            }
            Ok(status) => Err(OrderFault::Ended(status)),
            Err(error) => Err(error.into()),
        }
    }

    /// Answers a challenge until the result is dropped.
    fn answer(&self, challenge: &ChallengeHandle<'_>) -> Result<Answering, OrderFault> {
        let proof = challenge.key_authorization();
        match self.settings.challenge {
            AcmeChallenge::Http => Ok(self
                .served
                .answer_over_http(&challenge.token, proof.as_str())),
            AcmeChallenge::TlsAlpn => {
                let key = proving(&self.settings.host, proof.digest().as_ref())?;
                let name = asked_name(&self.settings.host);
                Ok(self.served.answer_over_tls(&name, key))
            }
        }
    }
}

/// How an authority names a certificate.
pub(super) fn identifier(id: &Id) -> CertificateIdentifier<'_> {
    CertificateIdentifier::new(
        Der::from_slice(&id.authority_key),
        Der::from_slice(&id.serial),
    )
}

/// What an authority says about the challenges that it did not accept.
async fn why_refused(order: &mut Order) -> Option<String> {
    let mut all = order.authorizations();
    while let Some(found) = all.next().await {
        let mut found = found.ok()?;
        let state = found.refresh().await.ok()?;
        let mut problems = state.challenges.iter().filter_map(|one| one.error.as_ref());
        if let Some(problem) = problems.next() {
            let told = problem.detail.clone().or_else(|| problem.r#type.clone());
            return Some(told.unwrap_or_else(|| "it does not say why".to_owned()));
        }
    }
    None
}

/// The certificate that proves over TLS that a host is this server's (RFC 8737 §3): signed by itself, with the digest
/// of the proof.
fn proving(host: &Host, digest: &[u8]) -> Result<CertifiedKey, OrderFault> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![host.to_string()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|error| OrderFault::Library(rustls::Error::General(error.to_owned())))?;
    // The library's own check of the pair does not know the extension.
    let key = provider().key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// The server name that an authority asks for over TLS: for an address, its name for reverse look-up (RFC 8738 §6),
/// because addresses are no server names.
fn asked_name(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::Address(std::net::IpAddr::V4(v4)) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Host::Address(std::net::IpAddr::V6(v6)) => {
            let nibbles = v6.octets().into_iter().rev();
            let nibbles = nibbles.flat_map(|octet| [octet & 0xf, octet >> 4]);
            let labels: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Host {
        Host::of_url(url).unwrap()
    }

    #[test]
    fn an_address_is_asked_for_by_its_reverse_name() {
        for (url, name) in [
            ("https://video.example.org", "video.example.org"),
            ("https://192.0.2.7", "7.2.0.192.in-addr.arpa"),
            (
                "https://[2001:db8::1]",
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ),
        ] {
            assert_eq!(asked_name(&host(url)), name);
        }
    }

    #[test]
    fn a_proof_over_tls_is_for_the_host_and_holds_the_digest() {
        for url in [
            "https://video.example.org",
            "https://192.0.2.7",
            "https://[2001:db8::1]",
        ] {
            let digest = [7; 32];
            let key = proving(&host(url), &digest).unwrap();
            let der = key.end_entity_cert().unwrap();
            // The extension's object identifier, critical, and an octet string within an octet string.
            let extension = [
                &[
                    0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xff, 4, 34, 4, 32,
                ][..],
                &digest,
            ]
            .concat();
            let holds = der.windows(extension.len()).any(|part| part == extension);
            assert!(holds, "{url}");
        }
    }

    /// The example of RFC 9773 §4.1 has a serial number whose first bit is set, so its encoding has a zero before it.
    #[test]
    fn a_certificate_is_named_as_it_is_encoded() {
        use rcgen::{BasicConstraints, IsCa, Issuer, KeyIdMethod, SerialNumber};
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xc0, 0xff, 0xee]);
        let authority = Issuer::new(authority, KeyPair::generate().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[0xca, 0xfe]));
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&key, &authority).unwrap();
        let made = Certificate::from_pem(made.pem().as_bytes(), key.serialize_pem().as_bytes());
        let id = made.unwrap().facts().id.clone().unwrap();
        assert_eq!(identifier(&id).to_string(), "wP_u.AMr-");
    }

    #[test]
    fn everybody_may_read_the_outline() {
        let problem = |kind: &str| {
            let text = format!(
                "{{\"type\":\"urn:ietf:params:acme:error:{kind}\",\"detail\":\"10.0.0.7 secret\"}}"
            );
            OrderFault::from(Error::Api(serde_json::from_str(&text).unwrap()))
        };
        let refused = OrderFault::Refused {
            host: "a.test".to_owned(),
            challenge: "http-01",
            told: "10.0.0.7 secret".to_owned(),
        };
        for (fault, outline) in [
            (problem("rateLimited"), "the authority refused: rateLimited"),
            (refused, "the authority's check by http-01 failed"),
            (
                Error::Other("10.0.0.7 secret".into()).into(),
                "the authority was not reached: its answer cannot be read",
            ),
            (OrderFault::Late(7), "the authority did not finish in time"),
        ] {
            assert_eq!(fault.outline(), outline);
        }
        assert!(
            problem("rateLimited").to_string().contains("secret"),
            "the log has all"
        );
    }
}
