//! The supervisor with test runners, and with the rules, which decide on rows in memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use restage_core::command::NewJob;
use restage_core::id::{JobId, RunId, StageId, StageSessionId, Time};
use restage_core::row::{COMPOSITION_JOB, Job, JobState, RECORDING_JOB, RecordingId};
use restage_core::{Command, Context, Effect, Limits, Reply, StageArn, World, decide};
use tokio::time::{Instant, sleep};

use super::supervisor::Times;
use super::{End, JobContext, Jobs, Order, Runner, Runners, Running};
use crate::executor::{Executor, Failure};

mod runs;
mod told;

/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(30);
/// Renewals come at once; a stop and a pause wait for a runner as long as the test may take.
const QUICK: Times = Times {
    renew_every: Duration::from_millis(5),
    stop_max: LIMIT,
    pause_max: LIMIT,
};
fn stage() -> StageArn {
    StageArn {
        region: "eu-west-1".to_owned(),
        account: String::new(),
        id: StageId::new("A"),
    }
}

/// The rules, with a clock that the test sets.
#[derive(Clone)]
struct Rules {
    jobs: Jobs,
    state: Arc<Mutex<State>>,
}

struct State {
    world: World,
    steady: Time,
}

impl Rules {
    /// With a stage.
    async fn new(runners: Runners, times: Times) -> Self {
        let state = State {
            world: World::default(),
            steady: Time(1_000_000_000),
        };
        let rules = Self {
            jobs: Jobs::within(runners, times),
            state: Arc::new(Mutex::new(state)),
        };
        let create = Command::CreateStage {
            stage: stage(),
            name: String::new(),
            tags: Default::default(),
            recording: Default::default(),
            tokens: Vec::new(),
        };
        rules.execute(create).await.unwrap();
        rules
    }

    async fn start(&self, id: &str, kind: &str) {
        let job = NewJob {
            id: JobId::new(id),
            kind: kind.to_owned(),
            stage: StageId::new("A"),
            session: None,
            participant: None,
            spec: "{}".to_owned(),
        };
        self.execute(Command::StartJob { job }).await.unwrap();
    }

    async fn stop(&self, id: &str) {
        let job = JobId::new(id);
        self.execute(Command::StopJob { job }).await.unwrap();
    }

    async fn tick_after(&self, seconds: u32) {
        {
            let mut state = self.state.lock().unwrap();
            state.steady = state.steady.plus_seconds(seconds);
        }
        self.execute(Command::Tick).await.unwrap();
    }

    fn job(&self, id: &str) -> Job {
        self.state.lock().unwrap().world.jobs[&JobId::new(id)].clone()
    }

    /// Waits until the condition on the row is true.
    async fn until(&self, id: &str, what: &str, holds: impl Fn(&Job) -> bool) -> Job {
        let deadline = Instant::now() + LIMIT;
        loop {
            let job = self.job(id);
            if holds(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "{what}: {job:?}");
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn until_done(&self, id: &str, expected: &str) {
        let is_done =
            |job: &Job| matches!(&job.state, JobState::Done { result } if result == expected);
        self.until(id, expected, is_done).await;
    }

    async fn until_waiting(&self, id: &str) -> Job {
        let waits = |job: &Job| matches!(job.state, JobState::Pending { .. });
        self.until(id, "it waits for its next start", waits).await
    }
}

impl Executor for Rules {
    async fn execute(&self, command: Command) -> Result<Reply, Failure> {
        let decision = {
            let mut state = self.state.lock().unwrap();
            let context = Context {
                account: String::new(),
                now: state.steady,
                wall: state.steady,
                steady: state.steady,
                limits: Limits::OPEN,
                session_idle_s: 60,
                run: RunId::new("run"),
                fresh_session: StageSessionId::new("st"),
                fresh_recording: RecordingId::new("recording"),
            };
            let decision = decide(&state.world, &context, &command);
            state.world.apply(&decision.changes);
            decision
        };
        for effect in decision.effects {
            match effect {
                Effect::RunJob { job } => self.jobs.run(*job, self),
                Effect::StopJob { job, generation } => self.jobs.stop(&job, generation),
                Effect::AbandonJob { job, generation } => self.jobs.abandon(&job, generation),
                Effect::TellJob { job } => self.jobs.tell(*job),
                Effect::FinishRecording { recording } => {
                    self.jobs.complete(RECORDING_JOB, &recording.job());
                }
                Effect::FinishCompositionDestination {
                    composition,
                    destination,
                } => {
                    let job = composition.job();
                    let part = destination.as_str();
                    self.jobs.complete_part(COMPOSITION_JOB, &job, part);
                }
                _ => {}
            }
        }
        Ok(decision.reply?)
    }
}

async fn follows_orders(mut context: JobContext) -> End {
    match context.ordered().await {
        Order::Pause => End::Paused,
        order => End::Done(format!("{order:?} in start {}", context.generation())),
    }
}
