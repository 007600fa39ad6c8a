//! Where buckets are, by account.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Where the buckets of each account are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorageSettings {
    /// For accounts that `accounts` does not name.
    pub default: Backend,
    /// For single accounts, by their 12 digits.
    pub accounts: BTreeMap<String, Backend>,
    /// Recordings that were begun in another place go on in the one that is named here, whatever is in the other one.
    pub accepts_moved: bool,
}

impl StorageSettings {
    /// Buckets of all accounts in one place.
    pub fn all(backend: Backend) -> Self {
        Self {
            default: backend,
            accounts: BTreeMap::new(),
            accepts_moved: false,
        }
    }

    /// Where the buckets of an account are.
    pub fn of_account(&self, account: &str) -> &Backend {
        self.accounts.get(account).unwrap_or(&self.default)
    }
}

/// Where buckets are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backend {
    /// Folders: each subfolder of the root is a bucket.
    Folder {
        /// The root.
        root: PathBuf,
        /// Whether the root and a missing bucket are made. Otherwise a missing bucket is an error, as with S3.
        makes_buckets: bool,
    },
    /// S3, or what speaks its protocol.
    S3(S3Settings),
}

/// How S3 is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct S3Settings {
    /// URL of the service; `None` means that of AWS in the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for; `None` means that of the storage configuration.
    pub region: Option<String>,
    /// Whether the bucket is in the path of URLs and not in the host. Most services other than AWS need it.
    pub path_style: bool,
    /// How the service encrypts what it stores.
    pub encryption: Encryption,
    /// Who asks.
    pub credentials: Credentials,
    /// A file with the certificates (PEM) of the authority by which the service is known; `None` means the system's.
    pub ca_file: Option<PathBuf>,
    /// How long an answer is waited for, beside the time that the bytes of an upload take.
    pub request_timeout: Duration,
}

impl Default for S3Settings {
    /// Amazon S3 with the credentials of the environment.
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            path_style: false,
            encryption: Encryption::default(),
            credentials: Credentials::default(),
            ca_file: None,
            request_timeout: Duration::from_secs(20),
        }
    }
}

/// Encryption of objects by the service (server-side encryption).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Encryption {
    /// As the bucket's default says.
    #[default]
    BucketDefault,
    /// With keys of the service (SSE-S3, AES256).
    S3,
    /// With a key of KMS (SSE-KMS): its id or ARN.
    Kms(String),
}

/// Where credentials come from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Credentials {
    /// The environment of the server (`AWS_ACCESS_KEY_ID` …, a web identity, a container's or a machine's role).
    #[default]
    Chain,
    /// A file in the format of AWS's shared credentials, which only its owner may read. It is read again when it changes.
    /// The section that the account names is taken, else `default`.
    File(PathBuf),
}
