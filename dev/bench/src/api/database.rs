//! A database for one measurement, gone after it: a SQLite file in a directory of its own, or a schema of its own in a
//! PostgreSQL database. Nothing that is there already is touched.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use restage_store::{StoreConfig, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::runtime::{Handle, Runtime};

use crate::server::fresh_directory;

/// Prefix of schema names, before the process id and a number.
const SCHEMA_PREFIX: &str = "restage_bench";
/// Most schemas that earlier processes with this process id may have left behind.
const SCHEMAS_MAX: u32 = 1_000;
/// PostgreSQL's error code for a schema that exists.
const DUPLICATE_SCHEMA: &str = "42P06";
/// How long making or dropping a schema may take, connecting included: a large one takes seconds.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(60);

/// The database of one store.
pub(super) struct Database {
    address: String,
    kind: Kind,
}

enum Kind {
    File(PathBuf),
    Schema(Schema),
}

/// The parameters for dropping it.
struct Schema {
    url: String,
    name: String,
    runtime: Handle,
}

impl Database {
    /// Creates an empty database: a schema of the PostgreSQL database at this address, or a SQLite file if there is
    /// none.
    pub(super) fn fresh(postgres: Option<&str>, runtime: &Runtime) -> anyhow::Result<Self> {
        let Some(url) = postgres else {
            let directory = fresh_directory()?;
            let address = format!("sqlite:{}", directory.join("restage.db").display());
            let kind = Kind::File(directory);
            return Ok(Self { address, kind });
        };
        let config = StoreConfig::from_address(url)?;
        anyhow::ensure!(
            config.path().is_none(),
            "--database names a file; SQLite files are made without it, so it takes postgres://USER@HOST/DATABASE only"
        );
        let name = runtime
            .block_on(async { tokio::time::timeout(SCHEMA_TIMEOUT, create(url)).await })
            .unwrap_or_else(|_| bail!("it did not answer within {SCHEMA_TIMEOUT:?}"))
            .with_context(|| format!("cannot create a schema in {}", config.name()))?;
        Ok(Self {
            address: with_schema(url, &name),
            kind: Kind::Schema(Schema {
                url: url.to_owned(),
                name,
                runtime: runtime.handle().clone(),
            }),
        })
    }

    /// The address for `serve`. It may contain a password.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn config(&self) -> Result<StoreConfig, StoreError> {
        StoreConfig::from_address(&self.address)
    }
}

/// Adds the schema after the options of the address, because the last option is valid.
fn with_schema(url: &str, schema: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}options=-csearch_path%3D{schema}")
}

async fn create(url: &str) -> anyhow::Result<String> {
    let mut connection = PgConnection::connect(url).await?;
    for number in 0..SCHEMAS_MAX {
        let name = format!("{SCHEMA_PREFIX}_{}_{number}", std::process::id());
        let sql = AssertSqlSafe(format!("CREATE SCHEMA {name}"));
        match sqlx::raw_sql(sql).execute(&mut connection).await {
            Ok(_) => {
                connection.close().await?;
                return Ok(name);
            }
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(DUPLICATE_SCHEMA) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!(
        "{SCHEMAS_MAX} schemas {SCHEMA_PREFIX}_{}_N are there already; drop them",
        std::process::id()
    )
}

impl Schema {
    async fn remove(&self) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url).await?;
        let sql = AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", self.name));
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        connection.close().await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        match &self.kind {
            Kind::File(directory) => {
                std::fs::remove_dir_all(directory).ok();
            }
            Kind::Schema(schema) => {
                let removed = schema.runtime.block_on(async {
                    tokio::time::timeout(SCHEMA_TIMEOUT, schema.remove()).await
                });
                if !matches!(removed, Ok(Ok(()))) {
                    eprintln!(
                        "the schema {} could not be dropped; drop it by hand",
                        schema.name
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_the_last_word_of_an_address() {
        let chosen = |url| with_schema(url, "s1");
        assert_eq!(
            chosen("postgres://ann@db/rs"),
            "postgres://ann@db/rs?options=-csearch_path%3Ds1"
        );
        let both = chosen("postgres://db/rs?options=-csearch_path%3Dtheirs");
        assert!(both.ends_with("theirs&options=-csearch_path%3Ds1"));
        let options: sqlx::postgres::PgConnectOptions = both.parse().unwrap();
        assert_eq!(
            options.get_options(),
            Some("-csearch_path=theirs -csearch_path=s1")
        );
    }

    #[test]
    fn a_file_is_gone_with_its_directory() {
        let runtime = crate::runtime::runtime().unwrap();
        let database = Database::fresh(None, &runtime).unwrap();
        let file = database.config().unwrap().path().unwrap().to_owned();
        assert!(file.parent().unwrap().is_dir());
        drop(database);
        assert!(!file.parent().unwrap().exists());
    }

    #[test]
    fn a_file_is_no_database_of_ours() {
        let runtime = crate::runtime::runtime().unwrap();
        for (address, reason) in [
            ("sqlite:/tmp/r.db", "names a file"),
            ("mysql://ann:hunter2@db/rs", "no support for mysql"),
        ] {
            let error = Database::fresh(Some(address), &runtime).err().unwrap();
            let error = format!("{error:#}");
            assert!(
                error.contains(reason) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
