//! One clock for all recordings of a stage session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use restage_record::Anchor;

/// The anchors of the sessions that are recorded now. A session keeps its anchor while one of its recordings is captured, so that
/// their times agree whatever happens to the wall clock meanwhile.
#[derive(Debug, Default)]
pub(super) struct Anchors(Mutex<HashMap<String, Weak<Anchor>>>);

impl Anchors {
    /// The anchor of a session; the first recording makes it.
    pub(super) fn of_session(&self, session: &str, make: impl FnOnce() -> Anchor) -> Arc<Anchor> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(anchor) = all.get(session).and_then(Weak::upgrade) {
            return anchor;
        }
        // One entry for each recording that is captured, at most.
        all.retain(|_, anchor| anchor.strong_count() > 0);
        let anchor = Arc::new(make());
        all.insert(session.to_owned(), Arc::downgrade(&anchor));
        anchor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(steady_us: u64) -> Anchor {
        Anchor {
            steady_us,
            utc_us: 7,
        }
    }

    #[test]
    fn recordings_of_a_session_share_a_clock_as_long_as_one_is_captured() {
        let anchors = Anchors::default();
        let first = anchors.of_session("a", || at(1));
        let second = anchors.of_session("a", || at(2));
        assert_eq!(first, second);
        assert_eq!(*anchors.of_session("b", || at(3)), at(3));
        drop((first, second));
        assert_eq!(*anchors.of_session("a", || at(4)), at(4));
        assert_eq!(anchors.0.lock().unwrap().len(), 1, "nothing is left of b");
    }
}
