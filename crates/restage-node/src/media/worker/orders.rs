//! Carries out the orders of the control plane.

use std::sync::atomic::Ordering;

use restage_media::{Control, PeerId, PublicationId, TapError, TapId, TapLayers};

use super::super::tap::TapEnd;
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
            Order::OpenTap {
                tap,
                publication,
                layers,
                end,
            } => self.open_tap(tap, (publication, layers), end),
            Order::CloseTap { tap } => self.close_tap(tap),
            Order::OpenInlet { inlet, end } => self.open_inlet(inlet, end),
            Order::BeginInlet { inlet, formats } => self.begin_inlet(inlet, formats),
            Order::PublishInlet {
                inlet,
                publication,
                turn,
            } => self.publish_inlet(inlet, publication, turn),
            Order::Push(push) => self.push(&push),
            Order::CloseInlet { inlet } => self.close_inlet(inlet),
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
            (Reply::Offer(sender), Some(peer)) => drop(self.offering.insert(peer, sender)),
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

    /// Opens a tap. It counts as a receiver of the publication, so other workers relay to this one for it.
    fn open_tap(
        &mut self,
        tap: TapId,
        (publication, layers): (PublicationId, TapLayers),
        end: TapEnd,
    ) {
        let abandoned: Vec<TapId> = self
            .taps
            .iter()
            .filter_map(|(tap, end)| (!end.is_open()).then_some(*tap))
            .collect();
        for tap in abandoned {
            self.close_tap(tap);
        }
        self.taps.insert(tap, end);
        let control = Control::OpenTap {
            tap,
            publication,
            layers,
        };
        self.sfu.control(now(), control);
        let routes = &self.neighbours.routes;
        routes.subscribe(self.id, PeerId(tap.0), publication);
        // A refusal comes back with the outputs.
        self.drain();
        if let Some(end) = self.taps.get_mut(&tap) {
            end.answer(Ok(()));
        }
    }

    pub(super) fn refuse_tap(&mut self, tap: TapId, error: TapError) {
        if let Some(end) = self.taps.get_mut(&tap) {
            end.answer(Err(error));
        }
        self.forget_tap(tap);
    }

    pub(super) fn close_tap(&mut self, tap: TapId) {
        if self.taps.contains_key(&tap) {
            self.sfu.control(now(), Control::CloseTap { tap });
            self.forget_tap(tap);
        }
    }

    /// Forgets a tap that is closed; its reader finds the end.
    pub(super) fn forget_tap(&mut self, tap: TapId) {
        if self.taps.remove(&tap).is_some() {
            self.neighbours.routes.leave(self.id, PeerId(tap.0));
        }
    }

    /// A peer exists; `sdp` is the answer to its offer, if it has made one.
    pub(super) fn opened(&mut self, peer: PeerId, sdp: String) {
        self.live.insert(peer);
        let waiting = self.opening.remove(&peer);
        let taken = waiting.is_some_and(|reply| reply.send(Ok(sdp)).is_ok());
        if !taken {
            // The HTTP request was given up, so nobody will use this peer.
            self.sfu.control(now(), Control::Close { peer });
            self.forget(peer);
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
