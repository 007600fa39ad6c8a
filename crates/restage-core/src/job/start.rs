//! StartJob: creates a job and gives it to a runner at once.

use crate::error::{Error, Fault};
use crate::id::StageId;
use crate::kernel::command::NewJob;
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::{JOB_KIND_LEN_MAX, JOB_SPEC_BYTES_MAX, JOBS_PER_STAGE_MAX};
use crate::row::{Job, JobState};

pub(crate) fn needs(job: &NewJob) -> Vec<Need> {
    vec![
        Need::Stage(job.stage.clone()),
        Need::JobsOf(job.stage.clone()),
        Need::Job(job.id.clone()),
    ]
}

pub(crate) fn decide(draft: &mut Draft<'_>, new: &NewJob) -> Outcome {
    check(new)?;
    if draft.stage(&new.stage).is_none() {
        return Err(Error::new(
            Fault::NotFound,
            format!("stage: there is no stage {}", new.stage),
        ));
    }
    if draft.job(&new.id).is_some() {
        return Err(Error::new(
            Fault::Conflict,
            format!("id: there is a job {} already", new.id),
        ));
    }
    let Some(room) = JobRoom::in_stage(draft, &new.stage) else {
        return Err(Error::new(
            Fault::LimitExceeded,
            format!("Jobs per stage: the limit of {JOBS_PER_STAGE_MAX} is reached"),
        ));
    };
    Ok(Reply::Job(start(draft, new, room)))
}

/// Shows that a stage may have one more job.
pub(crate) struct JobRoom(());

impl JobRoom {
    /// Whether the stage may have one more job.
    pub(crate) fn in_stage(draft: &Draft<'_>, stage: &StageId) -> Option<Self> {
        (draft.job_count(stage) < JOBS_PER_STAGE_MAX as u64).then_some(Self(()))
    }
}

/// Creates a job and gives it to a runner at once.
pub(crate) fn start(draft: &mut Draft<'_>, new: &NewJob, _room: JobRoom) -> Job {
    let job = Job {
        id: new.id.clone(),
        kind: new.kind.clone(),
        stage: new.stage.clone(),
        session: new.session.clone(),
        participant: new.participant.clone(),
        spec: new.spec.clone(),
        // The state that `begin` replaces.
        state: JobState::Pending {
            due_at: draft.context.steady,
        },
        generation: 0,
        attempts: 0,
        stop_requested: false,
        created_at: draft.context.now,
        ended_at: None,
    };
    super::begin(draft, job)
}

fn check(new: &NewJob) -> Result<(), Error> {
    let invalid = |message: String| Err(Error::new(Fault::Invalid, message));
    let is_word = new
        .kind
        .starts_with(|first: char| first.is_ascii_lowercase())
        && new
            .kind
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_word || new.kind.len() > JOB_KIND_LEN_MAX {
        return invalid(format!(
            "kind: it must be a word of a-z, 0-9 and - that begins with a letter, at most {JOB_KIND_LEN_MAX} characters"
        ));
    }
    if new.spec.len() > JOB_SPEC_BYTES_MAX {
        return invalid(format!(
            "spec: it must have at most {JOB_SPEC_BYTES_MAX} bytes"
        ));
    }
    // JSON contains no such character, and PostgreSQL does not store it.
    if new.spec.contains('\0') {
        return invalid("spec: it must not contain the character U+0000".to_owned());
    }
    Ok(())
}
