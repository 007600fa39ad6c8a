//! The path from the publisher: delay, jitter, loss in bursts, repair.

use std::collections::BTreeMap;

use restage_record::Packet;

use super::Random;

/// What the path does. Times are in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) delay_us: u64,
    /// Most that comes on top of the delay.
    pub(crate) jitter_us: u64,
    pub(crate) loss_per_mille: u64,
    /// How many packets in a row a loss takes.
    pub(crate) burst: u64,
    /// How often what is lost comes again, in a thousand, after `repair_us`.
    pub(crate) repaired_per_mille: u64,
    pub(crate) repair_us: u64,
    /// How often a packet is late by `reorder_us`, in a thousand.
    pub(crate) reorder_per_mille: u64,
    pub(crate) reorder_us: u64,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            delay_us: 40_000,
            jitter_us: 12_000,
            loss_per_mille: 0,
            burst: 1,
            repaired_per_mille: 900,
            repair_us: 150_000,
            reorder_per_mille: 0,
            reorder_us: 60_000,
        }
    }
}

/// Packets on their way, by their time of arrival.
#[derive(Debug)]
pub(crate) struct Pipe {
    path: Path,
    random: Random,
    losing: u64,
    flying: BTreeMap<(u64, u64), Packet>,
    count: u64,
}

impl Pipe {
    pub(crate) fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            random: Random(seed),
            losing: 0,
            flying: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn send(&mut self, now_us: u64, packet: Packet) {
        let mut at = now_us + self.path.delay_us + self.random.below(self.path.jitter_us + 1);
        if self.losing == 0 && self.random.chance(self.path.loss_per_mille) {
            self.losing = self.path.burst;
        }
        if self.losing > 0 {
            self.losing -= 1;
            if !self.random.chance(self.path.repaired_per_mille) {
                return;
            }
            at += self.path.repair_us;
        }
        if self.random.chance(self.path.reorder_per_mille) {
            at += self.path.reorder_us;
        }
        self.count += 1;
        self.flying.insert((at, self.count), packet);
    }

    /// The next packet that has arrived by now.
    pub(crate) fn receive(&mut self, now_us: u64) -> Option<Packet> {
        let entry = self.flying.first_entry()?;
        let at = entry.key().0;
        if at > now_us {
            return None;
        }
        let mut packet = entry.remove();
        packet.arrived_us = at;
        Some(packet)
    }
}
