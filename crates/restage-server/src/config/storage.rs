//! Where recordings go, and how much of them may wait on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use restage_storage::bucket::{Backend, Credentials, Encryption, S3Settings};
use restage_storage::{SpoolBounds, StorageSettings};
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::keys::is_account;

/// The least that a recording, and the spool, may be given: a few segments of any recording.
const SPOOL_MB_MIN: u64 = 256;
/// Bytes of a megabyte, as `-mb` settings count them.
const MB: u64 = 1 << 20;
const DAY_S: u64 = 24 * 3_600;

/// Buckets of S3, or of what speaks it, for one account or for all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct S3 {
    /// The account whose buckets they are; absent: all accounts that no other entry names.
    pub account_id: Option<String>,
    /// URL of the service; absent: that of AWS.
    pub endpoint: Option<String>,
    /// Region that requests are signed for; absent: that of the storage configuration.
    pub region: Option<String>,
    /// Whether buckets are named in paths and not in the host; absent: yes with an endpoint.
    pub path_style: Option<bool>,
    /// `s3`, or `kms:` and a key; absent: as the bucket's default says.
    pub encryption: Option<String>,
    /// File with credentials in the format of AWS; absent: the server's environment.
    pub credentials_file: Option<PathBuf>,
    /// Certificates (PEM) of the authority by which the service is known; absent: the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why storage cannot be as the settings say, with advice.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StorageFault {
    #[error("s3, account-id must be 12 digits, not {0:?}")]
    Account(String),
    #[error("s3 has two entries for account {0}: leave one out")]
    TwoForAccount(String),
    #[error("s3 has two entries without account-id: leave one out, or say whose buckets they are")]
    TwoForAll,
    #[error(
        "storage-root is set, and s3 has an entry for all accounts: leave one out, or give the entry an account-id"
    )]
    Both,
    #[error(
        "s3, endpoint must be https:// or http:// and a host, without a user, a query or a fragment"
    )]
    Endpoint,
    #[error(
        "s3, path-style = false puts the bucket before the host of the endpoint, and {0} is an address: leave path-style out, or name a host"
    )]
    PathStyle(String),
    #[error("s3, encryption must be \"s3\", or \"kms:\" and the id or ARN of a key, not {0:?}")]
    Encryption(String),
    #[error(
        "spool-recording-mb must be at least {SPOOL_MB_MIN}, and spool-mb at least as much as that"
    )]
    Spool,
}

/// Where the buckets of recordings are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StorageConfig {
    /// The folder whose subfolders are the buckets; `None` means `recordings` in the data directory, where they are made.
    pub root: Option<PathBuf>,
    /// S3 for all accounts, which takes the place of folders.
    pub s3: Option<S3Settings>,
    /// S3 for single accounts.
    pub accounts: BTreeMap<String, S3Settings>,
    /// Bounds of what waits for buckets.
    pub spool: SpoolBounds,
    /// Recordings that were begun in another place go on in the one that is named here.
    pub accepts_moved: bool,
}

/// A file that the settings name and that does not serve, or a folder that is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unusable {
    /// A sentence.
    pub sentence: String,
    /// The server does not start with it.
    pub is_fatal: bool,
}

impl StorageConfig {
    /// What of the named files and folders does not serve: a file of certificates, without which no bucket can be reached, or the root,
    /// which may be mounted later.
    pub fn unusable(&self) -> Vec<Unusable> {
        let services = self.s3.iter().chain(self.accounts.values());
        let faults = services.filter_map(|s3| s3.check().err());
        let mut unusable: Vec<Unusable> = faults
            .map(|fault| Unusable {
                sentence: format!("s3, ca-file: {fault}"),
                is_fatal: true,
            })
            .collect();
        if let Some(root) = self.root.as_ref().filter(|root| !root.is_dir()) {
            let sentence = format!(
                "the storage root {} is not a folder, so no recording can begin: make it, mount it, or change storage-root",
                root.display()
            );
            unusable.push(Unusable {
                sentence,
                is_fatal: false,
            });
        }
        unusable
    }
}

impl StorageConfig {
    /// The settings of the buckets. `recordings` is the default root in the data directory.
    pub fn settings(&self, recordings: &Path) -> StorageSettings {
        let default = match (&self.s3, &self.root) {
            (Some(s3), _) => Backend::S3(s3.clone()),
            (None, Some(root)) => Backend::Folder {
                root: root.clone(),
                makes_buckets: false,
            },
            (None, None) => Backend::Folder {
                root: recordings.to_owned(),
                makes_buckets: true,
            },
        };
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(account, s3)| (account.clone(), Backend::S3(s3.clone())));
        StorageSettings {
            default,
            accounts: accounts.collect(),
            accepts_moved: self.accepts_moved,
        }
    }
}

