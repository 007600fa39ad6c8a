//! One start of a job that records: joins the tap, the recorder and the spool.

mod taking;

use std::sync::Arc;
use std::time::Duration;

use restage_core::Command;
use restage_core::PublicationKey;
use restage_core::row::{RecordingFailure, RecordingFailureCode, RecordingId};
use restage_record::journal::{Failure, Journal};
use restage_record::{Anchor, RecorderConfig, Resumed, ThumbnailSchedule, document};
use restage_storage::{BucketError, SpoolError};
use restage_store::system::clock;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::capture::{Capture, Standing, Work};
use super::figures::Active;
use super::files::{Files, Written};
use super::spec::Spec;
use super::thumbnails::Thumbnails;
use super::{Recordings, away};
use crate::control::Control;
use crate::jobs::{End, JobContext, Order};
use crate::media::TapStream;

/// How often packets are taken from the tap and what is due is done. Each waking of this task takes a core's caches away from a media worker.
const BEAT: Duration = Duration::from_millis(100);
/// Time between two attempts to open the spool while an earlier start still writes.
const SPOOL_RETRY: Duration = Duration::from_millis(500);

/// Why a start ends before it was asked to.
enum Halt {
    /// The recording cannot begin, however often it is tried.
    CannotStart(RecordingFailureCode, String),
    /// The recording is over, with a failure.
    Broken(SpoolError),
    /// This start is.
    Start(End),
}

/// How far the beginning is.
enum Stage {
    /// The bucket is asked whether it can be written.
    Checking(JoinHandle<Result<(), BucketError>>),
    /// It can, or it does not say.
    Checked,
    /// The spool has the recording.
    Begun,
}

pub(super) struct Run {
    recordings: Recordings,
    control: Control,
    context: JobContext,
    spec: Spec,
    anchor: Arc<Anchor>,
    capture: Capture,
    thumbnails: Thumbnails,
    stage: Stage,
    files: Option<Files>,
    tap: Option<(PublicationKey, TapStream)>,
    /// When opening a tap, or the spool, may be tried again.
    retry_at: Instant,
    /// The report that the recording has started, while it is under way.
    reporting: Option<JoinHandle<()>>,
    _active: Active,
}

/// Runs one start of a recording's job.
pub(super) async fn run(recordings: Recordings, context: JobContext) -> End {
    let Some(control) = recordings.control() else {
        return End::Failed("the server is not ready to record".to_owned());
    };
    let spec = match Spec::parse(&context.latest().spec) {
        Ok(spec) => spec,
        Err(reason) => return End::Impossible(reason),
    };
    if recordings.spool().is_none() {
        return away::run(&recordings, &control, context, &spec).await;
    }
    match Run::open(recordings, control, context, spec).await {
        Ok(mut run) => {
            let halt = run.capture().await;
            run.end(halt).await
        }
        Err(end) => end,
    }
}

impl Run {
    async fn open(
        recordings: Recordings,
        control: Control,
        context: JobContext,
        spec: Spec,
    ) -> Result<Self, End> {
        let anchor = recordings
            .inner
            .anchors
            .of_session(&spec.session, || Anchor {
                steady_us: control.media().now_us(),
                utc_us: clock::now().0,
            });
        let figures = recordings.inner.figures.clone();
        let (files, journal) = resume(&recordings, &control, &context, &spec).await?;
        let has_begun = journal.started_us().is_some();
        let resumed = has_begun.then(|| Resumed::from(&journal));
        let thumbnailer = recordings.inner.thumbnailer.clone();
        let interval_seconds = spec.thumbnail_interval_seconds();
        let schedule = ThumbnailSchedule::new(spec.thumbnails(), interval_seconds, &journal);
        let thumbnails = Thumbnails::new(thumbnailer, schedule);
        let config = RecorderConfig {
            media_types: spec.media_types(),
            segment_seconds: spec.segment_seconds(),
            anchor: *anchor,
            resumed,
            may_return: spec.may_return,
        };
        let stage = match resumed {
            Some(_) => Stage::Begun,
            None => Stage::Checking(recordings.check(&spec.destination())),
        };
        let mut run = Self {
            control,
            capture: Capture::new(config, figures.clone()),
            thumbnails,
            _active: figures.begin(),
            recordings,
            context,
            spec,
            anchor,
            stage,
            files,
            tap: None,
            retry_at: Instant::now(),
            reporting: None,
        };
        if resumed.is_some() {
            run.mark_started(None);
        }
        if run.spec.paused {
            run.set_paused(true);
        }
        Ok(run)
    }

