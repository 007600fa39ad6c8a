//! ImportPublicKey, GetPublicKey, ListPublicKeys, DeletePublicKey.

use restage_api::shape::{
    DeletePublicKeyRequest, GetPublicKeyRequest, GetPublicKeyResponse, ImportPublicKeyRequest,
    ImportPublicKeyResponse, ListPublicKeysRequest, ListPublicKeysResponse,
};
use restage_api::{ApiError, Operation, Request as _};
use restage_core::command::Command;
use restage_core::{PublicKeyArn, Reply};
use restage_store::system::ids;

use super::super::App;
use super::super::api::Caller;
use super::super::view;
use super::{Paging, answer, empty, execute, own_region, public_key_of, store_failed};
use crate::public_key::PublicKey;

pub(super) async fn import(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ImportPublicKeyRequest::parse(body)?;
    let key = PublicKey::from_base64(&request.base64())
        .map_err(|error| ApiError::validation(format!("publicKeyMaterial {error}.")))?;
    let command = Command::ImportPublicKey {
        key: ids::public_key(&caller.account, &caller.region),
        name: request.name,
        tags: request.tags,
        material: request.public_key_material,
        fingerprint: key.fingerprint,
        point: key.point,
    };
    let Reply::PublicKey(row) = execute(app, caller, command).await? else {
        return Err(ApiError::internal_server(
            "the rules gave no public key for an import",
        ));
    };
    answer(&ImportPublicKeyResponse {
        public_key: view::public_key(&row),
    })
}

pub(super) async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = GetPublicKeyRequest::parse(body)?;
    let row = public_key_of(app, caller, "arn", &arn(&request.arn)?).await?;
    answer(&GetPublicKeyResponse {
        public_key: view::public_key(&row),
    })
}

pub(super) async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListPublicKeysRequest::parse(body)?;
    let paging = Paging::new(app, caller, Operation::ListPublicKeys, &[]);
    let after = paging.start(request.next_token.as_deref())?;
    let page = app
        .control
        .store()
        .list_public_keys(&caller.account, &caller.region, after, request.max_results)
        .await
        .map_err(store_failed)?;
    let last = page
        .rows
        .last()
        .map(|row| (row.created_at, row.id.as_str()));
    let next_token = paging.next(page.more, last);
    let public_keys = page.rows.iter().map(view::public_key_summary).collect();
    answer(&ListPublicKeysResponse {
        public_keys,
        next_token,
    })
}

pub(super) async fn delete(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = DeletePublicKeyRequest::parse(body)?;
    let key = arn(&request.arn)?;
    own_region(caller, "arn", key.clone())?;
    execute(app, caller, Command::DeletePublicKey { key }).await?;
    empty()
}

/// Parses an ARN. The request's constraints have checked its form already.
fn arn(text: &str) -> Result<PublicKeyArn, ApiError> {
    PublicKeyArn::parse(text)
        .ok_or_else(|| ApiError::validation("arn must be the ARN of a public key"))
}
