//! After a panic that the guards of connections have not caught.

use super::Sfu;
use crate::io::GoneReason;

impl Sfu {
    /// Call this when another method has panicked. It ends the peer that was being served with [`GoneReason::Panicked`]; all
    /// others go on. False: it is not known which peer caused the panic, and this `Sfu` must not be used any more.
    pub fn after_panic(&mut self) -> bool {
        self.stats.peer_panics += 1;
        // The events and packets of the peer are dropped with it.
        self.sink.events.clear();
        self.scratch.clear();
        let Some(index) = self.serving.take() else {
            return false;
        };
        if self.peers.get(index).is_none() {
            return false;
        }
        self.gone(index, GoneReason::Panicked);
        true
    }
}
