//! What one start of a recording has captured and has not written yet, and whether it has really begun.

use std::collections::VecDeque;
use std::sync::Arc;

use restage_media::{Codec, Format, MediaKind};
use restage_record::limits::PICTURES_WAIT_US;
use restage_record::{
    Init, MediaTypes, Output, Packet, Picture, Recorder, RecorderConfig, Segment,
};

use super::figures::Figures;
use super::intake::Intake;
use crate::media::Tapped;

/// Bytes of inits and segments that wait for the disk. Beyond them the tap is not read, so that its own bound holds.
const WORK_BYTES_MAX: usize = 16 << 20;
/// Notes that wait for the disk. What is beyond them has been said already.
const NOTES_MAX: usize = 64;

/// Something for the spool.
#[derive(Debug)]
pub(super) enum Work {
    /// The recording begins, or goes on: UTC in microseconds since 1970, and the document that says so if it is the first time.
    Started {
        utc_us: i64,
        document: Option<Vec<u8>>,
    },
    Init(Init),
    Segment(Segment),
    /// A file at a path below the prefix.
    Thumbnail {
        path: String,
        jpeg: Arc<Vec<u8>>,
    },
    Note(String),
}

/// Whether there is something to record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Nothing has come that says so.
    Waiting,
    /// Media comes that can be recorded.
    Recordable,
    /// The pictures cannot be recorded, and nothing else has been.
    Refused(Codec),
}

/// The recorder with what goes in and comes out.
#[derive(Debug)]
pub(super) struct Capture {
    recorder: Recorder,
    intake: Intake,
    media_types: MediaTypes,
    standing: Standing,
    /// When the first packet was taken, by the media plane's clock.
    first_us: Option<u64>,
    /// What the publisher may send.
    formats: Arc<[Arc<Format>]>,
    work: VecDeque<Work>,
    work_bytes: usize,
    wants_key_frame: bool,
    /// The newest key frame that was wanted for a thumbnail.
    picture: Option<Picture>,
    figures: Figures,
}

