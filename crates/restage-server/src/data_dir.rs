//! The data directory: its files, and how secrets are created.
//!
//! `restage.db` · `credentials` (AWS shared-credentials INI, mode 0600) · `tokens.key` (hexadecimal, mode 0600) ·
//! `console.key` (mode 0600) · `database.id` (see [`restage_store::Mark`]) · `spool.id` (see
//! [`restage_node::recording::SpoolHome`]) · `access-keys.toml`, `access-keys.key`
//! (see [`crate::keys`]) · `tls/` (see [`crate::tls`]).

use std::path::{Path, PathBuf};

use restage_node::token::SECRET_LEN;
use restage_store::system::{files, ids};

/// Environment variables that replace the generated credentials.
pub const ACCESS_KEY_ENV: &str = "RESTAGE_ACCESS_KEY_ID";
/// The secret that belongs to [`ACCESS_KEY_ENV`].
pub const SECRET_KEY_ENV: &str = "RESTAGE_SECRET_ACCESS_KEY";

/// Characters of the console's key: about 140 bits.
const CONSOLE_KEY_LEN: usize = 24;

/// Errors of the data directory.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DataDirError {
    #[error(
        "cannot create or use {path}: {source}; check its owner and permissions, or give another --data-dir"
    )]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{path} is not an AWS shared-credentials file with aws_access_key_id and aws_secret_access_key; mend or delete it"
    )]
    Credentials { path: PathBuf },
    #[error("set both {ACCESS_KEY_ENV} and {SECRET_KEY_ENV}, or neither")]
    HalfCredentials,
    #[error(
        "{path} is damaged; restore it, or delete it to make a new one (every participant token issued so far dies)"
    )]
    TokenSecret { path: PathBuf },
    #[error(
        "there are no credentials in {path} yet; start the server once, or name its --data-dir"
    )]
    NoCredentials { path: PathBuf },
}

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key id, in the form of AWS's.
    pub access_key: String,
    /// The secret; never logged.
    pub secret_key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// An existing data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// The directory at `path`, which is not created.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Uses `path`, creating it (mode 0700) if it does not exist.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        make_directory(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that names the database of this directory.
    pub fn database_mark(&self) -> PathBuf {
        self.path.join("database.id")
    }

    /// Whether a server was started here before. Call it before any file is created.
    pub fn is_used(&self) -> bool {
        self.database_mark().exists() || self.token_secret_file().exists()
    }

    /// The embedded database.
    pub fn database(&self) -> PathBuf {
        self.path.join("restage.db")
    }

    /// The folder whose folders are buckets, unless buckets are elsewhere.
    pub fn recordings(&self) -> PathBuf {
        self.path.join("recordings")
    }

    /// The folder of what was recorded and is not in its bucket yet.
    pub fn spool(&self) -> PathBuf {
        self.path.join("spool")
    }

    /// The file that names the spool of this directory.
    pub fn spool_mark(&self) -> PathBuf {
        self.path.join("spool.id")
    }

    /// The credentials file.
    pub fn credentials_file(&self) -> PathBuf {
        self.path.join("credentials")
    }

    /// Credentials from the environment, else from the file, else new ones written to the file.
    pub fn credentials(&self) -> Result<Credentials, DataDirError> {
        if let Some(credentials) = credentials_from_env()? {
            return Ok(credentials);
        }
        let path = self.credentials_file();
        if path.exists() {
            return read_credentials(&path);
        }
        let credentials = Credentials {
            access_key: format!("AKIA{}", ids::secret(16).to_ascii_uppercase()),
            secret_key: ids::secret(40),
        };
        let text = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            credentials.access_key, credentials.secret_key
        );
        write_secret(&path, text.as_bytes())?;
        Ok(credentials)
    }

    /// Path of the secret that signs participant tokens.
    pub fn token_secret_file(&self) -> PathBuf {
        self.path.join("tokens.key")
    }

    /// The console's key, created at first use and again after its file was removed. It is the same after a
    /// restart, so that open consoles reconnect by themselves.
    ///
    /// # Errors
    /// [`DataDirError`] if the file cannot be read or created.
    pub fn console_key(&self) -> Result<String, DataDirError> {
        let path = self.path.join("console.key");
        if path.exists() {
            let text = std::fs::read_to_string(&path).map_err(|source| DataDirError::Io {
                path: path.clone(),
                source,
            })?;
            let key = text.trim();
            let is_whole = key.len() >= CONSOLE_KEY_LEN;
            if is_whole && key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Ok(key.to_owned());
            }
        }
        let key = ids::secret(CONSOLE_KEY_LEN);
        write_secret(&path, format!("{key}\n").as_bytes())?;
        Ok(key)
    }

    /// The secret that signs and verifies participant tokens; a new one if there is none. A new one is not kept before
    /// [`Self::keep_token_secret`]: its file is a sign of a database with rows, so the database comes first.
    ///
    /// # Errors
    /// [`DataDirError`] if the file cannot be read, or has unexpected contents.
    pub fn token_secret(&self) -> Result<[u8; SECRET_LEN], DataDirError> {
        let path = self.token_secret_file();
        if !path.exists() {
            return Ok(rand::random());
        }
        let text = std::fs::read_to_string(&path).map_err(|source| DataDirError::Io {
            path: path.clone(),
            source,
        })?;
        let bytes = hex::decode(text.trim()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(DataDirError::TokenSecret { path })
    }

    /// Writes a new secret of [`Self::token_secret`] to its file.
    ///
    /// # Errors
    /// [`DataDirError`] if the file cannot be created.
    pub fn keep_token_secret(&self, secret: &[u8; SECRET_LEN]) -> Result<(), DataDirError> {
        let path = self.token_secret_file();
        if path.exists() {
            return Ok(());
        }
        write_secret(&path, hex::encode(secret).as_bytes())
    }
}

