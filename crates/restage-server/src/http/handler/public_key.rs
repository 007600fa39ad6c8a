//! Public keys: ImportPublicKey, GetPublicKey, ListPublicKeys, DeletePublicKey.

use restage_api::ApiError;
use restage_api::shape::{
    DeletePublicKeyRequest, GetPublicKeyRequest, GetPublicKeyResponse, ImportPublicKeyRequest,
    ImportPublicKeyResponse, ListPublicKeysRequest, ListPublicKeysResponse, PublicKeyShape,
    PublicKeySummary,
};
use restage_core::id::Time;
use restage_core::row::PublicKey;
use restage_core::{Arn, PublicKeyArn};

use super::plain::PlainShapes;
use crate::public_key;

impl PlainShapes for PublicKey {
    type Create = ImportPublicKeyRequest;
    type Get = GetPublicKeyRequest;
    type List = ListPublicKeysRequest;
    type Delete = DeletePublicKeyRequest;

    fn new(arn: PublicKeyArn, request: ImportPublicKeyRequest) -> Result<Self, ApiError> {
        let key = public_key::PublicKey::from_base64(&request.base64())
            .map_err(|error| ApiError::validation(format!("publicKeyMaterial {error}.")))?;
        Ok(Self {
            id: arn.id,
            account: arn.account,
            region: arn.region,
            name: request.name,
            tags: request.tags,
            material: request.public_key_material,
            fingerprint: key.fingerprint,
            point: key.point,
            created_at: Time::default(),
        })
    }

    fn created(&self) -> Result<ImportPublicKeyResponse, ApiError> {
        let public_key = shape(self);
        Ok(ImportPublicKeyResponse { public_key })
    }

    fn got(&self) -> Result<GetPublicKeyResponse, ApiError> {
        let public_key = shape(self);
        Ok(GetPublicKeyResponse { public_key })
    }

    fn listed(rows: &[Self], next_token: Option<String>) -> ListPublicKeysResponse {
        let public_keys = rows.iter().map(summary).collect();
        ListPublicKeysResponse {
            public_keys,
            next_token,
        }
    }
}

fn shape(row: &PublicKey) -> PublicKeyShape {
    PublicKeyShape {
        arn: Arn::of(row).to_string(),
        name: row.name.clone(),
        public_key_material: row.material.clone(),
        fingerprint: row.fingerprint.clone(),
        tags: row.tags.clone(),
    }
}

fn summary(row: &PublicKey) -> PublicKeySummary {
    PublicKeySummary {
        arn: Arn::of(row).to_string(),
        name: row.name.clone(),
        tags: row.tags.clone(),
    }
}
