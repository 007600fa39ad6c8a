//! Lists, page by page, while rows come and go: no page repeats a row, and no row that was there all the
//! time is missed.

use std::collections::BTreeSet;

use crate::support::{
    ACCOUNT, REGION, create_stage, delete_stage, distinct, execute, execute_all, execution, fresh,
    publish, replicate, stop, walk,
};
use restage_core::id::{ParticipantId, StageId, StageSessionId, Time};
use restage_core::{Command, Context};
use restage_store::{Execution, Page, ReplicaPosition};

/// Rows of each list.
const ROWS: usize = 1_100;

/// Ten rows share each creation time, so that every page boundary falls among equals.
fn stage_name(n: usize) -> String {
    // Neither the order of creation nor of names is the order of numbers.
    format!("stage{:05}", (n * 7_919) % 100_003)
}

#[tokio::test]
async fn stages_page_by_creation_while_some_are_deleted_and_created() {
    let (store, _directory) = fresh().await;
    let executions = (0..ROWS).map(|n| execution((n / 10) as i64, create_stage(&stage_name(n))));
    execute_all(&store, executions).await;
    // Those of another Region and another account are not listed.
    let elsewhere = |account: &str, region: &str| {
        let mut command = create_stage(&format!("{account}{region}"));
        let Command::CreateStage { stage, .. } = &mut command else {
            unreachable!()
        };
        (stage.account, stage.region) = (account.to_owned(), region.to_owned());
        let execution = execution(5, command);
        Execution {
            context: Context {
                account: account.to_owned(),
                ..execution.context
            },
            ..execution
        }
    };
    execute_all(
        &store,
        [
            elsewhere(ACCOUNT, "eu-west-2"),
            elsewhere("111111111111", REGION),
        ],
    )
    .await;

    // Each Region of the account is listed once.
    let regions = store.list_regions(ACCOUNT, 10).await.unwrap();
    assert_eq!(regions, [REGION, "eu-west-2"]);
    assert_eq!(store.list_regions(ACCOUNT, 1).await.unwrap(), [REGION]);
    assert!(
        store
            .list_regions("222222222222", 10)
            .await
            .unwrap()
            .is_empty()
    );

    for limit in [1, 7, 50, 100] {
        let mut deleted = BTreeSet::new();
        let mut created = BTreeSet::new();
        let before: BTreeSet<String> = walk(
            100,
            async |after: Option<(Time, StageId)>| {
                let page = store
                    .list_stages(ACCOUNT, REGION, after, 100)
                    .await
                    .unwrap();
                Page {
                    rows: page
                        .rows
                        .into_iter()
                        .map(|row| (row.created_at, row.id))
                        .collect(),
                    more: page.more,
                }
            },
            async |_| (),
        )
        .await
        .into_iter()
        .map(|(_, id)| id.to_string())
        .collect();
        let listed = walk(
            limit,
            async |after: Option<(Time, StageId)>| {
                let page = store
                    .list_stages(ACCOUNT, REGION, after, limit)
                    .await
                    .unwrap();
                Page {
                    rows: page
                        .rows
                        .into_iter()
                        .map(|row| (row.created_at, row.id))
                        .collect(),
                    more: page.more,
                }
            },
            async |number| {
                if number % 5 == 0 {
                    let gone = before
                        .iter()
                        .nth((number * 13 + 5) % before.len())
                        .unwrap()
                        .clone();
                    if deleted.insert(gone.clone()) {
                        execute(&store, 9_000, delete_stage(&gone)).await;
                    }
                    // Among the old ones in order of creation, and after them.
                    for at in [50, 8_000] {
                        let name = format!("new{limit}x{number}x{at}");
                        execute(&store, at, create_stage(&name)).await;
                        created.insert(name);
                    }
                }
            },
        )
        .await;
        assert!(listed.is_sorted(), "limit {limit}");
        let listed = distinct(listed.into_iter().map(|(_, id)| id.to_string()));
        let stayed: BTreeSet<String> = before.difference(&deleted).cloned().collect();
        assert_eq!(
            stayed.difference(&listed).next(),
            None,
            "limit {limit}: a stage was missed"
        );
        let extra: Vec<_> = listed
            .difference(&before)
            .filter(|id| !created.contains(*id))
            .collect();
        assert_eq!(extra, [""; 0], "limit {limit}");
    }
}

