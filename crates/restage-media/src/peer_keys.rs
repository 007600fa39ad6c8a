//! Reading the SRTP keys that DTLS agrees on: the engine keeps them to itself, but asks a provider for its DTLS.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    self, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion,
};

use crate::srtp_keys::KeyingMaterial;
use crate::stats::SrtpProfile;

/// Where the keys of one connection appear.
#[derive(Clone)]
pub(crate) struct KeySlot(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    profile: Option<SrtpProfile>,
    material: Option<KeyingMaterial>,
}

impl std::fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySlot")
    }
}

thread_local! {
    /// The slot for the next DTLS instance made on this thread: the engine makes it while it is built.
    static NEXT: RefCell<Option<KeySlot>> = const { RefCell::new(None) };
}

impl KeySlot {
    /// Runs `build`, whose DTLS instance then fills a slot.
    pub(crate) fn with<T>(build: impl FnOnce() -> T) -> (T, Self) {
        let slot = Self(Arc::default());
        NEXT.set(Some(slot.clone()));
        let built = build();
        NEXT.set(None);
        (built, slot)
    }

    /// DTLS has agreed on keys. From now on they are sent under past the engine, and by nobody else.
    pub(crate) fn is_filled(&self) -> bool {
        self.slot().profile.is_some()
    }

    pub(crate) fn take(&self) -> Option<KeyingMaterial> {
        self.slot().material.take()
    }

    /// What DTLS has agreed on.
    pub(crate) fn profile(&self) -> Option<SrtpProfile> {
        self.slot().profile
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, bytes: &[u8], profile: dtls::SrtpProfile, is_client: bool) {
        let profile = match profile {
            dtls::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
            dtls::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
            _ => SrtpProfile::Aes128CmSha1,
        };
        let mut slot = self.slot();
        slot.profile = Some(profile);
        slot.material = Some(KeyingMaterial {
            profile,
            bytes: bytes.to_vec(),
            is_client,
        });
    }
}

/// The engine's own cryptography, with DTLS that can be listened to.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        dtls_provider: &ListenedDtls,
        ..str0m::crypto::from_feature_flags()
    }
}

#[derive(Debug)]
struct ListenedDtls;

impl ListenedDtls {
    fn inner() -> &'static dyn DtlsProvider {
        str0m::crypto::from_feature_flags().dtls_provider
    }
}

impl DtlsProvider for ListenedDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        Self::inner().generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = Self::inner().new_dtls(cert, now, version, mtu)?;
        Ok(match NEXT.take() {
            Some(slot) => Box::new(Listened { inner, slot }),
            None => inner,
        })
    }

    fn is_test(&self) -> bool {
        Self::inner().is_test()
    }
}

#[derive(Debug)]
struct Listened {
    inner: Box<dyn DtlsInstance>,
    slot: KeySlot,
}

impl DtlsInstance for Listened {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let is_client = self.inner.is_active();
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            self.slot.fill(material, *profile, is_client);
        }
        output
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
