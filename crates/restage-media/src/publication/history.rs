//! What may be asked for again: one history of packets per publication, and per subscriber which number each had.

use std::collections::VecDeque;
use std::time::Instant;

use restage_codec::vp8::DescriptorNumbers;

use crate::limits::{RESEND_AGE_MAX, RESEND_PACKETS_MAX, SENT_PACKETS_MAX};
use crate::packet::{Outgoing, Packet};

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
    places: Vec<Option<Place>>,
    /// The highest number.
    newest: u64,
}

/// An [`Entry`] as it is kept: small, because every packet to every subscriber writes one.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Lower bits.
    number: u32,
    /// Lower bits.
    seq: u32,
    time: u32,
    vp8: Option<DescriptorNumbers>,
    part: u8,
    pt: u8,
    padding: u8,
}

/// How a packet went out to one subscriber: with the history's packet enough to make it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) time: u32,
    /// See [`Outgoing::part`].
    pub(crate) part: u8,
    pub(crate) pt: u8,
    /// Bytes of padding it was given.
    pub(crate) padding: u8,
    pub(crate) vp8: Option<DescriptorNumbers>,
}

const PLACES: usize = SENT_PACKETS_MAX;
const _: () = assert!(PLACES.is_power_of_two());
const _: () = assert!(size_of::<Option<Place>>() <= 24);

impl Sent {
    pub(crate) fn push(&mut self, packet: &Outgoing, padding: u8) {
        if self.places.is_empty() {
            self.places = vec![None; PLACES];
        }
        self.newest = self.newest.max(packet.seq);
        self.places[packet.seq as usize % PLACES] = Some(Place {
            number: packet.number as u32,
            seq: packet.seq as u32,
            time: packet.time,
            vp8: packet.vp8,
            part: packet.part,
            pt: packet.pt,
            padding,
        });
    }

    /// Reads the place of the next packet.
    pub(crate) fn touch(&self) -> u64 {
        let place = self.places.get((self.newest + 1) as usize % PLACES);
        place.map_or(0, |place| place.map_or(0, |place| u64::from(place.seq)))
    }

    /// The packet that went out under this sequence number, if it is still known.
    pub(crate) fn find<'a>(&self, seq: u16, history: &'a History) -> Option<(Entry, &'a Packet)> {
        let place = (*self.places.get(usize::from(seq) % PLACES)?)?;
        if place.seq as u16 != seq {
            return None;
        }
        let number = complete(place.number, history.packets.back()?.number)?;
        let entry = Entry {
            seq: complete(place.seq, self.newest)?,
            time: place.time,
            part: place.part,
            pt: place.pt,
            padding: place.padding,
            vp8: place.vp8,
        };
        Some((entry, history.get(number)?))
    }

    /// Numbers of another publication mean nothing in this one's history.
    pub(crate) fn clear(&mut self) {
        self.places = Vec::new();
    }
}

/// The nearest number not after the newest that has these lower bits.
fn complete(lower: u32, newest: u64) -> Option<u64> {
    newest.checked_sub(u64::from((newest as u32).wrapping_sub(lower)))
}
