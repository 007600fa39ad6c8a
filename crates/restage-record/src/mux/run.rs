//! A run: segments with the same tracks and formats, one after the other.

use super::black::Black;
use super::tracks::{AudioTrack, Taken, VideoTrack};
use super::{Context, Files, scale, ticks};
use crate::journal::{InitEntry, PictureEntry, SegmentEntry};
use crate::limits::{HOLE_MAX_US, SEGMENT_BYTES_MAX, SEGMENT_SAMPLES_MAX};
use crate::mp4::{self, AUDIO_TIMESCALE, OPUS, VIDEO_TIMESCALE, VideoFormat};
use crate::output::{Init, Output, Segment};
use crate::stream::{AudioUnit, VideoUnit};

/// A key frame that comes so little before the target is reached begins a segment.
const TOLERANCE_US: i64 = 100_000;
/// A run ends where the publisher's clock has come this far from the server's since the run began: its date counts for all of it. Encoders
/// that play a file in real time begin up to 0.7 s ahead.
const DRIFT_MAX_US: i64 = 1_000_000;
/// Sound that is so far behind the pictures does not come: silence takes its place, up to where it might still come.
const SOUND_LAG_US: i64 = 1_000_000;
const SOUND_LAG_LEFT_US: i64 = 500_000;
/// Sound that ends so much before the pictures of its run is followed by silence: Chromium takes more for a hole.
const SOUND_SHORT_US: i64 = 20_000;
/// What is shorter at the end of a run is left out: players show no segment for less than a millisecond.
const REST_MIN_US: i64 = 2_000;
/// How long a black picture is shown.
const BLACK_US: i64 = 1_000_000;

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) video: Option<VideoTrack>,
    /// What is shown until the pictures come.
    filler: Option<Filler>,
    pub(super) audio: Option<AudioTrack>,
    /// The server's clock minus media time: at the beginning, and as it is. It changes as the clock of sound drifts.
    began_us: i64,
    distance_us: i64,
    /// Media time at which the present segment begins.
    segment_us: i64,
    /// The number of its init, once a segment has needed one.
    init: Option<u64>,
}

/// What is shown where no picture is.
#[derive(Debug)]
enum Filler {
    /// No pictures belong to the run.
    Black(Black),
    /// The key frame that the pictures begin with.
    Still(Box<[u8]>),
}

/// A key frame that comes later than the sound with which a run begins.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(crate) format: VideoFormat,
    /// As it stands in a file.
    pub(crate) data: Box<[u8]>,
}

impl Run {
    /// A run that begins at `at_us` of the server's clock, which is the media time `origin_us`.
    pub(super) fn new(
        origin_us: i64,
        at_us: i64,
        format: Option<VideoFormat>,
        has_sound: bool,
    ) -> Self {
        let distance_us = at_us.saturating_sub(origin_us);
        let from = ticks(origin_us, VIDEO_TIMESCALE);
        Self {
            video: format.map(|format| VideoTrack::new(format, from, at_us)),
            filler: None,
            audio: has_sound.then(|| AudioTrack::new(ticks(origin_us, AUDIO_TIMESCALE))),
            began_us: distance_us,
            distance_us,
            segment_us: origin_us,
            init: None,
        }
    }

    /// A run of sound with black pictures.
    pub(super) fn dark(origin_us: i64, at_us: i64, black: Black) -> Self {
        let mut run = Self::new(origin_us, at_us, Some(black.format.clone()), true);
        run.filler = Some(Filler::Black(black));
        run.darken(origin_us);
        run
    }

    /// A run of sound that pictures follow: they are shown from its beginning on.
    pub(super) fn still(origin_us: i64, at_us: i64, ahead: Ahead) -> Self {
        let mut run = Self::new(origin_us, at_us, Some(ahead.format), true);
        if let Some(video) = &mut run.video {
            video.show(video.from, ahead.data.clone());
        }
        run.filler = Some(Filler::Still(ahead.data));
        run
    }

    fn is_dark(&self) -> bool {
        matches!(self.filler, Some(Filler::Black(_)))
    }

    /// Whether pictures belong to it.
    pub(super) fn takes_pictures(&self) -> bool {
        self.video.is_some() && !self.is_dark()
    }

    /// Whether it has a picture that was sent.
    pub(super) fn has_shown(&self) -> bool {
        self.video.is_some() && self.filler.is_none()
    }

    /// Whether a key frame of this format begins another run.
    pub(super) fn is_over_at(&self, format: &VideoFormat, at_us: i64, cx: &Context<'_>) -> bool {
        let Some(video) = &self.video else {
            return true;
        };
        let drift = self.distance_us.saturating_sub(self.began_us);
        self.is_dark()
            || video.format != *format
            || self.audio.is_none() && cx.has_sound
            || drift.saturating_abs() > DRIFT_MAX_US
            || self.lacks_pictures_at(at_us)
    }

