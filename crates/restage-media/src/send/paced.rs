//! Large bursts leave bit by bit: key frames and the pictures for a newcomer. A path of 2 Mbit/s needs most of a second for 190 kB;
//! sent at once they would fill its queue, and what does not fit there would be lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use restage_bwe::Bucket;
use restage_bwe::limits::SLOT;
use restage_codec::MediaKind;

use super::seat::SeatNumber;
use super::{Outgoing, Sender};
use crate::io::Output;
use crate::io::datagrams::Buffers;
use crate::limits::{PACED_BOUNDED_TIME_MAX, PACED_BYTES_MIN, PACED_PACKETS_MAX, PACED_TIME_MAX};

/// The rate of a burst as a share of the estimate, in percent: so fast that the next pictures do not wait for long.
const RATE_PERCENT: u64 = 250;
/// The same on a path that has shown a limit: what leaves faster than it passes only fills the queue, where sound waits and packets are
/// lost, and lowers the estimate.
const RATE_BOUNDED_PERCENT: u64 = 100;

/// Video that waits for its turn. What comes after it waits too, so that packets stay in order; audio does not wait.
#[derive(Debug)]
pub(super) struct Paced {
    /// Each with its seat.
    packets: VecDeque<(SeatNumber, Outgoing)>,
    bucket: Bucket,
    bits_per_s: u64,
    due_at: Instant,
}

impl Paced {
    pub(super) fn due_at(&self) -> Instant {
        self.due_at
    }

    /// Nothing may be sent now.
    pub(super) fn wait(&mut self, now: Instant) {
        self.due_at = self.due_at.max(now + SLOT);
    }

    /// The packets of this slot.
    fn next(&mut self, now: Instant) -> Vec<(SeatNumber, Outgoing)> {
        let mut room = match self.packets.len() > PACED_PACKETS_MAX {
            true => usize::MAX,
            false => self.bucket.room(now, self.bits_per_s),
        };
        let mut count = 0;
        for (_, packet) in &self.packets {
            if room == 0 {
                break;
            }
            room = room.saturating_sub(packet.payload.len());
            self.bucket.take(packet.payload.len());
            count += 1;
        }
        self.due_at = now + self.bucket.wait(self.bits_per_s);
        self.packets.drain(..count).collect()
    }
}

impl Sender {
    /// Takes a burst of video to be sent bit by bit. False: it is to be sent at once.
    pub(super) fn pace(&mut self, now: Instant, seat: SeatNumber, burst: &[Outgoing]) -> bool {
        let bytes: usize = burst.iter().map(|packet| packet.payload.len()).sum();
        let is_large = bytes > PACED_BYTES_MIN && self.estimator.has_feedback();
        if self.paced.is_none() && !is_large {
            return false;
        }
        let paced = self.paced.get_or_insert_with(|| {
            Box::new(Paced {
                packets: VecDeque::new(),
                bucket: Bucket::new(now),
                bits_per_s: 0,
                due_at: now,
            })
        });
        let burst = burst.iter().cloned();
        paced.packets.extend(burst.map(|packet| (seat, packet)));
        let waiting = paced.packets.iter();
        let waiting = waiting.map(|(_, packet)| packet.payload.len());
        let (percent, time_max) = match self.estimator.is_bounded() {
            true => (RATE_BOUNDED_PERCENT, PACED_BOUNDED_TIME_MAX),
            false => (RATE_PERCENT, PACED_TIME_MAX),
        };
        let least = waiting.sum::<usize>() as u64 * 8_000 / time_max.as_millis() as u64;
        let rate = (self.estimator.estimate() / 100 * percent).max(least);
        paced.bits_per_s = paced.bits_per_s.max(rate);
        true
    }

    /// Sends what is due of a large burst.
    pub(super) fn send_paced(
        &mut self,
        now: Instant,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(paced) = self.paced.as_mut().filter(|paced| paced.due_at <= now) else {
            return;
        };
        let mut rest = paced.next(now).into_iter().peekable();
        if paced.packets.is_empty() {
            self.paced = None;
        }
        while let Some((seat, first)) = rest.next() {
            let mut burst = vec![first];
            while let Some((_, packet)) = rest.next_if(|(of, _)| *of == seat) {
                burst.push(packet);
            }
            let which = (seat, MediaKind::Video);
            self.write(now, which, &burst, buffers, outputs);
        }
    }

    /// Drops what waits of a seat.
    pub(super) fn forget_paced(&mut self, seat: SeatNumber) {
        self.paced = self.paced.take().and_then(|mut paced| {
            paced.packets.retain(|(of, _)| *of != seat);
            (!paced.packets.is_empty()).then_some(paced)
        });
    }
}

const _: () = assert!(PACED_TIME_MAX.as_millis() > 10 * Duration::from_millis(5).as_millis());
