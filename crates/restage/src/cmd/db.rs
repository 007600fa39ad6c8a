//! `restage db`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use restage_store::system::files;

use super::database::DatabaseArgs;
use crate::api;
use crate::output;

/// Back up, restore, migrate and check the database.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    #[command(about = "Write all that the database holds into a file, beside a running server")]
    Backup(BackupArgs),
    #[command(about = "Take a backup into an empty database, of whichever engine")]
    Restore(RestoreArgs),
    #[command(about = "Bring the schema up to date without starting the server")]
    Migrate(MigrateArgs),
    #[command(about = "Read every row and say what is wrong, beside a running server")]
    Check(CheckArgs),
}

/// Writes a backup: lines of JSON, in the same format for SQLite and PostgreSQL.
///
/// The backup is a consistent snapshot, and a running server is not disturbed. The file contains keys and is readable by
/// its owner only. It is complete, or it does not exist. The data directory's tokens.key and credentials are not in it:
/// keep a copy of those too.
#[derive(clap::Args)]
pub(crate) struct BackupArgs {
    /// File to write; it must not exist
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Restores a backup into an empty database, SQLite or PostgreSQL, whichever it came from.
///
/// The server must not be running. A backup of an earlier restage is migrated. Nothing is kept of a damaged
/// backup.
#[derive(clap::Args)]
pub(crate) struct RestoreArgs {
    /// File to read
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Migrates the schema to the version of this restage, forward only, as a start of the server does.
///
/// The server must not be running. The only way back is a backup made before.
#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Reads every row and checks that rows are consistent with each other. Exit code 1 if something is wrong.
#[derive(clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = api::runtime()?;
    match command {
        Command::Backup(args) => runtime.block_on(backup(&args)),
        Command::Restore(args) => runtime.block_on(restore(&args)),
        Command::Migrate(args) => runtime.block_on(migrate(&args)),
        Command::Check(args) => runtime.block_on(check(&args)),
    }
}

async fn backup(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let database = args.database.database()?;
    let cannot_write = || format!("cannot write {}", args.file.display());
    anyhow::ensure!(
        !args.file.exists(),
        "{} exists already; name another file",
        args.file.display()
    );
    let partial = partial(&args.file);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .with_context(cannot_write)?;
    let mut out = BufWriter::new(file);
    let written = restage_store::backup(&database, &mut out).await;
    let rows = match written {
        Ok(rows) => rows,
        Err(error) => {
            std::fs::remove_file(&partial).ok();
            return Err(error.into());
        }
    };
    out.flush().with_context(cannot_write)?;
    out.get_ref().sync_all().with_context(cannot_write)?;
    files::put(&partial, &args.file).with_context(cannot_write)?;
    output::note(&format!(
        "{rows} rows of {} are in {}",
        database.name(),
        args.file.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The temporary file, in the same directory, so that renaming it is atomic.
fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

async fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let file =
        File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let database = args.database.new_database()?;
    let rows = restage_store::restore(&database, &mut BufReader::new(file)).await?;
    output::note(&format!(
        "{rows} rows of {} are in {}",
        args.file.display(),
        database.name()
    ));
    Ok(ExitCode::SUCCESS)
}

async fn migrate(args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let database = args.database.new_database()?;
    let version = restage_store::migrate(&database).await?;
    output::note(&format!("{} has schema {version}", database.name()));
    Ok(ExitCode::SUCCESS)
}

async fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let database = args.database.database()?;
    let findings = restage_store::check(&database).await?;
    for fault in &findings.faults {
        output::line(fault)?;
    }
    if findings.faults.is_empty() {
        output::note(&format!(
            "{} is sound: {} rows",
            database.name(),
            findings.rows
        ));
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
