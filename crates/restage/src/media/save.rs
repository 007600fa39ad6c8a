//! Saves received media in files for players: `.h264` or `.ivf`, and `.ogg`.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use restage_client::{Codec, EncodedFrame, TrackKind};
use restage_codec::{av1, h264, vp8, vp9};

use crate::exit::Failure;
use crate::media::{ivf, ogg_opus};

/// Extensions that are removed from the name, because the received codec determines the extension.
const ENDINGS: [&str; 5] = ["h264", "264", "ivf", "ogg", "opus"];

/// Writes frames as they arrive. A file is created with its first frame.
pub(crate) struct Recorder {
    base: PathBuf,
    may_overwrite: bool,
    video: Option<Video>,
    audio: Option<ogg_opus::Writer<BufWriter<File>>>,
    saved: Vec<PathBuf>,
    first_time: Option<std::time::Duration>,
}

enum Video {
    /// A byte stream has no container.
    ByteStream(BufWriter<File>),
    Ivf(ivf::Writer<BufWriter<File>>),
}

impl Recorder {
    /// Files will be called `name` with an extension. Fails at once if one of them exists already.
    pub(crate) fn new(name: &Path, may_overwrite: bool) -> anyhow::Result<Self> {
        let is_known = |ending: &str| ENDINGS.contains(&ending);
        let base = match name.extension().and_then(|ending| ending.to_str()) {
            Some(ending) if is_known(ending) => name.with_extension(""),
            _ => name.to_owned(),
        };
        let made = Self {
            base,
            may_overwrite,
            video: None,
            audio: None,
            saved: Vec::new(),
            first_time: None,
        };
        for ending in ["h264", "ivf", "ogg"] {
            let path = made.path(ending);
            if !may_overwrite && path.exists() {
                return Err(there_already(&path));
            }
        }
        if let Some(dir) = made
            .base
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty() && !dir.is_dir())
        {
            return Err(Failure::usage(format!("there is no directory {}", dir.display())).into());
        }
        Ok(made)
    }

    fn path(&self, ending: &str) -> PathBuf {
        let mut name = self.base.clone().into_os_string();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    }

    /// Adds a frame. Pictures before the first key frame are left out, because they cannot be decoded.
    pub(crate) fn write(&mut self, frame: &EncodedFrame) -> anyhow::Result<()> {
        match frame.codec.kind() {
            TrackKind::Audio => self.write_audio(frame),
            TrackKind::Video => self.write_video(frame),
        }
        .with_context(|| format!("cannot write to the files {}.*", self.base.display()))
    }

    fn write_audio(&mut self, frame: &EncodedFrame) -> anyhow::Result<()> {
        if self.audio.is_none() {
            self.audio = Some(ogg_opus::Writer::new(self.create("ogg")?)?);
        }
        if let Some(audio) = &mut self.audio {
            audio.write(frame.time, &frame.data)?;
        }
        Ok(())
    }

    fn write_video(&mut self, frame: &EncodedFrame) -> anyhow::Result<()> {
        if self.video.is_none() {
            self.video = self.begin_video(frame)?;
        }
        match &mut self.video {
            Some(Video::ByteStream(file)) => file.write_all(&frame.data)?,
            Some(Video::Ivf(writer)) => {
                let first = *self.first_time.get_or_insert(frame.time);
                writer.write(frame.time.saturating_sub(first), &frame.data)?;
            }
            None => {}
        }
        Ok(())
    }

    fn begin_video(&mut self, frame: &EncodedFrame) -> anyhow::Result<Option<Video>> {
        if !frame.is_key_frame {
            return Ok(None);
        }
        if frame.codec == Codec::H264 {
            if h264::annexb::picture_size(&frame.data).is_none() {
                return Ok(None);
            }
            return Ok(Some(Video::ByteStream(self.create("h264")?)));
        }
        // Players read the size from the stream; the one in the header is for tools that list files.
        let size = match frame.codec {
            Codec::Vp8 => vp8::picture_size(&frame.data),
            Codec::Vp9 => vp9::picture_size(&frame.data),
            Codec::Av1 => av1::picture_size(&frame.data),
            _ => None,
        };
        let size = size.map_or((0, 0), |size| (size.width, size.height));
        let file = self.create("ivf")?;
        Ok(Some(Video::Ivf(ivf::Writer::new(file, frame.codec, size)?)))
    }

    fn create(&mut self, ending: &str) -> anyhow::Result<BufWriter<File>> {
        let path = self.path(ending);
        let mut options = OpenOptions::new();
        options.write(true);
        match self.may_overwrite {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        let file = match options.open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(there_already(&path));
            }
            opened => opened.with_context(|| format!("cannot write {}", path.display()))?,
        };
        self.saved.push(path);
        Ok(BufWriter::new(file))
    }

    /// Completes the files and returns their names.
    pub(crate) fn finish(mut self) -> anyhow::Result<Vec<PathBuf>> {
        let problem = || format!("cannot complete the files {}.*", self.base.display());
        match self.video {
            Some(Video::ByteStream(mut file)) => file.flush().with_context(problem)?,
            Some(Video::Ivf(writer)) => writer.finish().map(drop).with_context(problem)?,
            None => {}
        }
        if let Some(audio) = self.audio {
            audio.finish().map(drop).with_context(problem)?;
        }
        // Video before audio, whichever arrived first.
        self.saved.sort();
        Ok(self.saved)
    }
}

fn there_already(path: &Path) -> anyhow::Error {
    Failure::usage(format!("{} is there already", path.display()))
        .advise("another name, or --overwrite")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    use crate::media::Source as _;
    use crate::media::files::{Files, Reading};

    fn frame(codec: Codec, millis: u64, is_key_frame: bool, data: &[u8]) -> EncodedFrame {
        let time = Duration::from_millis(millis);
        EncodedFrame {
            codec,
            time,
            is_key_frame,
            data: Arc::from(data),
        }
    }

    const KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];

    #[test]
    fn pictures_begin_with_a_key_frame_and_times_with_zero() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("seen.v1.ivf");
        let mut recorder = Recorder::new(&name, false).unwrap();
        recorder
            .write(&frame(Codec::Vp8, 4_000, false, &[1]))
            .unwrap();
        recorder
            .write(&frame(Codec::Vp8, 5_000, true, &KEY))
            .unwrap();
        recorder
            .write(&frame(Codec::Vp8, 5_040, false, &[1, 2]))
            .unwrap();
        recorder
            .write(&frame(Codec::Opus, 900, true, &[0b1111_1000, 1]))
            .unwrap();
        let saved = recorder.finish().unwrap();
        assert_eq!(
            saved,
            [
                dir.path().join("seen.v1.ivf"),
                dir.path().join("seen.v1.ogg")
            ]
        );
        let mut files = Files::open(&saved, Reading::default()).unwrap();
        let mut times = Vec::new();
        while let Some(frame) = files.next_frame().unwrap() {
            times.push((frame.codec, frame.time.as_millis()));
        }
        assert_eq!(times, [(Codec::Vp8, 0), (Codec::Opus, 0), (Codec::Vp8, 40)]);
        // The same name again is refused, unless overwriting is allowed.
        let error = Recorder::new(&name, false).err().unwrap();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert!(Recorder::new(&name, true).is_ok());
    }

    #[test]
    fn a_missing_directory_is_seen_before_anything_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Recorder::new(&dir.path().join("no/such"), false).is_err());
    }
}
