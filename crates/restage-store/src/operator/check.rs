//! Checks a whole database and describes its faults.

use restage_api::shape::Video;

use super::{backup, schema};
use crate::config::StoreConfig;
use crate::engine::{Access, Engine};
use crate::error::StoreError;
use crate::sql::{self, query};
use crate::tables::{self, cells::Cells, recording_settings};

/// Most faults that are listed.
const FINDINGS_MAX: usize = 50;

/// The result of a check.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Number of rows, counted as in a backup.
    pub rows: u64,
    /// One sentence for each fault; empty if there is none.
    pub faults: Vec<String>,
}

/// Reads JSON that the API wrote, only to see whether that works.
type ReadJson = fn(&str) -> Result<(), String>;

/// Columns with JSON: (what they are, a query for id and JSON, how the JSON is read).
const JSON: &[(&str, &str, ReadJson)] = &[
    (
        "recording of stage",
        "SELECT id, recording FROM stages",
        recording_settings::check,
    ),
    (
        "settings of recording",
        "SELECT id, settings FROM recordings",
        recording_settings::check,
    ),
    (
        "video of encoder configuration",
        "SELECT id, video FROM encoder_configurations",
        |text| {
            let read = Video::from_canonical_json(text);
            read.map(drop).map_err(|error| error.message)
        },
    ),
];

/// Consistency rules: (the meaning of a violation, a query that counts violations).
const RULES: &[(&str, &str)] = &[
    (
        "stages whose active session is not there, is another stage's, or has ended",
        "SELECT COUNT(*) FROM stages s WHERE s.active_session IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM stage_sessions x WHERE x.id = s.active_session AND x.stage = s.id \
          AND x.ended_at IS NULL)",
    ),
    (
        "stage sessions that have not ended and are not their stage's active one",
        "SELECT COUNT(*) FROM stage_sessions x JOIN stages s ON s.id = x.stage \
         WHERE x.ended_at IS NULL AND (s.active_session IS NULL OR s.active_session <> x.id)",
    ),
    (
        "participants that are connected or publish in a session that has ended",
        "SELECT COUNT(*) FROM participants p JOIN stage_sessions x ON x.id = p.session \
         WHERE x.ended_at IS NOT NULL AND (p.connected = 1 OR p.publishing = 1)",
    ),
    (
        "ACTIVE replicas out of a session that has ended",
        "SELECT COUNT(*) FROM replicas r JOIN stage_sessions x ON x.id = r.source_session \
         WHERE r.active = 1 AND x.ended_at IS NOT NULL",
    ),
    (
        "counts of stages that are not the number of stages",
        "SELECT COUNT(*) FROM stage_counts c WHERE c.stages <> \
         (SELECT COUNT(*) FROM stages s WHERE s.account = c.account AND s.region = c.region)",
    ),
    (
        "stage sessions whose count of subscribers is not their number",
        "SELECT COUNT(*) FROM stage_sessions x JOIN stages s ON s.id = x.stage WHERE x.subscribers <> \
         (SELECT COUNT(DISTINCT c.participant) FROM connections c \
          WHERE c.session = x.id AND c.kind = 'SUBSCRIBE')",
    ),
    (
        "counts of subscriptions that are not their number",
        "SELECT COUNT(*) FROM stage_counts n WHERE n.subscriptions <> \
         (SELECT COUNT(*) FROM connections c JOIN stages s ON s.id = c.stage \
          WHERE s.account = n.account AND s.region = n.region AND c.kind = 'SUBSCRIBE')",
    ),
    // A place is held by a participant that publishes or is connecting to publish, and by a replica: one for each of
    // them.
    (
        "counts of publishers that are not their number",
        "SELECT COUNT(*) FROM stage_counts n LEFT JOIN \
         (SELECT s.account, s.region, COUNT(*) AS held FROM \
            (SELECT p.stage, p.session, p.id FROM participants p WHERE p.publishing = 1 AND p.is_virtual = 0 \
             UNION SELECT p.stage, p.session, p.id FROM participants p \
                 WHERE p.replication_active = 1 AND p.replication = 'REPLICA' \
             UNION SELECT c.stage, c.session, c.participant FROM connections c \
                 WHERE c.kind = 'PUBLISH') AS places \
          JOIN stages s ON s.id = places.stage GROUP BY s.account, s.region) AS found \
         ON found.account = n.account AND found.region = n.region \
         WHERE n.publishers <> COALESCE(found.held, 0)",
    ),
    (
        "jobs that have ended and are due, or that have not and are not",
        "SELECT COUNT(*) FROM jobs j WHERE (j.ended_at IS NULL) <> (j.due_at IS NOT NULL)",
    ),
    (
        "jobs that have ended and whose stage is gone",
        "SELECT COUNT(*) FROM jobs j WHERE j.ended_at IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM stages s WHERE s.id = j.stage) \
         AND NOT EXISTS (SELECT 1 FROM deleted_stages d WHERE d.id = j.stage)",
    ),
    (
        "participants that are recorded and whose recording is another one's",
        "SELECT COUNT(*) FROM participants p JOIN recordings v ON v.id = p.recording \
         WHERE v.participant <> p.id OR v.stage <> p.stage",
    ),
    (
        "recordings that have not ended and have a time of their end, or that have and have none",
        "SELECT COUNT(*) FROM recordings v WHERE (v.is_open = 1) <> (v.ended_at IS NULL)",
    ),
    (
        "open recordings without a job that captures them",
        "SELECT COUNT(*) FROM recordings v WHERE v.is_open = 1 AND NOT EXISTS \
         (SELECT 1 FROM jobs j WHERE j.id = v.id AND j.ended_at IS NULL)",
    ),
    (
        "compositions that have not ended and have a time of their end, or that have and have none",
        "SELECT COUNT(*) FROM compositions z WHERE (z.is_final = 1) <> (z.ended_at IS NOT NULL)",
    ),
    (
        "open compositions without a job that makes them",
        "SELECT COUNT(*) FROM compositions z WHERE z.is_open = 1 AND NOT EXISTS \
         (SELECT 1 FROM jobs j WHERE j.id = z.id AND j.ended_at IS NULL)",
    ),
    (
        "ingest configurations whose stage is not there",
        "SELECT COUNT(*) FROM ingest_configurations i WHERE i.stage IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM stages s WHERE s.id = i.stage)",
    ),
    (
        "stages whose storage configuration is not there",
        "SELECT COUNT(*) FROM stages s WHERE s.storage IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM storage_configurations w WHERE w.id = s.storage AND w.bucket = s.bucket)",
    ),
    (
        "stages that are not counted",
        "SELECT COUNT(*) FROM stages s WHERE NOT EXISTS (SELECT 1 FROM stage_counts c \
         WHERE c.account = s.account AND c.region = s.region)",
    ),
];

