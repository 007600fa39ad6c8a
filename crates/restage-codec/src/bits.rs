//! Reading syntax elements bit by bit.

/// Reads bits. Every method returns `None` once the bytes are used up.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Index of the next byte.
    position: usize,
    /// Zero bytes in a row before it.
    zeros: u32,
    current: u8,
    /// Unread bits of `current`.
    left: u32,
    /// Emulation prevention bytes are left out.
    has_prevention: bool,
}

impl<'a> BitReader<'a> {
    /// For a NAL unit, whose emulation prevention bytes are left out (ITU-T H.264 §7.4.1, H.265 §7.4.2).
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            has_prevention: true,
            ..Self::plain(bytes)
        }
    }

    /// For bytes that are read as they stand.
    pub(crate) fn plain(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            zeros: 0,
            current: 0,
            left: 0,
            has_prevention: false,
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let mut byte = self.next_byte()?;
            if self.has_prevention && self.zeros >= 2 && byte == 3 {
                byte = self.next_byte()?;
                self.zeros = 0;
            }
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
            self.current = byte;
            self.left = 8;
        }
        self.left -= 1;
        Some(u32::from(self.current >> self.left) & 1)
    }

    /// `u(1)`.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        Some(self.bit()? == 1)
    }

    /// `u(n)`, for up to 32 bits.
    pub(crate) fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| Some(value << 1 | self.bit()?))
    }

    /// Number of bits that have been read of bytes that are read as they stand.
    pub(crate) fn position(&self) -> usize {
        8 * self.position - self.left as usize
    }

    /// `ue(v)`, an Exp-Golomb code (ITU-T H.264 §9.1). `None` as well for a number that does not fit in 32 bits.
    pub(crate) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// Leaves out this many bits.
    pub(crate) fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.bit().map(drop))
    }

    /// `se(v)`, an Exp-Golomb code that stands for 0, 1, −1, 2, −2 and so on (ITU-T H.264 §9.1.1).
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 1 {
            (code + 1) / 2
        } else {
            -(code / 2)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes what [`BitReader`] reads.
    #[derive(Default)]
    pub(crate) struct BitWriter(Vec<bool>);

    impl BitWriter {
        pub(crate) fn bits(mut self, value: u32, count: u32) -> Self {
            let bits = (0..count).rev().map(|bit| value >> bit & 1 == 1);
            self.0.extend(bits);
            self
        }

        pub(crate) fn code(self, value: u32) -> Self {
            let length = (value + 1).ilog2();
            self.bits(0, length).bits(value + 1, length + 1)
        }

        /// The unit with this header, with its stop bit and emulation prevention.
        pub(crate) fn unit(self, header: u8) -> Vec<u8> {
            let mut unit = vec![header];
            for chunk in self.bits(1, 1).0.chunks(8) {
                let byte = (0..).zip(chunk);
                let byte = byte.fold(0, |byte, (place, bit)| byte | u8::from(*bit) << (7 - place));
                if unit.ends_with(&[0, 0]) && byte <= 3 {
                    unit.push(3);
                }
                unit.push(byte);
            }
            unit
        }
    }

    #[test]
    fn numbers_follow_the_tables() {
        // 1 | 010 | 011 | 00100 | 00101
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = BitReader::new(&bytes);
        let read: Vec<u32> = (0..5).map(|_| bits.unsigned().unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        let mut bits = BitReader::new(&bytes);
        let read: Vec<i64> = (0..5).map(|_| bits.signed().unwrap()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2]);
        assert_eq!(BitReader::new(&bytes).take(12), Some(0b1010_0110_0100));
    }

    #[test]
    fn emulation_prevention_is_left_out() {
        let mut bits = BitReader::new(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3]);
        let bytes: Vec<u32> = std::iter::from_fn(|| bits.take(8)).collect();
        assert_eq!(bytes, [0, 0, 1, 0, 0, 0, 0]);
        let mut plain = BitReader::plain(&[0, 0, 3, 1]);
        assert_eq!(plain.take(32), Some(0x301));
    }

    #[test]
    fn the_end_and_numbers_too_long_are_none() {
        assert_eq!(BitReader::new(&[]).flag(), None);
        assert_eq!(BitReader::new(&[1]).take(9), None);
        assert_eq!(BitReader::new(&[0; 8]).unsigned(), None);
        let largest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(BitReader::new(&largest).unsigned(), Some(u32::MAX - 1));
        assert!(BitReader::new(&largest).signed().is_some());
    }
}
