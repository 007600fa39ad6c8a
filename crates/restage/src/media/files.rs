//! Files to publish: at most one of video and one of audio, played together.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use restage_client::{Codec, EncodedFrame, TrackKind};

use crate::exit::Failure;
use crate::media::{Source, annexb, ivf, ogg_opus};

/// Between the last frame and the first one of the next round, for a file of a single frame.
const FRAME_LENGTH_DEFAULT: Duration = Duration::from_millis(33);

/// Options for reading files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// For H.264, overrides the frame rate in the stream.
    pub(crate) frame_rate: Option<f64>,
    /// Start again at the end.
    pub(crate) is_looped: bool,
}

/// The frames of files, in order of their time.
pub(crate) struct Files {
    tracks: Vec<Track>,
    reading: Reading,
    /// Added to the times in the files: the duration of the previous rounds.
    offset: Duration,
}

struct Track {
    path: PathBuf,
    codec: Codec,
    source: Box<dyn Source>,
    next: Option<EncodedFrame>,
    /// Time of the frame before `next`.
    last: Option<Duration>,
    /// Where the track ends: its last frame's time and about that frame's length.
    end: Duration,
}

impl Files {
    /// Opens files; their format is detected from the first bytes.
    pub(crate) fn open(paths: &[PathBuf], reading: Reading) -> anyhow::Result<Self> {
        let mut tracks: Vec<Track> = Vec::new();
        for path in paths {
            let track = Track::open(path, reading)?;
            if let Some(same) = tracks
                .iter()
                .find(|other| other.codec.kind() == track.codec.kind())
            {
                let (a, b) = (same.path.display(), path.display());
                let kind = track.codec.kind();
                return Err(Failure::usage(format!("{a} and {b} are both {kind}"))
                    .advise("one file of pictures and one of sound")
                    .into());
            }
            track.look_through()?;
            tracks.push(track);
        }
        Ok(Self {
            tracks,
            reading,
            offset: Duration::ZERO,
        })
    }

    /// The codec of the video or the audio.
    pub(crate) fn codec(&self, kind: TrackKind) -> Option<Codec> {
        self.tracks
            .iter()
            .map(|track| track.codec)
            .find(|codec| codec.kind() == kind)
    }

    fn rewind(&mut self) -> anyhow::Result<()> {
        let end = self
            .tracks
            .iter()
            .map(|track| track.end)
            .max()
            .unwrap_or_default();
        self.offset += end;
        for track in &mut self.tracks {
            *track = Track::open(&track.path, self.reading)?;
        }
        Ok(())
    }
}

impl Source for Files {
    fn next_frame(&mut self) -> anyhow::Result<Option<EncodedFrame>> {
        if self.reading.is_looped && self.tracks.iter().all(|track| track.next.is_none()) {
            self.rewind()?;
        }
        let waiting = self.tracks.iter_mut().filter(|track| track.next.is_some());
        let Some(track) = waiting.min_by_key(|track| track.next.as_ref().map(|frame| frame.time))
        else {
            return Ok(None);
        };
        let Some(mut frame) = track.take()? else {
            return Ok(None);
        };
        frame.time += self.offset;
        Ok(Some(frame))
    }
}

impl Track {
    fn open(path: &Path, reading: Reading) -> anyhow::Result<Self> {
        explained(path, || Self::begin(path, reading))
    }

    fn begin(path: &Path, reading: Reading) -> anyhow::Result<Self> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(Failure::usage("it is a directory").into());
        }
        if about.is_file() && about.len() == 0 {
            return Err(Failure::usage("it is empty").into());
        }
        let mut head = [0; 4];
        // A shorter file has none of the formats.
        file.read_exact(&mut head).map_err(|_| unknown())?;
        file.seek(SeekFrom::Start(0))?;
        let file = BufReader::new(file);
        let mut source: Box<dyn Source> = match &head {
            ivf::SIGNATURE => Box::new(ivf::Reader::new(file)?),
            ogg_opus::SIGNATURE => Box::new(ogg_opus::Reader::new(file)?),
            [0, 0, 1, _] | [0, 0, 0, 0 | 1] => {
                Box::new(annexb::Reader::new(file, reading.frame_rate))
            }
            _ => return Err(unknown()),
        };
        let first = source.next_frame()?.context("there is nothing in it")?;
        Ok(Self {
            path: path.to_owned(),
            codec: first.codec,
            source,
            end: first.time + FRAME_LENGTH_DEFAULT,
            last: None,
            next: Some(first),
        })
    }

    /// Checks a file beyond its beginning for what cannot be published; not a pipe, which can be read only once.
    fn look_through(&self) -> anyhow::Result<()> {
        if self.codec != Codec::H264 || !self.path.is_file() {
            return Ok(());
        }
        explained(&self.path, || annexb::look_through(File::open(&self.path)?))
    }

    fn take(&mut self) -> anyhow::Result<Option<EncodedFrame>> {
        let following = self
            .source
            .next_frame()
            .with_context(|| format!("cannot read on in {}", self.path.display()))?;
        let taken = std::mem::replace(&mut self.next, following);
        if let Some(frame) = &taken {
            let length = self
                .last
                .map_or(FRAME_LENGTH_DEFAULT, |last| frame.time.saturating_sub(last));
            self.end = frame.time + length;
            self.last = Some(frame.time);
        }
        Ok(taken)
    }
}

