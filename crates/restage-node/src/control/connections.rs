//! Maps connections to peers and sockets. Rows in the store give a connection its meaning; this
//! table says how to reach it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use restage_core::id::{ConnectionId, ParticipantId, StageId, StageSessionId};
use restage_core::row::ConnectionKind;
use restage_core::{CloseReason, PublicationKey};
use restage_media::{Download, InletId, LayerWanted, PeerId, Published, StreamState, Wish};
use tokio::sync::{mpsc, watch};

use super::ingest::IngestEnd;
use super::receive::Receiving;
use super::streams::Streams;

/// How to reach a connection.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// A WebRTC peer.
    Peer(PeerId),
    /// An events socket.
    Socket(SocketEnd),
    /// An encoder, whose media comes by an inlet.
    Inlet(IngestEnd),
}

/// What feeds or receives a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attached {
    /// A WebRTC peer.
    Peer(PeerId),
    /// An inlet.
    Inlet(InletId),
}

/// The control plane's side of an events socket.
#[derive(Clone, Debug)]
pub(super) struct SocketEnd {
    /// The socket ends when a reason is set here.
    pub(super) close: watch::Sender<Option<SocketClose>>,
    /// Messages for its participant only.
    pub(super) messages: mpsc::Sender<Arc<str>>,
    /// What its participant is shown.
    pub(super) streams: Arc<Streams>,
}

/// Why the server ends an events socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketClose {
    /// The rules have closed it.
    Rules(CloseReason),
    /// The server is stopping.
    Restart,
}

/// The part of a token that is stored.
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

/// What a publisher says that it does not send at present. The names are those of the service's SDK.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Muted {
    /// It sends silence, or nothing, as sound.
    pub audio: bool,
    /// It sends black pictures, or none.
    pub video: bool,
}

/// How often a client may restart ICE within a time: more than any network asks for, and few enough that a client in a loop costs
/// nobody anything.
pub(super) const RESTARTS_MAX: usize = 10;
pub(super) const RESTARTS_WITHIN: Duration = Duration::from_secs(10);

/// An open connection.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) stage: StageId,
    pub(super) participant: ParticipantId,
    pub(super) kind: ConnectionKind,
    pub(super) reach: Reach,
    pub(super) opened_at: Instant,
    /// Whether its media is connected.
    pub(super) is_connected: bool,
    /// Number of ICE restarts, from which the entity tag of the HTTP session is made.
    pub(super) ice_generation: u32,
    /// When ICE was restarted last, oldest first; at most [`RESTARTS_MAX`].
    restarted_at: Vec<Instant>,
    /// The token that it was opened with, or that replaced it. A request with this token needs no further
    /// proof, even when the token's key was deleted.
    pub(super) token: TokenDigest,
    /// The stage session it was admitted to; `None` before.
    pub(super) session: Option<StageSessionId>,
    /// What a subscriber wishes to be shown.
    pub(super) wish: Wish,
    /// What a subscriber is shown, as far as the media plane has reported it.
    pub(super) stream: Option<StreamState>,
    /// Which of a publisher's layers somebody wants, as far as the media plane has reported it.
    pub(super) layers: Option<Vec<LayerWanted>>,
    /// What a publisher says that it does not send at present.
    pub(super) muted: Muted,
    /// The receiving connection that carries it, if it is a subscription without a connection of its own.
    pub(super) receiving: Option<Arc<Receiving>>,
    publication: Option<PublicationKey>,
    /// The formats that a publisher may send.
    published: Option<Published>,
}

impl Live {
    /// Whether it says that it does not send something.
    pub(super) fn is_muted(&self) -> bool {
        self.muted != Muted::default()
    }

    pub(super) fn new(
        stage: StageId,
        participant: ParticipantId,
        kind: ConnectionKind,
        reach: Reach,
        token: &str,
    ) -> Self {
        Self::of_digest(stage, participant, kind, reach, TokenDigest::of(token))
    }

