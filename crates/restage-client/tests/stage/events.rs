use restage_client::{Error, EventStream, StageEvent};

use crate::server::{Server, TOKEN};
use crate::within;

#[tokio::test]
async fn stage_states_and_unknown_events_come_until_the_server_closes() {
    let server = Server::start().await;
    let url = format!("ws://{}/events/hT5vN1cGy8Ud", server.address);
    let mut events = within("open", EventStream::connect(&url, TOKEN))
        .await
        .unwrap();
    let Some(StageEvent::State(state)) = within("state", events.next()).await.unwrap() else {
        panic!("no stage state");
    };
    assert_eq!(state.stage_id, "hT5vN1cGy8Ud");
    assert_eq!(state.participants[0].id, "q7Rk2ZpLw0Xe");
    assert!(state.participants[0].is_publishing);
    let other = within("other", events.next()).await.unwrap().unwrap();
    assert!(matches!(other, StageEvent::Other { kind, .. } if kind == "LATER"));
    assert_eq!(within("end", events.next()).await.unwrap(), None);
    assert_eq!(server.requests()[0].authorization.as_deref(), Some(TOKEN));
}

#[tokio::test]
async fn a_refused_token_is_told_with_its_status() {
    let server = Server::start().await;
    let url = format!("ws://{}/events/x", server.address);
    let refusal = within("open", EventStream::connect(&url, "a.b.c"))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(refusal, Error::Refused { status: 403, .. }),
        "{refusal}"
    );
    assert!(
        refusal.to_string().contains("the token is not known"),
        "{refusal}"
    );
}
