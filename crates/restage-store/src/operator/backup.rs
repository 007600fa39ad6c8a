//! A database as lines of JSON: a backup that either engine can take in, so also the way from one to the
//! other.
//!
//! The first line names the format and the schema, the last one counts the rows and seals all lines before
//! it. Between them stand a line per table, `{"table":…,"columns":[…]}`, and a line per row, an array in
//! the order of those columns. The picture is that of one moment; a running server is not disturbed.

use std::io::{BufRead, Write};

use aws_lc_rs::digest::{Context as Digest, SHA256};
use serde_json::{Value, json};

use super::schema;
use crate::config::StoreConfig;
use crate::engine::{self, Engine, Role};
use crate::error::StoreError;
use crate::sql::{self, Row, query};
use crate::writer::health::PROBE_ROW;

/// What the first line says.
const FORMAT: &str = "restage-backup";
/// Rows written by one statement when a backup is taken in.
const ROWS_PER_STATEMENT: usize = 64;
/// The longest line that is read: far above any row restage writes.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Every table, in the order they are written. `meta` holds the keys of this deployment, so a backup is as
/// secret as the database.
pub(crate) const TABLES: &[&str] = &[
    "meta",
    "stages",
    "public_keys",
    "stage_counts",
    "deleted_stages",
    "tokens",
    "stage_sessions",
    "participants",
    "replicas",
    "connections",
    "jobs",
    "stage_events",
    "outbox",
    "dead_letters",
];
/// Rows of `meta` that belong to the database and not to what is in it.
const OWN_ROWS: [&str; 2] = ["owner", PROBE_ROW];
const BUT_OWN_ROWS: &str = " WHERE name NOT IN ('owner', 'probe')";

/// The rows of a database, as a backup of it counts them.
pub(crate) async fn count(connection: &mut sql::Connection) -> Result<u64, StoreError> {
    let mut rows = 0;
    for table in TABLES {
        let sql = match *table {
            "meta" => format!("SELECT COUNT(*) FROM meta{BUT_OWN_ROWS}"),
            table => format!("SELECT COUNT(*) FROM {table}"),
        };
        let found = query(sql).number(connection).await?;
        rows += u64::try_from(found).unwrap_or_default();
    }
    Ok(rows)
}

/// Why a backup was not made or not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error("the backup cannot be written or read: {0}")]
    Io(#[from] std::io::Error),
    /// Not a backup, or a damaged one.
    #[error("line {line} of the backup is not what it should be: {reason}; nothing was restored")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The database holds something.
    #[error("the database {database} is not empty; a backup is restored into an empty one only")]
    NotEmpty {
        /// The database, without secrets.
        database: String,
    },
    /// A later restage made the backup.
    #[error(
        "the backup was made by a newer restage (schema {found}, this one knows {known}); restore it with that version"
    )]
    NewerSchema {
        /// Of the backup.
        found: i64,
        /// The latest this build has.
        known: i64,
    },
}

/// Writes a backup and says how many rows it has. Works beside a running server.
///
/// # Errors
/// [`DumpError`]; what was written so far is then of no use.
pub async fn backup(config: &StoreConfig, out: &mut (impl Write + Send)) -> Result<u64, DumpError> {
    let visit = Engine::visit(config, Role::Reader).await?;
    let mut connection = visit.connection;
    connection.command(visit.begin).await?;
    schema::check(&mut connection, config).await?;
    let mut backup = BackupWriter::new(out)?;
    for table in TABLES {
        let rows = query(format!("SELECT * FROM {table}"));
        let mut width = None;
        let each = rows.each(&mut connection, |row| {
            if *table == "meta" && OWN_ROWS.contains(&row.text(0)?) {
                return Ok(());
            }
            let width = match width {
                Some(width) => width,
                None => {
                    let columns = row.columns();
                    backup.table(table, &columns)?;
                    *width.insert(columns.len())
                }
            };
            backup.row(cells(row, width)?)?;
            Ok::<_, DumpError>(())
        });
        each.await?;
    }
    let count = backup.finish()?;
    connection.command("ROLLBACK").await?;
    connection.close().await?;
    Ok(count)
}

/// The values of a row, of the two types there are.
fn cells(row: &Row<'_>, width: usize) -> Result<Vec<Value>, StoreError> {
    let cell = |at: usize| {
        Ok(match row.value(at)? {
            sql::Value::Null => Value::Null,
            sql::Value::Number(number) => Value::from(number),
            sql::Value::Text(text) => Value::from(text),
        })
    };
    (0..width).map(cell).collect()
}

