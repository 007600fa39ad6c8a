//! Figures go to standard output, everything else to standard error.

use std::io::Write as _;

use anyhow::Context as _;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How figures are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Prints a line of figures.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn line(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// Prints figures as indented JSON.
///
/// # Errors
/// As [`line`].
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    // Sorts maps, because their order depends on features of other crates in the build.
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    line(&serde_json::to_string_pretty(&value)?)
}

/// A bar on standard error for work of `steps` steps of what `unit` names ("rows"). It shows nothing where standard
/// error is no terminal.
pub(crate) fn progress(steps: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