impl Capture {
    pub(super) fn new(config: RecorderConfig, figures: Figures) -> Self {
        Self {
            recorder: Recorder::new(config),
            intake: Intake::default(),
            media_types: config.media_types,
            standing: match config.resumed {
                Some(_) => Standing::Recordable,
                None => Standing::Waiting,
            },
            first_us: None,
            formats: Arc::default(),
            work: VecDeque::new(),
            work_bytes: 0,
            wants_key_frame: false,
            picture: None,
            figures,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// When the first packet was taken, by the media plane's clock.
    pub(super) fn first_us(&self) -> Option<u64> {
        self.first_us
    }

    /// Whether more may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.work_bytes < WORK_BYTES_MAX
    }

    /// Whether the publisher is to be asked for a key frame, which is said once.
    pub(super) fn take_key_frame_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_key_frame)
    }

    /// The next key frame becomes a [`Picture`].
    pub(super) fn want_picture(&mut self, now_us: u64) {
        self.recorder.want_picture(now_us);
        self.collect();
    }

    /// The key frame that was wanted, once.
    pub(super) fn take_picture(&mut self) -> Option<Picture> {
        self.picture.take()
    }

    /// Adds a thumbnail to what waits for the disk.
    pub(super) fn thumbnail(&mut self, paths: Vec<String>, jpeg: Vec<u8>) {
        let jpeg = Arc::new(jpeg);
        for path in paths {
            self.work_bytes += jpeg.len();
            let jpeg = jpeg.clone();
            self.work.push_back(Work::Thumbnail { path, jpeg });
        }
    }

    /// Takes packets of the tap.
    pub(super) fn take(&mut self, now_us: u64, tapped: Tapped) {
        self.figures.missed(tapped.missed.packets);
        if !Arc::ptr_eq(&self.formats, &tapped.formats) {
            self.formats = tapped.formats;
            let codecs = self.formats.iter().map(|format| format.codec());
            self.recorder.expect(codecs);
        }
        for packet in tapped.packets {
            let packet = self.intake.take(packet);
            self.push(now_us, packet);
        }
    }

    /// Takes a packet.
    pub(super) fn push(&mut self, now_us: u64, packet: Packet) {
        let kind = packet.kind();
        self.first_us.get_or_insert(now_us);
        self.recorder.push(now_us, packet);
        self.collect();
        if kind == MediaKind::Video || !self.may_have_pictures() {
            self.settle();
        }
    }

    /// Whether pictures may come that are recorded, as far as is known.
    fn may_have_pictures(&self) -> bool {
        let is_video = |format: &Arc<Format>| format.codec().kind() == MediaKind::Video;
        let may_come = self.formats.is_empty() || self.formats.iter().any(is_video);
        may_come && self.media_types != MediaTypes::AudioOnly
    }

    /// Does what is due. Sound alone is waited with: the codec of pictures decides whether there can be a recording.
    pub(super) fn tick(&mut self, now_us: u64) {
        self.recorder.tick(now_us);
        self.collect();
        let is_sound_alone = |first: u64| now_us >= first.saturating_add(PICTURES_WAIT_US);
        if self.first_us.is_some_and(is_sound_alone) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        if self.standing == Standing::Waiting {
            self.standing = Standing::Recordable;
        }
    }

    pub(super) fn set_paused(&mut self, now_us: u64, is_paused: bool) {
        match is_paused {
            true => self.recorder.pause(now_us),
            false => self.recorder.resume(now_us),
        }
        self.collect();
    }

    /// Another tap begins, or none does.
    pub(super) fn source_gone(&mut self, now_us: u64) {
        self.recorder.source_gone(now_us);
        self.intake.restart();
        self.formats = Arc::default();
        self.collect();
    }

    pub(super) fn finish(&mut self, now_us: u64) {
        self.recorder.finish(now_us);
        self.collect();
    }

    /// Length of what is recorded, in milliseconds.
    pub(super) fn duration_ms(&self) -> u64 {
        self.recorder.duration_us() / 1_000
    }

    /// A sentence for `recording_status_message`.
    pub(super) fn note(&mut self, message: &str) {
        let notes = self
            .work
            .iter()
            .filter(|work| matches!(work, Work::Note(_)));
        if notes.count() < NOTES_MAX {
            self.work.push_back(Work::Note(message.to_owned()));
        }
    }

    /// Puts something before everything that waits for the disk.
    pub(super) fn put_first(&mut self, work: Work) {
        self.work.push_front(work);
    }

    pub(super) fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// Everything that waits for the disk, in the order in which it is to be written.
    pub(super) fn take_work(&mut self) -> VecDeque<Work> {
        self.work_bytes = 0;
        std::mem::take(&mut self.work)
    }

    fn collect(&mut self) {
        while let Some(output) = self.recorder.poll() {
            match output {
                Output::Init(init) => {
                    self.work_bytes += init.bytes.len();
                    self.work.push_back(Work::Init(init));
                }
                Output::Segment(segment) => {
                    self.work_bytes += segment.bytes.len();
                    self.work.push_back(Work::Segment(segment));
                }
                Output::Picture(picture) => self.picture = Some(picture),
                Output::WantKeyFrame => self.wants_key_frame = true,
                Output::Dropped(dropped) => self.figures.dropped(&dropped),
                Output::Note(message) => self.note(message),
                Output::Refused { codec, began_with } => self.refuse(codec, began_with),
            }
        }
    }

    /// Where nothing was recordable before, the recording cannot begin; later, sound goes on.
    fn refuse(&mut self, codec: Codec, began_with: Option<Codec>) {
        if self.media_types == MediaTypes::None {
            // Pictures are not recorded in any case; they only make no thumbnails.
            self.settle();
            return self.note(&no_thumbnails_of(codec));
        }
        match self.standing {
            Standing::Waiting => self.standing = Standing::Refused(codec),
            Standing::Refused(_) => {}
            Standing::Recordable => self.note(&left_out(codec, began_with)),
        }
    }
}

/// Why pictures of this codec are left out: a sentence for people.
fn left_out(codec: Codec, began_with: Option<Codec>) -> String {
    let codec = codec.name();
    match began_with {
        None => format!(
            "The pictures are encoded as {codec}, which cannot be recorded; sound is recorded alone."
        ),
        Some(first) => format!(
            "The pictures are encoded as {codec} and the recording began with {}, after which most players show no other; they are black.",
            first.name()
        ),
    }
}

