//! Ingest configurations through the SDK's builders, its paginator, and the paginator of restage-client, which keeps the
//! rules of botocore's.

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::types::{IngestConfigurationState, IngestProtocol};
use restage_client::aws::Paginated as _;
use restage_client::paginate::PaginationConfig;

use crate::server::Server;
use crate::{REGION, new_stage};

const COUNT: usize = 23;

/// The ARNs of new configurations, of which every other one publishes to the stage.
async fn create(client: &Client, stage: &str) -> Vec<String> {
    let mut made = Vec::new();
    for index in 0..COUNT {
        let request = client
            .create_ingest_configuration()
            .name(format!("n-{index}"))
            .ingest_protocol(IngestProtocol::Rtmps);
        let request = match index % 2 {
            0 => request.stage_arn(stage),
            _ => request,
        };
        let answer = request.send().await.unwrap();
        made.push(answer.ingest_configuration().unwrap().arn().to_owned());
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_configuration_is_as_typed_as_the_sdk_has_it() {
    let server = Server::start("ingest").await;
    let client = server.client(REGION);
    let stage = new_stage(&client, "studio").await;
    let made = client
        .create_ingest_configuration()
        .ingest_protocol(IngestProtocol::Rtmp)
        .insecure_ingest(true)
        .stage_arn(&stage)
        .user_id("encoder")
        .attributes("order", "1")
        .redundant_ingest(true)
        .tags("team", "rust")
        .send()
        .await
        .unwrap();
    let made = made.ingest_configuration().unwrap();
    assert_eq!(made.state(), &IngestConfigurationState::Inactive);
    assert_eq!(
        (made.stage_arn(), made.user_id()),
        (&*stage, Some("encoder"))
    );
    assert_eq!(made.redundant_ingest_credentials().len(), 2);
    assert!(made.stream_key().starts_with("rt_000000000000_eu-west-1_"));
    let got = client.get_ingest_configuration().arn(made.arn()).send();
    assert_eq!(got.await.unwrap().ingest_configuration(), Some(made));
    let moved = client
        .update_ingest_configuration()
        .arn(made.arn())
        .stage_arn("")
        .redundant_ingest(false)
        .send()
        .await
        .unwrap();
    let moved = moved.ingest_configuration().unwrap();
    assert_eq!((moved.stage_arn(), moved.redundant_ingest()), ("", false));
    let delete = || client.delete_ingest_configuration().arn(made.arn()).send();
    delete().await.unwrap();
    let gone = delete().await.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception(), "{gone:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_paginators_find_all_with_pages_of_any_size() {
    let server = Server::start("ingests").await;
    let client = server.client(REGION);
    let stage = new_stage(&client, "studio").await;
    let made = create(&client, &stage).await;
    for size in [1, 2, 7, 22, 23, 24, 100] {
        let paginator = client.list_ingest_configurations().into_paginator();
        let mut items = paginator.page_size(size).items().send();
        let mut walked = Vec::new();
        while let Some(item) = items.next().await {
            walked.push(item.unwrap().arn().to_owned());
        }
        assert_eq!(walked, made, "pages of {size}");
        let config = PaginationConfig::default().page_size(size);
        let all = client.list_ingest_configurations().paginate(&config);
        let all = all.build_full_result().await.unwrap();
        let walked = all.items.iter().flatten().map(|row| row.arn().to_owned());
        assert_eq!(walked.collect::<Vec<_>>(), made, "pages of {size}");
        assert_eq!(all.next_token, None);
    }
    server.stop().await;
}

/// Cut after any number of items, on a page's boundary and inside a page, and continued with pages of another size.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_cut_goes_on_where_it_was() {
    let server = Server::start("ingests_cut").await;
    let client = server.client(REGION);
    let stage = new_stage(&client, "studio").await;
    let made = create(&client, &stage).await;
    let named: Vec<String> = made.iter().step_by(2).cloned().collect();
    let all = client.list_ingest_configurations();
    let of_stage = all.clone().filter_by_stage_arn(&stage);
    for (list, expected) in [(all, made), (of_stage, named)] {
        for size in [1, 3, 50] {
            for most in 1..=expected.len() {
                let config = PaginationConfig::default()
                    .page_size(size)
                    .max_items(i64::try_from(most).unwrap());
                let some = list.clone().paginate(&config).build_full_result();
                let some = some.await.unwrap();
                let mut found: Vec<String> = some
                    .items
                    .iter()
                    .flatten()
                    .map(|row| row.arn().to_owned())
                    .collect();
                assert_eq!(found, expected[..most]);
                assert_eq!(some.next_token.is_some(), most < expected.len());
                if let Some(token) = some.next_token {
                    let rest = PaginationConfig::default().starting_token(token);
                    let mut rest = list.clone().paginate(&rest).items();
                    while let Some(row) = rest.next().await {
                        found.push(row.unwrap().arn().to_owned());
                    }
                }
                assert_eq!(found, expected, "pages of {size}, cut after {most}");
            }
        }
    }
    server.stop().await;
}
