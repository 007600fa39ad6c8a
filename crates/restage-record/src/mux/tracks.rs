//! The samples of a segment that is being made. Media times count from the beginning of the recording, in ticks of the track.

use super::{scale, silence};
use crate::limits::HOLE_MAX_US;
use crate::mp4::{
    AUDIO_TIMESCALE, AUDIO_TRACK, Run as FileRun, Sample, VIDEO_TIMESCALE, VIDEO_TRACK, VideoFormat,
};
use crate::stream::{AudioUnit, VideoUnit};

/// How long the last picture of a stream is shown if nothing says it: a thirtieth of a second.
const LAST_DURATION: i64 = 3_000;
/// The longest hole, in ticks of each track.
const VIDEO_HOLE_MAX: i64 = (HOLE_MAX_US * VIDEO_TIMESCALE as u64 / 1_000_000) as i64;
pub(super) const AUDIO_HOLE_MAX: i64 = (HOLE_MAX_US * AUDIO_TIMESCALE as u64 / 1_000_000) as i64;

/// Samples of a track in the present segment.
#[derive(Debug, Default)]
struct Samples {
    samples: Vec<Sample>,
    /// Media time of the first.
    from: i64,
    bytes: usize,
}

impl Samples {
    fn push(&mut self, at: i64, sample: Sample) {
        if self.samples.is_empty() {
            self.from = at;
        }
        self.bytes += sample.data.len();
        self.samples.push(sample);
    }

    fn take(&mut self, track: u32) -> Option<FileRun> {
        let taken = std::mem::take(self);
        (!taken.samples.is_empty()).then(|| FileRun {
            track,
            decode_time: u64::try_from(taken.from).unwrap_or(0),
            samples: taken.samples,
        })
    }
}

/// The pictures.
#[derive(Debug)]
pub(super) struct VideoTrack {
    pub(super) format: VideoFormat,
    /// Where it begins, as a media time.
    pub(super) from: i64,
    samples: Samples,
    /// The newest picture, whose length is not known yet.
    pending: Option<Pending>,
    last_duration: i64,
    /// Where the newest picture is on the server's clock.
    pub(super) newest_us: i64,
}

#[derive(Debug)]
struct Pending {
    at: i64,
    data: Box<[u8]>,
    is_sync: bool,
}

impl VideoTrack {
    /// A track that begins at this media time, which is `at_us` on the server's clock.
    pub(super) fn new(format: VideoFormat, from: i64, at_us: i64) -> Self {
        Self {
            format,
            from,
            samples: Samples::default(),
            pending: None,
            last_duration: LAST_DURATION,
            newest_us: at_us,
        }
    }

    /// Media time of the newest picture.
    pub(super) fn newest(&self) -> Option<i64> {
        self.pending.as_ref().map(|pending| pending.at)
    }

    /// A media time that is behind the newest picture.
    pub(super) fn behind_newest(&self, at: i64) -> i64 {
        let least = self
            .pending
            .as_ref()
            .map(|pending| pending.at.saturating_add(1));
        at.max(least.unwrap_or(0)).max(0)
    }

    /// The newest picture is shown until `at`.
    pub(super) fn close(&mut self, at: i64) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let duration = at.saturating_sub(pending.at).max(1);
        self.last_duration = duration.min(VIDEO_HOLE_MAX);
        let sample = Sample {
            data: pending.data,
            duration: u32::try_from(duration).unwrap_or(u32::MAX),
            is_sync: pending.is_sync,
        };
        self.samples.push(pending.at, sample);
    }

    pub(super) fn open(&mut self, at: i64, at_us: i64, unit: VideoUnit) {
        self.newest_us = at_us;
        let is_sync = unit.picture.key_format.is_some();
        self.begin(at, unit.picture.data, is_sync);
    }

    /// A key frame that was not sent for this time follows the newest picture.
    pub(super) fn show(&mut self, at: i64, data: Box<[u8]>) {
        self.close(at);
        self.begin(at, data, true);
    }

    fn begin(&mut self, at: i64, data: Box<[u8]>, is_sync: bool) {
        let data = match is_sync {
            true => self.format.with_sets(data),
            false => data,
        };
        self.pending = Some(Pending { at, data, is_sync });
    }

    /// Nothing follows. The newest picture is shown until `at` if that is known, else as long as the one before it, and until `sound_end` if
    /// that is later; but not longer than a hole may be. Answers where it ends.
    pub(super) fn end(&mut self, at: Option<i64>, sound_end: i64) -> i64 {
        let Some(pending) = &self.pending else {
            return 0;
        };
        let from = pending.at;
        let until = at.unwrap_or_else(|| sound_end.max(from + self.last_duration));
        let end = until.clamp(from + 1, from + VIDEO_HOLE_MAX);
        self.close(end);
        end
    }

    pub(super) fn count(&self) -> usize {
        self.samples.samples.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let pending = self
            .pending
            .as_ref()
            .map_or(0, |pending| pending.data.len());
        self.samples.bytes + pending
    }

    pub(super) fn is_independent(&self) -> bool {
        self.samples
            .samples
            .first()
            .is_none_or(|first| first.is_sync)
    }

    pub(super) fn take(&mut self) -> Option<FileRun> {
        self.samples.take(VIDEO_TRACK)
    }
}

/// The sound. Its samples are counted: what lacks is silence.
#[derive(Debug)]
pub(super) struct AudioTrack {
    samples: Samples,
    /// Media time of what comes next.
    pub(super) next: i64,
    /// Ticks of the stream minus media time; `None` before the first packet.
    pub(super) shift: Option<i64>,
}

/// What became of a packet of sound.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Taken,
    /// It is of a time that is there already.
    Overlaps,
}

impl AudioTrack {
    /// A track that begins at this media time.
    pub(super) fn new(from: i64) -> Self {
        Self {
            samples: Samples::default(),
            next: from,
            shift: None,
        }
    }

    /// Takes the next packet; `at` is its media time by the server's clock, which counts for the first one. Gives it back if more is missing
    /// before it than silence stands for.
    pub(super) fn push(&mut self, unit: AudioUnit, at: i64) -> Result<Taken, AudioUnit> {
        let shift = *self
            .shift
            .get_or_insert_with(|| unit.place.ticks.saturating_sub(at));
        let gap = unit
            .place
            .ticks
            .saturating_sub(shift)
            .saturating_sub(self.next);
        if gap > AUDIO_HOLE_MAX {
            return Err(unit);
        }
        if gap < -i64::from(unit.samples / 2) {
            return Ok(Taken::Overlaps);
        }
        self.fill(gap);
        let sample = Sample {
            data: unit.data,
            duration: unit.samples,
            is_sync: true,
        };
        self.append(sample);
        Ok(Taken::Taken)
    }

    /// Silence of so many samples, as exactly as packets allow.
    pub(super) fn fill(&mut self, samples: i64) {
        for sample in silence::packets(samples) {
            self.append(sample);
        }
    }

    fn append(&mut self, sample: Sample) {
        let duration = i64::from(sample.duration);
        self.samples.push(self.next, sample);
        self.next += duration;
    }

    pub(super) fn end_us(&self) -> i64 {
        scale(self.next, AUDIO_TIMESCALE)
    }

    pub(super) fn count(&self) -> usize {
        self.samples.samples.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.samples.bytes
    }

    pub(super) fn take(&mut self) -> Option<FileRun> {
        self.samples.take(AUDIO_TRACK)
    }
}
