//! Checks of what recordings need: folders or credentials for their buckets, and room for what waits for them. Nothing is written
//! into a bucket, and the spool is not opened, because a server may be using it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use restage_storage::bucket::{Credentials, S3Settings};
use restage_storage::spool::{look, moved};

use super::{Finding, Verdict, finding};
use crate::config::Config;
use crate::data_dir::DataDir;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

pub(super) fn storage(config: &Config) -> Vec<Finding> {
    let settings = &config.storage;
    let mut findings = Vec::new();
    match (&settings.s3, &settings.root) {
        (Some(s3), _) => findings.push(bucket_service("all accounts", s3)),
        (None, Some(root)) => findings.push(root_of_buckets(root)),
        (None, None) => findings.push(finding(
            "storage",
            Verdict::Ok,
            format!(
                "Recordings go to folders in {}, where the folder of a bucket is made.",
                config.data_dir.join("recordings").display()
            ),
        )),
    }
    let accounts = settings.accounts.iter();
    findings.extend(accounts.map(|(account, s3)| bucket_service(account, s3)));
    findings.push(spool(config));
    findings.extend(missing_spool(config));
    findings.extend(moved_buckets(config));
    findings
}

/// Recordings that wait for a bucket that is in another place than when they began.
fn moved_buckets(config: &Config) -> Option<Finding> {
    let data = DataDir::at(&config.data_dir);
    let settings = config.storage.settings(&data.recordings());
    let found = moved(&data.spool(), &settings);
    let (_, place) = found.first()?;
    Some(finding(
        "spool",
        Verdict::Fail,
        format!(
            "{} recordings wait, because their buckets were in another place when they began ({place}): set that back, or copy what is there \
             and start once with --accept-moved-buckets.",
            found.len()
        ),
    ))
}

/// Whether the spool is there that belongs to the data directory. Recordings may wait in it.
fn missing_spool(config: &Config) -> Option<Finding> {
    let data = DataDir::at(&config.data_dir);
    let (path, mark) = (data.spool(), data.spool_mark());
    let named = std::fs::read_to_string(&mark).ok()?;
    let mut lines = named.lines();
    let id = lines.next().filter(|id| !id.is_empty());
    let is_waited_for = lines.next().is_some();
    let found = look(&path).ok().and_then(|look| look.id);
    if !is_waited_for && found.as_deref() == id {
        return None;
    }
    let (verdict, what) = match is_waited_for {
        true => (Verdict::Fail, "recordings wait in it, and none can begin"),
        false => (Verdict::Warn, "recordings may wait in it"),
    };
    Some(finding(
        "spool",
        verdict,
        format!(
            "{} is not the spool that this data directory had, and {what}: mount its disk, or start once with --accept-spool-loss.",
            path.display()
        ),
    ))
}

/// The folder whose subfolders are buckets.
fn root_of_buckets(root: &Path) -> Finding {
    let shown = root.display();
    let fail = |sentence| finding("storage", Verdict::Fail, sentence);
    let Ok(entries) = std::fs::read_dir(root) else {
        return fail(format!(
            "The storage root {shown} is not a folder that can be read: make it, mount it, or change storage-root."
        ));
    };
    let is_bucket = |path: &PathBuf| path.is_dir() && !path.is_symlink();
    let buckets: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_bucket)
        .collect();
    if buckets.is_empty() {
        let sentence =
            format!("The storage root {shown} has no subfolder: make one for each bucket.");
        return finding("storage", Verdict::Warn, sentence);
    }
    let closed = buckets
        .iter()
        .find(|bucket| access(*bucket, AccessFlags::W_OK | AccessFlags::X_OK).is_err());
    match closed {
        Some(bucket) => fail(format!(
            "The bucket {} cannot be written: let this user write there.",
            bucket.display()
        )),
        None => finding(
            "storage",
            Verdict::Ok,
            format!("Recordings go to {} buckets in {shown}.", buckets.len()),
        ),
    }
}

/// S3, of which only the credentials can be checked without naming a bucket.
fn bucket_service(whose: &str, s3: &S3Settings) -> Finding {
    let service = s3.endpoint.as_deref().unwrap_or("Amazon S3");
    let fault = match &s3.credentials {
        Credentials::Chain => None,
        Credentials::File(path) => credentials_fault(path),
    };
    let fault = fault.or_else(|| s3.check().err().map(|fault| fault.to_string()));
    match fault {
        Some(fault) => finding(
            "storage",
            Verdict::Fail,
            format!("Recordings of {whose} go to {service}, but {fault}."),
        ),
        None => finding(
            "storage",
            Verdict::Ok,
            format!(
                "Recordings of {whose} go to {service}; CreateStorageConfiguration checks each bucket."
            ),
        ),
    }
}

fn credentials_fault(path: &Path) -> Option<String> {
    let shown = path.display();
    match path.metadata() {
        Err(error) => Some(format!(
            "the credentials file {shown} cannot be read ({error})"
        )),
        Ok(metadata) if metadata.mode() & OTHERS != 0 => Some(format!(
            "others may use the credentials file {shown}, which the server refuses: run chmod 600 on it"
        )),
        Ok(_) => None,
    }
}

