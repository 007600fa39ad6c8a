//! What waits to be sent on a connection. A worker puts it in and never waits; the connection's task takes it out.
//!
//! A connection that is slower than its media fills the queue. Then whole pictures are left out, because a picture of
//! which a part is missing is worth nothing: a picture that was begun is queued to its end. That begins when too many bytes
//! wait, or when the first of them has waited for too long, so that a slow connection has gaps and not a growing delay.
//! Sound, checks and reports are always queued. Beyond [`QUEUE_BYTES_MAX`] nothing is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::budget::Budget;

/// No picture is begun while more bytes than this wait.
pub(super) const PICTURE_BYTES_MAX: usize = 256 * 1024;
/// No picture is begun while something has waited for longer.
pub(super) const PICTURE_AGE_MAX: Duration = Duration::from_secs(1);
/// Most bytes that wait: what is allowed before a picture, and its end, and sound.
pub(super) const QUEUE_BYTES_MAX: usize = 2 * PICTURE_BYTES_MAX;
/// Streams of video to one client: the packets themselves, and retransmissions.
const STREAMS: usize = 2;

/// Something to be sent.
#[derive(Debug)]
pub(in crate::media) enum Parcel {
    /// Bytes of the connection's own protocol.
    Raw(Vec<u8>),
    /// Datagrams of `segment` bytes between these addresses; the last may be shorter.
    Train {
        source: SocketAddr,
        destination: SocketAddr,
        contents: Vec<u8>,
        segment: usize,
    },
}

impl Parcel {
    fn bytes(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Train { contents, .. } => contents.len(),
        }
    }
}

/// The end of a queue where parcels are put in.
#[derive(Debug)]
pub(in crate::media) struct Queue {
    /// Bounded by the bytes that wait. Each with the time at which it was queued, as [`Counts::since`] has it.
    parcels: mpsc::UnboundedSender<(u64, Parcel)>,
    counts: Arc<Counts>,
}

/// The other end.
#[derive(Debug)]
pub(super) struct Waiting {
    parcels: mpsc::UnboundedReceiver<(u64, Parcel)>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    made: Instant,
    /// Bytes that wait.
    waiting: Budget,
    /// When the first of them was queued.
    first_at: AtomicU64,
    /// Parcels that were ever queued.
    queued: AtomicU64,
}

impl Counts {
    /// Milliseconds from the making of the queue.
    fn since(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.made);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }
}

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) enum Fate {
    Queued,
    /// The queue is full.
    Dropped,
    /// The connection has ended.
    Ended,
}

/// A queue and its end.
pub(super) fn queue() -> (Queue, Waiting) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let counts = Arc::new(Counts {
        made: Instant::now(),
        waiting: Budget::default(),
        first_at: AtomicU64::new(0),
        queued: AtomicU64::new(0),
    });
    let queue = Queue {
        parcels: sender,
        counts: Arc::clone(&counts),
    };
    let waiting = Waiting {
        parcels: receiver,
        counts,
    };
    (queue, waiting)
}

impl Queue {
    /// Bytes that wait.
    fn waiting(&self) -> usize {
        self.counts.waiting.taken()
    }

    /// Bytes that wait, for a [`Thinner`]: too many for a picture, however few they are, if they have waited for too long.
    pub(in crate::media) fn backlog(&self, now: Instant) -> usize {
        let waiting = self.waiting();
        let first_at = self.counts.first_at.load(Ordering::Relaxed);
        let age = self.counts.since(now).saturating_sub(first_at);
        let is_old = waiting > 0 && u128::from(age) > PICTURE_AGE_MAX.as_millis();
        match is_old {
            true => waiting.max(PICTURE_BYTES_MAX + 1),
            false => waiting,
        }
    }

    /// Whether anything was ever queued.
    pub(super) fn was_used(&self) -> bool {
        self.counts.queued.load(Ordering::Relaxed) > 0
    }

    pub(in crate::media) fn is_ended(&self) -> bool {
        self.parcels.is_closed()
    }

