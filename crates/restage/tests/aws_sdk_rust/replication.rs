//! A real publisher, replicated into several stages, as the SDK shows it.

use std::time::SystemTime;

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::types::{
    EventName, ParticipantProtocol, ParticipantReplica, ParticipantState, ReplicationState,
    ReplicationType,
};
use restage_client::testcard::{TestCard, TestCardConfig};
use restage_client::{ParticipantToken, PublishConfig, Publisher};
use tokio::task::JoinHandle;

use crate::server::{Server, eventually};
use crate::{REGION, UNKNOWN_STAGE, new_stage};

const DESTINATIONS: usize = 7;

/// A source that publishes, replicated into [`DESTINATIONS`] stages.
struct Story {
    client: Client,
    source: String,
    session: String,
    participant: String,
    destinations: Vec<String>,
    card: JoinHandle<()>,
}

impl Story {
    async fn begin(client: Client) -> Self {
        let source = new_stage(&client, "source").await;
        let token = client.create_participant_token().stage_arn(&source);
        let token = token.user_id("ann").attributes("role", "host").send().await;
        let token = token.unwrap().participant_token.unwrap();
        let participant = token.participant_id().unwrap().to_owned();
        let card = publish(token.token().unwrap()).await;
        let session = eventually("ann publishes", || {
            published(&client, &source, &participant)
        })
        .await;
        let mut story = Self {
            client,
            source,
            session,
            participant,
            destinations: Vec::new(),
            card,
        };
        for index in 0..DESTINATIONS {
            let destination = new_stage(&story.client, "destination").await;
            story.start(&destination, &format!("guest-{index}")).await;
            story.destinations.push(destination);
        }
        story
    }

    async fn start(&self, destination: &str, role: &str) {
        let start = self.client.start_participant_replication();
        let started = start
            .source_stage_arn(&self.source)
            .destination_stage_arn(destination)
            .participant_id(&self.participant)
            .reconnect_window_seconds(60)
            .attributes("role", role)
            .send()
            .await
            .unwrap();
        assert_eq!(started.x_content_type_options(), Some("nosniff"));
    }

    async fn stop(&self, destination: &str) {
        let stop = self.client.stop_participant_replication();
        stop.source_stage_arn(&self.source)
            .destination_stage_arn(destination)
            .participant_id(&self.participant)
            .send()
            .await
            .unwrap();
    }

    /// All replicas, through the paginator of their list.
    async fn replicas(&self, page_size: i32) -> Vec<ParticipantReplica> {
        let list = self.client.list_participant_replicas();
        list.source_stage_arn(&self.source)
            .participant_id(&self.participant)
            .into_paginator()
            .page_size(page_size)
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .unwrap()
    }
}

/// Publishes a test card until the task is ended.
async fn publish(token: &str) -> JoinHandle<()> {
    let token = ParticipantToken::decode(token).unwrap();
    let publisher = Publisher::join(&token, PublishConfig::default()).await;
    let mut publisher = publisher.unwrap();
    let card = TestCard::new(TestCardConfig::default(), SystemTime::now()).unwrap();
    tokio::spawn(async move {
        // The test makes the server end the connection, which is an error for the publisher.
        let _ = card.play(&mut publisher).await;
    })
}

/// The active session, once the participant has published in it.
async fn published(client: &Client, stage: &str, participant: &str) -> Option<String> {
    let got = client.get_stage().arn(stage).send().await.unwrap();
    let session = got.stage().unwrap().active_session_id()?.to_owned();
    let asked = client.get_participant().stage_arn(stage);
    let asked = asked.session_id(&session).participant_id(participant);
    let got = asked.send().await.ok()?;
    got.participant().unwrap().published().then_some(session)
}

