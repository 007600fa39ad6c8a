//! The recording of one destination of a composition: what the compositor makes becomes segments in the spool.
//!
//! A task of its own, so that a slow disk holds neither the composition nor its other destination up. It ends when it is told to, and the
//! uploader brings the rest to the bucket, as with recordings of participants.

mod open;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use restage_core::row::RecordingFailureCode;
use restage_media::Codec;
use restage_record::journal::Failure;
use restage_record::{
    Anchor, EncodingId, MediaTypes, Packet, RecorderConfig, Resumed, SenderReport,
    ThumbnailSchedule, ThumbnailStorage, document,
};
use restage_storage::{Destination, SpoolError};
use restage_store::system::clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Recordings;
use super::capture::{Capture, Work};
use super::files::Files;
use super::thumbnails::Thumbnails;
use crate::budget::Budget;
use crate::control::Control;

/// How often media becomes segments, and what is due is done.
const BEAT: Duration = Duration::from_millis(100);
/// Pictures and pieces of sound that wait for the task: some seconds of them.
const WAITING_MAX: usize = 1_024;
/// Their bytes: eight seconds of the highest rate that an encoder configuration has.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// The encodings of a composition.
const SOUND: EncodingId = EncodingId(0);

/// What is to be recorded, and where to.
#[derive(Clone, Debug)]
pub(crate) struct CompositeTask {
    /// The id of the recording in the spool.
    pub(crate) id: String,
    /// The composition, whose destinations share a clock.
    pub(crate) composition: String,
    pub(crate) destination: Destination,
    pub(crate) thumbnails: ThumbnailStorage,
    /// How long thumbnails should be apart, in seconds.
    pub(crate) thumbnail_interval_s: u32,
    /// An earlier start may have recorded something. Such a recording waits for a spool that is missing; others fail.
    pub(crate) may_have_begun: bool,
}

/// What a recording of a composition says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CompositeNews {
    /// Its first media is in the spool.
    Started,
    /// Nothing is recorded until the spool is back, which has what an earlier start has recorded.
    Waits(String),
    /// It is over: it cannot begin, or the spool refuses more.
    Failed(RecordingFailureCode, String),
}

/// How a recording of a composition is to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The composition is over.
    Finish,
    /// It is over before its time, for this reason.
    Fail(String),
    /// The server stops: a later start goes on.
    Pause,
}

enum Input {
    Picture {
        at_us: u64,
        is_key: bool,
        bytes: Bytes,
    },
    Sound {
        at_us: u64,
        bytes: Bytes,
    },
    /// The compositor was started again.
    Interrupted,
}

impl Input {
    /// Bytes of its media.
    fn bytes(&self) -> usize {
        match self {
            Self::Picture { bytes, .. } | Self::Sound { bytes, .. } => bytes.len(),
            Self::Interrupted => 0,
        }
    }
}

/// A recording of a composition. Dropped, it pauses.
#[derive(Debug)]
pub(crate) struct CompositeRecording {
    inputs: mpsc::Sender<Input>,
    waiting_bytes: Arc<Budget>,
    /// Something did not fit: nothing more is taken until the next key frame.
    awaits_key_frame: bool,
    /// The spool is missing: nothing is taken.
    is_away: Arc<AtomicBool>,
    news: mpsc::UnboundedReceiver<CompositeNews>,
    ending: watch::Sender<Option<Ending>>,
    task: JoinHandle<()>,
}

impl Recordings {
    /// Records a composition, or goes on with what an earlier start has recorded.
    pub(crate) fn compose(&self, task: CompositeTask) -> CompositeRecording {
        let (inputs, received) = mpsc::channel(WAITING_MAX);
        let (said, news) = mpsc::unbounded_channel();
        let (ending, order) = watch::channel(None);
        let waiting_bytes = Arc::<Budget>::default();
        let is_away = Arc::new(AtomicBool::new(false));
        let parts = Parts {
            inputs: received,
            waiting_bytes: Arc::clone(&waiting_bytes),
            is_away: Arc::clone(&is_away),
            said,
            order,
        };
        CompositeRecording {
            inputs,
            waiting_bytes,
            awaits_key_frame: true,
            is_away,
            news,
            ending,
            task: tokio::spawn(run(self.clone(), task, parts)),
        }
    }
}

impl CompositeRecording {
    /// Takes a picture: H.264 as a byte stream (Annex B), with its time by the media plane's clock. It never waits; what does not fit is left
    /// out up to the next key frame. `false`: a key frame is needed.
    pub(crate) fn picture(&mut self, at_us: u64, is_key: bool, bytes: &Bytes) -> bool {
        if self.is_away() {
            self.awaits_key_frame = true;
            return true;
        }
        if self.awaits_key_frame && !is_key {
            return false;
        }
        let input = Input::Picture {
            at_us,
            is_key,
            bytes: bytes.clone(),
        };
        self.awaits_key_frame = !self.put(input, bytes.len());
        !self.awaits_key_frame
    }

