//! Runs work in order per key, and concurrently for different keys.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;

use tokio::task::{Id, JoinSet};

/// The running work, and the work that waits for it.
#[derive(Debug)]
pub(super) struct Turns<K, T> {
    running: JoinSet<()>,
    keys: HashMap<Id, K>,
    waiting: HashMap<K, VecDeque<T>>,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self {
            running: JoinSet::new(),
            keys: HashMap::new(),
            waiting: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, T> Turns<K, T> {
    /// The number of keys with running work.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Starts the work, or lets it wait for the work that runs under its key.
    pub(super) fn add<F>(&mut self, key: K, work: T, start: impl FnOnce(T) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(queue) = self.waiting.get_mut(&key) {
            queue.push_back(work);
            return;
        }
        self.waiting.insert(key.clone(), VecDeque::new());
        self.start(key, start(work));
    }

    /// Waits until some work has ended and starts the next of its key. Work that panicked has ended too, so the next
    /// of its key still runs. `None` when nothing runs.
    pub(super) async fn next<F>(&mut self, start: impl FnOnce(T) -> F) -> Option<Result<(), K>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (id, outcome) = match self.running.join_next_with_id().await? {
            Ok((id, ())) => (id, true),
            Err(error) => (error.id(), false),
        };
        let key = self.keys.remove(&id)?;
        match self.waiting.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(next) => self.start(key.clone(), start(next)),
            None => drop(self.waiting.remove(&key)),
        }
        Some(if outcome { Ok(()) } else { Err(key) })
    }

    fn start(&mut self, key: K, work: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(work).id();
        self.keys.insert(id, key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn what_follows_a_failure_under_the_same_key_has_its_turn() {
        let done: Arc<Mutex<Vec<u32>>> = Arc::default();
        let start = |number: u32| {
            let done = Arc::clone(&done);
            async move {
                assert_ne!(number, 1, "a defect");
                done.lock().unwrap().push(number);
            }
        };
        let mut turns = Turns::default();
        for number in 1..=3 {
            turns.add("a", number, start);
        }
        assert_eq!(turns.running(), 1, "those of one key wait for each other");
        assert_eq!(turns.next(start).await, Some(Err("a")));
        assert_eq!(turns.next(start).await, Some(Ok(())));
        assert_eq!(turns.next(start).await, Some(Ok(())));
        assert_eq!(turns.next(start).await, None);
        assert_eq!(*done.lock().unwrap(), [2, 3]);
        turns.add("a", 4, start);
        assert_eq!(
            turns.next(start).await,
            Some(Ok(())),
            "the key is free again"
        );
        assert!(turns.waiting.is_empty() && turns.keys.is_empty());
    }
}
