//! TagResource, UntagResource, ListTagsForResource.

use restage_api::ApiError;
use restage_api::shape::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, TagResourceRequest,
    UntagResourceRequest,
};
use restage_core::ResourceArn;
use restage_core::command::Command;

use super::super::App;
use super::super::api::Caller;
use super::composition;
use super::plain::row_of;
use super::{Input, Missing, answer, empty, execute, own_region, stage_of};

/// The request member that names the resource.
const MEMBER: &str = "resourceArn";

pub(super) async fn tag(app: &App, caller: &Caller, input: Input<'_>) -> Result<String, ApiError> {
    let request = TagResourceRequest::parse(input.path, input.body)?;
    let resource = resource(caller, &request.resource_arn)?;
    own_region(caller, MEMBER, resource.clone())?;
    let tags = request.tags;
    execute(app, caller, Command::TagResource { resource, tags }).await?;
    empty()
}

pub(super) async fn untag(
    app: &App,
    caller: &Caller,
    input: Input<'_>,
) -> Result<String, ApiError> {
    let request = UntagResourceRequest::parse(input.path, input.query)?;
    let resource = resource(caller, &request.resource_arn)?;
    own_region(caller, MEMBER, resource.clone())?;
    let keys = request.tag_keys;
    execute(app, caller, Command::UntagResource { resource, keys }).await?;
    empty()
}

pub(super) async fn list(app: &App, caller: &Caller, input: Input<'_>) -> Result<String, ApiError> {
    let request = ListTagsForResourceRequest::parse(input.path)?;
    let tags = match resource(caller, &request.resource_arn)? {
        ResourceArn::Stage(arn) => {
            let text = arn.to_string();
            stage_of(app, caller, MEMBER, &text, Missing::NotFound)
                .await?
                .tags
        }
        ResourceArn::Plain(arn) => row_of(app, caller, MEMBER, &arn).await?.tags().clone(),
        ResourceArn::Composition(arn) => {
            let row = composition::row_of(app, caller, MEMBER, &arn);
            row.await?.tags
        }
    };
    answer(&ListTagsForResourceResponse { tags })
}

/// The resource that an ARN names. Kinds of resources that restage does not implement yet have no resources.
/// Resources of another account are treated as unknown, because these operations do not model AccessDeniedException.
fn resource(caller: &Caller, text: &str) -> Result<ResourceArn, ApiError> {
    ResourceArn::parse(text)
        .filter(|arn| arn.account() == caller.account)
        .ok_or_else(|| Missing::NotFound.error(&format!("{MEMBER}: {text}")))
}
