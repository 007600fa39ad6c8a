//! The writer that takes a command, and its caller who has waited too long.

use std::sync::Arc;

use loom::thread;

use crate::check;
use crate::turn::Turn;

pub(super) fn one_of_both() {
    check(|| {
        let turn = Arc::new(Turn::default());
        let writer = {
            let turn = Arc::clone(&turn);
            thread::spawn(move || turn.begin())
        };
        let is_withdrawn = turn.withdraw();
        let is_begun = writer.join().unwrap();
        assert!(is_withdrawn ^ is_begun, "one of both, and not both");
    });
}
