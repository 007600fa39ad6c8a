//! A handshake with a server, to see which certificate it shows.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    StreamOwned,
};

use super::certificate::{Facts, provider};

/// The certificate that a server shows to who asks for a host. Each step has the time `limit`.
///
/// # Errors
/// `ConnectionRefused` if nobody listens; other errors of the connection or of the handshake.
pub fn shown(address: SocketAddr, host: &str, limit: Duration) -> io::Result<(Facts, Vec<u8>)> {
    let stream = shaken(address, host, limit)?;
    let first = stream.conn.peer_certificates().and_then(<[_]>::first);
    let first = first.ok_or_else(|| io::Error::other("no certificate was shown"))?;
    let facts = Facts::of(first).map_err(io::Error::other)?;
    Ok((facts, first.to_vec()))
}

/// The first bytes that a server answers to these over TLS, at most `bytes_max`. Whose certificate it shows does not matter. Each
/// step has the time `limit`.
///
/// # Errors
/// `ConnectionRefused` if nobody listens; other errors of the connection or of the handshake.
pub fn answered(
    address: SocketAddr,
    host: &str,
    limit: Duration,
    request: &[u8],
    bytes_max: usize,
) -> io::Result<Vec<u8>> {
    let mut stream = shaken(address, host, limit)?;
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = vec![0; bytes_max];
    let length = stream.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// A connection whose handshake is over.
fn shaken(
    address: SocketAddr,
    host: &str,
    limit: Duration,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
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
    Ok(StreamOwned::new(connection, stream))
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

    #[tokio::test]
    async fn what_is_asked_over_tls_is_answered() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let tls = Tls::of(made(&["a.test"], 0, 1).certificate());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = tls.handshake(stream).await.unwrap();
            let mut asked = [0; 4];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(&asked).await.unwrap();
            stream.flush().await.unwrap();
            // Until the other side is done.
            let more = stream.read(&mut asked).await;
            assert!(!matches!(more, Ok(1..)), "nothing else is asked");
        });
        let limit = Duration::from_secs(30);
        let ask = move || answered(address, "127.0.0.1", limit, b"ping", 512);
        let answer = tokio::task::spawn_blocking(ask).await.unwrap().unwrap();
        assert_eq!(answer, b"ping");
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
