//! Certificates for tests.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use restage_store::system::clock;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::certificate::{Certificate, provider};

/// A self-signed certificate and its key, as PEM.
pub(crate) struct Made {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Made {
    /// It as the server uses it.
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A client's configuration that trusts this certificate alone, and speaks HTTP.
    pub(crate) fn trusted(&self) -> ClientConfig {
        self.trusting(rustls::DEFAULT_VERSIONS)
    }

    /// The same, for some versions of TLS.
    pub(crate) fn trusting(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

/// A certificate for these names and addresses that began `age_days` ago and lasts `life_days`.
pub(crate) fn made(names: &[&str], age_days: u64, life_days: u64) -> Made {
    let now = Duration::from_micros(u64::try_from(clock::now().0).unwrap());
    let day = Duration::from_secs(86_400);
    let begins = SystemTime::UNIX_EPOCH + now - day * u32::try_from(age_days).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = begins.into();
    params.not_after = (begins + day * u32::try_from(life_days).unwrap()).into();
    let key = KeyPair::generate().unwrap();
    Made {
        chain: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}
