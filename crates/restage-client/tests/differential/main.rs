//! botocore and this crate, the same paginations against the same server: items, pages, requests,
//! tokens and kinds of error must be the same, case by case.
//!
//! The Python to run is `RESTAGE_PYTHON`, else `.venv/bin/python` at the top of the repository; it
//! needs boto3. `RESTAGE_DIFF_CASES` sets the number of cases (1 000), `RESTAGE_DIFF_SEED` the seed
//! they are made from (1).

mod botocore;
mod cases;
mod crate_side;
mod service;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::botocore::Botocore;
use crate::cases::{Case, Excuse, Mode, Random, TokenKind};
use crate::service::Service;

/// The result of a pagination, on either side.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    /// By mode: the items of the full result, a list of pages, or the results of the search.
    items: Value,
    pages: u64,
    next_token: Option<String>,
    error: Option<String>,
    /// The bodies of its requests.
    requests: Vec<Value>,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, which is not a number"))
    })
}

#[tokio::test]
async fn the_crate_and_botocore_do_the_same() {
    let (count, seed) = (
        setting("RESTAGE_DIFF_CASES", 1000),
        setting("RESTAGE_DIFF_SEED", 1),
    );
    let service = Service::start().await;
    let mut botocore = Botocore::start(&service.url()).await;
    let crate_side = crate_side::CrateSide::new(&service.url());
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    let mut tokens: BTreeMap<TokenKind, u64> = BTreeMap::new();
    let mut requests = 0;
    let mut differences = Vec::new();
    for number in 0..count {
        let mut random = Random::new(seed, number);
        let mut case = Case::random(&mut random);
        // A case continues with its own resume token for up to three more rounds.
        for round in 0..4 {
            let label = format!("{number}.{round}");
            service.script(&label, &case.service);
            let theirs = botocore.run(&label, &case, &service).await;
            service.script(&label, &case.service);
            let ours = crate_side.run(&label, &case, &service).await;
            let verdict = compare(&case, &theirs, &ours);
            *tally.entry(verdict.clone()).or_default() += 1;
            *tokens.entry(case.token).or_default() += 1;
            requests += theirs.requests.len() + ours.requests.len();
            if verdict == "different" {
                differences.push(format!(
                    "case {label}: {case:?}\nbotocore {theirs:?}\ncrate {ours:?}"
                ));
            }
            match ours.next_token {
                Some(token) if verdict != "different" => case.continue_from(token),
                _ => break,
            }
        }
    }
    let rounds: u64 = tally.values().sum();
    println!(
        "{count} cases from seed {seed}, against botocore {}: {rounds} paginations on each side, \
         {requests} requests, {} differences\n{tally:#?}\nstarting tokens {tokens:#?}",
        botocore.version,
        differences.len()
    );
    for difference in differences.iter().take(20) {
        eprintln!("{difference}\n");
    }
    assert_eq!(
        differences.len(),
        0,
        "differences; the first twenty are above"
    );
    for expected in [
        "same",
        "same: same_token",
        "same: starting_token",
        "same: config",
    ] {
        assert!(
            count < 500 || tally.contains_key(expected),
            "no case ended as {expected:?}"
        );
    }
    for kind in TokenKind::ALL {
        assert!(
            count < 500 || tokens.contains_key(&kind),
            "no case had a starting token of the kind {kind:?}"
        );
    }
}

/// `same`, with the kind of error if it was one; `excused`, with the reason; or `different`.
fn compare(case: &Case, theirs: &Outcome, ours: &Outcome) -> String {
    if theirs == ours {
        return match &ours.error {
            None => "same".to_owned(),
            Some(kind) if kind.starts_with("service:") => "same: service".to_owned(),
            Some(kind) => format!("same: {kind}"),
        };
    }
    // The SDK's types do not distinguish a missing list from an empty one.
    if case.mode != Mode::Json {
        let blank = |outcome: &Outcome| Outcome {
            items: without_absence(&outcome.items),
            ..outcome.clone()
        };
        if blank(theirs) == blank(ours) {
            return "same, but for a missing list shown as an empty one".to_owned();
        }
    }
    match case.excuse() {
        Some(excuse) if excuse.covers(theirs, ours) => format!("excused: {}", excuse.reason()),
        _ => "different".to_owned(),
    }
}

fn without_absence(items: &Value) -> Value {
    match items {
        Value::Null => json!([]),
        Value::Array(items) => items
            .iter()
            .map(|item| {
                if item.is_null() {
                    json!([])
                } else {
                    item.clone()
                }
            })
            .collect::<Vec<_>>()
            .into(),
        other => other.clone(),
    }
}

impl Excuse {
    /// Whether a difference is exactly the one that this excuse describes.
    fn covers(self, theirs: &Outcome, ours: &Outcome) -> bool {
        let refused = |outcome: &Outcome| outcome.error.as_deref() == Some("starting_token");
        match self {
            Self::IndexType | Self::OtherParameter => refused(ours) && ours.requests.is_empty(),
            Self::NullIndex => refused(theirs) && ours.error.is_none(),
            Self::OwnToken => {
                theirs.items == ours.items
                    && theirs.requests == ours.requests
                    && theirs.error == ours.error
                    && theirs.next_token.is_some() == ours.next_token.is_some()
            }
        }
    }
}

/// A pagination of a thousand items that is resumed at every step.
#[tokio::test]
async fn a_pagination_goes_back_and_forth_between_botocore_and_the_crate() {
    let service = Service::start().await;
    let mut botocore = Botocore::start(&service.url()).await;
    let crate_side = crate_side::CrateSide::new(&service.url());
    let mut case = Case::steady(1000);
    case.config["PageSize"] = 37.into();
    let mut random = Random::new(7, 0);
    let mut seen = Vec::new();
    for round in 0.. {
        // The page size stays the same, because a resume token counts items within a page of that size.
        case.config["MaxItems"] = (1 + random.below(90)).into();
        let label = format!("relay.{round}");
        service.script(&label, &case.service);
        let outcome = if round % 2 == 0 {
            botocore.run(&label, &case, &service).await
        } else {
            crate_side.run(&label, &case, &service).await
        };
        assert_eq!(outcome.error, None);
        let items = outcome.items.as_array().unwrap();
        seen.extend(items.iter().map(|item| item["destinationStageArn"].clone()));
        match outcome.next_token {
            Some(token) => case.config["StartingToken"] = token.into(),
            None => break,
        }
    }
    let arn = |number| case.service.item(number)["destinationStageArn"].clone();
    let first_off = (0..1000).find(|&number| seen.get(number) != Some(&arn(number)));
    assert_eq!((first_off, seen.len()), (None, 1000));
}
