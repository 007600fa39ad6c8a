//! Segments out of pictures and sound that have a time.
//!
//! What is recorded is a row of *runs*. Within a run, tracks and formats stay the same, and media time goes on without a jump; between
//! runs is a discontinuity. Where there is sound, its samples are the media time, so that they can be counted, and pictures are placed
//! against them; else media time follows the server's clock.
//!
//! All runs have the same [`Tracks`], as far as they are known when the first one begins: sound that is not sent is silence, and pictures that
//! are not sent are black, in a run of their own.

mod black;
mod run;
mod silence;
mod tracks;

use std::collections::VecDeque;

use restage_codec::MediaKind;

use crate::config::{Anchor, Tracks};
use crate::drops::Drops;
use crate::mp4::{AUDIO_TIMESCALE, VIDEO_TIMESCALE};
use crate::output::{DropReason, Output};
use crate::stream::{AudioUnit, VideoUnit};
use black::Black;
pub(crate) use run::Ahead;
use run::Run;
use tracks::Taken;

/// Media times of runs begin at whole milliseconds, which are whole ticks of every track.
const ORIGIN_STEP_US: i64 = 1_000;

/// Makes segments.
#[derive(Debug)]
pub(crate) struct Muxer {
    files: Files,
    run: Option<Run>,
    /// Where the next run begins at the earliest: media time in microseconds.
    end_us: i64,
}

/// What all runs of a recording have in common: numbers, and where files go.
#[derive(Debug)]
struct Files {
    anchor: Anchor,
    target_us: i64,
    next_segment: u64,
    next_init: u64,
    duration_us: u64,
    /// When the last segment ends, by the dates in the playlist; UTC in microseconds since 1970.
    end_us: Option<i64>,
}

impl Files {
    /// The date of a segment that begins a run. By its own clock it may begin a little before the run before it ended, because media ends
    /// when its last picture would have; a playlist whose dates overlap sends players back.
    fn date_of_run(&self, utc_us: i64) -> i64 {
        self.end_us.map_or(utc_us, |end_us| end_us.max(utc_us))
    }
}

/// What the muxer is told of the present, and what it answers besides segments.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) outputs: &'a mut VecDeque<Output>,
    pub(crate) drops: &'a mut Drops,
    /// Sound is recorded, and its packets come.
    pub(crate) has_sound: bool,
    /// The tracks of a run that begins.
    pub(crate) tracks: Tracks,
    /// The key frame that is next among the pictures, where there is no run.
    pub(crate) ahead: Option<Ahead>,
    /// A key frame is needed.
    pub(crate) wants_key_frame: bool,
}

impl Muxer {
    /// `target_us` is the target duration of segments.
    pub(crate) fn new(anchor: Anchor, target_us: i64, resumed: crate::Resumed) -> Self {
        Self {
            files: Files {
                anchor,
                target_us,
                next_segment: resumed.next_segment,
                next_init: resumed.next_init,
                duration_us: resumed.duration_us,
                end_us: resumed.end_us,
            },
            run: None,
            end_us: i64::try_from(resumed.duration_us).unwrap_or(i64::MAX / 16),
        }
    }

    /// Takes a picture, which is at `at_us` on the server's clock; `offset_us` is where tick 0 of its stream is. Both are corrected.
    pub(crate) fn video(
        &mut self,
        unit: VideoUnit,
        offset_us: i64,
        at_us: i64,
        cx: &mut Context<'_>,
    ) {
        let begins_run = match (&self.run, &unit.picture.key_format) {
            (None, Some(_)) => true,
            (Some(run), Some(format)) => {
                unit.begins_clock && run.has_shown() || run.is_over_at(format, at_us, cx)
            }
            (_, None) => false,
        };
        if begins_run {
            self.end_run(Some(at_us), cx);
            let format = unit.picture.key_format.clone();
            let has_sound = cx.has_sound || cx.tracks.sound;
            self.start_run(|origin| Run::new(origin, at_us, format, has_sound));
        } else if unit.begins_clock && self.run.as_ref().is_some_and(Run::has_shown) {
            self.end_run(None, cx);
        }
        let run = self.run.as_mut().filter(|run| run.takes_pictures());
        let Some(run) = run else {
            cx.drops
                .count(MediaKind::Video, DropReason::AwaitsKeyFrame, 1);
            cx.wants_key_frame = true;
            return;
        };
        run.video(unit, offset_us, at_us, &mut self.files, cx);
    }

    /// Takes sound, which is at `at_us` on the server's clock. It is on the clock of the run, if that has sound.
    pub(crate) fn audio(&mut self, unit: AudioUnit, at_us: i64, cx: &mut Context<'_>) {
        self.drop_pictures(at_us, cx);
        if self.run.is_none() {
            self.start_with_sound(at_us, cx);
        }
        let Some(run) = &mut self.run else {
            return;
        };
        if run.audio.is_none() {
            // The init has no sound; the next key frame begins another one.
            cx.drops
                .count(MediaKind::Audio, DropReason::AwaitsKeyFrame, 1);
            cx.wants_key_frame = true;
            return;
        }
        match run.audio(unit, at_us, &mut self.files, cx) {
            Ok(Taken::Taken) => {}
            Ok(Taken::Overlaps) => cx.drops.count(MediaKind::Audio, DropReason::Late, 1),
            Err(unit) => {
                self.end_run(None, cx);
                self.start_with_sound(at_us, cx);
                if let Some(run) = &mut self.run {
                    let _ = run.audio(unit, at_us, &mut self.files, cx);
                }
            }
        }
    }

