//! Threads that take from one budget.

use std::sync::Arc;

use loom::thread;

use crate::budget::Budget;
use crate::check;

/// Two of [`SHARE`] are more than this.
const MAX: usize = 3;
const SHARE: usize = 2;

pub(super) fn the_bound_holds() {
    check(|| {
        let budget = Arc::new(Budget::default());
        let others = [(); 2].map(|()| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || {
                let is_taken = budget.take(SHARE, MAX);
                assert!(budget.taken() <= MAX);
                if is_taken {
                    budget.give_back(SHARE);
                }
                is_taken
            })
        });
        let taken = others.map(|other| other.join().unwrap());
        assert!(taken.contains(&true), "there was room for one");
        assert_eq!(budget.taken(), 0);
        assert!(budget.take(MAX, MAX) && !budget.take(1, MAX));
    });
}
