//! The recorder: packets in, files out.

mod notes;
mod tracks;

use std::collections::VecDeque;

use restage_codec::{Codec, MediaKind};

use crate::config::{MediaTypes, RecorderConfig, SEGMENT_SECONDS_MAX, SEGMENT_SECONDS_MIN, Tracks};
use crate::drops::Drops;
use crate::limits::{
    HOLE_MAX_US, KEY_FRAME_REQUEST_US, OUTPUTS_MAX, PICTURES_WAIT_US, REORDER_WINDOW_US, STALL_US,
};
use crate::mp4::{AUDIO_TIMESCALE, VIDEO_TIMESCALE};
use crate::mux::{Ahead, Context, Muxer};
use crate::output::{DropReason, Output, Picture};
use crate::packet::Packet;
use crate::stream::{AudioSource, VideoSource, VideoUnit};
use crate::timeline::Relation;
use notes::Notes;

/// How long a recording waits for the first packet of the other kind. If none comes, it begins without.
const OTHER_KIND_US: u64 = 1_000_000;
/// How long sound waits for pictures that come again after both were away.
const AWAY_US: u64 = 1_000_000;
/// Sound that is shorter is left out where it would be the last part of a publication, without pictures.
const SCRAP_US: i64 = 500_000;
/// How often it is told what was left out.
const DROPS_TOLD_US: u64 = 1_000_000;

/// Makes the files of one recording from the packets of one publication after the other.
///
/// Times (`now_us`) are microseconds of the server's steady clock and never go back. After each call, poll until nothing comes.
#[derive(Debug)]
pub struct Recorder {
    media_types: MediaTypes,
    anchor: crate::Anchor,
    audio: AudioSource,
    video: VideoSource,
    relation: Relation,
    muxer: Muxer,
    /// What runs have: what the publication may send, and what the recording has had.
    tracks: Tracks,
    /// How pictures that were sent are encoded. There is one such codec in a recording, as most players cannot go on with another one.
    shown: Option<Codec>,
    /// How pictures are encoded that stand for those of a later publication, before anything says how these will be.
    spare_pictures: Option<Codec>,
    /// Whether the publication may send pictures; `None` before it has said so.
    offers_pictures: Option<bool>,
    /// Pictures of the publication have been recorded.
    has_shown: bool,
    outputs: VecDeque<Output>,
    drops: Drops,
    notes: Notes,
    /// When the first packet of the publication came.
    since_us: Option<u64>,
    now_us: u64,
    asked_us: Option<u64>,
    drops_told_us: u64,
    wants_picture: bool,
    refused: Vec<Codec>,
    is_paused: bool,
    is_finished: bool,
}

impl Recorder {
    /// A recorder that waits for packets.
    pub fn new(config: RecorderConfig) -> Self {
        let seconds = config
            .segment_seconds
            .clamp(SEGMENT_SECONDS_MIN, SEGMENT_SECONDS_MAX);
        let target_us = i64::from(seconds) * 1_000_000;
        let resumed = config.resumed.unwrap_or_default();
        let spare_pictures = tracks::spare_pictures(&config);
        let tracks = Tracks {
            sound: resumed.tracks.sound || spare_pictures.is_some(),
            ..resumed.tracks
        };
        Self {
            media_types: config.media_types,
            anchor: config.anchor,
            audio: AudioSource::default(),
            video: VideoSource::default(),
            relation: Relation::default(),
            muxer: Muxer::new(config.anchor, target_us, resumed),
            tracks,
            shown: resumed.shown,
            spare_pictures,
            offers_pictures: None,
            has_shown: false,
            outputs: VecDeque::new(),
            drops: Drops::default(),
            notes: Notes::default(),
            since_us: None,
            now_us: 0,
            asked_us: None,
            drops_told_us: 0,
            wants_picture: false,
            refused: Vec::new(),
            is_paused: false,
            is_finished: false,
        }
    }

    /// Takes a packet. Packets of a kind that is not recorded are ignored.
    pub fn push(&mut self, now_us: u64, packet: Packet) {
        self.advance(now_us);
        if self.is_paused || self.is_finished || !self.is_recorded(packet.kind()) {
            return;
        }
        if self.refuses(packet.codec) {
            return;
        }
        self.since_us.get_or_insert(self.now_us);
        match packet.kind() {
            MediaKind::Audio => self.audio.push(self.now_us, packet, &mut self.drops),
            MediaKind::Video => self.video.push(self.now_us, packet, &mut self.drops),
        }
        self.work(false);
    }

