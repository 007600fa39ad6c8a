//! StartComposition: a composition, and the job that makes it.

use super::spec;
use crate::arn::{Arn, ChannelArn, CompositionArn, StageArn};
use crate::error::{Error, Fault, limit_reached};
use crate::job::start::JobRoom;
use crate::kernel::command::{NewDestination, NewJob, NewTarget};
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::{own_account, own_plain, own_stage};
use crate::limits::{COMPOSITION_LIFE_S, JOBS_PER_STAGE_MAX};
use crate::row::{
    COMPOSITION_JOB, Composition, CompositionDestination, CompositionRecording, CompositionState,
    CompositionTarget, DEFAULT_VIDEO, DestinationState, EncoderConfiguration, Idempotency,
    LayoutSettings, Plain as _, PlainId, PlainRow, RecordingStorage, StorageConfiguration, Tags,
};

/// The members of StartComposition.
pub(crate) struct Request<'a> {
    pub(crate) composition: &'a CompositionArn,
    pub(crate) stage: &'a StageArn,
    pub(crate) layout: &'a LayoutSettings,
    pub(crate) destinations: &'a [NewDestination],
    pub(crate) tags: &'a Tags,
    pub(crate) idempotency: Option<&'a Idempotency>,
}

pub(crate) fn needs(
    arn: &CompositionArn,
    stage: &StageArn,
    destinations: &[NewDestination],
    idempotency: Option<&Idempotency>,
) -> Vec<Need> {
    let mut needs = vec![
        Need::Stage(stage.id.clone()),
        Need::JobsOf(stage.id.clone()),
        Need::CompositionCount {
            account: arn.account.clone(),
            region: arn.region.clone(),
            stage: stage.id.clone(),
        },
    ];
    needs.extend(idempotency.map(|used| Need::CompositionByToken {
        account: arn.account.clone(),
        region: arn.region.clone(),
        token: used.token.clone(),
    }));
    for destination in destinations {
        let encoder = destination.encoder.as_ref();
        needs.extend(encoder.map(|arn| Need::Plain(arn.id.clone().into())));
        needs.push(match &destination.target {
            NewTarget::Channel(arn) => Need::ChannelUse(arn.clone()),
            NewTarget::S3 { storage, .. } => Need::Plain(storage.id.clone().into()),
        });
    }
    needs
}

pub(crate) fn decide(draft: &mut Draft<'_>, request: &Request<'_>) -> Outcome {
    if let Some(there_is) = repeated(draft, request)? {
        return Ok(Reply::Composition(Box::new(there_is)));
    }
    let arn = request.composition;
    own_stage(draft, "stageArn", request.stage)?;
    same_region(arn, "stageArn", request.stage)?;
    let destinations = request.destinations.iter().enumerate();
    let destinations = destinations
        .map(|(index, new)| destination(draft, request, index, new))
        .collect::<Result<_, _>>()?;
    let room = room(draft, request)?;
    let context = draft.context;
    let is_idle = !draft.given().has_publisher(&request.stage.id);
    let row = Composition {
        id: arn.id.clone(),
        account: arn.account.clone(),
        region: arn.region.clone(),
        stage: request.stage.id.clone(),
        layout: request.layout.clone(),
        destinations,
        tags: request.tags.clone(),
        idempotency: request.idempotency.cloned(),
        state: CompositionState::Starting,
        created_at: context.now,
        started_at: None,
        ended_at: None,
        failure: None,
        idle_since: is_idle.then_some(context.steady),
        lives_until: context.steady.plus_seconds(COMPOSITION_LIFE_S),
        gone_at: None,
    };
    let job = NewJob {
        id: row.id.job(),
        kind: COMPOSITION_JOB.to_owned(),
        stage: row.stage.clone(),
        session: None,
        participant: None,
        spec: spec::text(&row),
    };
    crate::job::start::start(draft, &job, room);
    draft.put_composition(row.clone());
    Ok(Reply::Composition(Box::new(row)))
}

/// The composition that a request with this token has started before.
///
/// # Errors
/// `Conflict` if that request had other parameters.
fn repeated(draft: &Draft<'_>, request: &Request<'_>) -> Result<Option<Composition>, Error> {
    let Some(used) = request.idempotency else {
        return Ok(None);
    };
    let arn = request.composition;
    let is_it = |row: &&Composition| {
        let is_here = row.account == arn.account && row.region == arn.region;
        let before = row.idempotency.as_ref();
        is_here && before.is_some_and(|before| before.token == used.token)
    };
    let Some(row) = draft.given().compositions.values().find(is_it) else {
        return Ok(None);
    };
    if row.idempotency.as_ref() == Some(used) {
        return Ok(Some(row.clone()));
    }
    let message = format!(
        "idempotencyToken: {} was used with other parameters for {}; use another token, or the same parameters",
        used.token,
        CompositionArn::of_composition(row)
    );
    Err(Error::new(Fault::Conflict, message))
}

