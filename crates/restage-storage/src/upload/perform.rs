//! What a task of the uploader does: one step of one recording.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::bucket::{BucketError, Buckets, ContentType};
use crate::key::Key;
use crate::spool::{Destination, Finished, Item, Job, Mark, Spool};

use super::Report;
use super::lanes::Started;
use super::lost::LostOnes;

/// What was being done, and for which recording.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// A file was put.
    Put(Item, Started),
    /// Playlists with this many segments were put.
    List(usize, Started),
    /// The last objects were put.
    Close(Started),
    /// The end was written into the journal.
    EndAbruptly,
    /// The end was reported.
    Report,
}

/// How it went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Done, with so many objects and bytes.
    Done(u64, u64),
    /// The file was missing or damaged in the spool.
    Lost,
    /// The bucket failed.
    Bucket(BucketError),
    /// This recording failed: its folder, or the report.
    Recording(String),
}

/// A task that is over.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) id: String,
    pub(super) task: Task,
    pub(super) outcome: Outcome,
}

/// What tasks share.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) spool: Spool,
    pub(super) buckets: Buckets,
    pub(super) report: Arc<dyn Report>,
    pub(super) lost: Arc<LostOnes>,
}

impl Tools {
    /// Performs a step. A panic in it is a failure of the recording.
    pub(super) async fn perform(
        self,
        id: String,
        task: Task,
        job: Option<Arc<Job>>,
        end: Option<Finished>,
    ) -> Over {
        let work = AssertUnwindSafe(self.outcome(&id, &task, job, end)).catch_unwind();
        let outcome = match work.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(outcome)) => outcome,
            Err(_) => Outcome::Recording("the uploader panicked".to_owned()),
        };
        Over { id, task, outcome }
    }

    async fn outcome(
        &self,
        id: &str,
        task: &Task,
        job: Option<Arc<Job>>,
        end: Option<Finished>,
    ) -> Result<Outcome, Outcome> {
        match (task, job, end) {
            (Task::Put(item, _), Some(job), _) => self.put(job, item.clone()).await,
            (Task::List(..), Some(job), _) => self.list(job).await,
            (Task::Close(_), Some(job), _) => self.close(job).await,
            (Task::EndAbruptly, Some(job), _) => {
                blocking(move || job.end_abruptly())
                    .await?
                    .map_err(|error| of_recording(&error))?;
                Ok(Outcome::Done(0, 0))
            }
            (Task::Report, _, Some(end)) => self.report(id, end).await,
            _ => Ok(Outcome::Done(0, 0)),
        }
    }

    async fn put(&self, job: Arc<Job>, item: Item) -> Result<Outcome, Outcome> {
        let (reader, read) = (Arc::clone(&job), item.clone());
        let bytes = match blocking(move || reader.read(&read)).await? {
            Ok(Some(bytes)) => Bytes::from(bytes),
            Ok(None) => return Ok(Outcome::Done(0, 0)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(
                    recording = job.id(),
                    path = item.content.path(),
                    "a file of the spool is lost"
                );
                blocking(move || job.lost(&item))
                    .await?
                    .map_err(|error| of_recording(&error))?;
                return Ok(Outcome::Lost);
            }
            Err(error) => return Err(of_recording(&error)),
        };
        let count = bytes.len() as u64;
        self.put_object(&job, &item.content.path(), bytes).await?;
        let marked = blocking(move || job.uploaded(&item))
            .await?
            .map_err(|error| of_recording(&error))?;
        Ok(match marked {
            Mark::Uploaded => Outcome::Done(1, count),
            Mark::Replaced => Outcome::Done(0, 0),
        })
    }

    async fn list(&self, job: Arc<Job>) -> Result<Outcome, Outcome> {
        let writer = Arc::clone(&job);
        let texts = blocking(move || writer.event_playlists()).await?;
        self.put_texts(&job, texts).await
    }

    async fn close(&self, job: Arc<Job>) -> Result<Outcome, Outcome> {
        let writer = Arc::clone(&job);
        let texts = blocking(move || writer.last_texts()).await?;
        let done = self.put_texts(&job, texts).await?;
        blocking(move || job.closed())
            .await?
            .map_err(|error| of_recording(&error))?;
        Ok(done)
    }

    async fn put_texts(
        &self,
        job: &Arc<Job>,
        texts: Vec<(String, Vec<u8>)>,
    ) -> Result<Outcome, Outcome> {
        let (mut objects, mut sum) = (0, 0);
        for (path, text) in texts {
            objects += 1;
            sum += text.len() as u64;
            self.put_object(job, &path, Bytes::from(text)).await?;
        }
        Ok(Outcome::Done(objects, sum))
    }

    /// Sees to it that everything of a recording goes to one place.
    async fn settle(&self, job: &Arc<Job>) -> Result<(), Outcome> {
        let Destination {
            account, region, ..
        } = job.destination();
        let place = self.buckets.place(account, region);
        if job.is_at(&place) {
            return Ok(());
        }
        if let Some(was) = job.elsewhere(&place) {
            if !self.buckets.accepts_moved() {
                return Err(Outcome::Bucket(self.buckets.moved((account, region), &was)));
            }
            tracing::warn!(recording = job.id(), %was, now = %place, "a recording goes on in another place, as it was told");
        }
        let job = Arc::clone(job);
        let settled = blocking(move || job.settle(&place)).await?;
        settled.map_err(|error| of_recording(&error))
    }

    async fn put_object(&self, job: &Arc<Job>, path: &str, bytes: Bytes) -> Result<(), Outcome> {
        let Destination {
            account,
            region,
            bucket: name,
            prefix,
            ..
        } = job.destination();
        self.settle(job).await?;
        let put = async {
            let key = job.destination().key(path)?;
            let bucket = self.buckets.bucket(account, region, name)?;
            // What was uploaded is not left behind in a folder that somebody removed.
            let within = match job.has_uploads() {
                true => Some(Key::parse(prefix)?),
                false => None,
            };
            let content_type = ContentType::of_key(path);
            bucket
                .put_within(within.as_ref(), &key, bytes, content_type)
                .await
        };
        put.await.map_err(Outcome::Bucket)
    }

    async fn report(&self, id: &str, mut end: Finished) -> Result<Outcome, Outcome> {
        let mut stays = true;
        if let Some(lost) = self.lost.get(id)
            && !lost.is_old(self.spool.age_max_s())
        {
            let closing = self.lost.close(&self.spool, &self.buckets, (id, &lost));
            let closed = closing.await.map_err(Outcome::Bucket)?;
            (end, stays) = (closed.finished, closed.stays);
        }
        if !self.report.finished(end).await {
            return Err(Outcome::Recording("its end could not be stored".to_owned()));
        }
        let (spool, removed) = (self.spool.clone(), id.to_owned());
        let removed = blocking(move || match stays {
            true => spool.remove(&removed),
            false => spool.remove_remains(&removed),
        });
        let removed = removed.await?;
        removed.map_err(|error| of_recording(&error))?;
        self.lost.forget(id);
        Ok(Outcome::Done(0, 0))
    }
}

fn of_recording(error: &dyn std::error::Error) -> Outcome {
    Outcome::Recording(error.to_string())
}

/// Does what waits for a disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Outcome> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Outcome::Recording(error.to_string()))
}
