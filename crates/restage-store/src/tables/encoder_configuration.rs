//! Encoder configurations.

use restage_core::row::{EncoderConfiguration, EncoderConfigurationId};

use super::declare::plain_table;

plain_table! {
    EncoderConfiguration (EncoderConfigurationId) in "encoder_configurations" as "n", row "encoder configuration", since 7,
    fields (video)
}