#[tokio::test]
async fn replicas_page_by_start_while_some_are_added_and_stopped() {
    let (store, _directory) = fresh().await;
    publish(&store, "source", "ann").await;
    let (source, ann) = (StageId::new("source"), ParticipantId::new("ann"));
    let destination = |n: usize| format!("d{n}");
    execute_all(
        &store,
        (0..ROWS).map(|n| execution(3, create_stage(&destination(n)))),
    )
    .await;
    // Started ten at a time; session ids count up with the destination.
    execute_all(
        &store,
        (0..ROWS).map(|n| {
            let execution = execution(
                100 + (n / 10) as i64,
                replicate("source", "ann", &destination(n)),
            );
            let fresh_session = StageSessionId::new(format!("st-{:05}", (n * 7_919) % 100_003));
            Execution {
                context: Context {
                    fresh_session,
                    ..execution.context
                },
                ..execution
            }
        }),
    )
    .await;
    for limit in [1, 2, 50] {
        let mut added = 0;
        let listed = walk(
            limit,
            async |after: Option<(ReplicaPosition, bool)>| {
                let after = after.map(|(position, _)| position);
                let page = store
                    .list_replicas(&source, &ann, after, limit)
                    .await
                    .unwrap();
                let rows = page.rows.into_iter();
                Page {
                    rows: rows
                        .map(|row| (ReplicaPosition::from(&row), row.active))
                        .collect(),
                    more: page.more,
                }
            },
            async |number| {
                let number = number + limit as usize * 10_000;
                if number.is_multiple_of(9) {
                    // Stopped ones stay in the list. Starting one again makes it ACTIVE at the same position.
                    let n = (number * 31) % ROWS;
                    let _ = store
                        .execute(execution(200, stop("source", "ann", &destination(n))))
                        .await
                        .unwrap();
                }
                if number.is_multiple_of(50) {
                    let name = format!("late{number}");
                    execute(&store, 4, create_stage(&name)).await;
                    execute(
                        &store,
                        10_000 + number as i64,
                        replicate("source", "ann", &name),
                    )
                    .await;
                    added += 1;
                }
            },
        )
        .await;
        let keys: Vec<_> = listed
            .iter()
            .map(|(position, _)| position.clone())
            .collect();
        assert!(keys.is_sorted());
        let old = distinct(keys)
            .iter()
            .filter(|key| key.started_at.0 < 1_000)
            .count();
        assert_eq!(old, ROWS, "limit {limit}");
        assert!(added > 0 && listed.len() >= ROWS + added);
        assert!(
            listed.iter().any(|(_, active)| !active),
            "STOPPED ones are listed"
        );
    }
    // A replication belongs to its source stage, and is deleted with it.
    execute(&store, 300, delete_stage("d5")).await;
    let page = store
        .list_replicas(&source, &ann, None, 1_000)
        .await
        .unwrap();
    let into_deleted = page
        .rows
        .iter()
        .find(|row| row.destination_stage.as_str() == "d5")
        .unwrap();
    assert!(!into_deleted.active);
    execute(&store, 301, delete_stage("source")).await;
    let page = store
        .list_replicas(&source, &ann, None, 1_000)
        .await
        .unwrap();
    assert_eq!(
        page,
        Page {
            rows: Vec::new(),
            more: false
        }
    );
}

#[tokio::test]
async fn a_limit_beyond_the_bound_is_cut_and_an_empty_list_has_no_more() {
    let (store, _directory) = fresh().await;
    execute_all(
        &store,
        (0..ROWS).map(|n| execution(1, create_stage(&stage_name(n)))),
    )
    .await;
    let page = store
        .list_stages(ACCOUNT, REGION, None, u32::MAX)
        .await
        .unwrap();
    assert_eq!((page.rows.len(), page.more), (1_000, true));
    let empty = store
        .list_stages(ACCOUNT, "eu-north-1", None, 50)
        .await
        .unwrap();
    assert_eq!(
        empty,
        Page {
            rows: Vec::new(),
            more: false
        }
    );
}