fn destinations(replicas: &[ParticipantReplica]) -> Vec<&str> {
    let arn = ParticipantReplica::destination_stage_arn;
    replicas.iter().map(arn).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_a_real_publisher_are_listed_through_the_paginators() {
    let server = Server::start("replicas").await;
    let story = Story::begin(server.client(REGION)).await;
    session_and_source(&story).await;
    replica_in_its_destination(&story).await;
    replicas_in_pages(&story).await;
    replicas_while_they_change(&story).await;
    refusals(&story).await;
    history(&story).await;
    endings(&story).await;
    story.card.abort();
    server.stop().await;
}

async fn session_and_source(story: &Story) {
    let client = &story.client;
    let sessions = client.list_stage_sessions().stage_arn(&story.source);
    let mut pages = sessions.into_paginator().page_size(1).send();
    let page = pages.next().await.unwrap().unwrap();
    let [session] = page.stage_sessions() else {
        panic!("one session is due: {page:?}");
    };
    assert_eq!(session.session_id(), Some(story.session.as_str()));
    assert!(session.start_time().is_some() && session.end_time().is_none());
    assert!(pages.next().await.is_none());
    let got = client.get_stage_session().stage_arn(&story.source);
    let got = got.session_id(&story.session).send().await.unwrap();
    let got = got.stage_session().unwrap();
    assert_eq!(got.session_id(), session.session_id());
    assert_eq!(got.start_time(), session.start_time());
    assert!(got.end_time().is_none());

    let got = client.get_participant().stage_arn(&story.source);
    let got = got.session_id(&story.session);
    let got = got.participant_id(&story.participant).send().await;
    let source = got.unwrap().participant.unwrap();
    assert_eq!(source.state(), Some(&ParticipantState::Connected));
    assert_eq!(source.protocol(), Some(&ParticipantProtocol::Whip));
    assert_eq!(source.replication_type(), Some(&ReplicationType::Source));
    assert_eq!(source.attributes().unwrap()["role"], "host");
}

async fn replica_in_its_destination(story: &Story) {
    let client = &story.client;
    let got = client.get_stage().arn(&story.destinations[3]).send().await;
    let stage = got.unwrap().stage.unwrap();
    let listed = client.list_participants().stage_arn(stage.arn());
    let listed = listed.session_id(stage.active_session_id().unwrap());
    let mut pages = listed.into_paginator().page_size(1).send();
    let page = pages.next().await.unwrap().unwrap();
    let [replica] = page.participants() else {
        panic!("one participant is due: {page:?}");
    };
    assert_eq!(replica.participant_id(), Some(story.participant.as_str()));
    assert_eq!(replica.replication_type(), Some(&ReplicationType::Replica));
    assert_eq!(replica.source_stage_arn(), Some(story.source.as_str()));
    assert_eq!(replica.source_session_id(), Some(story.session.as_str()));
}

async fn replicas_in_pages(story: &Story) {
    let whole = story.replicas(50).await;
    assert_eq!(destinations(&whole), story.destinations);
    for replica in &whole {
        assert_eq!(replica.participant_id(), story.participant);
        assert_eq!(replica.source_stage_arn(), story.source);
        assert_eq!(replica.source_session_id(), story.session);
        assert!(replica.destination_session_id().starts_with("st-"));
        assert_eq!(replica.replication_state(), &ReplicationState::Active);
    }
    for size in [1, 2, 3, 7] {
        assert_eq!(story.replicas(size).await, whole, "pages of {size}");
    }
}

/// A pagination that has begun returns a row that is added meanwhile, and each of the others once.
async fn replicas_while_they_change(story: &Story) {
    let list = story.client.list_participant_replicas();
    let mut items = list
        .source_stage_arn(&story.source)
        .participant_id(&story.participant)
        .into_paginator()
        .page_size(2)
        .items()
        .send();
    let mut walked = vec![items.next().await.unwrap().unwrap()];
    let late = new_stage(&story.client, "late").await;
    story.start(&late, "late").await;
    while let Some(replica) = items.next().await {
        walked.push(replica.unwrap());
    }
    let mut expected: Vec<_> = story.destinations.iter().map(String::as_str).collect();
    expected.push(&late);
    assert_eq!(destinations(&walked), expected);
    story.stop(&late).await;
    let last = story.replicas(3).await.pop().unwrap();
    assert_eq!(last.destination_stage_arn(), late);
    assert_eq!(last.replication_state(), &ReplicationState::Stopped);
}

async fn refusals(story: &Story) {
    let start = |destination: &str| {
        let start = story.client.start_participant_replication();
        let start = start.source_stage_arn(&story.source);
        let start = start.destination_stage_arn(destination);
        start.participant_id(&story.participant).send()
    };
    let twice = start(&story.destinations[0]).await.unwrap_err();
    assert!(twice.into_service_error().is_conflict_exception());
    let itself = start(&story.source).await.unwrap_err();
    assert!(itself.into_service_error().is_validation_exception());

    let idle = new_stage(&story.client, "idle").await;
    let stop = story.client.stop_participant_replication();
    let stop = stop.source_stage_arn(&story.source);
    let stop = stop.destination_stage_arn(idle);
    let stop = stop.participant_id(&story.participant).send().await;
    let error = stop.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception());

    let list = story.client.list_participant_replicas();
    let list = list.source_stage_arn(UNKNOWN_STAGE).participant_id("x");
    let mut items = list.into_paginator().items().send();
    let error = items.next().await.unwrap().unwrap_err();
    assert!(error.into_service_error().is_validation_exception());
    assert!(items.next().await.is_none(), "an error is the end");
}

async fn history(story: &Story) {
    let list = story.client.list_participant_events();
    let list = list.stage_arn(&story.source).session_id(&story.session);
    let list = list.participant_id(&story.participant);
    let mut pages = list.into_paginator().page_size(2).send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        events.extend(page.unwrap().events);
    }
    assert_eq!(events[0].name(), Some(&EventName::Joined));
    let started: Vec<_> = events
        .iter()
        .filter(|event| event.name() == Some(&EventName::ReplicationStarted))
        .filter_map(|event| event.destination_stage_arn())
        .collect();
    assert_eq!(started[..DESTINATIONS], story.destinations);
    let last = events.last().unwrap();
    assert_eq!(last.name(), Some(&EventName::ReplicationStopped));
    assert!(events.iter().all(|event| event.event_time().is_some()));
}

async fn endings(story: &Story) {
    let delete = story.client.delete_stage().arn(&story.destinations[0]);
    delete.send().await.unwrap();
    let replicas = story.replicas(3).await;
    assert_eq!(replicas[0].replication_state(), &ReplicationState::Stopped);
    assert_eq!(replicas[1].replication_state(), &ReplicationState::Active);

    let disconnect = story.client.disconnect_participant();
    let disconnect = disconnect.stage_arn(&story.source).reason("the end");
    let disconnect = disconnect.participant_id(&story.participant);
    disconnect.send().await.unwrap();
    eventually("every replica is STOPPED", || async {
        let replicas = story.replicas(3).await;
        let mut states = replicas.iter().map(ParticipantReplica::replication_state);
        states
            .all(|state| state == &ReplicationState::Stopped)
            .then_some(())
    })
    .await;
}
