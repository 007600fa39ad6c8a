//! Inits: `ftyp` and `moov`, without media.

use mp4_atom::{
    Codec, Dinf, Dref, Encode, FourCC, Ftyp, Hdlr, Matrix, Mdhd, Mdia, Minf, Moov, Mvex, Mvhd,
    Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Vmhd,
};

use super::{AUDIO_TIMESCALE, AUDIO_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK, VideoFormat, entry};

/// Ticks per second of the movie itself, which has no length.
const MOVIE_TIMESCALE: u32 = 1_000;
/// 1 in the fixed-point numbers of a matrix, and in those of its last column.
const ONE: i32 = 1 << 16;
const ONE_OF_LAST_COLUMN: i32 = 1 << 30;
/// "Undetermined" (ISO 639-2).
const LANGUAGE: &str = "und";

/// The init of a track of pictures, a track of Opus, or both.
///
/// # Errors
///
/// A box is larger than its size field allows.
pub(crate) fn init(video: Option<&VideoFormat>, has_audio: bool) -> mp4_atom::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: [b"iso6", b"mp41"].map(FourCC::new).into(),
    };
    ftyp.encode(&mut bytes)?;
    let video = video.map(video_track);
    let tracks: Vec<Trak> = video
        .into_iter()
        .chain(has_audio.then(audio_track))
        .collect();
    let trex = |trak: &Trak| Trex {
        track_id: trak.tkhd.track_id,
        default_sample_description_index: 1,
        ..Trex::default()
    };
    let moov = Moov {
        mvhd: Mvhd {
            creation_time: 0,
            modification_time: 0,
            timescale: MOVIE_TIMESCALE,
            duration: 0,
            rate: 1.into(),
            volume: 1.into(),
            matrix: matrix(0, 0, 0),
            next_track_id: AUDIO_TRACK + 1,
        },
        mvex: Some(Mvex {
            mehd: None,
            trex: tracks.iter().map(trex).collect(),
        }),
        trak: tracks,
        ..Moov::default()
    };
    moov.encode(&mut bytes)?;
    Ok(bytes)
}

fn video_track(format: &VideoFormat) -> Trak {
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    let (width, height) = (side(format.size.width), side(format.size.height));
    let tkhd = Tkhd {
        track_id: VIDEO_TRACK,
        enabled: true,
        in_movie: true,
        matrix: matrix(format.rotation_degrees, width.into(), height.into()),
        width: width.into(),
        height: height.into(),
        ..Tkhd::default()
    };
    let minf = Minf {
        vmhd: Some(Vmhd::default()),
        ..minf(entry::video(format))
    };
    track(tkhd, VIDEO_TIMESCALE, b"vide", minf)
}

fn audio_track() -> Trak {
    let tkhd = Tkhd {
        track_id: AUDIO_TRACK,
        enabled: true,
        in_movie: true,
        alternate_group: 1,
        volume: 1.into(),
        matrix: matrix(0, 0, 0),
        ..Tkhd::default()
    };
    let minf = Minf {
        smhd: Some(Smhd::default()),
        ..minf(entry::opus())
    };
    track(tkhd, AUDIO_TIMESCALE, b"soun", minf)
}

fn track(tkhd: Tkhd, timescale: u32, handler: &[u8; 4], minf: Minf) -> Trak {
    Trak {
        tkhd,
        mdia: Mdia {
            mdhd: Mdhd {
                timescale,
                language: LANGUAGE.into(),
                ..Mdhd::default()
            },
            hdlr: Hdlr {
                handler: FourCC::new(handler),
                name: String::new(),
            },
            minf,
        },
        ..Trak::default()
    }
}

fn minf(entry: Codec) -> Minf {
    Minf {
        dinf: Dinf {
            dref: Dref {
                entries: vec![Url::default().into()],
            },
        },
        stbl: Stbl {
            stsd: Stsd {
                codecs: vec![entry],
            },
            // Where chunks are: of none, but the box must be there (ISO/IEC 14496-12 §8.7.5), and Firefox refuses an init
            // without it.
            stco: Some(Stco::default()),
            ..Stbl::default()
        },
        ..Minf::default()
    }
}

/// The matrix that turns pictures of this size clockwise (ISO/IEC 14496-12 §6.2.2), and moves them back to where they were.
fn matrix(degrees: u16, width: i32, height: i32) -> Matrix {
    let (a, b, c, d, x, y) = match degrees {
        90 => (0, ONE, -ONE, 0, height, 0),
        180 => (-ONE, 0, 0, -ONE, width, height),
        270 => (0, -ONE, ONE, 0, 0, width),
        _ => (ONE, 0, 0, ONE, 0, 0),
    };
    Matrix {
        a,
        b,
        u: 0,
        c,
        d,
        v: 0,
        x: x.saturating_mul(ONE),
        y: y.saturating_mul(ONE),
        w: ONE_OF_LAST_COLUMN,
    }
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Any, DecodeMaybe};

    use super::super::format::tests::h264_format;
    use super::*;

    fn moov(bytes: &[u8]) -> Moov {
        let mut rest = bytes;
        let mut found = None;
        while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
            if let Any::Moov(moov) = atom {
                found = Some(moov);
            }
        }
        found.unwrap()
    }

    #[test]
    fn tracks_are_there_as_they_are_asked_for() {
        let format = h264_format();
        for (video, has_audio, expected) in [
            (Some(&format), true, &[VIDEO_TRACK, AUDIO_TRACK][..]),
            (Some(&format), false, &[VIDEO_TRACK]),
            (None, true, &[AUDIO_TRACK]),
        ] {
            let moov = moov(&init(video, has_audio).unwrap());
            let ids: Vec<u32> = moov.trak.iter().map(|trak| trak.tkhd.track_id).collect();
            assert_eq!(ids, expected);
            let tables = moov.trak.iter().map(|trak| &trak.mdia.minf.stbl);
            assert!(tables.into_iter().all(|stbl| stbl.stco.is_some()));
            assert_eq!(moov.mvex.unwrap().trex.len(), expected.len());
        }
    }

    #[test]
    fn pictures_are_turned_by_the_matrix() {
        let turned = h264_format().turned(90);
        let moov = moov(&init(Some(&turned), false).unwrap());
        let tkhd = &moov.trak[0].tkhd;
        assert_eq!(
            (tkhd.matrix.a, tkhd.matrix.b, tkhd.matrix.c),
            (0, ONE, -ONE)
        );
        assert_eq!(tkhd.matrix.x, 180 * ONE, "the height");
        assert_eq!((tkhd.width.integer(), tkhd.height.integer()), (320, 180));
    }
}
