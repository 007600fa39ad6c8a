//! Stores with many rows: a generated backup, restored like any other before the server starts.

use std::io::{BufReader, BufWriter};

use anyhow::Context as _;
use indicatif::ProgressBar;
use restage_store::{BackupWriter, PARTICIPANT_COLUMNS, REPLICA_COLUMNS};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::database::Database;
use crate::caller::REGION;
use crate::output;

/// The default account of a server.
const ACCOUNT: &str = "000000000000";
const SOURCE: &str = "benchSource1";
const SOURCE_SESSION: &str = "st-benchsession0";
/// The participant whose replicas are listed.
pub(super) const PARTICIPANT: &str = "benchPerson1";
/// The recording of a stage that has none; the server completes it.
const NOT_RECORDED: &str = r#"{"storageConfigurationArn":""}"#;
/// How long ago everything began, in microseconds: young enough for retention to leave it alone.
const AGE_US: i64 = 86_400_000_000;

/// One stage, one participant that has been replicated this often, into sessions that have ended.
pub(super) fn replicas(database: &Database, count: u64, runtime: &Runtime) -> anyhow::Result<()> {
    fill(database, runtime, count, move |out, began| {
        stages(out, 1, began, |_| SOURCE.to_owned())?;
        out.table("replicas", REPLICA_COLUMNS)?;
        for number in 0..count {
            out.row(vec![
                json!(SOURCE_SESSION),
                json!(PARTICIPANT),
                json!(session_id(b'd', number)),
                json!(SOURCE),
                json!(id(b's', number)),
                json!(0),
                json!("{}"),
                json!(0),
                Value::Null,
                json!(began + number as i64),
            ])?;
        }
        Ok(())
    })
}

/// Stages with a session each that has ended, and participants spread over them.
pub(super) fn participants(
    database: &Database,
    stage_count: u64,
    count: u64,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let rows = 2 * stage_count + count;
    fill(database, runtime, rows, move |out, began| {
        stages(out, stage_count, began, |number| id(b'S', number))?;
        out.table(
            "stage_sessions",
            &["id", "stage", "started_at", "ended_at", "idle_since"],
        )?;
        for number in 0..stage_count {
            out.row(vec![
                json!(session(number)),
                json!(id(b'S', number)),
                json!(began + number as i64),
                json!(began + AGE_US / 2),
                Value::Null,
            ])?;
        }
        participants_of(out, stage_count, count, began)
    })
}

/// Writes about `count` rows, with a progress bar.
fn fill(
    database: &Database,
    runtime: &Runtime,
    count: u64,
    rows: impl FnOnce(&mut Rows<'_>, i64) -> std::io::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let config = database.config()?;
    let began = restage_store::system::clock::now().0 - AGE_US;
    let (from, to) = std::io::pipe()?;
    let writer = std::thread::spawn(move || {
        let mut out = BufWriter::new(to);
        let mut all = Rows {
            backup: BackupWriter::new(&mut out)?,
            progress: output::progress(count, "rows"),
        };
        rows(&mut all, began)?;
        all.progress.finish_and_clear();
        all.backup.finish()
    });
    let mut input = BufReader::new(from);
    let restored = runtime.block_on(restage_store::restore(&config, &mut input));
    // The writer fails too when its reader has ended, but the reader's error says more.
    drop(input);
    let written = writer.join();
    restored?;
    written
        .map_err(|_| anyhow::anyhow!("making rows up failed"))?
        .context("making rows up failed")?;
    Ok(())
}

/// Writes rows into a pipe. The pipe is short, so that the written rows are about those in the database.
struct Rows<'o> {
    backup: BackupWriter<'o, BufWriter<std::io::PipeWriter>>,
    progress: ProgressBar,
}

impl Rows<'_> {
    fn table(&mut self, name: &str, columns: &[&str]) -> std::io::Result<()> {
        self.backup.table(name, columns)
    }

    fn row(&mut self, cells: Vec<Value>) -> std::io::Result<()> {
        self.progress.inc(1);
        self.backup.row(cells)
    }
}