    /// Does what is due. To be called every 100 ms or so, also while packets come.
    pub fn tick(&mut self, now_us: u64) {
        self.advance(now_us);
        if !self.is_finished {
            self.work(false);
            self.close_if_away();
        }
        self.tell_drops(false);
    }

    /// What is recorded until here becomes a segment; packets are ignored until [`resume`](Self::resume).
    pub fn pause(&mut self, now_us: u64) {
        self.source_gone(now_us);
        self.is_paused = true;
    }

    /// Packets are recorded again, behind a discontinuity.
    pub fn resume(&mut self, now_us: u64) {
        self.advance(now_us);
        self.is_paused = false;
    }

    /// The publication is gone: what is recorded becomes a segment. What comes later belongs to another publication, and is recorded behind
    /// a discontinuity.
    pub fn source_gone(&mut self, now_us: u64) {
        self.advance(now_us);
        if self.is_finished {
            return;
        }
        self.work(true);
        self.with_context(|muxer, cx| muxer.end_run(None, cx));
        self.audio.restart();
        self.video.restart();
        self.relation = Relation::default();
        self.since_us = None;
        self.has_shown = false;
        self.offers_pictures = None;
        self.tell_drops(true);
    }

    /// The next key frame is given back as [`Output::Picture`]. Where segments have no pictures, one is asked for.
    pub fn want_picture(&mut self, now_us: u64) {
        self.advance(now_us);
        if !self.is_finished {
            self.wants_picture = true;
            self.work(false);
        }
    }

