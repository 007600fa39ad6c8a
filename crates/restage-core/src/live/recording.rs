//! Recordings of participants: when one begins, waits for its publisher, goes on, and ends.
//!
//! A recording follows what its participant publishes in its stage. A job captures it, and has the same id. When the
//! publisher leaves, the recording waits for its reconnect window, and goes on if the same participant publishes again in
//! the same stage. When the capture has ended, the rest is brought to the bucket; until then it is STOPPING.
//!
//! ```text
//!   publishes        captured        capture ended         all in the bucket
//!  ──────────► STARTING ───► ACTIVE ───────────► STOPPING ─────────────────► STOPPED, FAILED
//!                  └───────────────────────────────────────────────────────► FAILED
//!                                cannot begin
//! ```

mod job;
pub(crate) mod pause;
pub(crate) mod report;
mod spec;

use crate::id::{ParticipantId, StageId, StageSessionId, Time};
use crate::job::start::JobRoom;
use crate::kernel::command::NewJob;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::JOBS_PER_STAGE_MAX;
use crate::live::{publication, replica};
use crate::row::{
    Participant, RECORDING_JOB, Recorded, Recording, RecordingFailure, RecordingFailureCode,
    RecordingState, RecordingStorage, Replication, Stage,
};

pub(crate) use self::job::follow;

/// The participant publishes in this session, by itself or as a replica. The recording that waits for it goes on, or
/// another one begins, if the stage is to be recorded.
pub(crate) fn published(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let Some(row) = draft.participant(session, id).cloned() else {
        return;
    };
    // Of a redundant ingest each stream is recorded.
    if row.is_virtual() {
        return;
    }
    let Some(stage) = draft.stage(&row.stage).cloned() else {
        return;
    };
    let now = draft.context.steady;
    for open in open_in(draft, &row.stage, id) {
        let is_in_time = open.window_ends_at.is_none_or(|ends_at| ends_at > now);
        let is_same = open.source.as_ref() == source(&row)
            && stage.recording.storage.as_ref() == Some(&open.storage);
        if is_in_time && is_same {
            return go_on(draft, open, &row);
        }
        end(draft, open);
    }
    let settings = &stage.recording.settings;
    let is_wanted = settings.replicas || source(&row).is_none();
    if let Some(storage) = stage.recording.storage.as_ref().filter(|_| is_wanted) {
        begin(draft, &stage, storage, row);
    }
}

/// The participant does not publish in this session any more. Its recording waits, for the recording's reconnect window
/// or for this one if that is longer, or ends if there is none.
pub(crate) fn unpublished(
    draft: &mut Draft<'_>,
    session: &StageSessionId,
    id: &ParticipantId,
    window_s: u32,
) {
    let Some(row) = draft.participant(session, id).cloned() else {
        return;
    };
    for open in open_in(draft, &row.stage, id) {
        // One that waits already goes on waiting as long as it has to.
        if open.publication == Some(publication::key(&row)) {
            leave(draft, open, window_s);
        }
    }
}

/// Ends the open recordings of a participant that will not be back: those in this stage, and those of its replicas.
pub(crate) fn end_all_of(draft: &mut Draft<'_>, stage: &StageId, id: &ParticipantId) {
    for open in draft.open_recordings_of(id) {
        if open.stage == *stage || open.source.as_ref() == Some(stage) {
            end(draft, open);
        }
    }
}

/// Ends the open recordings of a participant in this stage.
pub(crate) fn end_in(draft: &mut Draft<'_>, stage: &StageId, id: &ParticipantId) {
    for open in open_in(draft, stage, id) {
        end(draft, open);
    }
}

/// The rows that [`end_all_in`] needs.
pub(crate) fn needs_of_stage(stage: &StageId) -> Need {
    Need::RecordingsOf(stage.clone())
}

/// Ends every open recording of a stage that is deleted, and those of replicas of its participants.
pub(crate) fn end_all_in(draft: &mut Draft<'_>, stage: &StageId) {
    let rows = draft.given().recordings.values();
    let of_stage = rows.filter(|row| row.stage == *stage || row.source.as_ref() == Some(stage));
    let ids: Vec<_> = of_stage.map(|row| row.id.clone()).collect();
    for id in ids {
        if let Some(open) = draft.recording(&id).filter(|row| row.is_open()).cloned() {
            end(draft, open);
        }
    }
}

/// The rows that [`tick`] needs.
pub(crate) fn needs_of_tick(now: Time) -> Need {
    Need::RecordingsDue(now)
}

/// Ends the recordings that have waited long enough.
pub(crate) fn tick(draft: &mut Draft<'_>) {
    let (world, now) = (draft.given(), draft.context.steady);
    for due in world.due_recordings(now) {
        let waits = |row: &&Recording| row.is_open() && row.window_ends_at == due.window_ends_at;
        if let Some(open) = draft.recording(&due.id).filter(waits).cloned() {
            end(draft, open);
        }
    }
}