fn stages(
    out: &mut Rows<'_>,
    count: u64,
    began: i64,
    name: impl Fn(u64) -> String,
) -> std::io::Result<()> {
    let columns = [
        "id",
        "account",
        "region",
        "name",
        "tags",
        "recording",
        "created_at",
        "active_session",
        "storage",
        "bucket",
    ];
    out.table("stages", &columns)?;
    for number in 0..count {
        out.row(vec![
            json!(name(number)),
            json!(ACCOUNT),
            json!(REGION),
            json!(format!("stage-{number}")),
            json!("{}"),
            json!(NOT_RECORDED),
            json!(began + number as i64),
            Value::Null,
            Value::Null,
            Value::Null,
        ])?;
    }
    out.table("stage_counts", &["account", "region", "stages"])?;
    out.row(vec![json!(ACCOUNT), json!(REGION), json!(count)])
}

fn participants_of(out: &mut Rows<'_>, stages: u64, count: u64, began: i64) -> std::io::Result<()> {
    out.table("participants", PARTICIPANT_COLUMNS)?;
    for number in 0..count {
        // The participants of a session join at about the same time.
        let stage = number * stages / count;
        out.row(vec![
            json!(session(stage)),
            json!(id(b'p', number)),
            json!(id(b'S', stage)),
            json!(format!("user-{number}")),
            json!(format!("{{\"displayName\":\"Person {number}\"}}")),
            json!(0),
            json!(0),
            json!(1),
            json!(began + number as i64),
            json!("WHIP"),
            json!("{}"),
            json!("NONE"),
            json!(0),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            // The ingest: none.
            Value::Null,
            json!(0),
            Value::Null,
            Value::Null,
            Value::Null,
        ])?;
    }
    Ok(())
}

/// The session of a stage.
fn session(stage: u64) -> String {
    session_id(b'x', stage)
}

/// The id of a session, which has one character more than other ids.
fn session_id(kind: u8, number: u64) -> String {
    format!("st-0{}", id(kind, number))
}

/// The ARN of a stage of `participants`, and its session.
pub(super) fn place(number: u64) -> (String, String) {
    (arn(&id(b'S', number)), session(number))
}

/// The ARN of the stage of `replicas`.
pub(super) fn source() -> String {
    arn(SOURCE)
}

fn arn(stage: &str) -> String {
    format!("arn:aws:ivs:{REGION}:{ACCOUNT}:stage/{stage}")
}

/// An id of twelve characters, different for each number and in an order that looks random.
fn id(kind: u8, number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // The last steps of splitmix64 map every number to a different one.
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let mut text = String::with_capacity(12);
    for _ in 0..11 {
        text.push(char::from(DIGITS[(mixed % 62) as usize]));
        mixed /= 62;
    }
    text.push(char::from(kind));
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_look_like_ids() {
        let ids: HashSet<String> = (0..10_000).map(|number| id(b'x', number)).collect();
        assert_eq!(ids.len(), 10_000);
        let is_id = |id: &String| id.len() == 12 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(ids.iter().all(is_id));
    }

    #[test]
    fn what_is_made_up_is_a_sound_store() {
        let runtime = crate::runtime::runtime().unwrap();
        let fresh = || Database::fresh(None, &runtime).unwrap();
        let (first, second) = (fresh(), fresh());
        replicas(&first, 7, &runtime).unwrap();
        participants(&second, 3, 10, &runtime).unwrap();
        for (database, rows) in [(first, 9), (second, 17)] {
            let config = database.config().unwrap();
            let findings = runtime.block_on(restage_store::check(&config)).unwrap();
            assert_eq!((findings.rows, findings.faults), (rows, Vec::new()));
        }
    }

    #[test]
    fn a_store_that_holds_something_is_refused() {
        let runtime = crate::runtime::runtime().unwrap();
        let database = Database::fresh(None, &runtime).unwrap();
        replicas(&database, 2, &runtime).unwrap();
        let error = replicas(&database, 2, &runtime).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
    }
}
