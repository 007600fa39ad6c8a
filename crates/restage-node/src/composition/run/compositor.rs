//! The compositor of a start: begun, told what there is, and begun again where it has ended or hangs.

use std::time::Duration;

use restage_compose::protocol::{Setup, SoundFormats, ToChild};
use tokio::time::Instant;

use super::Run;
use crate::composition::child::Child;
use crate::composition::output::{Told, Way};

/// A compositor that says nothing for so long hangs; it says how it is once a second.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often a compositor that ends is started again within [`RESTARTS_WITHIN`].
const RESTARTS_MAX: usize = 3;
const RESTARTS_WITHIN: Duration = Duration::from_secs(600);
/// Time before a compositor is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

impl Run {
    /// Has a compositor, and starts it again where it has ended or hangs.
    pub(super) async fn keep_compositor(&mut self) -> Result<(), String> {
        if self.child.is_some() && self.is_deaf {
            self.lose_compositor("it does not read any more").await;
        }
        if self.child.is_some() && self.heard_at.elapsed() > SILENCE_MAX {
            self.lose_compositor("it says nothing any more").await;
        }
        if self.child.is_some() || Instant::now() < self.restart_at {
            return Ok(());
        }
        self.ended_at.retain(|at| at.elapsed() < RESTARTS_WITHIN);
        if self.ended_at.len() > RESTARTS_MAX {
            return Err(format!(
                "the process that composes has ended {} times within {} minutes",
                self.ended_at.len(),
                RESTARTS_WITHIN.as_secs() / 60
            ));
        }
        self.heard_at = Instant::now();
        self.is_deaf = false;
        match Child::start(self.compositions.program(), self.compositions.sandbox()) {
            Ok(child) => {
                self.child = Some(child);
                self.introduce();
                Ok(())
            }
            Err(error) => {
                tracing::error!(composition = self.spec.composition, %error, "the process that composes cannot be started");
                self.on_end(&format!("it cannot be started: {error}"));
                Ok(())
            }
        }
    }

    /// What a compositor is told first.
    fn introduce(&mut self) {
        let has = |is_it: fn(&Way) -> bool| self.outputs.iter().any(|output| is_it(&output.way));
        self.tell(&ToChild::Setup(Setup {
            now_us: self.control.media().now_us(),
            layout: self.spec.layout.clone(),
            renditions: self.renditions.clone(),
            sound: SoundFormats {
                opus: has(|way| matches!(way, Way::Bucket(_))),
                aac: has(|way| matches!(way, Way::Channel(_))),
            },
        }));
        for input in self.inputs.values_mut() {
            input.start_over();
        }
        self.tell_scene();
    }

    /// Gives the compositor a message that it must not miss.
    pub(super) fn tell(&mut self, message: &ToChild) {
        if let Some(child) = &self.child
            && !child.tell(message)
        {
            self.is_deaf = true;
        }
    }

    pub(super) async fn lose_compositor(&mut self, reason: &str) {
        let Some(child) = self.child.take() else {
            return;
        };
        let reason = match child.kill().await {
            Some(ended) => format!("{reason}: {ended}"),
            None => reason.to_owned(),
        };
        tracing::warn!(
            composition = self.spec.composition,
            reason,
            "the process that composes is started again"
        );
        self.on_end(&reason);
    }

    /// The compositor has ended.
    fn on_end(&mut self, reason: &str) {
        self.status.restarted(reason);
        self.ended_at.push(Instant::now());
        self.restart_at = Instant::now() + RESTART_PAUSE;
        for output in &mut self.outputs {
            output.interrupted();
            if output.told == Told::Started {
                output.told = Told::Reconnecting;
                self.reports.reconnecting(&output.id);
            }
        }
    }
}
