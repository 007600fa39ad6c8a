//! Opening peers by their offers, and fragments that change their ICE session.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use super::Sfu;
use crate::allocate::download::Download;
use crate::allocate::wish::Wish;
use crate::error::{OfferError, OfferErrorKind};
use crate::io::{Output, PeerId};
use crate::limits::{ICE_RESTARTS_MAX, TRICKLED_CANDIDATES_MAX};
use crate::sdp::answer::{self, Local};
use crate::sdp::fragment::Fragment;
use crate::sdp::offer::{IceCredentials, Offer, Role};
use crate::sdp::stream::StreamConfig;
use crate::sfu::peer::Peer;
use crate::transport::event::Failure;
use crate::transport::{self, Transport};
use crate::util::rng::Rng;
use crate::util::slab::Index;

impl Sfu {
    pub(super) fn open(
        &mut self,
        now: Instant,
        key: PeerId,
        text: &str,
        role: Role,
        receiver: Option<(&Arc<Download>, Wish)>,
    ) {
        match self.try_open(now, key, text, role) {
            Ok((index, sdp)) => {
                self.stats.peers_opened += 1;
                if let Some(peer) = self.peers.get_mut(index) {
                    let upload = self.config.publish_bits_per_s_max;
                    if let Some(most) = upload.filter(|_| role == Role::Publisher) {
                        peer.limit_upload(now, most);
                    }
                    if let Some((download, wish)) = receiver {
                        peer.receive_as(now, download, wish);
                    }
                }
                self.sink
                    .outputs
                    .push_back(Output::Answer { peer: key, sdp });
            }
            Err(error) => self.refuse(key, error),
        }
    }

    fn try_open(
        &mut self,
        now: Instant,
        key: PeerId,
        text: &str,
        role: Role,
    ) -> Result<(Index, String), OfferError> {
        self.check_room(key)?;
        let internal = |what: &str| {
            OfferError::new(
                OfferErrorKind::NotAccepted,
                format!("The offer could not be answered: {what}."),
            )
        };
        let panicked = |failure: Failure| internal(&failure.to_string());
        let mut offer = transport::guard(|| Offer::parse(text, role)).map_err(panicked)??;
        if role == Role::Publisher {
            offer.refuse_codecs(&self.config.refused_codecs)?;
        }
        let streams = MediaKind::BOTH.map(|kind| stream_config(&offer, kind, &mut self.rng));
        let cname = format!("{:016x}", self.rng.next_u64());
        let report_ssrc = ssrc(&mut self.rng);
        let session = self.rng.next_u64() >> 1;
        let opened = transport::guard(|| {
            let shared = &mut self.shared;
            let (streams, cname) = (streams.clone(), cname.clone());
            Transport::new(shared, &offer, streams, cname, report_ssrc, now)
        });
        let transport = opened.map_err(panicked)??;
        if self.demux.has_ufrag(&transport.local().ufrag) {
            return Err(internal("its name is taken"));
        }
        let local = Local {
            ice: transport.local(),
            fingerprint: &self.shared.identity.fingerprint,
            candidates: self.shared.candidates(),
            streams: &streams,
            cname: &cname,
            session,
        };
        let sdp = answer::answer(&offer, &local);
        // The first check may arrive before the client has our answer, so the table comes before the output.
        let ufrag = transport.local().ufrag.clone();
        let peer = Peer::new(key, Some(transport), offer, now, &mut self.rng);
        let index = self.peers.insert(peer);
        self.peer_keys.insert(key, index);
        self.demux.add_ufrag(&ufrag, index);
        self.settle(now, index, Ok(()));
        Ok((index, sdp))
    }

