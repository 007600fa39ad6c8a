//! What was sent: time, size and probe of the newest packets, by their transport-wide number.

use crate::limits::RECORDS_MAX;

/// Microseconds since the estimator was made.
pub(crate) type Micros = i64;

const MASK: u64 = RECORDS_MAX as u64 - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    Lost,
    Received,
}

/// Eight bytes per packet: the ring is written for every packet of every subscriber.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// Low bits of the time of sending; what is on record is much younger than their period of 71 minutes.
    sent: u32,
    bytes: u16,
    /// The probe that it was sent for, or 0.
    probe: u8,
    fate: Fate,
}

/// A packet about which the receiver has said something for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The number without wrapping.
    pub(crate) number: u64,
    pub(crate) sent: Micros,
    pub(crate) bytes: u16,
    pub(crate) probe: u8,
    /// It was reported as lost before.
    pub(crate) was_lost: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Allocated at the first packet.
    ring: Option<Box<[Record; RECORDS_MAX]>>,
    /// Number of the next packet.
    next: u64,
}

impl Records {
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    #[inline]
    pub(crate) fn push(&mut self, sent: Micros, bytes: usize, probe: u8) {
        let record = Record {
            sent: sent as u32,
            bytes: bytes.min(usize::from(u16::MAX)) as u16,
            probe,
            fate: Fate::Unknown,
        };
        let ring = self
            .ring
            .get_or_insert_with(|| Box::new([record; RECORDS_MAX]));
        ring[(self.next & MASK) as usize] = record;
        self.next += 1;
    }

    /// See [`Estimator::touch`](crate::Estimator::touch): the newest records, of which feedback speaks.
    pub(crate) fn touch(&self) -> u64 {
        let Some(ring) = &self.ring else { return 0 };
        // Eight records in a line of the cache.
        let recent = [1, 9, 17, 25].map(|age| self.next.wrapping_sub(age) & MASK);
        let read = |all, place: u64| all ^ u64::from(ring[place as usize].sent);
        recent.into_iter().fold(0, read)
    }

    /// The whole number of a packet that is on record, from its last 16 bits.
    pub(crate) fn unwrap(&self, number: u16) -> Option<u64> {
        let newest = self.next.checked_sub(1)?;
        let age = u64::from((newest as u16).wrapping_sub(number));
        newest.checked_sub(age).filter(|_| age < RECORDS_MAX as u64)
    }

    /// When a packet was sent, and its bytes. `None`: it is not on record.
    pub(crate) fn sent(&self, now: Micros, number: u64) -> Option<(Micros, u16)> {
        if number + RECORDS_MAX as u64 <= self.next.saturating_sub(1) {
            return None;
        }
        let record = &self.ring.as_ref()?[(number & MASK) as usize];
        let elapsed = (now as u32).wrapping_sub(record.sent);
        Some((now - Micros::from(elapsed), record.bytes))
    }

    /// Notes what the receiver says about a packet. `None`: it is not on record, or it was said before.
    pub(crate) fn settle(
        &mut self,
        now: Micros,
        number: u16,
        is_received: bool,
    ) -> Option<Settled> {
        let number = self.unwrap(number)?;
        let record = &mut self.ring.as_mut()?[(number & MASK) as usize];
        let was_lost = record.fate == Fate::Lost;
        if record.fate == Fate::Received || was_lost && !is_received {
            return None;
        }
        record.fate = match is_received {
            true => Fate::Received,
            false => Fate::Lost,
        };
        let elapsed = (now as u32).wrapping_sub(record.sent);
        Some(Settled {
            number,
            sent: now - Micros::from(elapsed),
            bytes: record.bytes,
            probe: record.probe,
            was_lost,
        })
    }
}
