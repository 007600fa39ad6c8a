//! Which worker feeds and which workers receive each publication, and so what must be relayed to whom.
//!
//! A worker writes here when one of its peers comes or goes, and reads when something has changed for it. No
//! packet passes through here.

use std::collections::{HashMap, HashSet};

use restage_media::{PeerId, PublicationId, WorkerId};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// A worker's part in a publication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Duty {
    pub(super) publication: PublicationId,
    /// Whether a peer of another worker feeds it.
    pub(super) is_fed_elsewhere: bool,
    /// The workers to relay it to.
    pub(super) to: Vec<WorkerId>,
}

/// The table of one media plane.
pub(super) struct Routes {
    table: Mutex<Table>,
    /// For each worker, whether there are changes to read.
    news: Vec<AtomicBool>,
}

#[derive(Default)]
struct Table {
    routes: HashMap<PublicationId, Route>,
    peers: HashMap<PeerId, PublicationId>,
    changed: Vec<HashSet<PublicationId>>,
}

#[derive(Default)]
struct Route {
    feeder: Option<(PeerId, WorkerId)>,
    /// Grows with every order to publish. The newest order wins, whichever is carried out last.
    turn: u64,
    /// Number of receiving peers on each worker.
    subscribers: Vec<usize>,
}

impl Routes {
    pub(super) fn new(workers: usize) -> Self {
        let table = Table {
            changed: vec![HashSet::new(); workers],
            ..Table::default()
        };
        Self {
            table: Mutex::new(table),
            news: (0..workers).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// A peer of this worker feeds the publication. `false` if a newer order has been carried out already.
    pub(super) fn publish(
        &self,
        worker: WorkerId,
        peer: PeerId,
        publication: PublicationId,
        turn: u64,
    ) -> bool {
        let mut table = self.table();
        table.forget(peer, worker);
        let workers = self.news.len();
        let route = table.route(publication, workers);
        if route.turn > turn {
            table.tidy(publication);
            self.announce(&table);
            return false;
        }
        route.turn = turn;
        let former = route.feeder.replace((peer, worker));
        table.peers.insert(peer, publication);
        if let Some((former, home)) = former {
            table.peers.remove(&former);
            table.mark(home, publication);
        }
        table.mark(worker, publication);
        self.announce(&table);
        true
    }

    /// A peer of this worker receives the publication.
    pub(super) fn subscribe(&self, worker: WorkerId, peer: PeerId, publication: PublicationId) {
        let mut table = self.table();
        table.forget(peer, worker);
        let workers = self.news.len();
        table.peers.insert(peer, publication);
        let route = table.route(publication, workers);
        route.subscribers[usize::from(worker.0)] += 1;
        let is_first = route.subscribers[usize::from(worker.0)] == 1;
        let relayed_from = route.feeder.filter(|(_, home)| is_first && *home != worker);
        if let Some((_, home)) = relayed_from {
            table.mark(home, publication);
        }
        self.announce(&table);
    }

    /// A peer of this worker is gone.
    pub(super) fn leave(&self, worker: WorkerId, peer: PeerId) {
        let mut table = self.table();
        table.forget(peer, worker);
        self.announce(&table);
    }

    /// The worker that feeds the publication.
    pub(super) fn home(&self, publication: PublicationId) -> Option<WorkerId> {
        let table = self.table();
        let (_, home) = table.routes.get(&publication)?.feeder?;
        Some(home)
    }

    /// Workers, other than this one, that must be woken to read their changes.
    pub(super) fn concerned(&self, besides: WorkerId) -> impl Iterator<Item = WorkerId> {
        let all = (0..).map(WorkerId).zip(&self.news);
        all.filter(move |(worker, news)| *worker != besides && news.load(Ordering::Acquire))
            .map(|(worker, _)| worker)
    }

    /// The changes for this worker since its last call.
    pub(super) fn duties(&self, worker: WorkerId) -> Vec<Duty> {
        let place = usize::from(worker.0);
        // This check is cheap when there is nothing, which is nearly always the case.
        if !self.news[place].swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let mut table = self.table();
        let changed = std::mem::take(&mut table.changed[place]);
        changed
            .into_iter()
            .map(|publication| table.duty(worker, publication))
            .collect()
    }

    /// Called while the table is locked. Both ends exchange the flag, and the reader does so before it takes the lock: so it never clears
    /// the flag of changes that it does not find.
    fn announce(&self, table: &Table) {
        for (news, changed) in self.news.iter().zip(&table.changed) {
            if !changed.is_empty() {
                news.swap(true, Ordering::AcqRel);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn route(&mut self, publication: PublicationId, workers: usize) -> &mut Route {
        self.routes.entry(publication).or_insert_with(|| Route {
            subscribers: vec![0; workers],
            ..Route::default()
        })
    }

    fn forget(&mut self, peer: PeerId, worker: WorkerId) {
        let Some(publication) = self.peers.remove(&peer) else {
            return;
        };
        let Some(route) = self.routes.get_mut(&publication) else {
            return;
        };
        let feeder = route.feeder;
        if feeder.is_some_and(|(feeder, _)| feeder == peer) {
            route.feeder = None;
            self.mark(worker, publication);
        } else if let Some(count) = route.subscribers.get_mut(usize::from(worker.0)) {
            *count = count.saturating_sub(1);
            let relayed_from = feeder.filter(|(_, home)| *count == 0 && *home != worker);
            if let Some((_, home)) = relayed_from {
                self.mark(home, publication);
            }
        }
        self.tidy(publication);
    }

    /// Forgets a route that nobody uses.
    fn tidy(&mut self, publication: PublicationId) {
        let is_unused = |route: &Route| {
            route.feeder.is_none() && route.subscribers.iter().all(|count| *count == 0)
        };
        if self.routes.get(&publication).is_some_and(is_unused) {
            self.routes.remove(&publication);
        }
    }

    fn mark(&mut self, worker: WorkerId, publication: PublicationId) {
        if self.changed.len() > 1 {
            self.changed[usize::from(worker.0)].insert(publication);
        }
    }

    fn duty(&self, worker: WorkerId, publication: PublicationId) -> Duty {
        let route = self.routes.get(&publication);
        let home = route.and_then(|route| route.feeder).map(|(_, home)| home);
        let receivers = route.map_or(&[][..], |route| &route.subscribers);
        let others = (0..).map(WorkerId).zip(receivers);
        Duty {
            publication,
            is_fed_elsewhere: home.is_some_and(|home| home != worker),
            to: others
                .filter(|(other, count)| home == Some(worker) && *other != worker && **count > 0)
                .map(|(other, _)| other)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: WorkerId = WorkerId(0);
    const TWO: WorkerId = WorkerId(1);
    const PUBLICATION: PublicationId = PublicationId(5);

    fn duty(is_fed_elsewhere: bool, to: &[WorkerId]) -> Vec<Duty> {
        vec![Duty {
            publication: PUBLICATION,
            is_fed_elsewhere,
            to: to.to_vec(),
        }]
    }

    #[test]
    fn a_first_subscriber_elsewhere_is_relayed_to_and_the_last_one_ends_it() {
        let routes = Routes::new(2);
        assert!(routes.publish(ONE, PeerId(1), PUBLICATION, 1));
        assert_eq!(routes.duties(ONE), duty(false, &[]));
        routes.subscribe(ONE, PeerId(2), PUBLICATION);
        assert_eq!(routes.duties(ONE), []);
        routes.subscribe(TWO, PeerId(3), PUBLICATION);
        assert_eq!(routes.concerned(TWO).collect::<Vec<_>>(), [ONE]);
        assert_eq!(routes.duties(ONE), duty(false, &[TWO]));
        routes.subscribe(TWO, PeerId(4), PUBLICATION);
        routes.leave(TWO, PeerId(3));
        assert_eq!(routes.duties(ONE), []);
        routes.leave(TWO, PeerId(4));
        assert_eq!(routes.duties(ONE), duty(false, &[]));
    }

    #[test]
    fn the_newest_order_to_publish_stands() {
        let routes = Routes::new(2);
        assert!(routes.publish(TWO, PeerId(2), PUBLICATION, 2));
        assert!(!routes.publish(ONE, PeerId(1), PUBLICATION, 1));
        assert_eq!(routes.home(PUBLICATION), Some(TWO));
        assert!(routes.publish(ONE, PeerId(3), PUBLICATION, 3));
        assert_eq!(routes.duties(TWO), duty(true, &[]));
        assert_eq!(routes.home(PUBLICATION), Some(ONE));
        routes.leave(TWO, PeerId(2));
        assert_eq!(routes.home(PUBLICATION), Some(ONE), "it had been replaced");
    }

    #[test]
    fn a_subscriber_that_changes_is_counted_where_it_is() {
        let routes = Routes::new(2);
        let other = PublicationId(6);
        routes.publish(ONE, PeerId(1), PUBLICATION, 1);
        routes.publish(ONE, PeerId(2), other, 2);
        routes.duties(ONE);
        routes.subscribe(TWO, PeerId(3), PUBLICATION);
        routes.subscribe(TWO, PeerId(3), other);
        let mut duties = routes.duties(ONE);
        duties.sort_by_key(|duty| duty.publication);
        assert_eq!((duties[0].to.len(), duties[1].to.len()), (0, 1));
    }

    #[test]
    fn nothing_is_kept_of_what_nobody_uses() {
        let routes = Routes::new(2);
        routes.publish(ONE, PeerId(1), PUBLICATION, 1);
        routes.subscribe(TWO, PeerId(2), PUBLICATION);
        routes.leave(ONE, PeerId(1));
        routes.leave(TWO, PeerId(2));
        routes.leave(TWO, PeerId(2));
        assert!(routes.table().routes.is_empty() && routes.table().peers.is_empty());
        assert_eq!(routes.duties(ONE), duty(false, &[]));
    }

    #[test]
    fn a_single_worker_has_no_duties() {
        let routes = Routes::new(1);
        routes.publish(ONE, PeerId(1), PUBLICATION, 1);
        routes.subscribe(ONE, PeerId(2), PUBLICATION);
        assert_eq!(routes.duties(ONE), []);
    }
}
