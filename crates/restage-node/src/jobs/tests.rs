//! The supervisor with test runners, and with the rules, which decide on rows in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use restage_core::command::{Claims, NewJob, NewStageRecording, NewToken};
use restage_core::id::{ConnectionId, JobId, ParticipantId, RunId, StageId, StageSessionId, Time};
use restage_core::limits::{JOB_LEASE_S, JOB_RETRY_MAX_S};
use restage_core::row::{
    Capabilities, Client, ConnectionKind, Job, JobState, Protocol, RECORDING_JOB, RecordingId,
    StorageConfiguration,
};
use restage_core::{Arn, Command, Context, Effect, Limits, Reply, Signer, StageArn, World, decide};
use tokio::time::{Instant, sleep};

use super::supervisor::Times;
use super::{End, JobContext, Jobs, News, Order, Runners};
use crate::executor::{Executor, Failure};

/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(30);
/// Renewals come at once; a stop and a pause wait for a runner as long as the test may take.
const QUICK: Times = Times {
    renew_every: Duration::from_millis(5),
    stop_max: LIMIT,
    pause_max: LIMIT,
};
/// Neither a stop nor a pause waits.
const IMPATIENT: Times = Times {
    stop_max: Duration::ZERO,
    pause_max: Duration::ZERO,
    ..QUICK
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
                _ => {}
            }
        }
        Ok(decision.reply?)
    }
}

