//! Values and scale factors to code words (ISO/IEC 14496-3 §4.6.3).

use crate::aac::bits::BitWriter;
use crate::aac::codes;
use crate::aac::layout::{Layout, Sequence};

/// The largest value that an escape can say.
pub(super) const VALUE_MAX: i32 = 8_191;
/// The largest difference between neighbouring scale factors.
pub(super) const SCALE_STEP_MAX: i32 = 60;
/// Books, the one of bands without a value included.
const BOOKS: usize = 12;
/// The book with escapes.
const ESCAPES: usize = 11;
/// A cost that nothing has.
const NEVER: u32 = u32::MAX / 4;

/// A code book.
struct Book {
    words: &'static [u32],
    /// Values that a word stands for.
    values: usize,
    /// The largest value.
    most: i32,
    has_signs: bool,
}

static TABLE: [Book; BOOKS - 1] = [
    Book {
        words: &codes::BOOK_1,
        values: 4,
        most: 1,
        has_signs: true,
    },
    Book {
        words: &codes::BOOK_2,
        values: 4,
        most: 1,
        has_signs: true,
    },
    Book {
        words: &codes::BOOK_3,
        values: 4,
        most: 2,
        has_signs: false,
    },
    Book {
        words: &codes::BOOK_4,
        values: 4,
        most: 2,
        has_signs: false,
    },
    Book {
        words: &codes::BOOK_5,
        values: 2,
        most: 4,
        has_signs: true,
    },
    Book {
        words: &codes::BOOK_6,
        values: 2,
        most: 4,
        has_signs: true,
    },
    Book {
        words: &codes::BOOK_7,
        values: 2,
        most: 7,
        has_signs: false,
    },
    Book {
        words: &codes::BOOK_8,
        values: 2,
        most: 7,
        has_signs: false,
    },
    Book {
        words: &codes::BOOK_9,
        values: 2,
        most: 12,
        has_signs: false,
    },
    Book {
        words: &codes::BOOK_10,
        values: 2,
        most: 12,
        has_signs: false,
    },
    Book {
        words: &codes::BOOK_11,
        values: 2,
        most: 16,
        has_signs: false,
    },
];

impl Book {
    fn word(&self, values: &[i32]) -> u32 {
        let index = if self.has_signs {
            let base = 2 * self.most + 1;
            values
                .iter()
                .fold(0, |index, value| index * base + value + self.most)
        } else {
            let base = self.most + 1;
            values
                .iter()
                .fold(0, |index, value| index * base + value.abs().min(self.most))
        };
        self.words[index as usize]
    }

    fn bits(&self, values: &[i32]) -> u32 {
        let mut bits = codes::length(self.word(values));
        if !self.has_signs {
            bits += values.iter().filter(|value| **value != 0).count() as u32;
        }
        if self.most == TABLE[ESCAPES - 1].most {
            bits += values
                .iter()
                .map(|value| escape_bits(value.unsigned_abs()))
                .sum::<u32>();
        }
        bits
    }

    fn write(&self, values: &[i32], writer: &mut BitWriter) {
        writer.word(self.word(values));
        if !self.has_signs {
            for value in values.iter().filter(|value| **value != 0) {
                writer.put(u32::from(*value < 0), 1);
            }
        }
        if self.most == TABLE[ESCAPES - 1].most {
            for value in values.iter().map(|value| value.unsigned_abs()) {
                if escape_bits(value) > 0 {
                    let more = value.ilog2() - 4;
                    writer.put((1 << (more + 1)) - 2, more + 1);
                    writer.put(value - (1 << (more + 4)), more + 4);
                }
            }
        }
    }
}

/// Bits of an escape: as many ones as the value has bits beyond five, a zero, and the bits below the first.
fn escape_bits(value: u32) -> u32 {
    if value < 16 {
        0
    } else {
        2 * (value.ilog2() - 4) + 5
    }
}

/// The bits that each book would need for a band. Bands without a value have book 0 and no other, because only then no scale factor is written.
fn costs(values: &[i32]) -> [u32; BOOKS] {
    let most = values.iter().map(|value| value.abs()).max().unwrap_or(0);
    let mut costs = [NEVER; BOOKS];
    // Books that are far too large for the values are never the best.
    let books = match most {
        0 => {
            costs[0] = 0;
            return costs;
        }
        1 => 1..=6,
        2 => 3..=8,
        3..=4 => 5..=10,
        5..=7 => 7..=11,
        8..=12 => 9..=11,
        _ => ESCAPES..=ESCAPES,
    };
    for book in books {
        let table = &TABLE[book - 1];
        costs[book] = values
            .chunks_exact(table.values)
            .map(|values| table.bits(values))
            .sum();
    }
    costs
}

/// Neighbouring bands of a group with one book.
#[derive(Debug, Clone, Copy)]
struct Section {
    book: usize,
    bands: usize,
}

/// The way in which the values of one channel are written, and its bits.
#[derive(Debug)]
pub(super) struct Plan {
    sections: Vec<Section>,
    length_bits: u32,
    pub(super) bits: u32,
}

impl Plan {
    /// Finds the sections that need the fewest bits. `scales` has the scale factor of each band that has a value.
    pub(super) fn new(layout: &Layout, values: &[i32], scales: &[i32]) -> Self {
        let length_bits = if layout.sequence == Sequence::Short {
            3
        } else {
            5
        };
        let mut plan = Self {
            sections: Vec::new(),
            length_bits,
            bits: 0,
        };
        for bands in layout.bands.chunks_exact(layout.bands_per_group) {
            let costs: Vec<[u32; BOOKS]> = bands
                .iter()
                .map(|band| costs(&values[band.start..band.start + band.lines]))
                .collect();
            plan.divide(&costs);
        }
        let mut before = None;
        for (band, scale) in layout.bands.iter().zip(scales) {
            if has_value(&values[band.start..band.start + band.lines]) {
                plan.bits += codes::length(scale_word(*scale, before));
                before = Some(*scale);
            }
        }
        plan
    }

