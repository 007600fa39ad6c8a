//! The packets of a publication that can be sent again.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits::{RESEND_AGE_MAX, RESEND_PACKETS_MAX};
use crate::packet::Packet;

/// The newest video packets of a publication.
#[derive(Debug, Default)]
pub(crate) struct History {
    packets: VecDeque<Packet>,
}

impl History {
    /// Numbers are consecutive, so that a number gives the position.
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

    /// The number of the newest packet.
    pub(crate) fn newest(&self) -> Option<u64> {
        Some(self.packets.back()?.number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Packet> {
        let place = number.checked_sub(self.packets.front()?.number)?;
        self.packets.get(usize::try_from(place).ok()?)
    }
}