    /// Captures until there is a reason to end. `Ok` says which order has come.
    async fn capture(&mut self) -> Result<Order, Halt> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.context.alive();
            match self.context.order() {
                Order::GoOn => {}
                order => return Ok(order),
            }
            self.advance().await?;
            self.follow_publication().await;
            let now_us = self.control.media().now_us();
            self.thumbnails.follow(now_us, &mut self.capture);
            self.write();
            let Self {
                context,
                capture,
                thumbnails,
                files,
                ..
            } = self;
            tokio::select! {
                _ = beat.tick() => {
                    self.take_packets();
                    self.capture.tick(self.control.media().now_us());
                }
                made = thumbnails.made() => thumbnails.keep(made, capture),
                row = context.changed() => self.change(&row.spec),
                written = written_by(files) => self.on_written(written?),
            }
            self.ask_for_key_frame();
        }
    }

    /// Goes through what has to be done before the recording has begun.
    async fn advance(&mut self) -> Result<(), Halt> {
        if let Standing::Refused(codec) = self.capture.standing() {
            let reason = format!(
                "pictures encoded as {} cannot be recorded; publish H.264, or record sound alone",
                codec.name()
            );
            return Err(Halt::CannotStart(RecordingFailureCode::Validation, reason));
        }
        if let Stage::Checking(checking) = &mut self.stage
            && checking.is_finished()
        {
            self.checked().await?;
        }
        let is_due =
            self.capture.standing() == Standing::Recordable && Instant::now() >= self.retry_at;
        if matches!(self.stage, Stage::Checked) && is_due {
            self.begin().await?;
        }
        Ok(())
    }

    /// Takes what the bucket says. What does not answer may be back before the spool is full.
    async fn checked(&mut self) -> Result<(), Halt> {
        let Stage::Checking(checking) = &mut self.stage else {
            return Ok(());
        };
        let said = checking.await;
        self.stage = Stage::Checked;
        let error = match said {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(error) => BucketError::Unavailable(error.to_string()),
        };
        match code_of(&error) {
            Wanted::Impossible(code) => Err(Halt::CannotStart(code, error.to_string())),
            Wanted::Later => {
                tracing::warn!(
                    recording = %self.context.job().id, %error,
                    "a bucket does not accept what is recorded; it is kept in the spool meanwhile"
                );
                Ok(())
            }
        }
    }

    /// Makes the spool's folder, by which the recording has begun.
    async fn begin(&mut self) -> Result<(), Halt> {
        if self.files.is_none() {
            let id = self.context.job().id.to_string();
            match self
                .recordings
                .open_spool(&id, &self.spec.destination())
                .await
            {
                Ok(files) => self.files = Some(files),
                Err(SpoolError::Busy) => {
                    self.retry_at = Instant::now() + SPOOL_RETRY;
                    return Ok(());
                }
                Err(SpoolError::Ended) => return Err(Halt::Start(End::Done(String::new()))),
                Err(error) => {
                    let code = RecordingFailureCode::InternalServer;
                    return Err(Halt::CannotStart(code, error.to_string()));
                }
            }
        }
        self.stage = Stage::Begun;
        let first_us = self.capture.first_us();
        let first_us = first_us.unwrap_or_else(|| self.control.media().now_us());
        let utc_us = self
            .anchor
            .utc_us_at(first_us.try_into().unwrap_or(i64::MAX));
        self.mark_started(Some(utc_us));
        Ok(())
    }

    /// Puts the line about the start before everything that waits. `first`: it is the first time.
    fn mark_started(&mut self, first: Option<i64>) {
        let document =
            first.map(|utc_us| document::started(&self.spec.destination().subject(), utc_us));
        let utc_us = first.unwrap_or_else(|| clock::now().0);
        self.capture.put_first(Work::Started { utc_us, document });
    }

    /// The rules have changed what is to be done.
    fn change(&mut self, spec: &str) {
        let spec = match Spec::parse(spec) {
            Ok(spec) => spec,
            Err(error) => {
                tracing::error!(recording = %self.context.job().id, error, "a change is ignored");
                return;
            }
        };
        if spec.paused != self.spec.paused {
            self.set_paused(spec.paused);
        }
        if spec.publication() != self.spec.publication() {
            self.retry_at = Instant::now();
        }
        self.spec = spec;
    }

    fn set_paused(&mut self, is_paused: bool) {
        let now_us = self.control.media().now_us();
        self.capture.set_paused(now_us, is_paused);
    }

    /// Writes what waits, if nothing is being written.
    fn write(&mut self) {
        if matches!(self.stage, Stage::Begun)
            && let Some(files) = self.files.as_mut().filter(|files| files.is_idle())
            && self.capture.has_work()
        {
            files.begin(self.capture.take_work());
        }
    }

    fn on_written(&mut self, written: Written) {
        if !written.has_started {
            return;
        }
        let command = Command::RecordingStarted {
            job: self.context.job().id.clone(),
            generation: self.context.generation(),
        };
        let control = self.control.clone();
        self.reporting = Some(tokio::spawn(async move { control.report(command).await }));
    }

    /// Ends the start as it has to be ended.
    async fn end(mut self, halt: Result<Order, Halt>) -> End {
        let outcome = match halt {
            Ok(Order::Pause) => self.pause().await,
            Ok(Order::Stop | Order::GoOn) => self.finish().await,
            Err(halt) => Err(halt),
        };
        let end = match outcome {
            Ok(end) | Err(Halt::Start(end)) => end,
            Err(Halt::CannotStart(code, reason)) => self.fail_start(code, reason).await,
            Err(Halt::Broken(error)) => self.break_off(error).await,
        };
        if let Some(reporting) = self.reporting.take() {
            // The recording has started before it has ended.
            reporting.await.ok();
        }
        end
    }

    /// The server stops. What was captured until here becomes a segment; a later start goes on.
    async fn pause(&mut self) -> Result<End, Halt> {
        self.tap = None;
        self.capture.source_gone(self.control.media().now_us());
        if matches!(self.stage, Stage::Begun) {
            self.flush().await?;
        }
        Ok(End::Paused)
    }

    /// The job was stopped: the recording is over.
    async fn finish(&mut self) -> Result<End, Halt> {
        while let Some((_, tap)) = &mut self.tap
            && let Ok(Some(tapped)) = tap.try_next()
        {
            self.capture.take(self.control.media().now_us(), tapped);
        }
        self.tap = None;
        let now_us = self.control.media().now_us();
        self.capture.finish(now_us);
        self.thumbnails.finish(now_us, &mut self.capture).await;
        if !matches!(self.stage, Stage::Begun) {
            // It was short, or its publisher sent nothing.
            self.advance().await?;
            if matches!(self.stage, Stage::Checking(_)) {
                self.checked().await?;
            }
            while !matches!(self.stage, Stage::Begun) {
                tokio::time::sleep_until(self.retry_at.min(Instant::now() + SPOOL_RETRY)).await;
                self.begin().await?;
            }
        }
        self.flush().await?;
        if let Some(files) = &mut self.files {
            let utc_us = self.anchor.utc_us_at(now_us.try_into().unwrap_or(i64::MAX));
            files.end(utc_us, None).await?;
        }
        Ok(End::Done(self.result()))
    }

    async fn flush(&mut self) -> Result<(), Halt> {
        if let Some(files) = &mut self.files {
            let written = files.flush(self.capture.take_work()).await?;
            self.on_written(written);
        }
        Ok(())
    }

    /// The recording cannot begin.
    async fn fail_start(&mut self, code: RecordingFailureCode, reason: String) -> End {
        tracing::warn!(recording = %self.context.job().id, reason, "a recording cannot start");
        self.recordings.inner.figures.start_failed();
        let document = document::start_failed(&self.spec.destination().subject(), &reason);
        match &mut self.files {
            // An earlier start has made the folder and came no further.
            Some(files) => {
                let failure = Failure {
                    code: code.word().to_owned(),
                    reason: reason.clone(),
                };
                if let Err(error) = files.end(clock::now().0, Some(failure)).await {
                    tracing::warn!(recording = %self.context.job().id, %error, "its end cannot be written");
                }
            }
            None => self
                .recordings
                .put_failed_start(&self.spec.destination(), document),
        }
        let command = Command::RecordingStartFailed {
            job: self.context.job().id.clone(),
            generation: self.context.generation(),
            failure: RecordingFailure {
                code,
                reason: reason.clone(),
            },
        };
        self.control.report(command).await;
        End::Done(reason)
    }

    /// The spool refuses more: what is there is kept, and says that it is not all.
    async fn break_off(&mut self, error: SpoolError) -> End {
        tracing::error!(recording = %self.context.job().id, %error, "a recording ends");
        let now_us = self.control.media().now_us();
        let utc_us = self.anchor.utc_us_at(now_us.try_into().unwrap_or(i64::MAX));
        if let Some(files) = &mut self.files
            && let Err(error) = files.end(utc_us, Some(error.failure())).await
        {
            tracing::error!(recording = %self.context.job().id, %error, "its end cannot be written");
        }
        match self.reporting {
            // So that the recording says why while the rest is brought to its bucket.
            Some(_) => End::Impossible(error.to_string()),
            None => End::Done(error.to_string()),
        }
    }

    /// What the job's row keeps: the length.
    fn result(&self) -> String {
        serde_json::json!({ "durationMs": self.capture.duration_ms() }).to_string()
    }
}

