//! Verifies tokens and resumption secrets, and exchanges tokens.

use restage_core::command::{Claims, Command};
use restage_core::id::{ConnectionId, ParticipantId, StageId, StageSessionId};
use restage_core::row::PublicKey;
use restage_core::{Fault, PublicKeyArn};

use super::IfMatch;
use super::connections::{Reach, TokenDigest};
use super::join::{EventsSocket, JoinError, check_tag};
use super::{Control, Failure};
use crate::token::{Presented, TokenError};

/// The result of a token exchange.
pub struct Exchanged {
    /// The claims in force now.
    pub claims: Claims,
    /// The new resumption secret.
    pub resumption: Option<String>,
}

impl Control {
    /// The session that a resumption secret proves. An invalid secret counts as none, because the token alone may be
    /// sufficient.
    pub(super) fn resumed(&self, claims: &Claims, secret: Option<&str>) -> Option<StageSessionId> {
        self.inner.tokens.resumed_session(claims, secret?)
    }

    /// The claims of a token, if its signature is valid.
    ///
    /// # Errors
    /// [`JoinError::Token`], or [`JoinError::Control`] if the store fails.
    pub async fn verify(&self, token: &str) -> Result<Claims, JoinError> {
        let unverified = match self.inner.tokens.read(token)? {
            Presented::Service(claims) => return Ok(*claims),
            Presented::SelfSigned(unverified) => unverified,
        };
        if self.inner.tokens.is_known_wrong(token) {
            return Err(TokenError::Signature.into());
        }
        let Some(point) = self.point_of(&unverified.key).await? else {
            return Err(TokenError::UnknownKey(unverified.key.clone()).into());
        };
        Ok(self.inner.tokens.verify(token, *unverified, &point)?)
    }

    /// The point of an imported public key (uncompressed, hexadecimal). `None`: there is no such key.
    pub(super) async fn point_of(&self, arn: &PublicKeyArn) -> Result<Option<String>, JoinError> {
        let row = self.inner.store.get_plain::<PublicKey>(&arn.id).await;
        let row = row.map_err(Failure::from)?;
        let row = row.filter(|row| row.account == arn.account && row.region == arn.region);
        Ok(row.map(|row| row.point))
    }

    /// Whether an open connection belongs to this token.
    pub fn goes_by(&self, connection: &ConnectionId, token: &str) -> bool {
        let live = self.connections();
        live.get(connection)
            .is_some_and(|live| live.token.is_of(token))
    }

    /// Exchanges the token of an open media connection. If entity tags are given, they must match.
    pub async fn exchange_media(
        &self,
        token: &str,
        connection: &ConnectionId,
        if_match: Option<&IfMatch>,
    ) -> Result<Exchanged, JoinError> {
        let claims = self.verify(token).await?;
        let live = self.connections().get(connection).cloned();
        let Some(live) = live.filter(|live| matches!(live.reach, Reach::Peer(_))) else {
            return Err(self.no_session(token, connection).await);
        };
        check_tag(if_match, connection, live.ice_generation)?;
        let exchanged = self
            .exchange(token, claims, connection, live.stage, live.participant)
            .await;
        match exchanged {
            // The row has ended already, the connection is about to.
            Err(error) if error.fault() == Some(Fault::NotFound) => {
                Err(self.no_session(token, connection).await)
            }
            exchanged => exchanged,
        }
    }

    /// Exchanges the token of an events socket.
    pub async fn exchange_events(
        &self,
        socket: &mut EventsSocket,
        token: &str,
    ) -> Result<Exchanged, JoinError> {
        let claims = self.verify(token).await?;
        let (stage, participant) = (socket.stage.clone(), socket.participant.clone());
        let exchanged = self
            .exchange(token, claims, &socket.connection, stage, participant)
            .await?;
        socket.claims = exchanged.claims.clone();
        socket.token = TokenDigest::of(token);
        self.renew_receiving(socket);
        Ok(exchanged)
    }

    async fn exchange(
        &self,
        token: &str,
        claims: Claims,
        connection: &ConnectionId,
        stage: StageId,
        participant: ParticipantId,
    ) -> Result<Exchanged, JoinError> {
        self.count_join(&claims)?;
        let command = Command::ExchangeToken {
            connection: connection.clone(),
            stage,
            participant,
            claims: claims.clone(),
        };
        self.execute("", command).await?;
        let session = self.connections().get_mut(connection).and_then(|live| {
            live.token = TokenDigest::of(token);
            live.session.clone()
        });
        let secret = |session| self.inner.tokens.resumption_secret(&claims, &session);
        Ok(Exchanged {
            resumption: session.map(secret),
            claims,
        })
    }
}