    /// Whether a peer with this key can be added.
    pub(super) fn check_room(&self, key: PeerId) -> Result<(), OfferError> {
        if self.peer_keys.contains_key(&key) {
            return Err(OfferError::new(
                OfferErrorKind::PeerExists,
                "A peer of that key exists already.",
            ));
        }
        if self.peers.len() >= self.config.peers_max {
            return Err(OfferError::new(
                OfferErrorKind::Full,
                format!(
                    "The worker already holds its {} peers.",
                    self.config.peers_max
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn patch(&mut self, now: Instant, key: PeerId, text: &str) {
        match self.try_patch(now, key, text) {
            Ok(fragment) => self.sink.outputs.push_back(Output::Patched {
                peer: key,
                fragment,
            }),
            Err(error) => self.refuse(key, error),
        }
    }

    fn try_patch(
        &mut self,
        now: Instant,
        key: PeerId,
        text: &str,
    ) -> Result<Option<String>, OfferError> {
        let Some(&index) = self.peer_keys.get(&key) else {
            return Err(OfferError::new(
                OfferErrorKind::UnknownPeer,
                "There is no peer of that key.",
            ));
        };
        let panicked = |failure: Failure| {
            let message = format!("The fragment could not be read: {failure}.");
            OfferError::new(OfferErrorKind::NotAccepted, message)
        };
        let fragment = transport::guard(|| Fragment::parse(text)).map_err(panicked)??;
        self.serving = Some(index);
        let peer = self.peers.get_mut(index).expect("every key has its peer");
        if let Some(remote) = fragment.ice.filter(|ice| *ice != peer.remote_ice) {
            return self.restart(now, index, remote).map(Some);
        }
        peer.candidates_trickled = peer.candidates_trickled.saturating_add(fragment.candidates);
        if peer.candidates_trickled > TRICKLED_CANDIDATES_MAX {
            return Err(OfferError::new(
                OfferErrorKind::TooMany,
                format!(
                    "More than {TRICKLED_CANDIDATES_MAX} candidates were sent in one ICE session."
                ),
            ));
        }
        Ok(None)
    }

    /// An ICE restart (RFC 9725 §4.3.2). Returns the fragment with our new credentials; DTLS and media go on.
    fn restart(
        &mut self,
        now: Instant,
        index: Index,
        remote: IceCredentials,
    ) -> Result<String, OfferError> {
        let peer = self
            .peers
            .get_mut(index)
            .expect("the caller has looked it up");
        if peer.ice_restarts == ICE_RESTARTS_MAX {
            return Err(OfferError::new(
                OfferErrorKind::TooMany,
                format!("ICE was restarted {ICE_RESTARTS_MAX} times already."),
            ));
        }
        let Some(transport) = &mut peer.transport else {
            return Err(OfferError::new(
                OfferErrorKind::UnknownPeer,
                "The peer has no connection of its own.",
            ));
        };
        transport.restart(self.shared.secrets.ice_credentials(), remote.clone());
        let local = transport.local().clone();
        peer.ice_restarts += 1;
        peer.candidates_trickled = 0;
        peer.address_changes = 0;
        peer.remote_ice = remote;
        let fragment = answer::restart_fragment(&peer.offer, &local, self.shared.candidates());
        let former = std::mem::replace(&mut peer.local_ufrag, local.ufrag.clone());
        self.demux.remove_ufrag(&former);
        self.demux.add_ufrag(&local.ufrag, index);
        self.settle(now, index, Ok(()));
        Ok(fragment)
    }

    pub(super) fn refuse(&mut self, peer: PeerId, error: OfferError) {
        tracing::debug!(peer = peer.0, %error, "refused");
        self.stats.offers_refused += 1;
        self.sink.outputs.push_back(Output::Refused { peer, error });
    }
}

/// The stream of this kind that a subscriber is sent.
fn stream_config(offer: &Offer, kind: MediaKind, rng: &mut Rng) -> Option<StreamConfig> {
    let media = offer.media().find(|media| media.kind == kind)?;
    (offer.role == Role::Subscriber).then(|| {
        let main = ssrc(rng);
        let has_rtx = media.formats.iter().any(|format| format.rtx.is_some());
        let rtx = has_rtx.then(|| {
            loop {
                let other = ssrc(rng);
                if other != main {
                    break other;
                }
            }
        });
        StreamConfig::new(media, main, rtx)
    })
}

/// A random SSRC. Zero is reserved for probes that belong to no stream.
fn ssrc(rng: &mut Rng) -> u32 {
    rng.next_u32().max(1)
}
