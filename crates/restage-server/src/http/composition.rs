//! Converts compositions between their shapes and their rows.

use restage_api::shape::{
    ChannelDestinationConfiguration, CompositionRecordingConfiguration, CompositionRecordingFormat,
    CompositionRecordingHlsConfiguration, CompositionShape, CompositionState as WireState,
    CompositionSummary, CompositionThumbnailConfiguration, Destination, DestinationConfiguration,
    DestinationDetail, DestinationState as WireDestinationState, DestinationSummary,
    GridConfiguration, LayoutConfiguration, PipBehavior as WireBehavior, PipConfiguration,
    PipPosition as WirePosition, S3DestinationConfiguration, S3Detail,
    ThumbnailStorage as WireStorage, VideoAspectRatio, VideoFillMode,
};
use restage_api::{ApiError, Timestamp};
use restage_core::Arn;
use restage_core::arn::{CompositionArn, StageArn};
use restage_core::command::{NewDestination, NewTarget};
use restage_core::id::{ResourceId, Time};
use restage_core::row::{
    AspectRatio, Composition, CompositionDestination, CompositionDestinationId,
    CompositionRecording, CompositionState, CompositionTarget, CompositionThumbnails,
    DestinationState, FillMode, GridLayout, LayoutSettings, PipBehavior, PipLayout, PipPosition,
    ThumbnailStorage,
};

/// The length of a segment where the request does not say it, in seconds (API reference,
/// CompositionRecordingHlsConfiguration).
const SEGMENT_S: u32 = 2;

/// A layout with every default filled in.
pub(super) fn layout(shape: Option<LayoutConfiguration>) -> LayoutSettings {
    let shape = shape.unwrap_or_default();
    match shape.pip {
        Some(pip) => LayoutSettings::Pip(pip_layout(pip)),
        None => LayoutSettings::Grid(grid_layout(shape.grid.unwrap_or_default())),
    }
}

fn grid_layout(shape: GridConfiguration) -> GridLayout {
    let default = GridLayout::default();
    GridLayout {
        featured_attribute: shape.featured_participant_attribute.unwrap_or_default(),
        omit_stopped_video: shape
            .omit_stopped_video
            .unwrap_or(default.omit_stopped_video),
        aspect_ratio: shape
            .video_aspect_ratio
            .map_or(default.aspect_ratio, |ratio| match ratio {
                VideoAspectRatio::Auto => AspectRatio::Auto,
                VideoAspectRatio::Video => AspectRatio::Video,
                VideoAspectRatio::Square => AspectRatio::Square,
                VideoAspectRatio::Portrait => AspectRatio::Portrait,
            }),
        fill_mode: shape.video_fill_mode.map(fill_mode),
        gap: shape.grid_gap.unwrap_or(default.gap),
        order_attribute: shape.participant_order_attribute.unwrap_or_default(),
    }
}

fn pip_layout(shape: PipConfiguration) -> PipLayout {
    let default = PipLayout::default();
    PipLayout {
        featured_attribute: shape.featured_participant_attribute.unwrap_or_default(),
        omit_stopped_video: shape
            .omit_stopped_video
            .unwrap_or(default.omit_stopped_video),
        fill_mode: shape.video_fill_mode.map_or(default.fill_mode, fill_mode),
        gap: shape.grid_gap.unwrap_or(default.gap),
        pip_attribute: shape.pip_participant_attribute.unwrap_or_default(),
        behavior: shape
            .pip_behavior
            .map_or(default.behavior, |behavior| match behavior {
                WireBehavior::Static => PipBehavior::Static,
                WireBehavior::Dynamic => PipBehavior::Dynamic,
            }),
        offset: shape.pip_offset.unwrap_or(default.offset),
        position: shape
            .pip_position
            .map_or(default.position, |position| match position {
                WirePosition::TopLeft => PipPosition::TopLeft,
                WirePosition::TopRight => PipPosition::TopRight,
                WirePosition::BottomLeft => PipPosition::BottomLeft,
                WirePosition::BottomRight => PipPosition::BottomRight,
            }),
        width: shape.pip_width,
        height: shape.pip_height,
        order_attribute: shape.participant_order_attribute.unwrap_or_default(),
    }
}