/// Checks a database: the engine's own check, that every row can be read, and that rows are consistent with
/// each other. Can run beside a server, of which it sees a snapshot.
///
/// # Errors
/// [`StoreError`] if the database cannot be read.
pub async fn check(config: &StoreConfig) -> Result<Findings, StoreError> {
    let visit = Engine::visit(config, Access::Reader).await?;
    let mut connection = visit.connection;
    let mut findings = Findings::default();
    connection.command(visit.begin).await?;
    // The rules apply to this build's schema only.
    schema::check(&mut connection, config).await?;
    if connection.is_sqlite() {
        let said = query("PRAGMA integrity_check(20)")
            .rows(&mut connection, |row| row.text(0).map(str::to_owned))
            .await?;
        let faults = said.into_iter().filter(|line| line != "ok");
        findings.faults.extend(faults);
    }
    findings.rows = backup::count(&mut connection).await?;
    read_all(&mut connection, &mut findings).await?;
    for (what, sql) in RULES {
        let found = query(*sql).number(&mut connection).await?;
        if found > 0 {
            findings.add(format!("{found} {what}"));
        }
    }
    connection.command("ROLLBACK").await?;
    connection.close().await?;
    Ok(findings)
}

impl Findings {
    fn add(&mut self, fault: String) {
        if self.faults.len() < FINDINGS_MAX {
            self.faults.push(fault);
        }
    }
}

/// Reads every row as the server would.
async fn read_all(
    connection: &mut sql::Connection,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    for (sql, read) in tables::ALL.iter().filter_map(|table| table.rows) {
        let each = query(sql).each(connection, |row| {
            if let Err(error) = read(row) {
                findings.add(error.to_string());
            }
            Ok::<_, StoreError>(())
        });
        each.await?;
    }
    for (what, sql, read) in JSON {
        let each = query(*sql).each(connection, |row| {
            let mut cells = Cells::new(row, what);
            let (id, text) = (cells.text()?, cells.text()?);
            if let Err(error) = read(&text) {
                findings.add(format!("{what} {id} cannot be read: {error}"));
            }
            Ok::<_, StoreError>(())
        });
        each.await?;
    }
    Ok(())
}