/// When the server starts and when it stops, nobody publishes. Windows that were running are measured from now on, because
/// the steady clock of another process means nothing here.
pub(crate) fn recover(draft: &mut Draft<'_>) {
    let world = draft.given();
    for id in world.recordings.keys() {
        let Some(row) = draft.recording(id).cloned() else {
            continue;
        };
        if row.is_open() {
            let window_s = replica_window(draft, &row);
            leave(draft, row, window_s);
        } else if row.state == RecordingState::Stopping {
            job::finish_unless_live(draft, &row);
        }
    }
}

/// The reconnect window of the replica that is recorded, if it is one that waits for its publisher; else 0.
fn replica_window(draft: &Draft<'_>, row: &Recording) -> u32 {
    draft
        .active_session(&row.stage)
        .and_then(|session| replica::shown_by(draft, &session, &row.participant))
        .and_then(|key| draft.replica(&key))
        .map_or(0, |row| row.reconnect_window_s)
}

/// The open recordings of a participant in a stage; there is at most one.
fn open_in(draft: &Draft<'_>, stage: &StageId, id: &ParticipantId) -> Vec<Recording> {
    let mut rows = draft.open_recordings_of(id);
    rows.retain(|row| row.stage == *stage);
    rows
}

/// The stage that a replica's participant joined.
const fn source(row: &Participant) -> Option<&StageId> {
    match &row.replication {
        Replication::Replica { source_stage, .. } => Some(source_stage),
        Replication::None | Replication::Source { .. } => None,
    }
}

fn begin(draft: &mut Draft<'_>, stage: &Stage, storage: &RecordingStorage, row: Participant) {
    let created_at = distinct(draft.context.now, row.recording.as_ref());
    let recording = Recording {
        id: draft.fresh_recording(),
        account: stage.account.clone(),
        region: stage.region.clone(),
        stage: stage.id.clone(),
        session: row.session.clone(),
        participant: row.id.clone(),
        source: source(&row).cloned(),
        storage: storage.clone(),
        prefix: Recording::prefix(&stage.id, &row.session, &row.id, created_at),
        settings: stage.recording.settings.clone(),
        state: RecordingState::Starting,
        paused: false,
        publication: Some(publication::key(&row)),
        window_ends_at: None,
        started_at: None,
        ended_at: None,
        duration_ms: None,
        message: None,
        failure: None,
        created_at,
    };
    name(draft, &row, &recording);
    let job = NewJob {
        id: recording.id.job(),
        kind: RECORDING_JOB.to_owned(),
        stage: recording.stage.clone(),
        session: Some(recording.session.clone()),
        participant: Some(recording.participant.clone()),
        spec: spec::text(&recording),
    };
    match JobRoom::in_stage(draft, &stage.id) {
        Some(room) => {
            crate::job::start::start(draft, &job, room);
            draft.put_recording(recording);
        }
        None => {
            let reason = format!(
                "the stage has {JOBS_PER_STAGE_MAX} jobs that have not ended, and may have no more"
            );
            let failure = RecordingFailure {
                code: RecordingFailureCode::InternalServer,
                reason,
            };
            report::fail(draft, recording, failure);
        }
    }
}

/// When a recording is asked for, so late that its prefix differs from that of the one before: prefixes have whole seconds.
fn distinct(now: Time, before: Option<&Recorded>) -> Time {
    const SECOND: i64 = 1_000_000;
    let Some(before) = before else { return now };
    let second = |time: Time| time.0.div_euclid(SECOND);
    match second(now) > second(before.since) {
        true => now,
        false => Time(
            second(before.since)
                .saturating_add(1)
                .saturating_mul(SECOND),
        ),
    }
}

/// Writes into the participant's row which recording is its newest.
fn name(draft: &mut Draft<'_>, row: &Participant, recording: &Recording) {
    if let Some(row) = draft.edit_participant(&row.session, &row.id) {
        row.recording = Some(Recorded {
            id: recording.id.clone(),
            since: recording.created_at,
        });
    }
}

fn go_on(draft: &mut Draft<'_>, mut open: Recording, row: &Participant) {
    open.publication = Some(publication::key(row));
    open.window_ends_at = None;
    name(draft, row, &open);
    put(draft, open);
}

/// The publisher has left.
fn leave(draft: &mut Draft<'_>, mut open: Recording, window_s: u32) {
    let window_s = open.settings.reconnect_window_s.max(window_s);
    if window_s == 0 {
        return end(draft, open);
    }
    open.publication = None;
    open.window_ends_at = Some(draft.context.steady.plus_seconds(window_s));
    put(draft, open);
}

/// Ends an open recording, without any window.
fn end(draft: &mut Draft<'_>, mut open: Recording) {
    open.state = RecordingState::Stopping;
    open.publication = None;
    open.window_ends_at = None;
    open.paused = false;
    open.ended_at = Some(draft.context.now).max(open.started_at);
    job::stop(draft, &open);
    draft.put_recording(open);
}

/// Writes an open recording, and tells its job what has changed.
fn put(draft: &mut Draft<'_>, open: Recording) {
    job::tell(draft, &open);
    draft.put_recording(open);
}
