//! Peers begin here: offers, and the fragments that change their ICE session.

use std::sync::Arc;
use std::time::Instant;

use super::Sfu;
use crate::bitrate::Download;
use crate::error::{OfferError, OfferErrorKind};
use crate::io::{Output, PeerKey};
use crate::limits::{ICE_RESTARTS_MAX, TRICKLED_CANDIDATES_MAX};
use crate::peer::Peer;
use crate::sdp::answer;
use crate::sdp::fragment::Fragment;
use crate::sdp::offer::{IceCredentials, Offer, Role};
use crate::slab::Index;

impl Sfu {
    pub(super) fn open(
        &mut self,
        now: Instant,
        key: PeerKey,
        text: &str,
        role: Role,
        download: Option<&Arc<Download>>,
    ) {
        match self.try_open(now, key, text, role) {
            Ok((index, sdp)) => {
                self.stats.peers_opened += 1;
                if let Some(peer) = self.peers.get_mut(index) {
                    let upload = self.config.publish_bits_per_s_max;
                    if let Some(most) = upload.filter(|_| role == Role::Publisher) {
                        peer.limit_upload(now, most);
                    }
                    if let Some(download) = download {
                        peer.limit_download(now, download);
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
        key: PeerKey,
        text: &str,
        role: Role,
    ) -> Result<(Index, String), OfferError> {
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
        let offer = Offer::parse(text, role)?;
        let opened = self.factory.open(now, &offer, &mut self.sink);
        // Nothing has arrived yet; whatever a failed engine left behind is nobody's.
        self.sink.events.clear();
        let (engine, local, engine_answer) = opened?;
        let internal = || {
            OfferError::new(
                OfferErrorKind::NotAccepted,
                "The offer could not be answered.",
            )
        };
        let sdp = answer::complete(&engine_answer, &offer, self.factory.addresses())
            .ok_or_else(internal)?;
        if self.demux.has_ufrag(&local.ufrag) {
            return Err(internal());
        }
        // The first check may arrive before the client has our answer, so the table comes before the output.
        let ufrag = local.ufrag.clone();
        let peer = Peer::new(key, engine, offer, local, now, &mut self.rng);
        let index = self.peers.insert(peer);
        self.peer_keys.insert(key, index);
        self.demux.add_ufrag(&ufrag, index);
        self.settle(now, index, Ok(()));
        Ok((index, sdp))
    }

    pub(super) fn patch(&mut self, now: Instant, key: PeerKey, text: &str) {
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
        key: PeerKey,
        text: &str,
    ) -> Result<Option<String>, OfferError> {
        let Some(&index) = self.peer_keys.get(&key) else {
            return Err(OfferError::new(
                OfferErrorKind::UnknownPeer,
                "There is no peer of that key.",
            ));
        };
        let fragment = Fragment::parse(text)?;
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

    /// RFC 9725 §4.3.2: answered with our new credentials; DTLS and media go on.
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
        let outcome = peer
            .engine
            .restart(now, &peer.offer, &remote, &mut self.sink);
        let local = match outcome {
            Ok(Ok(local)) => local,
            Ok(Err(error)) => {
                self.settle(now, index, Ok(()));
                return Err(error);
            }
            Err(failure) => {
                let error = OfferError::new(
                    OfferErrorKind::NotAccepted,
                    format!("ICE could not restart: {failure}."),
                );
                self.settle(now, index, Err(failure));
                return Err(error);
            }
        };
        peer.ice_restarts += 1;
        peer.candidates_trickled = 0;
        peer.address_changes = 0;
        peer.remote_ice = remote;
        let fragment = answer::restart_fragment(&peer.offer, &local, self.factory.addresses());
        let former = std::mem::replace(&mut peer.local_ufrag, local.ufrag.clone());
        self.demux.remove_ufrag(&former);
        self.demux.add_ufrag(&local.ufrag, index);
        self.settle(now, index, Ok(()));
        Ok(fragment)
    }

    fn refuse(&mut self, peer: PeerKey, error: OfferError) {
        tracing::debug!(peer = peer.0, %error, "refused");
        self.stats.offers_refused += 1;
        self.sink.outputs.push_back(Output::Refused { peer, error });
    }
}