    /// Takes a packet of Opus.
    pub(crate) fn sound(&self, at_us: u64, bytes: &Bytes) {
        if self.is_away() {
            return;
        }
        let input = Input::Sound {
            at_us,
            bytes: bytes.clone(),
        };
        self.put(input, bytes.len());
    }

    /// The spool is missing: nothing is recorded until it is back.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// What follows comes from another start of the compositor.
    pub(crate) fn interrupted(&mut self) {
        self.awaits_key_frame = true;
        self.put(Input::Interrupted, 0);
    }

    fn put(&self, input: Input, bytes: usize) -> bool {
        if !self.waiting_bytes.take(bytes, WAITING_BYTES_MAX) {
            return false;
        }
        let is_taken = self.inputs.try_send(input).is_ok();
        if !is_taken {
            self.waiting_bytes.give_back(bytes);
        }
        is_taken
    }

    /// Waits until it has something to say. Cancel-safe.
    pub(crate) async fn changed(&mut self) -> CompositeNews {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Ends it, and waits until the spool has everything.
    pub(crate) async fn end(mut self, ending: Ending) -> Option<CompositeNews> {
        self.ending.send(Some(ending)).ok();
        let Self { task, news, .. } = &mut self;
        task.await.ok();
        let mut last = None;
        while let Ok(news) = news.try_recv() {
            last = Some(news);
        }
        last
    }
}

struct Parts {
    inputs: mpsc::Receiver<Input>,
    waiting_bytes: Arc<Budget>,
    is_away: Arc<AtomicBool>,
    said: mpsc::UnboundedSender<CompositeNews>,
    order: watch::Receiver<Option<Ending>>,
}

/// Why a recording ends before it was told to.
struct Failed(RecordingFailureCode, String);

impl From<SpoolError> for Failed {
    fn from(error: SpoolError) -> Self {
        Self(RecordingFailureCode::InternalServer, error.to_string())
    }
}

struct Run {
    recordings: Recordings,
    control: Control,
    task: CompositeTask,
    anchor: Arc<Anchor>,
    capture: Capture,
    thumbnails: Thumbnails,
    files: Files,
    parts: Parts,
    /// Number of the encoding of pictures: another one after each start of the compositor.
    pictures: EncodingId,
    numbers: [u64; 2],
    /// It is recorded when it began.
    has_begun: bool,
}

async fn run(recordings: Recordings, task: CompositeTask, parts: Parts) {
    let Some(control) = recordings.control() else {
        return;
    };
    let said = parts.said.clone();
    let id = task.id.clone();
    let failed = match Run::open(recordings.clone(), control, task.clone(), parts).await {
        Ok(None) => return,
        Ok(Some(mut run)) => match run.record().await {
            Ok(()) => return,
            Err(failed) => {
                run.break_off(&failed).await;
                failed
            }
        },
        Err(failed) => {
            recordings.inner.figures.start_failed();
            let document = document::start_failed(&task.destination.subject(), &failed.1);
            recordings.put_failed_start(&task.destination, document);
            failed
        }
    };
    let Failed(code, reason) = failed;
    tracing::warn!(recording = id, reason, "a recording of a composition ends");
    said.send(CompositeNews::Failed(code, reason)).ok();
}

impl Run {
    /// `None`: it was told to end before there was anything to record to.
    async fn open(
        recordings: Recordings,
        control: Control,
        task: CompositeTask,
        mut parts: Parts,
    ) -> Result<Option<Self>, Failed> {
        let anchors = &recordings.inner.anchors;
        let anchor = anchors.of_session(&task.composition, || Anchor {
            steady_us: control.media().now_us(),
            utc_us: clock::now().0,
        });
        let Some((files, journal)) = open::resume_or_begin(&recordings, &task, &mut parts).await?
        else {
            return Ok(None);
        };
        let has_begun = journal.started_us().is_some();
        let resumed = has_begun.then(|| Resumed::from(&journal));
        let schedule = ThumbnailSchedule::new(task.thumbnails, task.thumbnail_interval_s, &journal);
        let figures = recordings.inner.figures.clone();
        let config = RecorderConfig {
            media_types: MediaTypes::AudioVideo,
            segment_seconds: task.destination.segment_seconds,
            anchor: *anchor,
            resumed,
            may_return: true,
        };
        let mut run = Self {
            capture: Capture::new(config, figures),
            thumbnails: Thumbnails::new(recordings.inner.thumbnailer.clone(), schedule),
            recordings,
            control,
            task,
            anchor,
            files,
            parts,
            pictures: EncodingId(1),
            numbers: [0; 2],
            has_begun,
        };
        if has_begun {
            run.capture.put_first(Work::Started {
                utc_us: clock::now().0,
                document: None,
            });
        }
        Ok(Some(run))
    }

