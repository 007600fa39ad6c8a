//! Executing commands: the one way to change something, for modules that need nothing else of the control plane.

use restage_core::{Command, Reply};
use restage_store::StoreError;

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The rules refuse.
    #[error(transparent)]
    Refused(#[from] restage_core::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Executes commands: decided, committed, and their effects queued in the order of commits.
pub trait Executor: Clone + Send + Sync + 'static {
    /// Executes a command of the node itself.
    ///
    /// # Errors
    /// [`Failure`]; after [`Failure::Store`] the command may be repeated.
    fn execute(&self, command: Command) -> impl Future<Output = Result<Reply, Failure>> + Send;
}
