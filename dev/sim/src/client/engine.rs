//! The engines of clients, whose random numbers come from the seed as far as they can.
//!
//! Keys and signatures of DTLS are drawn by the system: nothing that is checked depends on them.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use restage_load::peer::Engine;
use str0m::Rtc;
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion};
use str0m::format::Codec;

/// Cryptography and certificate of all clients of all runs: making them takes long.
static SHARED: LazyLock<(Arc<CryptoProvider>, Option<DtlsCert>)> = LazyLock::new(|| {
    let engine = str0m::crypto::from_feature_flags();
    let certificate = engine.dtls_provider.generate_certificate();
    let seeded = CryptoProvider {
        dtls_provider: &SeededDtls,
        ..engine
    };
    (Arc::new(seeded), certificate)
});

/// An engine. Whether it says how packets arrive decides whether the server estimates its network.
pub(crate) fn build(now: Instant, has_feedback: bool) -> Rtc {
    let (crypto, certificate) = &*SHARED;
    let engine = Engine {
        crypto: Arc::clone(crypto),
        certificate: certificate.clone(),
        others: vec![Codec::Vp8],
        has_feedback,
        feedback_interval: None,
    };
    engine.build(now)
}

/// The engine's DTLS with seeded nonces, random bytes and retransmissions.
#[derive(Debug)]
struct SeededDtls;

impl DtlsProvider for SeededDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        SHARED.1.clone()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config = dimpl::Config::builder()
            .use_server_cookie(false)
            // Without P-384, which is slow. The certificate of the server is on P-256.
            .kx_groups(&[dimpl::NamedGroup::X25519, dimpl::NamedGroup::Secp256r1])
            .dangerously_set_rng_seed(fastrand::u64(..));
        let config = match mtu {
            Some(mtu) => config.mtu(mtu),
            None => config,
        }
        .build()
        .map_err(|error| CryptoError::Other(error.to_string()))?;
        let inner = dimpl::Dtls::new_12(Arc::new(config), cert.clone(), now);
        Ok(Box::new(Dtls {
            inner,
            output: Vec::new(),
        }))
    }
}

#[derive(Debug)]
struct Dtls {
    inner: dimpl::Dtls,
    output: Vec<u8>,
}

impl DtlsInstance for Dtls {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.output.resize(buf.len(), 0);
        let mut copied = |bytes: &[u8]| {
            buf[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        };
        match self.inner.poll_output(&mut self.output) {
            DtlsOutput::Packet(bytes) => {
                let length = copied(bytes);
                DtlsOutput::Packet(&buf[..length])
            }
            DtlsOutput::PeerCert(bytes) => {
                let length = copied(bytes);
                DtlsOutput::PeerCert(&buf[..length])
            }
            DtlsOutput::ApplicationData(bytes) => {
                let length = copied(bytes);
                DtlsOutput::ApplicationData(&buf[..length])
            }
            DtlsOutput::BufferTooSmall { needed } => DtlsOutput::BufferTooSmall { needed },
            DtlsOutput::Timeout(at) => DtlsOutput::Timeout(at),
            DtlsOutput::Connected => DtlsOutput::Connected,
            DtlsOutput::KeyingMaterial(material, profile) => {
                DtlsOutput::KeyingMaterial(material, profile)
            }
            _ => DtlsOutput::CloseNotify,
        }
    }

    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