/// Writes a backup of this build's schema row by row: also for those who make rows up, such as a benchmark that
/// needs a million of them.
pub struct BackupWriter<'o, W> {
    lines: Lines<'o, W>,
    rows: u64,
}

impl<'o, W: Write> BackupWriter<'o, W> {
    /// Begins it.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(out: &'o mut W) -> std::io::Result<Self> {
        let mut lines = Lines::new(out);
        lines.write(&json!({"format": FORMAT, "schema": engine::latest_schema()}))?;
        Ok(Self { lines, rows: 0 })
    }

    /// The rows that follow are of this table and have these columns.
    ///
    /// # Errors
    /// What `out` says.
    pub fn table(&mut self, name: &str, columns: &[impl AsRef<str>]) -> std::io::Result<()> {
        let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        self.lines
            .write(&json!({"table": name, "columns": columns}))
    }

    /// A row: text, whole numbers and null.
    ///
    /// # Errors
    /// What `out` says.
    pub fn row(&mut self, cells: Vec<Value>) -> std::io::Result<()> {
        self.rows += 1;
        self.lines.write(&Value::Array(cells))
    }

    /// Seals it, and says how many rows it has.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(self) -> std::io::Result<u64> {
        self.lines.seal(self.rows)?;
        Ok(self.rows)
    }
}

/// Lines on their way out, with a digest over them.
struct Lines<'o, W> {
    out: &'o mut W,
    digest: Digest,
}

impl<'o, W: Write> Lines<'o, W> {
    fn new(out: &'o mut W) -> Self {
        Self {
            out,
            digest: Digest::new(&SHA256),
        }
    }

    fn write(&mut self, line: &Value) -> std::io::Result<()> {
        let mut text = line.to_string();
        text.push('\n');
        self.digest.update(text.as_bytes());
        self.out.write_all(text.as_bytes())
    }

    fn seal(mut self, rows: u64) -> std::io::Result<()> {
        let digest = hex::encode(self.digest.clone().finish());
        self.write(&json!({"rows": rows, "sha256": digest}))?;
        self.out.flush()
    }
}

/// Takes a backup into an empty database and says how many rows that were. The backup may be of an earlier
/// schema: it is brought up to date. Nothing is kept of one that is damaged.
///
/// # Errors
/// [`DumpError`].
pub async fn restore(
    config: &StoreConfig,
    input: &mut (impl BufRead + Send),
) -> Result<u64, DumpError> {
    let mut reader = Reader::new(input);
    let schema = reader.schema()?;
    let known = engine::latest_schema();
    if schema > known {
        return Err(DumpError::NewerSchema {
            found: schema,
            known,
        });
    }
    let owned = config.clone();
    let engine = tokio::task::spawn_blocking(move || Engine::acquire(&owned))
        .await
        .map_err(|_| StoreError::Defect)??;
    let mut connection = engine.claim().await?;
    engine.migrate_to(&mut connection, schema).await?;
    connection.command(engine.begin_write()).await?;
    if !is_empty(&mut connection, schema).await? {
        return Err(DumpError::NotEmpty {
            database: config.name(),
        });
    }
    let rows = fill(&mut connection, &mut reader).await?;
    connection.command("COMMIT").await?;
    engine.migrate_to(&mut connection, known).await?;
    connection.close().await?;
    Ok(rows)
}

