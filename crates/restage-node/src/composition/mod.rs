//! Compositions on this node: the jobs that compose, and what is left to do for destinations that are recorded.
//!
//! Effects of the rules arrive at two places: [`Runner::run`] for a start of the job, and [`Runner::complete_part`] for a
//! recorded destination whose recording has ended
//! ([`Effect::FinishCompositionDestination`](restage_core::Effect::FinishCompositionDestination)).

use std::sync::{Arc, OnceLock};

use restage_core::Command;
use restage_core::id::JobId;
use restage_core::row::{
    CompositionDestinationId, CompositionFailure, CompositionFailureCode, CompositionId,
};

use crate::channels::Channels;
use crate::control::{Control, Failure, WeakControl};
use crate::jobs::{End, JobContext, Runner, Running};

/// Composes stages. Clones share everything.
#[derive(Clone, Debug)]
pub struct Compositions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    channels: Channels,
    /// Set once the control plane is there, which has the runner of compositions.
    control: OnceLock<WeakControl>,
}

impl Compositions {
    /// Compositions that may be sent to these channels.
    pub fn new(channels: Channels) -> Self {
        let inner = Inner {
            channels,
            control: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Gives it the control plane, whose publications it composes and to which it reports. The first one counts.
    pub fn attach(&self, control: &Control) {
        self.inner.control.set(control.downgrade()).ok();
    }

    /// The channels of the configuration.
    pub fn channels(&self) -> &Channels {
        &self.inner.channels
    }

    fn control(&self) -> Option<Control> {
        self.inner.control.get()?.upgrade()
    }

    /// The recording of a destination has ended, in whatever way. Nothing of it is on this node, so it is reported as lost.
    fn finish(&self, composition: CompositionId, destination: CompositionDestinationId) {
        let Some(control) = self.control() else {
            return;
        };
        let command = Command::CompositionDestinationFinished {
            composition,
            destination,
            duration_ms: 0,
            failure: Some(CompositionFailure {
                code: CompositionFailureCode::InternalServer,
                reason: "nothing of the recording is in the spool".to_owned(),
            }),
        };
        // Whoever performs effects must not wait for a command.
        tokio::spawn(async move {
            match control.execute("", command).await {
                // What is refused would be refused again.
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(Failure::Store(error)) => {
                    tracing::warn!(%error, "the end of a composition's recording is reported after the next start");
                }
            }
        });
    }
}

impl Runner for Compositions {
    fn run(&self, context: JobContext) -> Running {
        let kind = context.job().kind.clone();
        Box::pin(async move {
            let reason = format!("this server has no runner for jobs of the kind {kind}");
            End::Impossible(reason)
        })
    }

    fn complete_part(&self, job: &JobId, part: &str) {
        self.finish(CompositionId::of_job(job), part.into());
    }
}
