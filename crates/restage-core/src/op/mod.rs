//! One file per command. This one only dispatches.

use crate::command::{Command, Need};
use crate::decision::Decision;
use crate::id::{StageSessionId, Time};
use crate::limits::Limits;
use crate::world::World;

/// What a decision takes from outside besides rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// The caller's account (API commands); commands of the media plane carry the stage's.
    pub account: String,
    /// Now.
    pub now: Time,
    /// The limits in force.
    pub limits: Limits,
    /// A stage session ends when nobody has been publishing for this long.
    pub session_idle_s: u32,
    /// A fresh stage session id, used if the command opens a session.
    pub fresh_session: StageSessionId,
}

/// Decides a command on the rows given.
pub fn decide(_world: &World, _context: &Context, _command: &Command) -> Decision {
    unimplemented!()
}

pub(crate) fn needs(_command: &Command, _now: Time, _session_idle_s: u32) -> Vec<Need> {
    unimplemented!()
}