    async fn record(&mut self) -> Result<(), Failed> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now_us = self.control.media().now_us();
            self.thumbnails.follow(now_us, &mut self.capture);
            if !self.has_begun
                && let Some(first_us) = self.capture.first_us()
            {
                self.begin(first_us);
            }
            if self.has_begun && self.files.is_idle() && self.capture.has_work() {
                self.files.begin(self.capture.take_work());
            }
            let Self {
                capture,
                thumbnails,
                files,
                parts,
                ..
            } = self;
            tokio::select! {
                ending = ordered(&mut parts.order) => return self.end(ending).await,
                Some(input) = parts.inputs.recv(), if capture.has_room() => self.take(input),
                _ = beat.tick() => self.capture.tick(self.control.media().now_us()),
                made = thumbnails.made() => thumbnails.keep(made, capture),
                written = files.written() => if written?.has_started {
                    self.parts.said.send(CompositeNews::Started).ok();
                },
            }
        }
    }

    fn begin(&mut self, first_us: u64) {
        self.has_begun = true;
        let utc_us = self
            .anchor
            .utc_us_at(first_us.try_into().unwrap_or(i64::MAX));
        let subject = self.task.destination.subject();
        self.capture.put_first(Work::Started {
            utc_us,
            document: Some(document::started(&subject, utc_us)),
        });
    }

    fn take(&mut self, input: Input) {
        let now_us = self.control.media().now_us();
        let size = input.bytes();
        match input {
            Input::Picture {
                at_us,
                is_key,
                bytes,
            } => {
                self.picture((at_us, now_us), is_key, &bytes);
            }
            Input::Sound { at_us, bytes } => {
                let packet = self.packet((SOUND, Codec::Opus), (at_us, now_us), &bytes);
                self.capture.push(now_us, packet);
            }
            Input::Interrupted => {
                self.capture.source_gone(now_us);
                self.pictures = EncodingId(self.pictures.0 + 1);
            }
        }
        self.parts.waiting_bytes.give_back(size);
    }

    /// Each NAL unit is a payload (RFC 6184 §5.6), of whatever size: no network is in between.
    fn picture(&mut self, times: (u64, u64), is_key: bool, bytes: &[u8]) {
        let units: Vec<&[u8]> = restage_codec::h264::annexb::units(bytes).collect();
        let count = units.len();
        for (place, unit) in units.into_iter().enumerate() {
            let mut packet = self.packet((self.pictures, Codec::H264), times, unit);
            packet.marker = place + 1 == count;
            packet.starts_key_frame = is_key && place == 0;
            self.capture.push(times.1, packet);
        }
    }

    fn packet(
        &mut self,
        (encoding, codec): (EncodingId, Codec),
        (at_us, now_us): (u64, u64),
        payload: &[u8],
    ) -> Packet {
        let number = &mut self.numbers[usize::from(encoding != SOUND)];
        *number += 1;
        let timestamp = ticks(at_us, codec.clock_rate());
        Packet {
            encoding,
            codec,
            sequence: *number,
            timestamp,
            arrived_us: now_us,
            // Sound and pictures have one clock, that of the compositor.
            report: Some(SenderReport {
                ntp_us: at_us.try_into().unwrap_or(i64::MAX),
                rtp_time: timestamp as u32,
                is_of_ingest: true,
            }),
            marker: true,
            starts_key_frame: false,
            parameter_sets: None,
            rotation_degrees: 0,
            payload: payload.into(),
        }
    }

    async fn end(&mut self, ending: Ending) -> Result<(), Failed> {
        while let Ok(input) = self.parts.inputs.try_recv() {
            self.take(input);
        }
        let now_us = self.control.media().now_us();
        let failure = match ending {
            Ending::Pause => {
                self.capture.source_gone(now_us);
                self.write_last().await?;
                return Ok(());
            }
            Ending::Finish => None,
            Ending::Fail(reason) => Some(Failure {
                code: RecordingFailureCode::InternalServer.word().to_owned(),
                reason,
            }),
        };
        self.capture.finish(now_us);
        self.thumbnails.finish(now_us, &mut self.capture).await;
        // What has an end has a beginning, also where nothing came in between.
        if !self.has_begun {
            self.begin(self.capture.first_us().unwrap_or(now_us));
        }
        self.write_last().await?;
        let utc_us = self.anchor.utc_us_at(now_us.try_into().unwrap_or(i64::MAX));
        Ok(self.files.end(utc_us, failure).await?)
    }

    async fn write_last(&mut self) -> Result<(), Failed> {
        let written = self.files.flush(self.capture.take_work()).await?;
        if written.has_started {
            self.parts.said.send(CompositeNews::Started).ok();
        }
        Ok(())
    }

    /// What is there is kept, and says that it is not all.
    async fn break_off(&mut self, failed: &Failed) {
        self.recordings.inner.figures.finished(true);
        let failure = Failure {
            code: failed.0.word().to_owned(),
            reason: failed.1.clone(),
        };
        if let Err(error) = self.files.end(clock::now().0, Some(failure)).await {
            tracing::error!(recording = self.task.id, %error, "its end cannot be written");
        }
    }
}

fn ticks(at_us: u64, rate: u32) -> u64 {
    (u128::from(at_us) * u128::from(rate) / 1_000_000) as u64
}

async fn ordered(order: &mut watch::Receiver<Option<Ending>>) -> Ending {
    match order.wait_for(Option::is_some).await {
        Ok(order) => order.clone().unwrap_or(Ending::Pause),
        // Whoever had it is gone.
        Err(_) => Ending::Pause,
    }
}
