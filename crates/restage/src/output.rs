//! Writes data to standard output and everything else to standard error.
//!
//! On a terminal data is printed as tables in colour, elsewhere as JSON. `anstream` respects
//! `NO_COLOR` and `CLICOLOR_FORCE`.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::exit::stdout_error;
use crate::query::Query;
use crate::table::{self, Columns};

pub(crate) use crate::note::note;

/// How a command with one natural text form prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How what the service says is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Layout {
    /// Aligned columns, for people
    Table,
    /// The answer as the service wrote it, for programs
    Json,
    /// A line for each row, values separated by tabs, for shell scripts
    Text,
}

/// Flags of every command that prints what the service says.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Layout [default: table on a terminal, json elsewhere]
    #[arg(long, value_name = "LAYOUT", value_enum)]
    output: Option<Layout>,
    /// Part of the answer to print, as a JMESPath expression (https://jmespath.org)
    #[arg(long, value_name = "JMESPATH")]
    query: Option<Query>,
}

impl Output {
    pub(crate) fn layout(&self) -> Layout {
        self.output
            .unwrap_or_else(|| match std::io::stdout().is_terminal() {
                true => Layout::Table,
                false => Layout::Json,
            })
    }

    pub(crate) fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// Applies the query to an answer.
    pub(crate) fn select(&self, answer: Value) -> anyhow::Result<Value> {
        match &self.query {
            Some(query) => query.search(answer),
            None => Ok(answer),
        }
    }

    /// Prints an answer. `columns` describes its table, unless a query has changed the
    /// answer.
    pub(crate) fn print(&self, mut answer: Value, columns: &Columns) -> anyhow::Result<()> {
        answer.sort_all_objects();
        let is_whole = self.query.is_none();
        let selected = self.select(answer)?;
        match (self.layout(), is_whole) {
            (Layout::Json, _) => json(&selected),
            (Layout::Table, true) => text(&table::answer(&selected, columns)),
            (Layout::Table, false) => text(&table::anything(&selected)),
            (Layout::Text, true) => text(&table::tabs(columns.rows(&selected), columns)),
            (Layout::Text, false) => text(&table::tabs_of_anything(&selected)),
        }
    }
}

/// Flags of commands that go on and print a line now and then.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct Lines {
    /// Sentences, or a JSON object on each line [default: text on a terminal, json elsewhere]
    #[arg(long, value_name = "LAYOUT", value_enum)]
    output: Option<Format>,
    /// Part of each JSON line to print, as a JMESPath expression; lines with the result null are left out
    #[arg(long, value_name = "JMESPATH")]
    query: Option<Query>,
}

impl Lines {
    /// Whether the output is JSON.
    pub(crate) fn is_json(&self) -> bool {
        let format = self
            .output
            .unwrap_or_else(|| match std::io::stdout().is_terminal() {
                true if self.query.is_none() => Format::Text,
                _ => Format::Json,
            });
        format == Format::Json
    }

    /// Prints one line of JSON.
    pub(crate) fn json(&self, mut value: Value) -> anyhow::Result<()> {
        value.sort_all_objects();
        let selected = match &self.query {
            Some(query) => query.search(value)?,
            None => return line(&serde_json::to_string(&value)?),
        };
        match selected {
            Value::Null => Ok(()),
            found => line(&serde_json::to_string(&found)?),
        }
    }
}

/// Prints a line of data.
pub(crate) fn line(line: &str) -> anyhow::Result<()> {
    text(&format!("{line}\n"))
}

/// Prints data as indented JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    // Converted to a value first, because the order of map members depends on features of the build, and output must
    // not.
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    line(&serde_json::to_string_pretty(&value)?)
}

fn text(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(stdout_error)
}
