//! What a start is told of changes of its job.

use restage_core::command::{Claims, NewStageRecording, NewToken};
use restage_core::id::{ConnectionId, ParticipantId};
use restage_core::row::{Capabilities, Client, ConnectionKind, Protocol, StorageConfiguration};
use restage_core::{Arn, Signer};

use super::super::News;
use super::*;

/// Keeps every task that it is told, and which jobs are to be completed.
#[derive(Clone, Default)]
struct Told {
    tasks: Arc<Mutex<Vec<String>>>,
    completed: Arc<Mutex<Vec<JobId>>>,
}

impl Runner for Told {
    fn run(&self, mut context: JobContext) -> Running {
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
        connection_token: None,
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
