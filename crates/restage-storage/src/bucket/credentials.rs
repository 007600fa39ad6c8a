//! Credentials in a file. The file is read again when it changes, so that renewed credentials are used without a restart.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use nix::fcntl::OFlag;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

/// Largest file of credentials.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The section that is taken if there is none for the account.
const DEFAULT_SECTION: &str = "default";

/// The credentials of one account in a file.
pub(super) struct FileCredentials {
    path: PathBuf,
    account: String,
    read: Mutex<Option<(Stamp, Arc<AwsCredential>)>>,
}

/// What tells a changed file from an unchanged one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Why there are no credentials. The text contains nothing of the file, and not where it is: callers of the API read it.
#[derive(Debug, thiserror::Error)]
#[error("the credentials file {reason}")]
pub(super) struct CredentialsFault {
    reason: String,
}

impl FileCredentials {
    pub(super) fn new(path: PathBuf, account: &str) -> Self {
        Self {
            path,
            account: account.to_owned(),
            read: Mutex::new(None),
        }
    }

    fn load(&self) -> Result<Arc<AwsCredential>, CredentialsFault> {
        let fault = |reason: String| CredentialsFault { reason };
        let unreadable = |error: std::io::Error| fault(format!("cannot be read: {error}"));
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&self.path)
            .map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return Err(fault("must be a regular file of at most 1 MB".to_owned()));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(fault(format!(
                "can be used by others (mode {:o}): run chmod 600 on it",
                metadata.mode() & 0o777
            )));
        }
        let stamp = Stamp {
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
        };
        let mut read = self
            .read
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((known, credential)) = &*read
            && *known == stamp
        {
            return Ok(Arc::clone(credential));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        let found = section(&text, &self.account).or_else(|| section(&text, DEFAULT_SECTION));
        let credential = found.ok_or_else(|| {
            fault(format!(
                "has neither a section [{}] nor one [{DEFAULT_SECTION}] with aws_access_key_id and aws_secret_access_key: add one",
                self.account
            ))
        })?;
        let credential = Arc::new(credential);
        *read = Some((stamp, Arc::clone(&credential)));
        Ok(credential)
    }
}

/// The credentials of a section, if it has both a key and its secret. The format is that of the AWS SDKs' shared credentials.
fn section(text: &str, name: &str) -> Option<AwsCredential> {
    let mut is_inside = false;
    let (mut key_id, mut secret_key, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            is_inside = header.trim() == name;
            continue;
        }
        let Some((field, value)) = line.split_once('=').filter(|_| is_inside) else {
            continue;
        };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match field.trim() {
            "aws_access_key_id" => key_id = value,
            "aws_secret_access_key" => secret_key = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(AwsCredential {
        key_id: key_id?,
        secret_key: secret_key?,
        token,
    })
}

impl fmt::Debug for FileCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, account, .. } = self;
        write!(f, "FileCredentials {{ {} of {account} }}", path.display())
    }
}

/// What [`CredentialProvider`] asks for, written out: its trait is declared with `async_trait`.
type Given<'a> =
    Pin<Box<dyn Future<Output = object_store::Result<Arc<AwsCredential>>> + Send + 'a>>;

impl CredentialProvider for FileCredentials {
    type Credential = AwsCredential;

    fn get_credential<'life0, 'async_trait>(&'life0 self) -> Given<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        // A small file in the page cache: it is read faster than a thread is found for it.
        Box::pin(async move {
            self.load().map_err(|fault| {
                tracing::warn!(path = %self.path.display(), account = self.account, %fault, "there are no credentials for a bucket");
                object_store::Error::Generic {
                    store: "credentials",
                    source: Box::new(fault),
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        write(&path, text);
        (dir, path)
    }

    fn write(path: &PathBuf, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    const TEXT: &str = "# ours\n[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key=one=two\n\
                        [111122223333]\naws_access_key_id=AKIAOTHER\naws_secret_access_key=three\naws_session_token = t\n";

    #[test]
    fn the_section_of_the_account_is_taken_else_the_default() {
        let (_dir, path) = file(TEXT);
        let of = |account| FileCredentials::new(path.clone(), account).load().unwrap();
        let other = of("111122223333");
        assert_eq!((&*other.key_id, &*other.secret_key), ("AKIAOTHER", "three"));
        assert_eq!(other.token.as_deref(), Some("t"));
        let default = of("000000000000");
        assert_eq!(
            (&*default.key_id, &*default.secret_key),
            ("AKIADEFAULT", "one=two")
        );
        assert_eq!(default.token, None);
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let (_dir, path) = file(TEXT);
        let credentials = FileCredentials::new(path.clone(), "000000000000");
        assert_eq!(credentials.load().unwrap().key_id, "AKIADEFAULT");
        write(&path, &TEXT.replace("AKIADEFAULT", "AKIARENEWEDKEY"));
        assert_eq!(credentials.load().unwrap().key_id, "AKIARENEWEDKEY");
        std::fs::remove_file(&path).unwrap();
        assert!(credentials.load().is_err());
        write(&path, TEXT);
        assert_eq!(credentials.load().unwrap().key_id, "AKIADEFAULT");
    }

    #[test]
    fn refusals_say_what_to_change_and_nothing_of_the_secret() {
        for (text, mode, words) in [
            (TEXT, 0o640, "chmod 600"),
            (TEXT, 0o604, "chmod 600"),
            ("[default]\naws_access_key_id=AKIAX\n", 0o600, "add one"),
            (
                "aws_access_key_id=A\naws_secret_access_key=hidden\n",
                0o600,
                "add one",
            ),
        ] {
            let (_dir, path) = file(text);
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let credentials = FileCredentials::new(path, "000000000000");
            let error = credentials.load().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            for secret in ["one=two", "hidden", "AKIA"] {
                assert!(!error.contains(secret) && !format!("{credentials:?}").contains(secret));
            }
        }
    }
}
