//! Instead of the errors of restage-store.

/// Why the store does nothing.
#[derive(Clone, Debug)]
pub(crate) struct StoreError;
