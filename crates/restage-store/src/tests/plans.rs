//! Every statement of the running server finds its rows in an index, whose order is the list's: no table
//! is scanned and nothing is sorted. These are claims about SQLite's planner.

use restage_core::row::PlainKind;

use super::{Bench, Database};
use crate::load::{compositions, connection_tokens, recordings, rows};
use crate::sql::query;
use crate::tables::{ingest_configuration, plain, public_key, purge, write};
use crate::writer::retention;
use crate::{outbox, read};

/// Asks for the plan, one line per step.
async fn plan(bench: &mut Bench, sql: &str) -> Vec<String> {
    query(format!("EXPLAIN QUERY PLAN {sql}"))
        .rows(&mut bench.rows, |step| step.text(3).map(str::to_owned))
        .await
        .unwrap()
}

/// The key table is read from end to end by design, as is what a subquery found through an index.
fn is_by_design(step: &str) -> bool {
    [
        "SCAN want",
        "SCAN CONSTANT ROW",
        "SCAN 2 CONSTANT ROWS",
        "SCAN (subquery",
        "SCAN publishers",
        "SCAN subscribers",
        "SCAN found",
    ]
    .iter()
    .any(|prefix| step.starts_with(prefix))
        || (step.starts_with("SCAN") && step.ends_with("CONSTANT ROWS"))
}