const fn fill_mode(shape: VideoFillMode) -> FillMode {
    match shape {
        VideoFillMode::Fill => FillMode::Fill,
        VideoFillMode::Cover => FillMode::Cover,
        VideoFillMode::Contain => FillMode::Contain,
    }
}

/// A destination as a command has it. A request that was checked has either a channel or S3.
///
/// # Errors
/// ValidationException if something is not named by an ARN of its kind.
pub(super) fn destination(
    index: usize,
    id: CompositionDestinationId,
    shape: DestinationConfiguration,
) -> Result<NewDestination, ApiError> {
    let member = |rest: &str| format!("destinations.{index}.{rest}");
    let (encoder, target) = match (shape.channel, shape.s3) {
        (Some(channel), _) => {
            let arn = arn(&member("channel.channelArn"), &channel.channel_arn)?;
            let of_encoder = member("channel.encoderConfigurationArn");
            let encoder = channel.encoder_configuration_arn;
            let encoder = encoder.map(|text| self::arn(&of_encoder, &text));
            (encoder.transpose()?, NewTarget::Channel(arn))
        }
        (None, Some(s3)) => {
            let storage = member("s3.storageConfigurationArn");
            let storage = arn(&storage, &s3.storage_configuration_arn)?;
            let of_encoder = member("s3.encoderConfigurationArns.0");
            let encoder = s3.encoder_configuration_arns.first();
            let encoder = encoder.map(|text| arn(&of_encoder, text)).transpose()?;
            let hls = s3
                .recording_configuration
                .and_then(|recording| recording.hls_configuration);
            let thumbnails = s3.thumbnail_configurations.unwrap_or_default();
            let target = NewTarget::S3 {
                storage,
                segment_s: hls
                    .and_then(|hls| hls.target_segment_duration_seconds)
                    .unwrap_or(SEGMENT_S),
                thumbnails: thumbnails.into_iter().next().map(self::thumbnails),
            };
            (encoder, target)
        }
        (None, None) => {
            let rule = member("channel or s3 must be there");
            return Err(ApiError::validation(rule));
        }
    };
    Ok(NewDestination {
        id,
        name: shape.name.unwrap_or_default(),
        encoder,
        target,
    })
}

/// An empty list counts as absent.
fn thumbnails(shape: CompositionThumbnailConfiguration) -> CompositionThumbnails {
    let default = CompositionThumbnails::default();
    let storage = shape.storage.filter(|kinds| !kinds.is_empty());
    let storage = storage.map(|kinds| {
        let kinds = kinds.into_iter().map(|kind| match kind {
            WireStorage::Sequential => ThumbnailStorage::Sequential,
            WireStorage::Latest => ThumbnailStorage::Latest,
        });
        kinds.collect()
    });
    CompositionThumbnails {
        storage: storage.unwrap_or(default.storage),
        interval_s: shape.target_interval_seconds.unwrap_or(default.interval_s),
    }
}

fn arn<I: ResourceId>(member: &str, text: &str) -> Result<Arn<I>, ApiError> {
    super::handler::arn(member, text)
}

/// A composition with all members.
pub(super) fn shape(row: &Composition) -> CompositionShape {
    CompositionShape {
        arn: CompositionArn::of_composition(row).to_string(),
        stage_arn: stage_arn(row),
        state: state(row.state),
        layout: layout_shape(&row.layout),
        destinations: row
            .destinations
            .iter()
            .map(|destination| destination_shape(row, destination))
            .collect(),
        tags: row.tags.clone(),
        start_time: Some(time(row.created_at)),
        end_time: row.ended_at.map(time),
    }
}

