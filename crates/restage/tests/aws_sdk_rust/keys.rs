//! Public keys and tags through the SDK's builders and its paginator.

use std::collections::HashMap;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;

use crate::server::Server;
use crate::{REGION, new_stage};

const KEYS: usize = 7;

fn new_pem() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let der = pair.public_key().as_der().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_paginator_walks_pages_of_any_size_and_items() {
    let server = Server::start("keys").await;
    let client = server.client(REGION);
    let mut made = Vec::new();
    for index in 0..KEYS {
        let answer = client
            .import_public_key()
            .public_key_material(new_pem())
            .name(format!("k-{index}"))
            .tags("team", "rust")
            .send()
            .await
            .unwrap();
        made.push(answer.public_key().unwrap().arn().unwrap().to_owned());
    }
    for size in [1, 3, 7, 100] {
        let paginator = client.list_public_keys().into_paginator().page_size(size);
        let mut items = paginator.items().send();
        let mut walked = Vec::new();
        while let Some(key) = items.next().await {
            walked.push(key.unwrap().arn().unwrap().to_owned());
        }
        assert_eq!(walked, made, "pages of {size}");
    }
    let first = client
        .list_public_keys()
        .max_results(2)
        .send()
        .await
        .unwrap();
    let token = first.next_token().unwrap();
    client
        .delete_public_key()
        .arn(&made[1])
        .send()
        .await
        .unwrap();
    let rest = client
        .list_public_keys()
        .next_token(token)
        .send()
        .await
        .unwrap();
    let rest: Vec<_> = rest
        .public_keys()
        .iter()
        .map(|key| key.arn().unwrap())
        .collect();
    assert_eq!(rest, made[2..]);
    let gone = client.get_public_key().arn(&made[1]).send().await;
    let gone = gone.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception(), "{gone:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_comes_back_as_it_was_sent_and_only_once() {
    let server = Server::start("key").await;
    let client = server.client(REGION);
    let pem = new_pem();
    let import = || client.import_public_key().public_key_material(&pem);
    let made = import().send().await.unwrap();
    let key = made.public_key().unwrap();
    assert_eq!(key.public_key_material(), Some(pem.as_str()));
    let got = client
        .get_public_key()
        .arn(key.arn().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(got.public_key(), Some(key));
    let twice = import().send().await.unwrap_err().into_service_error();
    assert!(twice.is_conflict_exception(), "{twice:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_travel_in_path_body_and_query() {
    let server = Server::start("tags").await;
    let client = server.client(REGION);
    let arn = new_stage(&client, "tagged").await;
    let tags = HashMap::from([
        ("a b/c+d&e=f%".to_owned(), "ä ö".to_owned()),
        ("note".to_owned(), String::new()),
    ]);
    let put = client.tag_resource().resource_arn(&arn);
    put.set_tags(Some(tags.clone())).send().await.unwrap();
    let list = || client.list_tags_for_resource().resource_arn(&arn).send();
    assert_eq!(*list().await.unwrap().tags(), tags);
    client
        .untag_resource()
        .resource_arn(&arn)
        .tag_keys("a b/c+d&e=f%")
        .tag_keys("never there")
        .send()
        .await
        .unwrap();
    let left: Vec<_> = list().await.unwrap().tags().keys().cloned().collect();
    assert_eq!(left, ["note"]);
    server.stop().await;
}