    /// Ends the run, if there is one: what is in it becomes a segment. `at_us` is where the next one begins on the server's clock, if that
    /// is known.
    pub(crate) fn end_run(&mut self, at_us: Option<i64>, cx: &mut Context<'_>) {
        if let Some(run) = self.run.take() {
            self.end_us = self.end_us.max(run.end(at_us, &mut self.files, cx));
        }
    }

    /// Whether there is a run that has sound.
    pub(crate) fn has_heard(&self) -> bool {
        self.run.as_ref().is_some_and(Run::has_heard)
    }

    pub(crate) fn has_run(&self) -> bool {
        self.run.is_some()
    }

    /// Length of all segments, in microseconds.
    pub(crate) fn duration_us(&self) -> u64 {
        self.files.duration_us
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.run.as_ref().map_or(0, Run::bytes)
    }

    /// Ends a run whose pictures have been missing for too long. If the sound goes on, so does it, without them.
    fn drop_pictures(&mut self, at_us: i64, cx: &mut Context<'_>) {
        let Some(run) = &self.run else {
            return;
        };
        if !run.lacks_pictures_at(at_us) {
            return;
        }
        if run.lacks_sound_at(at_us) {
            self.end_run(None, cx);
        } else {
            self.end_run(Some(at_us), cx);
            self.start_with_sound(at_us, cx);
        }
    }

    /// Starts a run that begins with sound: with the pictures that follow if they are there, else with black ones if the recording has
    /// pictures.
    fn start_with_sound(&mut self, at_us: i64, cx: &mut Context<'_>) {
        let ahead = cx.ahead.take();
        let black = cx.tracks.pictures.and_then(Black::new);
        self.start_run(|origin| match (ahead, black) {
            (Some(ahead), _) => Run::still(origin, at_us, ahead),
            (None, Some(black)) => Run::dark(origin, at_us, black),
            (None, None) => Run::new(origin, at_us, None, true),
        });
    }

    fn start_run(&mut self, make: impl FnOnce(i64) -> Run) {
        let steps = self.end_us.saturating_add(ORIGIN_STEP_US - 1) / ORIGIN_STEP_US;
        self.run = Some(make(steps * ORIGIN_STEP_US));
    }
}

/// Ticks in microseconds.
fn scale(ticks: i64, timescale: u32) -> i64 {
    (i128::from(ticks) * 1_000_000 / i128::from(timescale)).clamp(MIN, MAX) as i64
}

/// Microseconds in ticks, to the nearest.
fn ticks(us: i64, timescale: u32) -> i64 {
    let scaled = i128::from(us) * i128::from(timescale);
    ((scaled + 500_000).div_euclid(1_000_000)).clamp(MIN, MAX) as i64
}

/// Bounds so that sums of a few times do not overflow.
const MIN: i128 = -(1 << 58);
const MAX: i128 = 1 << 58;

const _: () = assert!(ORIGIN_STEP_US * VIDEO_TIMESCALE as i64 % 1_000_000 == 0);
const _: () = assert!(ORIGIN_STEP_US * AUDIO_TIMESCALE as i64 % 1_000_000 == 0);

#[cfg(test)]
mod tests {
    use restage_codec::Codec;

    use super::*;

    /// A run of black pictures that ends after this time: its segments, and the media time at which the next run begins.
    fn segments_and_next(length_us: i64) -> (usize, i64) {
        let anchor = Anchor {
            steady_us: 0,
            utc_us: 0,
        };
        let mut muxer = Muxer::new(anchor, 6_000_000, crate::Resumed::default());
        let (mut outputs, mut drops) = (VecDeque::new(), Drops::default());
        let mut cx = Context {
            outputs: &mut outputs,
            drops: &mut drops,
            has_sound: true,
            tracks: Tracks::default(),
            ahead: None,
            wants_key_frame: false,
        };
        let black = Black::new(Codec::H264).expect("there are black pictures of H.264");
        muxer.start_run(|origin| Run::dark(origin, 1_000_000, black));
        muxer.end_run(Some(1_000_000 + length_us), &mut cx);
        let mut next_us = 0;
        muxer.start_run(|origin| {
            next_us = origin;
            Run::new(origin, 2_000_000, None, true)
        });
        let is_segment = |output: &&Output| matches!(output, Output::Segment(_));
        (outputs.iter().filter(is_segment).count(), next_us)
    }

    #[test]
    fn black_that_pictures_follow_at_once_is_no_segment() {
        assert_eq!([0, 500, 1_500].map(segments_and_next), [(0, 0); 3]);
        assert_eq!(segments_and_next(3_000), (1, 3_000));
        assert_eq!(segments_and_next(500_000), (1, 500_000));
    }
}