/// A composition as an item of a list.
pub(super) fn summary(row: &Composition) -> CompositionSummary {
    let destinations = row.destinations.iter();
    CompositionSummary {
        arn: CompositionArn::of_composition(row).to_string(),
        stage_arn: stage_arn(row),
        destinations: destinations
            .map(|row| DestinationSummary {
                id: row.id.to_string(),
                state: destination_state(row.state),
                start_time: row.started_at.map(time),
                end_time: row.ended_at.map(time),
            })
            .collect(),
        state: state(row.state),
        tags: row.tags.clone(),
        start_time: Some(time(row.created_at)),
        end_time: row.ended_at.map(time),
    }
}

fn stage_arn(row: &Composition) -> String {
    let arn: StageArn = CompositionArn::of_composition(row).with_id(|_| row.stage.clone());
    arn.to_string()
}

const fn time(at: Time) -> Timestamp {
    Timestamp(at.0)
}

const fn state(state: CompositionState) -> WireState {
    match state {
        CompositionState::Starting => WireState::Starting,
        CompositionState::Active => WireState::Active,
        CompositionState::Stopping => WireState::Stopping,
        CompositionState::Failed => WireState::Failed,
        CompositionState::Stopped => WireState::Stopped,
    }
}

const fn destination_state(state: DestinationState) -> WireDestinationState {
    match state {
        DestinationState::Starting => WireDestinationState::Starting,
        DestinationState::Active => WireDestinationState::Active,
        DestinationState::Stopping => WireDestinationState::Stopping,
        DestinationState::Reconnecting => WireDestinationState::Reconnecting,
        DestinationState::Failed => WireDestinationState::Failed,
        DestinationState::Stopped => WireDestinationState::Stopped,
    }
}

/// A layout as answers have it: every member that has a value.
pub(super) fn layout_shape(row: &LayoutSettings) -> LayoutConfiguration {
    match row {
        LayoutSettings::Grid(row) => LayoutConfiguration {
            grid: Some(grid_shape(row)),
            pip: None,
        },
        LayoutSettings::Pip(row) => LayoutConfiguration {
            grid: None,
            pip: Some(pip_shape(row)),
        },
    }
}

fn grid_shape(row: &GridLayout) -> GridConfiguration {
    GridConfiguration {
        featured_participant_attribute: Some(row.featured_attribute.clone()),
        omit_stopped_video: Some(row.omit_stopped_video),
        video_aspect_ratio: Some(match row.aspect_ratio {
            AspectRatio::Auto => VideoAspectRatio::Auto,
            AspectRatio::Video => VideoAspectRatio::Video,
            AspectRatio::Square => VideoAspectRatio::Square,
            AspectRatio::Portrait => VideoAspectRatio::Portrait,
        }),
        video_fill_mode: row.fill_mode.map(fill_mode_shape),
        grid_gap: Some(row.gap),
        participant_order_attribute: Some(row.order_attribute.clone()),
    }
}

fn pip_shape(row: &PipLayout) -> PipConfiguration {
    PipConfiguration {
        featured_participant_attribute: Some(row.featured_attribute.clone()),
        omit_stopped_video: Some(row.omit_stopped_video),
        video_fill_mode: Some(fill_mode_shape(row.fill_mode)),
        grid_gap: Some(row.gap),
        pip_participant_attribute: Some(row.pip_attribute.clone()),
        pip_behavior: Some(match row.behavior {
            PipBehavior::Static => WireBehavior::Static,
            PipBehavior::Dynamic => WireBehavior::Dynamic,
        }),
        pip_offset: Some(row.offset),
        pip_position: Some(match row.position {
            PipPosition::TopLeft => WirePosition::TopLeft,
            PipPosition::TopRight => WirePosition::TopRight,
            PipPosition::BottomLeft => WirePosition::BottomLeft,
            PipPosition::BottomRight => WirePosition::BottomRight,
        }),
        pip_width: row.width,
        pip_height: row.height,
        participant_order_attribute: Some(row.order_attribute.clone()),
    }
}

