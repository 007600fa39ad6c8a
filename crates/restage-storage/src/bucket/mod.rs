//! Buckets: folders below a root, or buckets of S3 and of what speaks it. Which one an account uses is a setting.

mod credentials;
mod http;
mod local;
mod place;
mod s3;
mod settings;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::BoxStream;

use crate::gate::Gate;
use crate::key::{BucketName, InvalidName, Key};

use self::local::LocalBucket;
pub(crate) use self::local::of_file;
pub use self::place::BucketPlace;
use self::s3::S3Bucket;
pub use self::settings::{Backend, Credentials, Encryption, S3Settings, StorageSettings};

/// Key of the object that is written to find out whether a bucket is there and can be written.
pub const PROBE_KEY: &str = ".restage-probe";
/// Largest object that is put. A segment of 10 s at 50 Mbit/s has 63 MB.
pub const OBJECT_BYTES_MAX: u64 = 64 << 20;
/// Most buckets whose clients are kept. Beyond, the clients are made again.
const CLIENTS_MAX: usize = 256;
/// Bytes of one piece of a stream.
const PIECE_BYTES: usize = 64 << 10;

/// A piece of an object that is read.
pub type Piece = Result<Bytes, BucketError>;

/// Why an object could not be written or read. The text says what to change; it contains no secrets.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BucketError {
    /// The bucket is not there.
    #[error("{0}")]
    NotFound(String),
    /// The bucket is there, the object is not.
    #[error("{0}")]
    NoObject(String),
    /// The bucket refuses, or the settings do not work.
    #[error("{0}")]
    Denied(String),
    /// There are no credentials that are valid now: none can be read, or they have expired. They may be renewed.
    #[error("{0}")]
    Unauthenticated(String),
    /// The bucket does not answer, or answers with a fault of its own.
    #[error("{0}")]
    Unavailable(String),
    /// The bucket has no room.
    #[error("{0}")]
    Full(String),
    /// The bucket refuses this object, whatever the credentials.
    #[error("{0}")]
    Rejected(String),
    /// The name of a bucket, a key or a range breaks a rule.
    #[error("{0}")]
    Invalid(String),
}

impl From<InvalidName> for BucketError {
    fn from(error: InvalidName) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl BucketError {
    /// Whether the object is at fault rather than the bucket: other objects may well be accepted.
    pub(crate) fn is_of_object(&self) -> bool {
        matches!(
            self,
            Self::Rejected(_) | Self::Invalid(_) | Self::NoObject(_)
        )
    }
}

/// What kind of content an object has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentType {
    /// An HLS playlist (RFC 8216 §4).
    Playlist,
    /// A segment, or what a player needs before the first one.
    Video,
    /// A thumbnail.
    Jpeg,
    /// A document of the recording.
    Json,
    /// Text.
    Text,
}

impl ContentType {
    /// The type of the object at a key, by the end of its name.
    pub fn of_key(key: &str) -> Self {
        match key.rsplit_once('.').map(|(_, end)| end) {
            Some("m3u8") => Self::Playlist,
            Some("mp4") => Self::Video,
            Some("jpg") => Self::Jpeg,
            Some("json") => Self::Json,
            _ => Self::Text,
        }
    }

    /// The media type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Playlist => "application/vnd.apple.mpegurl",
            Self::Video => "video/mp4",
            Self::Jpeg => "image/jpeg",
            Self::Json => "application/json",
            Self::Text => "text/plain",
        }
    }
}

/// What is read of an object: its size, and a range of its bytes as a stream.
pub struct Object {
    /// Bytes of the whole object.
    pub size: u64,
    /// The bytes that follow: within `0..size`.
    pub range: Range<u64>,
    /// The bytes, in pieces.
    pub bytes: BoxStream<'static, Piece>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, range, .. } = self;
        write!(f, "Object {{ {range:?} of {size} }}")
    }
}

/// Which bytes of an object are asked for, as a Range header says it (RFC 9110 §14.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// All.
    Whole,
    /// From a place on, up to and without another.
    Between(u64, u64),
    /// From a place on.
    From(u64),
    /// The last ones.
    Last(u64),
}

impl Asked {
    /// The bytes of an object of this size that are asked for; an error if there are none.
    pub fn of(self, size: u64) -> Result<Range<u64>, BucketError> {
        let range = match self {
            Self::Whole => return Ok(0..size),
            Self::Between(from, to) => from..to.min(size),
            Self::From(from) => from..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        match range.is_empty() {
            true => Err(BucketError::Invalid(format!(
                "the range is not within the {size} bytes of the object: ask for bytes that it has"
            ))),
            false => Ok(range),
        }
    }
}

/// The buckets of all accounts.
#[derive(Clone, Debug)]
pub struct Buckets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: StorageSettings,
    gate: Gate,
    clients: Mutex<BTreeMap<(String, String, BucketName), Bucket>>,
    probing: Arc<Mutex<()>>,
}

