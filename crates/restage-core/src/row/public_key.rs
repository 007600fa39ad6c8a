//! Public keys.

use super::Tags;
use crate::id::{PublicKeyId, Time};

/// The public half of a key pair that an account signs participant tokens with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// The last part of the key's ARN, and the row's key.
    pub id: PublicKeyId,
    /// The owning account: 12 digits.
    pub account: String,
    /// The Region of the ARN: any Region name a client signs for.
    pub region: String,
    /// The customer's name for it. May be empty; not unique.
    pub name: String,
    /// At most 50 tags.
    pub tags: Tags,
    /// The PEM text, as it was sent.
    pub material: String,
    /// A hash of the key, for people who compare keys.
    pub fingerprint: String,
    /// The point on P-384, uncompressed (SEC 1 §2.3.3), in hexadecimal. Two PEM texts of one key have the same point.
    pub point: String,
    /// When the key was imported. Lists are ordered by it, then by id.
    pub created_at: Time,
}
