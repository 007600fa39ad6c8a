//! The contents of a stage session, page by page: sessions, participants and their history.

use crate::support::{
    IDLE_S, arn, closed, connect, create_stage, create_token, delete_stage, distinct, established,
    execute, execute_all, execution, fresh, publish, walk,
};
use restage_core::Command;
use restage_core::id::{ParticipantId, StageId, StageSessionId, Time};
use restage_core::row::{ConnectionKind, RecordingState, StageEventName};
use restage_store::{Page, ParticipantFilter};

/// Rows of each list.
const ROWS: usize = 1_100;

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
            execution(at, connect("a", "ann", &connection, ConnectionKind::Events)),
            execution(at + 1, closed("a", "ann", &connection)),
            execution(at + idle, Command::Tick),
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
                    // A newer session comes before all that are still to be listed.
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
        (0..ROWS).map(|n| execution(3, create_token("a", &guest(n)))),
    )
    .await;
    let joins = (0..ROWS).map(|n| {
        execution(
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
                        .map(|found| (found.row.first_joined_at, found.row.id))
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
        ids(ParticipantFilter::RecordingState(RecordingState::Active)).await,
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

    // With the stage, everything in it is no longer visible.
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
            execution(
                1 + n / 20,
                connect("a", "ann", &connection, ConnectionKind::Events),
            ),
            execution(1 + n / 20, established("a", "ann", &connection)),
            execution(1 + n / 20, closed("a", "ann", &connection)),
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