    pub(in crate::media) fn push(&self, parcel: Parcel) -> Fate {
        let bytes = parcel.bytes();
        let is_first = self.waiting() == 0;
        let at = self.counts.since(Instant::now());
        // A worker and the connection's own task may push at the same time.
        if !self.counts.waiting.take(bytes, QUEUE_BYTES_MAX) {
            return Fate::Dropped;
        }
        if is_first {
            self.counts.first_at.store(at, Ordering::Relaxed);
        }
        self.counts.queued.fetch_add(1, Ordering::Relaxed);
        match self.parcels.send((at, parcel)) {
            Ok(()) => Fate::Queued,
            Err(_) => Fate::Ended,
        }
    }
}

impl Waiting {
    /// Takes parcels until they have this many bytes or nothing waits; at least one. `false`: nothing will come any
    /// more. They count as waiting until [`sent`](Self::sent) is called.
    pub(super) async fn take(&mut self, parcels: &mut Vec<Parcel>, enough: usize) -> bool {
        let Some((at, first)) = self.parcels.recv().await else {
            return false;
        };
        self.counts.first_at.store(at, Ordering::Relaxed);
        let mut bytes = first.bytes();
        parcels.push(first);
        while bytes < enough
            && let Ok((_, next)) = self.parcels.try_recv()
        {
            bytes += next.bytes();
            parcels.push(next);
        }
        true
    }

    /// These were sent.
    pub(super) fn sent(&self, parcels: &mut Vec<Parcel>) {
        let bytes: usize = parcels.iter().map(Parcel::bytes).sum();
        self.counts.waiting.give_back(bytes);
        parcels.clear();
    }
}

/// Decides which packets of pictures are queued.
#[derive(Debug, Default)]
pub(in crate::media) struct Thinner {
    /// The picture that each stream is at.
    pictures: [Option<Picture>; STREAMS],
}

#[derive(Debug, Clone, Copy)]
struct Picture {
    ssrc: u32,
    time: u32,
    is_queued: bool,
}

impl Thinner {
    /// The part of a train of RTP packets that is queued while `waiting` bytes wait, as contents of the same segment
    /// size, and the number of packets that are left out.
    pub(in crate::media) fn thin(
        &mut self,
        contents: Vec<u8>,
        segment: usize,
        waiting: usize,
    ) -> (Vec<u8>, u64) {
        let packets = contents.chunks(segment.max(1));
        let mut ahead = waiting;
        let verdicts: Vec<bool> = packets
            .map(|packet| {
                let is_queued = self.admits(packet, ahead);
                ahead += if is_queued { packet.len() } else { 0 };
                is_queued
            })
            .collect();
        let left_out = verdicts.iter().filter(|is_queued| !**is_queued).count() as u64;
        if left_out == 0 {
            return (contents, 0);
        }
        let packets = contents.chunks(segment.max(1)).zip(&verdicts);
        let kept = packets.filter(|(_, is_queued)| **is_queued);
        let kept: Vec<u8> = kept.flat_map(|(packet, _)| packet).copied().collect();
        (kept, left_out)
    }

