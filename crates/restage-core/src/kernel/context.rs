//! What a decision takes from outside besides rows.

use crate::id::{RunId, StageSessionId, Time};
use crate::limits::Limits;
use crate::row::RecordingId;

/// What a decision takes from outside besides rows: who asks, the time, the limits and fresh ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// The caller's account (API commands); commands of the media plane carry the stage's.
    pub account: String,
    /// The time that rows and history are written with. It never goes back, so that lists keep their order: while
    /// the wall clock is behind what was written before, it is ahead of [`wall`](Self::wall).
    pub now: Time,
    /// The wall clock, as this machine has it: what tokens expire by. It may be set, either way.
    pub wall: Time,
    /// The steady clock: it counts the time that passes, whatever the wall clock is set to. Reconnect windows, idle
    /// sessions and the age of connections are measured by it. Its times mean nothing to another process.
    pub steady: Time,
    /// The limits in force.
    pub limits: Limits,
    /// A stage session ends when nobody has been publishing for this long.
    pub session_idle_s: u32,
    /// The run of the process that decides: who holds the leases of the jobs that it starts.
    pub run: RunId,
    /// A fresh stage session id, used if the command opens a session.
    pub fresh_session: StageSessionId,
    /// A fresh id from which those of the recordings are made that the command begins.
    pub fresh_recording: RecordingId,
}