#[tokio::test]
async fn lists_and_look_ups_neither_scan_nor_sort() {
    let mut bench = Bench::on(Database::sqlite(), Box::new(|_, _, _| ())).await;
    let single = [
        ("get_stage", read::GET_STAGE),
        ("list_stages", read::LIST_STAGES),
        ("list_live_stages", read::LIST_LIVE_STAGES),
        ("list_regions", read::LIST_REGIONS),
        ("get_session", read::GET_SESSION),
        ("list_sessions", read::LIST_SESSIONS),
        ("get_participant", read::GET_PARTICIPANT),
        ("list_participants", read::LIST_PARTICIPANTS),
        (
            "list_participants by user id",
            read::LIST_PARTICIPANTS_BY_USER,
        ),
        (
            "list_participants by state",
            read::LIST_PARTICIPANTS_BY_STATE,
        ),
        (
            "list_participants by published",
            read::LIST_PARTICIPANTS_BY_PUBLISHED,
        ),
        ("list_events", read::LIST_EVENTS),
        ("list_replicas", read::LIST_REPLICAS),
        ("publishing_participants", read::PUBLISHING_PARTICIPANTS),
        ("get_token", rows::TOKEN),
        ("public key with a point", public_key::WITH_POINT),
        ("meta_get", rows::META),
        ("stage count", rows::STAGE_COUNT),
        ("region count", rows::REGION_COUNT),
        ("connections overdue", rows::CONNECTIONS_OVERDUE),
        ("counting in a session", write::COUNT_IN_SESSION),
        ("counting in a region", write::COUNT_IN_REGION),
        ("replica", rows::REPLICA),
        ("replicas due", rows::REPLICAS_DUE),
        ("replications", rows::REPLICATIONS),
        ("stages idle", rows::STAGES_IDLE),
        ("connections of a session", rows::CONNECTIONS_OF_SESSION),
        ("live participants", rows::PARTICIPANTS_LIVE),
        ("job", rows::JOB),
        ("jobs of a stage", rows::JOBS_OF),
        ("jobs due", rows::JOBS_DUE),
        (
            "list_participants by recording",
            read::LIST_PARTICIPANTS_BY_RECORDING,
        ),
        ("get_recording", read::recordings::GET),
        ("list_recordings", read::recordings::LIST),
        (
            "list_recordings of a stage",
            read::recordings::LIST_OF_STAGE,
        ),
        (
            "list_recordings of a participant",
            read::recordings::LIST_OF_PARTICIPANT,
        ),
        ("list_recordings of both", read::recordings::LIST_OF_BOTH),
        ("list_recordings of a user", read::recordings::LIST_OF_USER),
        (
            "list_recordings of a user in a stage",
            read::recordings::LIST_OF_USER_IN_STAGE,
        ),
        ("get_named_recording", read::recordings::GET_NAMED),
        ("open recordings of a stage", recordings::OPEN_OF_STAGE),
        ("recordings due", recordings::DUE),
        ("recordings of a stage", recordings::COUNT_OF_STAGE),
        ("use of a storage configuration", recordings::STORAGE_USE),
        ("get_composition", read::compositions::GET),
        ("list_compositions", read::compositions::LIST),
        (
            "list_compositions of a stage",
            read::compositions::LIST_OF_STAGE,
        ),
        (
            "list_compositions of an encoder configuration",
            read::compositions::LIST_OF_ENCODER,
        ),
        (
            "list_compositions of both",
            read::compositions::LIST_OF_BOTH,
        ),
        ("composition with a token", compositions::BY_TOKEN),
        ("compositions of a stage", compositions::OF_STAGE),
        ("open compositions that are due", compositions::DUE_OPEN),
        ("compositions to be removed", compositions::DUE_FINAL),
        ("number of compositions", compositions::COUNT),
        (
            "number of compositions of a stage",
            compositions::COUNT_OF_STAGE,
        ),
        ("use of an encoder configuration", compositions::ENCODER_USE),
        ("use of a channel", compositions::CHANNEL_USE),
        ("which events wait", outbox::WAITING_KEYS),
        ("get_ingest_configuration", read::ingests::GET),
        ("list_ingest_configurations", read::ingests::LIST),
        (
            "list_ingest_configurations of a stage",
            read::ingests::LIST_OF_STAGE,
        ),
        (
            "list_ingest_configurations that are active",
            read::ingests::LIST_ACTIVE,
        ),
        (
            "list_ingest_configurations that are not active",
            read::ingests::LIST_INACTIVE,
        ),
        (
            "ingest configurations of a stage",
            ingest_configuration::OF_STAGE,
        ),
        (
            "ingest configuration by a participant",
            ingest_configuration::BY_PARTICIPANT,
        ),
        ("how many events wait", outbox::WAITING_COUNT),
        ("revocation", connection_tokens::REVOCATION),
        ("number of revocations", connection_tokens::REVOCATION_COUNT),
        (
            "connections opened with a token",
            connection_tokens::OPENED_WITH,
        ),
    ];
    let plain = PlainKind::ALL.iter().flat_map(|kind| {
        let table = plain(*kind);
        [table.get, table.list, table.count].map(|sql| (kind.name(), sql))
    });
    for (name, sql) in single.into_iter().chain(plain) {
        for step in plan(&mut bench, sql).await {
            assert!(
                (!step.contains("SCAN") || is_by_design(&step)) && !step.contains("TEMP B-TREE"),
                "{name}: {step}"
            );
        }
    }
    let by_keys = [
        ("stages", rows::STAGES),
        ("sessions", rows::SESSIONS),
        ("participants", rows::PARTICIPANTS),
        ("replicas of participants", rows::REPLICAS_OF),
        ("connections of participants", rows::CONNECTIONS_OF),
        ("subscribers", rows::SUBSCRIBERS),
        ("occupancies", rows::OCCUPANCIES),
        ("jobs that capture", recordings::JOBS),
        ("recordings", recordings::RECORDINGS),
        ("open recordings of participants", recordings::OPEN_OF),
        ("counts of jobs", recordings::JOB_COUNTS),
        ("compositions", compositions::COMPOSITIONS),
    ];
    for (name, statement) in by_keys {
        for keys in [1, 2, 256] {
            let sql = rows::with_keys(statement.columns, statement.width, keys, statement.sql);
            for step in plan(&mut bench, &sql).await {
                assert!(
                    !step.contains("SCAN") || is_by_design(&step),
                    "{name}, {keys}: {step}"
                );
                // Publishers are few and come from three places: they are made distinct in memory.
                let sorts = step.contains("TEMP B-TREE") && !step.starts_with("UNION USING");
                assert!(!sorts, "{name}, {keys}: {step}");
            }
        }
    }
    let of_retention = [
        retention::NEXT_ENDED,
        retention::DELETE_TOKENS,
        retention::DELETE_DEAD_LETTERS,
        retention::LASTING,
        retention::PARTICIPANTS,
        retention::DELETE_EVENTS,
        retention::DELETE_REPLICAS,
        retention::DELETE_PARTICIPANT,
        retention::DELETE_JOBS,
        retention::DELETE_RECORDINGS,
        retention::DELETE_REVOCATIONS,
        outbox::WAITING,
    ];
    for sql in purge::OF_SESSION
        .into_iter()
        .chain([
            purge::DELETE_TOKENS,
            purge::DELETE_JOBS,
            purge::NEXT_SESSION,
        ])
        .chain(of_retention)
    {
        for step in plan(&mut bench, sql).await {
            assert!(
                !step.contains("SCAN") || is_by_design(&step),
                "{sql}: {step}"
            );
        }
    }
}
