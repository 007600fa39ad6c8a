//! A handshake with a server, to see which certificate it shows.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};

use super::certificate::{Facts, provider};

/// The certificate that a server shows to who asks for a host. Each step has the time `limit`.
///
/// # Errors
/// `ConnectionRefused` if nobody listens; other errors of the connection or of the handshake.
pub fn shown(address: SocketAddr, host: &str, limit: Duration) -> io::Result<(Facts, Vec<u8>)> {
    let provider = provider();
    let schemes = provider
        .signature_verification_algorithms
        .supported_schemes();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Onlooker { schemes }))
        .with_no_client_auth();
    let bare = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(bare).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let first = connection.peer_certificates().and_then(<[_]>::first);
    let first = first.ok_or_else(|| io::Error::other("no certificate was shown"))?;
    let facts = Facts::of(first).map_err(io::Error::other)?;
    Ok((facts, first.to_vec()))
}

/// Accepts every certificate: nothing is sent to who shows it.
#[derive(Debug)]
struct Onlooker {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Onlooker {
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
    use std::net::TcpListener;

    use super::super::Tls;
    use super::super::testing::made;
    use super::*;

    #[tokio::test]
    async fn the_certificate_that_is_shown_is_read_whoever_has_made_it() {
        let made = made(&["a.test"], 0, 1).certificate();
        let tls = Tls::of(made.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            tls.handshake(stream).await.unwrap();
        });
        let limit = Duration::from_secs(30);
        let found = tokio::task::spawn_blocking(move || shown(address, "b.test", limit));
        let (facts, der) = found.await.unwrap().unwrap();
        assert_eq!(&facts, made.facts());
        assert!(made.is(&der) && !made.is(&der[1..]));
        serving.await.unwrap();
    }

    #[test]
    fn nobody_shows_nothing() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let error = shown(free, "127.0.0.1", Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
