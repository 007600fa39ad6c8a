//! A table with changes laid over it, so that later steps of a decision see what earlier ones did.

use std::collections::BTreeMap;

/// The rows given, and what became of them so far.
pub(crate) struct Overlay<'a, K, V> {
    base: &'a BTreeMap<K, V>,
    /// `None`: removed.
    changed: BTreeMap<K, Option<V>>,
}

impl<'a, K: Ord + Clone, V: Clone + PartialEq> Overlay<'a, K, V> {
    pub(crate) const fn new(base: &'a BTreeMap<K, V>) -> Self {
        Self {
            base,
            changed: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self.changed.get(key) {
            Some(row) => row.as_ref(),
            None => self.base.get(key),
        }
    }

    /// The row for editing; `None` if there is no such row.
    pub(crate) fn edit(&mut self, key: &K) -> Option<&mut V> {
        if !self.changed.contains_key(key) {
            let row = self.base.get(key)?.clone();
            self.changed.insert(key.clone(), Some(row));
        }
        self.changed.get_mut(key)?.as_mut()
    }

    pub(crate) fn put(&mut self, key: K, row: V) {
        self.changed.insert(key, Some(row));
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.get(key)?.clone();
        self.changed.insert(key.clone(), None);
        Some(row)
    }

    /// The keys from `first` on for as long as `within` holds, in order.
    pub(crate) fn keys_from(&self, first: &K, within: impl Fn(&K) -> bool) -> Vec<K> {
        let kept = self.base.range(first..).take_while(|(key, _)| within(key));
        let kept = kept
            .filter(|(key, _)| !self.changed.contains_key(*key))
            .map(|(key, _)| key);
        let put = self
            .changed
            .range(first..)
            .take_while(|(key, _)| within(key));
        let put = put.filter(|(_, row)| row.is_some()).map(|(key, _)| key);
        let mut keys: Vec<K> = kept.chain(put).cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// What differs from the rows given, by key: key, row before, row after.
    pub(crate) fn differences(&self) -> impl Iterator<Item = (&K, Option<&V>, Option<&V>)> {
        self.changed
            .iter()
            .map(|(key, after)| (key, self.base.get(key), after.as_ref()))
            .filter(|(_, before, after)| before != after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_reads_see_earlier_changes() {
        let base = BTreeMap::from([(1, "one"), (2, "two"), (3, "three")]);
        let mut table = Overlay::new(&base);
        table.put(4, "four");
        table.remove(&2);
        *table.edit(&3).unwrap() = "drei";
        assert_eq!(table.get(&2), None);
        assert_eq!(table.get(&3), Some(&"drei"));
        assert_eq!(table.edit(&2), None, "a removed row cannot be edited");
        assert_eq!(table.keys_from(&2, |_| true), [3, 4]);
        assert_eq!(table.keys_from(&1, |key| *key < 4), [1, 3]);
    }

    #[test]
    fn a_row_put_back_as_it_was_is_no_difference() {
        let base = BTreeMap::from([(1, "one"), (2, "two")]);
        let mut table = Overlay::new(&base);
        *table.edit(&1).unwrap() = "eins";
        *table.edit(&1).unwrap() = "one";
        table.remove(&2);
        table.put(7, "seven");
        table.remove(&7);
        assert_eq!(
            table.differences().collect::<Vec<_>>(),
            [(&2, Some(&"two"), None)]
        );
    }
}
