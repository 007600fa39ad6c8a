use std::time::Duration;

use axum::http::Method;
use restage_client::{Error, HttpClient, PublishConfig, Publisher, SubscribeConfig, Subscriber};

use crate::server::{Request, Server, TOKEN};
use crate::within;

async fn refusal(url: &str, token: &str) -> Error {
    let mut config = PublishConfig::default();
    config.connect_timeout = Duration::from_millis(700);
    within("connect", Publisher::connect(url, token, config))
        .await
        .err()
        .unwrap()
}

#[tokio::test]
async fn a_refused_token_is_told_in_the_servers_words() {
    let server = Server::start().await;
    let error = refusal(&server.url("/whip"), "e30.e30.other").await;
    assert_eq!(
        error.to_string(),
        "the server refused with HTTP 401 (AccessDeniedException): the token is not known"
    );
    assert!(
        !format!("{error:?}").contains("other"),
        "the token stays secret"
    );
}

#[tokio::test]
async fn a_redirect_is_followed_to_another_host_with_the_token() {
    let (front, node) = (Server::start().await, Server::start().await);
    front.redirect_elsewhere_to(node.url("/whip"));
    let url = front.url("/elsewhere");
    let publisher = within(
        "connect",
        Publisher::connect(&url, TOKEN, PublishConfig::default()),
    )
    .await
    .unwrap();
    within("close", publisher.close()).await.unwrap();
    let bearer = Some(format!("Bearer {TOKEN}"));
    assert!(
        front
            .requests()
            .iter()
            .all(|request| request.authorization == bearer)
    );
    assert_eq!(front.requests().len(), 1, "what follows goes to the node");
    let seen: Vec<_> = node.requests();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.authorization == bearer));
    assert_eq!(
        (&seen[0].method, seen[0].path.as_str()),
        (&Method::POST, "/whip")
    );
    assert_eq!(seen[1].method, Method::DELETE);
    assert!(seen[1].path.starts_with("/session/"));
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let server = Server::start().await;
    let error = refusal(&server.url("/whip-307-forever"), TOKEN).await;
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
    assert_eq!(server.requests().len(), 7);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let server = Server::start().await;
    let error = refusal("http://127.0.0.1:9/whip", TOKEN).await;
    assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
    let error = refusal(&server.url("/nowhere"), TOKEN).await;
    assert!(
        matches!(error, Error::Refused { status: 404, .. }),
        "{error}"
    );
    let error = refusal("whip", TOKEN).await;
    assert!(matches!(error, Error::Url { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_without_candidates_ends_the_session_on_the_server() {
    let server = Server::start().await;
    let error = refusal(&server.url("/no-candidates"), TOKEN).await;
    assert!(matches!(error, Error::Answer(_)), "{error}");
    server.wait_for(Method::DELETE, "/session/999").await;
}

#[tokio::test]
async fn media_that_does_not_come_up_ends_the_session_on_the_server() {
    let server = Server::start().await;
    let error = refusal(&server.url("/deaf"), TOKEN).await;
    assert!(matches!(error, Error::ConnectTimeout(_)), "{error}");
    // Before the error is returned, because the program may end then.
    let deleted = |request: &Request| {
        request.method == Method::DELETE && request.path.starts_with("/session/998")
    };
    assert!(server.requests().iter().any(deleted));
}

#[tokio::test]
async fn dropping_a_client_ends_the_session_on_the_server() {
    let server = Server::start().await;
    let url = server.url("/whip/subscribe/Ab3dEf6hIj9k");
    let subscriber = within(
        "connect",
        Subscriber::connect(&url, TOKEN, SubscribeConfig::default()),
    )
    .await;
    drop(subscriber.unwrap());
    server.wait_for(Method::DELETE, "/session/").await;
}

/// A program can wait for the end of what it dropped before it exits.
#[tokio::test]
async fn a_client_knows_when_all_its_sessions_have_ended() {
    let server = Server::start().await;
    let http = HttpClient::new().unwrap();
    within("nothing is open", http.hung_up()).await;
    let mut config = SubscribeConfig::default();
    config.http = Some(http.clone());
    let url = server.url("/whip/subscribe/Ab3dEf6hIj9k");
    let subscriber = within("connect", Subscriber::connect(&url, TOKEN, config)).await;
    let open = tokio::time::timeout(Duration::from_millis(50), http.hung_up()).await;
    assert!(open.is_err(), "one is open");
    drop(subscriber.unwrap());
    within("it is told", http.hung_up()).await;
    let deleted = |request: &Request| request.method == Method::DELETE;
    assert!(server.requests().iter().any(deleted));
}