    /// Divides the bands of a group into sections, by the cheapest way to each band with each book.
    fn divide(&mut self, costs: &[[u32; BOOKS]]) {
        let new_section = 4 + self.length_bits;
        let mut totals = [NEVER; BOOKS];
        let mut came_from: Vec<[usize; BOOKS]> = Vec::with_capacity(costs.len());
        for (band, costs) in costs.iter().enumerate() {
            let cheapest = (0..BOOKS).min_by_key(|book| totals[*book]).unwrap_or(0);
            let so_far = if band == 0 { 0 } else { totals[cheapest] };
            let mut from = [0; BOOKS];
            let mut next = [NEVER; BOOKS];
            for book in (0..BOOKS).filter(|book| costs[*book] < NEVER) {
                let goes_on = totals[book].min(NEVER);
                (next[book], from[book]) = if goes_on <= so_far + new_section {
                    (goes_on + costs[book], book)
                } else {
                    (so_far + new_section + costs[book], cheapest)
                };
            }
            totals = next;
            came_from.push(from);
        }
        let mut book = (0..BOOKS).min_by_key(|book| totals[*book]).unwrap_or(0);
        let first = self.sections.len();
        for (band, from) in came_from.iter().enumerate().rev() {
            self.bits += costs[band][book];
            match self.sections[first..].last_mut() {
                Some(section) if section.book == book => section.bands += 1,
                _ => self.sections.push(Section { book, bands: 1 }),
            }
            book = from[book];
        }
        self.sections[first..].reverse();
        for section in &self.sections[first..] {
            let longest = (1 << self.length_bits) - 1;
            self.bits += 4 + (section.bands / longest + 1) as u32 * self.length_bits;
        }
    }

    /// Writes sections, scale factors and values. `between` writes what stands before the values.
    pub(super) fn write(
        &self,
        layout: &Layout,
        values: &[i32],
        scales: &[i32],
        writer: &mut BitWriter,
        between: impl FnOnce(&mut BitWriter),
    ) {
        let longest = (1 << self.length_bits) - 1;
        for section in &self.sections {
            writer.put(section.book as u32, 4);
            for _ in 0..section.bands / longest {
                writer.put(longest as u32, self.length_bits);
            }
            writer.put((section.bands % longest) as u32, self.length_bits);
        }
        let mut before = None;
        for (band, scale) in layout.bands.iter().zip(scales) {
            if has_value(&values[band.start..band.start + band.lines]) {
                writer.word(scale_word(*scale, before));
                before = Some(*scale);
            }
        }
        between(writer);
        let mut bands = layout.bands.iter();
        for section in &self.sections {
            for band in bands.by_ref().take(section.bands) {
                let Some(book) = section.book.checked_sub(1).map(|index| &TABLE[index]) else {
                    continue;
                };
                for values in values[band.start..band.start + band.lines].chunks_exact(book.values)
                {
                    book.write(values, writer);
                }
            }
        }
    }
}

/// True where a band has a value, and so a scale factor.
pub(super) fn has_value(values: &[i32]) -> bool {
    values.iter().any(|value| *value != 0)
}

/// The word of a scale factor after another one. The first is `global_gain`, which says it already.
fn scale_word(scale: i32, before: Option<i32>) -> u32 {
    let step = scale - before.unwrap_or(scale);
    codes::SCALE_FACTORS[(step + SCALE_STEP_MAX) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_counts_the_bits_that_are_written() {
        let mut seed = 5u32;
        let mut random = |most: i32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as i32 % (2 * most + 1) - most
        };
        for (layout, most) in [
            (Layout::long(Sequence::Long, 1.0), 1),
            (Layout::long(Sequence::Stop, 0.8), 2),
            (Layout::long(Sequence::Long, 1.0), 40),
            (Layout::long(Sequence::Long, 1.0), VALUE_MAX),
            (Layout::short(vec![1, 3, 4], 0.9), 7),
            (Layout::short(vec![8], 1.0), 12),
        ] {
            let mut values: Vec<i32> = (0..1024).map(|_| random(most)).collect();
            for band in layout.bands.iter().filter(|band| band.lines % 3 == 0) {
                values[band.start..band.start + band.lines].fill(0);
            }
            let scales: Vec<i32> = layout.bands.iter().map(|_| 130 + random(30)).collect();
            let plan = Plan::new(&layout, &values, &scales);
            let mut writer = BitWriter::default();
            plan.write(&layout, &values, &scales, &mut writer, |_| ());
            assert_eq!(plan.bits, writer.len(), "{most}");
            let bands: usize = plan.sections.iter().map(|section| section.bands).sum();
            assert_eq!(bands, layout.bands.len());
        }
    }

    #[test]
    fn an_escape_says_how_long_it_is() {
        for value in [16u32, 31, 32, 100, 8_191] {
            let mut writer = BitWriter::default();
            TABLE[ESCAPES - 1].write(&[value as i32, 0], &mut writer);
            assert_eq!(writer.len(), TABLE[ESCAPES - 1].bits(&[value as i32, 0]));
        }
        assert_eq!(
            (escape_bits(15), escape_bits(16), escape_bits(8_191)),
            (0, 5, 21)
        );
    }
}
