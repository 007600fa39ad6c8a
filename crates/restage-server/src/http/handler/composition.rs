//! Compositions: StartComposition, GetComposition, ListCompositions, StopComposition.

use aws_lc_rs::digest::{SHA256, digest};
use restage_api::shape::{
    GetCompositionRequest, GetCompositionResponse, ListCompositionsRequest,
    ListCompositionsResponse, StartCompositionRequest, StartCompositionResponse,
    StopCompositionRequest,
};
use restage_api::{ApiError, Operation, Request as _};
use restage_core::arn::{Arn, ChannelArn, CompositionArn, StageArn};
use restage_core::command::{Command, NewDestination, NewTarget};
use restage_core::id::{ResourceId, StageId};
use restage_core::row::{Composition, EncoderConfigurationId, Idempotency, LayoutSettings, Tags};
use restage_core::{Reply, ResourceArn};
use restage_store::CompositionFilter;
use restage_store::system::ids;

use super::super::App;
use super::super::api::Caller;
use super::super::composition::{destination, layout, shape, summary};
use super::{Missing, Paging, answer, arn, check_owner, empty, execute, own_region, store_failed};

pub(super) async fn start(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = StartCompositionRequest::parse(body)?;
    let stage: StageArn = arn("stageArn", &request.stage_arn)?;
    own_region(caller, "stageArn", stage.clone())?;
    let layout = layout(request.layout);
    let destinations = request.destinations.into_iter().enumerate();
    let destinations = destinations.map(|(index, given)| {
        let id = ids::composition_destination();
        destination(index, id, given)
    });
    let destinations: Vec<_> = destinations.collect::<Result<_, _>>()?;
    let idempotency = request.idempotency_token.map(|token| Idempotency {
        token,
        fingerprint: fingerprint(&stage, &layout, &destinations, &request.tags),
    });
    check_channels(app, caller, &destinations)?;
    let command = Command::StartComposition {
        composition: ids::resource(&caller.account, &caller.region),
        stage,
        layout,
        destinations,
        tags: request.tags,
        idempotency,
    };
    match execute(app, caller, command).await? {
        Reply::Composition(row) => answer(&StartCompositionResponse {
            composition: shape(&row),
        }),
        _ => Err(ApiError::internal_server(
            "the rules gave no composition for its start",
        )),
    }
}

/// The caller's channels must be in the configuration. Whose a channel is, and in which Region, is up to the rules.
fn check_channels(
    app: &App,
    caller: &Caller,
    destinations: &[NewDestination],
) -> Result<(), ApiError> {
    let is_theirs = |arn: &ChannelArn| arn.account == caller.account && arn.region == caller.region;
    for (index, destination) in destinations.iter().enumerate() {
        let NewTarget::Channel(arn) = &destination.target else {
            continue;
        };
        if is_theirs(arn) && app.compositions.channels().get(arn).is_none() {
            return Err(ApiError::resource_not_found(format!(
                "destinations.{index}.channel.channelArn: {arn} is not configured; name its RTMP server in an entry of the setting channel, in the configuration file"
            )));
        }
    }
    Ok(())
}

/// A digest of what a request asks for, with every default filled in, and without what is fresh in each.
fn fingerprint(
    stage: &StageArn,
    layout: &LayoutSettings,
    destinations: &[NewDestination],
    tags: &Tags,
) -> String {
    let asked: Vec<_> = destinations
        .iter()
        .map(|asked| (&asked.name, &asked.encoder, &asked.target))
        .collect();
    let text = format!("{stage}\n{layout:?}\n{asked:?}\n{tags:?}");
    hex::encode(digest(&SHA256, text.as_bytes()))
}

pub(super) async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = GetCompositionRequest::parse(body)?;
    let arn: CompositionArn = arn("arn", &request.arn)?;
    let row = row_of(app, caller, "arn", &arn).await?;
    answer(&GetCompositionResponse {
        composition: shape(&row),
    })
}

/// The caller's composition.
pub(super) async fn row_of(
    app: &App,
    caller: &Caller,
    member: &str,
    arn: &CompositionArn,
) -> Result<Composition, ApiError> {
    check_owner(caller, member, &arn.account)?;
    let found = app.control.store().get_composition(&arn.id).await;
    let found = found.map_err(store_failed)?;
    let here = arn.region == caller.region;
    let found = found.filter(|row| here && CompositionArn::of_composition(row) == *arn);
    found.ok_or_else(|| {
        let what = format!("composition {arn} in region {}", caller.region);
        Missing::NotFound.error(&what)
    })
}

pub(super) async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListCompositionsRequest::parse(body)?;
    let stage: Option<StageId> = filter(
        caller,
        "filterByStageArn",
        request.filter_by_stage_arn.as_deref(),
    )?;
    let encoder: Option<EncoderConfigurationId> = filter(
        caller,
        "filterByEncoderConfigurationArn",
        request.filter_by_encoder_configuration_arn.as_deref(),
    )?;
    let filters = request.filters();
    let paging = Paging::new(app, caller, Operation::ListCompositions, &filters);
    let after = paging.start(request.next_token.as_deref())?;
    let page = app
        .control
        .store()
        .list_compositions(
            &caller.account,
            &caller.region,
            &CompositionFilter { stage, encoder },
            after,
            request.max_results,
        )
        .await
        .map_err(store_failed)?;
    let last = page.rows.last();
    let last = last.map(|row| (row.created_at, row.id.as_str()));
    let next_token = paging.next(page.more, last);
    answer(&ListCompositionsResponse {
        compositions: page.rows.iter().map(summary).collect(),
        next_token,
    })
}

/// The resource of a filter. Whether it is there does not matter, because compositions outlive their stages, and the operation
/// has no error for what is not found: one of another Region is refused as not valid.
fn filter<I: ResourceId>(
    caller: &Caller,
    member: &str,
    text: Option<&str>,
) -> Result<Option<I>, ApiError>
where
    Arn<I>: Into<ResourceArn> + Clone,
{
    let Some(text) = text else { return Ok(None) };
    let arn: Arn<I> = arn(member, text)?;
    check_owner(caller, member, &arn.account)?;
    match own_region(caller, member, arn.clone()) {
        Ok(()) => Ok(Some(arn.id)),
        Err(error) => Err(ApiError::validation(error.message)),
    }
}

pub(super) async fn stop(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = StopCompositionRequest::parse(body)?;
    let arn: CompositionArn = arn("arn", &request.arn)?;
    own_region(caller, "arn", arn.clone())?;
    let command = Command::StopComposition { composition: arn };
    execute(app, caller, command).await?;
    empty()
}