const fn fill_mode_shape(mode: FillMode) -> VideoFillMode {
    match mode {
        FillMode::Fill => VideoFillMode::Fill,
        FillMode::Cover => VideoFillMode::Cover,
        FillMode::Contain => VideoFillMode::Contain,
    }
}

fn destination_shape(composition: &Composition, row: &CompositionDestination) -> Destination {
    let of = CompositionArn::of_composition(composition);
    let encoder = row.encoder_configuration.clone();
    let encoder = encoder.map(|id| of.clone().with_id(|_| id).to_string());
    let mut configuration = DestinationConfiguration {
        name: Some(row.name.clone()),
        ..DestinationConfiguration::default()
    };
    match &row.target {
        CompositionTarget::Channel(id) => {
            configuration.channel = Some(ChannelDestinationConfiguration {
                channel_arn: of.with_id(|_| id.clone()).to_string(),
                encoder_configuration_arn: encoder,
            });
        }
        CompositionTarget::S3(recording) => {
            configuration.s3 = Some(s3_shape(&of, recording, encoder));
        }
    }
    Destination {
        id: row.id.to_string(),
        state: destination_state(row.state),
        start_time: row.started_at.map(time),
        end_time: row.ended_at.map(time),
        configuration,
        detail: row.target.recording().map(|recording| DestinationDetail {
            s3: Some(S3Detail {
                recording_prefix: recording.prefix.clone(),
            }),
        }),
    }
}

fn s3_shape(
    of: &CompositionArn,
    row: &CompositionRecording,
    encoder: Option<String>,
) -> S3DestinationConfiguration {
    let storage = of.clone().with_id(|_| row.storage.configuration.clone());
    let thumbnails = row.thumbnails.as_ref();
    S3DestinationConfiguration {
        storage_configuration_arn: storage.to_string(),
        encoder_configuration_arns: encoder.into_iter().collect(),
        recording_configuration: Some(CompositionRecordingConfiguration {
            hls_configuration: Some(CompositionRecordingHlsConfiguration {
                target_segment_duration_seconds: Some(row.segment_s),
            }),
            format: Some(CompositionRecordingFormat::Hls),
        }),
        thumbnail_configurations: thumbnails.map(|thumbnails| {
            let storage = thumbnails.storage.iter().map(|kind| match kind {
                ThumbnailStorage::Sequential => WireStorage::Sequential,
                ThumbnailStorage::Latest => WireStorage::Latest,
            });
            vec![CompositionThumbnailConfiguration {
                target_interval_seconds: Some(thumbnails.interval_s),
                storage: Some(storage.collect()),
            }]
        }),
    }
}

#[cfg(test)]
mod tests {
    use restage_api::shape::Video;

    use super::*;

    #[test]
    fn the_default_video_is_that_of_the_model() {
        let video = Video::default().to_canonical_json();
        assert_eq!(restage_core::row::DEFAULT_VIDEO, video);
    }

    #[test]
    fn a_layout_is_echoed_with_its_defaults_and_is_the_same_again() {
        for (given, members) in [
            (LayoutConfiguration::default(), 5),
            (
                LayoutConfiguration {
                    grid: Some(GridConfiguration {
                        video_fill_mode: Some(VideoFillMode::Fill),
                        ..GridConfiguration::default()
                    }),
                    pip: None,
                },
                6,
            ),
            (
                LayoutConfiguration {
                    grid: None,
                    pip: Some(PipConfiguration::default()),
                },
                9,
            ),
        ] {
            let settings = layout(Some(given));
            let shape = layout_shape(&settings);
            let text = restage_api::shape::to_json(&shape);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let of_kind = json.as_object().unwrap().values().next().unwrap();
            assert_eq!(of_kind.as_object().unwrap().len(), members, "{text}");
            assert_eq!(layout(Some(shape)), settings);
        }
    }

    #[test]
    fn thumbnails_have_defaults() {
        let given = CompositionThumbnailConfiguration {
            storage: Some(Vec::new()),
            ..CompositionThumbnailConfiguration::default()
        };
        assert_eq!(thumbnails(given), CompositionThumbnails::default());
    }
}