    pub(super) fn of_digest(
        stage: StageId,
        participant: ParticipantId,
        kind: ConnectionKind,
        reach: Reach,
        token: TokenDigest,
    ) -> Self {
        Self {
            stage,
            participant,
            kind,
            reach,
            opened_at: now(),
            is_connected: false,
            token,
            receiving: None,
            ice_generation: 0,
            restarted_at: Vec::new(),
            session: None,
            wish: Wish::default(),
            stream: None,
            layers: None,
            muted: Muted::default(),
            publication: None,
            published: None,
        }
    }

    /// Whether its client may restart ICE again now.
    pub(super) fn may_restart_ice(&self, now: Instant) -> bool {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < RESTARTS_WITHIN;
        self.restarted_at.iter().filter(recent).count() < RESTARTS_MAX
    }

    /// Its client has restarted ICE. Returns the number of restarts.
    pub(super) fn restarts_ice(&mut self, now: Instant) -> u32 {
        if self.restarted_at.len() >= RESTARTS_MAX {
            self.restarted_at.remove(0);
        }
        self.restarted_at.push(now);
        self.ice_generation += 1;
        self.ice_generation
    }

    /// What it feeds or receives.
    pub(super) fn publication(&self) -> Option<&PublicationKey> {
        self.publication.as_ref()
    }

    /// Marks it as a publisher's connection, which may send these formats.
    pub(super) fn publishing(mut self, published: Option<Published>) -> Self {
        self.published = published;
        self
    }
}

/// What the connections of one publication have in common.
struct Publication {
    handle: restage_media::PublicationId,
    /// Those that feed or receive it.
    connections: BTreeSet<ConnectionId>,
    /// Dropped with it, by which its taps learn that it has ended.
    life: watch::Sender<()>,
}

/// The table. Its size is bounded by the media plane's peers and the HTTP listener's sockets.
#[derive(Default)]
pub(super) struct Connections {
    by_id: HashMap<ConnectionId, Live>,
    by_peer: HashMap<PeerId, ConnectionId>,
    /// The events sockets of a participant: one, and for a moment also the one that replaces it.
    sockets: HashMap<(StageId, ParticipantId), Vec<ConnectionId>>,
    /// The subscriptions of a participant: one of each publisher, and for a moment also the one that replaces it.
    subscriptions: HashMap<(StageId, ParticipantId), Vec<ConnectionId>>,
    /// Connections that publish, by participant id: in several stages, if tokens of several signers have this id.
    publishing: HashMap<ParticipantId, Vec<ConnectionId>>,
    publications: HashMap<PublicationKey, Publication>,
    /// The same the other way round.
    handles: HashMap<restage_media::PublicationId, PublicationKey>,
    /// Kept while the media plane has a subscribing peer of the participant; the others are removed as the table grows.
    downloads: HashMap<(StageId, ParticipantId), Weak<Download>>,
}

impl Connections {
    pub(super) fn insert(&mut self, id: ConnectionId, live: Live) {
        let whose = (live.stage.clone(), live.participant.clone());
        match &live.reach {
            Reach::Peer(peer) => {
                self.by_peer.insert(*peer, id.clone());
            }
            // Inlets and peers have their numbers from one row.
            Reach::Inlet(ingest) => {
                self.by_peer.insert(PeerId(ingest.inlet.0), id.clone());
            }
            Reach::Socket(_) => self
                .sockets
                .entry(whose.clone())
                .or_default()
                .push(id.clone()),
        }
        if matches!(live.kind, ConnectionKind::Subscribe { .. }) {
            let ids = self.subscriptions.entry(whose).or_default();
            ids.push(id.clone());
        }
        if live.published.is_some() {
            let ids = self.publishing.entry(live.participant.clone());
            ids.or_default().push(id.clone());
        }
        self.by_id.insert(id, live);
    }

    /// Whether this participant has a connection of this kind.
    pub(super) fn has(
        &self,
        stage: &StageId,
        participant: &ParticipantId,
        kind: &ConnectionKind,
    ) -> bool {
        let mut all = self.by_id.values();
        all.any(|live| {
            live.participant == *participant && live.stage == *stage && live.kind == *kind
        })
    }

