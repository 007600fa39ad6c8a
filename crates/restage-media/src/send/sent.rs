//! The packets that one subscriber was sent, so that they can be sent again.

use super::Outgoing;
use super::rewrite::Edit;
use crate::limits::SENT_PACKETS_MAX;
use crate::packet::Packet;
use crate::publication::history::History;

/// The newest packets that one subscriber was sent, by sequence number.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Allocated at the first packet that may be requested again: audio never is.
    slots: Vec<Option<Slot>>,
    /// The highest number.
    newest: u64,
}

/// An [`Entry`] in stored form: small, because one is written for every packet to every subscriber.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Lower bits of the packet's number.
    number: u32,
    /// Lower bits of the sequence number.
    seq: u32,
    time: u32,
    edit: Option<Edit>,
    transport_seq: u16,
    part: u8,
    /// With the marker in the highest bit.
    pt: u8,
    padding: u8,
}

/// The marker in a slot's `pt`.
const MARKER: u8 = 0x80;

/// The header fields that a packet had for one subscriber. With the packet from the history they are enough to make it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) time: u32,
    /// See [`Outgoing::part`].
    pub(crate) part: u8,
    pub(crate) pt: u8,
    pub(crate) marker: bool,
    /// Bytes of padding that it had.
    pub(crate) padding: u8,
    /// Its transport-wide number, if it has one.
    pub(crate) transport_seq: u16,
    pub(crate) edit: Option<Edit>,
}

const SLOTS: usize = SENT_PACKETS_MAX;
const _: () = assert!(SLOTS.is_power_of_two());
const _: () = assert!(size_of::<Option<Slot>>() <= 24);

impl Sent {
    /// `transport_seq` is its transport-wide number, if it has one.
    #[inline]
    pub(crate) fn push(&mut self, packet: &Outgoing, padding: u8, transport_seq: u16) {
        if self.slots.is_empty() {
            self.slots = vec![None; SLOTS];
        }
        self.newest = self.newest.max(packet.seq);
        self.slots[packet.seq as usize % SLOTS] = Some(Slot {
            number: packet.number as u32,
            seq: packet.seq as u32,
            time: packet.time,
            edit: packet.edit,
            transport_seq,
            part: packet.part,
            pt: packet.pt & !MARKER | if packet.marker { MARKER } else { 0 },
            padding,
        });
    }

    /// The highest sequence number.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Reads the slot of the next packet: see [`Sender::touch`](super::Sender::touch).
    pub(crate) fn touch(&self) -> u64 {
        let slot = self.slots.get((self.newest + 1) as usize % SLOTS);
        slot.map_or(0, |slot| slot.map_or(0, |slot| u64::from(slot.seq)))
    }

    /// Whether a packet was sent under this sequence number lately.
    pub(crate) fn has(&self, seq: u16) -> bool {
        let slot = self.slots.get(usize::from(seq) % SLOTS).copied().flatten();
        slot.is_some_and(|slot| slot.seq as u16 == seq)
    }

    /// The sequence number of the packet that was sent under this transport-wide number lately.
    pub(crate) fn numbered(&self, transport_seq: u16) -> Option<u16> {
        let slots = self.slots.iter().flatten();
        let mut found = slots.filter(|slot| slot.transport_seq == transport_seq);
        found.next().map(|slot| slot.seq as u16)
    }

    /// The packet that was sent under this sequence number, if it is still known.
    pub(crate) fn find<'a>(&self, seq: u16, history: &'a History) -> Option<(Entry, &'a Packet)> {
        let place = usize::from(seq) % SLOTS;
        let slot = (*self.slots.get(place)?)?;
        if slot.seq as u16 != seq {
            return None;
        }
        let number = complete(slot.number, history.newest()?)?;
        let entry = Entry {
            seq: complete(slot.seq, self.newest)?,
            time: slot.time,
            part: slot.part,
            pt: slot.pt & !MARKER,
            marker: slot.pt & MARKER != 0,
            padding: slot.padding,
            transport_seq: slot.transport_seq,
            edit: slot.edit,
        };
        Some((entry, history.get(number)?))
    }

    /// The numbers belong to the history of one publication; they mean nothing in another one.
    pub(crate) fn clear(&mut self) {
        self.slots = Vec::new();
    }
}

/// The nearest number up to `newest` with these lower bits.
fn complete(lower: u32, newest: u64) -> Option<u64> {
    newest.checked_sub(u64::from((newest as u32).wrapping_sub(lower)))
}
