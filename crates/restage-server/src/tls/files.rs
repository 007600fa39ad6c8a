//! A certificate and a key in files that somebody else keeps, such as certbot or an operator. When they change, new
//! connections are served with the new ones.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use super::certificate::{Certificate, CertificateFault};
use super::health::{Failure, Health};
use super::served::Served;
use crate::config::TlsFiles;
use crate::regular_file;

/// How often the files are read. They are a few kilobytes, and reading them finds every kind of change: of contents, of
/// links, of whole directories.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks for which files must be the same before they are found faulty: whoever writes two files has not always
/// finished.
const LOOKS_UNTIL_FAULTY: u32 = 2;
/// Most bytes of such a file.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Why the files cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FilesFault {
    #[error("cannot read {setting} {path}: {reason}; check the path, its owner and permissions")]
    Read {
        setting: &'static str,
        path: PathBuf,
        reason: String,
    },
    #[error("tls-cert {cert} with tls-key {key} cannot be used: {fault}")]
    Unusable {
        cert: PathBuf,
        key: PathBuf,
        fault: CertificateFault,
    },
}

/// Reads a certificate and its key from files.
///
/// # Errors
/// Which file cannot be read or used, and why.
pub fn read(paths: &TlsFiles) -> Result<Certificate, FilesFault> {
    Files::open(paths.clone()).map(|(_, certificate)| certificate)
}

/// The two files, and what was found in them.
#[derive(Debug)]
pub(super) struct Files {
    paths: TlsFiles,
    /// What the last look has found.
    last: Result<Contents, FilesFault>,
    /// How many looks in a row have found that.
    looks: u32,
}

/// What the files contain.
#[derive(PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

/// What a look at the files has found.
#[derive(Debug)]
enum Change {
    /// Nothing that was not known, or nothing that is certain yet.
    None,
    /// Another certificate, which can be used; or the last one again, after a fault.
    Good(Certificate),
    /// Files that cannot be used, for long enough.
    Faulty(FilesFault),
}

impl Files {
    /// Opens the files and reads the certificate in them.
    pub(super) fn open(paths: TlsFiles) -> Result<(Self, Certificate), FilesFault> {
        let contents = load(&paths)?;
        let certificate = parse(&paths, &contents)?;
        let files = Self {
            paths,
            last: Ok(contents),
            looks: 1,
        };
        Ok((files, certificate))
    }

    /// Follows the files for ever. While they cannot be used, the last certificate is served.
    pub(super) async fn follow(mut self, served: Arc<Served>, health: Arc<Health>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // Files may be on a network.
            let looked = spawn_blocking(move || {
                let change = self.look();
                (self, change)
            });
            let Ok((same, change)) = looked.await else {
                return;
            };
            self = same;
            match change {
                Change::None => {}
                Change::Good(certificate) => {
                    let names = certificate.facts().names_shown();
                    tracing::info!(names, "the certificate has changed; new connections get it");
                    health.looks_at(&certificate);
                    served.put(certificate);
                    health.is_well();
                }
                Change::Faulty(fault) => {
                    tracing::error!(%fault, "the certificate's files have changed and cannot be used; the last certificate is served");
                    // Without paths, because everybody may read it.
                    let reason = match fault {
                        FilesFault::Read { .. } => "its files cannot be read".to_owned(),
                        FilesFault::Unusable { fault, .. } => fault.to_string(),
                    };
                    health.fails(Failure {
                        reason,
                        again_s: None,
                        because: None,
                    });
                }
            }
        }
    }

    fn look(&mut self) -> Change {
        let found = load(&self.paths);
        if self.last == found {
            self.looks = self.looks.saturating_add(1);
        } else {
            self.last = found;
            self.looks = 1;
        }
        let parsed = match &self.last {
            Ok(contents) if self.looks <= LOOKS_UNTIL_FAULTY => parse(&self.paths, contents),
            Err(fault) => Err(fault.clone()),
            Ok(_) => return Change::None,
        };
        match parsed {
            Ok(certificate) if self.looks == 1 => Change::Good(certificate),
            Err(fault) if self.looks == LOOKS_UNTIL_FAULTY => Change::Faulty(fault),
            _ => Change::None,
        }
    }
}

fn load(paths: &TlsFiles) -> Result<Contents, FilesFault> {
    Ok(Contents {
        cert: load_one("tls-cert", &paths.cert)?,
        key: load_one("tls-key", &paths.key)?,
    })
}

fn parse(paths: &TlsFiles, contents: &Contents) -> Result<Certificate, FilesFault> {
    Certificate::from_pem(&contents.cert, &contents.key).map_err(|fault| FilesFault::Unusable {
        cert: paths.cert.clone(),
        key: paths.key.clone(),
        fault,
    })
}

fn load_one(setting: &'static str, path: &Path) -> Result<Vec<u8>, FilesFault> {
    regular_file::read(path, FILE_LEN_MAX).map_err(|error| FilesFault::Read {
        setting,
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Made, made};
    use super::*;

    fn write(paths: &TlsFiles, made: &Made) {
        std::fs::write(&paths.cert, &made.chain).unwrap();
        std::fs::write(&paths.key, &made.key).unwrap();
    }

    fn said(change: &Change) -> String {
        match change {
            Change::None => "nothing".to_owned(),
            Change::Good(certificate) => format!("good {}", certificate.facts().names_shown()),
            Change::Faulty(fault) => format!("faulty {fault}"),
        }
    }

    #[test]
    fn files_are_followed_and_half_of_a_change_waits() {
        let dir = tempfile::tempdir().unwrap();
        let paths = TlsFiles {
            cert: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        assert!(matches!(
            read(&paths),
            Err(FilesFault::Read {
                setting: "tls-cert",
                ..
            })
        ));
        let (one, two) = (made(&["one.test"], 0, 1), made(&["two.test"], 0, 1));
        write(&paths, &one);
        let (mut files, _) = Files::open(paths.clone()).unwrap();
        let mut look = || said(&files.look());
        assert_eq!(look(), "nothing");
        assert_eq!(look(), "nothing");
        write(&paths, &two);
        assert_eq!(look(), "good two.test");
        assert_eq!(look(), "nothing");
        // Between the two writes.
        std::fs::write(&paths.cert, &one.chain).unwrap();
        assert_eq!(look(), "nothing");
        std::fs::write(&paths.key, &one.key).unwrap();
        assert_eq!(look(), "good one.test");
        // It stays half, and is reported once.
        std::fs::write(&paths.cert, &two.chain).unwrap();
        assert_eq!(look(), "nothing");
        assert!(look().starts_with("faulty"));
        assert_eq!(look(), "nothing");
        // A pipe, which nobody writes to, is not waited for.
        std::fs::remove_file(&paths.key).unwrap();
        let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
        nix::unistd::mkfifo(&paths.key, mode).unwrap();
        assert_eq!(look(), "nothing");
        assert!(look().contains("not a regular file"));
        std::fs::remove_file(&paths.key).unwrap();
        assert_eq!(look(), "nothing");
        assert!(look().contains("cannot read tls-key"));
        write(&paths, &two);
        assert_eq!(look(), "good two.test");
    }
}
