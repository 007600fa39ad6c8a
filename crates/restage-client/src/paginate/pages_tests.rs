//! Tests of the streams with a service of seven items in pages of three, without a network.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Down;

/// Answers `{"items": [...], "nextToken": …}`, or fails at the third page.
#[derive(Clone, Default)]
struct Service {
    requests: Arc<Mutex<Vec<PageRequest>>>,
    fails: bool,
    has_no_list: bool,
    own_page_size: Option<i32>,
}

impl PageSource for Service {
    type Page = JsonPage;
    type Item = Value;
    type Error = Down;

    fn fetch(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<JsonPage, Down>> + Send + 'static {
        let start = request
            .token
            .as_deref()
            .map_or(0, |token| token[1..].parse().unwrap());
        self.requests.lock().unwrap().push(request);
        let end = (start + 3).min(7);
        let items: Vec<Value> = (start..end)
            .map(|n| json!({"n": n, "odd": n % 2 == 1}))
            .collect();
        let mut page = json!({"nextToken": (end < 7).then(|| format!("t{end}"))});
        if !self.has_no_list {
            page["items"] = items.into();
        }
        let fails = self.fails && start == 6;
        async move {
            tokio::task::yield_now().await;
            if fails {
                Err(Down)
            } else {
                Ok(JsonPage::new(page, "items"))
            }
        }
    }

    fn items(page: &mut JsonPage) -> Option<&mut Vec<Value>> {
        page.items()
    }

    fn next_token(page: &JsonPage) -> Option<&str> {
        page.next_token()
    }

    fn add_list(page: &mut JsonPage) {
        page.add_list();
    }

    fn own_page_size(&self) -> Option<i32> {
        self.own_page_size
    }
}

impl JsonSource for Service {
    type Json = Self;

    fn into_json(self) -> Self {
        self
    }
}

fn numbers(items: &[Value]) -> Vec<i64> {
    items
        .iter()
        .map(|item| item["n"].as_i64().unwrap())
        .collect()
}

fn pages(service: Service, config: PaginationConfig) -> Pages<Service> {
    Pages::new(service, &config)
}

#[tokio::test]
async fn pages_come_cut_and_one_at_a_time() {
    let service = Service::default();
    let requests = Arc::clone(&service.requests);
    let mut pages = pages(
        service,
        PaginationConfig::default().max_items(4).page_size(3),
    );
    assert!(
        requests.lock().unwrap().is_empty(),
        "nothing before it is asked for"
    );
    let mut first = pages.next().await.unwrap().unwrap();
    assert_eq!(numbers(first.items().unwrap()), [0, 1, 2]);
    assert_eq!(requests.lock().unwrap().len(), 1);
    let mut second = pages.next().await.unwrap().unwrap();
    assert_eq!(numbers(second.items().unwrap()), [3]);
    assert_eq!(
        second.next_token(),
        Some("t6"),
        "the service's token stays in the page"
    );
    assert!(pages.next().await.is_none());
    assert_eq!(
        pages.resume_token(),
        Some("eyJuZXh0VG9rZW4iOiAidDMiLCAiYm90b190cnVuY2F0ZV9hbW91bnQiOiAxfQ==")
    );
    assert_eq!(requests.lock().unwrap()[1].page_size, Some(3));
}

