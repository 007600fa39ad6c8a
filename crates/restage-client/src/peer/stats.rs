//! Statistics of a connection, updated once a second.

use std::time::Duration;

use str0m::Event;
use str0m::media::Mid;

use crate::frame::TrackKind;

/// Statistics of one connection, as of the last full second.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Round trip time to the server; `None` until it is measured.
    pub rtt: Option<Duration>,
    /// Bytes of datagrams sent since the start.
    pub bytes_sent: u64,
    /// Bytes of datagrams received since the start.
    pub bytes_received: u64,
    /// Share of our packets that the server did not receive in the last second, 0.0 to 1.0.
    pub loss_sent: Option<f32>,
    /// Share of the server's packets that we did not receive in the last second, 0.0 to 1.0.
    pub loss_received: Option<f32>,
    /// Estimated capacity of the path to the server in bits per second, if estimation is on.
    pub available_bps: Option<u64>,
    /// Received frames that were dropped because the program did not take them in time.
    pub frames_dropped: u64,
    /// Statistics of each track.
    pub tracks: Vec<TrackStats>,
}

/// Statistics of one track of a connection, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackStats {
    /// Audio or video.
    pub kind: TrackKind,
    /// Encoded frames that were written, or received completely.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// RTP packets sent or received, including retransmissions.
    pub packets: u64,
    /// Key frame requests (PLI, FIR) received from or sent to the server.
    pub key_frame_requests: u64,
    /// Retransmission requests (NACK) received from or sent to the server.
    pub nacks: u64,
    /// Packets that the receiving side never got, as the server reports. Only for tracks that are sent.
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

/// Collects statistics from the engine's events.
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

    /// Records the statistics in an event.
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

    /// The statistics, if a second has been completed since the last call. Call it when the engine
    /// has no more outputs, because the tracks' statistics follow those of the connection.
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
