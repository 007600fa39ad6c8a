//! After a panic that the guards of connections have not caught.

use super::Sfu;
use crate::io::GoneReason;

impl Sfu {
    /// To be called when a call of another method has panicked. Ends the peer that was being served, as [`GoneReason::Panicked`];
    /// everybody else goes on. `false`: it is not known whose fault it was, and this must not be used any more.
    pub fn after_panic(&mut self) -> bool {
        self.stats.peer_panics += 1;
        // What the peer had to say, and what it was to be sent, goes with it.
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
