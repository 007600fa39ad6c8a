//! The socket of a connection token configures its receiving connection here, which receives for the token's participants in several stages.

use std::sync::Arc;

use restage_core::id::ConnectionId;

use super::table::{Holder, Owner, Viewer};
use super::task::Configured;
use super::{ReceiveError, ReceiveWant, ViewerState, may_subscribe};
use crate::control::Control;
use crate::control::connection_tokens::ConnectionSocket;

/// A viewer's wants.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewerWant {
    /// The receiving participant.
    pub viewer: Viewer,
    /// All publishers that it wants, and how.
    pub wanted: Vec<ReceiveWant>,
}

impl Control {
    /// Sets all that the participants of this connection token want to receive by its receiving connection, in all stages. The first call opens
    /// it; what is wanted may change from a stage to another one, and the connection stays. With the id of one that another socket of the
    /// token has left, that one is adopted. A viewer without an events socket that was opened with the token is refused; what it had before
    /// goes on.
    ///
    /// # Errors
    /// Nothing is changed then.
    pub async fn receive_configure_shared(
        &self,
        socket: &mut ConnectionSocket,
        id: Option<&ConnectionId>,
        wanted: Vec<ViewerWant>,
    ) -> Result<(ConnectionId, Vec<ViewerState>), ReceiveError> {
        let holder = Holder::Token(socket.key.clone());
        self.count_changes(&holder)?;
        let mut refused = Vec::new();
        let mut configured = Vec::with_capacity(wanted.len());
        for ViewerWant { viewer, wanted } in wanted {
            let owner = self.owner_of(socket, &viewer);
            let owner = owner.map_err(|error| refused.push((viewer.clone(), error)));
            configured.push(Configured {
                viewer,
                owner: owner.ok(),
                wanted,
            });
        }
        let download = || Arc::new(self.unshared_download());
        let connection = socket.connection.clone();
        let link = &mut socket.receiving;
        let (id, mut states) = self
            .configure_receiving((holder, connection), link, id, download, configured)
            .await?;
        for (viewer, error) in refused {
            match states.iter_mut().find(|state| state.viewer == viewer) {
                Some(state) => state.refused = Some(error),
                None => states.push(ViewerState {
                    viewer,
                    received: Vec::new(),
                    refused: Some(error),
                }),
            }
        }
        Ok((id, states))
    }

    fn owner_of(&self, socket: &ConnectionSocket, viewer: &Viewer) -> Result<Owner, ReceiveError> {
        let owner = self.receivings().member(&socket.key, viewer).cloned();
        let owner = owner.ok_or_else(|| {
            let message = "no events socket of this participant in this stage is open that was opened with the connection token";
            ReceiveError::new("NO_SOCKET", message)
        })?;
        may_subscribe(&owner)?;
        Ok(owner)
    }
}
