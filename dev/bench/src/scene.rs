//! Sets up a topology through the API, WHIP and WHEP.

use std::time::{Duration, Instant};

use anyhow::bail;
use restage_client::{EventStream, ParticipantToken, StageEvent, StageParticipant};
use restage_load::{Fleet, Join, Rate, Refused, Srtp, unix_ns};
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::caller::{Caller, text};
use crate::server::Server;
use crate::topology::Topology;

/// How long the server may take to see a publisher.
const PUBLISHING_MAX: Duration = Duration::from_secs(10);
/// Interval of the checks.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// The bucket of recordings: a folder in the data directory, which the server makes.
const BUCKET: &str = "recordings-of-bench";

/// How long the server may have no processor time for one more client: on a busy machine it refuses some.
const ADMISSION_MAX: Duration = Duration::from_secs(30);
/// Interval of the attempts.
const ADMISSION_EVERY: Duration = Duration::from_millis(200);

/// Joins; again, if the server has no processor time at the moment.
#[allow(clippy::disallowed_methods)]
fn admitted<T>(mut join: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + ADMISSION_MAX;
    loop {
        match join() {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                std::thread::sleep(ADMISSION_EVERY);
            }
            joined => return joined,
        }
    }
}

fn is_busy(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.status == "503")
}

/// A topology in which all clients have joined.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) joins: Vec<Join>,
    /// Of replications: when each was asked for, in nanoseconds since 1970, and the place in `joins` of the subscriber
    /// that was waiting for it.
    pub(crate) replications: Vec<(u64, usize)>,
}

pub(crate) struct Ticket {
    pub(crate) token: String,
    participant: String,
}

pub(crate) struct Director<'a> {
    server: &'a Server,
    api: Caller,
    rate: Rate,
    fleet: Fleet,
    /// The storage configuration that stages name, if their publishers are recorded.
    storage: Option<String>,
}

impl<'a> Director<'a> {
    pub(crate) fn new(server: &'a Server, rate: Rate, srtp: Srtp) -> anyhow::Result<Self> {
        Ok(Self {
            server,
            api: Caller::of(server)?,
            rate,
            fleet: Fleet::start(srtp)?,
            storage: None,
        })
    }

    /// Clients offer no transport-wide feedback.
    pub(crate) fn without_feedback(&mut self) {
        self.fleet.without_feedback();
    }

    /// Clients send transport-wide feedback at this interval.
    pub(crate) fn feedback_every(&mut self, interval: Duration) {
        self.fleet.feedback_every(interval);
    }

    /// Has everybody recorded who publishes in stages that are made from here on.
    pub(crate) fn record(&mut self) -> anyhow::Result<()> {
        let body = json!({"s3": {"bucketName": BUCKET}});
        let made = self.call("CreateStorageConfiguration", &body)?;
        self.storage = Some(text(&made["storageConfiguration"]["arn"])?);
        Ok(())
    }

    pub(crate) async fn set_up(mut self, topology: Topology) -> anyhow::Result<Scene> {
        let mut joins = Vec::new();
        let mut replications = Vec::new();
        match topology {
            Topology::Stages {
                stages,
                publishers,
                subscribers,
            } => {
                for _ in 0..stages {
                    let stage = self.stage()?;
                    let mut sources = Vec::new();
                    for _ in 0..publishers {
                        sources.push(self.publish(&stage)?);
                    }
                    for number in 0..subscribers {
                        let (publisher, source) = &sources[number % sources.len()];
                        joins.push(self.subscribe(&stage, publisher, *source)?);
                    }
                }
            }
            Topology::Replicated {
                stages,
                subscribers,
            } => {
                let home = self.stage()?;
                let (publisher, source) = self.publish(&home)?;
                for _ in 0..stages {
                    let stage = self.stage()?;
                    replications.push((
                        self.replicate_to_a_waiting_subscriber(&home, &stage, &publisher)
                            .await?,
                        joins.len(),
                    ));
                    for _ in 0..subscribers {
                        joins.push(self.subscribe(&stage, &publisher, source)?);
                    }
                }
            }
        }
        Ok(Scene {
            fleet: self.fleet,
            joins,
            replications,
        })
    }

