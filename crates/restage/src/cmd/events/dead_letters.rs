//! `restage events dead-letters` and `restage events replay`: events that a sink refused.

use std::process::ExitCode;

use restage_store::DeadLetter;
use serde_json::{Value, json};

use crate::cmd::database::DatabaseArgs;
use crate::output::{self, Lines};
use crate::table::printable;

/// Most dead letters that are read at a time.
const LETTERS_MAX: u32 = 100_000;

/// Prints the events that a sink refused permanently, oldest first. Can run beside a server.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    lines: Lines,
}

/// Queues dead letters again, in their old order. Can run beside a server or before its start.
///
/// Repair the receiver first: an event that it refuses again becomes a dead letter again. If the receiver
/// accepted nothing recently, the server tries it again within 5 minutes; until then these events wait like all others.
#[derive(clap::Args)]
#[group(id = "letters", args = ["all", "id"], required = true, multiple = false)]
#[command(after_help = "\
Examples:
  restage events replay --all
  restage events replay --id 6f0c2f0a-7d0e-4d7b-9d5a-2b8f5f4c1e11")]
pub(crate) struct ReplayArgs {
    /// All of them
    #[arg(long)]
    all: bool,
    /// Only the event with this id; repeatable
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(crate) async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let letters = restage_store::dead_letters(&args.database.database()?, LETTERS_MAX).await?;
    for letter in letters {
        if args.lines.is_json() {
            args.lines.json(shown(&letter))?;
        } else {
            output::line(&format!(
                "{}  {}  {} attempts  {}",
                letter.event.id,
                printable(&letter.sink),
                letter.event.attempts,
                printable(&letter.reason)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(letter: &DeadLetter) -> Value {
    json!({
        "sink": letter.sink,
        "attempts": letter.event.attempts,
        "reason": letter.reason,
        "event": serde_json::from_str(&letter.event.body).unwrap_or(Value::Null),
    })
}

pub(crate) async fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let database = args.database.database()?;
    let mut letters = restage_store::dead_letters(&database, LETTERS_MAX).await?;
    if !args.all {
        letters.retain(|letter| args.id.contains(&letter.event.id));
        for id in &args.id {
            anyhow::ensure!(
                letters.iter().any(|letter| letter.event.id == *id),
                "there is no dead letter {id}"
            );
        }
    }
    restage_store::replay(&database, &letters).await?;
    output::note(&format!("{} events are queued again", letters.len()));
    Ok(ExitCode::SUCCESS)
}
