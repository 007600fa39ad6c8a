//! `restage keys`: access keys of the data directory's server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use restage_server::config::{Config, Settings};
use restage_server::data_dir::{DataDir, existing_credentials};
use restage_server::keys::{KeyFile, KeyFileError, Listed, Made, Permission};
use restage_store::system::clock;
use serde_json::{Value, json};

use super::database;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format, Output};
use crate::table::Columns;

/// Make, list, revoke and rotate the access keys that API requests are signed with.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a key for an account and print it; its secret is shown only once
    Create(CreateArgs),
    /// List the keys that the server accepts, including its own, without their secrets
    List(ListArgs),
    /// Refuse a key from now on
    Revoke(RevokeArgs),
    /// Create a new key with the permission of an old one, which is refused a while later
    Rotate(RotateArgs),
}

/// Where the keys are. A running server sees changes with its next request.
#[derive(clap::Args)]
struct DataDirArgs {
    /// Configuration file of the server
    #[arg(long, env = "RESTAGE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory of the server [default: data]
    #[arg(long, env = "RESTAGE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDirArgs {
    fn data_dir(&self) -> anyhow::Result<PathBuf> {
        Ok(self.config()?.data_dir)
    }

    fn config(&self) -> anyhow::Result<Config> {
        let flags = Settings {
            data_dir: self.data_dir.clone(),
            ..Settings::default()
        };
        database::resolve(flags, self.config.as_deref())
    }
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage keys create --account-id 111122223333
  restage keys create --account-id 111122223333 --permission read-only --output json
  restage keys create --account-id 111122223333 --permission CreateParticipantToken,GetStage")]
pub(crate) struct CreateArgs {
    /// The account whose resources it is for: any 12 digits
    #[arg(long, value_name = "ID")]
    account_id: String,
    /// full, read-only, or names of operations with commas between them
    #[arg(long, value_name = "PERMISSION", default_value = "full", value_parser = Permission::parse)]
    permission: Permission,
    /// Lines for ~/.aws/credentials, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Lists the server's own key and the keys that these commands created.
///
/// IN USE marks the key that `restage env` prints and that the other commands sign with when they
/// use the data directory's key. Keys in the server's configuration file are not listed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage keys list
  restage keys list --query 'accessKeys[?accountId==`111122223333`].accessKeyId' --output text")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    data_dir: DataDirArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage keys revoke AKIA1234567890ABCDEF")]
pub(crate) struct RevokeArgs {
    /// The access key id
    key: String,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage keys rotate AKIA1234567890ABCDEF
  restage keys rotate AKIA1234567890ABCDEF --overlap 0")]
pub(crate) struct RotateArgs {
    /// The access key id
    key: String,
    /// How long the old key stays valid, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    overlap: u32,
    /// Lines for ~/.aws/credentials, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

const KEYS: Columns = Columns {
    member: "accessKeys",
    columns: &[
        ("KEY", "accessKeyId"),
        ("IN USE", "inUse"),
        ("ACCOUNT", "accountId"),
        ("PERMISSION", "permission"),
        ("CREATED", "createdAt"),
        ("ENDS", "endsAt"),
    ],
    nothing: "no access keys",
};

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let now = clock::now().0 / 1_000_000;
    match command {
        Command::Create(args) => {
            let data_dir = args.data_dir.data_dir()?;
            // A key can be created before the server's first start.
            DataDir::open(&data_dir)?;
            let file = KeyFile::of(&data_dir);
            let made = file.create(&args.account_id, &args.permission, now);
            show(&made.map_err(explain)?, args.output)?;
            output::note(&format!(
                "the server of {} takes it from now on",
                data_dir.display()
            ));
        }
        Command::List(args) => {
            let config = args.data_dir.config()?;
            let keys = there(&config.data_dir)?.list()?;
            let mut rows: Vec<Value> = own_row(&config).into_iter().collect();
            rows.extend(keys.iter().map(row));
            args.output.print(json!({ "accessKeys": rows }), &KEYS)?;
        }
        Command::Revoke(args) => {
            let data_dir = args.data_dir.data_dir()?;
            let file = there(&data_dir)?;
            not_its_own(&data_dir, &args.key)?;
            file.revoke(&args.key, now).map_err(explain)?;
            output::note(&format!("{} is refused from now on", args.key));
        }
        Command::Rotate(args) => {
            let data_dir = args.data_dir.data_dir()?;
            let file = there(&data_dir)?;
            not_its_own(&data_dir, &args.key)?;
            let made = file.rotate(&args.key, args.overlap, now);
            show(&made.map_err(explain)?, args.output)?;
            output::note(&format!(
                "{} is refused in {} seconds",
                args.key, args.overlap
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn there(data_dir: &Path) -> anyhow::Result<KeyFile> {
    if data_dir.is_dir() {
        return Ok(KeyFile::of(data_dir));
    }
    let message = format!("there is no directory {}", data_dir.display());
    Err(Failure::usage(message)
        .advise("name the server's data directory with --data-dir")
        .into())
}

/// Refuses the key in `credentials`: it is the data directory's own, and these commands manage the others.
fn not_its_own(data_dir: &Path, key: &str) -> anyhow::Result<()> {
    let path = DataDir::at(data_dir).credentials_file();
    match existing_credentials(data_dir) {
        Ok(own) if own.access_key == key => {
            let message = format!("{key} is the server's own key, in {}", path.display());
            Err(Failure::new(Exit::Failure, message)
                .advise(
                    "to replace it, delete that file and restart the server, which makes another",
                )
                .into())
        }
        _ => Ok(()),
    }
}

fn explain(error: KeyFileError) -> anyhow::Error {
    match &error {
        KeyFileError::AccountId(_) => Failure::usage(error.to_string()).into(),
        KeyFileError::Unknown(_) => Failure::new(Exit::Failure, error.to_string()).into(),
        _ => error.into(),
    }
}

fn show(made: &Made, format: Format) -> anyhow::Result<()> {
    let credentials = &made.credentials;
    if format == Format::Text {
        output::line(&format!("aws_access_key_id = {}", credentials.access_key))?;
        return output::line(&format!(
            "aws_secret_access_key = {}",
            credentials.secret_key
        ));
    }
    let mut shown = row(&made.listed);
    shown["secretAccessKey"] = Value::from(credentials.secret_key.clone());
    output::json(&shown)
}

/// The server's own key; none before its first start. It belongs to the account of the
/// configuration and may call every operation.
fn own_row(config: &Config) -> Option<Value> {
    let own = existing_credentials(&config.data_dir).ok()?;
    let mut row = json!({
        "accessKeyId": own.access_key,
        "inUse": true,
        "accountId": config.account_id,
        "permission": Permission::Full.to_string(),
    });
    // A key from the environment has no file, and so no time of creation.
    let file = DataDir::at(&config.data_dir).credentials_file();
    let made = std::fs::metadata(file)
        .and_then(|about| about.modified())
        .ok();
    let since = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    if let Some(at) = since.and_then(|since| i64::try_from(since.as_secs()).ok()) {
        row["createdAt"] = Value::from(time(at));
    }
    Some(row)
}

fn row(key: &Listed) -> Value {
    let mut row = json!({
        "accessKeyId": key.access_key,
        "inUse": false,
        "accountId": key.account,
        "permission": key.permission.to_string(),
        "createdAt": time(key.created_at),
    });
    if let Some(at) = key.ends_at {
        row["endsAt"] = Value::from(time(at));
    }
    row
}

/// ISO 8601, as the service writes times.
fn time(seconds: i64) -> String {
    clock::iso(seconds)
}
