//! The media workers: what goes into them, and what comes out.

use std::net::SocketAddr;
use std::time::Duration;

use restage_media::{
    Burst, Control, GoneReason, Input, Output, PeerId, Protocol, PublicationId, Role, WorkerId,
};

use super::{Later, Out, Reach, Server};
use crate::audit::quality::Look;

/// Time that packets and orders take from one worker to another.
const BETWEEN_WORKERS: Duration = Duration::from_micros(200);

/// Reports of a worker about its peers.
pub(super) enum News {
    Connected(PeerId),
    Gone(PeerId),
}

impl Server {
    /// When a worker has to be woken.
    pub(crate) fn wants_at(&self) -> Option<Duration> {
        let deadlines = self
            .workers
            .iter()
            .filter_map(|worker| worker.poll_timeout());
        let first = deadlines.min()?;
        Some(first.saturating_duration_since(self.base))
    }

    /// The workers whose time has come do what is due.
    pub(crate) fn on_time(&mut self, now: Duration) {
        self.now = now;
        let at = self.instant();
        for worker in 0..self.workers.len() {
            if self.workers[worker]
                .poll_timeout()
                .is_some_and(|due| due <= at)
            {
                self.workers[worker].handle_input(at, Input::Timeout);
                self.drain(worker);
            }
        }
    }

    /// A datagram has arrived at the address of a worker.
    pub(crate) fn receive(
        &mut self,
        now: Duration,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) {
        self.now = now;
        let worker = usize::from(to.port() - Self::address(0).port());
        let at = self.instant();
        let Some(sfu) = self.workers.get_mut(worker) else {
            return;
        };
        sfu.handle_input(
            at,
            Input::Datagram {
                protocol: Protocol::Udp,
                source: from,
                destination: to,
                payload: bytes,
            },
        );
        self.drain(worker);
    }

    pub(super) fn control(&mut self, worker: WorkerId, control: Control) {
        let at = self.instant();
        let place = usize::from(worker.0);
        if let Some(sfu) = self.workers.get_mut(place) {
            sfu.control(at, control);
            self.drain(place);
        }
    }

    pub(super) fn relayed(&mut self, worker: WorkerId, publication: PublicationId, burst: &Burst) {
        let at = self.instant();
        let place = usize::from(worker.0);
        if let Some(sfu) = self.workers.get_mut(place) {
            sfu.handle_input(at, Input::Relayed { publication, burst });
            self.drain(place);
        }
    }

    pub(super) fn drain(&mut self, worker: usize) {
        while let Some(output) = self.workers[worker].poll_output() {
            self.take(worker, output);
        }
        let now = self.instant();
        if let Some(at) = self.workers[worker].poll_timeout() {
            // A worker takes the time since then for lag, of which it sheds load.
            assert!(
                at >= now || now - at < Duration::from_secs(120),
                "a deadline is {:?} ago",
                now - at
            );
        }
        assert_eq!(
            self.workers[worker].stats().peer_panics,
            0,
            "a peer has panicked"
        );
    }

    fn take(&mut self, worker: usize, output: Output) {
        match output {
            Output::Transmit {
                source,
                destination,
                payload,
                ..
            } => self.send(source, destination, payload),
            Output::Train {
                source,
                destination,
                contents,
                segment,
                ..
            } => {
                for bytes in contents.chunks(segment) {
                    self.send(source, destination, bytes.to_vec());
                }
                self.workers[worker].reuse(contents);
            }
            Output::Relay {
                publication,
                to,
                burst,
            } => {
                self.coverage.reach("packet relayed");
                for other in to.iter() {
                    let later = Later::Relayed(*other, publication, burst.clone());
                    self.after(BETWEEN_WORKERS, later);
                }
            }
            Output::KeyframeWanted { publication, layer } => {
                self.ask_home(publication, Control::WantKeyframe { publication, layer });
            }
            Output::LayersNeeded { publication, level } => {
                self.ask_home(publication, Control::NeedLayers { publication, level });
            }
            Output::Answer { peer, sdp } => {
                self.answers.insert(peer, Ok(sdp));
            }
            Output::Refused { peer, error } => {
                self.answers.insert(peer, Err(error.to_string()));
            }
            Output::Connected { peer } => self.report(News::Connected(peer)),
            Output::Gone { peer, reason } => {
                self.coverage.reach(match &reason {
                    GoneReason::Silent => "peer silent",
                    GoneReason::NeverConnected(_) => "peer never connected",
                    GoneReason::ClosedByRemote => "peer closed",
                    GoneReason::CodecMismatch { .. } => "peer decodes nothing",
                    GoneReason::Panicked => panic!("a peer has panicked"),
                    _ => "peer gone otherwise",
                });
                self.report(News::Gone(peer));
            }
            Output::Tapped { tap, packets, .. } => self.tapped(tap, packets),
            Output::TapRefused { tap, error } => panic!("{tap:?} is refused: {error}"),
            Output::InletRefused { inlet, error } => panic!("{inlet:?} is refused: {error}"),
            Output::InletEnded { inlet, .. } => self.inlet_ended(inlet),
            Output::Stream { .. }
            | Output::LayersWanted { .. }
            | Output::Loudness { .. }
            | Output::Undecodable { .. }
            | Output::Opened { .. }
            | Output::Offer { .. }
            | Output::Answered { .. }
            | Output::Patched { .. }
            | Output::InletKeyframeWanted { .. } => {}
        }
    }

    /// Looks at what all connected connections are given.
    pub(crate) fn look(&self) -> Vec<Look> {
        let connected = self.live.iter().filter(|(_, live)| live.is_connected);
        let looks = connected.filter_map(|(connection, live)| {
            let worker = self.workers.get(usize::from(live.worker.0))?;
            let Reach::Peer(peer) = live.reach else {
                return None;
            };
            let stats = worker.peer_stats(peer)?;
            Some(Look {
                connection: connection.clone(),
                publication: live.publication?,
                is_feeder: stats.role == Role::Publisher,
                stats,
            })
        });
        looks.collect()
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.auditor.sent(to, &bytes) {
            self.coverage.reach("packet sent again");
        }
        self.out.push(Out::Datagram { to, from, bytes });
    }

    fn ask_home(&mut self, publication: PublicationId, control: Control) {
        if let Some(home) = self.routes.home(publication) {
            self.after(BETWEEN_WORKERS, Later::Order(home, control));
        }
    }
}
