//! The TLS certificates to trust: those of the system's authorities, those of a file, or all.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;

use crate::error::Error;

/// Most certificates read from a bundle; the lists of public authorities have about 150.
const CERTIFICATES_MAX: usize = 4_096;

/// The certificates to trust for TLS connections to a server. Cheap to clone.
#[derive(Clone, Default)]
pub struct Trust {
    /// `None` leaves the choice to the TLS library, which asks the system.
    config: Option<Arc<ClientConfig>>,
}

impl Trust {
    /// Trusts the system's authorities. `SSL_CERT_FILE` names others.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Trusts only the certificates in `pem`: those signed by them, and they themselves.
    ///
    /// A server that shows a certificate of the bundle is trusted while that certificate is valid
    /// and names the server, whether it is marked as an authority's or not. OpenSSL, and so the AWS CLI,
    /// treats a self-signed certificate in this way.
    ///
    /// # Errors
    /// [`Error::Trust`] if it contains no readable certificate.
    pub fn bundle(pem: &[u8]) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        for found in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                found.map_err(|error| Error::Trust(format!("it is not PEM: {error}")))?;
            if certificates.len() == CERTIFICATES_MAX {
                let rule = format!("it has more than {CERTIFICATES_MAX} certificates");
                return Err(Error::Trust(rule));
            }
            certificates.push(certificate);
        }
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        if taken == 0 {
            return Err(Error::Trust(
                "there is no certificate in it (BEGIN CERTIFICATE)".to_owned(),
            ));
        }
        let provider = provider();
        let chains =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| Error::Trust(error.to_string()))?;
        Self::verified_by(
            provider,
            Arc::new(Bundle {
                certificates,
                chains,
            }),
        )
    }

    /// Trusts every certificate: anybody between this program and the server can read and change everything.
    ///
    /// # Errors
    /// [`Error::Trust`] if the TLS library cannot be set up.
    pub fn unverified() -> Result<Self, Error> {
        let provider = provider();
        let schemes = provider
            .signature_verification_algorithms
            .supported_schemes();
        Self::verified_by(provider, Arc::new(Unverified { schemes }))
    }

    fn verified_by(
        provider: Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, Error> {
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Trust(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            config: Some(Arc::new(config)),
        })
    }

    /// This choice as a configuration of rustls; `None` means the system's authorities.
    #[must_use]
    pub fn rustls_config(&self) -> Option<Arc<ClientConfig>> {
        self.config.clone()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.config {
            None => "Trust(system)",
            Some(_) => "Trust(own)",
        })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Verifies chains that lead to a certificate of a bundle, and the certificates of the bundle themselves.
#[derive(Debug)]
struct Bundle {
    certificates: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl Bundle {
    /// Verifies name and validity of a certificate that is in the bundle, which needs no chain.
    fn verify_itself(
        &self,
        shown: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<ServerCertVerified, TlsError>> {
        self.certificates.iter().find(|known| *known == shown)?;
        let checked = || {
            let parsed = ParsedCertificate::try_from(shown)?;
            rustls::client::verify_server_name(&parsed, server_name)?;
            check_time(shown, now)?;
            Ok(ServerCertVerified::assertion())
        };
        Some(checked())
    }
}

fn check_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), TlsError> {
    // `Raw` accepts serial numbers longer than RFC 5280 allows.
    let parsed = CertificateInner::<Raw>::from_der(certificate)
        .map_err(|_| TlsError::InvalidCertificate(CertificateError::BadEncoding))?;
    let validity = parsed.tbs_certificate().validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

impl ServerCertVerifier for Bundle {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Some(verified) = self.verify_itself(shown, server_name, now) {
            return verified;
        }
        self.chains
            .verify_server_cert(shown, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.chains
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.chains
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Accepts every certificate and every signature: a signature proves nothing when any key is accepted.
#[derive(Debug)]
struct Unverified {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, IsCa, KeyPair};
    use std::time::Duration;

    struct Made {
        certificate: CertificateDer<'static>,
        pem: String,
    }

    /// A self-signed certificate for `localhost` of 2020 to 2040.
    fn made(change: impl FnOnce(&mut CertificateParams)) -> Made {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        change(&mut params);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Made {
            certificate: made.der().clone(),
            pem: made.pem(),
        }
    }

    fn verify(pem: &str, shown: &Made, name: &str) -> Result<(), TlsError> {
        let bundle = Trust::bundle(pem.as_bytes()).unwrap();
        assert!(bundle.rustls_config().is_some());
        // The verifier inside a configuration cannot be extracted, so a second one is built.
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(Result::unwrap)
            .collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let name = ServerName::try_from(name).unwrap();
        Bundle {
            certificates,
            chains,
        }
        .verify_server_cert(&shown.certificate, &[], &name, &[], now)
        .map(drop)
    }

    #[test]
    fn a_self_signed_certificate_is_its_own_authority() {
        let plain = made(|_| {});
        assert_eq!(verify(&plain.pem, &plain, "localhost"), Ok(()));
        // As `openssl req -x509` makes them: marked as an authority's, and used by a server.
        let marked = made(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
        assert_eq!(verify(&marked.pem, &marked, "localhost"), Ok(()));
        let both = format!("{}\n{}", plain.pem, marked.pem);
        assert_eq!(verify(&both, &marked, "localhost"), Ok(()));
    }

    #[test]
    fn name_time_and_key_are_still_looked_at() {
        let one = made(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
        let other = made(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
        assert!(verify(&one.pem, &one, "example.org").is_err());
        assert!(verify(&one.pem, &other, "localhost").is_err());
        let expired = made(|params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
        assert_eq!(
            verify(&expired.pem, &expired, "localhost"),
            Err(CertificateError::Expired.into())
        );
        let early = made(|params| params.not_before = rcgen::date_time_ymd(2039, 1, 1));
        assert_eq!(
            verify(&early.pem, &early, "localhost"),
            Err(CertificateError::NotValidYet.into())
        );
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        for pem in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = Trust::bundle(pem.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Trust(_)), "{pem}: {error}");
        }
        assert!(Trust::unverified().unwrap().rustls_config().is_some());
        assert!(Trust::system().rustls_config().is_none());
    }
}
