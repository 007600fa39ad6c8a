//! Where sound begins suddenly: such places get short windows, so that the error of the code is not heard before them.

use crate::aac::layout::{LINES, SHORT_LINES, Sequence, WINDOWS};

/// An attack has this many times the energy of what was before it.
const ATTACK_RATIO: f32 = 10.0;
/// Mean energy of a sample below which nothing is an attack, with full scale at 1: about −60 dB.
const ATTACK_FLOOR: f32 = 1e-6;
/// The part of the energy before that remains in memory from one part to the next.
const MEMORY: f32 = 0.7;
/// The pole of the filter that takes the low tones away, whose waves would look like attacks.
const LOW_TONES: f32 = 0.85;
/// A window begins a group of its own if its energy is this many times that of the one before, or one so manieth of it.
const GROUP_RATIO: f32 = 4.0;

/// Parts of a block in which an attack was found, by halves of the block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attack {
    pub(super) in_first_half: bool,
    pub(super) in_second_half: bool,
}

impl Attack {
    /// Either's.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            in_first_half: self.in_first_half || other.in_first_half,
            in_second_half: self.in_second_half || other.in_second_half,
        }
    }
}

/// Looks for attacks in the sound of one channel.
#[derive(Debug, Default)]
pub(super) struct Detector {
    last: (f32, f32),
    energy_before: f32,
}

impl Detector {
    /// Looks at the next [`LINES`] samples.
    pub(super) fn look(&mut self, samples: &[f32]) -> Attack {
        let mut attack = Attack::default();
        for (index, part) in samples.chunks_exact(SHORT_LINES).enumerate() {
            let mut energy = 0.0;
            for &sample in part {
                let high = sample - self.last.0 + LOW_TONES * self.last.1;
                self.last = (sample, high);
                energy += high * high;
            }
            let floor = ATTACK_FLOOR * SHORT_LINES as f32;
            if energy > floor && energy > ATTACK_RATIO * self.energy_before {
                attack.in_first_half |= index < WINDOWS / 2;
                attack.in_second_half |= index >= WINDOWS / 2;
            }
            self.energy_before = (self.energy_before * MEMORY).max(energy);
        }
        attack
    }
}

/// The sequence of an access unit whose window is over the blocks `earlier` and `later`: `before` is that of the access unit before, and
/// `next` the block after. Short windows are about the middle of the two blocks (ISO/IEC 14496-3 §4.6.11.3.2).
pub(super) fn choose(before: Sequence, earlier: Attack, later: Attack, next: Attack) -> Sequence {
    let is_short = earlier.in_second_half || later.in_first_half;
    let is_next_short = later.in_second_half || next.in_first_half;
    let follows_short = matches!(before, Sequence::Short);
    let must_be_short = matches!(before, Sequence::Start);
    match (is_short || must_be_short, follows_short, is_next_short) {
        (true, _, _) | (false, true, true) => Sequence::Short,
        (false, true, false) => Sequence::Stop,
        (false, false, true) => Sequence::Start,
        (false, false, false) => Sequence::Long,
    }
}

/// Groups short windows whose energies are alike. `windows` has the lines of all channels, each with all its windows.
pub(super) fn group<'a>(channels: impl Iterator<Item = &'a [f32]>) -> Vec<usize> {
    let mut energies = [1.0f32; WINDOWS];
    for lines in channels {
        for (energy, window) in energies.iter_mut().zip(lines.chunks_exact(SHORT_LINES)) {
            *energy += window.iter().map(|line| line * line).sum::<f32>();
        }
    }
    let mut groups = vec![1];
    for pair in energies.windows(2) {
        let ratio = pair[1] / pair[0];
        if !(1.0 / GROUP_RATIO..=GROUP_RATIO).contains(&ratio) {
            groups.push(1);
        } else if let Some(last) = groups.last_mut() {
            *last += 1;
        }
    }
    groups
}