/// Credentials for another process: from the environment, else from the file in `path`.
pub fn existing_credentials(path: &Path) -> Result<Credentials, DataDirError> {
    if let Some(credentials) = credentials_from_env()? {
        return Ok(credentials);
    }
    let file = path.join("credentials");
    if !file.exists() {
        return Err(DataDirError::NoCredentials { path: file });
    }
    read_credentials(&file)
}

fn credentials_from_env() -> Result<Option<Credentials>, DataDirError> {
    let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (var(ACCESS_KEY_ENV), var(SECRET_KEY_ENV)) {
        (Some(access_key), Some(secret_key)) => Ok(Some(Credentials {
            access_key,
            secret_key,
        })),
        (None, None) => Ok(None),
        _ => Err(DataDirError::HalfCredentials),
    }
}

fn read_credentials(path: &Path) -> Result<Credentials, DataDirError> {
    let text = std::fs::read_to_string(path).map_err(|source| DataDirError::Io {
        path: path.to_owned(),
        source,
    })?;
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name)
                .then(|| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        })
    };
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(access_key), Some(secret_key)) => Ok(Credentials {
            access_key,
            secret_key,
        }),
        _ => Err(DataDirError::Credentials {
            path: path.to_owned(),
        }),
    }
}

/// Creates a directory (mode 0700) and those above it, as far as they do not exist.
pub(crate) fn make_directory(path: &Path) -> Result<(), DataDirError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| files::sync_folder_of(path))
        .map_err(|source| DataDirError::Io {
            path: path.to_owned(),
            source,
        })
}

/// Writes a file atomically, readable by its owner only, and makes it durable before it returns.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    files::replace(path, bytes, |file| hand_over(file, path)).map_err(|source| DataDirError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Gives a file that root creates to the owner of the directory, so that the server's user can read it. Other users
/// cannot chown; that is fine, because the server then keeps the files that it creates.
fn hand_over(file: &std::fs::File, path: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let directory = path.parent().and_then(|parent| parent.metadata().ok());
    if let (Some(theirs), Ok(ours)) = (directory, file.metadata())
        && theirs.uid() != ours.uid()
    {
        let _ = std::os::unix::fs::fchown(file, Some(theirs.uid()), Some(theirs.gid()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_writes_belongs_to_the_directorys_owner() {
        use std::os::unix::fs::MetadataExt as _;
        const SOMEBODY: u32 = 65_534;
        let dir = tempfile::tempdir().unwrap();
        // Only root can do this; for other users the owner must stay the same.
        let given = std::os::unix::fs::chown(dir.path(), Some(SOMEBODY), Some(SOMEBODY));
        let path = dir.path().join("secret");
        for text in ["one", "two"] {
            write_secret(&path, text.as_bytes()).unwrap();
            let owner = std::fs::metadata(&path).unwrap().uid();
            assert_eq!(owner, dir.path().metadata().unwrap().uid());
            assert_eq!(given.is_ok(), owner == SOMEBODY);
        }
    }

    #[test]
    fn credentials_are_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("deep/data")).unwrap();
        let first = data.credentials().unwrap();
        assert_eq!(first, data.credentials().unwrap());
        let mode = std::fs::metadata(data.credentials_file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{first:?}").contains(&first.secret_key));
    }

    #[test]
    fn a_mangled_credentials_file_is_refused_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        std::fs::write(data.credentials_file(), "[default]\n").unwrap();
        assert!(matches!(
            data.credentials(),
            Err(DataDirError::Credentials { .. })
        ));
    }

    #[test]
    fn the_consoles_key_outlives_a_restart_and_is_made_anew_when_its_file_is_gone_or_cut() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let key = data.console_key().unwrap();
        assert_eq!(key, data.console_key().unwrap());
        assert_eq!(key.len(), CONSOLE_KEY_LEN);
        let file = dir.path().join("console.key");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(&file).unwrap();
        let second = data.console_key().unwrap();
        assert_ne!(key, second);
        std::fs::write(&file, &second[1..]).unwrap();
        let third = data.console_key().unwrap();
        assert_eq!(
            third.len(),
            CONSOLE_KEY_LEN,
            "a key that is cut opens nothing"
        );
    }

    #[test]
    fn the_secret_of_tokens_is_made_once_private_and_never_guessed_at() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        // A new one is kept when the caller says so, and not before.
        let secret = data.token_secret().unwrap();
        assert!(!data.token_secret_file().exists() && !data.is_used());
        data.keep_token_secret(&secret).unwrap();
        data.keep_token_secret(&[0; SECRET_LEN]).unwrap();
        assert!(data.is_used());
        assert_eq!(secret, data.token_secret().unwrap());
        let file = data.token_secret_file();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for damaged in ["", "00", "not hexadecimal", &"00".repeat(SECRET_LEN + 1)] {
            std::fs::write(&file, damaged).unwrap();
            let refused = data.token_secret();
            assert!(
                matches!(refused, Err(DataDirError::TokenSecret { .. })),
                "{damaged:?}"
            );
        }
    }
}
