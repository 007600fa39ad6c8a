//! Readers beside the writer: they never wait for it, see every answered command, and never half of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{
    ACCOUNT, REGION, create_stage, execute, execution, fresh, publish, replicate, stop,
};
use restage_core::id::{ParticipantId, StageId};
use restage_core::row::Replication;
use restage_store::ParticipantFilter;

const READING: usize = 6;
const ROUNDS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_commits_in_order() {
    let (store, _directory) = fresh().await;
    publish(&store, "source", "ann").await;
    execute(&store, 1, create_stage("destination")).await;
    let done = Arc::new(AtomicBool::new(false));

    let readers = (0..READING).map(|_| {
        let (store, done) = (store.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let (ann, source) = (ParticipantId::new("ann"), StageId::new("source"));
            let destination = StageId::new("destination");
            let (mut reads, mut events_seen) = (0_u32, 0);
            while !done.load(Ordering::Relaxed) || reads == 0 {
                // The replica's row, as published in the destination, is of one commit.
                for row in store.publishing_participants(&destination).await.unwrap() {
                    let Replication::Replica {
                        active,
                        source_stage,
                        ..
                    } = &row.replication
                    else {
                        panic!("{row:?} is no replica");
                    };
                    assert!(
                        *active && row.connected && *source_stage == source,
                        "{row:?}"
                    );
                }
                let stage = store.get_stage(&source).await.unwrap().unwrap();
                let session = stage.active_session.unwrap();
                let events = store.list_events(&session, &ann, 0, 1_000).await.unwrap();
                assert!(events.rows.len() >= events_seen, "history does not shrink");
                events_seen = events.rows.len();
                let everyone = store
                    .list_participants(&session, &ParticipantFilter::Connected(true), None, 10)
                    .await
                    .unwrap();
                assert_eq!(everyone.rows.len(), 1);
                reads += 1;
            }
            reads
        })
    });
    let readers: Vec<_> = readers.collect();

    let (ann, source) = (ParticipantId::new("ann"), StageId::new("source"));
    for round in 0..ROUNDS {
        let at = 10 + round as i64;
        execute(&store, at, replicate("source", "ann", "destination")).await;
        let listed = store.list_replicas(&source, &ann, None, 10).await.unwrap();
        assert!(
            listed.rows.iter().any(|row| row.active),
            "round {round}: answered, so visible"
        );
        execute(&store, at, stop("source", "ann", "destination")).await;
        let listed = store.list_replicas(&source, &ann, None, 10).await.unwrap();
        assert!(listed.rows.iter().all(|row| !row.active), "round {round}");
        // Others write too.
        let others =
            (0..5).map(|n| store.execute(execution(at, create_stage(&format!("o{round}x{n}")))));
        for outcome in futures_util::future::join_all(others).await {
            outcome.unwrap().reply.unwrap();
        }
        let page = store
            .list_stages(ACCOUNT, REGION, None, 1_000)
            .await
            .unwrap();
        assert_eq!(page.rows.len(), 2 + (round + 1) * 5);
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}
