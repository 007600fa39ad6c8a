//! What the rules are told of a composition, in order, without holding the composition up.

use restage_core::Command;
use restage_core::command::DestinationChange;
use restage_core::id::JobId;
use restage_core::row::{CompositionDestinationId, CompositionFailure, CompositionFailureCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::control::Control;
use crate::jobs::JobContext;

/// Reports to the rules.
pub(super) struct Reports {
    job: JobId,
    generation: u32,
    has_composed: bool,
    commands: mpsc::UnboundedSender<Command>,
    reporting: JoinHandle<()>,
}

impl Reports {
    pub(super) fn new(control: Control, context: &JobContext) -> Self {
        // A few in the life of a start: restarts and reconnects have pauses.
        let (commands, mut queue) = mpsc::unbounded_channel();
        let reporting = tokio::spawn(async move {
            while let Some(command) = queue.recv().await {
                control.report(command).await;
            }
        });
        Self {
            job: context.job().id.clone(),
            generation: context.generation(),
            has_composed: false,
            commands,
            reporting,
        }
    }

    /// The compositor composes, which is said once.
    pub(super) fn composes(&mut self) {
        if !self.has_composed {
            self.has_composed = true;
            let command = Command::CompositionStarted {
                job: self.job.clone(),
                generation: self.generation,
            };
            self.commands.send(command).ok();
        }
    }

    pub(super) fn started(&self, destination: &str) {
        self.change(destination, DestinationChange::Started);
    }

    pub(super) fn reconnecting(&self, destination: &str) {
        self.change(destination, DestinationChange::Reconnecting);
    }

    pub(super) fn ended(&self, destination: &str) {
        self.change(destination, DestinationChange::Ended);
    }

    pub(super) fn failed(&self, destination: &str, failure: CompositionFailure) {
        self.change(destination, DestinationChange::Failed(failure));
    }

    pub(super) fn failed_internally(&self, destination: &str, reason: String) {
        let code = CompositionFailureCode::InternalServer;
        self.failed(destination, CompositionFailure { code, reason });
    }

    fn change(&self, destination: &str, change: DestinationChange) {
        let command = Command::CompositionDestinationChanged {
            job: self.job.clone(),
            generation: self.generation,
            destination: CompositionDestinationId::new(destination),
            change,
        };
        self.commands.send(command).ok();
    }

    /// Waits until the rules know everything.
    pub(super) async fn close(self) {
        drop(self.commands);
        self.reporting.await.ok();
    }
}
