//! Storage configurations.

use restage_core::row::{StorageConfiguration, StorageConfigurationId};

use super::declare::plain_table;

plain_table! {
    StorageConfiguration (StorageConfigurationId) in "storage_configurations" as "w", row "storage configuration", since 8,
    fields (bucket)
}
