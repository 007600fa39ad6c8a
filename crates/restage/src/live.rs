//! Live lines on standard error: progress of long work, and figures that change.
//!
//! On a terminal they are redrawn in place. Elsewhere progress says nothing, since its end is what
//! counts, and figures are a line now and then.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often figures are a line of their own where no terminal shows them.
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
    /// `what` is what is counted: "stages", "replicas".
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

    /// Steps done.
    pub(crate) fn add(&mut self, steps: u64) {
        if !self.is_shown && self.started_at.elapsed() >= SHORT {
            self.is_shown = true;
            // A hidden target draws nothing where standard error is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(steps);
    }

    /// Says something above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| crate::output::note(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Figures that change.
pub(crate) struct Figures {
    bar: ProgressBar,
    is_terminal: bool,
    next_line_at: Instant,
    /// Figures no line has shown yet.
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

    /// Shows new figures in the place of the old ones.
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

    /// Says something that stays.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| crate::output::note(text));
    }
}

impl Drop for Figures {
    /// The last figures stay: they are what it came to.
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
