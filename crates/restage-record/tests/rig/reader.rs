//! Reads segments back, as a player does.

use mp4_atom::{Any, DecodeMaybe, Moof};
use restage_record::{Output, Recorder};

/// A sample of a track. Times are in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) at_us: f64,
    pub(crate) duration_us: f64,
    pub(crate) data: Vec<u8>,
    pub(crate) segment: u64,
    pub(crate) is_sync: bool,
}

/// What was recorded.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) outputs: Vec<Output>,
    pub(crate) video: Vec<Sample>,
    pub(crate) audio: Vec<Sample>,
}

pub(crate) const VIDEO: u32 = 1;
pub(crate) const AUDIO: u32 = 2;

impl Recording {
    /// Takes all outputs of a recorder. Answers whether a key frame is asked for.
    pub(crate) fn take(&mut self, recorder: &mut Recorder) -> bool {
        let mut wants_key_frame = false;
        while let Some(output) = recorder.poll() {
            match &output {
                Output::WantKeyFrame => wants_key_frame = true,
                Output::Segment(segment) => self.read(&segment.bytes, segment.entry.number),
                _ => {}
            }
            self.outputs.push(output);
        }
        wants_key_frame
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &restage_record::Segment> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Segment(segment) => Some(segment),
            _ => None,
        })
    }

    pub(crate) fn inits(&self) -> impl Iterator<Item = &restage_record::Init> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Init(init) => Some(init),
            _ => None,
        })
    }

    /// The formats of each init.
    pub(crate) fn codecs(&self) -> Vec<Vec<String>> {
        self.inits().map(|init| init.entry.codecs.clone()).collect()
    }

    /// Lengths of segments in seconds, to the nearest tenth.
    pub(crate) fn lengths(&self) -> Vec<f64> {
        let tenths = |us: u64| (us as f64 / 1e5).round() / 10.0;
        self.segments()
            .map(|segment| tenths(segment.entry.duration_us))
            .collect()
    }

    pub(crate) fn notes(&self) -> Vec<&str> {
        let note = |output: &Output| match output {
            Output::Note(note) => Some(*note),
            _ => None,
        };
        self.outputs.iter().filter_map(note).collect()
    }

    /// How many segments follow a discontinuity.
    pub(crate) fn discontinuities(&self) -> usize {
        self.segments()
            .filter(|segment| segment.entry.discontinuity)
            .count()
    }

    fn read(&mut self, bytes: &[u8], number: u64) {
        let (mut rest, mut at) = (bytes, 0);
        while let Some(atom) = Any::decode_maybe(&mut rest).expect("boxes") {
            if let Any::Moof(moof) = &atom {
                self.read_moof(bytes, at, moof, number);
            }
            at = bytes.len() - rest.len();
        }
        assert!(rest.is_empty(), "bytes behind the last box");
    }

    fn read_moof(&mut self, bytes: &[u8], start: usize, moof: &Moof, number: u64) {
        for traf in &moof.traf {
            let (track, scale) = match traf.tfhd.track_id {
                VIDEO => (&mut self.video, 90_000.0),
                _ => (&mut self.audio, 48_000.0),
            };
            let mut time = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time;
            let trun = &traf.trun[0];
            let mut place = start + trun.data_offset.expect("offset") as usize;
            for entry in trun.samples.iter() {
                let (size, duration) = (entry.size.unwrap() as usize, entry.duration.unwrap());
                track.push(Sample {
                    at_us: time as f64 * 1e6 / scale,
                    duration_us: f64::from(duration) * 1e6 / scale,
                    data: bytes[place..place + size].to_vec(),
                    segment: number,
                    is_sync: entry.flags.is_none_or(|flags| flags & 0x1_0000 == 0),
                });
                place += size;
                time += u64::from(duration);
            }
        }
    }
}