    /// The formats that participants with this id may send, wherever they publish.
    pub(super) fn published(&self, participant: &ParticipantId) -> Vec<Published> {
        let ids = self.publishing.get(participant).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id)?.published.clone())
            .collect()
    }

    /// The events sockets of a participant.
    pub(super) fn sockets_of(
        &self,
        stage: &StageId,
        participant: &ParticipantId,
    ) -> impl Iterator<Item = &SocketEnd> {
        let ids = self.sockets.get(&(stage.clone(), participant.clone()));
        ids.into_iter()
            .flatten()
            .filter_map(|id| match &self.by_id.get(id)?.reach {
                Reach::Socket(socket) => Some(socket),
                Reach::Peer(_) | Reach::Inlet(_) => None,
            })
    }

    /// The subscriptions of a participant, the newest last.
    pub(super) fn subscriptions_of(
        &self,
        stage: &StageId,
        participant: &ParticipantId,
    ) -> impl DoubleEndedIterator<Item = (&ConnectionId, &Live)> {
        let ids = self
            .subscriptions
            .get(&(stage.clone(), participant.clone()));
        ids.into_iter()
            .flatten()
            .filter_map(|id| Some((id, self.by_id.get(id)?)))
    }

    /// A participant's newest subscription to a publisher.
    pub(super) fn subscription_mut(
        &mut self,
        stage: &StageId,
        participant: &ParticipantId,
        publisher: &ParticipantId,
    ) -> Option<(ConnectionId, &mut Live)> {
        let is_it = |kind: &ConnectionKind| matches!(kind, ConnectionKind::Subscribe { publisher: of } if of == publisher);
        let mut all = self.subscriptions_of(stage, participant);
        let id = all.rfind(|(_, live)| is_it(&live.kind))?.0.clone();
        drop(all);
        Some((id.clone(), self.by_id.get_mut(&id)?))
    }

    /// Records what a subscriber is shown, and passes it to its participant's events sockets.
    pub(super) fn show(&mut self, id: &ConnectionId, state: StreamState) {
        let Some(live) = self.by_id.get_mut(id) else {
            return;
        };
        let ConnectionKind::Subscribe { publisher } = live.kind.clone() else {
            return;
        };
        live.stream = Some(state.clone());
        let (stage, participant) = (live.stage.clone(), live.participant.clone());
        let muted = live.publication.clone().map(|key| self.muted(&key));
        let state = with_mute(state, muted.unwrap_or_default());
        for socket in self.sockets_of(&stage, &participant) {
            socket.streams.show(&publisher, id, state.clone());
        }
    }

    /// Records which of a publisher's layers somebody wants, and passes it to its participant's events sockets.
    pub(super) fn want_layers(&mut self, id: &ConnectionId, layers: Vec<LayerWanted>) {
        let Some(live) = self.by_id.get_mut(id) else {
            return;
        };
        live.layers = Some(layers.clone());
        let (stage, participant) = (live.stage.clone(), live.participant.clone());
        for socket in self.sockets_of(&stage, &participant) {
            socket.streams.want_layers(id, layers.clone());
        }
    }

    /// The publishing connections of a participant, the newest last.
    pub(super) fn publishing_of(
        &self,
        stage: &StageId,
        participant: &ParticipantId,
    ) -> impl DoubleEndedIterator<Item = (&ConnectionId, &Live)> {
        let ids = self.publishing.get(participant).into_iter().flatten();
        let all = ids.filter_map(|id| Some((id, self.by_id.get(id)?)));
        all.filter(move |(_, live)| live.stage == *stage)
    }

    /// What the publisher of a publication says that it does not send.
    pub(super) fn muted(&self, publication: &PublicationKey) -> Muted {
        let ids = self.publishing.get(&publication.participant);
        let mut lives = ids
            .into_iter()
            .flatten()
            .filter_map(|id| self.by_id.get(id));
        lives
            .rfind(|live| live.publication.as_ref() == Some(publication))
            .map_or_else(Muted::default, |live| live.muted)
    }

    /// Records what a publisher says that it does not send, and tells its subscribers in every stage. Returns its publication, and what
    /// holds now. `None`: it is not publishing.
    pub(super) fn mute(
        &mut self,
        stage: &StageId,
        participant: &ParticipantId,
        change: impl FnOnce(&mut Muted),
    ) -> Option<(PublicationKey, Muted)> {
        let mut all = self.publishing_of(stage, participant);
        let id = all.rfind(|(_, live)| live.publication.is_some())?.0.clone();
        drop(all);
        let live = self.by_id.get_mut(&id)?;
        let before = live.muted;
        change(&mut live.muted);
        let (key, muted) = (live.publication.clone()?, live.muted);
        let all = self.publications.get(&key).map(|entry| &entry.connections);
        let all = all.into_iter().flatten().filter(|_| muted != before);
        for (id, live) in all.filter_map(|id| Some((id, self.by_id.get(id)?))) {
            let (ConnectionKind::Subscribe { publisher }, Some(state)) = (&live.kind, &live.stream)
            else {
                continue;
            };
            for socket in self.sockets_of(&live.stage, &live.participant) {
                let state = with_mute(state.clone(), muted);
                socket.streams.show(publisher, id, state);
            }
        }
        Some((key, muted))
    }

    /// The publication that the media plane knows by this number.
    pub(super) fn publication_of(
        &self,
        handle: restage_media::PublicationId,
    ) -> Option<&PublicationKey> {
        self.handles.get(&handle)
    }

    /// How the media plane calls a publication, and what is closed when it ends: when no connection feeds or receives it. `None`: there
    /// is no such publication.
    pub(super) fn life_of(
        &self,
        publication: &PublicationKey,
    ) -> Option<(restage_media::PublicationId, watch::Receiver<()>)> {
        let entry = self.publications.get(publication)?;
        Some((entry.handle, entry.life.subscribe()))
    }

    /// The media connections of a stage, or of one of its participants, in the order of their ids: those after `after`, at most `count`.
    pub(super) fn media_of(
        &self,
        stage: &StageId,
        participant: Option<&ParticipantId>,
        after: Option<&ConnectionId>,
        count: usize,
    ) -> Vec<(ConnectionId, Live)> {
        let is_it = |(id, live): &(&ConnectionId, &Live)| {
            live.stage == *stage
                && participant.is_none_or(|one| live.participant == *one)
                && after.is_none_or(|after| *id > after)
                && matches!(live.reach, Reach::Peer(_))
        };
        let mut all: Vec<_> = self.by_id.iter().filter(is_it).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        let some = all.into_iter().take(count);
        some.map(|(id, live)| (id.clone(), live.clone())).collect()
    }

    /// What a participant's subscriptions have in common.
    pub(super) fn download(
        &mut self,
        stage: &StageId,
        participant: &ParticipantId,
        bits_per_s_max: Option<u64>,
    ) -> Arc<Download> {
        let key = (stage.clone(), participant.clone());
        if let Some(download) = self.downloads.get(&key).and_then(Weak::upgrade) {
            return download;
        }
        if self.downloads.len() == self.downloads.capacity() {
            self.downloads
                .retain(|_, download| download.strong_count() > 0);
        }
        let download = bits_per_s_max.map_or_else(Download::unlimited, Download::new);
        let download = Arc::new(download);
        self.downloads.insert(key, Arc::downgrade(&download));
        download
    }

    pub(super) fn get(&self, id: &ConnectionId) -> Option<&Live> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Live> {
        self.by_id.get_mut(id)
    }

    pub(super) fn by_peer(&self, peer: PeerId) -> Option<&ConnectionId> {
        self.by_peer.get(&peer)
    }

    /// Records that its media is connected. Returns its stage and participant.
    pub(super) fn connected(&mut self, id: &ConnectionId) -> Option<(StageId, ParticipantId)> {
        let live = self.by_id.get_mut(id)?;
        live.is_connected = true;
        Some((live.stage.clone(), live.participant.clone()))
    }

    pub(super) fn remove(&mut self, id: &ConnectionId) -> Option<Live> {
        let live = self.by_id.remove(id)?;
        let whose = (live.stage.clone(), live.participant.clone());
        match &live.reach {
            Reach::Peer(peer) => {
                self.by_peer.remove(peer);
            }
            Reach::Inlet(ingest) => {
                self.by_peer.remove(&PeerId(ingest.inlet.0));
            }
            Reach::Socket(_) => leave(&mut self.sockets, &whose, id),
        }
        if let ConnectionKind::Subscribe { publisher } = &live.kind {
            leave(&mut self.subscriptions, &whose, id);
            for socket in self.sockets_of(&live.stage, &live.participant) {
                socket.streams.end(publisher, id);
            }
        }
        if live.published.is_some() {
            leave(&mut self.publishing, &live.participant, id);
        }
        if let Some(publication) = &live.publication {
            self.release(publication, id);
        }
        Some(live)
    }

    /// Records what an encoder sends.
    pub(super) fn sends(&mut self, id: &ConnectionId, published: Published) {
        let Some(live) = self.by_id.get_mut(id) else {
            return;
        };
        if live.published.replace(published).is_none() {
            let ids = self.publishing.entry(live.participant.clone());
            ids.or_default().push(id.clone());
        }
    }

    /// Assigns a publication to the connection, and returns its peer or inlet, and the media plane's handle.
    pub(super) fn attach(
        &mut self,
        id: &ConnectionId,
        publication: &PublicationKey,
        fresh: impl FnOnce() -> restage_media::PublicationId,
    ) -> Option<(Attached, restage_media::PublicationId)> {
        let live = self.by_id.get_mut(id)?;
        let attached = match &live.reach {
            Reach::Peer(peer) => Attached::Peer(*peer),
            Reach::Inlet(ingest) => Attached::Inlet(ingest.inlet),
            Reach::Socket(_) => return None,
        };
        let earlier = live.publication.replace(publication.clone());
        let entry = self
            .publications
            .entry(publication.clone())
            .or_insert_with(|| Publication {
                handle: fresh(),
                connections: BTreeSet::new(),
                life: watch::Sender::new(()),
            });
        entry.connections.insert(id.clone());
        let handle = entry.handle;
        self.handles.insert(handle, publication.clone());
        if let Some(earlier) = earlier.filter(|earlier| earlier != publication) {
            self.release(&earlier, id);
        }
        Some((attached, handle))
    }

    /// Removes and returns every connection, for the shutdown.
    pub(super) fn drain(&mut self) -> Vec<(ConnectionId, Live)> {
        self.by_peer.clear();
        self.sockets.clear();
        self.subscriptions.clear();
        self.publications.clear();
        self.handles.clear();
        self.publishing.clear();
        self.by_id.drain().collect()
    }

    fn release(&mut self, publication: &PublicationKey, id: &ConnectionId) {
        if let Some(entry) = self.publications.get_mut(publication) {
            entry.connections.remove(id);
            if entry.connections.is_empty() {
                self.handles.remove(&entry.handle);
                self.publications.remove(publication);
            }
        }
    }
}

/// What a subscriber is shown, when the publisher says that it does not send this.
pub(super) fn with_mute(state: StreamState, muted: Muted) -> StreamState {
    StreamState {
        is_audio_stopped: state.is_audio_stopped || muted.audio,
        is_video_stopped: state.is_video_stopped || muted.video,
        ..state
    }
}

/// Removes a connection from the list of a key, and the list with its last one.
fn leave<K: std::hash::Hash + Eq>(
    lists: &mut HashMap<K, Vec<ConnectionId>>,
    key: &K,
    id: &ConnectionId,
) {
    if let Some(ids) = lists.get_mut(key) {
        ids.retain(|other| other != id);
        if ids.is_empty() {
            lists.remove(key);
        }
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
