//! Counters of the workers: each worker writes its own, without a lock, and readers add them up.

use std::sync::atomic::{AtomicU64, Ordering};

use restage_media::Stats;

/// Counters of one worker, or the sum of all. They count since the start unless a field says otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct WorkerStats {
    /// Peers now.
    pub peers: u64,
    /// Publications now, on each worker that receives or feeds them.
    pub publications: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// UDP datagrams handed to the kernel.
    pub datagrams_sent: u64,
    /// UDP datagrams that the kernel had no room for.
    pub datagrams_dropped: u64,
    /// UDP datagrams from other machines, dropped because only this one is served.
    pub datagrams_refused: u64,
    /// RTP packets received from publishers.
    pub packets_received: u64,
    /// RTP packets forwarded to subscribers.
    pub packets_forwarded: u64,
    /// RTP packets retransmitted to subscribers that requested them.
    pub packets_resent: u64,
    /// RTP packets received from other workers.
    pub packets_relayed: u64,
    /// Bursts for other workers that were dropped because their queues were full.
    pub bursts_dropped: u64,
    /// Key frame requests sent to publishers.
    pub keyframe_requests: u64,
    /// Connections ended because they exceeded a limit on media.
    pub peers_exceeding: u64,
    /// Connections since the start that negotiated AEAD_AES_256_GCM.
    pub srtp_aes_256_gcm: u64,
    /// Connections since the start that negotiated AEAD_AES_128_GCM.
    pub srtp_aes_128_gcm: u64,
    /// Connections since the start that negotiated AES128_CM_SHA1_80.
    pub srtp_aes_128_cm: u64,
    /// STUN checks that came from an address of another client.
    pub addresses_contested: u64,
    /// Packets beyond the number of SSRCs that a client may use under one key.
    pub sources_refused: u64,
    /// Subscribers' key frame requests beyond their budget.
    pub keyframes_refused: u64,
    /// Program errors that ended a connection.
    pub peer_panics: u64,
    /// Subscribers without video now because the worker is overloaded.
    pub peers_withheld: u64,
    /// Reports and requests of subscribers that were dropped unread because too many arrived at a time.
    pub feedback_dropped: u64,
    /// Datagrams queued for clients' TCP connections, those of TURN included.
    pub line_datagrams_sent: u64,
    /// Datagrams for clients that do not use UDP, dropped because their connections are too slow or have ended.
    pub line_datagrams_dropped: u64,
    /// External inlets now.
    pub inlets: u64,
    /// Taps now.
    pub taps: u64,
    /// RTP packets handed to taps.
    pub packets_tapped: u64,
    /// RTP packets for taps that were dropped because their readers were too slow.
    pub tap_packets_dropped: u64,
    /// Restarts of workers after a program error.
    pub restarts: u64,
}

const COUNT: usize = 29;

impl WorkerStats {
    pub(super) fn of(media: &Stats) -> Self {
        Self {
            peers: media.peers,
            publications: media.publications,
            packets_received: media.packets_in,
            packets_forwarded: media.packets_out,
            packets_resent: media.packets_resent,
            packets_relayed: media.packets_relayed_in,
            keyframe_requests: media.keyframe_requests,
            peers_exceeding: media.peers_exceeding,
            srtp_aes_256_gcm: media.srtp_aes_256_gcm,
            srtp_aes_128_gcm: media.srtp_aes_128_gcm,
            srtp_aes_128_cm: media.srtp_aes_128_cm,
            addresses_contested: media.addresses_contested,
            sources_refused: media.sources_refused,
            keyframes_refused: media.keyframes_refused,
            peer_panics: media.peer_panics,
            peers_withheld: media.peers_withheld,
            inlets: media.inlets,
            taps: media.taps,
            packets_tapped: media.packets_tapped,
            ..Self::default()
        }
    }

    /// Only the counts since the start, without the present values.
    pub(super) fn without_present(self) -> Self {
        Self {
            peers: 0,
            publications: 0,
            peers_withheld: 0,
            inlets: 0,
            taps: 0,
            ..self
        }
    }

    fn fields(&mut self) -> [&mut u64; COUNT] {
        let Self {
            peers,
            publications,
            datagrams_received,
            datagrams_sent,
            datagrams_dropped,
            datagrams_refused,
            packets_received,
            packets_forwarded,
            packets_resent,
            packets_relayed,
            bursts_dropped,
            keyframe_requests,
            peers_exceeding,
            srtp_aes_256_gcm,
            srtp_aes_128_gcm,
            srtp_aes_128_cm,
            addresses_contested,
            sources_refused,
            keyframes_refused,
            peer_panics,
            peers_withheld,
            feedback_dropped,
            line_datagrams_sent,
            line_datagrams_dropped,
            inlets,
            taps,
            packets_tapped,
            tap_packets_dropped,
            restarts,
        } = self;
        [
            peers,
            publications,
            datagrams_received,
            datagrams_sent,
            datagrams_dropped,
            datagrams_refused,
            packets_received,
            packets_forwarded,
            packets_resent,
            packets_relayed,
            bursts_dropped,
            keyframe_requests,
            peers_exceeding,
            srtp_aes_256_gcm,
            srtp_aes_128_gcm,
            srtp_aes_128_cm,
            addresses_contested,
            sources_refused,
            keyframes_refused,
            peer_panics,
            peers_withheld,
            feedback_dropped,
            line_datagrams_sent,
            line_datagrams_dropped,
            inlets,
            taps,
            packets_tapped,
            tap_packets_dropped,
            restarts,
        ]
    }
}

impl std::iter::Sum for WorkerStats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, mut one| {
            for (sum, one) in sum.fields().into_iter().zip(one.fields()) {
                *sum += *one;
            }
            sum
        })
    }
}

/// Written by one worker, read by any thread.
#[derive(Default)]
pub(super) struct Counters([AtomicU64; COUNT]);

impl Counters {
    pub(super) fn publish(&self, mut stats: WorkerStats) {
        for (counter, value) in self.0.iter().zip(stats.fields()) {
            counter.store(*value, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> WorkerStats {
        let mut stats = WorkerStats::default();
        for (counter, value) in self.0.iter().zip(stats.fields()) {
            *value = counter.load(Ordering::Relaxed);
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_and_added_up() {
        let stats = WorkerStats {
            peers: 1,
            datagrams_sent: 5,
            srtp_aes_128_cm: 9,
            ..WorkerStats::default()
        };
        let counters = [Counters::default(), Counters::default()];
        counters.iter().for_each(|one| one.publish(stats));
        assert_eq!(counters[0].read(), stats);
        let sum: WorkerStats = counters.iter().map(Counters::read).sum();
        assert_eq!((sum.peers, sum.datagrams_sent), (2, 10));
        assert_eq!((sum.srtp_aes_128_cm, sum.packets_resent), (18, 0));
    }
}
