//! What the server asks of a worker, carried out.

use std::sync::atomic::Ordering;

use restage_media::{Input, PeerKey};

use super::super::Role;
use super::{Order, Worker, now};

impl Worker {
    /// Carries an order out.
    ///
    /// # Errors
    /// Why the worker cannot go on.
    pub(super) fn obey(&mut self, order: Order) -> Result<(), String> {
        let at = now();
        match order {
            Order::Open {
                peer,
                role,
                offer,
                download,
                reply,
            } => {
                self.opening.insert(peer, reply);
                let offer = offer.as_str();
                let download = download.as_ref();
                self.sfu.handle_input(
                    at,
                    match role {
                        Role::Publisher => Input::OpenPublisher { peer, offer },
                        Role::Subscriber => Input::OpenSubscriber {
                            peer,
                            offer,
                            download,
                        },
                    },
                );
            }
            Order::Patch {
                peer,
                fragment,
                reply,
            } => {
                self.patching.insert(peer, reply);
                self.sfu.handle_input(
                    at,
                    Input::Patch {
                        peer,
                        fragment: &fragment,
                    },
                );
            }
            Order::Publish {
                peer,
                publication,
                turn,
            } => {
                self.sfu
                    .handle_input(at, Input::Publish { peer, publication });
                let is_newest = !self.live.contains(&peer)
                    || self
                        .neighbours
                        .routes
                        .publish(self.id, peer, publication, turn);
                if !is_newest {
                    self.sfu.handle_input(at, Input::Yield { publication });
                }
            }
            Order::Subscribe { peer, publication } => {
                self.sfu
                    .handle_input(at, Input::Subscribe { peer, publication });
                if self.live.contains(&peer) {
                    self.neighbours.routes.subscribe(self.id, peer, publication);
                }
            }
            Order::Close { peer, reply } => {
                if let Some(reply) = reply {
                    reply.send(self.sfu.connect_failure(peer)).ok();
                }
                self.sfu.handle_input(at, Input::Close { peer });
                self.forget(peer);
            }
            Order::Stop => self.stopping = true,
            #[cfg(test)]
            Order::Fail(fault) => fault.strike()?,
        }
        self.drain();
        Ok(())
    }

    /// A peer is gone.
    pub(super) fn forget(&mut self, peer: PeerKey) {
        if self.live.remove(&peer) {
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
        self.neighbours.routes.leave(self.id, peer);
    }
}