    /// Whether the pictures have been missing for too long.
    pub(super) fn lacks_pictures_at(&self, at_us: i64) -> bool {
        let shown = self.video.as_ref().filter(|_| self.has_shown());
        let newest = shown.map(|video| video.newest_us);
        newest.is_some_and(|newest| at_us.saturating_sub(newest) > HOLE_MAX_US as i64)
    }

    /// Whether sound has been missing for too long.
    pub(super) fn lacks_sound_at(&self, at_us: i64) -> bool {
        self.audio.as_ref().is_some_and(|audio| {
            let end = audio.end_us().saturating_add(self.distance_us);
            at_us.saturating_sub(end) > HOLE_MAX_US as i64
        })
    }

    /// Whether sound has come.
    pub(super) fn has_heard(&self) -> bool {
        self.audio
            .as_ref()
            .is_some_and(|audio| audio.shift.is_some())
    }

    pub(super) fn video(
        &mut self,
        unit: VideoUnit,
        offset_us: i64,
        at_us: i64,
        files: &mut Files,
        cx: &mut Context<'_>,
    ) {
        let Some(video) = &mut self.video else {
            return;
        };
        if self.filler.take().is_some() {
            // It is shown already.
            video.newest_us = at_us;
            return;
        }
        let shift = ticks(offset_us.saturating_sub(self.distance_us), VIDEO_TIMESCALE);
        let at = video.behind_newest(unit.place.ticks.saturating_add(shift));
        let media_us = scale(at, VIDEO_TIMESCALE);
        video.close(at);
        self.keep_sound_near(media_us);
        let is_key = unit.picture.key_format.is_some();
        if self.is_segment_over(media_us, is_key, files, cx) {
            self.cut(media_us, files, cx);
        }
        if let Some(video) = &mut self.video {
            video.open(at, at_us, unit);
        }
    }

    /// Whether the present segment ends at this media time, where a picture begins. Asks for a key frame that is overdue.
    fn is_segment_over(
        &self,
        media_us: i64,
        is_key: bool,
        files: &Files,
        cx: &mut Context<'_>,
    ) -> bool {
        let length = media_us.saturating_sub(self.segment_us);
        if is_key && length.saturating_add(TOLERANCE_US) >= files.target_us {
            return true;
        }
        if length >= files.target_us {
            cx.wants_key_frame = true;
        }
        length >= 2 * files.target_us || self.is_full()
    }

    fn is_full(&self) -> bool {
        let video = self.video.as_ref().map_or(0, VideoTrack::count);
        let audio = self.audio.as_ref().map_or(0, AudioTrack::count);
        self.bytes() >= SEGMENT_BYTES_MAX || video.max(audio) >= SEGMENT_SAMPLES_MAX
    }

    /// Silence stands for sound that is far behind the pictures.
    fn keep_sound_near(&mut self, media_us: i64) {
        if let Some(audio) = &mut self.audio {
            let lag = media_us.saturating_sub(audio.end_us());
            if lag > SOUND_LAG_US {
                audio.fill(ticks(lag - SOUND_LAG_LEFT_US, AUDIO_TIMESCALE));
            }
        }
    }

    /// Takes a packet of sound. Gives it back if it does not belong to the run: too much is missing before it, the clock has drifted too
    /// far, or there is no sound in it.
    pub(super) fn audio(
        &mut self,
        unit: AudioUnit,
        at_us: i64,
        files: &mut Files,
        cx: &mut Context<'_>,
    ) -> Result<Taken, AudioUnit> {
        if !self.has_shown() && self.is_sound_cut_due(files) {
            let drift = self.distance_us.saturating_sub(self.began_us);
            if drift.saturating_abs() > DRIFT_MAX_US {
                return Err(unit);
            }
            let end = self
                .audio
                .as_ref()
                .map_or(self.segment_us, AudioTrack::end_us);
            self.repeat_filler(end);
            self.cut(end, files, cx);
        }
        let Some(audio) = &mut self.audio else {
            return Err(unit);
        };
        let place = unit.place;
        let at = ticks(at_us.saturating_sub(self.distance_us), AUDIO_TIMESCALE);
        let taken = audio.push(unit, at)?;
        if let Some(shift) = audio.shift {
            self.distance_us = place
                .offset_us
                .saturating_add(scale(shift, AUDIO_TIMESCALE));
        }
        let media_us = audio.end_us();
        self.darken(media_us);
        if self.is_full() {
            self.cut(media_us, files, cx);
        }
        Ok(taken)
    }

    /// Shows black up to this media time, and at the beginning of the run.
    fn darken(&mut self, until_us: i64) {
        let (Some(video), Some(Filler::Black(black))) = (&mut self.video, &mut self.filler) else {
            return;
        };
        let length = ticks(BLACK_US, VIDEO_TIMESCALE);
        let until = ticks(until_us, VIDEO_TIMESCALE);
        let mut next = match video.newest() {
            Some(at) => at.saturating_add(length),
            None => video.from,
        };
        while next < until || video.newest().is_none() {
            video.show(next, black.next());
            next = next.saturating_add(length);
        }
    }