    fn admits(&mut self, packet: &[u8], waiting: usize) -> bool {
        // Timestamp and SSRC of RTP (RFC 3550 §5.1).
        let Some(head) = packet.first_chunk::<12>() else {
            return true;
        };
        let time = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let ssrc = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        let mut known = self.pictures.iter_mut().flatten();
        if let Some(picture) = known.find(|picture| picture.ssrc == ssrc) {
            if picture.time != time {
                picture.time = time;
                picture.is_queued = waiting <= PICTURE_BYTES_MAX;
            }
            return picture.is_queued;
        }
        let is_queued = waiting <= PICTURE_BYTES_MAX;
        let free = self.pictures.iter().position(Option::is_none);
        // A client has at most two streams of video; should there be a third, it takes the first one's place.
        self.pictures[free.unwrap_or(0)] = Some(Picture {
            ssrc,
            time,
            is_queued,
        });
        is_queued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 100;

    fn packet(ssrc: u32, time: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 96, 0, 0];
        packet.extend(time.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.resize(BYTES, 7);
        packet
    }

    fn train(packets: &[(u32, u32)]) -> Vec<u8> {
        let all = packets.iter().map(|(ssrc, time)| packet(*ssrc, *time));
        all.collect::<Vec<_>>().concat()
    }

    fn parcel(bytes: usize) -> Parcel {
        Parcel::Raw(vec![0; bytes])
    }

    #[test]
    fn pictures_are_queued_or_left_out_as_a_whole() {
        let mut thinner = Thinner::default();
        let (room, full) = (0, PICTURE_BYTES_MAX + 1);
        for (packets, waiting, kept) in [
            (&[(1, 10), (1, 10)][..], room, 2),
            // The rest of a picture that was begun.
            (&[(1, 10)], full, 1),
            // The next one is left out, also what comes of it when there is room again.
            (&[(1, 20), (1, 20)], full, 0),
            (&[(1, 20)], room, 0),
            (&[(1, 30)], room, 1),
            // Several in one train: the end of one, one that is left out.
            (&[(1, 30), (1, 40), (1, 40)], full, 1),
            // Retransmissions are judged by themselves, and do not disturb the pictures.
            (&[(1, 50)], room, 1),
            (&[(2, 5)], full, 0),
            (&[(1, 50)], full, 1),
            (&[(2, 6)], room, 1),
        ] {
            let (contents, left_out) = thinner.thin(train(packets), BYTES, waiting);
            let count = contents.len() / BYTES;
            assert_eq!(count, kept, "{packets:?} behind {waiting} bytes");
            assert_eq!(left_out as usize, packets.len() - kept);
        }
    }

    #[test]
    fn a_train_of_many_pictures_fills_the_queue_no_further_than_one() {
        let mut thinner = Thinner::default();
        let pictures: Vec<_> = (0..6_000).map(|time| (1, time)).collect();
        let (contents, left_out) = thinner.thin(train(&pictures), BYTES, 0);
        assert!(
            contents.len() <= PICTURE_BYTES_MAX + BYTES,
            "{}",
            contents.len()
        );
        assert!(left_out > 3_000);
    }

    #[tokio::test]
    async fn bytes_wait_until_they_are_sent() {
        let (queue, mut waiting) = queue();
        assert!(!queue.was_used());
        for _ in 0..4 {
            assert_eq!(queue.push(parcel(1_000)), Fate::Queued);
        }
        let mut taken = Vec::new();
        assert!(waiting.take(&mut taken, 1_500).await);
        assert_eq!((taken.len(), queue.waiting()), (2, 4_000));
        waiting.sent(&mut taken);
        assert_eq!((taken.len(), queue.waiting()), (0, 2_000));
        assert!(queue.was_used());
        assert_eq!(queue.push(parcel(QUEUE_BYTES_MAX)), Fate::Dropped);
        assert_eq!(queue.push(parcel(QUEUE_BYTES_MAX - 2_000)), Fate::Queued);
        assert_eq!(queue.push(parcel(1)), Fate::Dropped);
        drop(waiting);
        assert!(queue.is_ended());
    }

    #[tokio::test]
    async fn no_picture_is_begun_behind_what_has_waited_for_long() {
        let (queue, mut waiting) = queue();
        let made = Instant::now();
        queue.push(parcel(100));
        queue.push(parcel(100));
        let soon = made + PICTURE_AGE_MAX / 2;
        let late = made + PICTURE_AGE_MAX + Duration::from_secs(60);
        assert_eq!(queue.backlog(soon), 200);
        assert!(queue.backlog(late) > PICTURE_BYTES_MAX);
        let mut taken = Vec::new();
        assert!(waiting.take(&mut taken, 100).await);
        assert!(
            queue.backlog(late) > PICTURE_BYTES_MAX,
            "it is not sent yet"
        );
        waiting.sent(&mut taken);
        assert!(waiting.take(&mut taken, 100).await);
        waiting.sent(&mut taken);
        // What comes after a time without anything is not old.
        assert_eq!(queue.backlog(late), 0);
    }

    #[tokio::test]
    async fn a_queue_without_a_reader_is_ended() {
        let (queue, waiting) = queue();
        drop(waiting);
        assert_eq!(queue.push(parcel(1)), Fate::Ended);
    }
}
