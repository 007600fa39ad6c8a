//! The rules of jobs: what starts them, who runs them, and how they end.
//!
//! A job that has not ended is run by a runner or waits for its next start. A runner holds a lease, which ends unless
//! the runner shows that it is alive. Each start has a number of its own (the generation), so that reports of a
//! runner that has lost its lease are refused. A failed start is followed by another one, after a growing pause,
//! until too many in a row have failed.
//!
//! ```text
//!          StartJob             done, impossible, too many failures
//!   ──────────────────► Running ──────────────────────────────────► Done, Failed
//!              Tick   ▲         │
//!            (is due) │         │ failed, lease over, process gone
//!                     └ Pending ◄
//! ```

pub(crate) mod due;
pub(crate) mod report;
pub(crate) mod start;
pub(crate) mod stop;

use crate::id::Time;
use crate::kernel::decision::Effect;
use crate::kernel::draft::Draft;
use crate::limits::{
    COMPOSITION_ATTEMPTS_MAX, COMPOSITION_STEADY_AFTER_S, JOB_ATTEMPTS_MAX, JOB_LEASE_S,
    JOB_RESULT_BYTES_MAX, JOB_RETRY_FIRST_S, JOB_RETRY_MAX_S, JOB_STEADY_AFTER_S,
};
use crate::row::{COMPOSITION_JOB, Job, JobState, Lease};

/// Gives the job to a runner of this process, as its next start.
fn begin(draft: &mut Draft<'_>, mut job: Job) -> Job {
    let context = draft.context;
    job.generation = job.generation.saturating_add(1);
    job.state = JobState::Running(Lease {
        owner: context.run.clone(),
        started_at: context.steady,
        ends_at: context.steady.plus_seconds(JOB_LEASE_S),
    });
    draft.put_job(job.clone());
    draft.order(Effect::RunJob {
        job: Box::new(job.clone()),
    });
    job
}

/// Records a failed start: the job waits for the next one, or fails for good.
fn fail(draft: &mut Draft<'_>, job: Job, reason: &str) {
    let pause_s = pause(job.attempts.saturating_add(1));
    let due_at = draft.context.steady.plus_seconds(pause_s);
    fail_until(draft, job, reason, due_at);
}

/// The same, with the time of the next start.
fn fail_until(draft: &mut Draft<'_>, mut job: Job, reason: &str, due_at: Time) {
    job.attempts = job.attempts.saturating_add(1);
    if job.attempts < attempts_max(&job.kind) {
        return wait(draft, job, due_at);
    }
    let reason = cut(reason);
    end(draft, job, JobState::Failed { reason });
}

/// Lets the job wait until that time for its next start.
fn wait(draft: &mut Draft<'_>, mut job: Job, due_at: Time) {
    job.state = JobState::Pending { due_at };
    draft.put_job(job);
}

/// Ends the job. It stays as part of the stage's history, and is removed if its stage is deleted.
fn end(draft: &mut Draft<'_>, mut job: Job, state: JobState) {
    if draft.stage(&job.stage).is_none() {
        return draft.remove_job(&job.id);
    }
    job.state = state;
    job.ended_at = Some(draft.context.now);
    draft.put_job(job);
}

/// How many starts in a row may fail of a job of this kind. Whoever watches a composition waits for it, so it does not try
/// as long as others do.
fn attempts_max(kind: &str) -> u32 {
    match kind {
        COMPOSITION_JOB => COMPOSITION_ATTEMPTS_MAX,
        _ => JOB_ATTEMPTS_MAX,
    }
}

/// How long a start of a job of this kind lasts that makes the failed ones before it forgotten, in seconds.
fn steady_after_s(kind: &str) -> u32 {
    match kind {
        COMPOSITION_JOB => COMPOSITION_STEADY_AFTER_S,
        _ => JOB_STEADY_AFTER_S,
    }
}

/// The pause after this number of failed starts in a row, in seconds.
fn pause(attempts: u32) -> u32 {
    let doublings = attempts.saturating_sub(1).min(16);
    JOB_RETRY_FIRST_S
        .saturating_mul(1 << doublings)
        .min(JOB_RETRY_MAX_S)
}

/// The text as a row stores it: cut to its length, and without the character U+0000, which PostgreSQL does not store.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(JOB_RESULT_BYTES_MAX)].replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<u32> = (1..=8).map(pause).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(u32::MAX), JOB_RETRY_MAX_S);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("sh\0ort"), "short");
        let long = format!("a{}", "é".repeat(JOB_RESULT_BYTES_MAX));
        assert_eq!(cut(&long).len(), JOB_RESULT_BYTES_MAX - 1);
    }
}
