//! Live lines on standard error: progress of long work, and statistics that change.
//!
//! On a terminal they are redrawn in place. Elsewhere progress prints nothing, because only its end
//! matters, and statistics are printed as a line at intervals.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Interval between lines of statistics where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Work shorter than this needs no progress bar.
const SHORT: Duration = Duration::from_millis(300);

/// A bar for work of a known number of steps, or a count for work without.
pub(crate) struct Progress {
    bar: ProgressBar,
    started_at: Instant,
    is_shown: bool,
}

impl Progress {
    /// `what` names what is counted: "stages", "replicas".
    pub(crate) fn new(steps: Option<u64>, what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(steps, ProgressDrawTarget::hidden());
        let template = match steps {
            Some(_) => format!("{{bar:30}} {{pos}} of {{len}} {what}, {{eta}} left"),
            None => format!("{{spinner}} {{pos}} {what}"),
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self {
            bar,
            started_at: Instant::now(),
            is_shown: false,
        }
    }

    /// Records completed steps.
    pub(crate) fn add(&mut self, steps: u64) {
        if !self.is_shown && self.started_at.elapsed() >= SHORT {
            self.is_shown = true;
            // Where standard error is not a terminal, this target draws nothing.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(steps);
    }

    /// Prints a line above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| crate::output::note(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How a transfer is shown before and after it is known how many files there are.
const UNKNOWN: &str = "{pos} files, {msg}";
const KNOWN: &str = "{bar:30} {pos} of {len} files, {msg}";

/// Files that are downloaded.
pub(crate) struct Transfer {
    bar: ProgressBar,
    bytes: AtomicU64,
}

impl Transfer {
    pub(crate) fn new() -> Self {
        // How many files there are is known with the playlist, and before that a bar would be full.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(UNKNOWN) {
            bar.set_style(style);
        }
        Self {
            bar,
            bytes: AtomicU64::new(0),
        }
    }

    /// So many more files are to come.
    pub(crate) fn expect(&self, files: u64) {
        let known = self.bar.length().unwrap_or(0).max(self.bar.position());
        self.bar.set_length(known + files);
        if let Ok(style) = ProgressStyle::with_template(KNOWN) {
            self.bar.set_style(style);
        }
    }

    /// So many more bytes have arrived.
    pub(crate) fn bytes(&self, bytes: u64) {
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bar.set_message(HumanBytes(bytes).to_string());
    }

    /// A file is complete.
    pub(crate) fn file(&self) {
        self.bar.inc(1);
    }

    /// What there is and what arrived, in words.
    pub(crate) fn told(&self) -> String {
        let bytes = HumanBytes(self.bytes.load(Ordering::Relaxed));
        format!(
            "{} files, {bytes} of them downloaded now",
            self.bar.position()
        )
    }

    /// Prints a line above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| crate::output::note(text));
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Statistics that change.
pub(crate) struct Figures {
    bar: ProgressBar,
    is_terminal: bool,
    next_line_at: Instant,
    /// Statistics that no line has shown yet.
    unshown: Option<String>,
    has_figures: bool,
}

impl Figures {
    pub(crate) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            is_terminal,
            next_line_at: Instant::now(),
            unshown: None,
            has_figures: false,
        }
    }

    /// Replaces the shown statistics.
    pub(crate) fn show(&mut self, figures: String) {
        self.has_figures = true;
        if self.is_terminal {
            self.bar.set_message(figures);
            self.bar.tick();
        } else if Instant::now() >= self.next_line_at {
            self.next_line_at = Instant::now() + LINE_EVERY;
            self.unshown = None;
            crate::output::note(&figures);
        } else {
            self.unshown = Some(figures);
        }
    }

    /// Prints a line that stays.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| crate::output::note(text));
    }
}

impl Drop for Figures {
    /// The last statistics stay visible, because they are the result.
    fn drop(&mut self) {
        match self.has_figures {
            true => self.bar.abandon(),
            false => self.bar.finish_and_clear(),
        }
        if let Some(figures) = self.unshown.take() {
            crate::output::note(&figures);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_has_no_bar_before_it_is_known_how_many_files_there_are() {
        let transfer = Transfer::new();
        transfer.file();
        assert_eq!(transfer.bar.length(), None, "a bar of no files is full");
        transfer.expect(3);
        assert_eq!(transfer.bar.length(), Some(4));
        transfer.expect(2);
        assert_eq!(transfer.bar.length(), Some(6));
    }
}