/// Whether no table holds anything but what belongs to the database itself.
async fn is_empty(connection: &mut sql::Connection, schema: i64) -> Result<bool, StoreError> {
    for table in TABLES {
        let but = match *table {
            "meta" => BUT_OWN_ROWS,
            // Not in every schema a backup may be of.
            "public_keys" if schema < 2 => continue,
            "outbox" | "dead_letters" if schema < 3 => continue,
            _ => "",
        };
        let count = query(format!("SELECT COUNT(*) FROM {table}{but}"));
        let rows = count.number(connection).await?;
        if rows > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes every row there is to read, up to the seal.
async fn fill<R: BufRead + Send>(
    connection: &mut sql::Connection,
    reader: &mut Reader<'_, R>,
) -> Result<u64, DumpError> {
    let mut target: Option<(String, Vec<String>)> = None;
    let mut waiting: Vec<Vec<Value>> = Vec::new();
    let mut count = 0;
    loop {
        let line = reader.next()?;
        let is_full = waiting.len() == ROWS_PER_STATEMENT;
        if (is_full || !line.is_array())
            && let Some((table, columns)) = &target
        {
            insert(connection, table, columns, std::mem::take(&mut waiting)).await?;
        }
        match line {
            Value::Array(cells) => {
                let width = target.as_ref().map(|(_, columns)| columns.len());
                if width != Some(cells.len()) {
                    return Err(reader.bad("a row does not go with its table's columns"));
                }
                waiting.push(cells);
                count += 1;
            }
            Value::Object(members) if members.contains_key("table") => {
                target = Some(reader.table(&members)?);
            }
            Value::Object(members) => {
                reader.check_seal(&members, count)?;
                return Ok(count);
            }
            _ => return Err(reader.bad("it is neither a table nor a row nor the end")),
        }
    }
}

async fn insert(
    connection: &mut sql::Connection,
    table: &str,
    columns: &[String],
    rows: Vec<Vec<Value>>,
) -> Result<(), DumpError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut number = 0;
    let tuples: Vec<String> = rows
        .iter()
        .map(|row| {
            let marks: Vec<String> = row
                .iter()
                .map(|cell| match cell {
                    Value::Null => "NULL".to_owned(),
                    _ => {
                        number += 1;
                        format!("${number}")
                    }
                })
                .collect();
            format!("({})", marks.join(", "))
        })
        .collect();
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES {}",
        columns.join(", "),
        tuples.join(", ")
    );
    // Statements differ by where their NULLs are: remembering them all would be of no use.
    let mut query = query(sql).once();
    for cell in rows.into_iter().flatten() {
        query = match cell {
            Value::Null => query,
            Value::String(text) => query.bind(text),
            other => query.bind(other.as_i64().unwrap_or_default()),
        };
    }
    query.execute(connection).await?;
    Ok(())
}

/// Lines on their way in, counted and with a digest over them.
struct Reader<'i, R> {
    input: &'i mut R,
    digest: Digest,
    /// The digest of all lines but the latest.
    sealed: String,
    line: u64,
}

impl<'i, R: BufRead> Reader<'i, R> {
    fn new(input: &'i mut R) -> Self {
        Self {
            input,
            digest: Digest::new(&SHA256),
            sealed: String::new(),
            line: 0,
        }
    }

    fn bad(&self, reason: &str) -> DumpError {
        DumpError::Line {
            line: self.line,
            reason: reason.to_owned(),
        }
    }

    fn next(&mut self) -> Result<Value, DumpError> {
        self.line += 1;
        let mut text = String::new();
        let mut limited = std::io::Read::take(&mut *self.input, LINE_BYTES_MAX);
        limited.read_line(&mut text)?;
        if !text.ends_with('\n') {
            return Err(self.bad("it is cut off"));
        }
        self.sealed = hex::encode(self.digest.clone().finish());
        self.digest.update(text.as_bytes());
        serde_json::from_str(&text).map_err(|_| self.bad("it is not JSON"))
    }

    /// From the first line.
    fn schema(&mut self) -> Result<i64, DumpError> {
        let line = self.next()?;
        if line.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(self.bad("it does not begin a restage backup"));
        }
        line.get("schema")
            .and_then(Value::as_i64)
            .ok_or_else(|| self.bad("it names no schema"))
    }

    /// A table's name and columns. Only names that are tables of ours and plain column names pass: they
    /// become part of statements.
    fn table(
        &self,
        members: &serde_json::Map<String, Value>,
    ) -> Result<(String, Vec<String>), DumpError> {
        let table = members.get("table").and_then(Value::as_str);
        let table = table.filter(|name| TABLES.contains(name));
        let plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        let columns = members.get("columns").and_then(Value::as_array);
        let columns: Option<Vec<String>> = columns.and_then(|columns| {
            let name = |column: &Value| {
                column
                    .as_str()
                    .filter(|name| plain(name))
                    .map(str::to_owned)
            };
            columns.iter().map(name).collect()
        });
        table
            .map(str::to_owned)
            .zip(columns)
            .ok_or_else(|| self.bad("it names a table or a column that restage does not have"))
    }

    fn check_seal(
        &self,
        members: &serde_json::Map<String, Value>,
        rows: u64,
    ) -> Result<(), DumpError> {
        let counted = members.get("rows").and_then(Value::as_u64);
        let digest = members.get("sha256").and_then(Value::as_str);
        if counted != Some(rows) || digest != Some(self.sealed.as_str()) {
            return Err(self.bad("the lines before it are not those that were written"));
        }
        Ok(())
    }
}