/// Room for what waits for buckets.
fn spool(config: &Config) -> Finding {
    let existing = config.data_dir.ancestors().find(|path| path.is_dir());
    let path = match existing {
        Some(path) => path,
        None => Path::new("."),
    };
    let (free, wanted) = match nix::sys::statvfs::statvfs(path) {
        Ok(stat) => (
            stat.blocks_available().saturating_mul(stat.fragment_size()),
            config.storage.spool.bytes_max,
        ),
        Err(error) => {
            let sentence = format!(
                "The free space for recordings that wait for their buckets is unknown ({error})."
            );
            return finding("spool", Verdict::Warn, sentence);
        }
    };
    let (free_mb, wanted_mb) = (free >> 20, wanted >> 20);
    match free < wanted {
        true => finding(
            "spool",
            Verdict::Warn,
            format!(
                "{free_mb} MB are free for recordings that wait for their buckets, and {wanted_mb} MB may be used: free some, or lower \
                 spool-mb."
            ),
        ),
        false => finding(
            "spool",
            Verdict::Ok,
            format!(
                "{wanted_mb} MB of recordings may wait here for their buckets; {free_mb} MB are free."
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use restage_storage::SpoolBounds;

    use super::*;
    use crate::config::StorageConfig;

    fn examine(dir: &Path, storage: StorageConfig) -> Vec<(Verdict, String)> {
        let config = Config {
            data_dir: dir.to_owned(),
            storage,
            ..Config::default()
        };
        let findings = super::storage(&config).into_iter();
        findings
            .map(|finding| (finding.verdict, finding.sentence))
            .collect()
    }

    fn small(mb: u64) -> SpoolBounds {
        SpoolBounds {
            bytes_max: mb << 20,
            ..SpoolBounds::default()
        }
    }

    #[test]
    fn a_root_without_buckets_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let storage = StorageConfig {
            root: Some(root.clone()),
            spool: small(1),
            ..StorageConfig::default()
        };
        let found = |expected: Verdict, words: &str| {
            let findings = examine(dir.path(), storage.clone());
            assert_eq!(findings.len(), 2);
            assert_eq!(findings[0].0, expected, "{findings:?}");
            assert!(findings[0].1.contains(words), "{findings:?}");
            assert_eq!(findings[1].0, Verdict::Ok, "{findings:?}");
        };
        found(Verdict::Fail, "storage-root");
        std::fs::create_dir(&root).unwrap();
        found(Verdict::Warn, "make one");
        std::fs::create_dir(root.join("bucket")).unwrap();
        found(Verdict::Ok, "1 buckets");
    }

    #[test]
    fn a_spool_that_is_not_the_one_of_the_directory_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let storage = StorageConfig {
            spool: small(1),
            ..StorageConfig::default()
        };
        let last = || examine(dir.path(), storage.clone()).pop().unwrap();
        assert_eq!(last().0, Verdict::Ok);
        let spool = dir.path().join("spool");
        drop(restage_storage::Spool::open(&spool, small(1), "abc").unwrap());
        let mark = dir.path().join("spool.id");
        std::fs::write(&mark, "abc\n").unwrap();
        assert_eq!(last().0, Verdict::Ok);
        std::fs::remove_dir_all(&spool).unwrap();
        assert_eq!(last().0, Verdict::Warn);
        std::fs::write(&mark, "abc\n1790932360\n").unwrap();
        let (verdict, sentence) = last();
        assert_eq!(verdict, Verdict::Fail);
        assert!(sentence.contains("--accept-spool-loss"), "{sentence}");
    }

    #[test]
    fn a_file_without_certificates_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "text").unwrap();
        let storage = StorageConfig {
            s3: Some(S3Settings {
                ca_file: Some(path),
                ..S3Settings::default()
            }),
            spool: small(1),
            ..StorageConfig::default()
        };
        let (verdict, sentence) = examine(dir.path(), storage).remove(0);
        assert_eq!(verdict, Verdict::Fail);
        assert!(sentence.contains("no certificate in it"), "{sentence}");
    }

    #[test]
    fn credentials_that_others_can_use_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        let storage = StorageConfig {
            s3: Some(S3Settings {
                credentials: Credentials::File(path.clone()),
                ..S3Settings::default()
            }),
            spool: small(u64::from(u32::MAX)),
            ..StorageConfig::default()
        };
        let first = || examine(dir.path(), storage.clone()).remove(0);
        assert!(first().0 == Verdict::Fail && first().1.contains("cannot be read"));
        std::fs::write(&path, "").unwrap();
        let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        allow(0o640).unwrap();
        assert!(first().0 == Verdict::Fail && first().1.contains("chmod 600"));
        allow(0o600).unwrap();
        assert_eq!(first().0, Verdict::Ok);
        let spool = examine(dir.path(), storage.clone()).remove(1);
        assert!(
            spool.0 == Verdict::Warn && spool.1.contains("spool-mb"),
            "{spool:?}"
        );
    }
}
