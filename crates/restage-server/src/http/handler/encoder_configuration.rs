//! Encoder configurations: CreateEncoderConfiguration, GetEncoderConfiguration, ListEncoderConfigurations,
//! DeleteEncoderConfiguration.

use restage_api::ApiError;
use restage_api::shape::{
    CreateEncoderConfigurationRequest, CreateEncoderConfigurationResponse,
    DeleteEncoderConfigurationRequest, EncoderConfigurationShape, EncoderConfigurationSummary,
    GetEncoderConfigurationRequest, GetEncoderConfigurationResponse,
    ListEncoderConfigurationsRequest, ListEncoderConfigurationsResponse, Video,
};
use restage_core::Arn;
use restage_core::id::Time;
use restage_core::row::{EncoderConfiguration, EncoderConfigurationId};

use super::plain::PlainShapes;

impl PlainShapes for EncoderConfiguration {
    type Create = CreateEncoderConfigurationRequest;
    type Get = GetEncoderConfigurationRequest;
    type List = ListEncoderConfigurationsRequest;
    type Delete = DeleteEncoderConfigurationRequest;

    fn new(
        arn: Arn<EncoderConfigurationId>,
        request: CreateEncoderConfigurationRequest,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            id: arn.id,
            account: arn.account,
            region: arn.region,
            name: request.name,
            tags: request.tags,
            video: request.video.to_canonical_json(),
            created_at: Time::default(),
        })
    }

    fn created(&self) -> Result<CreateEncoderConfigurationResponse, ApiError> {
        let encoder_configuration = shape(self)?;
        Ok(CreateEncoderConfigurationResponse {
            encoder_configuration,
        })
    }

    fn got(&self) -> Result<GetEncoderConfigurationResponse, ApiError> {
        let encoder_configuration = shape(self)?;
        Ok(GetEncoderConfigurationResponse {
            encoder_configuration,
        })
    }

    fn listed(rows: &[Self], next_token: Option<String>) -> ListEncoderConfigurationsResponse {
        let encoder_configurations = rows.iter().map(summary).collect();
        ListEncoderConfigurationsResponse {
            encoder_configurations,
            next_token,
        }
    }
}

fn shape(row: &EncoderConfiguration) -> Result<EncoderConfigurationShape, ApiError> {
    let video = Video::from_canonical_json(&row.video).map_err(|error| {
        let message = format!("the stored video cannot be read: {}", error.message);
        ApiError::internal_server(message)
    })?;
    Ok(EncoderConfigurationShape {
        arn: Arn::of(row).to_string(),
        name: row.name.clone(),
        video,
        tags: row.tags.clone(),
    })
}

fn summary(row: &EncoderConfiguration) -> EncoderConfigurationSummary {
    EncoderConfigurationSummary {
        arn: Arn::of(row).to_string(),
        name: row.name.clone(),
        tags: row.tags.clone(),
    }
}
