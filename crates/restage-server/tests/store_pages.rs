//! Lists, page by page, while rows come and go: no page repeats a row, and no row that was there all the
//! time is missed.

mod store_support;

use std::collections::BTreeSet;

use restage_core::id::{ParticipantId, StageId, StageSessionId, Time};
use restage_core::row::{ConnectionKind, StageEventName};
use restage_core::{Command, Context};
use restage_server::store::{Job, Page, ParticipantFilter};
use store_support::{
    ACCOUNT, IDLE_S, REGION, arn, closed, connect, create_stage, create_token, delete_stage,
    established, execute, execute_all, fresh, job, publish, replicate, stop,
};

/// Rows of each list.
const ROWS: usize = 1_100;

/// Walks a list from end to end. `fetch` gives the page after a row; `meanwhile` may change the store
/// between pages.
async fn walk<T: Clone>(
    limit: u32,
    fetch: impl AsyncFn(Option<T>) -> Page<T>,
    mut meanwhile: impl AsyncFnMut(usize),
) -> Vec<T> {
    let mut rows: Vec<T> = Vec::new();
    for page_number in 0.. {
        let page = fetch(rows.last().cloned()).await;
        assert!(page.rows.len() <= limit as usize);
        assert!(
            !page.more || page.rows.len() == limit as usize,
            "only the last page is short"
        );
        rows.extend(page.rows);
        if !page.more {
            break;
        }
        meanwhile(page_number).await;
    }
    rows
}

fn distinct<T: Ord>(keys: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let keys: Vec<T> = keys.into_iter().collect();
    let count = keys.len();
    let distinct: BTreeSet<T> = keys.into_iter().collect();
    assert_eq!(distinct.len(), count, "a row came twice");
    distinct
}

/// Ten rows share each creation time, so that every page boundary falls among equals.
fn stage_name(n: usize) -> String {
    // Neither the order of creation nor of names is the order of numbers.
    format!("stage{:05}", (n * 7_919) % 100_003)
}

