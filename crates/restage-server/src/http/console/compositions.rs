//! What compositions show and how their compositors do, as JSON for the operator. The operations of the API do not say it, nor why something
//! has failed.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use http::StatusCode;
use restage_api::Operation;
use restage_core::arn::{ChannelArn, CompositionArn};
use restage_core::id::Time;
use restage_core::row::{
    Composition, CompositionDestination, CompositionFailure, CompositionId, CompositionTarget,
};
use restage_node::composition::{
    CompositionEncoding, CompositionStatus, CompositionTile, CompositorRestart, RecentHealth,
    WhyName,
};
use restage_store::{CompositionFilter, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::App;
use super::super::playback::composite;
use super::super::refusal::Refusal;
use super::{Admitted, REGION_LEN_MAX, failed, is_region};

/// Compositions in one answer.
const COMPOSITIONS_PER_PAGE_MAX: u32 = 100;
/// Longest id in a token of such an answer.
const ID_LEN_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CompositionsQuery {
    region: Option<String>,
    composition_arn: Option<String>,
    max_results: Option<String>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CompositionsBody {
    compositions: Vec<CompositionBody>,
    /// The channels that the configuration has for the account in the Region.
    channel_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompositionBody {
    arn: String,
    state: &'static str,
    failure: Option<FailureBody>,
    destinations: Vec<DestinationBody>,
    /// Set while it is composed by this server.
    live: Option<LiveBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DestinationBody {
    id: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Size, frame rate and bit rate.
    video: Value,
    failure: Option<FailureBody>,
    /// Why its bucket does not take what is recorded, which waits in the spool meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<String>,
    /// By which GetRecordingUrl knows what is recorded, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

#[derive(Serialize)]
struct FailureBody {
    code: &'static str,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveBody {
    /// How long the compositor has composed; null while it starts.
    composing_ms: Option<u64>,
    encodings: Vec<EncodingBody>,
    health: HealthBody,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EncodingBody {
    width: u32,
    height: u32,
    framerate: f64,
    bitrate: u32,
    /// Pictures a second lately; null in the first seconds.
    pictures_per_second: Option<f64>,
    tiles: Vec<TileBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TileBody {
    participant_id: String,
    user_id: String,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    z: u8,
    shows: &'static str,
    /// Why the name is shown.
    reason: Option<ReasonBody>,
    source_width: Option<u32>,
    source_height: Option<u32>,
}

#[derive(Serialize)]
struct ReasonBody {
    code: &'static str,
    /// For people.
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthBody {
    inputs: u32,
    ticks: u64,
    late_ticks: u64,
    skipped_pictures: u64,
    decoded: u64,
    undecodable: u64,
    restarts: u64,
    last_restart: Option<RestartBody>,
    /// What was counted in the last seconds; null in the first ones.
    recent: Option<RecentBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestartBody {
    reason: String,
    ago_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentBody {
    lasted_ms: u64,
    ticks: u64,
    late_ticks: u64,
    skipped_pictures: u64,
    decoded_per_second: f64,
    undecodable: u64,
    /// Shares of the time of one processor.
    load: LoadBody,
}

#[derive(Serialize)]
struct LoadBody {
    decode: f64,
    compose: f64,
    encode: f64,
    mix: f64,
}

/// The compositions of the caller's account in a Region in the order of their starts, or one of them.
pub(super) async fn list(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
    query: Result<Query<CompositionsQuery>, QueryRejection>,
) -> Result<Json<CompositionsBody>, Refusal> {
    admitted.permit(&[Operation::ListCompositions, Operation::GetComposition])?;
    let account = admitted.account();
    let Query(query) =
        query.map_err(|_| invalid("the query names a parameter twice, or is not UTF-8"))?;
    let (region, rows, next_token) = match &query.composition_arn {
        Some(text) => one(&app, account, text).await?,
        None => page(&app, account, &query).await?,
    };
    let channels = app.compositions.channels().of(account, &region);
    Ok(Json(CompositionsBody {
        channel_arns: channels.map(ChannelArn::to_string).collect(),
        compositions: rows.iter().map(|row| body(&app, row)).collect(),
        next_token,
    }))
}

type Found = (String, Vec<Composition>, Option<String>);

async fn one(app: &App, account: &str, text: &str) -> Result<Found, Refusal> {
    let arn = CompositionArn::parse(text);
    let arn = arn.filter(|arn| arn.account == account && is_region(&arn.region));
    let arn = arn.ok_or_else(|| {
        invalid(&format!(
            "compositionArn must be the ARN of one of this account's compositions, in a Region of 1 to {REGION_LEN_MAX} \
             lower-case letters, digits and hyphens"
        ))
    })?;
    let found = app.control.store().get_composition(&arn.id).await;
    let found = found.map_err(unread)?;
    let found = found.filter(|row| CompositionArn::of_composition(row) == arn);
    let row = found.ok_or_else(|| {
        let message =
            format!("there is no composition {arn}; one that has ended is gone after five minutes");
        Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    })?;
    Ok((arn.region, vec![row], None))
}

async fn page(app: &App, account: &str, query: &CompositionsQuery) -> Result<Found, Refusal> {
    let region = query.region.clone().filter(|region| is_region(region));
    let region = region.ok_or_else(|| {
        invalid(&format!(
            "region must be 1 to {REGION_LEN_MAX} lower-case letters, digits and hyphens, unless compositionArn is given"
        ))
    })?;
    let count = match &query.max_results {
        None => Some(COMPOSITIONS_PER_PAGE_MAX),
        Some(count) => count.parse().ok(),
    };
    let count = count.filter(|count| (1..=COMPOSITIONS_PER_PAGE_MAX).contains(count));
    let count = count.ok_or_else(|| {
        invalid(&format!(
            "maxResults must be an integer from 1 to {COMPOSITIONS_PER_PAGE_MAX}"
        ))
    })?;
    let after = match &query.next_token {
        None => None,
        Some(token) => Some(after(token).ok_or_else(|| {
            invalid("nextToken must be that of an earlier answer about the same Region")
        })?),
    };
    let all = CompositionFilter::default();
    let store = app.control.store();
    let page = store.list_compositions(account, &region, &all, after, count);
    let page = page.await.map_err(unread)?;
    let last = page.rows.last().filter(|_| page.more);
    let next_token = last.map(|row| format!("{}.{}", row.created_at.0, row.id));
    Ok((region, page.rows, next_token))
}

/// The composition after which the page begins that a token names.
fn after(token: &str) -> Option<(Time, CompositionId)> {
    let (at, id) = token.split_once('.')?;
    let is_id =
        (1..=ID_LEN_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Some((Time(at.parse().ok()?), CompositionId::new(id))).filter(|_| is_id)
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "INVALID", message.to_owned())
}

fn unread(error: StoreError) -> Refusal {
    failed(error.into())
}

fn body(app: &App, row: &Composition) -> CompositionBody {
    let arn = CompositionArn::of_composition(row);
    let destinations = row.destinations.iter();
    CompositionBody {
        destinations: destinations
            .map(|destination| destination_body(app, row, &arn, destination))
            .collect(),
        arn: arn.to_string(),
        state: row.state.word(),
        failure: row.failure.as_ref().map(FailureBody::from),
        live: app.compositions.status(row.id.as_str()).map(LiveBody::from),
    }
}

fn destination_body(
    app: &App,
    row: &Composition,
    arn: &CompositionArn,
    destination: &CompositionDestination,
) -> DestinationBody {
    let (channel_arn, bucket, prefix) = match &destination.target {
        CompositionTarget::Channel(id) => {
            let channel = arn.clone().with_id(|_| id.clone());
            (Some(channel.to_string()), None, None)
        }
        CompositionTarget::S3(recording) => (
            None,
            Some(recording.storage.bucket.clone()),
            Some(recording.prefix.clone()),
        ),
    };
    DestinationBody {
        id: destination.id.to_string(),
        state: destination.state.word(),
        channel_arn,
        bucket,
        prefix,
        video: serde_json::from_str(&destination.video).unwrap_or_else(|_| json!({})),
        failure: destination.failure.as_ref().map(FailureBody::from),
        waits: bucket_problem(app, row, destination),
        recording_id: composite::id_of(row, destination).map(|id| id.to_string()),
        duration_ms: destination.duration_ms,
    }
}

/// Why the last upload to a destination's bucket has failed, as long as something waits.
fn bucket_problem(
    app: &App,
    row: &Composition,
    destination: &CompositionDestination,
) -> Option<String> {
    if destination.state.is_final() {
        return None;
    }
    let recording = destination.target.recording()?;
    let lanes = app.recordings.uploads()?.lanes;
    let lane = lanes
        .into_iter()
        .find(|lane| lane.account == row.account && lane.bucket == recording.storage.bucket)?;
    lane.error
}

impl From<&CompositionFailure> for FailureBody {
    fn from(failure: &CompositionFailure) -> Self {
        Self {
            code: failure.code.word(),
            reason: failure.reason.clone(),
        }
    }
}

impl From<CompositionStatus> for LiveBody {
    fn from(status: CompositionStatus) -> Self {
        let health = status.health;
        Self {
            composing_ms: status.composing.map(millis),
            encodings: status
                .encodings
                .into_iter()
                .map(EncodingBody::from)
                .collect(),
            health: HealthBody {
                inputs: health.inputs,
                ticks: health.ticks,
                late_ticks: health.late_ticks,
                skipped_pictures: health.skipped_pictures,
                decoded: health.decoded,
                undecodable: health.undecodable,
                restarts: status.restarts,
                last_restart: status.last_restart.map(RestartBody::from),
                recent: status.recent.map(RecentBody::from),
            },
        }
    }
}

impl From<CompositionEncoding> for EncodingBody {
    fn from(encoding: CompositionEncoding) -> Self {
        let rendition = encoding.rendition;
        Self {
            width: rendition.width,
            height: rendition.height,
            framerate: f64::from(rendition.framerate_milli) / 1_000.0,
            bitrate: rendition.bitrate,
            pictures_per_second: encoding.pictures_per_s,
            tiles: encoding.tiles.into_iter().map(TileBody::from).collect(),
        }
    }
}

impl From<CompositionTile> for TileBody {
    fn from(tile: CompositionTile) -> Self {
        let known = |pixels: u32| Some(pixels).filter(|pixels| *pixels > 0);
        Self {
            participant_id: tile.participant,
            user_id: tile.user,
            x: tile.x,
            y: tile.y,
            width: tile.width,
            height: tile.height,
            z: tile.z,
            shows: match tile.why_name {
                None => "PICTURE",
                Some(_) => "NAME",
            },
            reason: tile.why_name.map(ReasonBody::from),
            source_width: known(tile.source_width),
            source_height: known(tile.source_height),
        }
    }
}

impl From<WhyName> for ReasonBody {
    fn from(why: WhyName) -> Self {
        let (code, text) = match why {
            WhyName::Stopped => ("STOPPED", "its video is stopped".to_owned()),
            WhyName::Codec(codec) => (
                "CODEC",
                format!("it sends {}; compositions show H.264 and VP8", codec.name()),
            ),
            WhyName::Refused(reason) => ("REFUSED", reason),
            WhyName::NoPicture => (
                "NO_PICTURE",
                "no picture comes from it that can be decoded".to_owned(),
            ),
        };
        Self { code, text }
    }
}

impl From<CompositorRestart> for RestartBody {
    fn from(restart: CompositorRestart) -> Self {
        Self {
            reason: restart.reason,
            ago_ms: millis(restart.ago),
        }
    }
}

impl From<RecentHealth> for RecentBody {
    fn from(recent: RecentHealth) -> Self {
        let RecentHealth { lasted, health } = recent;
        let share = |micros: u64| micros as f64 / 1e6 / lasted.as_secs_f64();
        Self {
            lasted_ms: millis(lasted),
            ticks: health.ticks,
            late_ticks: health.late_ticks,
            skipped_pictures: health.skipped_pictures,
            decoded_per_second: health.decoded as f64 / lasted.as_secs_f64(),
            undecodable: health.undecodable,
            load: LoadBody {
                decode: share(health.decode_us),
                compose: share(health.compose_us),
                encode: share(health.encode_us),
                mix: share(health.mix_us),
            },
        }
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use restage_media::Codec;
    use restage_node::composition::CompositorHealth;

    use super::*;

    #[test]
    fn a_token_is_a_time_and_an_id() {
        let (at, id) = after("1790000000000000.Cx4nRt7PqZ1s").unwrap();
        assert_eq!((at.0, id.as_str()), (1_790_000_000_000_000, "Cx4nRt7PqZ1s"));
        let long = format!("1.{}", "x".repeat(ID_LEN_MAX + 1));
        for wrong in [
            "", ".", "1", "1.", ".a", "x.a", "1.a-b", "1.a\0", "1.a.b", &long,
        ] {
            assert!(after(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn reasons_are_sentences_and_shares_are_of_the_time() {
        let reason = ReasonBody::from(WhyName::Codec(Codec::Av1));
        assert_eq!(reason.code, "CODEC");
        assert_eq!(reason.text, "it sends AV1; compositions show H.264 and VP8");
        let recent = RecentBody::from(RecentHealth {
            lasted: Duration::from_secs(10),
            health: CompositorHealth {
                decoded: 600,
                encode_us: 2_500_000,
                ..Default::default()
            },
        });
        assert_eq!(
            (recent.lasted_ms, recent.decoded_per_second),
            (10_000, 60.0)
        );
        assert_eq!((recent.load.encode, recent.load.mix), (0.25, 0.0));
    }
}
