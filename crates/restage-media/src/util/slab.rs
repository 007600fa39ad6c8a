//! A table with small dense indices, so that the packet path follows an index instead of hashing a key.

/// Index into a [`Slab`]. Reused after removal, so code that stores one must remove it together with the entry.
pub(crate) type Index = u32;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<Index>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> Index {
        if let Some(index) = self.free.pop() {
            self.entries[index as usize] = Some(value);
            return index;
        }
        self.entries.push(Some(value));
        (self.entries.len() - 1) as Index
    }

    pub(crate) fn remove(&mut self, index: Index) -> Option<T> {
        let value = self.entries.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(value)
    }

    pub(crate) fn get(&self, index: Index) -> Option<&T> {
        self.entries.get(index as usize)?.as_ref()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Index, &mut T)> {
        let entries = (0..).zip(&mut self.entries);
        entries.filter_map(|(index, entry)| Some((index, entry.as_mut()?)))
    }

    /// Two different entries. `None`: one of them is not there.
    pub(crate) fn pair_mut(&mut self, one: Index, other: Index) -> Option<(&mut T, &mut T)> {
        let pair = self
            .entries
            .get_disjoint_mut([one as usize, other as usize]);
        let [one, other] = pair.ok()?;
        Some((one.as_mut()?, other.as_mut()?))
    }

    pub(crate) fn get_mut(&mut self, index: Index) -> Option<&mut T> {
        self.entries.get_mut(index as usize)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_reused_and_the_table_does_not_grow() {
        let mut slab = Slab::new();
        let a = slab.insert("a");
        let b = slab.insert("b");
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.insert("c"), a);
        assert_eq!(
            (slab.get(a), slab.get(b), slab.len()),
            (Some(&"c"), Some(&"b"), 2)
        );
        *slab.get_mut(b).unwrap() = "d";
        assert_eq!(slab.get(b), Some(&"d"));
        assert_eq!(slab.get(99), None);
        assert_eq!(slab.pair_mut(b, a), Some((&mut "d", &mut "c")));
        assert_eq!(slab.pair_mut(a, a), None);
        assert_eq!(slab.pair_mut(a, 99), None);
    }
}
