//! A probe that is under way, the writer that answers it, and somebody else who asks whether writing works.

use std::sync::Arc;

use loom::thread;

use crate::check;
use crate::health::Health;

/// Who asks has seen an old verdict, and waits for a newer one. If none comes, it waits for ever, and loom says so.
pub(super) fn who_asks_gets_a_verdict() {
    check(|| {
        let health = Arc::new(Health::default());
        assert!(health.begins_probe());
        let probe = {
            let health = Arc::clone(&health);
            thread::spawn(move || {
                // The writer's verdict, and then the task that had asked for it.
                health.found(Ok(()));
                health.ends_probe();
            })
        };
        let seen = health.verdict.version();
        if health.begins_probe() {
            health.found(Ok(()));
        }
        health.verdict.after(seen);
        probe.join().unwrap();
    });
}
