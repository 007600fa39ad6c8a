//! Starts of jobs: how they end, and what ends them.

use std::sync::atomic::{AtomicUsize, Ordering};

use restage_core::limits::{JOB_LEASE_S, JOB_RETRY_MAX_S};

use super::*;

/// Neither a stop nor a pause waits.
const IMPATIENT: Times = Times {
    stop_max: Duration::ZERO,
    pause_max: Duration::ZERO,
    ..QUICK
};

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
    impl Runner for Broken {
        fn run(&self, _: JobContext) -> Running {
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