/// Adds the file's name to an error and marks it as a usage error, because the user chose the file.
fn explained<T>(path: &Path, read: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    read().map_err(|error| {
        let problem = format!("cannot publish {}", path.display());
        match error.downcast::<Failure>() {
            Ok(failure) => anyhow::Error::new(failure).context(problem),
            Err(error) => Failure::usage(format!("{problem}: {error:#}")).into(),
        }
    })
}

fn unknown() -> anyhow::Error {
    Failure::usage("it is neither IVF nor an H.264 byte stream nor Ogg")
        .advise("ffmpeg -i FILE -an -c:v libx264 -profile:v baseline -bf 0 -pix_fmt yuv420p out.h264 -vn -c:a libopus out.ogg")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];

    /// Three pictures of 100 ms and five packets of 20 ms.
    fn files(dir: &Path) -> [PathBuf; 2] {
        let (video, audio) = (dir.join("a.ivf"), dir.join("a.ogg"));
        let mut writer =
            ivf::Writer::new(File::create(&video).unwrap(), Codec::Vp8, (640, 360)).unwrap();
        for count in 0..3 {
            writer
                .write(Duration::from_millis(100) * count, &KEY)
                .unwrap();
        }
        writer.finish().unwrap();
        let mut writer = ogg_opus::Writer::new(File::create(&audio).unwrap()).unwrap();
        for count in 0..5 {
            writer
                .write(Duration::from_millis(20) * count, &[0b1111_1000, 0])
                .unwrap();
        }
        writer.finish().unwrap();
        [video, audio]
    }

    fn times(files: &mut Files, count: usize) -> Vec<(TrackKind, u128)> {
        let next = |_| files.next_frame().unwrap();
        let frames = (0..count).map_while(next);
        frames
            .map(|frame| (frame.codec.kind(), frame.time.as_millis()))
            .collect()
    }

    #[test]
    fn frames_come_in_order_of_time() {
        use TrackKind::{Audio, Video};
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::open(&files(dir.path()), Reading::default()).unwrap();
        assert_eq!(files.codec(Video), Some(Codec::Vp8));
        assert_eq!(files.codec(Audio), Some(Codec::Opus));
        let expected = [
            (Video, 0),
            (Audio, 0),
            (Audio, 20),
            (Audio, 40),
            (Audio, 60),
            (Audio, 80),
            (Video, 100),
            (Video, 200),
        ];
        assert_eq!(times(&mut files, 20), expected);
    }

    #[test]
    fn a_loop_goes_on_where_the_longest_file_ended() {
        let dir = tempfile::tempdir().unwrap();
        let reading = Reading {
            is_looped: true,
            ..Reading::default()
        };
        let mut files = Files::open(&files(dir.path()), reading).unwrap();
        let round = times(&mut files, 8);
        for count in 1..4_u128 {
            let shifted: Vec<_> = round
                .iter()
                .map(|(kind, time)| (*kind, time + 300 * count))
                .collect();
            assert_eq!(times(&mut files, 8), shifted);
        }
    }

    #[test]
    fn files_that_cannot_be_published_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let [video, _] = files(dir.path());
        let message = |paths: &[PathBuf]| {
            format!(
                "{:#}",
                Files::open(paths, Reading::default()).err().unwrap()
            )
        };
        let again = dir.path().join("b.ivf");
        std::fs::copy(&video, &again).unwrap();
        assert!(message(&[video, again]).contains("are both video"));
        let other = dir.path().join("x.mp4");
        std::fs::write(&other, b"\0\0\0\x20ftypisom").unwrap();
        assert!(message(std::slice::from_ref(&other)).contains("x.mp4: it is neither IVF"));
        std::fs::write(&other, b"").unwrap();
        assert!(message(&[other]).contains("x.mp4: it is empty"));
        assert!(message(&[dir.path().to_owned()]).contains("it is a directory"));
        assert!(message(&[dir.path().join("none")]).contains("No such file"));
    }
}
