//! The thread that makes Opus of a stream's AAC. It costs a processor about one percent, which no task of the runtime should.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use restage_audio::limits::ACCESS_UNIT_BYTES_MAX;
use restage_audio::{AacFormat, AudioError, BITS_PER_S_DEFAULT, OpusPacket, Transcoder};
use restage_rtmp::AudioFrame;
use tokio::sync::mpsc;

/// Most access units that wait for the thread: more than a second, of [`ACCESS_UNIT_BYTES_MAX`] each. What comes beyond is left out.
const ACCESS_UNITS_MAX: usize = 64;
/// Most results that wait for the session. The thread waits while there are as many.
const RESULTS_MAX: usize = 64;

/// What becomes of an access unit.
pub(super) type Result = std::result::Result<Vec<OpusPacket>, SoundError>;

/// Why there is no more sound.
#[derive(Debug, thiserror::Error)]
pub(super) enum SoundError {
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A program error ended the thread.
    #[error("the thread that converts the sound has ended")]
    Ended,
}

/// A thread, and the queues to and from it. It ends when this is dropped.
pub(super) struct Sound {
    access_units: SyncSender<AudioFrame>,
    results: mpsc::Receiver<Result>,
    /// Access units that were left out because the thread did not keep up.
    left_out: u64,
    /// Access units that could not be decoded, as the thread counts them.
    damaged: Arc<AtomicU64>,
}

/// Why the thread does not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Audio(#[from] AudioError),
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

impl Sound {
    pub(super) fn start(format: AacFormat) -> std::result::Result<Self, StartError> {
        let transcoder = Transcoder::new(format, BITS_PER_S_DEFAULT)?;
        let damaged = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&damaged);
        let work = move |inbox: &Receiver<AudioFrame>, told: &mpsc::Sender<Result>| {
            run(transcoder, inbox, told, &counted);
        };
        Ok(Self::spawn(damaged, work)?)
    }

    fn spawn(
        damaged: Arc<AtomicU64>,
        work: impl FnOnce(&Receiver<AudioFrame>, &mpsc::Sender<Result>) + Send + 'static,
    ) -> io::Result<Self> {
        let (access_units, inbox) = sync_channel(ACCESS_UNITS_MAX);
        let (told, results) = mpsc::channel(RESULTS_MAX);
        std::thread::Builder::new()
            .name("ingest-sound".to_owned())
            .spawn(move || work(&inbox, &told))?;
        Ok(Self {
            access_units,
            results,
            left_out: 0,
            damaged,
        })
    }

    /// Hands an access unit to the thread.
    ///
    /// # Errors
    /// It is too large.
    pub(super) fn push(&mut self, access_unit: AudioFrame) -> std::result::Result<(), AudioError> {
        let bytes = access_unit.data.len();
        if bytes > ACCESS_UNIT_BYTES_MAX {
            return Err(AudioError::TooLarge { bytes });
        }
        match self.access_units.try_send(access_unit) {
            Ok(()) => {}
            // Its error comes with the results.
            Err(TrySendError::Disconnected(_)) => {}
            // The transcoder finds a gap, and fills it with silence.
            Err(TrySendError::Full(_)) => self.left_out += 1,
        }
        Ok(())
    }

    /// Access units that were left out, and those that could not be decoded.
    pub(super) fn losses(&self) -> (u64, u64) {
        (self.left_out, self.damaged.load(Ordering::Relaxed))
    }

    /// The next result. The thread ends before this only by a program error. It can be cancelled without loss.
    pub(super) async fn next(&mut self) -> Result {
        let result = self.results.recv().await;
        result.unwrap_or(Err(SoundError::Ended))
    }
}

fn run(
    mut transcoder: Transcoder,
    inbox: &Receiver<AudioFrame>,
    told: &mpsc::Sender<Result>,
    damaged: &AtomicU64,
) {
    while let Ok(AudioFrame { timestamp_us, data }) = inbox.recv() {
        let mut packets = Vec::new();
        let outcome = transcoder.push(timestamp_us, &data, &mut packets);
        damaged.store(transcoder.damaged(), Ordering::Relaxed);
        if !packets.is_empty() && told.blocking_send(Ok(packets)).is_err() {
            return;
        }
        if let Err(error) = outcome {
            told.blocking_send(Err(error.into())).ok();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_is_noticed() {
        let work = |_: &Receiver<AudioFrame>, told: &mpsc::Sender<Result>| {
            told.blocking_send(Ok(Vec::new())).unwrap();
            std::panic::panic_any("a defect");
        };
        let mut sound = Sound::spawn(Arc::default(), work).unwrap();
        assert!(sound.next().await.is_ok());
        assert!(matches!(sound.next().await, Err(SoundError::Ended)));
        // What still comes is not queued for ever.
        let access_unit = || AudioFrame {
            timestamp_us: 0,
            data: vec![0; 8],
        };
        for _ in 0..=ACCESS_UNITS_MAX {
            sound.push(access_unit()).unwrap();
        }
    }
}
