//! Numbers out of bits, as H.264 writes them (ITU-T H.264 §7.2, §9.1).

/// Reads from the first bit on; everything is `None` once the bytes are used up.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// `u(1)`
    pub(crate) fn flag(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// `u(n)` for up to 32 bits.
    pub(crate) fn number(&mut self, bits: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..bits {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// `ue(v)`; `None` too for a number that does not fit in 32 bits.
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        Some((1 << zeros) - 1 + rest)
    }

    /// `se(v)`
    pub(crate) fn signed_exp_golomb(&mut self) -> Option<i32> {
        let code = i64::from(self.exp_golomb()?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_tables() {
        // 1 | 010 | 011 | 00100 | 00101
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&bytes);
        let read: Vec<u32> = (0..5).map(|_| bits.exp_golomb().unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        let mut bits = Bits::new(&bytes);
        let read: Vec<i32> = (0..5).map(|_| bits.signed_exp_golomb().unwrap()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2]);
        assert_eq!(Bits::new(&bytes).number(12), Some(0b1010_0110_0100));
    }

    #[test]
    fn the_end_and_numbers_too_long_are_none() {
        assert_eq!(Bits::new(&[]).flag(), None);
        assert_eq!(Bits::new(&[1]).number(9), None);
        assert_eq!(Bits::new(&[0; 8]).exp_golomb(), None);
        let largest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Bits::new(&largest).exp_golomb(), Some(u32::MAX - 1));
        assert!(Bits::new(&largest).signed_exp_golomb().is_some());
    }
}
