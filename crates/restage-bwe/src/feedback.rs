//! Reads transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets arrived, and when.

use crate::limits::FEEDBACK_PACKETS_MAX;

const HEADER_BYTES: usize = 8;
/// Microseconds in a step of the reference time.
pub(crate) const REFERENCE_US: i64 = 64_000;
/// Microseconds in a step of an arrival.
const STEP_US: i64 = 250;

/// A message, of which the chunks have been checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Number of the first packet that it is about.
    pub(crate) first: u16,
    count: u16,
    /// 24 bits, in steps of [`REFERENCE_US`].
    pub(crate) reference: u32,
    chunks: &'a [u8],
    times: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads what follows the two SSRCs of the RTCP packet. `None`: malformed, or about more than
    /// [`FEEDBACK_PACKETS_MAX`] packets.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let [first0, first1, count0, count1, time0, time1, time2, _] = *header;
        let count = u16::from_be_bytes([count0, count1]);
        if count == 0 || count > FEEDBACK_PACKETS_MAX {
            return None;
        }
        let (mut told, mut length) = (0, 0);
        while told < usize::from(count) {
            let chunk = rest.get(length..length + 2)?;
            told += statuses(u16::from_be_bytes([chunk[0], chunk[1]]));
            length += 2;
        }
        Some(Self {
            first: u16::from_be_bytes([first0, first1]),
            count,
            reference: u32::from_be_bytes([0, time0, time1, time2]),
            chunks: &rest[..length],
            times: &rest[length..],
        })
    }

    /// Calls `take` for each packet with its number and the microseconds from the reference time to its arrival, `None` if it has
    /// not arrived. Ends early where times are missing or a reserved status occurs.
    pub(crate) fn each(&self, mut take: impl FnMut(u16, Option<i64>)) {
        let mut times = self.times;
        let mut arrival = 0;
        let mut number = self.first;
        let mut left = usize::from(self.count);
        for chunk in self.chunks.as_chunks::<2>().0 {
            let chunk = u16::from_be_bytes(*chunk);
            for place in 0..statuses(chunk).min(left) {
                let step = match status(chunk, place) {
                    0 => None,
                    1 => {
                        let Some((step, rest)) = times.split_first() else {
                            return;
                        };
                        times = rest;
                        Some(i64::from(*step))
                    }
                    2 => {
                        let Some((step, rest)) = times.split_first_chunk::<2>() else {
                            return;
                        };
                        times = rest;
                        Some(i64::from(i16::from_be_bytes(*step)))
                    }
                    _ => return,
                };
                let arrived = step.map(|step| {
                    arrival += step * STEP_US;
                    arrival
                });
                take(number, arrived);
                number = number.wrapping_add(1);
                left -= 1;
            }
        }
    }
}

/// Packets that a chunk is about.
fn statuses(chunk: u16) -> usize {
    match chunk >> 14 {
        0 | 1 => usize::from(chunk & 0x1fff),
        2 => 14,
        _ => 7,
    }
}

/// What a chunk says about the packet at this place: 0 not received, 1 and 2 received with a time of one or two bytes.
fn status(chunk: u16, place: usize) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk >> 13 & 3,
        2 => chunk >> (13 - place) & 1,
        _ => chunk >> (12 - 2 * place) & 3,
    }
}
