//! The rules of the model's simple shapes, by the shape's name.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use crate::read::{Count, Decimals, Entries, Pattern, Range, Text};

pub(crate) const ATTRIBUTE_KEY: Text = Text::new(0, 128, Pattern::Word);
pub(crate) const AUTO_PARTICIPANT_RECORDING_STORAGE_CONFIGURATION_ARN: Text =
    Text::new(0, 128, Pattern::ArnOrEmpty("storage-configuration"));
pub(crate) const BITRATE: Range = Range::new(1, 8_500_000);
pub(crate) const CHANNEL_ARN: Text = Text::new(1, 128, Pattern::Arn("channel"));
pub(crate) const COMPOSITION_ARN: Text = Text::new(1, 128, Pattern::Arn("composition"));
pub(crate) const COMPOSITION_CLIENT_TOKEN: Text = Text::new(1, 64, Pattern::Word);
pub(crate) const COMPOSITION_RECORDING_TARGET_SEGMENT_DURATION_SECONDS: Range = Range::new(2, 10);
pub(crate) const COMPOSITION_THUMBNAIL_CONFIGURATION_LIST: Count = Count::new(0, 1);
pub(crate) const CONNECTION_TOKEN_ID: Text = Text::new(1, 64, Pattern::Word);
pub(crate) const DESTINATION_CONFIGURATION_LIST: Count = Count::new(1, 2);
pub(crate) const DESTINATION_CONFIGURATION_NAME: Text = Text::new(0, 128, Pattern::Word);
pub(crate) const DISCONNECT_PARTICIPANT_REASON: Text = Text::new(0, 128, Pattern::Any);
pub(crate) const ENCODER_CONFIGURATION_ARN: Text =
    Text::new(1, 128, Pattern::Arn("encoder-configuration"));
pub(crate) const ENCODER_CONFIGURATION_ARN_LIST: Count = Count::new(1, 1);
pub(crate) const ENCODER_CONFIGURATION_NAME: Text = Text::new(0, 128, Pattern::Word);
pub(crate) const FRAMERATE: Decimals = Decimals::new(1.0, 60.0);
pub(crate) const GRID_GAP: Range = Range::new(0, 2_147_483_647);
pub(crate) const HEIGHT: Range = Range::new(2, 1_920);
pub(crate) const INGEST_CONFIGURATION_ARN: Text =
    Text::new(1, 128, Pattern::Arn("ingest-configuration"));
pub(crate) const INGEST_CONFIGURATION_NAME: Text = Text::new(0, 128, Pattern::Word);
pub(crate) const INGEST_CONFIGURATION_STAGE_ARN: Text =
    Text::new(0, 128, Pattern::ArnOrEmpty("stage"));
pub(crate) const MAX_COMPOSITION_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_ENCODER_CONFIGURATION_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_INGEST_CONFIGURATION_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_PARTICIPANT_EVENT_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_PARTICIPANT_REPLICA_RESULTS: Range = Range::new(1, 50);
pub(crate) const MAX_PARTICIPANT_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_PUBLIC_KEY_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_STAGE_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_STAGE_SESSION_RESULTS: Range = Range::new(1, 100);
pub(crate) const MAX_STORAGE_CONFIGURATION_RESULTS: Range = Range::new(1, 100);
pub(crate) const PAGINATION_TOKEN: Text = Text::new(0, 1_024, Pattern::PageToken);
pub(crate) const PARTICIPANT_ID: Text = Text::new(0, 64, Pattern::Word);
pub(crate) const PARTICIPANT_RECORDING_MEDIA_TYPE_LIST: Count = Count::new(0, 1);
pub(crate) const PARTICIPANT_RECORDING_RECONNECT_WINDOW_SECONDS: Range = Range::new(0, 300);
pub(crate) const PARTICIPANT_RECORDING_TARGET_SEGMENT_DURATION_SECONDS: Range = Range::new(2, 10);
pub(crate) const PARTICIPANT_TOKEN_CAPABILITIES: Count = Count::new(0, 2);
pub(crate) const PARTICIPANT_TOKEN_CONFIGURATIONS: Count = Count::new(0, 12);
pub(crate) const PARTICIPANT_TOKEN_DURATION_MINUTES: Range = Range::new(1, 20_160);
pub(crate) const PARTICIPANT_TOKEN_ID: Text = Text::new(0, 64, Pattern::Word);
pub(crate) const PARTICIPANT_TOKEN_USER_ID: Text = Text::new(0, 128, Pattern::Storable);
pub(crate) const PIP_HEIGHT: Range = Range::new(1, 2_147_483_647);
pub(crate) const PIP_OFFSET: Range = Range::new(0, 2_147_483_647);
pub(crate) const PIP_WIDTH: Range = Range::new(1, 2_147_483_647);
pub(crate) const PUBLIC_KEY_ARN: Text = Text::new(1, 128, Pattern::Arn("public-key"));
pub(crate) const PUBLIC_KEY_MATERIAL: Text = Text::new(1, 4_096, Pattern::Any);
pub(crate) const PUBLIC_KEY_NAME: Text = Text::new(0, 128, Pattern::Word);
pub(crate) const RECONNECT_WINDOW_SECONDS: Range = Range::new(0, 300);
pub(crate) const RESOURCE_ARN: Text = Text::new(1, 128, Pattern::AnyArn);
pub(crate) const S3_BUCKET_NAME: Text = Text::new(3, 63, Pattern::BucketName);
pub(crate) const STAGE_ARN: Text = Text::new(1, 128, Pattern::Arn("stage"));
pub(crate) const STAGE_NAME: Text = Text::new(0, 128, Pattern::Word);
pub(crate) const STAGE_SESSION_ID: Text = Text::new(16, 16, Pattern::Session);
pub(crate) const STORAGE_CONFIGURATION_ARN: Text =
    Text::new(1, 128, Pattern::Arn("storage-configuration"));
pub(crate) const STORAGE_CONFIGURATION_NAME: Text = Text::new(0, 128, Pattern::Word);
pub(crate) const TAG_KEY: Text = Text::new(1, 128, Pattern::Any);
pub(crate) const TAG_KEY_LIST: Count = Count::new(0, 50);
pub(crate) const TAG_VALUE: Text = Text::new(0, 256, Pattern::Any);
pub(crate) const TAGS: Entries = Entries {
    count: Count::new(0, 50),
    key: TAG_KEY,
    value: TAG_VALUE,
};
pub(crate) const THUMBNAIL_INTERVAL_SECONDS: Range = Range::new(1, 86_400);
pub(crate) const THUMBNAIL_STORAGE_TYPE_LIST: Count = Count::new(0, 2);
pub(crate) const USER_ID: Text = Text::new(0, 128, Pattern::Storable);
pub(crate) const WIDTH: Range = Range::new(2, 1_920);
