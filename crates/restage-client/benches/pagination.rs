//! What pagination costs over plain calls of the SDK: the same ten thousand replicas in pages of a
//! hundred, once by a loop over `send()`, once by this crate, against a service in memory.
//!
//! `cargo bench -p restage-client --all-features` prints the rates, the allocations and the
//! difference. It fails if either is five per cent or more.

use std::time::{Duration, Instant};

use aws_sdk_ivsrealtime::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ivsrealtime::operation::list_participant_replicas::builders::ListParticipantReplicasFluentBuilder as List;
use aws_sdk_ivsrealtime::{Client, Config};
use aws_smithy_http_client::test_util::infallible_client_fn;
use restage_client::aws::Paginated as _;
use restage_client::paginate::PaginationConfig;
use serde_json::{Value, json};

const ITEMS: usize = 10_000;
const PAGE: usize = 100;
const ROUNDS: usize = 41;
const OVERHEAD_MAX: f64 = 0.05;

fn page(start: usize) -> String {
    let end = start + PAGE;
    let replicas: Vec<Value> = (start..end)
        .map(|number| {
            json!({
                "sourceStageArn": "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud",
                "participantId": "q7Rk2ZpLw0Xe",
                "sourceSessionId": "st-5ezoqm7U3Ejo5",
                "destinationStageArn": format!("arn:aws:ivs:eu-west-1:111122223333:stage/{number}"),
                "destinationSessionId": "st-hG4tYc2mPq9Lw",
                "replicationState": "ACTIVE",
            })
        })
        .collect();
    let token = (end < ITEMS).then(|| format!("t{end}"));
    json!({"replicas": replicas, "nextToken": token}).to_string()
}

fn client() -> Client {
    let pages: Vec<String> = (0..ITEMS).step_by(PAGE).map(page).collect();
    let http = infallible_client_fn(move |request: http::Request<_>| {
        let body: Value =
            serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let token = body["nextToken"]
            .as_str()
            .and_then(|token| token[1..].parse::<usize>().ok());
        http::Response::new(pages[token.unwrap_or(0) / PAGE].clone())
    });
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(http);
    Client::from_conf(config.build())
}

async fn by_hand(list: &List) -> usize {
    let (mut count, mut token) = (0, None);
    loop {
        let call = list.clone().set_next_token(token).max_results(PAGE as i32);
        let output = call.send().await.expect("the service in memory answers");
        for replica in output.replicas {
            count += usize::from(!replica.destination_stage_arn.is_empty());
        }
        token = output.next_token;
        if token.is_none() {
            return count;
        }
    }
}

async fn by_crate(list: &List) -> usize {
    let mut count = 0;
    let config = PaginationConfig::default().page_size(PAGE as i32);
    let mut replicas = list.clone().paginate(&config).items();
    while let Some(replica) = replicas.next().await {
        let replica = replica.expect("the service in memory answers");
        count += usize::from(!replica.destination_stage_arn.is_empty());
    }
    count
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let client = client();
    let list = client
        .list_participant_replicas()
        .source_stage_arn("arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud")
        .participant_id("q7Rk2ZpLw0Xe");

    let (mut hand, mut crated) = (Vec::new(), Vec::new());
    // Turn and turn about, so that both see the same machine; the first round only warms up.
    for round in 0..=ROUNDS {
        let start = Instant::now();
        assert_eq!(runtime.block_on(by_hand(&list)), ITEMS);
        let middle = Instant::now();
        assert_eq!(runtime.block_on(by_crate(&list)), ITEMS);
        if round > 0 {
            hand.push(middle - start);
            crated.push(middle.elapsed());
        }
    }
    let allocations = |run: &dyn Fn() -> usize| {
        allocation_counter::measure(|| assert_eq!(run(), ITEMS)).count_total as f64
    };
    let hand_allocations = allocations(&|| runtime.block_on(by_hand(&list)));
    let crate_allocations = allocations(&|| runtime.block_on(by_crate(&list)));

    let (hand, crated) = (median(hand), median(crated));
    let time = crated / hand - 1.0;
    let allocation = crate_allocations / hand_allocations - 1.0;
    println!(
        "plain SDK calls  {:>12.0} items/s  {:>8.2} allocations/item",
        ITEMS as f64 / hand,
        hand_allocations / ITEMS as f64
    );
    println!(
        "this crate       {:>12.0} items/s  {:>8.2} allocations/item",
        ITEMS as f64 / crated,
        crate_allocations / ITEMS as f64
    );
    println!(
        "overhead         {:>11.2} %        {:>7.2} %",
        time * 100.0,
        allocation * 100.0
    );
    assert!(
        time < OVERHEAD_MAX && allocation < OVERHEAD_MAX,
        "more than {OVERHEAD_MAX} over"
    );
}
