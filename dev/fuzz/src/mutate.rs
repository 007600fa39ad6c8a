//! Changes of inputs without coverage, by a seed: what `make test` adds to the corpora.

/// SplitMix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if `bound` is.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }
}

/// Values at which arithmetic goes wrong.
const EDGES: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x20, 0x0a, 0x3f, 0x40];
/// Bytes that an input grows to by changes.
const GROWN_BYTES_MAX: usize = 8_192;

/// A copy of an input with one to four changes; some take parts of `other`.
pub fn mutate(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        change(random, &mut bytes, other);
    }
    bytes.truncate(GROWN_BYTES_MAX);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len() + 1);
    let length = random.below(16.min(bytes.len() - at) + 1);
    match random.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = EDGES[random.below(EDGES.len())],
        2 if at < bytes.len() => {
            bytes[at] = bytes[at]
                .wrapping_add(random.number() as u8 % 9)
                .wrapping_sub(4)
        }
        3 => bytes.insert(at, random.number() as u8),
        4 => drop(bytes.drain(at..at + length)),
        5 => {
            let copied = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copied);
        }
        6 => {
            let from = random.below(other.len() + 1);
            let until = from + random.below(64.min(other.len() - from) + 1);
            bytes.splice(at..at + length, other[from..until].iter().copied());
        }
        _ => {
            let value = EDGES[random.below(EDGES.len())];
            bytes[at..at + length].fill(value);
        }
    }
}
