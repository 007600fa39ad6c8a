//! H.264 in FLV: the configuration of a track and its pictures, as ISO/IEC 14496-15 writes them.

use std::ops::Range;
use std::sync::Arc;

use restage_codec::PictureSize;
use restage_codec::h264::{SequenceParameters, UnitType, annexb};

use crate::limits::{PARAMETER_SETS_BYTES_MAX, PARAMETER_SETS_MAX};

/// What a decoder of H.264 needs (`AVCDecoderConfigurationRecord`, ISO/IEC 14496-15 §5.3.3.1). It has at least one sequence and one
/// picture parameter set, and the first of the former can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    /// Sequence parameter sets, each a NAL unit.
    pub sequence_sets: Vec<Vec<u8>>,
    /// Picture parameter sets, each a NAL unit.
    pub picture_sets: Vec<Vec<u8>>,
    /// Size of the pictures, by the first sequence parameter set.
    pub size: PictureSize,
    /// Bytes of the length before each NAL unit: 1 to 4.
    pub(crate) length_bytes: u8,
}

impl AvcConfig {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// A clause that says in which way it is damaged.
    pub fn parse(record: &[u8]) -> Result<Self, &'static str> {
        let [1, _, _, _, lengths, rest @ ..] = record else {
            return Err("it is no version 1 of the record, or cut short");
        };
        let mut sets = Sets {
            rest,
            left: PARAMETER_SETS_MAX,
            bytes_left: PARAMETER_SETS_BYTES_MAX,
        };
        let sequence_sets = sets.read(0x1f, UnitType::SPS)?;
        let picture_sets = sets.read(0xff, UnitType::PPS)?;
        let first = sequence_sets
            .first()
            .ok_or("it has no sequence parameter set")?;
        if picture_sets.is_empty() {
            return Err("it has no picture parameter set");
        }
        let parameters =
            SequenceParameters::parse(first).ok_or("its sequence parameter set cannot be read")?;
        Ok(Self {
            size: parameters.size,
            sequence_sets,
            picture_sets,
            length_bytes: (lengths & 3) + 1,
        })
    }

    /// What the first sequence parameter set says; `None` if it cannot be read.
    pub fn parameters(&self) -> Option<SequenceParameters> {
        SequenceParameters::parse(self.sequence_sets.first()?)
    }

    /// All parameter sets, sequence parameter sets first.
    pub fn sets(&self) -> impl Iterator<Item = &[u8]> {
        let sets = self.sequence_sets.iter().chain(&self.picture_sets);
        sets.map(Vec::as_slice)
    }

    /// The NAL units of a picture as a decoder needs them: before an IDR picture that has no sequence parameter set of its own come the
    /// track's parameter sets.
    pub fn complete<'a>(&'a self, units: &'a VideoUnits) -> impl Iterator<Item = &'a [u8]> {
        let has = |kind| units.iter().any(|unit| UnitType::of(unit) == kind);
        let is_incomplete = has(UnitType::IDR_SLICE) && !has(UnitType::SPS);
        let sets = is_incomplete.then(|| self.sets());
        sets.into_iter().flatten().chain(units.iter())
    }

    /// Bytes of the parameter sets.
    pub(crate) fn bytes(&self) -> usize {
        self.sets().map(<[u8]>::len).sum()
    }
}

/// Parameter sets behind their number.
struct Sets<'a> {
    rest: &'a [u8],
    left: usize,
    bytes_left: usize,
}

impl Sets<'_> {
    fn read(&mut self, mask: u8, kind: UnitType) -> Result<Vec<Vec<u8>>, &'static str> {
        const SHORT: &str = "it is cut short";
        let (&count, mut rest) = self.rest.split_first().ok_or(SHORT)?;
        let mut sets = Vec::new();
        for _ in 0..count & mask {
            let (length, after) = rest.split_first_chunk::<2>().ok_or(SHORT)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (set, after) = after.split_at_checked(length).ok_or(SHORT)?;
            rest = after;
            if UnitType::of(set) != kind {
                continue;
            }
            self.left = self
                .left
                .checked_sub(1)
                .ok_or("it has too many parameter sets")?;
            let bytes_left = self.bytes_left.checked_sub(set.len());
            self.bytes_left = bytes_left.ok_or("its parameter sets are too long")?;
            sets.push(set.to_vec());
        }
        self.rest = rest;
        Ok(sets)
    }
}

