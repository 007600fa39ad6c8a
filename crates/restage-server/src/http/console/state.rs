//! The stages with a session and who is in them, which the page shows.

use axum::extract::State;
use axum::{Extension, Json};
use restage_api::Operation;
use restage_core::StageArn;
use restage_core::id::{ParticipantId, StageId};
use restage_core::row::{Attributes, IngestLink, Participant, Replication, Stage};
use restage_store::{ParticipantFilter, StoreError};
use serde::Serialize;

use super::super::App;
use super::super::refusal::Refusal;
use super::{Admitted, DEFAULT_REGION, failed};

/// Stages with a session whose participants are shown; the page lists all others without participants.
const STAGES_SHOWN_MAX: u32 = 200;
/// Participants shown per stage, in addition to those who publish.
const PARTICIPANTS_SHOWN_MAX: u32 = 100;
/// Regions whose stages are listed.
const REGIONS_SHOWN_MAX: u32 = 32;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateBody {
    /// The stages with a session in progress.
    stages: Vec<StageBody>,
    /// Whether there are more such stages than are shown.
    has_more_stages: bool,
    /// The Regions in which the account has stages.
    regions: Vec<String>,
    default_region: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StageBody {
    arn: String,
    name: String,
    active_session_id: Option<String>,
    participants: Vec<ParticipantBody>,
    /// Whether more participants are connected than are shown.
    has_more_participants: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParticipantBody {
    participant_id: String,
    user_id: String,
    attributes: Attributes,
    state: &'static str,
    publishing: bool,
    replication_type: &'static str,
    replication_state: Option<&'static str>,
    source_stage_arn: Option<String>,
    /// Its part in the ingest configuration by which it publishes, if it does.
    ingest: Option<&'static str>,
}

pub(super) async fn state(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
) -> Result<Json<StateBody>, Refusal> {
    admitted.permit(&[Operation::ListStages, Operation::ListParticipants])?;
    read_state(&app, admitted.account())
        .await
        .map(Json)
        .map_err(|error| failed(error.into()))
}

async fn read_state(app: &App, account: &str) -> Result<StateBody, StoreError> {
    let store = app.control.store();
    let regions = store.list_regions(account, REGIONS_SHOWN_MAX).await?;
    let mut stages = store
        .list_live_stages(account, STAGES_SHOWN_MAX + 1)
        .await?;
    let shown = usize::try_from(STAGES_SHOWN_MAX).unwrap_or(usize::MAX);
    let has_more_stages = stages.len() > shown;
    stages.truncate(shown);
    let mut bodies = Vec::with_capacity(stages.len());
    for stage in &stages {
        bodies.push(stage_body(app, stage).await?);
    }
    Ok(StateBody {
        stages: bodies,
        has_more_stages,
        regions,
        default_region: DEFAULT_REGION,
    })
}

async fn stage_body(app: &App, stage: &Stage) -> Result<StageBody, StoreError> {
    let store = app.control.store();
    let arn = |id: &StageId| {
        StageArn {
            region: stage.region.clone(),
            account: stage.account.clone(),
            id: id.clone(),
        }
        .to_string()
    };
    let mut participants: Vec<Participant> = Vec::new();
    let mut has_more_participants = false;
    if let Some(session) = &stage.active_session {
        let connected = ParticipantFilter::Connected(true);
        let page = store
            .list_participants(session, &connected, None, PARTICIPANTS_SHOWN_MAX)
            .await?;
        has_more_participants = page.more;
        participants = page.rows.into_iter().map(|found| found.row).collect();
        if has_more_participants {
            // Publishers are always shown, even after many viewers.
            participants.retain(|one| !one.publishing);
            participants.splice(0..0, store.publishing_participants(&stage.id).await?);
        }
    }
    Ok(StageBody {
        arn: arn(&stage.id),
        name: stage.name.clone(),
        active_session_id: stage.active_session.as_ref().map(ToString::to_string),
        participants: participants
            .iter()
            .map(|one| participant(one, &arn))
            .collect(),
        has_more_participants,
    })
}

fn participant(row: &Participant, arn: &impl Fn(&StageId) -> String) -> ParticipantBody {
    let state_of = |active: bool| Some(if active { "ACTIVE" } else { "STOPPED" });
    let (replication_type, replication_state, source_stage_arn) = match &row.replication {
        Replication::None => ("NONE", None, None),
        Replication::Source { active } => ("SOURCE", state_of(*active), None),
        Replication::Replica {
            active,
            source_stage,
            ..
        } => ("REPLICA", state_of(*active), Some(arn(source_stage))),
    };
    ParticipantBody {
        participant_id: row.id.to_string(),
        user_id: row.user_id.clone(),
        attributes: row.attributes.clone(),
        state: if row.connected {
            "CONNECTED"
        } else {
            "DISCONNECTED"
        },
        publishing: row.publishing,
        replication_type,
        replication_state,
        source_stage_arn,
        ingest: row.ingest.as_ref().map(|link| part_of(&row.id, link)),
    }
}

/// The part of a participant in its ingest: the only one, or of a redundant ingest what viewers see, or the stream of one of the encoders.
fn part_of(id: &ParticipantId, link: &IngestLink) -> &'static str {
    match &link.redundant {
        None => "ONLY",
        Some(streams) if streams.is_virtual => "COMMON",
        Some(streams) if streams.physical.first() == Some(id) => "FIRST",
        Some(_) => "SECOND",
    }
}
