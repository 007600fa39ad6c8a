//! A process that runs a job is killed. The next process runs the job again, once, with a new generation.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use restage_core::row::JobState;
use restage_node::jobs::{End, JobContext, Order, Runners};

use crate::database::Database;
use crate::node::Node;

/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(60);
/// The name of the test below that is the process to be killed.
const PROCESS: &str = "crash::the_process_that_is_killed";
/// The environment variables with the address of the database and the path of the diary.
const DATABASE: &str = "RESTAGE_TEST_JOB_DATABASE";
const DIARY: &str = "RESTAGE_TEST_JOB_DIARY";

/// Writes each of its starts into a file, flushed to disk before it continues, and works until it is told to stop.
fn diarist(diary: PathBuf) -> Runners {
    let runner = move |mut context: JobContext| {
        let diary = diary.clone();
        async move {
            let line = format!("{} {}\n", context.job().id, context.generation());
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(diary)
                .unwrap();
            file.write_all(line.as_bytes()).unwrap();
            file.sync_all().unwrap();
            match context.ordered().await {
                Order::Pause => End::Paused,
                _ => End::Done(format!("stopped in start {}", context.generation())),
            }
        }
    };
    Runners::default().with("test", runner)
}

fn lines(diary: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(diary).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A process that is killed at the end of the test.
struct Process(Child);

impl Process {
    fn start(database: &str, diary: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", PROCESS, "--ignored", "--nocapture"])
            .env(DATABASE, database)
            .env(DIARY, diary)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Sends SIGKILL. The process is gone when this returns.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a state with a deadline: `count` lines in the diary, while the process runs.
#[allow(clippy::disallowed_methods)]
fn until_lines(diary: &Path, count: usize, process: &mut Process) -> Vec<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let found = lines(diary);
        if found.len() >= count {
            return found;
        }
        let ended = process.0.try_wait().unwrap();
        assert!(
            ended.is_none() && Instant::now() < deadline,
            "{found:?}, and the process: {ended:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_process_that_is_killed_goes_on_once_in_the_next() {
    let database = Database::fresh().await;
    let diary = database.path().join("diary");
    let mut first = Process::start(database.address(), &diary);
    assert_eq!(until_lines(&diary, 1, &mut first), ["j 1"]);
    first.kill();
    // The second process finds the job of the first, and is killed in the middle of it as well.
    let mut second = Process::start(database.address(), &diary);
    assert_eq!(until_lines(&diary, 2, &mut second), ["j 1", "j 2"]);
    second.kill();

    let node = Node::start(database.address(), diarist(diary.clone())).await;
    node.until_running(1).await;
    let job = node.job("j").await.unwrap();
    assert_eq!((job.generation, job.attempts), (3, 2), "{job:?}");
    let stop = restage_core::Command::StopJob { job: job.id };
    node.execute(stop).await;
    node.until_state(
        "j",
        "it is done",
        |state| matches!(state, JobState::Done { result } if result == "stopped in start 3"),
    )
    .await;
    node.stop().await;
    assert_eq!(lines(&diary), ["j 1", "j 2", "j 3"], "each start was one");
}

/// Not a test: the program that the test above starts and kills. It creates the job unless there is one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by a_job_of_a_process_that_is_killed_goes_on_once_in_the_next"]
async fn the_process_that_is_killed() {
    let (Ok(database), Ok(diary)) = (std::env::var(DATABASE), std::env::var(DIARY)) else {
        return;
    };
    let node = Node::start(&database, diarist(diary.into())).await;
    if node.job("j").await.is_none() {
        node.create_stage("A").await;
        node.start_job("A", "j").await;
    }
    std::future::pending::<()>().await;
}
