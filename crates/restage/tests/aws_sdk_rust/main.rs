//! The AWS SDK for Rust, unmodified, against the real binary: stages, tokens, replicas, the
//! paginators, and the classes of errors.

mod ingests;
mod keys;
mod replication;
mod server;

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_ivsrealtime::operation::RequestId as _;
use aws_sdk_ivsrealtime::types::{ParticipantTokenCapability, ParticipantTokenConfiguration};
use restage_client::ParticipantToken;

use server::Server;

const REGION: &str = "eu-west-1";
const ACCOUNT: &str = "000000000000";
const UNKNOWN_STAGE: &str = "arn:aws:ivs:eu-west-1:000000000000:stage/AAAAbbbb1234";

async fn new_stage(client: &Client, name: &str) -> String {
    let made = client.create_stage().name(name).send().await.unwrap();
    made.stage().unwrap().arn().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_with_tokens_comes_back_as_typed_as_the_sdk_has_it() {
    let server = Server::start("stage").await;
    let client = server.client(REGION);
    let wishes = ParticipantTokenConfiguration::builder()
        .duration(30)
        .user_id("ann é😀")
        .attributes("role", "host")
        .capabilities(ParticipantTokenCapability::Publish);
    let asked_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let made = client
        .create_stage()
        .name("lobby")
        .tags("team", "rust")
        .participant_token_configurations(wishes.build())
        .participant_token_configurations(ParticipantTokenConfiguration::builder().build())
        .send()
        .await
        .unwrap();
    assert!(made.request_id().is_some());
    let stage = made.stage().unwrap();
    assert_eq!(stage.name(), Some("lobby"));
    assert_eq!(stage.active_session_id(), None);
    let tags = HashMap::from([("team".to_owned(), "rust".to_owned())]);
    assert_eq!(stage.tags(), Some(&tags));
    let recording = stage.auto_participant_recording_configuration().unwrap();
    assert_eq!(recording.storage_configuration_arn(), "");
    assert_eq!(recording.recording_reconnect_window_seconds(), 0);
    let whip = stage.endpoints().unwrap().whip();
    assert_eq!(whip, Some(format!("{}/whip", server.url()).as_str()));

    let [ann, plain] = made.participant_tokens() else {
        panic!("two tokens were asked for: {made:?}");
    };
    assert_eq!(ann.user_id(), Some("ann é😀"));
    assert_eq!(ann.duration(), Some(30));
    assert_eq!(ann.attributes().unwrap()["role"], "host");
    assert_eq!(ann.capabilities(), [ParticipantTokenCapability::Publish]);
    let expires_at = u64::try_from(ann.expiration_time().unwrap().secs()).unwrap();
    let lives_s = expires_at - asked_at.as_secs();
    assert!((30 * 60..=30 * 60 + 5).contains(&lives_s), "{lives_s} s");
    let claims = ParticipantToken::decode(ann.token().unwrap()).unwrap();
    assert_eq!(claims.participant_id(), ann.participant_id());
    assert_ne!(plain.participant_id(), ann.participant_id());

    let got = client.get_stage().arn(stage.arn()).send().await.unwrap();
    assert_eq!(got.stage(), Some(stage));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_renamed_and_deleted() {
    let server = Server::start("rename").await;
    let client = server.client(REGION);
    let arn = new_stage(&client, "before").await;
    let renamed = client.update_stage().arn(&arn).name("after").send().await;
    assert_eq!(renamed.unwrap().stage().unwrap().name(), Some("after"));
    client.delete_stage().arn(&arn).send().await.unwrap();
    let gone = client.get_stage().arn(&arn).send().await.unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());
    let left = client.list_stages().send().await.unwrap();
    assert!(left.stages().is_empty() && left.next_token().is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stage_paginator_walks_pages_of_any_size_and_goes_on_from_a_token() {
    let server = Server::start("stages").await;
    let client = server.client(REGION);
    let mut made = Vec::new();
    for index in 0..7 {
        made.push(new_stage(&client, &format!("stage-{index}")).await);
    }
    for size in [1, 2, 3, 7, 100] {
        let mut pages = client.list_stages().into_paginator().page_size(size).send();
        let mut walked = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            assert!(page.stages().len() <= usize::try_from(size).unwrap());
            walked.extend(page.stages().iter().map(|stage| stage.arn().to_owned()));
        }
        assert_eq!(walked, made, "pages of {size}");
    }
    let first = client.list_stages().max_results(4).send().await.unwrap();
    let token = first.next_token().unwrap();
    let rest = client.list_stages().next_token(token).send().await.unwrap();
    assert_eq!(rest.next_token(), None);
    let rest: Vec<_> = rest.stages().iter().map(|stage| stage.arn()).collect();
    assert_eq!(rest, made[4..]);

    let elsewhere = server.client("ap-south-1");
    let none = elsewhere.list_stages().send().await.unwrap();
    assert!(none.stages().is_empty(), "regions have stages of their own");
    let moved = elsewhere.list_stages().next_token(token).send().await;
    let error = moved.unwrap_err().into_service_error();
    assert!(error.is_validation_exception(), "{error:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modelled_errors_have_their_class_their_status_and_the_sentence() {
    let server = Server::start("errors").await;
    let client = server.client(REGION);

    let error = client.get_stage().arn(UNKNOWN_STAGE).send().await;
    let error = error.unwrap_err();
    assert!(error.request_id().is_some());
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 404);
    let error = error.into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    // What the generic part of the SDK shows to people.
    assert!(error.message().unwrap().contains(UNKNOWN_STAGE));

    let error = client.create_stage().name("white space").send().await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_validation_exception() && error.message().unwrap().contains("name"));

    let theirs = UNKNOWN_STAGE.replace(ACCOUNT, "210987654321");
    let error = client.delete_stage().arn(theirs).send().await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_access_denied_exception(), "{error:?}");

    let error = client.list_stages().max_results(101).send().await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_validation_exception() && error.message().unwrap().contains("maxResults"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_no_model_has_still_have_their_code() {
    let server = Server::start("common").await;
    let client = server.client(REGION);
    // An id that nobody has presented may be revoked.
    let revoking = client.revoke_connection_token().token_id("one");
    revoking.send().await.unwrap();
    let impostor = server.client_with_secret(REGION, &"x".repeat(40));
    let error = impostor.list_stages().send().await.unwrap_err();
    assert!(matches!(error, SdkError::ServiceError(_)), "{error:?}");
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    assert!(error.message().unwrap().contains("signature"));
    server.stop().await;
}
