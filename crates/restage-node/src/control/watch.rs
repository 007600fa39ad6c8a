//! Who publishes in a stage, for another part of the server.

use std::sync::Arc;

use restage_core::id::StageId;

use super::Control;
use super::hub::{Listening, Shown};

/// Who publishes in a stage, replicas included. Only the newest state is kept.
pub struct StageWatch(Listening);

impl StageWatch {
    /// Waits until somebody comes, leaves or changes, and returns who is there. The first state follows soon. Cancel-safe.
    pub async fn changed(&mut self) -> Arc<[Shown]> {
        loop {
            // The sender is there as long as somebody listens.
            if self.0.shown.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let newest = self.0.shown.borrow_and_update().clone();
            if let Some(shown) = newest {
                return shown;
            }
        }
    }
}

impl Control {
    /// Watches who publishes in a stage.
    pub fn watch_stage(&self, stage: &StageId) -> StageWatch {
        StageWatch(self.inner.hub.listen(stage))
    }
}