    /// The recording is over: the rest becomes a segment. Further calls do nothing.
    pub fn finish(&mut self, now_us: u64) {
        self.source_gone(now_us);
        self.is_finished = true;
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Length of all segments, in microseconds; a recording that goes on counts what was there before.
    pub fn duration_us(&self) -> u64 {
        self.muxer.duration_us()
    }

    /// Bytes of media that it holds, besides outputs: below [`RECORDER_BYTES_MAX`](crate::limits::RECORDER_BYTES_MAX).
    pub fn buffered_bytes(&self) -> usize {
        self.audio.bytes() + self.video.bytes() + self.muxer.bytes()
    }

    fn advance(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        self.relation.advance(self.now_us);
    }

    fn is_recorded(&self, kind: MediaKind) -> bool {
        match self.media_types {
            MediaTypes::AudioVideo => true,
            MediaTypes::AudioOnly => kind == MediaKind::Audio,
            MediaTypes::None => kind == MediaKind::Video,
        }
    }

    /// Whether packets of a kind come.
    fn comes(&self, kind: MediaKind) -> bool {
        let pushed = match kind {
            MediaKind::Audio => self.audio.pushed_us(),
            MediaKind::Video => self.video.pushed_us(),
        };
        pushed.is_some_and(|pushed| self.now_us.saturating_sub(pushed) <= STALL_US)
    }

    /// Moves media on as far as it can go. With `must`, nothing is waited for any more.
    fn work(&mut self, must: bool) {
        self.audio.work(self.now_us, must, &mut self.drops);
        self.video.work(self.now_us, must, &mut self.drops);
        self.relate();
        self.notes.on_pictures(self.video.is_unreadable());
        let (audio, video) = (&self.audio, &self.video);
        self.notes
            .on_times(audio.has_random_times(), video.has_random_times());
        self.notes
            .on_unrest(audio.is_restless(), video.is_restless());
        while let Some(note) = self.notes.next() {
            self.put(Output::Note(note));
        }
        loop {
            self.drop_undecodable();
            let Some(kind) = self.next_kind(must) else {
                break;
            };
            match kind {
                // Sound on another clock begins a run, for which pictures are waited.
                MediaKind::Audio if self.ends_run_with_sound() => {
                    self.with_context(|muxer, cx| muxer.end_run(None, cx));
                }
                MediaKind::Audio if must && self.is_scrap() => self.drop_sound(),
                MediaKind::Audio => self.mux_audio(),
                MediaKind::Video => self.mux_video(),
            }
        }
        let has_no_picture = self.wants_picture && self.media_types == MediaTypes::None;
        let is_blind =
            self.media_types != MediaTypes::None && self.video.awaits_key_frame(self.now_us);
        if self.comes(MediaKind::Video) && (has_no_picture || is_blind) {
            self.ask_for_key_frame();
        }
    }

    /// Leaves out pictures that no run can begin with, so that the key frame behind them is next.
    fn drop_undecodable(&mut self) {
        if self.media_types == MediaTypes::None {
            return;
        }
        // What was on its way when the first pictures were recorded.
        while self
            .video
            .head()
            .is_some_and(|unit| !self.may_show(unit.codec))
        {
            self.video.pop();
        }
        if self.muxer.has_run() {
            return;
        }
        while let Some(unit) = self.video.head()
            && unit.picture.key_format.is_none()
        {
            self.video.pop();
            let reason = DropReason::AwaitsKeyFrame;
            self.drops.count(MediaKind::Video, reason, 1);
            self.ask_for_key_frame();
        }
    }

    /// Whether the sound that is next is on another clock than that of the run.
    fn ends_run_with_sound(&self) -> bool {
        self.muxer.has_heard() && self.audio.head().is_some_and(|unit| unit.begins_clock)
    }

    /// Whether nothing is left but a moment of sound behind the last picture, which would be a part of its own.
    fn is_scrap(&self) -> bool {
        let waits = self.has_shown && !self.muxer.has_run() && self.video.head().is_none();
        waits && self.audio.ready_us() < SCRAP_US
    }

    fn drop_sound(&mut self) {
        while self.audio.pop().is_some() {
            let reason = DropReason::AwaitsKeyFrame;
            self.drops.count(MediaKind::Audio, reason, 1);
        }
    }

    /// What is recorded becomes a segment if nothing has come for so long that whatever comes is behind a discontinuity: a crash must not
    /// cost it.
    fn close_if_away(&mut self) {
        let newest = self.audio.pushed_us().max(self.video.pushed_us());
        let is_away =
            |pushed: u64| self.now_us.saturating_sub(pushed) > HOLE_MAX_US + REORDER_WINDOW_US;
        if self.muxer.has_run() && newest.is_some_and(is_away) {
            self.work(true);
            self.with_context(|muxer, cx| muxer.end_run(None, cx));
        }
    }

    /// What sender reports say of sound and pictures.
    fn relate(&mut self) {
        let (Some(audio), Some(video)) = (self.audio.reports(), self.video.reports()) else {
            return;
        };
        self.relation.take(audio, video);
        if !self.muxer.has_run() {
            self.relation.jump();
        }
        let lacks = self.audio.lacks_reports(self.now_us) || self.video.lacks_reports(self.now_us);
        let are_of_ingest = audio.are_of_ingest() || video.are_of_ingest();
        self.notes
            .on_reports(lacks, self.relation.has_lied(), are_of_ingest);
    }

    /// Which kind is next in time; `None` while the other kind may still have something earlier.
    fn next_kind(&self, must: bool) -> Option<MediaKind> {
        let audio = self.audio.head().map(|unit| unit.place.us(AUDIO_TIMESCALE));
        let video = self.video.head().map(|unit| self.video_us(unit));
        let (kind, at, queued, is_full) = match (audio, video) {
            (Some(audio), Some(video)) if audio <= video => return Some(MediaKind::Audio),
            (Some(_), Some(_)) => return Some(MediaKind::Video),
            (Some(at), None) => (
                MediaKind::Audio,
                at,
                self.audio.head()?.queued_us,
                self.audio.is_full(),
            ),
            (None, Some(at)) => (
                MediaKind::Video,
                at,
                self.video.head()?.queued_us,
                self.video.is_full(),
            ),
            (None, None) => return None,
        };
        let other = match kind {
            MediaKind::Audio => MediaKind::Video,
            MediaKind::Video => MediaKind::Audio,
        };
        let has_waited = self.now_us.saturating_sub(queued) >= self.patience_us(other);
        let is_first = must || is_full || has_waited || !self.may_have_earlier(other, at);
        is_first.then_some(kind)
    }

    /// How long the other kind is waited for, at most, by what has its time.
    fn patience_us(&self, other: MediaKind) -> u64 {
        let begins_with_pictures =
            other == MediaKind::Video && self.awaits_pictures() && !self.muxer.has_run();
        match (begins_with_pictures, self.has_shown) {
            (true, false) => PICTURES_WAIT_US,
            (true, true) if !self.comes(MediaKind::Video) => AWAY_US,
            _ => STALL_US,
        }
    }

    /// Whether media of this kind from before `at_us` may still come.
    fn may_have_earlier(&self, kind: MediaKind, at_us: i64) -> bool {
        let (pushed, frontier) = match kind {
            MediaKind::Audio => (self.audio.pushed_us(), self.audio.frontier_us()),
            MediaKind::Video => {
                let frontier = self.video.frontier_us();
                (
                    self.video.pushed_us(),
                    frontier.map(|us| us.saturating_sub(self.relation.us())),
                )
            }
        };
        if !self.is_recorded(kind) || self.media_types == MediaTypes::None {
            return false;
        }
        let begins_with_pictures =
            kind == MediaKind::Video && self.awaits_pictures() && !self.muxer.has_run();
        if begins_with_pictures && self.video.head().is_none() {
            return true;
        }
        if pushed.is_none() {
            let since = self.since_us.unwrap_or(self.now_us);
            return self.now_us.saturating_sub(since) < OTHER_KIND_US;
        }
        self.comes(kind) && frontier.is_none_or(|frontier| frontier < at_us)
    }

    /// Where a picture is on the server's clock, as sender reports relate it to sound.
    fn video_us(&self, unit: &VideoUnit) -> i64 {
        unit.place
            .us(VIDEO_TIMESCALE)
            .saturating_sub(self.relation.us())
    }

    fn mux_audio(&mut self) {
        if let Some(unit) = self.audio.pop() {
            self.tracks.sound = true;
            let at_us = unit.place.us(AUDIO_TIMESCALE);
            let ahead = self.ahead(at_us);
            self.with_context(|muxer, cx| {
                cx.ahead = ahead;
                muxer.audio(unit, at_us, cx);
            });
        }
    }

    fn mux_video(&mut self) {
        let Some(unit) = self.video.pop() else {
            return;
        };
        let at_us = self.video_us(&unit);
        self.take_picture(&unit, at_us);
        if self.media_types != MediaTypes::None {
            self.tracks.pictures = Some(unit.codec);
            self.shown = Some(unit.codec);
            self.has_shown = true;
            let offset_us = unit.place.offset_us.saturating_sub(self.relation.us());
            self.with_context(|muxer, cx| muxer.video(unit, offset_us, at_us, cx));
        }
    }

    fn take_picture(&mut self, unit: &VideoUnit, at_us: i64) {
        let Some(format) = unit
            .picture
            .key_format
            .as_ref()
            .filter(|_| self.wants_picture)
        else {
            return;
        };
        self.wants_picture = false;
        self.put(Output::Picture(Picture {
            codec: unit.codec,
            bytes: format.stream_of(&unit.picture.data),
            rotation_degrees: format.rotation_degrees(),
            utc_us: self.anchor.utc_us_at(at_us),
        }));
    }

    fn with_context(&mut self, call: impl FnOnce(&mut Muxer, &mut Context<'_>)) {
        let tracks = self.tracks_of_a_run();
        let mut cx = Context {
            has_sound: self.comes(MediaKind::Audio),
            outputs: &mut self.outputs,
            drops: &mut self.drops,
            tracks,
            ahead: None,
            wants_key_frame: false,
        };
        call(&mut self.muxer, &mut cx);
        if cx.wants_key_frame {
            self.ask_for_key_frame();
        }
        if self.muxer.has_run() {
            self.tracks = self.tracks_of_a_run();
        }
    }

    /// The key frame with which pictures begin, where sound at `sound_us` begins a run and they follow soon.
    fn ahead(&self, sound_us: i64) -> Option<Ahead> {
        let unit = self.video.head().filter(|_| !self.muxer.has_run())?;
        let wait_us = self.video_us(unit).saturating_sub(sound_us);
        let is_soon = u64::try_from(wait_us).is_ok_and(|us| us <= PICTURES_WAIT_US + STALL_US);
        let format = unit.picture.key_format.clone().filter(|_| is_soon)?;
        let data = unit.picture.data.clone();
        Some(Ahead { format, data })
    }

    fn ask_for_key_frame(&mut self) {
        let is_due = |asked: u64| self.now_us.saturating_sub(asked) >= KEY_FRAME_REQUEST_US;
        if self.asked_us.is_none_or(is_due) {
            self.asked_us = Some(self.now_us);
            self.put(Output::WantKeyFrame);
        }
    }

    fn tell_drops(&mut self, must: bool) {
        if !must && self.now_us.saturating_sub(self.drops_told_us) < DROPS_TOLD_US {
            return;
        }
        self.drops_told_us = self.now_us;
        let dropped: Vec<_> = self.drops.take().collect();
        for dropped in dropped {
            self.put(Output::Dropped(dropped));
        }
    }

    /// Puts an output that may be lacking, within its bound.
    fn put(&mut self, output: Output) {
        if self.outputs.len() < OUTPUTS_MAX {
            self.outputs.push_back(output);
        }
    }
}
