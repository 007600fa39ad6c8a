//! Which connection is which peer or socket. Rows in the store say what a connection means; this
//! table says how to reach it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::{CloseReason, PublicationKey};
use restage_media::{Download, PeerKey};
use tokio::sync::watch;

/// How a connection is reached.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// A WebRTC peer.
    Peer(PeerKey),
    /// An events socket: it ends itself when a reason appears.
    Socket(watch::Sender<Option<CloseReason>>),
}

/// What is kept of a token.
#[derive(Clone, Debug)]
pub(super) struct TokenDigest(Vec<u8>);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        Self(digest(&SHA256, token.as_bytes()).as_ref().to_vec())
    }

    pub(super) fn is_of(&self, token: &str) -> bool {
        verify_slices_are_equal(&self.0, &Self::of(token).0).is_ok()
    }
}

/// An open connection.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) stage: StageId,
    pub(super) participant: ParticipantId,
    pub(super) reach: Reach,
    /// How often ICE was restarted: the entity tag of the HTTP session follows it.
    pub(super) ice_generation: u32,
    /// Of the token it was opened with, or that was exchanged for it. Who shows that token again need not
    /// prove more, even when its key is gone.
    pub(super) token: TokenDigest,
    publication: Option<PublicationKey>,
}

impl Live {
    pub(super) fn new(
        stage: StageId,
        participant: ParticipantId,
        reach: Reach,
        token: &str,
    ) -> Self {
        Self {
            stage,
            participant,
            reach,
            token: TokenDigest::of(token),
            ice_generation: 0,
            publication: None,
        }
    }
}

/// The table. Its size is bounded by the media plane's peers and the HTTP listener's sockets.
#[derive(Default)]
pub(super) struct Connections {
    by_id: HashMap<ConnectionId, Live>,
    by_peer: HashMap<PeerKey, ConnectionId>,
    publications: HashMap<PublicationKey, (restage_media::PublicationKey, usize)>,
    /// Alive as long as the media plane has a peer of theirs; the others are swept out as the table grows.
    downloads: HashMap<(StageId, ParticipantId), Weak<Download>>,
}

impl Connections {
    pub(super) fn insert(&mut self, id: ConnectionId, live: Live) {
        if let Reach::Peer(peer) = live.reach {
            self.by_peer.insert(peer, id.clone());
        }
        self.by_id.insert(id, live);
    }

    /// What all subscriptions of a participant count towards.
    pub(super) fn download(
        &mut self,
        stage: &StageId,
        participant: &ParticipantId,
        bits_per_s_max: u64,
    ) -> Arc<Download> {
        let key = (stage.clone(), participant.clone());
        if let Some(download) = self.downloads.get(&key).and_then(Weak::upgrade) {
            return download;
        }
        if self.downloads.len() == self.downloads.capacity() {
            self.downloads
                .retain(|_, download| download.strong_count() > 0);
        }
        let download = Arc::new(Download::new(bits_per_s_max));
        self.downloads.insert(key, Arc::downgrade(&download));
        download
    }

    pub(super) fn get(&self, id: &ConnectionId) -> Option<&Live> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Live> {
        self.by_id.get_mut(id)
    }

    pub(super) fn by_peer(&self, peer: PeerKey) -> Option<(&ConnectionId, &Live)> {
        let id = self.by_peer.get(&peer)?;
        Some((id, self.by_id.get(id)?))
    }

    pub(super) fn remove(&mut self, id: &ConnectionId) -> Option<Live> {
        let live = self.by_id.remove(id)?;
        if let Reach::Peer(peer) = live.reach {
            self.by_peer.remove(&peer);
        }
        if let Some(publication) = &live.publication {
            self.release(publication);
        }
        Some(live)
    }

    /// Ties the connection to a publication and answers its peer and the media plane's handle.
    pub(super) fn attach(
        &mut self,
        id: &ConnectionId,
        publication: &PublicationKey,
        fresh: impl FnOnce() -> restage_media::PublicationKey,
    ) -> Option<(PeerKey, restage_media::PublicationKey)> {
        let live = self.by_id.get_mut(id)?;
        let Reach::Peer(peer) = live.reach else {
            return None;
        };
        let earlier = live.publication.replace(publication.clone());
        let entry = self
            .publications
            .entry(publication.clone())
            .or_insert_with(|| (fresh(), 0));
        entry.1 += 1;
        let handle = entry.0;
        if let Some(earlier) = earlier {
            self.release(&earlier);
        }
        Some((peer, handle))
    }

    /// Every connection, for the shutdown.
    pub(super) fn drain(&mut self) -> Vec<Live> {
        self.by_peer.clear();
        self.publications.clear();
        self.by_id.drain().map(|(_, live)| live).collect()
    }

    fn release(&mut self, publication: &PublicationKey) {
        if let Some(entry) = self.publications.get_mut(publication) {
            entry.1 -= 1;
            if entry.1 == 0 {
                self.publications.remove(publication);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use restage_core::id::StageSessionId;

    fn live(peer: u64) -> Live {
        Live::new(
            StageId::new("A"),
            ParticipantId::new("p"),
            Reach::Peer(PeerKey(peer)),
            "token",
        )
    }

    #[test]
    fn a_publication_handle_lives_as_long_as_somebody_uses_it() {
        let mut table = Connections::default();
        let key = PublicationKey {
            session: StageSessionId::new("st-1"),
            participant: ParticipantId::new("p"),
        };
        let (one, two) = (ConnectionId::new("1"), ConnectionId::new("2"));
        table.insert(one.clone(), live(1));
        table.insert(two.clone(), live(2));
        let handle = restage_media::PublicationKey(7);
        assert_eq!(
            table.attach(&one, &key, || handle),
            Some((PeerKey(1), handle))
        );
        let unused = || restage_media::PublicationKey(8);
        assert_eq!(table.attach(&two, &key, unused), Some((PeerKey(2), handle)));
        assert_eq!(table.attach(&two, &key, unused), Some((PeerKey(2), handle)));
        table.remove(&one);
        assert_eq!(table.publications.len(), 1);
        table.remove(&two);
        assert!(table.publications.is_empty() && table.by_peer.is_empty());
        assert!(table.remove(&two).is_none());
    }

    #[test]
    fn subscriptions_of_a_participant_share_a_download_and_unused_ones_are_swept_out() {
        let mut table = Connections::default();
        let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
        let first = table.download(&stage, &ann, 9);
        assert!(Arc::ptr_eq(&first, &table.download(&stage, &ann, 9)));
        let elsewhere = table.download(&StageId::new("B"), &ann, 9);
        assert!(!Arc::ptr_eq(&first, &elsewhere));
        for number in 0..10_000 {
            table.download(&stage, &ParticipantId::new(format!("p{number}")), 9);
        }
        assert!(table.downloads.len() < 100);
        assert!(Arc::ptr_eq(&first, &table.download(&stage, &ann, 9)));
    }
}