/// Waits until the number is reached.
async fn until_count(count: &AtomicUsize, least: usize) {
    let deadline = Instant::now() + LIMIT;
    while count.load(Ordering::Relaxed) < least {
        assert!(Instant::now() < deadline, "{count:?} of {least}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Counts when it is dropped, which happens when a runner was ended.
struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

async fn follows_orders(mut context: JobContext) -> End {
    match context.ordered().await {
        Order::Pause => End::Paused,
        order => End::Done(format!("{order:?} in start {}", context.generation())),
    }
}

#[tokio::test]
async fn what_came_of_a_job_is_in_its_row() {
    let runner = |context: JobContext| async move { End::Done(context.job().spec.clone()) };
    let rules = Rules::new(Runners::default().with("test", runner), QUICK).await;
    rules.start("j", "test").await;
    rules.until_done("j", "{}").await;
    assert_eq!(rules.job("j").generation, 1);
}

#[tokio::test]
async fn a_start_that_fails_or_panics_is_followed_by_another_and_disturbs_nobody() {
    let runner = |context: JobContext| async move {
        match context.generation() {
            1 => End::Failed("no space".to_owned()),
            2 => panic!("a defect for a test"),
            last => End::Done(format!("in start {last}")),
        }
    };
    let runners = Runners::default()
        .with("fails", runner)
        .with("follows", follows_orders);
    let rules = Rules::new(runners, QUICK).await;
    rules.start("other", "follows").await;
    rules.start("j", "fails").await;
    for attempts in 1..=2 {
        assert_eq!(rules.until_waiting("j").await.attempts, attempts);
        rules.tick_after(JOB_RETRY_MAX_S / 2).await;
        rules.execute(renewal("other", 1)).await.unwrap();
    }
    rules.until_done("j", "in start 3").await;
    rules.stop("other").await;
    rules.until_done("other", "Stop in start 1").await;
}

fn renewal(job: &str, generation: u32) -> Command {
    Command::RenewJob {
        job: JobId::new(job),
        generation,
    }
}

#[tokio::test]
async fn a_runner_that_panics_before_its_first_wait_costs_its_own_start() {
    struct Broken;
    impl super::Runner for Broken {
        fn run(&self, _: JobContext) -> super::Running {
            panic!("a defect for a test")
        }
    }
    let rules = Rules::new(Runners::default().with("test", Broken), QUICK).await;
    rules.start("j", "test").await;
    assert_eq!(rules.until_waiting("j").await.attempts, 1);
}

#[tokio::test]
async fn a_job_that_hangs_is_given_up_when_its_lease_ends() {
    let (began, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begins, dropped) = (Arc::clone(&began), Arc::clone(&ended));
    let runner = move |context: JobContext| {
        let dropped = Arc::clone(&dropped);
        begins.fetch_add(1, Ordering::Relaxed);
        async move {
            if context.generation() == 1 {
                let _dropped = OnDrop(dropped);
                std::future::pending::<()>().await;
            }
            End::Done(format!("in start {}", context.generation()))
        }
    };
    let rules = Rules::new(Runners::default().with("test", runner), QUICK).await;
    rules.start("j", "test").await;
    until_count(&began, 1).await;
    rules.tick_after(JOB_LEASE_S - 1).await;
    assert_eq!(rules.jobs.running(), 1, "its lease lasts");
    rules.tick_after(1).await;
    until_count(&ended, 1).await;
    assert_eq!(rules.job("j").attempts, 1);
    rules.tick_after(JOB_RETRY_MAX_S).await;
    rules.until_done("j", "in start 2").await;
}

#[tokio::test]
async fn a_runner_that_shows_signs_of_life_keeps_its_lease() {
    let runner = |mut context: JobContext| async move {
        loop {
            context.alive();
            let pause = Duration::from_millis(1);
            if tokio::time::timeout(pause, context.ordered()).await.is_ok() {
                return End::Done("kept".to_owned());
            }
        }
    };
    let rules = Rules::new(Runners::default().with("test", runner), QUICK).await;
    rules.start("j", "test").await;
    for _ in 0..5 {
        rules.tick_after(JOB_LEASE_S - 1).await;
        let now = rules.state.lock().unwrap().steady;
        let is_renewed = |job: &Job| {
            job.lease()
                .is_some_and(|lease| lease.ends_at > now.plus_seconds(1))
        };
        rules.until("j", "it is renewed", is_renewed).await;
    }
    assert_eq!(rules.job("j").generation, 1);
    rules.stop("j").await;
    rules.until_done("j", "kept").await;
}

#[tokio::test]
async fn a_runner_whose_lease_is_another_start_s_is_ended_when_it_renews() {
    let ended = Arc::new(AtomicUsize::new(0));
    let dropped = Arc::clone(&ended);
    let runner = move |context: JobContext| {
        let dropped = OnDrop(Arc::clone(&dropped));
        async move {
            let _dropped = dropped;
            loop {
                context.alive();
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let rules = Rules::new(Runners::default().with("test", runner), QUICK).await;
    rules.start("j", "test").await;
    // As if another process had taken the job, of which there is no effect here.
    rules
        .state
        .lock()
        .unwrap()
        .world
        .jobs
        .get_mut(&JobId::new("j"))
        .unwrap()
        .generation = 2;
    until_count(&ended, 1).await;
    let job = rules.job("j");
    assert!(job.lease().is_some() && job.attempts == 0, "{job:?}");
}

#[tokio::test]
async fn a_job_that_is_stopped_ends_as_it_should() {
    let rules = Rules::new(Runners::default().with("test", follows_orders), QUICK).await;
    rules.start("j", "test").await;
    rules.stop("j").await;
    rules.until_done("j", "Stop in start 1").await;
}

#[tokio::test]
async fn a_job_that_does_not_stop_is_ended_and_the_next_start_is_told_at_once() {
    let runner = |mut context: JobContext| async move {
        if context.generation() == 1 {
            std::future::pending::<()>().await;
        }
        assert_eq!(context.order(), Order::Stop);
        End::Done(format!("{:?}", context.ordered().await))
    };
    let times = Times {
        stop_max: Duration::from_millis(100),
        ..QUICK
    };
    let rules = Rules::new(Runners::default().with("test", runner), times).await;
    rules.start("j", "test").await;
    rules.stop("j").await;
    assert_eq!(rules.until_waiting("j").await.attempts, 1);
    // On a busy machine another start may be too late as well.
    while rules.job("j").is_live() {
        rules.tick_after(JOB_RETRY_MAX_S).await;
        sleep(times.stop_max).await;
    }
    rules.until_done("j", "Stop").await;
}

#[tokio::test]
async fn a_job_of_a_kind_that_nobody_here_knows_has_failed_with_the_reason() {
    let rules = Rules::new(Runners::default().with("test", follows_orders), QUICK).await;
    rules.start("j", "composition").await;
    let has_failed = |job: &Job| matches!(job.state, JobState::Failed { .. });
    let job = rules.until("j", "it has failed", has_failed).await;
    assert_eq!(
        job.state,
        JobState::Failed {
            reason: "this server has no runner for jobs of the kind composition".to_owned()
        }
    );
}

#[tokio::test]
async fn a_stop_of_the_server_puts_jobs_off() {
    let runner = |mut context: JobContext| async move {
        match context.ordered().await {
            // Work that is almost done may be finished.
            Order::Pause if context.job().id.as_str() == "short" => {
                End::Done("finished".to_owned())
            }
            Order::Pause => End::Paused,
            order => End::Done(format!("{order:?}")),
        }
    };
    let rules = Rules::new(Runners::default().with("test", runner), QUICK).await;
    rules.start("j", "test").await;
    rules.start("short", "test").await;
    rules.jobs.pause(Instant::now() + LIMIT).await;
    assert_eq!(rules.jobs.running(), 0);
    rules.until_done("short", "finished").await;
    assert!(rules.job("j").lease().is_some(), "nothing was reported");
    rules.execute(Command::Recover).await.unwrap();
    let job = rules.until_waiting("j").await;
    assert_eq!((job.generation, job.attempts), (1, 0));
    // Late effects start nothing.
    rules.tick_after(1).await;
    assert_eq!(rules.jobs.running(), 0);
}

#[tokio::test]
async fn a_job_that_does_not_leave_off_is_ended() {
    let (began, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begins, dropped) = (Arc::clone(&began), Arc::clone(&ended));
    let runner = move |_: JobContext| {
        let dropped = OnDrop(Arc::clone(&dropped));
        begins.fetch_add(1, Ordering::Relaxed);
        async move {
            let _dropped = dropped;
            std::future::pending::<End>().await
        }
    };
    let rules = Rules::new(Runners::default().with("test", runner), IMPATIENT).await;
    rules.start("j", "test").await;
    until_count(&began, 1).await;
    rules.jobs.pause(Instant::now() + LIMIT).await;
    until_count(&ended, 1).await;
    assert!(rules.job("j").lease().is_some(), "nothing was reported");
}

#[tokio::test]
async fn a_runner_that_leaves_off_by_itself_goes_on_later() {
    let runner = |context: JobContext| async move {
        match context.generation() {
            1 => End::Paused,
            last => End::Done(format!("in start {last}")),
        }
    };
    let rules = Rules::new(Runners::default().with("test", runner), QUICK).await;
    rules.start("j", "test").await;
    assert_eq!(rules.until_waiting("j").await.attempts, 0);
    rules.tick_after(1).await;
    rules.until_done("j", "in start 2").await;
}

/// Keeps every task that it is told, and which jobs are to be completed.
#[derive(Clone, Default)]
struct Told {
    tasks: Arc<Mutex<Vec<String>>>,
    completed: Arc<Mutex<Vec<JobId>>>,
}

impl super::Runner for Told {
    fn run(&self, mut context: JobContext) -> super::Running {
        let told = self.clone();
        Box::pin(async move {
            told.tell(context.job());
            loop {
                match context.news().await {
                    News::Changed(job) => {
                        assert_eq!(*job, context.latest());
                        told.tell(&job);
                    }
                    News::Ordered(order) => {
                        assert_eq!(order, context.order());
                        return follows_orders(context).await;
                    }
                }
            }
        })
    }

    fn complete(&self, job: &JobId) {
        self.completed.lock().unwrap().push(job.clone());
    }
}

impl Told {
    fn tell(&self, job: &Job) {
        self.tasks.lock().unwrap().push(job.spec.clone());
    }

    async fn until_told(&self, end: &str) {
        let deadline = Instant::now() + LIMIT;
        let is_told = || {
            let tasks = self.tasks.lock().unwrap();
            tasks.last().is_some_and(|task| task.ends_with(end))
        };
        while !is_told() {
            assert!(Instant::now() < deadline, "{end}");
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Ann publishes in the stage, which is recorded. Her connection has this id.
async fn publish(rules: &Rules, connection: &str) {
    let participant = ParticipantId::new("ann");
    let token = NewToken {
        participant: participant.clone(),
        expires_at: Time(i64::MAX),
    };
    let claims = Claims {
        participant: participant.clone(),
        stage: stage(),
        user_id: String::new(),
        attributes: Default::default(),
        capabilities: Capabilities {
            publish: true,
            subscribe: true,
        },
        issued_at: Time(0),
        expires_at: Time(i64::MAX),
        signer: Signer::Service,
    };
    let open = Command::OpenConnection {
        connection: ConnectionId::new(connection),
        kind: ConnectionKind::Publish,
        claims,
        resumes: None,
        protocol: Protocol::Whip,
        client: Client::default(),
    };
    let create = Command::CreateParticipantToken {
        stage: stage(),
        token,
    };
    let established = Command::ConnectionEstablished {
        connection: ConnectionId::new(connection),
        stage: stage().id,
        participant,
    };
    for command in [create, open, established] {
        rules.execute(command).await.unwrap();
    }
}

async fn record(rules: &Rules, reconnect_window_s: u32) {
    let row = StorageConfiguration {
        id: "W".into(),
        account: String::new(),
        region: "eu-west-1".to_owned(),
        name: String::new(),
        tags: Default::default(),
        bucket: "my-vods".to_owned(),
        created_at: Time(0),
    };
    let mut recording = NewStageRecording {
        storage: Some(Arn::of(&row)),
        ..NewStageRecording::default()
    };
    recording.settings.reconnect_window_s = reconnect_window_s;
    let create = Command::CreateResource { row: row.into() };
    rules.execute(create).await.unwrap();
    let update = Command::UpdateStage {
        stage: stage(),
        name: None,
        recording: Some(recording),
    };
    rules.execute(update).await.unwrap();
}

#[tokio::test]
async fn a_runner_is_told_what_changes_and_when_its_job_is_to_be_completed() {
    let told = Told::default();
    let rules = Rules::new(Runners::default().with(RECORDING_JOB, told.clone()), QUICK).await;
    record(&rules, 30).await;
    publish(&rules, "c1").await;
    let id = RecordingId::new("recording0000");
    let here = r#""publication":{"session":"st","participant":"ann"},"paused":"#;
    told.until_told(&format!("{here}false}}")).await;
    let region = "eu-west-1".to_owned();
    let pause = Command::PauseRecording {
        recording: id.clone(),
        region,
    };
    rules.execute(pause).await.unwrap();
    told.until_told(&format!("{here}true}}")).await;
    let closed = Command::ConnectionClosed {
        connection: ConnectionId::new("c1"),
        stage: stage().id,
        participant: ParticipantId::new("ann"),
    };
    rules.execute(closed).await.unwrap();
    told.until_told(r#""publication":null,"paused":true}"#)
        .await;
    assert!(told.completed.lock().unwrap().is_empty());
    rules.tick_after(30).await;
    rules.until_done("recording0000", "Stop in start 1").await;
    assert_eq!(*told.completed.lock().unwrap(), [id.job()]);
}

#[tokio::test]
async fn an_earlier_start_is_not_told_what_a_later_one_is_to_do() {
    let told = Told::default();
    let rules = Rules::new(Runners::default().with("test", told.clone()), QUICK).await;
    rules.start("j", "test").await;
    told.until_told("{}").await;
    let mut job = rules.job("j");
    job.spec = r#"{"to":"the next"}"#.to_owned();
    job.generation += 1;
    rules.jobs.tell(job.clone());
    job.generation -= 1;
    job.spec = r#"{"to":"this one"}"#.to_owned();
    rules.jobs.tell(job);
    told.until_told(r#"{"to":"this one"}"#).await;
    assert_eq!(*told.tasks.lock().unwrap(), ["{}", r#"{"to":"this one"}"#]);
    rules.stop("j").await;
    rules.until_done("j", "Stop in start 1").await;
}
