//! The arrangement of the lines of an access unit: windows, groups of windows, bands.

/// Lines of an access unit, of one channel.
pub(super) const LINES: usize = 1_024;
/// Short windows of an access unit.
pub(super) const WINDOWS: usize = 8;
/// Lines of a short window.
pub(super) const SHORT_LINES: usize = LINES / WINDOWS;

/// Where bands begin at 44.1 and 48 kHz (ISO/IEC 14496-3 Table 4.129), and where the last one ends.
const LONG_BANDS: [usize; 50] = [
    0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 88, 96, 108, 120, 132, 144, 160,
    176, 196, 216, 240, 264, 292, 320, 352, 384, 416, 448, 480, 512, 544, 576, 608, 640, 672, 704,
    736, 768, 800, 832, 864, 896, 928, 1024,
];
/// The same of short windows (Table 4.130).
const SHORT_BANDS: [usize; 15] = [0, 4, 8, 12, 16, 20, 28, 36, 44, 56, 68, 80, 96, 112, 128];

/// `window_sequence` (§4.5.2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    Long,
    /// Before short windows.
    Start,
    Short,
    /// After short windows.
    Stop,
}

impl Sequence {
    /// The number that is written.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Long => 0,
            Self::Start => 1,
            Self::Short => 2,
            Self::Stop => 3,
        }
    }
}

/// A run of lines that share a scale factor. In a group of short windows it has those of all the windows, one window after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    /// Its first line, in the order in which lines are written.
    pub(super) start: usize,
    pub(super) lines: usize,
    /// Its lowest and highest frequency, as a part of half the sampling rate.
    pub(super) low: f32,
    pub(super) high: f32,
}

/// The arrangement of one access unit.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) sequence: Sequence,
    /// Windows of each group.
    pub(super) groups: Vec<usize>,
    /// Bands of one group that are written: the others are above the bandwidth.
    pub(super) bands_per_group: usize,
    /// Those of all groups, one group after the other.
    pub(super) bands: Vec<Band>,
}

impl Layout {
    /// For a single window. `bandwidth` is a part of half the sampling rate.
    pub(super) fn long(sequence: Sequence, bandwidth: f32) -> Self {
        Self::new(sequence, vec![1], &LONG_BANDS, bandwidth)
    }

    /// For short windows in these groups.
    pub(super) fn short(groups: Vec<usize>, bandwidth: f32) -> Self {
        Self::new(Sequence::Short, groups, &SHORT_BANDS, bandwidth)
    }

    fn new(sequence: Sequence, groups: Vec<usize>, offsets: &[usize], bandwidth: f32) -> Self {
        let window_lines = offsets[offsets.len() - 1];
        let most = bandwidth * window_lines as f32;
        let bands_per_group = offsets[..offsets.len() - 1]
            .iter()
            .filter(|&&start| (start as f32) < most)
            .count();
        let mut bands = Vec::with_capacity(groups.len() * bands_per_group);
        let mut first = 0;
        for &windows in &groups {
            for edges in offsets.windows(2).take(bands_per_group) {
                bands.push(Band {
                    start: first + edges[0] * windows,
                    lines: (edges[1] - edges[0]) * windows,
                    low: edges[0] as f32 / window_lines as f32,
                    high: edges[1] as f32 / window_lines as f32,
                });
            }
            first += window_lines * windows;
        }
        Self {
            sequence,
            groups,
            bands_per_group,
            bands,
        }
    }

    /// Brings lines of short windows, one window after the other, into the order in which they are written: band by band within a
    /// group (§4.5.2.3.5).
    pub(super) fn arrange(&self, windows: &[f32], lines: &mut [f32]) {
        if self.sequence != Sequence::Short {
            lines.copy_from_slice(windows);
            return;
        }
        lines.fill(0.0);
        let mut window = 0;
        for (group, &count) in self.groups.iter().enumerate() {
            let bands = &self.bands[group * self.bands_per_group..][..self.bands_per_group];
            for (band, edges) in bands.iter().zip(SHORT_BANDS.windows(2)) {
                let width = edges[1] - edges[0];
                for index in 0..count {
                    let from = (window + index) * SHORT_LINES + edges[0];
                    lines[band.start + index * width..][..width]
                        .copy_from_slice(&windows[from..from + width]);
                }
            }
            window += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_group_are_written_band_by_band() {
        let layout = Layout::short(vec![1, 7], 1.0);
        let windows: Vec<f32> = (0..LINES).map(|index| index as f32).collect();
        let mut lines = vec![0.0; LINES];
        layout.arrange(&windows, &mut lines);
        assert_eq!(lines[..SHORT_LINES], windows[..SHORT_LINES]);
        // The first band of the second group: four lines of each of seven windows.
        assert_eq!(
            lines[128..136],
            [128.0, 129.0, 130.0, 131.0, 256.0, 257.0, 258.0, 259.0]
        );
        let mut sorted = lines.clone();
        sorted.sort_by(f32::total_cmp);
        assert_eq!(sorted, windows, "each line is there once");
        assert_eq!(layout.bands.len(), 28);
    }

    #[test]
    fn bands_above_the_bandwidth_are_left_out() {
        let layout = Layout::long(Sequence::Long, 0.7);
        let last = layout.bands.last().unwrap();
        assert!(last.low < 0.7 && last.high >= 0.7, "{last:?}");
        assert_eq!(Layout::long(Sequence::Long, 1.0).bands.len(), 49);
    }
}
