//! The worker that feeds each publication, and the workers that have subscribers of it: a simple model of the node's table.

use std::collections::BTreeMap;

use restage_media::{PeerId, PublicationId, WorkerId};

#[derive(Debug, Default)]
struct Route {
    feeder: Option<(PeerId, WorkerId)>,
    former: Option<WorkerId>,
    subscribers: BTreeMap<PeerId, WorkerId>,
}

/// The part of a worker in a publication from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duty {
    pub(crate) worker: WorkerId,
    pub(crate) is_fed_elsewhere: bool,
    pub(crate) to: Vec<WorkerId>,
}

/// The table of one run of the server.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    routes: BTreeMap<PublicationId, Route>,
    peers: BTreeMap<PeerId, PublicationId>,
}

impl Routes {
    /// A peer feeds the publication from now on.
    pub(crate) fn publish(&mut self, worker: WorkerId, peer: PeerId, publication: PublicationId) {
        self.leave(peer);
        let route = self.routes.entry(publication).or_default();
        if let Some((former, home)) = route.feeder.replace((peer, worker)) {
            self.peers.remove(&former);
            route.former = (home != worker).then_some(home);
        }
        self.peers.insert(peer, publication);
    }

    /// A peer receives the publication from now on.
    pub(crate) fn subscribe(&mut self, worker: WorkerId, peer: PeerId, publication: PublicationId) {
        self.leave(peer);
        let route = self.routes.entry(publication).or_default();
        route.subscribers.insert(peer, worker);
        self.peers.insert(peer, publication);
    }

    /// A peer is gone. The publication it had to do with, if any.
    pub(crate) fn leave(&mut self, peer: PeerId) -> Option<PublicationId> {
        let publication = self.peers.remove(&peer)?;
        let route = self.routes.get_mut(&publication)?;
        route.subscribers.remove(&peer);
        if let Some((feeder, home)) = route.feeder
            && feeder == peer
        {
            (route.feeder, route.former) = (None, Some(home));
        }
        if route.feeder.is_none() && route.subscribers.is_empty() {
            self.routes.remove(&publication);
        }
        Some(publication)
    }

    /// The worker that feeds the publication.
    pub(crate) fn home(&self, publication: PublicationId) -> Option<WorkerId> {
        let (_, home) = self.routes.get(&publication)?.feeder?;
        Some(home)
    }

    /// The parts of the workers in a publication, after a change.
    pub(crate) fn duties(&mut self, publication: PublicationId) -> Vec<Duty> {
        let Some(route) = self.routes.get_mut(&publication) else {
            return Vec::new();
        };
        let home = route.feeder.map(|(_, home)| home);
        let mut duties = Vec::new();
        if let Some(worker) = route.former.take() {
            duties.push(Duty {
                worker,
                is_fed_elsewhere: home.is_some(),
                to: Vec::new(),
            });
        }
        if let Some(worker) = home {
            let mut to: Vec<WorkerId> = route.subscribers.values().copied().collect();
            to.sort_unstable();
            to.dedup();
            to.retain(|other| *other != worker);
            duties.push(Duty {
                worker,
                is_fed_elsewhere: false,
                to,
            });
        }
        duties
    }
}