impl Settings {
    /// Where recordings go.
    pub(super) fn storage(&self) -> Result<StorageConfig, StorageFault> {
        let mut config = StorageConfig {
            root: self.storage_root.clone(),
            spool: self.spool()?,
            accepts_moved: self.accept_moved_buckets.unwrap_or_default(),
            ..StorageConfig::default()
        };
        for entry in &self.s3 {
            let settings = entry.settings()?;
            let Some(account) = &entry.account_id else {
                if config.root.is_some() {
                    return Err(StorageFault::Both);
                }
                if config.s3.replace(settings).is_some() {
                    return Err(StorageFault::TwoForAll);
                }
                continue;
            };
            if !is_account(account) {
                return Err(StorageFault::Account(account.clone()));
            }
            if config.accounts.insert(account.clone(), settings).is_some() {
                return Err(StorageFault::TwoForAccount(account.clone()));
            }
        }
        Ok(config)
    }

    fn spool(&self) -> Result<SpoolBounds, StorageFault> {
        let default = SpoolBounds::default();
        let of = |mb: Option<u32>, bytes| mb.map_or(bytes, |mb| u64::from(mb) * MB);
        let days = |days: u32| Duration::from_secs(u64::from(days) * DAY_S);
        let bytes_max = of(self.spool_mb, default.bytes_max);
        // A smaller spool without another word bounds each recording, too.
        let recording_bytes_max = of(
            self.spool_recording_mb,
            default.recording_bytes_max.min(bytes_max),
        );
        if recording_bytes_max < SPOOL_MB_MIN * MB || bytes_max < recording_bytes_max {
            return Err(StorageFault::Spool);
        }
        Ok(SpoolBounds {
            recording_bytes_max,
            bytes_max,
            age_max: self.spool_days.map_or(default.age_max, days),
        })
    }
}

impl S3 {
    fn settings(&self) -> Result<S3Settings, StorageFault> {
        if let Some(endpoint) = &self.endpoint
            && !is_endpoint(endpoint)
        {
            return Err(StorageFault::Endpoint);
        }
        let encryption = match self.encryption.as_deref() {
            None => Encryption::BucketDefault,
            Some("s3") => Encryption::S3,
            Some(other) => match other.strip_prefix("kms:") {
                Some(key) if !key.is_empty() => Encryption::Kms(key.to_owned()),
                _ => return Err(StorageFault::Encryption(other.to_owned())),
            },
        };
        let path_style = self.path_style.unwrap_or_else(|| self.endpoint.is_some());
        if let Some(endpoint) = &self.endpoint
            && !path_style
            && let Some(host) = address_of(endpoint)
        {
            return Err(StorageFault::PathStyle(host));
        }
        let credentials = self.credentials_file.clone();
        Ok(S3Settings {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            path_style,
            encryption,
            credentials: credentials.map_or(Credentials::Chain, Credentials::File),
            ca_file: self.ca_file.clone(),
            ..S3Settings::default()
        })
    }
}

/// Whether a text is the URL of a service. It is shown in messages, so it must not have a user and a password.
fn is_endpoint(text: &str) -> bool {
    let is_plain = |url: &http::Uri| {
        let has_scheme = matches!(url.scheme_str(), Some("http" | "https"));
        let authority = url.authority().map_or("@", http::uri::Authority::as_str);
        has_scheme && !authority.contains('@') && url.query().is_none()
    };
    !text.contains('#') && text.parse().is_ok_and(|url| is_plain(&url))
}

