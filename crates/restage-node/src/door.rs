//! The one door for changes, as those see it who ask for a command and know nothing else of the control plane.

use restage_core::{Command, Reply};
use restage_store::StoreError;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The rules refuse.
    #[error(transparent)]
    Refused(#[from] restage_core::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Carries commands out: decided, committed, their effects queued in the order of commits.
pub trait Door: Clone + Send + Sync + 'static {
    /// Carries out a command of the node itself.
    ///
    /// # Errors
    /// [`Failure`]; after [`Failure::Store`] the command may be asked for again.
    fn execute(&self, command: Command) -> impl Future<Output = Result<Reply, Failure>> + Send;
}
