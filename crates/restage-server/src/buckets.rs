//! Whether a bucket is there and may be written.

use std::io::Write as _;
use std::path::PathBuf;
use std::pin::Pin;

/// The key that is written to find out whether a bucket may be written. What it holds does not matter.
pub const PROBE_KEY: &str = ".restage-probe";

/// A check of a bucket in progress.
pub type Probing<'p> = Pin<Box<dyn Future<Output = Result<(), ProbeError>> + Send + 'p>>;

/// Finds out whether recordings can go to a bucket.
pub trait BucketProbe: Send + Sync {
    /// Writes [`PROBE_KEY`] into the bucket of this name, as this account.
    fn probe<'p>(&'p self, account: &'p str, bucket: &'p str) -> Probing<'p>;
}

/// Why a bucket cannot be used; with a sentence that says what to change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no such bucket.
    #[error("{0}")]
    NotFound(String),
    /// The bucket is there and may not be written.
    #[error("{0}")]
    Denied(String),
    /// It is not known whether the bucket can be used.
    #[error("{0}")]
    Unavailable(String),
}

/// Buckets that are folders of one folder. A bucket that is not there is made.
#[derive(Clone, Debug)]
pub struct FolderBuckets {
    root: PathBuf,
}

impl FolderBuckets {
    /// The buckets in this folder.
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn check(&self, bucket: &str) -> Result<(), ProbeError> {
        if !is_bucket_name(bucket) {
            return Err(ProbeError::NotFound(format!(
                "no bucket can have the name {bucket:?}: it must begin and end with a letter or a digit, and must not have two dots beside each other"
            )));
        }
        let folder = self.root.join(bucket);
        let write = || {
            std::fs::create_dir_all(&folder)?;
            let mut file = std::fs::File::create(folder.join(PROBE_KEY))?;
            file.write_all(b"restage\n")
        };
        write().map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                ProbeError::Denied(format!(
                    "the folder of the bucket {bucket} cannot be written: {error}; give the server the right to"
                ))
            }
            _ => ProbeError::Unavailable(format!(
                "the folder of the bucket {bucket} cannot be written: {error}"
            )),
        })
    }
}

impl BucketProbe for FolderBuckets {
    fn probe<'p>(&'p self, _account: &'p str, bucket: &'p str) -> Probing<'p> {
        let (buckets, bucket) = (self.clone(), bucket.to_owned());
        Box::pin(async move {
            let checking = tokio::task::spawn_blocking(move || buckets.check(&bucket));
            checking.await.unwrap_or_else(|error| {
                Err(ProbeError::Unavailable(format!("the check ended: {error}")))
            })
        })
    }
}

/// Whether this can be the name of a bucket (Amazon S3 user guide, "Bucket naming rules"); so it is also one plain part of
/// a path.
fn is_bucket_name(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_allowed =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(byte);
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(is_allowed)
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_made_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let buckets = FolderBuckets::new(dir.path().join("recordings"));
        for _ in 0..2 {
            buckets.probe("", "my-vods").await.unwrap();
        }
        assert!(
            dir.path()
                .join("recordings/my-vods")
                .join(PROBE_KEY)
                .is_file()
        );
    }

    #[tokio::test]
    async fn no_path_leads_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let buckets = FolderBuckets::new(dir.path().join("recordings"));
        for name in [
            "..", "...", "a/../b", "/etc", "a..b", "-ab", "ab.", "Abc", "ab", "",
        ] {
            let refused = buckets.probe("", name).await;
            assert!(matches!(refused, Err(ProbeError::NotFound(_))), "{name}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_file_in_its_place_is_no_bucket() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("my-vods"), "").unwrap();
        let buckets = FolderBuckets::new(dir.path().to_owned());
        let refused = buckets.probe("", "my-vods").await;
        assert!(
            matches!(refused, Err(ProbeError::Unavailable(_))),
            "{refused:?}"
        );
    }
}
