//! Faults, and their end.

use std::time::Duration;

use super::World;
use super::encoders::TCP_DELAY;
use super::event::Event;
use crate::plan::Fault;

impl World {
    pub(crate) fn crash(&mut self, down: Duration) {
        if self.server.is_up {
            self.server.coverage.reach("crash");
            self.server.crash(self.now);
            let connected = self
                .encoders
                .iter()
                .filter(|encoder| encoder.retry_at.is_none());
            let feeds: Vec<u64> = connected.map(|encoder| encoder.feed).collect();
            for feed in feeds {
                self.later(TCP_DELAY, Event::HungUp(feed));
            }
            self.later(down, Event::Start);
        }
    }

    pub(crate) fn freeze(&mut self, time: Duration) {
        if self.server.is_up {
            self.server.coverage.reach("freeze");
            self.frozen_until = self.frozen_until.max(self.now + time);
        }
    }

    /// A client has another address for the network from now on.
    pub(crate) fn move_client(&mut self, number: usize) {
        self.server.coverage.reach("address changed");
        let address = self.next_address();
        let before = std::mem::replace(&mut self.clients[number].address, address);
        self.server.auditor.moved(before, address);
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        self.is_calm = true;
        self.server.is_calm = true;
        for line in &mut self.lines {
            line.heal();
        }
        for client in &mut self.clients {
            client.is_greedy = false;
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.plan.has(fault) && !self.is_calm
    }
}
