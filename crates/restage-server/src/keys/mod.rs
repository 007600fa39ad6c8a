//! Access keys: which key signs API requests, for which account, with which permission.
//!
//! They have three sources: the data directory's `credentials`, a key that belongs to `account-id` and may
//! call every operation; `access-keys` of the configuration, with secrets in separate files; and
//! `access-keys.toml` in the data directory, which `restage keys` writes and a running server reads again
//! after every change. Secrets in that file are encrypted with `access-keys.key`.

mod file;
mod permission;
mod ring;
mod seal;

use std::path::PathBuf;

pub use file::{KEYS_MAX, KeyFile, Listed, Made};
pub use permission::{Permission, PermissionError};
pub use ring::{Derived, Holder, KeyRing, Known};

use crate::data_dir::DataDirError;

/// Whether a text has the form of an account: 12 digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Errors of the file of access keys.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeyFileError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("cannot use {path}: {source}; check its owner and permissions")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{path} is not a file of access keys: {reason}; restore it from a backup, or delete it"
    )]
    Parse { path: PathBuf, reason: String },
    #[error(
        "{path} is not the key that access keys are sealed with; restore it from a backup, or delete it and access-keys.toml"
    )]
    SealKey { path: PathBuf },
    #[error("a secret could not be sealed")]
    Seal,
    #[error("account-id must be 12 digits, not {0:?}")]
    AccountId(String),
    #[error(
        "there is no access key {0} in the data directory; `restage keys list` shows those there are"
    )]
    Unknown(String),
    #[error("access keys of the data directory: the limit of {KEYS_MAX} is reached; revoke some")]
    TooMany,
}
