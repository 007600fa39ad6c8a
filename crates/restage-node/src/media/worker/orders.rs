//! Carries out the orders of the control plane.

use std::sync::atomic::Ordering;

use restage_media::{Control, PeerId};

use super::{Order, Reply, Worker, now};

impl Worker {
    /// Carries an order out.
    ///
    /// # Errors
    /// The reason why the worker cannot continue.
    pub(super) fn apply(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Control {
                control,
                reply,
                turn,
            } => self.apply_control(control, reply, turn),
            Order::Measure { peers, reply } => {
                let all = peers.into_iter();
                let stats = all.filter_map(|peer| self.sfu.peer_stats(peer)).collect();
                reply.send(stats).ok();
            }
            Order::Stop => self.stopping = true,
            #[cfg(test)]
            Order::Fail(fault) => fault.strike()?,
        }
        self.drain();
        Ok(())
    }

    /// Passes a control to the `Sfu`, and does what follows from it outside: answers the caller, and informs other
    /// workers.
    fn apply_control(&mut self, control: Control, reply: Reply, turn: u64) {
        let at = now();
        let peer = control.peer();
        match (reply, peer) {
            (Reply::Answer(sender), Some(peer)) => drop(self.opening.insert(peer, sender)),
            (Reply::Fragment(sender), Some(peer)) => drop(self.patching.insert(peer, sender)),
            (Reply::Failure(sender), Some(peer)) => {
                sender.send(self.sfu.connect_failure(peer)).ok();
            }
            (_, None) | (Reply::Nobody, _) => {}
        }
        let route = match control {
            Control::Publish { .. } | Control::Subscribe { .. } | Control::Close { .. } => {
                Some(control.clone())
            }
            _ => None,
        };
        self.sfu.control(at, control);
        let routes = &self.neighbours.routes;
        match route {
            Some(Control::Publish { peer, publication }) if self.live.contains(&peer) => {
                let is_newest = routes.publish(self.id, peer, publication, turn);
                if !is_newest {
                    self.sfu.control(at, Control::Yield { publication });
                }
            }
            Some(Control::Subscribe { peer, publication }) if self.live.contains(&peer) => {
                routes.subscribe(self.id, peer, publication);
            }
            Some(Control::Close { peer }) => self.forget(peer),
            _ => {}
        }
    }

    /// Forgets a peer that is gone.
    pub(super) fn forget(&mut self, peer: PeerId) {
        if self.live.remove(&peer) {
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
        self.streams.remove(&peer);
        self.layers.remove(&peer);
        self.neighbours.routes.leave(self.id, peer);
    }
}