    /// The clients that have joined so far.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// A token to watch with on this stage.
    pub(crate) fn ticket_to_watch(&self, stage: &str) -> anyhow::Result<Ticket> {
        self.ticket(stage, "SUBSCRIBE")
    }

    /// One more subscriber, connected.
    pub(crate) fn watch(
        &mut self,
        publisher: &str,
        source: u32,
        ticket: &Ticket,
    ) -> anyhow::Result<Join> {
        let url = format!("{}/whep/{publisher}", self.server.url());
        block_in_place(|| self.fleet.subscribe(&url, &ticket.token, source))
    }

    pub(crate) fn stage(&self) -> anyhow::Result<String> {
        let body = match &self.storage {
            Some(arn) => {
                json!({"autoParticipantRecordingConfiguration": {"storageConfigurationArn": arn}})
            }
            None => json!({}),
        };
        let created = self.call("CreateStage", &body)?;
        text(&created["stage"]["arn"])
    }

    fn ticket(&self, stage: &str, capability: &str) -> anyhow::Result<Ticket> {
        let body = json!({"stageArn": stage, "capabilities": [capability]});
        let issued = self.call("CreateParticipantToken", &body)?;
        let token = &issued["participantToken"];
        Ok(Ticket {
            token: text(&token["token"])?,
            participant: text(&token["participantId"])?,
        })
    }

    /// Calls the API and waits.
    fn call(&self, operation: &str, body: &Value) -> anyhow::Result<Value> {
        block_in_place(|| self.api.call(operation, body))
    }

    pub(crate) fn publish(&mut self, stage: &str) -> anyhow::Result<(String, u32)> {
        let ticket = self.ticket(stage, "PUBLISH")?;
        let url = format!("{}/whip", self.server.url());
        let (fleet, rate) = (&mut self.fleet, self.rate);
        let join = || fleet.publish(&url, &ticket.token, rate);
        let (source, _) = block_in_place(|| admitted(join))?;
        Ok((ticket.participant, source))
    }

    fn subscribe(&mut self, stage: &str, publisher: &str, source: u32) -> anyhow::Result<Join> {
        let ticket = self.ticket_to_watch(stage)?;
        admitted(|| self.watch(publisher, source, &ticket))
    }

    /// Replicates, and waits until the events socket of the destination shows the replica. Returns the time of the
    /// call.
    async fn replicate_to_a_waiting_subscriber(
        &self,
        from: &str,
        to: &str,
        participant: &str,
    ) -> anyhow::Result<u64> {
        let ticket = self.ticket_to_watch(to)?;
        let token = ParticipantToken::decode(&ticket.token)?;
        let mut events = EventStream::join(&token).await?;
        let appears = async {
            while let Some(event) = events.next().await? {
                let StageEvent::State(state) = event else {
                    continue;
                };
                let is_replica =
                    |other: &StageParticipant| other.id == participant && other.is_publishing;
                if state.participants.iter().any(is_replica) {
                    return Ok(());
                }
            }
            bail!("the events socket was closed")
        };
        let (asked_ns, ()) = tokio::try_join!(self.replicate(from, to, participant), appears)?;
        Ok(asked_ns)
    }

    /// Returns the time of the call that succeeded. The server notices a publisher a moment after its media is up.
    async fn replicate(&self, from: &str, to: &str, participant: &str) -> anyhow::Result<u64> {
        let body = json!({
            "sourceStageArn": from,
            "destinationStageArn": to,
            "participantId": participant,
        });
        let mut connection = block_in_place(|| self.api.connect())?;
        let mut ask = tokio::time::interval(ASK_EVERY);
        let deadline = tokio::time::Instant::now() + PUBLISHING_MAX;
        loop {
            let asked_at = ask.tick().await;
            let request = self.api.request("StartParticipantReplication", &body)?;
            let asked_ns = unix_ns();
            let answer = block_in_place(|| connection.exchange(&request))?;
            match answer.status {
                200 => return Ok(asked_ns),
                // The server has not noticed the publisher yet.
                404 | 409 if asked_at < deadline => {}
                status => {
                    let body = String::from_utf8_lossy(answer.body);
                    bail!("the publisher cannot be replicated: {status}: {body}");
                }
            }
        }
    }
}