/// The NAL units of a picture. Copies share the bytes of the message. It holds at most twice as many bytes as it has.
#[derive(Clone, PartialEq, Eq)]
pub struct VideoUnits {
    message: Arc<Vec<u8>>,
    place: Range<usize>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Each unit behind its length in so many bytes.
    Lengths(usize),
    /// Behind start codes. Some encoders write them where lengths belong.
    StartCodes,
}

impl VideoUnits {
    /// Of a part of a message. `None`: there is no whole NAL unit in it.
    pub(crate) fn new(
        message: &Arc<Vec<u8>>,
        place: Range<usize>,
        length_bytes: u8,
    ) -> Option<Self> {
        let bytes = message.get(place.clone())?;
        let lengths = Form::Lengths(usize::from(length_bytes));
        let has_codes = bytes.starts_with(&[0, 0, 0, 1]) || bytes.starts_with(&[0, 0, 1]);
        let form = if has_codes && !Lengths::new(bytes, usize::from(length_bytes)).fit() {
            Form::StartCodes
        } else {
            lengths
        };
        let units = Self {
            message: Arc::clone(message),
            place,
            form,
        };
        units.iter().next()?;
        Some(units.without_the_rest())
    }

    /// Part of a large message: a copy, so that the other tracks' bytes are not held as well.
    fn without_the_rest(self) -> Self {
        if self.place.len() >= self.message.len() / 2 {
            return self;
        }
        let bytes = self.message.get(self.place.clone()).unwrap_or_default();
        Self {
            place: 0..bytes.len(),
            message: Arc::new(bytes.to_vec()),
            form: self.form,
        }
    }

    /// The NAL units, without lengths or start codes. None is empty. A unit that is cut short ends them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = self.message.get(self.place.clone()).unwrap_or_default();
        let (lengths, codes) = match self.form {
            Form::Lengths(length_bytes) => (Some(Lengths::new(bytes, length_bytes)), None),
            Form::StartCodes => (None, Some(annexb::units(bytes))),
        };
        lengths
            .into_iter()
            .flatten()
            .chain(codes.into_iter().flatten())
    }

    /// Bytes of the picture, with what stands before its units.
    pub fn bytes(&self) -> usize {
        self.place.len()
    }
}

impl std::fmt::Debug for VideoUnits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<usize> = self.iter().map(<[u8]>::len).collect();
        write!(f, "VideoUnits({sizes:?})")
    }
}

/// Units behind their lengths.
struct Lengths<'a> {
    rest: &'a [u8],
    length_bytes: usize,
}

impl<'a> Lengths<'a> {
    fn new(rest: &'a [u8], length_bytes: usize) -> Self {
        Self { rest, length_bytes }
    }