    /// What is shown ends at this media time and begins again, so that a segment can begin there.
    fn repeat_filler(&mut self, at_us: i64) {
        let Some(video) = &mut self.video else {
            return;
        };
        let data = match &mut self.filler {
            Some(Filler::Black(black)) => black.next(),
            Some(Filler::Still(data)) => data.clone(),
            None => return,
        };
        let at = video.behind_newest(ticks(at_us, VIDEO_TIMESCALE));
        video.show(at, data);
    }

    fn is_sound_cut_due(&self, files: &Files) -> bool {
        let end = self.audio.as_ref().map_or(0, AudioTrack::end_us);
        end.saturating_sub(self.segment_us) >= files.target_us
    }

    /// Ends the run. Answers its end as a media time.
    pub(super) fn end(
        mut self,
        at_us: Option<i64>,
        files: &mut Files,
        cx: &mut Context<'_>,
    ) -> i64 {
        let sound_end = self.audio.as_ref().map_or(0, AudioTrack::end_us);
        let mut end = sound_end.max(self.segment_us);
        if let Some(video) = &mut self.video {
            let at = match at_us {
                Some(at) => Some(at.saturating_sub(self.distance_us)),
                // What stands for pictures ends with the sound.
                None => self.filler.as_ref().map(|_| sound_end),
            };
            let at = at.map(|at| ticks(at, VIDEO_TIMESCALE));
            let last = video.end(at, ticks(sound_end, VIDEO_TIMESCALE));
            end = end.max(scale(last, VIDEO_TIMESCALE));
        }
        if let Some(audio) = &mut self.audio
            && end.saturating_sub(sound_end) > SOUND_SHORT_US
        {
            audio.fill(ticks(end, AUDIO_TIMESCALE) - audio.next);
        }
        if end.saturating_sub(self.segment_us) < REST_MIN_US {
            // It is in no segment, so what follows begins here.
            return self.segment_us;
        }
        self.cut(end, files, cx);
        end
    }

    pub(super) fn bytes(&self) -> usize {
        let video = self.video.as_ref().map_or(0, VideoTrack::bytes);
        video + self.audio.as_ref().map_or(0, AudioTrack::bytes)
    }

    /// Makes a segment of what there is, up to this media time.
    fn cut(&mut self, end_us: i64, files: &mut Files, cx: &mut Context<'_>) {
        let from_us = std::mem::replace(&mut self.segment_us, end_us);
        let independent = self.video.as_ref().is_none_or(VideoTrack::is_independent);
        let shown = self.video.as_ref().filter(|_| !self.is_dark());
        let pictures = shown.map_or(0, VideoTrack::count);
        let video = self.video.as_mut().and_then(VideoTrack::take);
        let audio = self.audio.as_mut().and_then(AudioTrack::take);
        let runs: Vec<mp4::Run> = video.into_iter().chain(audio).collect();
        let duration_us = u64::try_from(end_us.saturating_sub(from_us)).unwrap_or(0);
        if runs.is_empty() || duration_us == 0 {
            return;
        }
        let number = files.next_segment;
        let init = self.init.unwrap_or(files.next_init);
        let Ok(bytes) = mp4::segment(number, init, runs) else {
            return;
        };
        let is_first = self.init.is_none();
        let Some(init) = self.init.or_else(|| self.write_init(files, cx)) else {
            return;
        };
        let began_us = from_us.saturating_add(self.began_us);
        let date_us = is_first.then(|| files.date_of_run(files.anchor.utc_us_at(began_us)));
        let end_us = date_us.or(files.end_us);
        files.end_us = end_us.map(|us| us.saturating_add_unsigned(duration_us));
        files.next_segment += 1;
        files.duration_us = files.duration_us.saturating_add(duration_us);
        let entry = SegmentEntry {
            number,
            init,
            discontinuity: is_first && number > 0,
            program_date_time_us: date_us,
            duration_us,
            bytes: bytes.len() as u64,
            independent,
            pictures: pictures as u64,
            crc32: None,
        };
        cx.outputs
            .push_back(Output::Segment(Segment { entry, bytes }));
    }

    /// Writes the init before the first segment. Answers its number.
    fn write_init(&mut self, files: &mut Files, cx: &mut Context<'_>) -> Option<u64> {
        let format = self.video.as_ref().map(|video| &video.format);
        let bytes = mp4::init(format, self.audio.is_some()).ok()?;
        let number = files.next_init;
        files.next_init += 1;
        self.init = Some(number);
        let names = format.map(VideoFormat::codec_name);
        let sound = self.audio.is_some().then(|| OPUS.to_owned());
        let size = format.filter(|_| !self.is_dark());
        let size = size.map(VideoFormat::shown_size);
        let entry = InitEntry {
            number,
            bytes: bytes.len() as u64,
            codecs: names.into_iter().chain(sound).collect(),
            picture: size.map(|size| PictureEntry {
                width: size.width,
                height: size.height,
            }),
            crc32: None,
        };
        cx.outputs.push_back(Output::Init(Init { entry, bytes }));
        Some(number)
    }
}