/// The host of an endpoint, if it is an address. A host whose last part is a number is one as well (WHATWG URL Standard, "ends in a
/// number").
fn address_of(endpoint: &str) -> Option<String> {
    let url: http::Uri = endpoint.parse().ok()?;
    let host = url.host()?;
    let last = host.trim_end_matches('.').rsplit('.').next()?;
    let is_hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(rest) => is_hexadecimal(rest),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    };
    (is_number || host.starts_with('[')).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError};
    use super::*;

    fn resolve(text: &str) -> Result<Config, ConfigError> {
        toml::from_str::<Settings>(text).unwrap().resolve()
    }

    fn backends(text: &str) -> StorageSettings {
        let config = resolve(text).unwrap();
        config.storage.settings(Path::new("data/recordings"))
    }

    #[test]
    fn buckets_are_folders_unless_the_settings_say_otherwise() {
        let folder = |root: &str, makes_buckets| Backend::Folder {
            root: root.into(),
            makes_buckets,
        };
        assert_eq!(backends("").default, folder("data/recordings", true));
        let own = backends("storage-root = \"/srv/recordings\"");
        assert_eq!(own.default, folder("/srv/recordings", false));
        let both = backends(
            "storage-root = \"/srv\"\n[[s3]]\naccount-id = \"111122223333\"\nregion = \"eu-west-1\"",
        );
        assert_eq!(both.of_account("000000000000"), &folder("/srv", false));
        let Backend::S3(s3) = both.of_account("111122223333") else {
            panic!("{both:?}")
        };
        assert_eq!(s3.region.as_deref(), Some("eu-west-1"));
        assert_eq!((s3.path_style, &s3.endpoint), (false, &None));
        assert_eq!(s3.credentials, Credentials::Chain);
    }

    #[test]
    fn an_entry_says_how_a_service_is_reached() {
        let entry = "s3 = [{ endpoint = \"https://minio.example.org:9000\", encryption = \"kms:key\", \
                     credentials-file = \"c\", ca-file = \"a\" }]";
        let Backend::S3(s3) = backends(entry).default else {
            panic!("no S3")
        };
        assert!(s3.path_style, "services other than AWS want it");
        assert_eq!(s3.encryption, Encryption::Kms("key".into()));
        assert_eq!(s3.credentials, Credentials::File("c".into()));
        assert_eq!(s3.ca_file, Some("a".into()));
        let hosts = "s3 = [{ endpoint = \"http://h\", path-style = false, encryption = \"s3\" }]";
        let Backend::S3(s3) = backends(hosts).default else {
            panic!("no S3")
        };
        assert_eq!((s3.path_style, s3.encryption), (false, Encryption::S3));
    }

    #[test]
    fn what_cannot_work_is_refused_with_advice() {
        for (text, words) in [
            ("s3 = [{ account-id = \"1\" }]", "12 digits"),
            ("s3 = [{}, {}]", "whose buckets"),
            (
                "s3 = [{ account-id = \"111122223333\" }, { account-id = \"111122223333\" }]",
                "two entries for account 111122223333",
            ),
            ("storage-root = \"d\"\ns3 = [{}]", "leave one out"),
            ("s3 = [{ endpoint = \"minio:9000\" }]", "https://"),
            ("s3 = [{ endpoint = \"ftp://h\" }]", "https://"),
            (
                "s3 = [{ endpoint = \"https://me:hunter2@h\" }]",
                "without a user",
            ),
            ("s3 = [{ endpoint = \"https://h/?a=b\" }]", "query"),
            (
                "s3 = [{ endpoint = \"http://127.0.0.1:9\", path-style = false }]",
                "leave path-style out",
            ),
            (
                "s3 = [{ endpoint = \"https://[::1]:9\", path-style = false }]",
                "[::1] is an address",
            ),
            (
                "s3 = [{ endpoint = \"https://127.1\", path-style = false }]",
                "address",
            ),
            ("s3 = [{ encryption = \"aes\" }]", "kms:"),
            ("s3 = [{ encryption = \"kms:\" }]", "kms:"),
            ("spool-recording-mb = 10", "at least 256"),
            ("spool-mb = 300\nspool-recording-mb = 301", "at least"),
            ("spool-mb = 0", "at least"),
        ] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("hunter2"));
        }
    }

    #[test]
    fn files_and_folders_that_do_not_serve_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("empty.pem");
        std::fs::write(&file, "no certificate\n").unwrap();
        let config = |text: &str| resolve(text).unwrap().storage;
        let entry = |path: &Path| format!("s3 = [{{ ca-file = {path:?} }}]");
        for (path, words) in [
            (&*file, "no certificate in it"),
            (&dir.path().join("none"), "cannot be used"),
        ] {
            let found = config(&entry(path)).unusable();
            assert!(
                found[0].is_fatal && found[0].sentence.contains(words),
                "{found:?}"
            );
        }
        let root = |path: &Path| config(&format!("storage-root = {path:?}")).unusable();
        let found = root(&dir.path().join("none"));
        assert!(
            !found[0].is_fatal && found[0].sentence.contains("mount it"),
            "{found:?}"
        );
        assert_eq!(root(dir.path()), []);
        assert_eq!(config("").unusable(), []);
    }

    #[test]
    fn a_small_spool_bounds_each_recording_too() {
        let spool = resolve("spool-mb = 1000\nspool-days = 0")
            .unwrap()
            .storage
            .spool;
        assert_eq!(spool.bytes_max, 1_000 * MB);
        assert_eq!(spool.recording_bytes_max, 1_000 * MB);
        assert_eq!(spool.age_max, Duration::ZERO);
        assert_eq!(Config::default().storage.spool, SpoolBounds::default());
    }
}
