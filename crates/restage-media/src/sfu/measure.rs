//! What is known of one connection, for those who ask.

use super::Sfu;
use super::peer::Peer;
use crate::allocate::wish::LayerLabel;
use crate::io::PeerId;
use crate::packet::place_of;
use crate::publication::Publication;
use crate::publication::inlet::Inlet;
use crate::sdp::offer::Role;
use crate::send::track::TrackOut;
use crate::stats::{PeerStats, TrackStats};
use crate::transport::Transport;
use restage_codec::MediaKind;

impl Sfu {
    /// What is known of a peer now. `None`: there is no such peer, or it only carries others. It costs about as much as forwarding a few packets, so it is to be
    /// asked seldom.
    pub fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        let index = *self.peer_keys.get(&peer)?;
        let peer = self.peers.get(index)?;
        if peer.carrier.is_some() {
            return None;
        }
        let publication = peer.publication;
        let publication = publication.and_then(|index| self.publications.get(index));
        let transport = self.transport_of(peer);
        let tracks = match (peer.role(), transport) {
            (_, None) => Vec::new(),
            (Role::Publisher, Some(transport)) => received(transport, publication),
            (Role::Subscriber, Some(transport)) => sent(peer, transport, publication),
        };
        let destination = transport.and_then(Transport::destination);
        let video = peer.track(MediaKind::Video);
        Some(PeerStats {
            peer: peer.key,
            role: peer.role(),
            protocol: destination.map(|remote| remote.protocol),
            round_trip: transport.and_then(Transport::round_trip),
            estimate: transport.and_then(Transport::estimate),
            reserved: peer.reserved(),
            loss: transport.and_then(Transport::loss),
            pause: video.and_then(TrackOut::pause),
            tracks,
        })
    }
}

fn received(transport: &Transport, publication: Option<&Publication>) -> Vec<TrackStats> {
    let feed = match publication.map(|publication| &publication.inlet) {
        Some(Inlet::Peer { feed, .. }) => Some(feed),
        _ => None,
    };
    let tracks = transport.received_stats().into_iter();
    tracks
        .map(|(rid, mut track)| {
            let described = feed.and_then(|feed| feed.describe(track.kind, rid));
            if let Some(described) = described {
                track.codec = described.codec;
                track.size = described.size;
                track.bits_per_s = described.bits_per_s;
                let place = described.place.filter(|_| track.kind == MediaKind::Video);
                track.label = place.map(|(place, count)| LayerLabel::of(place, count));
            }
            track
        })
        .collect()
}

fn sent(peer: &Peer, transport: &Transport, publication: Option<&Publication>) -> Vec<TrackStats> {
    let ladder = publication.and_then(|publication| publication.ladder.as_deref());
    let ladder = ladder.unwrap_or_default();
    let kinds = MediaKind::BOTH.into_iter();
    kinds
        .filter_map(|kind| {
            let mut stats = transport.sent_stats(peer.seat(), kind)?;
            let track = peer.track(kind);
            stats.codec = track.and_then(TrackOut::codec);
            let is_shown =
                kind == MediaKind::Video && track.is_some_and(|track| track.pause().is_none());
            let shown = track.and_then(TrackOut::shown).filter(|_| is_shown);
            let place = shown.and_then(|(encoding, cut)| place_of(ladder, encoding, cut));
            if let Some(place) = place {
                let rung = &ladder[place];
                stats.label = Some(LayerLabel::of(place, ladder.len()));
                stats.rid = rung.rid.map(|rid| rid.as_str().to_owned());
                stats.size = rung.size;
            }
            Some(stats)
        })
        .collect()
}
