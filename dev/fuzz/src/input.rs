//! What a target draws from its input: numbers and pieces, and zeros where there is nothing left, so that every input means something.

/// An input that is read from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Reads these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// A bit.
    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Two bytes, big-endian.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Four bytes, big-endian.
    pub(crate) fn word(&mut self) -> u32 {
        u32::from(self.short()) << 16 | u32::from(self.short())
    }

    /// Eight bytes, big-endian.
    pub(crate) fn long(&mut self) -> u64 {
        u64::from(self.word()) << 32 | u64::from(self.word())
    }

    /// A number below `bound`, which is at most 256. 0 if `bound` is.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// At most this many bytes.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A piece that says its own length: a byte, or two if the byte is 255.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = match self.byte() {
            255 => usize::from(self.short()),
            length => usize::from(length),
        };
        self.take(length)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Bytes as text: `None` unless they are UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The pieces of an input that begins with how many there are (a byte) and where each ends: for parsers of streams, whose result must
/// not depend on how the bytes are cut.
pub(crate) fn cut<'a>(input: &mut Input<'a>) -> (Vec<usize>, &'a [u8]) {
    let count = input.below(16);
    let cuts: Vec<u16> = (0..count).map(|_| input.short()).collect();
    let bytes = input.rest();
    let mut places: Vec<usize> = cuts
        .into_iter()
        .map(|cut| usize::from(cut) % (bytes.len() + 1))
        .collect();
    places.sort_unstable();
    places.push(bytes.len());
    (places, bytes)
}

/// Lengths and units of ISO/IEC 14496-15, taken apart.
pub(crate) fn behind_lengths(mut units: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((length, rest)) = units.split_first_chunk::<4>() {
        let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        all.push(unit);
        units = rest;
    }
    assert!(units.is_empty(), "the lengths are right");
    all
}

/// Pieces, each behind its length.
pub(crate) fn pieces(all: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in all {
        bytes.push(piece.len() as u8);
        bytes.extend_from_slice(piece);
    }
    bytes
}
