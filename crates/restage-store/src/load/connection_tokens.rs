//! The queries behind [`world`](super::world) that are about connection tokens.

use restage_core::row::{Connection, ConnectionTokenKey, RevokedConnectionToken};

use crate::error::StoreError;
use crate::sql::{self, query};
use crate::tables::{Table as _, connection, connection_token, decode};

pub(crate) const REVOCATION: &str = concat!(
    "SELECT ",
    connection_token::columns!(),
    " FROM revoked_connection_tokens v WHERE v.account = $1 AND v.region = $2 AND v.id = $3"
);
pub(crate) const REVOCATION_COUNT: &str = "SELECT COUNT(*) FROM revoked_connection_tokens v \
     WHERE v.account = $1 AND v.region = $2";
pub(crate) const OPENED_WITH: &str = concat!(
    "SELECT ",
    connection::columns!(),
    " FROM connections c JOIN stages s ON s.id = c.stage \
     WHERE c.connection_token = $1 AND c.connection_token IS NOT NULL AND s.account = $2 AND s.region = $3"
);

/// The revocation of a token.
pub(crate) async fn revocation(
    connection: &mut sql::Connection,
    token: &ConnectionTokenKey,
) -> Result<Option<RevokedConnectionToken>, StoreError> {
    query(REVOCATION)
        .bind(token.account.as_str())
        .bind(token.region.as_str())
        .bind(token.id.as_str())
        .row(connection, RevokedConnectionToken::read)
        .await
}

/// How many revocations an account has in a Region.
pub(crate) async fn revocation_count(
    connection: &mut sql::Connection,
    account: &str,
    region: &str,
) -> Result<u64, StoreError> {
    query(REVOCATION_COUNT)
        .bind(account)
        .bind(region)
        .only(connection, decode::count)
        .await
}

/// The connections that were opened with a token.
pub(crate) async fn opened_with(
    connection: &mut sql::Connection,
    token: &ConnectionTokenKey,
) -> Result<Vec<Connection>, StoreError> {
    query(OPENED_WITH)
        .bind(token.id.as_str())
        .bind(token.account.as_str())
        .bind(token.region.as_str())
        .rows(connection, Connection::read)
        .await
}
