//! Setting a topology up through the API, WHIP and WHEP.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_ivsrealtime::operation::start_participant_replication::StartParticipantReplicationError;
use aws_sdk_ivsrealtime::types::ParticipantTokenCapability;
use restage_client::{EventStream, ParticipantToken, StageEvent, StageParticipant};
use restage_sim::{Fleet, Join, Rate, Srtp, unix_ns};

use super::server::Server;
use super::topology::Topology;
use crate::api::Api;
use crate::target::Target;

/// How long the server may take to see a publisher.
const PUBLISHING_MAX: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Everybody has joined.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) joins: Vec<Join>,
    /// Of replications: when each was asked for, in nanoseconds since 1970, and the place in `joins` of the subscriber
    /// that was waiting for it.
    pub(crate) replications: Vec<(u64, usize)>,
}

pub(super) struct Ticket {
    pub(super) token: String,
    participant: String,
}

pub(crate) struct Director<'a> {
    server: &'a Server,
    api: Api,
    rate: Rate,
    fleet: Fleet,
}

impl<'a> Director<'a> {
    pub(crate) fn new(server: &'a Server, rate: Rate, srtp: Srtp) -> anyhow::Result<Self> {
        let target = Target {
            data_dir: Some(server.data_dir().to_owned()),
            endpoint_url: Some(server.url.clone()),
            ..Target::default()
        };
        Ok(Self {
            server,
            api: Api::new(&target)?,
            rate,
            fleet: Fleet::start(srtp)?,
        })
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
                    let stage = self.stage().await?;
                    let mut sources = Vec::new();
                    for _ in 0..publishers {
                        sources.push(self.publish(&stage).await?);
                    }
                    for number in 0..subscribers {
                        let (publisher, source) = &sources[number % sources.len()];
                        joins.push(self.subscribe(&stage, publisher, *source).await?);
                    }
                }
            }
            Topology::Replicated {
                stages,
                subscribers,
            } => {
                let home = self.stage().await?;
                let (publisher, source) = self.publish(&home).await?;
                for _ in 0..stages {
                    let stage = self.stage().await?;
                    replications.push((
                        self.replicate_to_a_waiting_subscriber(&home, &stage, &publisher)
                            .await?,
                        joins.len(),
                    ));
                    for _ in 0..subscribers {
                        joins.push(self.subscribe(&stage, &publisher, source).await?);
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

    /// Who has joined so far.
    pub(super) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// A token to watch with on this stage.
    pub(super) async fn ticket_to_watch(&self, stage: &str) -> anyhow::Result<Ticket> {
        self.ticket(stage, ParticipantTokenCapability::Subscribe)
            .await
    }

    /// One more subscriber, connected.
    pub(super) fn watch(
        &mut self,
        publisher: &str,
        source: u32,
        ticket: &Ticket,
    ) -> anyhow::Result<Join> {
        let url = format!("{}/whep/{publisher}", self.server.url);
        tokio::task::block_in_place(|| self.fleet.subscribe(&url, &ticket.token, source))
    }

    pub(super) async fn stage(&self) -> anyhow::Result<String> {
        let created = self
            .api
            .client
            .create_stage()
            .send()
            .await
            .map_err(|error| self.api.explain(error))?;
        Ok(created
            .stage()
            .context("the server answered without a stage")?
            .arn()
            .to_owned())
    }

    async fn ticket(&self, stage: &str, may: ParticipantTokenCapability) -> anyhow::Result<Ticket> {
        let issued = self
            .api
            .client
            .create_participant_token()
            .stage_arn(stage)
            .capabilities(may)
            .send()
            .await
            .map_err(|error| self.api.explain(error))?;
        let token = issued
            .participant_token()
            .context("the server answered without a token")?;
        Ok(Ticket {
            token: token.token().unwrap_or_default().to_owned(),
            participant: token.participant_id().unwrap_or_default().to_owned(),
        })
    }

    pub(super) async fn publish(&mut self, stage: &str) -> anyhow::Result<(String, u32)> {
        let ticket = self
            .ticket(stage, ParticipantTokenCapability::Publish)
            .await?;
        let url = format!("{}/whip", self.server.url);
        let (source, _) =
            tokio::task::block_in_place(|| self.fleet.publish(&url, &ticket.token, self.rate))?;
        Ok((ticket.participant, source))
    }

    async fn subscribe(
        &mut self,
        stage: &str,
        publisher: &str,
        source: u32,
    ) -> anyhow::Result<Join> {
        let ticket = self.ticket_to_watch(stage).await?;
        self.watch(publisher, source, &ticket)
    }

    /// Somebody on the events socket of the destination sees the replica appear; returns when it was asked for.
    async fn replicate_to_a_waiting_subscriber(
        &self,
        from: &str,
        to: &str,
        participant: &str,
    ) -> anyhow::Result<u64> {
        let ticket = self
            .ticket(to, ParticipantTokenCapability::Subscribe)
            .await?;
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

    /// Returns when it was asked for with success. The server sees a publisher a moment after its media is up.
    async fn replicate(&self, from: &str, to: &str, participant: &str) -> anyhow::Result<u64> {
        let mut ask = tokio::time::interval(ASK_EVERY);
        let attempts = async {
            loop {
                ask.tick().await;
                let asked_ns = unix_ns();
                let started = self
                    .api
                    .client
                    .start_participant_replication()
                    .source_stage_arn(from)
                    .destination_stage_arn(to)
                    .participant_id(participant)
                    .send()
                    .await;
                let waits = |error: &StartParticipantReplicationError| {
                    error.is_conflict_exception() || error.is_resource_not_found_exception()
                };
                match started {
                    Ok(_) => return Ok(asked_ns),
                    Err(error) if error.as_service_error().is_some_and(waits) => {}
                    Err(error) => return Err(self.api.explain(error)),
                }
            }
        };
        tokio::time::timeout(PUBLISHING_MAX, attempts)
            .await
            .context("the publisher was never seen")?
    }
}