impl Buckets {
    /// Buckets as the settings say. Nothing is opened yet.
    pub fn new(settings: StorageSettings) -> Self {
        Self::gated(settings, Gate::default())
    }

    pub(crate) fn gated(settings: StorageSettings, gate: Gate) -> Self {
        Self(Arc::new(Inner {
            settings,
            gate,
            clients: Mutex::default(),
            probing: Arc::default(),
        }))
    }

    /// A bucket of an account. `region` is that of the storage configuration; a setting overrides it. The error is
    /// [`BucketError::Invalid`] for a name that breaks the rules of S3, [`BucketError::Denied`] for settings that do not work.
    pub fn bucket(&self, account: &str, region: &str, bucket: &str) -> Result<Bucket, BucketError> {
        let name = BucketName::parse(bucket)?;
        let at = (account.to_owned(), region.to_owned(), name.clone());
        let mut clients = self
            .0
            .clients
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = clients.get(&at) {
            return Ok(known.clone());
        }
        let made = match self.0.settings.of_account(account) {
            Backend::Folder {
                root,
                makes_buckets,
            } => Bucket(Arc::new(Kind::Local(LocalBucket::new(
                root.clone(),
                *makes_buckets,
                name,
                self.0.gate.clone(),
                Arc::clone(&self.0.probing),
            )))),
            Backend::S3(settings) => {
                let opened = S3Bucket::new(settings, account, region, name)?;
                Bucket(Arc::new(Kind::S3(opened)))
            }
        };
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(at, made.clone());
        Ok(made)
    }

    /// Where an account's buckets are.
    pub fn place(&self, account: &str, region: &str) -> BucketPlace {
        BucketPlace::of(&self.0.settings, account, region)
    }

    /// Whether recordings that were begun in another place go on in the one that the settings name now.
    pub(crate) fn accepts_moved(&self) -> bool {
        self.0.settings.accepts_moved
    }

    /// The error for a recording of which something is in another place.
    pub(crate) fn moved(&self, (account, region): (&str, &str), was: &BucketPlace) -> BucketError {
        let now = self.place(account, region);
        BucketError::Unavailable(format!(
            "the recording was begun in {was}, where some of it is, and the settings say that buckets of account {account} are in {now}: \
             set that back, or copy what is there and start once with --accept-moved-buckets"
        ))
    }

    /// Checks that a bucket is there and can be written, by writing one small object with a fixed key.
    pub async fn probe(
        &self,
        account: &str,
        region: &str,
        bucket: &str,
    ) -> Result<(), BucketError> {
        let bucket = self.bucket(account, region, bucket)?;
        let key = Key::parse(PROBE_KEY)?;
        let text = Bytes::from_static(
            b"restage writes this object to find out whether it may write here.\n",
        );
        bucket.put(&key, text, ContentType::Text).await
    }
}

/// One bucket.
#[derive(Clone, Debug)]
pub struct Bucket(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Local(LocalBucket),
    S3(S3Bucket),
}

impl Bucket {
    /// Writes an object, durably. An object with the same key is replaced.
    pub async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        content_type: ContentType,
    ) -> Result<(), BucketError> {
        self.put_within(None, key, bytes, content_type).await
    }

    /// Writes an object as [`Bucket::put`] does, if the folder of `within`, a prefix of `key`, is there. One that was removed is
    /// not made again: the check and the write go through one handle, so nobody can remove it between them. S3 has no folders,
    /// so there the object is always written.
    pub(crate) async fn put_within(
        &self,
        within: Option<&Key>,
        key: &Key,
        bytes: Bytes,
        content_type: ContentType,
    ) -> Result<(), BucketError> {
        if bytes.len() as u64 > OBJECT_BYTES_MAX {
            return Err(BucketError::Rejected(format!(
                "{key} has {} bytes, more than {OBJECT_BYTES_MAX}: record with a lower bitrate or shorter segments",
                bytes.len()
            )));
        }
        guarded(async {
            match &*self.0 {
                Kind::Local(bucket) => bucket.put(key, bytes, within).await,
                Kind::S3(bucket) => bucket.put(key, bytes, content_type).await,
            }
        })
        .await
    }

    /// Reads an object, or some of it.
    pub async fn get(&self, key: &Key, asked: Asked) -> Result<Object, BucketError> {
        guarded(async {
            match &*self.0 {
                Kind::Local(bucket) => bucket.get(key, asked).await,
                Kind::S3(bucket) => bucket.get(key, asked).await,
            }
        })
        .await
    }
}

/// What becomes of a call. The client of S3 panics at a URL that it cannot read; that is an error of the bucket.
async fn guarded<T>(call: impl Future<Output = Result<T, BucketError>>) -> Result<T, BucketError> {
    let done = AssertUnwindSafe(call).catch_unwind().await;
    done.unwrap_or_else(|_| {
        Err(BucketError::Unavailable(
            "the bucket cannot be asked: correct the endpoint and path-style".to_owned(),
        ))
    })
}
