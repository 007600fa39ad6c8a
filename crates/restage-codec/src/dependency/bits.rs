//! Runs of bits that are copied from one descriptor to another.

use crate::bits::BitReader;

/// Bits as they stood in a descriptor. The last byte is filled up with zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits {
    bytes: Box<[u8]>,
    count: usize,
}

impl Bits {
    /// The bits of `bytes` from `start` up to `end`, counted from the first bit on. `None` if the bytes are shorter.
    pub(super) fn of(bytes: &[u8], start: usize, end: usize) -> Option<Self> {
        let count = end.checked_sub(start)?;
        if count == 0 {
            return Some(Self::default());
        }
        let mut reader = BitReader::plain(bytes.get(start / 8..)?);
        reader.skip((start % 8) as u32)?;
        let mut writer = BitWriter::default();
        for _ in 0..count {
            writer.put(reader.take(1)?, 1);
        }
        Some(Self {
            bytes: writer.bytes.into(),
            count,
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

/// Writes bits into bytes, the highest bit of each first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl BitWriter {
    /// Writes the lower `count` bits of a value, 32 at most, the highest first.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let place = 7 - self.count % 8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << place;
            }
            self.count += 1;
        }
    }

    /// Appends a run of bits.
    pub(super) fn copy(&mut self, bits: &Bits) {
        let mut left = bits.count;
        for byte in &bits.bytes {
            let count = left.min(8);
            self.put(u32::from(*byte) >> (8 - count), count as u32);
            left -= count;
        }
    }

    /// The bytes; the last one is filled up with zeros.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_copied_whatever_bit_they_begin_and_end_at() {
        let bytes = [0b1010_0110, 0b1100_0011, 0b0111_1110];
        for start in 0..=24 {
            for end in start..=24 {
                let bits = Bits::of(&bytes, start, end).unwrap();
                assert_eq!(bits.count(), end - start);
                let mut writer = BitWriter::default();
                writer.put(0b101, 3);
                writer.copy(&bits);
                let written = writer.finish();
                assert_eq!(written.len(), (3 + end - start).div_ceil(8));
                let mut reader = BitReader::plain(&written);
                assert_eq!(reader.take(3), Some(0b101));
                let mut origin = BitReader::plain(&bytes);
                origin.skip(start as u32).unwrap();
                for _ in start..end {
                    assert_eq!(reader.flag(), origin.flag(), "{start} to {end}");
                }
            }
        }
        assert_eq!(Bits::of(&bytes, 20, 25), None);
        assert_eq!(Bits::of(&bytes, 30, 30), Some(Bits::default()));
        assert_eq!(Bits::of(&bytes, 5, 4), None);
    }
}
