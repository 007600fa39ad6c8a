//! Reading the fields of H.264's parameter sets.

/// The bits of a NAL unit without its emulation prevention bytes (ITU-T H.264 §7.4.1).
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    place: usize,
    zeros: u32,
    current: u8,
    left: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            place: 0,
            zeros: 0,
            current: 0,
            left: 0,
        }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let mut byte = *self.bytes.get(self.place)?;
            self.place += 1;
            if self.zeros >= 2 && byte == 3 {
                byte = *self.bytes.get(self.place)?;
                self.place += 1;
                self.zeros = 0;
            }
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
            self.current = byte;
            self.left = 8;
        }
        self.left -= 1;
        Some(u32::from(self.current >> self.left) & 1)
    }

    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| Some(value << 1 | self.bit()?))
    }

    /// An Exp-Golomb code (ITU-T H.264 §9.1).
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }
}
