//! Figures about a connection, renewed once a second.

use std::time::Duration;

use str0m::Event;
use str0m::media::Mid;

use crate::frame::TrackKind;

/// Figures about one connection, as of the last full second.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Round trip time to the server, once measured.
    pub rtt: Option<Duration>,
    /// Bytes of datagrams sent since the start.
    pub bytes_sent: u64,
    /// Bytes of datagrams received since the start.
    pub bytes_received: u64,
    /// Share of our packets the server missed over the last second, 0.0 to 1.0.
    pub loss_sent: Option<f32>,
    /// Share of the server's packets we missed over the last second, 0.0 to 1.0.
    pub loss_received: Option<f32>,
    /// Bits per second the path to the server is estimated to carry, if estimation is on.
    pub available_bps: Option<u64>,
    /// Received frames thrown away because the program did not take them in time.
    pub frames_dropped: u64,
    /// Figures of each track.
    pub tracks: Vec<TrackStats>,
}

/// Figures about one track of a connection, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackStats {
    /// Sound or picture.
    pub kind: TrackKind,
    /// Encoded frames written, or received whole.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// RTP packets sent or received, retransmissions included.
    pub packets: u64,
    /// Key frame requests (PLI, FIR) received from or sent to the server.
    pub key_frame_requests: u64,
    /// Retransmission requests (NACK) received from or sent to the server.
    pub nacks: u64,
    /// Packets the receiving side never got, as reported by the server. Only for tracks sent.
    pub packets_lost: Option<u64>,
}

impl TrackStats {
    fn new(kind: TrackKind) -> Self {
        Self {
            kind,
            frames: 0,
            key_frames: 0,
            frame_bytes: 0,
            packets: 0,
            key_frame_requests: 0,
            nacks: 0,
            packets_lost: None,
        }
    }
}

/// Gathers figures from the engine's events.
#[derive(Default)]
pub(super) struct StatsBook {
    stats: Stats,
    mids: Vec<Mid>,
    has_news: bool,
}

impl StatsBook {
    pub(super) fn add_track(&mut self, mid: Mid, kind: TrackKind) {
        self.mids.push(mid);
        self.stats.tracks.push(TrackStats::new(kind));
    }

    pub(super) fn count_frame(&mut self, mid: Mid, bytes: usize, is_key_frame: bool) {
        if let Some(track) = self.track(mid) {
            track.frames += 1;
            track.key_frames += u64::from(is_key_frame);
            track.frame_bytes += bytes as u64;
        }
    }

    pub(super) fn count_packet(&mut self, mid: Mid, bytes: usize, ends_frame: bool) {
        if let Some(track) = self.track(mid) {
            track.frames += u64::from(ends_frame);
            track.frame_bytes += bytes as u64;
        }
    }

    pub(super) fn count_drop(&mut self) {
        self.stats.frames_dropped += 1;
    }

    /// Takes the figures out of an event.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::MediaEgressStats(egress) => {
                if let Some(track) = self.track(egress.mid) {
                    track.packets = egress.packets;
                    track.key_frame_requests = egress.plis + egress.firs;
                    track.nacks = egress.nacks;
                    track.packets_lost = egress.remote.as_ref().map(|remote| remote.packets_lost);
                }
                if egress.rtt.is_some() {
                    self.stats.rtt = egress.rtt;
                }
            }
            Event::MediaIngressStats(ingress) => {
                if let Some(track) = self.track(ingress.mid) {
                    track.packets = ingress.packets;
                    track.key_frame_requests = ingress.plis + ingress.firs;
                    track.nacks = ingress.nacks;
                }
            }
            Event::PeerStats(peer) => {
                self.stats.bytes_sent = peer.peer_bytes_tx;
                self.stats.bytes_received = peer.peer_bytes_rx;
                self.stats.loss_sent = peer.egress_loss_fraction;
                self.stats.loss_received = peer.ingress_loss_fraction;
                self.stats.available_bps = peer.bwe_tx.map(|estimate| estimate.as_u64());
                let pair = peer.selected_candidate_pair.as_ref();
                let path_rtt = pair.and_then(|pair| pair.current_round_trip_time);
                self.stats.rtt = peer.rtt.or(path_rtt).or(self.stats.rtt);
                self.has_news = true;
            }
            _ => {}
        }
    }

    /// The figures, if a second has become complete since this was last asked. To be asked when
    /// the engine has nothing more to say, as the tracks' figures follow those of the whole.
    pub(super) fn take_news(&mut self) -> Option<&Stats> {
        std::mem::take(&mut self.has_news).then_some(&self.stats)
    }

    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    fn track(&mut self, mid: Mid) -> Option<&mut TrackStats> {
        let index = self.mids.iter().position(|known| *known == mid)?;
        self.stats.tracks.get_mut(index)
    }
}