#[tokio::test]
async fn items_and_full_results_hold_the_same() {
    let mut items = pages(Service::default(), PaginationConfig::default()).items();
    let mut seen = Vec::new();
    while let Some(item) = items.next().await {
        seen.push(item.unwrap());
    }
    assert_eq!(numbers(&seen), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(items.resume_token(), None);
    let full = pages(Service::default(), PaginationConfig::default())
        .build_full_result()
        .await;
    assert_eq!(
        full.unwrap(),
        FullResult {
            items: Some(seen),
            next_token: None
        }
    );
    let limited = PaginationConfig::default().max_items(3);
    let part = pages(Service::default(), limited)
        .build_full_result()
        .await
        .unwrap();
    assert_eq!(numbers(&part.items.unwrap()), [0, 1, 2]);
    assert_eq!(
        part.next_token.as_deref(),
        Some("eyJuZXh0VG9rZW4iOiAidDMifQ==")
    );
}

#[tokio::test]
async fn pages_without_a_list_make_a_result_without_one() {
    let service = Service {
        has_no_list: true,
        ..Default::default()
    };
    let full = pages(service, PaginationConfig::default())
        .build_full_result()
        .await
        .unwrap();
    assert_eq!(
        full,
        FullResult {
            items: None,
            next_token: None
        }
    );
}

#[tokio::test]
async fn a_page_without_a_list_that_is_cut_gets_an_empty_one() {
    let service = Service {
        has_no_list: true,
        ..Default::default()
    };
    let negative = PaginationConfig::default().max_items(-2);
    let full = pages(service, negative).build_full_result().await.unwrap();
    assert_eq!(full.items, Some(Vec::new()));
    assert!(full.next_token.is_some());
}

#[tokio::test]
async fn an_error_of_the_operation_ends_the_stream() {
    let service = Service {
        fails: true,
        ..Default::default()
    };
    let requests = Arc::clone(&service.requests);
    let mut items = pages(service.clone(), PaginationConfig::default()).items();
    let mut count = 0;
    let error = loop {
        match items.next().await.unwrap() {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((count, error), (6, PaginateError::Operation(Down)));
    assert!(items.next().await.is_none());
    assert_eq!(requests.lock().unwrap().len(), 3);
    let full = pages(service, PaginationConfig::default())
        .build_full_result()
        .await;
    assert_eq!(full, Err(PaginateError::Operation(Down)));
}

#[tokio::test]
async fn bad_settings_are_the_first_element_and_request_nothing() {
    let own = Service {
        own_page_size: Some(0),
        ..Default::default()
    };
    let cases = [
        (Service::default(), PaginationConfig::default().page_size(0)),
        (
            Service::default(),
            PaginationConfig::default().starting_token("a___b___c"),
        ),
        (own.clone(), PaginationConfig::default()),
    ];
    for (service, config) in cases {
        let requests = Arc::clone(&service.requests);
        let mut pages = pages(service, config);
        assert!(pages.next().await.unwrap().is_err());
        assert!(pages.next().await.is_none());
        assert!(requests.lock().unwrap().is_empty());
        assert_eq!(pages.resume_token(), None);
    }
    let mut overridden = pages(own, PaginationConfig::default().page_size(5));
    assert!(overridden.next().await.unwrap().is_ok());
}

async fn search(config: PaginationConfig, expression: &str) -> Vec<Value> {
    let mut search = pages(Service::default(), config)
        .search(expression)
        .unwrap();
    let mut results = Vec::new();
    while let Some(result) = search.next().await {
        results.push(result.unwrap());
    }
    results
}

#[tokio::test]
async fn search_flattens_lists_by_one_level_and_nothing_else() {
    let all = PaginationConfig::default;
    let cases = [
        ("items[?odd].n", json!([1, 3, 5])),
        ("length(items)", json!([3, 3, 1])),
        ("nextToken", json!(["t3", "t6", null])),
        (
            "items[*].[n, odd] | [:1]",
            json!([[0, false], [3, true], [6, false]]),
        ),
        ("missing", json!([null, null, null])),
        ("items[?n > `100`]", json!([])),
    ];
    for (expression, expected) in cases {
        assert_eq!(
            Value::Array(search(all(), expression).await),
            expected,
            "{expression}"
        );
    }
    let cut = search(all().max_items(4), "items[].n").await;
    assert_eq!(cut, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_search_that_cannot_be_is_an_error() {
    let begin = || pages(Service::default(), PaginationConfig::default());
    let refused = begin().search("items[").err().unwrap();
    assert!(matches!(refused, PaginateError::Search(_)), "{refused:?}");
    let limited = PaginationConfig::default().max_items(1);
    let mut failing = pages(Service::default(), limited)
        .search("length(`5`)")
        .unwrap();
    assert!(matches!(
        failing.next().await,
        Some(Err(PaginateError::Search(_)))
    ));
    assert!(failing.next().await.is_none());
    assert_eq!(failing.resume_token(), None);
}

#[tokio::test]
async fn a_search_goes_on_where_the_pages_are() {
    let mut pages = pages(Service::default(), PaginationConfig::default());
    pages.next().await.unwrap().unwrap();
    let mut search = pages.search("items[].n").unwrap();
    assert_eq!(search.next().await, Some(Ok(json!(3))));
}
