//! What a segment says of itself: when its samples begin and end, and which init it needs. It is read where no journal says it.

use mp4_atom::{Decode, Moof, TrunSamples};

use super::segment::BOX_HEADER_BYTES;
use super::{AUDIO_TIMESCALE, AUDIO_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK};

/// Boxes before `moof` that are looked at.
const BOXES_MAX: usize = 4;
/// Microseconds of a second.
const SECOND_US: u128 = 1_000_000;

/// The samples of one track, in ticks of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    until: u64,
}

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentTimes {
    /// Number of the init that it needs.
    pub init: u64,
    video: Option<Span>,
    audio: Option<Span>,
}

impl SegmentTimes {
    /// Reads a segment that [`Recorder`](crate::Recorder) made. `None`: it is none, is damaged before its media, or is of a version that did not
    /// write the name of the init.
    pub fn read(segment: &[u8]) -> Option<Self> {
        let name = boxed(segment, b"free")?.get(BOX_HEADER_BYTES..)?;
        let name = std::str::from_utf8(name).ok()?;
        let init = name.strip_prefix("init-")?.strip_suffix(".mp4")?;
        let moof = Moof::decode(&mut boxed(segment, b"moof")?).ok()?;
        let mut times = Self {
            init: init.parse().ok()?,
            video: None,
            audio: None,
        };
        for traf in &moof.traf {
            let [trun] = &traf.trun[..] else { return None };
            // A count without entries says nothing of lengths.
            let TrunSamples::Explicit(samples) = &trun.samples else {
                return None;
            };
            let from = traf.tfdt.as_ref()?.base_media_decode_time;
            let until = samples.iter().try_fold(from, |until, sample| {
                until.checked_add(u64::from(sample.duration?))
            })?;
            let span = Some(Span { from, until });
            match traf.tfhd.track_id {
                VIDEO_TRACK => times.video = span,
                AUDIO_TRACK => times.audio = span,
                _ => return None,
            }
        }
        (times.video.is_some() || times.audio.is_some()).then_some(times)
    }

    /// Length in microseconds. Where another segment follows with the same init, that of the pictures, as it begins with one of them; else
    /// up to the end of whatever lasts longer.
    pub(crate) fn duration_us(&self, is_followed: bool) -> u64 {
        let video = self.video.map(|span| us(span, VIDEO_TIMESCALE));
        let audio = self.audio.map(|span| us(span, AUDIO_TIMESCALE));
        match (video, audio) {
            (Some((from, until)), Some((_, sound))) if !is_followed => {
                until.max(sound).saturating_sub(from)
            }
            (Some((from, until)), _) | (None, Some((from, until))) => until.saturating_sub(from),
            (None, None) => 0,
        }
    }
}

fn us(span: Span, timescale: u32) -> (u64, u64) {
    let us = |ticks: u64| {
        let us = u128::from(ticks) * SECOND_US / u128::from(timescale);
        u64::try_from(us).unwrap_or(u64::MAX)
    };
    (us(span.from), us(span.until))
}

/// The first box of this name, with its header.
fn boxed<'a>(segment: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = segment;
    for _ in 0..BOXES_MAX {
        let (head, _) = rest.split_at_checked(BOX_HEADER_BYTES)?;
        let (size, name) = head.split_at(4);
        let size = u32::from_be_bytes(size.try_into().ok()?) as usize;
        let (whole, after) = rest.split_at_checked(size.max(BOX_HEADER_BYTES))?;
        if name == wanted {
            return Some(whole);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::segment::{Run, Sample, segment};
    use super::*;

    fn run(track: u32, decode_time: u64, durations: &[u32]) -> Run {
        let sample = |duration: &u32| Sample {
            data: b"data".as_slice().into(),
            duration: *duration,
            is_sync: true,
        };
        Run {
            track,
            decode_time,
            samples: durations.iter().map(sample).collect(),
        }
    }

    fn times(runs: Vec<Run>) -> SegmentTimes {
        SegmentTimes::read(&segment(7, 3, runs).unwrap()).unwrap()
    }

    #[test]
    fn times_are_those_of_the_samples() {
        let both = times(vec![
            run(VIDEO_TRACK, 90_000, &[3_000, 87_000]),
            run(AUDIO_TRACK, 48_000, &[960; 52]),
        ]);
        assert_eq!(both.init, 3);
        assert_eq!(both.duration_us(true), 1_000_000);
        assert_eq!(both.duration_us(false), 1_040_000);
        let sound = times(vec![run(AUDIO_TRACK, 97_920, &[960])]);
        assert_eq!(sound.duration_us(true), 20_000);
    }

    #[test]
    fn what_is_no_segment_is_refused() {
        let whole = segment(0, 0, vec![run(VIDEO_TRACK, 0, &[1, 2, 3])]).unwrap();
        let moof_ends = whole.len() - BOX_HEADER_BYTES - 12;
        for length in 0..moof_ends {
            assert_eq!(SegmentTimes::read(&whole[..length]), None, "{length}");
        }
        assert!(SegmentTimes::read(&whole[..moof_ends]).is_some());
        for place in 0..moof_ends {
            let mut changed = whole.clone();
            changed[place] ^= 0x80;
            // It may be read or not; it must not panic.
            SegmentTimes::read(&changed);
        }
    }
}
