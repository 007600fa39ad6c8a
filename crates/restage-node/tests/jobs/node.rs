//! A node without HTTP, on a database of the test.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use restage_core::command::NewJob;
use restage_core::id::{JobId, StageId};
use restage_core::row::{Job, JobState};
use restage_core::{Command, Limits, StageArn};
use restage_media::H264ProfileMatch;
use restage_node::control::{Control, Rules, effect_queue};
use restage_node::jobs::Runners;
use restage_node::media::{Media, MediaPlaces, MediaSettings};
use restage_node::supervise::Parts;
use restage_node::token::{Endpoints, Tokens};
use restage_store::{Store, StoreConfig};
use tokio::time::Instant;

const ACCOUNT: &str = "000000000000";
/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn arn(stage: &str) -> StageArn {
    StageArn {
        region: "eu-west-1".to_owned(),
        account: ACCOUNT.to_owned(),
        id: StageId::new(stage),
    }
}

pub(crate) struct Node {
    control: Control,
    parts: Parts,
}

impl Node {
    pub(crate) async fn start(database: &str, runners: Runners) -> Self {
        let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let profiles = H264ProfileMatch::default();
        let (media, events) = Media::start(MediaSettings::new(places)).unwrap();
        let config = StoreConfig::from_address(database).unwrap();
        let (room, sink, effects) = effect_queue();
        let store = Store::open(&config, sink).await.unwrap();
        let tokens = Tokens::new(&[7; 32], Endpoints::of("http://127.0.0.1"));
        let rules = Rules {
            limits: Limits::OPEN,
            session_idle_s: 60,
            profiles,
        };
        let control = Control::new((store, room), media, tokens, rules, runners);
        let mut parts = Parts::default();
        control.run(effects, events, &mut parts).await.unwrap();
        Self { control, parts }
    }

    /// Stops the node as a server does.
    pub(crate) async fn stop(mut self) {
        self.control.stop(Instant::now() + LIMIT).await;
        self.parts.shutdown().await;
        self.control.store().clone().close().await;
    }

    pub(crate) async fn execute(&self, command: Command) {
        self.control.execute(ACCOUNT, command).await.unwrap();
    }

    pub(crate) async fn create_stage(&self, stage: &str) {
        self.execute(Command::CreateStage {
            stage: arn(stage),
            name: String::new(),
            tags: Default::default(),
            recording: Default::default(),
            tokens: Vec::new(),
        })
        .await;
    }

    /// A job of the kind `test`.
    pub(crate) async fn start_job(&self, stage: &str, job: &str) {
        let job = NewJob {
            id: JobId::new(job),
            kind: "test".to_owned(),
            stage: StageId::new(stage),
            session: None,
            participant: None,
            spec: "{}".to_owned(),
        };
        self.execute(Command::StartJob { job }).await;
    }

    pub(crate) async fn job(&self, id: &str) -> Option<Job> {
        let id = JobId::new(id);
        self.control.store().get_job(&id).await.unwrap()
    }

    pub(crate) async fn until_state(&self, id: &str, what: &str, is: impl Fn(&JobState) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let job = self.job(id).await.expect("the job is there");
            if is(&job.state) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {job:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn until_running(&self, jobs: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.control.jobs().running() != jobs {
            let running = self.control.jobs().running();
            assert!(Instant::now() < deadline, "{running} of {jobs} jobs run");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
