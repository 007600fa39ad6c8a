//! Segments: `styp`, a `free` with the name of their init, one `moof` and its `mdat`.

use mp4_atom::{Encode, FourCC, Mfhd, Moof, Styp, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples};

/// The track of pictures.
pub(crate) const VIDEO_TRACK: u32 = 1;
/// The track of sound.
pub(crate) const AUDIO_TRACK: u32 = 2;
/// Flags of a sample that depends on no other, and of one that does and that no decoder starts with (ISO/IEC 14496-12 §8.8.3.1).
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;
/// Bytes of the size and name of a box.
pub(super) const BOX_HEADER_BYTES: usize = 8;

/// A picture, or a packet of sound.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) data: Box<[u8]>,
    /// In ticks of the track.
    pub(crate) duration: u32,
    /// A decoder can start with it.
    pub(crate) is_sync: bool,
}

/// The samples of one track in a segment.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) track: u32,
    /// When the first sample is decoded and shown, in ticks of the track.
    pub(crate) decode_time: u64,
    pub(crate) samples: Vec<Sample>,
}

/// A segment of these runs, of which none is empty. `number` counts the segments of the recording. The name of its init stands in a box that
/// players skip (`free`, §8.1.2): so the playlist can be made again where the journal is lost.
///
/// # Errors
///
/// Something is larger than its field allows.
pub(crate) fn segment(number: u64, init: u64, runs: Vec<Run>) -> mp4_atom::Result<Vec<u8>> {
    let mut head = Vec::new();
    let styp = Styp {
        major_brand: FourCC::new(b"msdh"),
        minor_version: 0,
        compatible_brands: [b"msdh", b"msix", b"iso6"].map(FourCC::new).into(),
    };
    styp.encode(&mut head)?;
    let name = super::init_name(init);
    head.extend_from_slice(&((BOX_HEADER_BYTES + name.len()) as u32).to_be_bytes());
    head.extend_from_slice(b"free");
    head.extend_from_slice(name.as_bytes());
    // Zero is not a sequence number (§8.8.5); after 2^32 segments it begins again.
    let sequence = (number as u32).wrapping_add(1).max(1);
    // Offsets count from the beginning of `moof`, whose size does not depend on them.
    let mut measured = Vec::new();
    moof(sequence, &runs, 0)?.encode(&mut measured)?;
    moof(sequence, &runs, measured.len() + BOX_HEADER_BYTES)?.encode(&mut head)?;
    let bytes: usize = runs.iter().map(data_bytes).sum();
    let size = u32::try_from(bytes + BOX_HEADER_BYTES).map_err(|_| mp4_atom::Error::InvalidSize)?;
    head.extend_from_slice(&size.to_be_bytes());
    head.extend_from_slice(b"mdat");
    head.reserve_exact(bytes);
    // Each sample is freed once it is copied, so that a segment is in memory hardly more than once.
    for sample in runs.into_iter().flat_map(|run| run.samples) {
        head.extend_from_slice(&sample.data);
    }
    Ok(head)
}

fn data_bytes(run: &Run) -> usize {
    run.samples.iter().map(|sample| sample.data.len()).sum()
}

/// `first` is where the first run's data begins.
fn moof(sequence: u32, runs: &[Run], first: usize) -> mp4_atom::Result<Moof> {
    let mut moof = Moof {
        mfhd: Mfhd {
            sequence_number: sequence,
        },
        traf: Vec::with_capacity(runs.len()),
    };
    let mut at = first;
    for run in runs {
        let offset = i32::try_from(at).map_err(|_| mp4_atom::Error::InvalidSize)?;
        moof.traf.push(traf(run, offset)?);
        at += data_bytes(run);
    }
    Ok(moof)
}

fn traf(run: &Run, data_offset: i32) -> mp4_atom::Result<Traf> {
    let has_flags = run.track == VIDEO_TRACK;
    let entry = |sample: &Sample| {
        let size = u32::try_from(sample.data.len()).map_err(|_| mp4_atom::Error::InvalidSize)?;
        Ok(TrunEntry {
            duration: Some(sample.duration),
            size: Some(size),
            flags: has_flags.then_some(if sample.is_sync { SYNC } else { NOT_SYNC }),
            cts: None,
        })
    };
    let entries: mp4_atom::Result<Vec<TrunEntry>> = run.samples.iter().map(entry).collect();
    Ok(Traf {
        tfhd: Tfhd {
            track_id: run.track,
            default_sample_flags: (!has_flags).then_some(SYNC),
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt {
            base_media_decode_time: run.decode_time,
        }),
        trun: vec![Trun {
            data_offset: Some(data_offset),
            samples: TrunSamples::Explicit(entries?),
        }],
        ..Traf::default()
    })
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Any, DecodeMaybe};

    use super::*;

    fn sample(data: &[u8], duration: u32, is_sync: bool) -> Sample {
        Sample {
            data: data.into(),
            duration,
            is_sync,
        }
    }

    #[test]
    fn data_is_where_the_boxes_say() {
        let video = Run {
            track: VIDEO_TRACK,
            decode_time: 1 << 40,
            samples: vec![sample(b"key", 3_000, true), sample(b"delta", 3_001, false)],
        };
        let audio = Run {
            track: AUDIO_TRACK,
            decode_time: 960,
            samples: vec![sample(b"sound", 960, true)],
        };
        let bytes = segment(0, 7, vec![video, audio]).unwrap();
        let (mut rest, mut at, mut found) = (&bytes[..], 0, None);
        while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
            if let Any::Moof(moof) = atom {
                found = Some((at, moof));
            }
            at = bytes.len() - rest.len();
        }
        let (start, moof) = found.unwrap();
        assert_eq!(moof.mfhd.sequence_number, 1);
        let expected = [("keydelta", 1_u64 << 40), ("sound", 960)];
        for (traf, (data, time)) in moof.traf.iter().zip(expected) {
            assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, time);
            let from = start + traf.trun[0].data_offset.unwrap() as usize;
            assert_eq!(&bytes[from..from + data.len()], data.as_bytes());
        }
        let flags = |place| moof.traf[0].trun[0].samples.get(place).unwrap().flags;
        assert_eq!((flags(0), flags(1)), (Some(SYNC), Some(NOT_SYNC)));
    }
}
