//! What `restage db check` reports: nothing about rows that a server wrote, and a sentence of its own for each fault.

use crate::support::{
    Database, compose, config, connect, create_recorded, create_stage, create_token, delete_stage,
    established, execute, fresh, join, publish, replicate,
};
use restage_core::row::ConnectionKind;
use restage_store::{Findings, backup, check, dead_letters, migrate};

/// A participant publishes, is connecting to publish, is watched, and is replicated into a stage that exists and one that
/// is deleted. Then the server was killed.
async fn lively() -> Database {
    let (store, database) = fresh().await;
    publish(&store, "source", "ann").await;
    for (at, stage) in [(3, "going"), (4, "gone")] {
        execute(&store, at, create_stage(stage)).await;
        execute(&store, at, replicate("source", "ann", stage)).await;
    }
    for (participant, kind) in [
        ("bob", ConnectionKind::Publish),
        (
            "cleo",
            ConnectionKind::Subscribe {
                publisher: "ann".into(),
            },
        ),
    ] {
        execute(&store, 5, create_token("source", participant)).await;
        let open = connect("source", participant, participant, kind);
        execute(&store, 6, open).await;
    }
    execute(&store, 7, established("source", "cleo", "cleo")).await;
    execute(&store, 8, delete_stage("gone")).await;
    create_recorded(&store, "recorded", 0).await;
    join(&store, 9, "recorded", "dan", "dan").await;
    execute(&store, 10, compose("x", "recorded", "one", "")).await;
    store.close().await;
    database
}

async fn find(database: &Database) -> Findings {
    check(&config(database)).await.unwrap()
}

#[tokio::test]
async fn nothing_in_what_a_server_wrote() {
    let findings = find(&lively().await).await;
    assert_eq!(findings.faults, [""; 0]);
    assert!(findings.rows > 10, "{findings:?}");
}

#[tokio::test]
async fn each_fault_by_a_sentence_of_its_own() {
    for (breakage, sentence) in [
        (
            "UPDATE stages SET recording = '{bad' WHERE id = 'source'",
            "recording of stage source cannot be read",
        ),
        (
            "UPDATE stages SET active_session = 'st-0000000000000' WHERE id = 'source'",
            "stages whose active session is not there",
        ),
        (
            "UPDATE stages SET active_session = NULL WHERE id = 'source'",
            "stage sessions that have not ended and are not their stage's active one",
        ),
        (
            "UPDATE stage_sessions SET ended_at = 9",
            "participants that are connected or publish in a session that has ended",
        ),
        (
            "UPDATE stage_sessions SET ended_at = 9",
            "ACTIVE replicas out of a session that has ended",
        ),
        (
            "UPDATE stage_counts SET stages = stages + 1",
            "counts of stages that are not the number of stages",
        ),
        (
            "UPDATE stage_sessions SET subscribers = subscribers + 1",
            "stage sessions whose count of subscribers is not their number",
        ),
        (
            "UPDATE stage_counts SET subscriptions = subscriptions - 1",
            "counts of subscriptions that are not their number",
        ),
        (
            "UPDATE stage_counts SET publishers = publishers - 1",
            "counts of publishers that are not their number",
        ),
        (
            "UPDATE stage_counts SET publishers = 1",
            "counts of publishers that are not their number",
        ),
        ("DELETE FROM stage_counts", "stages that are not counted"),
        (
            "UPDATE recordings SET settings = '{bad'",
            "settings of recording",
        ),
        (
            "UPDATE recordings SET participant = 'ann'",
            "participants that are recorded and whose recording is another one's",
        ),
        (
            "UPDATE recordings SET ended_at = 9",
            "recordings that have not ended and have a time of their end",
        ),
        (
            "DELETE FROM jobs",
            "open recordings without a job that captures them",
        ),
        (
            "DELETE FROM jobs",
            "open compositions without a job that makes them",
        ),
        (
            "UPDATE compositions SET ended_at = 9",
            "compositions that have not ended and have a time of their end",
        ),
        (
            "UPDATE compositions SET layout = '{}'",
            "a row of the database cannot be read (composition)",
        ),
        (
            "UPDATE compositions SET channel = NULL",
            "destinations do not go with their columns",
        ),
        (
            "UPDATE compositions SET is_open = 0",
            "STARTING does not go with its flags",
        ),
        (
            "DELETE FROM storage_configurations",
            "stages whose storage configuration is not there",
        ),
        (
            "INSERT INTO ingest_configurations (id, account, region, name, tags, stage, user_id, attributes, protocol, \
             insecure, participant, stream_key, created_at) VALUES \
             ('i', '0', 'r', '', '{}', 'gone', '', '{}', 'RTMPS', 0, 'p', 'rt_0_r_i_s', 1)",
            "ingest configurations whose stage is not there",
        ),
        (
            "UPDATE recordings SET is_open = 0",
            "STARTING does not go with its flags",
        ),
    ] {
        let database = lively().await;
        let done = sqlx::query(breakage)
            .execute(&mut database.rows().await)
            .await;
        assert!(done.unwrap().rows_affected() > 0, "{breakage}");
        let faults = find(&database).await.faults;
        assert!(
            faults.iter().any(|fault| fault.contains(sentence)),
            "{breakage}: {faults:?}"
        );
    }
}

#[tokio::test]
async fn nobody_publishes_and_somebody_is_counted() {
    let (store, database) = fresh().await;
    execute(&store, 1, create_stage("quiet")).await;
    store.close().await;
    assert_eq!(find(&database).await.faults, [""; 0]);
    let more = sqlx::query("UPDATE stage_counts SET publishers = 1");
    more.execute(&mut database.rows().await).await.unwrap();
    assert_eq!(
        find(&database).await.faults,
        ["1 counts of publishers that are not their number"]
    );
}

#[tokio::test]
async fn a_database_without_tables_is_said_to_have_none() {
    let database = Database::fresh().await;
    if !database.is_postgres() {
        std::fs::write(database.path().join("restage.db"), "").unwrap();
    }
    let config = config(&database);
    let checked = check(&config).await.unwrap_err().to_string();
    let saved = backup(&config, &mut Vec::new()).await;
    let saved = saved.unwrap_err().to_string();
    let letters = dead_letters(&config, 1).await.unwrap_err().to_string();
    for refused in [checked, saved, letters] {
        assert!(refused.contains("no tables of restage"), "{refused}");
        assert!(refused.contains("restage db migrate"), "{refused}");
    }
    migrate(&config).await.unwrap();
    assert_eq!(find(&database).await.faults, [""; 0]);
}

#[tokio::test]
async fn a_schema_of_another_version_is_not_judged() {
    let database = lively().await;
    let mut rows = database.rows().await;
    for (change, expected) in [
        (
            "UPDATE _sqlx_migrations SET version = version + 100 WHERE version > 3",
            "newer",
        ),
        ("DELETE FROM _sqlx_migrations WHERE version > 1", "migrate"),
    ] {
        sqlx::query(change).execute(&mut rows).await.unwrap();
        let refused = check(&config(&database)).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