/// Shows that the quotas allow one more composition.
fn room(draft: &Draft<'_>, request: &Request<'_>) -> Result<JobRoom, Error> {
    let (world, limits) = (draft.given(), &draft.context.limits);
    let arn = request.composition;
    let limit = limits.compositions;
    if world.composition_count_of(&arn.account, &arn.region) >= u64::from(limit) {
        let what = "Compositions per account and Region that have not ended";
        return Err(limit_reached(what, limit, "compositions"));
    }
    let limit = limits.compositions_per_stage;
    if world.stage_composition_count_of(&request.stage.id) >= u64::from(limit) {
        let what = "Compositions per stage that have not ended";
        return Err(limit_reached(what, limit, "compositions_per_stage"));
    }
    JobRoom::in_stage(draft, &request.stage.id).ok_or_else(|| {
        let message = format!("Jobs per stage: the limit of {JOBS_PER_STAGE_MAX} is reached");
        Error::new(Fault::LimitExceeded, message)
    })
}

/// The destination as the row has it. What it names must be the caller's, in the Region of the stage.
fn destination(
    draft: &Draft<'_>,
    request: &Request<'_>,
    index: usize,
    new: &NewDestination,
) -> Result<CompositionDestination, Error> {
    let arn = request.composition;
    let is_channel = matches!(new.target, NewTarget::Channel(_));
    let of_encoder = match is_channel {
        true => format!("destinations.{index}.channel.encoderConfigurationArn"),
        false => format!("destinations.{index}.s3.encoderConfigurationArns.0"),
    };
    let encoder = new.encoder.as_ref();
    let encoder = encoder.map(|encoder| plain(draft, arn, &of_encoder, encoder));
    let encoder = encoder.transpose()?.and_then(EncoderConfiguration::of);
    let target = match &new.target {
        NewTarget::Channel(channel) => {
            let member = format!("destinations.{index}.channel.channelArn");
            self::channel(draft, arn, &member, channel)?
        }
        NewTarget::S3 {
            storage,
            segment_s,
            thumbnails,
        } => {
            let member = format!("destinations.{index}.s3.storageConfigurationArn");
            let row = plain(draft, arn, &member, storage)?;
            let bucket = StorageConfiguration::of(row).map(|row| row.bucket.clone());
            CompositionTarget::S3(CompositionRecording {
                storage: RecordingStorage {
                    configuration: storage.id.clone(),
                    bucket: bucket.unwrap_or_default(),
                },
                prefix: CompositionRecording::prefix(&request.stage.id, &arn.id, &new.id),
                segment_s: *segment_s,
                thumbnails: thumbnails.clone(),
            })
        }
    };
    Ok(CompositionDestination {
        id: new.id.clone(),
        name: new.name.clone(),
        target,
        encoder_configuration: encoder.map(|row| row.id.clone()),
        video: encoder.map_or_else(|| DEFAULT_VIDEO.to_owned(), |row| row.video.clone()),
        state: DestinationState::Starting,
        started_at: None,
        ended_at: None,
        duration_ms: None,
        failure: None,
    })
}

/// A channel of the caller that no other composition is sent to.
fn channel(
    draft: &Draft<'_>,
    composition: &CompositionArn,
    member: &str,
    arn: &ChannelArn,
) -> Result<CompositionTarget, Error> {
    own_account(draft, member, &arn.account, arn)?;
    same_region(composition, member, arn)?;
    if draft.given().channel_use_of(arn) > 0 {
        let message = format!(
            "{member}: another composition that has not ended is sent to {arn}; end it with StopComposition first"
        );
        return Err(Error::new(Fault::Conflict, message));
    }
    Ok(CompositionTarget::Channel(arn.id.clone()))
}

/// A plain resource of the caller.
fn plain<'a, I: Clone + Into<PlainId>>(
    draft: &'a Draft<'_>,
    composition: &CompositionArn,
    member: &str,
    arn: &Arn<I>,
) -> Result<&'a PlainRow, Error> {
    let named = arn.clone().with_id(Into::into);
    let row = own_plain(draft, member, &named)?;
    same_region(composition, member, &named)?;
    Ok(row)
}

/// # Errors
/// `Invalid` if it is in another Region than the request.
fn same_region<I>(composition: &CompositionArn, member: &str, arn: &Arn<I>) -> Result<(), Error>
where
    Arn<I>: std::fmt::Display,
{
    if arn.region == composition.region {
        return Ok(());
    }
    let message = format!(
        "{member}: {arn} is in another Region than the request, which is for {}; both must be in the same one",
        composition.region
    );
    Err(Error::new(Fault::Invalid, message))
}