/// Why there are no thumbnails of pictures of this codec: a sentence for people.
pub(super) fn no_thumbnails_of(codec: Codec) -> String {
    format!(
        "Thumbnails are made of H.264 alone; there are none while pictures are encoded as {}.",
        codec.name()
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use restage_media::{Encoding, Format, MediaPacket};
    use restage_record::Anchor;

    use super::*;
    use crate::media::Missed;

    fn capture(media_types: MediaTypes) -> Capture {
        let config = RecorderConfig {
            media_types,
            segment_seconds: 2,
            anchor: Anchor {
                steady_us: 0,
                utc_us: 0,
            },
            resumed: None,
            may_return: false,
        };
        Capture::new(config, Figures::default())
    }

    fn packet(codec: Codec, number: u64, now_us: u64) -> MediaPacket {
        MediaPacket {
            kind: codec.kind(),
            encoding: Encoding {
                feed: 1,
                layer: 0,
                epoch: 0,
            },
            format: Arc::new(Format::new(codec, "").unwrap()),
            sequence: number,
            timestamp: number * 960,
            captured_us: now_us,
            arrived_us: now_us,
            report: None,
            marker: true,
            starts_key_frame: codec.kind() == MediaKind::Video,
            parameter_sets: None,
            payload: Arc::from(&[0x10, 0x00, 0x9d, 0x01, 0x2a][..]),
            audio_level: None,
            rotation_degrees: None,
        }
    }

    fn tapped(packets: Vec<MediaPacket>) -> Tapped {
        Tapped {
            packets,
            ..Tapped::default()
        }
    }

    #[test]
    fn pictures_that_cannot_be_recorded_are_refused_although_sound_came_first() {
        let mut capture = capture(MediaTypes::AudioVideo);
        capture.take(0, tapped(vec![packet(Codec::Opus, 0, 0)]));
        capture.tick(100_000);
        assert_eq!(capture.standing(), Standing::Waiting);
        capture.take(200_000, tapped(vec![packet(Codec::Vp8, 0, 200_000)]));
        assert_eq!(capture.standing(), Standing::Refused(Codec::Vp8));
        capture.tick(10_000_000);
        assert_eq!(capture.standing(), Standing::Refused(Codec::Vp8));
    }

    #[test]
    fn sound_alone_is_recordable_after_a_moment_and_at_once_where_it_is_all() {
        let mut both = capture(MediaTypes::AudioVideo);
        both.tick(5_000_000);
        assert_eq!(both.standing(), Standing::Waiting, "nothing has come");
        both.take(5_000_000, tapped(vec![packet(Codec::Opus, 0, 5_000_000)]));
        both.tick(5_000_000 + PICTURES_WAIT_US - 1);
        assert_eq!(both.standing(), Standing::Waiting);
        both.tick(5_000_000 + PICTURES_WAIT_US);
        assert_eq!(both.standing(), Standing::Recordable);
        // Pictures that come now cannot stop it.
        both.take(8_000_000, tapped(vec![packet(Codec::Vp8, 0, 8_000_000)]));
        assert_eq!(both.standing(), Standing::Recordable);
        let work = both.take_work();
        assert!(
            work.iter()
                .any(|work| matches!(work, Work::Note(note) if note.contains("sound"))),
            "{work:?}"
        );
        let mut sound = capture(MediaTypes::AudioOnly);
        sound.take(0, tapped(vec![packet(Codec::Opus, 0, 0)]));
        assert_eq!(sound.standing(), Standing::Recordable);
        for (codecs, expected) in [
            (vec![Codec::Opus], Standing::Recordable),
            (vec![Codec::Opus, Codec::H264], Standing::Waiting),
        ] {
            let mut agreed = capture(MediaTypes::AudioVideo);
            let formats = codecs.into_iter().map(|codec| Format::new(codec, ""));
            let tapped = Tapped {
                formats: formats.map(|format| Arc::new(format.unwrap())).collect(),
                ..tapped(vec![packet(Codec::Opus, 0, 0)])
            };
            agreed.take(0, tapped);
            assert_eq!(agreed.standing(), expected);
        }
    }

    #[test]
    fn where_no_media_is_recorded_no_codec_is_refused() {
        let mut capture = capture(MediaTypes::None);
        capture.take(0, tapped(vec![packet(Codec::Vp8, 0, 0)]));
        assert_eq!(capture.standing(), Standing::Recordable);
        let work = capture.take_work();
        assert!(
            work.iter()
                .any(|work| matches!(work, Work::Note(note) if note.contains("VP8"))),
            "{work:?}"
        );
    }

    #[test]
    fn what_is_missed_is_counted() {
        let mut capture = capture(MediaTypes::AudioVideo);
        let missed = Missed {
            packets: 7,
            bytes: 7_000,
        };
        let tapped = Tapped {
            missed,
            ..Tapped::default()
        };
        capture.take(0, tapped);
        assert_eq!(capture.figures.read().packets_missed, 7);
    }
}
