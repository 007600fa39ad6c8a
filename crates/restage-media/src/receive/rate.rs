//! The rate of one encoder's packets.

use std::time::{Duration, Instant};

use crate::limits::PACKET_OVERHEAD_BYTES;

/// How long packets are counted for one measurement.
const WINDOW: Duration = Duration::from_millis(500);
/// The average forgets a measurement with this time constant.
const AVERAGED_OVER: Duration = Duration::from_secs(1);
/// Measurements of which the highest average is remembered: three seconds.
const PEAK_WINDOWS: usize = 6;

/// Bits per second, measured window by window.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    window: Option<Window>,
    /// What the last window had, RTP payload only.
    newest: u64,
    /// The average, RTP payload only.
    payload: u64,
    /// The average with headers, and those after the windows before, newest first.
    wire: [u64; PEAK_WINDOWS],
    /// Frames in a thousand seconds, on average.
    frames: u64,
    is_measured: bool,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    bytes: u64,
    packets: u64,
    frames: u64,
}

impl Rate {
    /// Counts a packet of this many bytes of payload. True: a window has ended and there is a new rate.
    pub(crate) fn add(&mut self, now: Instant, bytes: usize, ends_frame: bool) -> bool {
        let begun = Window {
            since: now,
            bytes: 0,
            packets: 0,
            frames: 0,
        };
        let window = self.window.get_or_insert(begun);
        let length = now.saturating_duration_since(window.since);
        if length < WINDOW {
            window.bytes += bytes as u64;
            window.packets += 1;
            window.frames += u64::from(ends_frame);
            return false;
        }
        let ended = *window;
        self.window = Some(Window {
            bytes: bytes as u64,
            packets: 1,
            frames: u64::from(ends_frame),
            ..begun
        });
        self.close(ended, length);
        true
    }

    /// Packets come again after a pause. What was measured before counts until there is more: the pause says nothing about the rate.
    pub(crate) fn resume(&mut self) {
        self.window = None;
    }

    fn close(&mut self, window: Window, length: Duration) {
        let millis = (length.as_millis() as u64).max(1);
        let per_s = |bytes: u64| bytes * 8 * 1_000 / millis;
        self.newest = per_s(window.bytes);
        let wire = per_s(window.bytes + window.packets * PACKET_OVERHEAD_BYTES);
        let frames = window.frames * 1_000_000 / millis;
        let (payload, mean, frames) = match self.is_measured {
            true => (
                average(self.payload, self.newest, length),
                average(self.wire[0], wire, length),
                average(self.frames, frames, length),
            ),
            false => (self.newest, wire, frames),
        };
        self.frames = frames;
        self.payload = payload;
        self.wire.rotate_right(1);
        self.wire[0] = mean;
        self.is_measured = true;
    }

    /// Whether a window has ended.
    pub(crate) fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// RTP payload in the last window.
    pub(crate) fn newest_bits_per_s(&self) -> u64 {
        self.newest
    }

    /// RTP payload on average.
    pub(crate) fn bits_per_s(&self) -> u64 {
        self.payload
    }

    /// Frames per second, on average and rounded.
    pub(crate) fn frames_per_s(&self) -> u64 {
        (self.frames + 500) / 1_000
    }

    /// With all headers, on average.
    pub(crate) fn wire_bits_per_s(&self) -> u64 {
        self.wire[0]
    }

    /// The highest average with all headers in the last three seconds.
    pub(crate) fn peak_bits_per_s(&self) -> u64 {
        self.wire.iter().copied().max().unwrap_or_default()
    }

    /// The lowest average with all headers in the last three seconds, as far as it was measured: what a key frame adds for a moment is
    /// not in it.
    pub(crate) fn least_bits_per_s(&self) -> u64 {
        let measured = self.wire.iter().copied().filter(|rate| *rate > 0);
        measured.min().unwrap_or_default()
    }
}

/// The exponential average after a measurement that took `length`.
fn average(before: u64, measured: u64, length: Duration) -> u64 {
    let kept = (-length.as_secs_f64() / AVERAGED_OVER.as_secs_f64()).exp();
    (before as f64 * kept + measured as f64 * (1.0 - kept)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::test::epoch;

    struct Rig {
        rate: Rate,
        epoch: Instant,
    }

    impl Rig {
        fn new() -> Self {
            Self {
                rate: Rate::default(),
                epoch: epoch(),
            }
        }

        /// So many packets of these bytes every 10 ms, from `from_ms` on.
        fn feed(&mut self, from_ms: u64, count: u64, bytes: usize) -> &Rate {
            for tick in 0..count {
                let now = self.epoch + Duration::from_millis(from_ms + tick * 10);
                self.rate.add(now, bytes, tick.is_multiple_of(2));
            }
            &self.rate
        }
    }

    #[test]
    fn a_steady_rate_is_known_after_one_window() {
        let mut rig = Rig::new();
        assert!(!rig.feed(0, 50, 1_000).is_measured());
        let rate = rig.feed(500, 1, 1_000);
        assert_eq!(rate.newest_bits_per_s(), 800_000);
        assert_eq!(rate.bits_per_s(), 800_000);
        assert_eq!(rate.frames_per_s(), 50);
        let with_headers = 800 * (1_000 + PACKET_OVERHEAD_BYTES);
        assert_eq!(rate.wire_bits_per_s(), with_headers);
        assert_eq!(rate.peak_bits_per_s(), with_headers);
    }

    #[test]
    fn the_average_follows_within_seconds_and_the_peak_is_forgotten_after_three() {
        let mut rig = Rig::new();
        rig.feed(0, 300, 1_000);
        let rate = rig.feed(3_000, 150, 100);
        let (mean, peak) = (rate.wire_bits_per_s(), rate.peak_bits_per_s());
        assert!(mean < peak * 2 / 3, "{mean} of {peak}");
        assert_eq!(peak, 800 * (1_000 + PACKET_OVERHEAD_BYTES));
        let rate = rig.feed(4_500, 700, 100);
        assert!(rate.peak_bits_per_s() < 160_000, "{rate:?}");
        assert!((80_000..85_000).contains(&rate.bits_per_s()), "{rate:?}");
    }

    #[test]
    fn the_least_of_three_seconds_has_nothing_of_a_burst() {
        let mut rig = Rig::new();
        let steady = 800 * (1_000 + PACKET_OVERHEAD_BYTES);
        assert_eq!(rig.feed(0, 300, 1_000).least_bits_per_s(), steady);
        rig.feed(3_000, 40, 4_000);
        let rate = rig.feed(3_400, 61, 1_000);
        assert!(rate.wire_bits_per_s() > steady * 3 / 2, "{rate:?}");
        assert_eq!(rate.least_bits_per_s(), steady);
        // A rate that has grown for good counts after that time.
        let rate = rig.feed(4_010, 450, 2_000);
        assert!(rate.least_bits_per_s() > steady * 3 / 2, "{rate:?}");
    }

    #[test]
    fn a_pause_counts_as_time_without_packets() {
        let mut rig = Rig::new();
        rig.feed(0, 60, 1_000);
        let rate = rig.feed(60_000, 1, 1_000);
        assert!(rate.bits_per_s() < 10_000, "{rate:?}");
    }
}
