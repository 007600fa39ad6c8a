//! What is kept of an authority in the directory `tls` of the data directory: the account, the certificate with its
//! key, and the attempts that failed. Only the owner may read it.

use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use super::super::certificate::Certificate;
use super::schedule::Attempts;
use crate::data_dir::{DataDirError, make_directory, write_secret};

/// The line before the key and the chain that says which authority has made the certificate. What stands before the
/// blocks of PEM is ignored by its readers (RFC 7468 §2).
const AUTHORITY: &str = "Authority: ";

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Kept(PathBuf);

/// An account at an authority.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptAccount {
    pub(super) directory: String,
    pub(super) email: Option<String>,
    pub(super) credentials: AccountCredentials,
}

/// A certificate and the authority that has made it.
pub(super) struct KeptCertificate {
    pub(super) directory: String,
    pub(super) certificate: Certificate,
}

impl Kept {
    /// The directory in this data directory, which need not exist.
    pub(super) fn at(data_dir: &Path) -> Self {
        Self(data_dir.join("tls"))
    }

    /// Creates the directory if it does not exist.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub(super) fn open(self) -> Result<Self, DataDirError> {
        make_directory(&self.0)?;
        Ok(self)
    }

    /// The account at this authority; `None` if there is none, or its file is damaged.
    pub(super) fn account(&self, directory: &str) -> Option<KeptAccount> {
        let text = std::fs::read_to_string(self.account_file()).ok()?;
        let account: KeptAccount = serde_json::from_str(&text)
            .inspect_err(|error| {
                let path = self.account_file();
                tracing::warn!(%error, path = %path.display(), "the account at the authority cannot be read; another is made");
            })
            .ok()?;
        (account.directory == directory).then_some(account)
    }

    pub(super) fn keep_account(&self, account: &KeptAccount) -> Result<(), DataDirError> {
        write_secret(&self.account_file(), &json(account))
    }

    /// Removes the account, which the authority does not know any more.
    pub(super) fn forget_account(&self) {
        std::fs::remove_file(self.account_file()).ok();
    }

    /// The certificate; `None` if there is none, or its file is damaged.
    pub(super) fn certificate(&self) -> Option<KeptCertificate> {
        let text = std::fs::read_to_string(self.certificate_file()).ok()?;
        let line = text.lines().next().unwrap_or_default();
        let directory = line.strip_prefix(AUTHORITY).unwrap_or_default().to_owned();
        let certificate = Certificate::from_pem(text.as_bytes(), text.as_bytes())
            .inspect_err(|error| {
                let path = self.certificate_file();
                tracing::warn!(%error, path = %path.display(), "the certificate cannot be read; another is asked for");
            })
            .ok()?;
        Some(KeptCertificate {
            directory,
            certificate,
        })
    }

    /// Keeps a certificate and its key in one file, so that a crash never leaves one without the other.
    pub(super) fn keep_certificate(
        &self,
        directory: &str,
        chain: &str,
        key: &str,
    ) -> Result<(), DataDirError> {
        let text = format!("{AUTHORITY}{directory}\n{key}\n{chain}");
        write_secret(&self.certificate_file(), text.as_bytes())
    }

    /// The attempts for a host at an authority, known by these roots, that failed.
    pub(super) fn attempts(
        &self,
        directory: &str,
        host: &str,
        ca_file: Option<&PathBuf>,
    ) -> Attempts {
        let text = std::fs::read_to_string(self.attempts_file()).unwrap_or_default();
        let kept = serde_json::from_str::<Attempts>(&text).ok();
        kept.filter(|kept| kept.are_of(directory, host, ca_file))
            .unwrap_or_else(|| Attempts::none(directory, host, ca_file))
    }

    pub(super) fn keep_attempts(&self, attempts: &Attempts) -> Result<(), DataDirError> {
        write_secret(&self.attempts_file(), &json(attempts))
    }

    /// Forgets the attempts that failed, after one that has not.
    pub(super) fn forget_attempts(&self) {
        std::fs::remove_file(self.attempts_file()).ok();
    }

    fn account_file(&self) -> PathBuf {
        self.0.join("account.json")
    }

    fn certificate_file(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    fn attempts_file(&self) -> PathBuf {
        self.0.join("attempts.json")
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Nothing in these types can fail to be written.
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::super::testing::made;
    use super::super::schedule::Failed;
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_is_the_owners() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::at(dir.path());
        assert!(kept.certificate().is_none());
        let kept = kept.open().unwrap();
        let made = made(&["a.test"], 0, 90);
        kept.keep_certificate("https://ca/dir", &made.chain, &made.key)
            .unwrap();
        let found = kept.certificate().unwrap();
        assert_eq!(found.directory, "https://ca/dir");
        assert_eq!(found.certificate.facts(), made.certificate().facts());
        let mut attempts = kept.attempts("https://ca/dir", "a.test", None);
        assert!(!attempts.has_failed());
        let failed = Failed {
            reason: "no",
            outline: "no",
            is_counted: true,
            wait_s: None,
        };
        attempts.fails(1_000, failed, 0);
        kept.keep_attempts(&attempts).unwrap();
        assert_eq!(kept.attempts("https://ca/dir", "a.test", None), attempts);
        // Another host, or another authority, has attempts of its own.
        assert!(!kept.attempts("https://ca/dir", "b.test", None).has_failed());
        assert!(
            !kept
                .attempts("https://other/dir", "a.test", None)
                .has_failed()
        );
        for path in [kept.certificate_file(), kept.attempts_file()] {
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let mode = dir
            .path()
            .join("tls")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        kept.forget_attempts();
        assert!(!kept.attempts("https://ca/dir", "a.test", None).has_failed());
    }

    #[test]
    fn damaged_files_are_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::at(dir.path()).open().unwrap();
        for path in [
            kept.certificate_file(),
            kept.attempts_file(),
            kept.account_file(),
        ] {
            std::fs::write(path, "{ half").unwrap();
        }
        assert!(kept.certificate().is_none());
        assert!(kept.account("https://ca/dir").is_none());
        assert!(!kept.attempts("https://ca/dir", "a.test", None).has_failed());
    }
}