    /// Whether the lengths end where the bytes end.
    fn fit(mut self) -> bool {
        while self.next().is_some() {}
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Lengths<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (length, after) = self.rest.split_at_checked(self.length_bytes)?;
            let length = length
                .iter()
                .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            let (unit, after) = after.split_at_checked(length)?;
            self.rest = after;
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 640 by 360, constrained baseline, by an encoder.
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01,
        0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48,
    ];
    const PPS: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];

    fn record(sequence_sets: &[&[u8]], picture_sets: &[&[u8]]) -> Vec<u8> {
        let behind = |set: &&[u8]| [&(set.len() as u16).to_be_bytes(), *set].concat();
        let mut record = vec![1, 0x42, 0xc0, 0x1e, 0xff, 0xe0 | sequence_sets.len() as u8];
        record.extend(sequence_sets.iter().flat_map(behind));
        record.push(picture_sets.len() as u8);
        record.extend(picture_sets.iter().flat_map(behind));
        record
    }

    fn units(bytes: &[u8], length_bytes: u8) -> Option<Vec<Vec<u8>>> {
        let message = Arc::new(bytes.to_vec());
        let units = VideoUnits::new(&message, 0..bytes.len(), length_bytes)?;
        Some(units.iter().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn a_record_is_read() {
        let config = AvcConfig::parse(&record(&[SPS], &[PPS])).unwrap();
        assert_eq!((config.size.width, config.size.height), (640, 360));
        assert_eq!(config.sets().collect::<Vec<_>>(), [SPS, PPS]);
        assert_eq!((config.length_bytes, config.bytes()), (4, 29));
        // What High profile appends is left out.
        let appended = [&record(&[SPS], &[PPS])[..], &[0xfd, 0xf8, 0xf8, 0]].concat();
        assert_eq!(AvcConfig::parse(&appended), Ok(config));
    }

    #[test]
    fn a_damaged_record_says_how() {
        let whole = record(&[SPS], &[PPS]);
        for end in 0..whole.len() {
            assert!(AvcConfig::parse(&whole[..end]).is_err(), "{end}");
        }
        let error = |sps: &[&[u8]], pps: &[&[u8]]| AvcConfig::parse(&record(sps, pps)).unwrap_err();
        assert_eq!(error(&[], &[PPS]), "it has no sequence parameter set");
        assert_eq!(error(&[SPS], &[]), "it has no picture parameter set");
        assert_eq!(
            error(&[&[0x67, 1]], &[PPS]),
            "its sequence parameter set cannot be read"
        );
        assert_eq!(
            error(&[SPS; 31], &[PPS; 2]),
            "it has too many parameter sets"
        );
        let long = [&[0x68][..], &[1; PARAMETER_SETS_BYTES_MAX]].concat();
        assert_eq!(error(&[SPS], &[&long]), "its parameter sets are too long");
    }

    #[test]
    fn an_idr_picture_is_completed_once() {
        let config = AvcConfig::parse(&record(&[SPS], &[PPS])).unwrap();
        let complete = |bytes: &[u8]| {
            let message = Arc::new(bytes.to_vec());
            let units = VideoUnits::new(&message, 0..bytes.len(), 1).unwrap();
            let kinds = config.complete(&units).map(|unit| UnitType::of(unit).0);
            kinds.collect::<Vec<_>>()
        };
        assert_eq!(complete(&[2, 0x65, 1]), [7, 8, 5]);
        assert_eq!(complete(&[2, 0x41, 1]), [1]);
        assert_eq!(complete(&[1, 0x67, 1, 0x68, 2, 0x65, 1]), [7, 8, 5]);
    }

    #[test]
    fn a_small_part_does_not_hold_a_large_message() {
        let message = Arc::new([&[0; 1_000][..], &[2, 0x65, 1]].concat());
        let units = VideoUnits::new(&message, 1_000..1_003, 1).unwrap();
        assert_eq!((Arc::strong_count(&message), units.message.len()), (1, 3));
        assert_eq!(units.iter().collect::<Vec<_>>(), [[0x65, 1]]);
        let whole = VideoUnits::new(&units.message, 0..3, 1).unwrap();
        assert!(Arc::ptr_eq(&whole.message, &units.message));
    }

    #[test]
    fn units_behind_lengths_of_every_size() {
        let expected = Some(vec![vec![0x65, 1], vec![0x41]]);
        assert_eq!(units(&[0, 0, 0, 2, 0x65, 1, 0, 0, 0, 1, 0x41], 4), expected);
        assert_eq!(units(&[0, 2, 0x65, 1, 0, 0, 0, 1, 0x41], 2), expected);
        assert_eq!(units(&[2, 0x65, 1, 1, 0x41], 1), expected);
        // What is cut short is left out.
        assert_eq!(units(&[2, 0x65, 1, 1, 0x41, 9, 9], 1), expected);
        assert_eq!(units(&[0, 0, 0, 9, 1], 4), None);
        assert_eq!(units(&[0, 0, 0, 0], 4), None);
        assert_eq!(units(&[], 4), None);
    }

    #[test]
    fn start_codes_where_lengths_belong_are_read() {
        let expected = Some(vec![vec![0x67, 2], vec![0x65, 1, 9]]);
        assert_eq!(
            units(&[0, 0, 0, 1, 0x67, 2, 0, 0, 1, 0x65, 1, 9], 4),
            expected
        );
        // Lengths that look like a start code are lengths as long as they fit.
        assert_eq!(units(&[0, 0, 0, 1, 0x41], 4), Some(vec![vec![0x41]]));
    }
}
