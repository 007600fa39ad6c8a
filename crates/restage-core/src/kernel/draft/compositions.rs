//! Compositions of a decision in the making.

use super::Draft;
use crate::row::{Composition, CompositionId};

impl Draft<'_> {
    pub(crate) fn composition(&self, id: &CompositionId) -> Option<&Composition> {
        self.compositions.get(id)
    }

    pub(crate) fn put_composition(&mut self, row: Composition) {
        self.compositions.put(row.id.clone(), row);
    }

    pub(crate) fn remove_composition(&mut self, id: &CompositionId) {
        self.compositions.remove(id);
    }

    /// Compositions that are others now, as (id, before, after).
    pub(crate) fn composition_differences(
        &self,
    ) -> impl Iterator<Item = (&CompositionId, Option<&Composition>, Option<&Composition>)> {
        self.compositions.differences()
    }
}