#[tokio::test]
async fn stages_page_by_creation_while_some_are_deleted_and_created() {
    let (store, _directory) = fresh().await;
    let jobs = (0..ROWS).map(|n| job((n / 10) as i64, create_stage(&stage_name(n))));
    execute_all(&store, jobs).await;
    // Another region's and another account's are not listed.
    let elsewhere = |account: &str, region: &str| {
        let mut command = create_stage(&format!("{account}{region}"));
        let Command::CreateStage { stage, .. } = &mut command else {
            unreachable!()
        };
        (stage.account, stage.region) = (account.to_owned(), region.to_owned());
        let job = job(5, command);
        Job {
            context: Context {
                account: account.to_owned(),
                ..job.context
            },
            ..job
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
        (0..ROWS).map(|n| job(3, create_stage(&destination(n)))),
    )
    .await;
    // Started ten at a time; session ids count up with the destination.
    execute_all(
        &store,
        (0..ROWS).map(|n| {
            let job = job(
                100 + (n / 10) as i64,
                replicate("source", "ann", &destination(n)),
            );
            let fresh_session = StageSessionId::new(format!("st-{:05}", (n * 7_919) % 100_003));
            Job {
                context: Context {
                    fresh_session,
                    ..job.context
                },
                ..job
            }
        }),
    )
    .await;
    for limit in [1, 2, 50] {
        let mut added = 0;
        let listed = walk(
            limit,
            async |after: Option<(Time, StageSessionId, bool)>| {
                let after = after.map(|(at, session, _)| (at, session));
                let page = store
                    .list_replicas(&source, &ann, after, limit)
                    .await
                    .unwrap();
                let rows = page.rows.into_iter();
                Page {
                    rows: rows
                        .map(|row| (row.started_at, row.destination_session, row.active))
                        .collect(),
                    more: page.more,
                }
            },
            async |number| {
                let number = number + limit as usize * 10_000;
                if number.is_multiple_of(9) {
                    // Stopped ones stay listed; starting one again makes it ACTIVE in place.
                    let n = (number * 31) % ROWS;
                    let _ = store
                        .execute(job(200, stop("source", "ann", &destination(n))))
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
            .map(|(at, session, _)| (*at, session.clone()))
            .collect();
        assert!(keys.is_sorted());
        let old = distinct(keys).iter().filter(|(at, _)| at.0 < 1_000).count();
        assert_eq!(old, ROWS, "limit {limit}");
        assert!(added > 0 && listed.len() >= ROWS + added);
        assert!(
            listed.iter().any(|(_, _, active)| !active),
            "STOPPED ones are listed"
        );
    }
    // A replication belongs to the stage it leads out of, and goes with it.
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
async fn sessions_page_newest_first() {
    let (store, _directory) = fresh().await;
    execute(&store, 0, create_stage("a")).await;
    execute(&store, 0, create_token("a", "ann")).await;
    let second = 1_000_000;
    let idle = i64::from(IDLE_S + 1) * second;
    // Each round opens a session, leaves it, and lets it end.
    let rounds = (0..ROWS as i64).flat_map(|n| {
        let at = 1 + n * 2 * idle;
        let connection = format!("c{n}");
        [
            job(at, connect("a", "ann", &connection, ConnectionKind::Events)),
            job(at + 1, closed("a", "ann", &connection)),
            job(at + idle, Command::Tick),
        ]
    });
    execute_all(&store, rounds).await;
    let a = StageId::new("a");
    for limit in [1, 50, 100] {
        let mut newer = 0;
        let listed = walk(
            limit,
            async |before: Option<(Time, StageSessionId)>| {
                let page = store.list_sessions(&a, before, limit).await.unwrap();
                Page {
                    rows: page
                        .rows
                        .into_iter()
                        .map(|row| (row.started_at, row.id))
                        .collect(),
                    more: page.more,
                }
            },
            async |number| {
                if number % 100 == 3 {
                    // A newer session comes before everything that is still to be listed.
                    newer += 1;
                    let at = (10_000 * i64::from(limit) + newer) * 2 * idle;
                    execute(&store, at, connect("a", "ann", "n", ConnectionKind::Events)).await;
                    execute(&store, at + 1, closed("a", "ann", "n")).await;
                    execute(&store, at + idle, Command::Tick).await;
                }
            },
        )
        .await;
        assert!(listed.iter().rev().is_sorted());
        let old = distinct(listed)
            .into_iter()
            .filter(|(at, _)| at.0 < 10_000 * 2 * idle)
            .count();
        assert_eq!(old, ROWS, "limit {limit}");
    }
    let newest = store
        .list_sessions(&a, None, 1)
        .await
        .unwrap()
        .rows
        .remove(0);
    assert_eq!(
        store.get_session(&a, &newest.id).await.unwrap(),
        Some(newest.clone())
    );
    assert_eq!(
        store
            .get_session(&StageId::new("b"), &newest.id)
            .await
            .unwrap(),
        None
    );
    assert!(newest.ended_at.is_some());
}

/// Participants of one session, with and without filters, while some leave.
#[tokio::test]
async fn participants_page_by_first_join_while_some_leave() {
    let (store, _directory) = fresh().await;
    publish(&store, "a", "host").await;
    let guest = |n: usize| format!("g{:05}", (n * 7_919) % 100_003);
    execute_all(
        &store,
        (0..ROWS).map(|n| job(3, create_token("a", &guest(n)))),
    )
    .await;
    let joins = (0..ROWS).map(|n| {
        job(
            10 + (n / 10) as i64,
            connect("a", &guest(n), &guest(n), ConnectionKind::Events),
        )
    });
    execute_all(&store, joins).await;
    let stage = store.get_stage(&StageId::new("a")).await.unwrap().unwrap();
    let session = stage.active_session.unwrap();

    let list = async |filter: &ParticipantFilter, limit: u32, leaving: &mut Vec<usize>| {
        walk(
            limit,
            async |after: Option<(Time, ParticipantId)>| {
                let page = store
                    .list_participants(&session, filter, after, limit)
                    .await
                    .unwrap();
                Page {
                    rows: page
                        .rows
                        .into_iter()
                        .map(|row| (row.first_joined_at, row.id))
                        .collect(),
                    more: page.more,
                }
            },
            async |_| {
                if let Some(n) = leaving.pop() {
                    execute(&store, 5_000, closed("a", &guest(n), &guest(n))).await;
                }
            },
        )
        .await
    };
    for limit in [1, 50, 100] {
        let everyone = list(&ParticipantFilter::None, limit, &mut Vec::new()).await;
        assert!(everyone.is_sorted());
        assert_eq!(distinct(everyone).len(), ROWS + 1, "limit {limit}");
    }
    // One leaves after each page: near the start, in the middle, at the end.
    let leaving: Vec<usize> = (0..20)
        .flat_map(|n| [n, ROWS / 2 + n, ROWS - 1 - n])
        .collect();
    let mut staying = leaving.clone();
    let connected = list(&ParticipantFilter::Connected(true), 20, &mut staying).await;
    assert!(connected.is_sorted());
    let connected = distinct(connected.into_iter().map(|(_, id)| id.to_string()));
    for n in (0..ROWS).filter(|n| !leaving.contains(n)) {
        assert!(connected.contains(&guest(n)), "{n} stayed and was missed");
    }
    let left = list(&ParticipantFilter::Connected(false), 7, &mut Vec::new()).await;
    assert_eq!(distinct(left).len(), leaving.len() - staying.len());
    assert!(leaving.len() - staying.len() > 50);

    let ids = async |filter: ParticipantFilter| -> Vec<String> {
        list(&filter, 100, &mut Vec::new())
            .await
            .into_iter()
            .map(|(_, id)| id.to_string())
            .collect()
    };
    assert_eq!(ids(ParticipantFilter::Published(true)).await, ["host"]);
    assert_eq!(ids(ParticipantFilter::Published(false)).await.len(), ROWS);
    let user = format!("user of {}", guest(77));
    assert_eq!(ids(ParticipantFilter::UserId(user)).await, [guest(77)]);
    assert_eq!(
        ids(ParticipantFilter::UserId("nobody".to_owned())).await,
        [""; 0]
    );
    assert_eq!(
        ids(ParticipantFilter::RecordingState("ACTIVE".to_owned())).await,
        [""; 0]
    );
    let publishing = store.publishing_participants(&stage.id).await.unwrap();
    assert_eq!(
        publishing
            .iter()
            .map(|row| row.id.as_str())
            .collect::<Vec<_>>(),
        ["host"]
    );

    // With the stage goes the sight of everyone in it.
    execute(&store, 6_000, delete_stage("a")).await;
    assert_eq!(ids(ParticipantFilter::None).await, [""; 0]);
    assert_eq!(
        store
            .get_participant(&session, &"host".into())
            .await
            .unwrap(),
        None
    );
    assert_eq!(store.publishing_participants(&stage.id).await.unwrap(), []);
    assert_eq!(
        store.list_sessions(&stage.id, None, 10).await.unwrap().rows,
        []
    );
    assert_eq!(
        store
            .list_events(&session, &"host".into(), 0, 10)
            .await
            .unwrap()
            .rows,
        []
    );
}

#[tokio::test]
async fn events_page_oldest_first_while_more_are_written() {
    let (store, _directory) = fresh().await;
    execute(&store, 0, create_stage("a")).await;
    execute(&store, 0, create_token("a", "ann")).await;
    let visits = (0..ROWS as i64 / 2).flat_map(|n| {
        let connection = format!("c{n}");
        [
            // Many events have the same time: their sequence is what orders them.
            job(
                1 + n / 20,
                connect("a", "ann", &connection, ConnectionKind::Events),
            ),
            job(1 + n / 20, established("a", "ann", &connection)),
            job(1 + n / 20, closed("a", "ann", &connection)),
        ]
    });
    execute_all(&store, visits).await;
    let session = store
        .get_stage(&arn("a").id)
        .await
        .unwrap()
        .unwrap()
        .active_session
        .unwrap();
    let ann = ParticipantId::new("ann");
    for limit in [1, 50, 100] {
        let events = walk(
            limit,
            async |after: Option<(i64, StageEventName)>| {
                let after = after.map_or(0, |(seq, _)| seq);
                let page = store
                    .list_events(&session, &ann, after, limit)
                    .await
                    .unwrap();
                let rows = page
                    .rows
                    .into_iter()
                    .map(|row| (row.seq, row.event.name))
                    .collect();
                Page {
                    rows,
                    more: page.more,
                }
            },
            async |number| {
                if number == 3 {
                    let kind = ConnectionKind::Events;
                    execute(&store, 9_000, connect("a", "ann", "late", kind)).await;
                    execute(&store, 9_001, closed("a", "ann", "late")).await;
                }
            },
        )
        .await;
        let numbers: Vec<i64> = events.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(
            numbers,
            (1..=numbers.len() as i64).collect::<Vec<_>>(),
            "limit {limit}"
        );
        assert!(numbers.len() >= ROWS);
        let alternate = [StageEventName::Joined, StageEventName::Left];
        assert!(
            events
                .iter()
                .zip(alternate.iter().cycle())
                .all(|((_, name), wanted)| name == wanted)
        );
    }
}

#[tokio::test]
async fn a_limit_beyond_the_bound_is_cut_and_an_empty_list_has_no_more() {
    let (store, _directory) = fresh().await;
    execute_all(
        &store,
        (0..ROWS).map(|n| job(1, create_stage(&stage_name(n)))),
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
