//! Public keys that verify self-signed participant tokens: imported, deleted.

pub(crate) mod delete;
pub(crate) mod import;
