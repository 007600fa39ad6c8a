//! Bits, the most significant first.

use crate::aac::codes;

/// Collects bits into bytes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`; at most 32.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32 && (count == 32 || value >> count == 0));
        self.pending = self.pending << count | u64::from(value);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.pending >> self.count) as u8);
        }
    }

    /// Appends a code word.
    pub(super) fn word(&mut self, word: u32) {
        self.put(codes::bits(word), codes::length(word));
    }

    /// The number of bits.
    #[cfg(test)]
    pub(super) fn len(&self) -> u32 {
        self.bytes.len() as u32 * 8 + self.count
    }

    /// The bytes; the last one is filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let missing = (8 - self.count) % 8;
        self.put(0, missing);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_in_the_order_in_which_they_went_in() {
        let mut writer = BitWriter::default();
        writer.put(0b101, 3);
        writer.put(0, 0);
        writer.put(0xffff_ffff, 32);
        writer.put(0, 2);
        assert_eq!(writer.len(), 37);
        assert_eq!(
            writer.finish(),
            [0b1011_1111, 0xff, 0xff, 0xff, 0b1110_0000]
        );
    }
}
