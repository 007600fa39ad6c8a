//! The database: every row in memory, one writer, and the outbox. What was committed outlives the server.

use restage_audit::{Counted, Edge, audit, changes_are_minimal};
use restage_core::id::{RunId, StageSessionId, Time};
use restage_core::row::RecordingId;
use restage_core::{
    Change, CloseReason, Command, Context, Decision, Effect, Fault, Limits, Notice, Occurrence,
    World, decide, needs,
};

use crate::coverage::Coverage;

/// The rows, and what is checked of every commit.
pub(crate) struct Store {
    pub(crate) world: World,
    /// Notices for the sinks, in order.
    pub(crate) outbox: Vec<Notice>,
    /// Every command that was decided, so that another store can be given the same.
    pub(crate) steps: Vec<Step>,
    pub(crate) limits: Limits,
    edge: Edge,
    counted: Counted,
    made: u64,
    last: Time,
}

/// A command, and what was decided.
#[derive(Debug, Clone)]
pub struct Step {
    /// Times, limits and ids from outside.
    pub context: Context,
    /// The command.
    pub command: Command,
    /// The decision.
    pub decision: Decision,
}

/// The clocks of a machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) wall: Time,
    pub(crate) steady: Time,
}

impl Store {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            world: World::default(),
            outbox: Vec::new(),
            steps: Vec::new(),
            limits,
            edge: Edge::default(),
            counted: Counted::default(),
            made: 0,
            last: Time::default(),
        }
    }

    /// Decides a command and commits what it changes. Everything that must hold of the rows is checked.
    pub(crate) fn execute(
        &mut self,
        account: &str,
        command: &Command,
        clocks: Clocks,
        run: u32,
        session_idle_s: u32,
    ) -> Decision {
        // As the writer has it: times of rows never go back.
        let now = match clocks.wall >= self.last {
            true => clocks.wall,
            false => Time(self.last.0 + 1),
        };
        let context = Context {
            account: account.to_owned(),
            now,
            wall: clocks.wall,
            steady: clocks.steady,
            limits: self.limits.clone(),
            session_idle_s,
            run: RunId::new(format!("run{run}")),
            fresh_session: StageSessionId::new(format!("st-{:08}", self.made)),
            fresh_recording: RecordingId::new(format!("rec-{:08}", self.made)),
        };
        self.made += 1;
        let decision = decide(&self.world, &context, command);
        let on_needed_rows = decide(
            &self.world.select(&needs(command, &context)),
            &context,
            command,
        );
        assert_eq!(
            on_needed_rows, decision,
            "{command:?} looks at rows it does not need"
        );
        self.last = now;
        self.commit(command, &decision);
        self.steps.push(Step {
            context,
            command: command.clone(),
            decision: decision.clone(),
        });
        decision
    }

    fn commit(&mut self, command: &Command, decision: &Decision) {
        if decision.changes.is_empty() && decision.effects.is_empty() && *command == Command::Tick {
            // By far the most frequent decision, after which everything is as it was checked before.
            return;
        }
        changes_are_minimal(&self.world, decision);
        check_notices(decision);
        let before = self.world.clone();
        self.world.apply(&decision.changes);
        self.outbox.extend(decision.notices.iter().cloned());
        self.counted.take(&decision.changes);
        audit(&self.world, &self.limits);
        self.counted.compare(&self.world);
        self.edge.perform(&before, &self.world, command, decision);
    }
}

/// Notes what a decision has come to.
pub(super) fn cover(coverage: &mut Coverage, decision: &Decision) {
    for change in &decision.changes {
        match change {
            Change::DeleteStage(_) => coverage.reach("stage deleted"),
            Change::PutReplica(row) if !row.active => coverage.reach("replica stopped"),
            Change::PutReplica(row) if row.window_ends_at.is_some() => {
                coverage.reach("replica waits");
            }
            Change::PutReplica(_) => coverage.reach("replica started or resumed"),
            Change::PutRecording(row) if row.paused => coverage.reach("recording paused"),
            Change::PutRecording(row) if row.state.is_final() => {
                coverage.reach("recording finished");
            }
            _ => {}
        }
    }
    for effect in &decision.effects {
        match effect {
            Effect::Close { reason, .. } => coverage.reach(match reason {
                CloseReason::Disconnected => "participant disconnected",
                CloseReason::Replaced => "connection replaced",
                CloseReason::SessionEnded => "session ended for a connection",
                CloseReason::PublisherLeft => "publisher left its viewers",
                CloseReason::ReplicationStopped => "replica gone for a viewer",
                _ => "connection closed otherwise",
            }),
            Effect::AbandonJob { .. } => coverage.reach("job abandoned"),
            Effect::RunJob { job } if job.generation > 1 => {
                coverage.reach("recording goes on after a crash");
            }
            _ => {}
        }
    }
    match decision.reply.as_ref().map_err(|error| error.fault) {
        Err(Fault::TokenExpired) => coverage.reach("token expired"),
        Err(Fault::LimitExceeded) => coverage.reach("limit reached"),
        Err(Fault::Conflict) => coverage.reach("conflict"),
        Err(Fault::NotFound) => coverage.reach("not found"),
        _ => {}
    }
}

/// Sinks are told every line of the history, in the same order.
fn check_notices(decision: &Decision) {
    let written = decision.changes.iter().filter_map(|change| match change {
        Change::AddEvent(event) => Some(event),
        _ => None,
    });
    let told = decision
        .notices
        .iter()
        .filter_map(|notice| match &notice.what {
            Occurrence::History { event, .. } => Some(&**event),
            _ => None,
        });
    // A stage that is deleted takes its history with it; sinks are told all the same.
    let told: Vec<_> = told.collect();
    for event in written {
        assert!(told.contains(&event), "sinks are not told of {event:?}");
    }
}
