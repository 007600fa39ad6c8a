//! What may be asked for again: one history of packets per publication, and per subscriber which number each had.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits::{RESEND_AGE_MAX, RESEND_PACKETS_MAX, SENT_PACKETS_MAX};
use crate::packet::{Outgoing, Packet, Vp8Numbers};

/// The newest video packets of a publication, whoever they were sent to.
#[derive(Debug, Default)]
pub(crate) struct History {
    packets: VecDeque<Packet>,
}

impl History {
    /// Numbers of packets follow each other, so that a number is a place.
    pub(crate) fn push(&mut self, packet: Packet, now: Instant) {
        if self
            .packets
            .back()
            .is_some_and(|newest| newest.number + 1 != packet.number)
        {
            self.packets.clear();
        }
        while self.packets.len() >= RESEND_PACKETS_MAX
            || self
                .packets
                .front()
                .is_some_and(|oldest| oldest.arrived + RESEND_AGE_MAX < now)
        {
            self.packets.pop_front();
        }
        self.packets.push_back(packet);
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Packet> {
        let place = number.checked_sub(self.packets.front()?.number)?;
        self.packets.get(usize::try_from(place).ok()?)
    }
}

/// What one subscriber was sent, by sequence number.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Made at the first packet: most of what is sent is never asked for, and audio never.
    entries: Vec<Option<Entry>>,
}

/// How a packet went out to one subscriber: with the history's packet enough to make it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The packet's number in the history, its lower bits.
    number: u32,
    pub(crate) seq: u64,
    pub(crate) time: u32,
    pub(crate) pt: u8,
    /// Bytes of padding it was given.
    pub(crate) padding: u8,
    pub(crate) vp8: Option<Vp8Numbers>,
}

const PLACES: usize = SENT_PACKETS_MAX;
const _: () = assert!(PLACES.is_power_of_two());

impl Sent {
    pub(crate) fn push(&mut self, packet: &Outgoing, padding: u8) {
        if self.entries.is_empty() {
            self.entries = vec![None; PLACES];
        }
        let place = packet.seq as usize % PLACES;
        self.entries[place] = Some(Entry {
            number: packet.number as u32,
            seq: packet.seq,
            time: packet.time,
            pt: packet.pt,
            padding,
            vp8: packet.vp8,
        });
    }

    /// The packet that went out under this sequence number, if it is still known.
    pub(crate) fn find<'a>(&self, seq: u16, history: &'a History) -> Option<(Entry, &'a Packet)> {
        let entry = (*self.entries.get(usize::from(seq) % PLACES)?)?;
        if entry.seq as u16 != seq {
            return None;
        }
        let newest = history.packets.back()?.number;
        // The nearest number not after the newest that has these lower bits.
        let number = newest.checked_sub(u64::from((newest as u32).wrapping_sub(entry.number)))?;
        Some((entry, history.get(number)?))
    }

    /// Numbers of another publication mean nothing in this one's history.
    pub(crate) fn clear(&mut self) {
        self.entries = Vec::new();
    }
}
