//! Access keys of the configuration file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::data_dir::Credentials;
use crate::keys::{Derived, Holder, Known, Permission, is_account};

/// Longest access key id, as in AWS.
const ACCESS_KEY_ID_LEN_MAX: usize = 128;

/// An access key of the configuration file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccessKey {
    /// The account of the key: 12 digits.
    pub account_id: String,
    /// The access key id that clients sign with: letters and digits.
    pub access_key_id: String,
    /// A file that contains only the secret, and that other users of the machine cannot read.
    pub secret_file: PathBuf,
    /// `full`, `read-only`, or names of operations with commas between them.
    #[serde(default = "full")]
    pub permission: String,
}

fn full() -> String {
    Permission::Full.to_string()
}

impl AccessKey {
    /// Checks the fields; the secret is read when the server starts.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !is_account(&self.account_id) {
            return Err(self.refuse("account-id must be 12 digits"));
        }
        let plain = |text: &str| {
            (1..=ACCESS_KEY_ID_LEN_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !plain(&self.access_key_id) {
            return Err(self.refuse(&format!(
                "access-key-id must be 1 to {ACCESS_KEY_ID_LEN_MAX} letters and digits"
            )));
        }
        Permission::parse(&self.permission)
            .map(drop)
            .map_err(|error| self.refuse(&error.to_string()))
    }

    fn refuse(&self, reason: &str) -> ConfigError {
        ConfigError::AccessKey {
            key: self.access_key_id.clone(),
            reason: reason.to_owned(),
        }
    }

    /// The key with its secret.
    pub(crate) fn open(&self) -> Result<Known, ConfigError> {
        let path = self.secret_file.display();
        let secret = std::fs::read_to_string(&self.secret_file)
            .map_err(|error| self.refuse(&format!("cannot read {path}: {error}")))?;
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(self.refuse(&format!("{path} holds no secret")));
        }
        Ok(Known {
            credentials: Credentials {
                access_key: self.access_key_id.clone(),
                secret_key: secret.to_owned(),
            },
            holder: Holder {
                account: self.account_id.clone(),
                permission: Permission::parse(&self.permission)
                    .map_err(|error| self.refuse(&error.to_string()))?,
            },
            ends_at: None,
            derived: Derived::default(),
        })
    }
}