/// What follows from what a bucket says before a recording begins.
pub(super) enum Wanted {
    /// It will never take the recording.
    Impossible(RecordingFailureCode),
    /// It may take it before the spool is full.
    Later,
}

pub(super) fn code_of(error: &BucketError) -> Wanted {
    match error {
        BucketError::NotFound(_) => Wanted::Impossible(RecordingFailureCode::ResourceNotFound),
        BucketError::Denied(_) | BucketError::Rejected(_) => {
            Wanted::Impossible(RecordingFailureCode::AccessDenied)
        }
        BucketError::Invalid(_) => Wanted::Impossible(RecordingFailureCode::InternalServer),
        BucketError::Unauthenticated(_)
        | BucketError::Unavailable(_)
        | BucketError::Full(_)
        | BucketError::NoObject(_) => Wanted::Later,
    }
}

impl From<SpoolError> for Halt {
    fn from(error: SpoolError) -> Self {
        Self::Broken(error)
    }
}

/// What an earlier start has written, and its journal, with which the recording goes on; nothing for a recording that is to begin.
async fn resume(
    recordings: &Recordings,
    control: &Control,
    context: &JobContext,
    spec: &Spec,
) -> Result<(Option<Files>, Journal), End> {
    let id = RecordingId::of_job(&context.job().id);
    // A folder whose destination cannot be read gets it again.
    let resumed = match recordings.restore(id.as_str(), spec.destination()).await {
        Ok(_) => recordings.resume(id.as_str()),
        Err(error) => Err(error),
    };
    match resumed {
        Ok(Some(writer)) => {
            let journal = writer.journal();
            let files = Files::new(writer, recordings.inner.figures.clone());
            return Ok((Some(files), journal));
        }
        Ok(None) => {}
        Err(SpoolError::Ended) => return Err(End::Done(String::new())),
        // The journal is lost: nothing can be added.
        Err(error @ SpoolError::Invalid(_)) => return Err(End::Impossible(error.to_string())),
        Err(error) => return Err(End::Failed(error.to_string())),
    }
    let row = control.store().get_recording(&id).await;
    let row = row.map_err(|error| End::Failed(error.to_string()))?;
    match row {
        Some(row) if row.state.is_final() => Err(End::Done(String::new())),
        // Beginning again would replace what is in the bucket.
        Some(row) if row.started_at.is_some() => Err(End::Impossible(
            "nothing of the recording is in the spool any more".to_owned(),
        )),
        _ => Ok((None, Journal::default())),
    }
}

async fn written_by(files: &mut Option<Files>) -> Result<Written, SpoolError> {
    match files {
        Some(files) => files.written().await,
        None => std::future::pending().await,
    }
}
