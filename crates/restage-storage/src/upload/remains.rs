//! Segments that are in the spool, or in the bucket, and that no journal and no playlist names.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use restage_record::SegmentTimes;
use restage_record::journal::SegmentEntry;
use restage_record::playlist::{self, ListEnd, Unlisted};

use crate::bucket::{Asked, Bucket, BucketError, ContentType, OBJECT_BYTES_MAX};
use crate::spool::{Content, Destination, Spool};

/// Most objects that are looked for in the bucket: those that were uploaded after the last playlist are few.
const LOOKS_MAX: usize = 64;

/// What is left of a recording: its files in the spool, and its folder in the bucket.
pub(super) struct Remains<'a> {
    pub(super) spool: &'a Spool,
    pub(super) id: &'a str,
    pub(super) bucket: &'a Bucket,
    pub(super) goes: &'a Destination,
    files: BTreeSet<Content>,
    looks: usize,
}

impl<'a> Remains<'a> {
    /// `None`: the spool has nothing of it.
    pub(super) fn find(
        spool: &'a Spool,
        id: &'a str,
        bucket: &'a Bucket,
        goes: &'a Destination,
    ) -> Option<Self> {
        let files = spool.remains(id).unwrap_or_else(|error| {
            tracing::warn!(recording = id, %error, "its files in the spool cannot be listed");
            Vec::new()
        });
        let is_something = !files.is_empty();
        is_something.then(|| Self {
            spool,
            id,
            bucket,
            goes,
            files: files.into_iter().collect(),
            looks: 0,
        })
    }

    /// Puts all files into the bucket that are not listed yet, and finds what a playlist says of them. `false`: not all of them can be listed.
    pub(super) async fn list(
        &mut self,
        end: ListEnd,
    ) -> Result<(Vec<SegmentEntry>, bool), BucketError> {
        let mut inits = self.inits(end.init).await?;
        inits.extend(end.init);
        let (mut rest, is_readable) = self.segments(end.segment).await?;
        let found = rest.len();
        rest.retain(|segment| inits.contains(&segment.times.init));
        let others = self
            .files
            .iter()
            .filter(|file| matches!(file, Content::Other(_)));
        for other in others.cloned().collect::<Vec<_>>() {
            self.put(&other).await?;
        }
        let is_all = is_readable && rest.len() == found;
        Ok((playlist::entries(end, &rest), is_all))
    }

    /// The numbers of the inits behind this one. They are put first, so that no segment is without its init.
    async fn inits(&mut self, last: Option<u64>) -> Result<Vec<u64>, BucketError> {
        let numbers = self.files.iter().filter_map(|file| match file {
            Content::Init(number) => Some(*number),
            _ => None,
        });
        let highest = numbers.max();
        let mut found = Vec::new();
        for number in last.map_or(0, |last| last.saturating_add(1)).. {
            let init = Content::Init(number);
            let is_there = self.put(&init).await?.is_some() || self.fetch(&init).await?.is_some();
            if is_there {
                found.push(number);
            } else if highest.is_none_or(|highest| number >= highest) || self.looks >= LOOKS_MAX {
                break;
            }
        }
        Ok(found)
    }

    /// The segments behind this one, and whether all that are there can be read.
    async fn segments(&mut self, last: Option<u64>) -> Result<(Vec<Unlisted>, bool), BucketError> {
        let numbers = self.files.iter().filter_map(|file| match file {
            Content::Segment(number) => Some(*number),
            _ => None,
        });
        let highest = numbers.max();
        let (mut found, mut is_readable) = (Vec::new(), true);
        for number in last.map_or(0, |last| last.saturating_add(1)).. {
            let segment = Content::Segment(number);
            let bytes = match self.put(&segment).await? {
                Some(bytes) => Some(bytes),
                None => self.fetch(&segment).await?,
            };
            let is_last = highest.is_none_or(|highest| number >= highest);
            match bytes {
                Some(bytes) => match SegmentTimes::read(&bytes) {
                    Some(times) => found.push(Unlisted {
                        number,
                        bytes: bytes.len() as u64,
                        times,
                    }),
                    None => {
                        tracing::warn!(recording = self.id, number, "a segment cannot be read");
                        is_readable = false;
                    }
                },
                None if is_last => break,
                None => {}
            }
        }
        Ok((found, is_readable))
    }

    /// Puts a file of the spool into the bucket; `None`: there is none that can be read.
    async fn put(&self, content: &Content) -> Result<Option<Bytes>, BucketError> {
        if !self.files.contains(content) {
            return Ok(None);
        }
        let (spool, id, file) = (self.spool.clone(), self.id.to_owned(), content.clone());
        let read = tokio::task::spawn_blocking(move || spool.read_remains(&id, &file)).await;
        let bytes = match read.map_err(std::io::Error::other).flatten() {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                tracing::warn!(recording = self.id, path = content.path(), %error, "a file of the spool is lost");
                return Ok(None);
            }
        };
        let path = content.path();
        let key = self.goes.key(&path)?;
        let content_type = ContentType::of_key(&path);
        self.bucket.put(&key, bytes.clone(), content_type).await?;
        Ok(Some(bytes))
    }

    /// An object of the recording; `None`: there is none, or it is not looked for any more.
    async fn fetch(&mut self, content: &Content) -> Result<Option<Bytes>, BucketError> {
        if self.looks >= LOOKS_MAX {
            return Ok(None);
        }
        self.looks += 1;
        let key = self.goes.key(&content.path())?;
        let object = match self.bucket.get(&key, Asked::Whole).await {
            Ok(object) if object.size <= OBJECT_BYTES_MAX => object,
            Ok(_) => return Ok(None),
            Err(BucketError::NoObject(_) | BucketError::Invalid(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let pieces: Vec<Bytes> = object.bytes.try_collect().await?;
        Ok(Some(pieces.concat().into()))
    }
}
