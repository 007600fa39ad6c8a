//! Making engines: what they share, and how an offer becomes one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::{Candidate, Rtc};

use crate::error::OfferError;
use crate::peer_codec;
use crate::peer_engine::{Engine, guard, not_accepted};
use crate::peer_event::Sink;
use crate::peer_keys::{self, KeySlot};
use crate::sdp::offer::{IceCredentials, Offer};

/// What all engines of an [`Sfu`](crate::Sfu) share.
pub(crate) struct EngineFactory {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
    candidates: Vec<Candidate>,
    addresses: Arc<[SocketAddr]>,
}

impl EngineFactory {
    /// Makes the DTLS certificate. Addresses that cannot be candidates (unspecified, multicast) are left out.
    pub(crate) fn new(addresses: &[SocketAddr]) -> Self {
        let crypto = Arc::new(peer_keys::provider());
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .expect("the aws-lc-rs provider always generates certificates");
        let usable: Vec<(SocketAddr, Candidate)> = addresses
            .iter()
            .filter_map(|address| match Candidate::host(*address, "udp") {
                Ok(candidate) => Some((*address, candidate)),
                Err(error) => {
                    tracing::warn!(%address, %error, "this address cannot be advertised");
                    None
                }
            })
            .collect();
        let (addresses, candidates): (Vec<_>, Vec<_>) = usable.into_iter().unzip();
        Self {
            crypto,
            certificate,
            candidates,
            addresses: addresses.into(),
        }
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers an offer. Returns the engine, its credentials and its answer, which is not yet the client's.
    pub(crate) fn open(
        &self,
        now: Instant,
        offer: &Offer,
        sink: &mut Sink,
    ) -> Result<(Engine, IceCredentials, String), OfferError> {
        guard(|| self.try_open(now, offer, sink))
            .unwrap_or_else(|failure| Err(not_accepted(&failure.to_string())))
    }

    fn try_open(
        &self,
        now: Instant,
        offer: &Offer,
        sink: &mut Sink,
    ) -> Result<(Engine, IceCredentials, String), OfferError> {
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_dtls_cert(self.certificate.clone())
            .set_extension_map(peer_codec::extension_map(offer.role));
        *config.codec_config() =
            peer_codec::codec_config(offer.media().flat_map(|media| &media.formats));
        let (mut rtc, keys) = KeySlot::with(|| config.build(now));
        for candidate in &self.candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        let addresses = Arc::clone(&self.addresses);
        let mut engine = Engine::new(rtc, keys, offer, addresses, now);
        let (ice, answer) = engine.negotiate(offer, &offer.ice)?;
        for media in offer.media() {
            engine.add_section(media.kind, &media.mid, &media.formats);
        }
        engine
            .drive(now, sink)
            .map_err(|failure| not_accepted(&failure.to_string()))?;
        Ok((engine, ice, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_addresses_are_not_advertised() {
        let addresses =
            ["127.0.0.1:4081", "0.0.0.0:4081", "[::1]:4081"].map(|a| a.parse().unwrap());
        let factory = EngineFactory::new(&addresses);
        assert_eq!(factory.addresses(), [addresses[0], addresses[2]]);
    }
}