/// Shapes two blocks of samples by the window of a sequence of a single window.
pub(super) fn shape_long(sequence: Sequence, samples: &mut [f32; 2 * LINES], slopes: &Slopes) {
    /// Samples of a block that are as they are, at the end of which a short slope begins.
    const FLAT: usize = (LINES - SHORT_LINES) / 2;
    let (rising, falling) = samples.split_at_mut(LINES);
    if sequence == Sequence::Stop {
        rising[..FLAT].fill(0.0);
        multiply(&mut rising[FLAT..FLAT + SHORT_LINES], slopes.short.iter());
    } else {
        multiply(rising, slopes.long.iter());
    }
    if sequence == Sequence::Start {
        multiply(
            &mut falling[FLAT..FLAT + SHORT_LINES],
            slopes.short.iter().rev(),
        );
        falling[FLAT + SHORT_LINES..].fill(0.0);
    } else {
        multiply(falling, slopes.long.iter().rev());
    }
}

/// The samples of a short window of two blocks, shaped.
pub(super) fn shape_short(
    window: usize,
    samples: &[f32; 2 * LINES],
    slopes: &Slopes,
) -> [f32; 2 * SHORT_LINES] {
    /// Where the first of the windows begins.
    const FIRST: usize = (LINES - SHORT_LINES) / 2;
    let mut shaped = [0.0; 2 * SHORT_LINES];
    let from = FIRST + window * SHORT_LINES;
    shaped.copy_from_slice(&samples[from..from + 2 * SHORT_LINES]);
    let (rising, falling) = shaped.split_at_mut(SHORT_LINES);
    multiply(rising, slopes.short.iter());
    multiply(falling, slopes.short.iter().rev());
    shaped
}

/// The rising halves of the windows.
#[derive(Debug)]
pub(super) struct Slopes {
    pub(super) long: Vec<f32>,
    pub(super) short: Vec<f32>,
}

fn multiply<'a>(samples: &mut [f32], factors: impl Iterator<Item = &'a f32>) {
    for (sample, factor) in samples.iter_mut().zip(factors) {
        *sample *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(loud_from: usize) -> Vec<f32> {
        let noise = |n: usize| if n.is_multiple_of(2) { 0.3 } else { -0.3 };
        (0..LINES)
            .map(|n| {
                if n < loud_from {
                    noise(n) * 0.01
                } else {
                    noise(n)
                }
            })
            .collect()
    }

    #[test]
    fn an_attack_is_found_in_its_half_and_what_goes_on_is_none() {
        let mut detector = Detector::default();
        detector.look(&block(LINES));
        assert_eq!(detector.look(&block(LINES)), Attack::default());
        let attack = detector.look(&block(600));
        assert_eq!(
            attack,
            Attack {
                in_first_half: false,
                in_second_half: true
            }
        );
        assert_eq!(detector.look(&block(0)), Attack::default());
    }

    #[test]
    fn sequences_follow_each_other_as_the_standard_allows() {
        let (none, first, second) = (
            Attack::default(),
            Attack {
                in_first_half: true,
                in_second_half: false,
            },
            Attack {
                in_first_half: false,
                in_second_half: true,
            },
        );
        let all = [none, first, second, first.or(second)];
        let mut blocks = [none; 3];
        let mut before = Sequence::Long;
        let mut seed = 7u32;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            blocks = [blocks[1], blocks[2], all[(seed >> 28) as usize % 4]];
            let sequence = choose(before, blocks[0], blocks[1], blocks[2]);
            let ends_short = matches!(before, Sequence::Start | Sequence::Short);
            let begins_short = matches!(sequence, Sequence::Stop | Sequence::Short);
            assert_eq!(ends_short, begins_short, "{before:?} before {sequence:?}");
            if blocks[0].in_second_half || blocks[1].in_first_half {
                assert_eq!(sequence, Sequence::Short);
            }
            before = sequence;
        }
    }
}
