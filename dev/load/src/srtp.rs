//! The SRTP profiles that a client's DTLS offers.
//!
//! The engine's DTLS offers all profiles that it knows and has no setting for them. This module makes a client that
//! knows only AES in counter mode, as older WebRTC stacks do, by rewriting the use_srtp extension of its ClientHello
//! (RFC 5764 §4.1.1): on the wire, and wherever the messages of the handshake are hashed or signed, so that both ends
//! agree on them.

use std::sync::Arc;
use std::time::Instant;

use dimpl::crypto::{
    Buf, CryptoProvider as DtlsCrypto, HashContext, HashProvider, KeyProvider, SigningKey,
    aws_lc_rs,
};
use dimpl::{HashAlgorithm, SignatureAlgorithm};
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion};

/// The offered profiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Srtp {
    /// Every profile of the engine: AES-GCM with both key lengths, and AES128_CM_SHA1_80.
    #[default]
    All,
    /// Only AES128_CM_SHA1_80.
    AesCm,
}

impl Srtp {
    /// The cryptography of an engine that offers these profiles.
    pub fn provider(self) -> CryptoProvider {
        let engine = str0m::crypto::from_feature_flags();
        match self {
            Self::All => engine,
            Self::AesCm => CryptoProvider {
                dtls_provider: &AesCmDtls,
                ..engine
            },
        }
    }
}

/// The extension's number and lengths, three profiles, and no key identifier: as the engine writes it, and as it is
/// sent.
const OFFERED: [u8; 13] = [0, 14, 0, 9, 0, 6, 0, 8, 0, 7, 0, 1, 0];
const WANTED: [u8; 13] = [0, 14, 0, 9, 0, 6, 0, 1, 0, 1, 0, 1, 0];

fn rewrite(bytes: &mut [u8]) {
    let at = bytes
        .windows(OFFERED.len())
        .position(|window| window == OFFERED);
    if let Some(at) = at {
        bytes[at..][..WANTED.len()].copy_from_slice(&WANTED);
    }
}

fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    rewrite(&mut bytes);
    bytes
}

#[derive(Debug)]
struct AesCmDtls;

impl DtlsProvider for AesCmDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
    }

    /// DTLS 1.2, in which the ClientHello is readable.
    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let crypto = DtlsCrypto {
            hash_provider: &Self,
            key_provider: &Self,
            ..aws_lc_rs::default_provider()
        };
        let config = dimpl::Config::builder()
            .use_server_cookie(false)
            .with_crypto_provider(crypto);
        let config = match mtu {
            Some(mtu) => config.mtu(mtu),
            None => config,
        }
        .build()
        .map_err(|error| CryptoError::Other(error.to_string()))?;
        Ok(Box::new(Dtls {
            inner: dimpl::Dtls::new_12(Arc::new(config), cert.clone(), now),
            output: Vec::new(),
        }))
    }
}

impl HashProvider for AesCmDtls {
    fn create_hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext> {
        Box::new(Hash(
            aws_lc_rs::default_provider()
                .hash_provider
                .create_hash(algorithm),
        ))
    }
}

impl KeyProvider for AesCmDtls {
    fn load_private_key(&self, key_der: &[u8]) -> Result<Box<dyn SigningKey>, dimpl::CryptoError> {
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key_der)?;
        Ok(Box::new(Key(key)))
    }
}

#[derive(Debug)]
struct Hash(Box<dyn HashContext>);

impl HashContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(&rewritten(data));
    }

    fn clone_and_finalize(&self, out: &mut Buf) {
        self.0.clone_and_finalize(out);
    }
}

#[derive(Debug)]
struct Key(Box<dyn SigningKey>);

impl SigningKey for Key {
    fn sign(
        &mut self,
        data: &[u8],
        hash_alg: HashAlgorithm,
        out: &mut Buf,
    ) -> Result<(), dimpl::CryptoError> {
        self.0.sign(&rewritten(data), hash_alg, out)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.0.hash_algorithm()
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        self.0.supported_hash_algorithms()
    }
}

#[derive(Debug)]
struct Dtls {
    inner: dimpl::Dtls,
    /// The output of the inner engine, copied because it cannot be changed in place.
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
            DtlsOutput::Packet(packet) => {
                let length = copied(packet);
                rewrite(&mut buf[..length]);
                DtlsOutput::Packet(&buf[..length])
            }
            DtlsOutput::PeerCert(certificate) => {
                let length = copied(certificate);
                DtlsOutput::PeerCert(&buf[..length])
            }
            DtlsOutput::ApplicationData(data) => {
                let length = copied(data);
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
