//! One deadline per index, soonest first.
//!
//! A binary heap that knows where each index sits, so that moving a deadline replaces the old one: the heap is
//! never larger than the table it serves, whatever the network does.

use std::time::Instant;

use crate::util::slab::Index;

const ABSENT: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: Vec<(Instant, Index)>,
    /// Position of each index in `heap`, or [`ABSENT`].
    place: Vec<u32>,
}

impl Timers {
    pub(crate) fn set(&mut self, index: Index, at: Instant) {
        let slot = index as usize;
        if slot >= self.place.len() {
            self.place.resize(slot + 1, ABSENT);
        }
        let place = self.place[slot];
        if place == ABSENT {
            self.heap.push((at, index));
            let last = self.heap.len() - 1;
            self.place[slot] = last as u32;
            self.rise(last);
            return;
        }
        let place = place as usize;
        let before = self.heap[place].0;
        self.heap[place].0 = at;
        if at < before {
            self.rise(place);
        } else {
            self.sink(place);
        }
    }

    pub(crate) fn clear(&mut self, index: Index) {
        let Some(&place) = self.place.get(index as usize) else {
            return;
        };
        if place == ABSENT {
            return;
        }
        self.take(place as usize);
    }

    pub(crate) fn soonest(&self) -> Option<Instant> {
        self.heap.first().map(|entry| entry.0)
    }

    /// Removes and returns an index whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Index> {
        let &(at, index) = self.heap.first()?;
        if at > now {
            return None;
        }
        self.take(0);
        Some(index)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    fn take(&mut self, place: usize) {
        let last = self.heap.len() - 1;
        self.swap(place, last);
        if let Some((_, index)) = self.heap.pop() {
            self.place[index as usize] = ABSENT;
        }
        if place < self.heap.len() {
            self.sink(place);
            self.rise(place);
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].0 <= self.heap[place].0 {
                return;
            }
            self.swap(place, parent);
            place = parent;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            if left >= self.heap.len() {
                return;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.heap[right].0 < self.heap[left].0 {
                right
            } else {
                left
            };
            if self.heap[place].0 <= self.heap[child].0 {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.place[self.heap[a].1 as usize] = a as u32;
        self.place[self.heap[b].1 as usize] = b as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::util::rng::Rng;
    use crate::util::test::epoch;

    #[test]
    fn agrees_with_a_plain_map_under_random_operations() {
        let epoch = epoch();
        let mut rng = Rng::new(1);
        let mut timers = Timers::default();
        let mut model: BTreeMap<Index, Instant> = BTreeMap::new();
        for _ in 0..20_000 {
            let index = (rng.next_u64() % 50) as Index;
            let at = epoch + Duration::from_millis(rng.next_u64() % 1_000);
            match rng.next_u64() % 4 {
                0 | 1 => {
                    timers.set(index, at);
                    model.insert(index, at);
                }
                2 => {
                    timers.clear(index);
                    model.remove(&index);
                }
                _ => {
                    let due = timers.pop_due(at);
                    let soonest = model.values().min().copied();
                    assert_eq!(due.is_some(), soonest.is_some_and(|soonest| soonest <= at));
                    if let Some(index) = due {
                        assert_eq!(model.remove(&index), soonest);
                    }
                }
            }
            assert_eq!(timers.soonest(), model.values().min().copied());
            assert_eq!(timers.len(), model.len());
        }
    }

    #[test]
    fn moving_a_deadline_replaces_it() {
        let epoch = epoch();
        let mut timers = Timers::default();
        for ms in (0..1_000).rev() {
            timers.set(3, epoch + Duration::from_millis(ms));
        }
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.pop_due(epoch), Some(3));
        assert_eq!(timers.pop_due(epoch + Duration::from_secs(9)), None);
    }
}
