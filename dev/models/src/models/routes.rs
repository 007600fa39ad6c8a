//! Two workers that change the table of routes, and tell each other to read it.

use std::sync::Arc;

use loom::sync::Notify;
use loom::thread;

use crate::check;
use crate::routes::{Duty, Routes};
use crate::woken::Woken;
use crate::{PeerId, PublicationId, WorkerId};

const ONE: WorkerId = WorkerId(0);
const TWO: WorkerId = WorkerId(1);
const PUBLICATION: PublicationId = PublicationId(5);

struct Plane {
    routes: Routes,
    links: [(Woken, Notify); 2],
}

impl Plane {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            routes: Routes::new(2),
            links: std::array::from_fn(|_| (Woken::default(), Notify::new())),
        })
    }

    /// What node `media/worker/turn.rs` does in a turn: the newest duty that it finds.
    fn turn(&self, worker: WorkerId) -> Option<Duty> {
        let (woken, _) = &self.links[usize::from(worker.0)];
        woken.look();
        let newest = self.routes.duties(worker).pop();
        for concerned in self.routes.concerned(worker) {
            let (woken, poll) = &self.links[usize::from(concerned.0)];
            if woken.must_wake() {
                poll.notify();
            }
        }
        newest
    }

    /// Takes turns until a duty is as wanted. A worker that nobody wakes sleeps for ever, and loom says so.
    fn until(&self, worker: WorkerId, is_wanted: impl Fn(&Duty) -> bool) {
        let (_, poll) = &self.links[usize::from(worker.0)];
        let mut newest = self.turn(worker);
        while !newest.as_ref().is_some_and(&is_wanted) {
            poll.wait();
            newest = self.turn(worker).or(newest);
        }
    }
}

fn beside(plane: &Arc<Plane>, worker: impl FnOnce(&Plane) + 'static) -> thread::JoinHandle<()> {
    let plane = Arc::clone(plane);
    thread::spawn(move || worker(&plane))
}

pub(super) fn a_feeder_learns_of_a_subscriber() {
    check(|| {
        let plane = Plane::new();
        let other = beside(&plane, |plane| {
            plane.routes.subscribe(TWO, PeerId(2), PUBLICATION);
            plane.turn(TWO);
        });
        assert!(plane.routes.publish(ONE, PeerId(1), PUBLICATION, 1));
        plane.until(ONE, |duty| duty.to == [TWO]);
        other.join().unwrap();
    });
}

pub(super) fn who_is_replaced_learns_of_it() {
    check(|| {
        let plane = Plane::new();
        let other = beside(&plane, |plane| {
            assert!(plane.routes.publish(TWO, PeerId(2), PUBLICATION, 2));
            plane.turn(TWO);
        });
        if plane.routes.publish(ONE, PeerId(1), PUBLICATION, 1) {
            plane.until(ONE, |duty| duty.is_fed_elsewhere);
        }
        other.join().unwrap();
        assert_eq!(
            plane.routes.home(PUBLICATION),
            Some(TWO),
            "the newest order"
        );
    });
}

pub(super) fn a_feeder_learns_of_the_end() {
    check(|| {
        let plane = Plane::new();
        assert!(plane.routes.publish(ONE, PeerId(1), PUBLICATION, 1));
        plane.routes.subscribe(TWO, PeerId(2), PUBLICATION);
        let other = beside(&plane, |plane| {
            plane.routes.leave(TWO, PeerId(2));
            plane.turn(TWO);
        });
        plane.until(ONE, |duty| duty.to.is_empty());
        other.join().unwrap();
    });
}
