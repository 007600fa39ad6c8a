//! The sound of one input: packets into a ring, and 20 ms at a time out of it.

use std::collections::VecDeque;
use std::fmt;

use opus::{Channels, Decoder};

use super::{BLOCK, CHANNELS, RATE_HZ};

/// Samples of a packet, at most: 120 ms (RFC 6716 §2.1.4).
const PACKET_MAX: i64 = 5_760;
/// A gap in the stream up to this is concealed; a longer one is silence.
const CONCEALED_MAX: i64 = 5_760;
/// Concealment is made in units of 2.5 ms (RFC 6716 §2.1.4).
const CONCEALED_UNIT: i64 = 120;
/// Samples in the ring, at most: a second.
const RING_MAX: usize = 48_000;
/// A step back in time by more is a new stream.
const STEP_BACK_MAX: i64 = 48_000;
/// Blocks that are concealed in a row when packets are late; then it is silent.
const LATE_CONCEALED_MAX: u32 = 5;
/// So many late packets in a row move the input back in time.
const LATE_PACKETS: u32 = 10;
/// Samples by which an input may be moved back in time: half a second.
const LATE_MAX: i64 = 24_000;
/// Difference from the wanted place, in samples, at which the speed is changed: 10 ms; and at which it is not any more: 1 ms.
const DRIFT_MAX: i64 = 480;
const DRIFT_MIN: i64 = 48;
/// Difference at which the place is left at once: 80 ms.
const DRIFT_JUMP: i64 = 3_840;
/// Samples more or fewer of a block while the speed is changed: half a percent, which nobody hears.
const SPEED: i64 = 5;
/// Part of a packet's difference by which the clock of the stream is corrected: a time constant of a second.
const CLOCK_PART: f64 = 0.02;
/// Difference of a packet from the clock that is no jitter: 100 ms; so many in a row begin a new clock.
const CLOCK_JUMP: f64 = 4_800.0;
const CLOCK_JUMPS: u32 = 3;
/// Samples over which a step in the wave is smoothed: 5 ms.
const SMOOTHED: usize = 240;

/// Decodes the packets of one input, and gives its sound at the times that are wanted.
///
/// Places are RTP times at 48 kHz. The clock says which place is wanted at which time, from the times that packets have; it follows them
/// slowly, so that jitter changes nothing, and where the sender's clock runs differently, blocks are played a little faster or slower.
pub struct InputSound {
    decoder: Decoder,
    /// Samples from `end − ring.len()` to `end`.
    ring: VecDeque<[f32; CHANNELS]>,
    /// The place after the last sample: what the next packet should have.
    end: i64,
    /// The place minus the time, in samples.
    clock: Option<f64>,
    clock_jumps: u32,
    /// Samples by which the input is behind where it should be, because its packets come late.
    late: i64,
    late_packets: u32,
    /// The next place that is played. `None` while it is silent.
    place: Option<i64>,
    /// The place that was wanted last.
    wanted: i64,
    is_correcting: bool,
    concealed: u32,
    /// What was played last, for smoothing.
    last: [f32; CHANNELS],
    decoded: Vec<f32>,
}

impl fmt::Debug for InputSound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InputSound")
            .field("end", &self.end)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl InputSound {
    /// # Errors
    ///
    /// There is no memory for a decoder.
    pub fn new() -> Result<Self, opus::Error> {
        Ok(Self {
            decoder: Decoder::new(RATE_HZ, Channels::Stereo)?,
            ring: VecDeque::new(),
            end: 0,
            clock: None,
            clock_jumps: 0,
            late: 0,
            late_packets: 0,
            place: None,
            wanted: i64::MIN,
            is_correcting: false,
            concealed: 0,
            last: [0.0; CHANNELS],
            decoded: vec![0.0; PACKET_MAX as usize * CHANNELS],
        })
    }

    /// Takes a packet: when its first sample is to be heard, and its place. What is damaged is a gap.
    pub fn take(&mut self, at_us: u64, timestamp: u64, packet: &[u8]) {
        let samples = restage_codec::opus::samples(packet);
        let Some(samples) = samples.and_then(|samples| i64::try_from(samples).ok()) else {
            return;
        };
        // Places are far below 2⁶², or the packet is no sound of a person's lifetime.
        let Some(place) = i64::try_from(timestamp)
            .ok()
            .filter(|place| *place < 1 << 62)
        else {
            return;
        };
        if !(1..=PACKET_MAX).contains(&samples) {
            return;
        }
        self.follow(at_us, place);
        self.notice_lateness(place);
        let gap = place - self.end;
        if self.ring.is_empty() || !(-STEP_BACK_MAX..=RING_MAX as i64).contains(&gap) {
            self.restart(place);
        } else if gap + samples <= 0 {
            return;
        } else if gap > 0 {
            self.bridge(gap, samples, packet);
        }
        let length = samples as usize * CHANNELS;
        let decoded = self
            .decoder
            .decode_float(packet, &mut self.decoded[..length], false);
        match decoded {
            // What was made up for its beginning has been played.
            Ok(count) => self.append(gap.min(0).unsigned_abs() as usize, count),
            // The place is empty, and the next packet finds a gap.
            Err(_) => return,
        }
        self.concealed = 0;
    }

    /// Corrects the clock.
    fn follow(&mut self, at_us: u64, place: i64) {
        let time = at_us as f64 * f64::from(RATE_HZ) / 1e6;
        let measured = place as f64 - time;
        let Some(clock) = &mut self.clock else {
            self.clock = Some(measured);
            return;
        };
        let difference = measured - *clock;
        if difference.abs() < CLOCK_JUMP {
            self.clock_jumps = 0;
            *clock += difference * CLOCK_PART;
            return;
        }
        self.clock_jumps += 1;
        if self.clock_jumps >= CLOCK_JUMPS {
            *clock = measured;
            self.clock_jumps = 0;
        }
    }

    /// Moves the input back in time if its packets always come after they should have been played.
    fn notice_lateness(&mut self, place: i64) {
        let lateness = self
            .wanted
            .saturating_add(BLOCK as i64)
            .saturating_sub(place);
        if lateness <= 0 || lateness > LATE_MAX {
            self.late_packets = 0;
            return;
        }
        self.late_packets += 1;
        if self.late_packets >= LATE_PACKETS {
            self.late_packets = 0;
            self.late = (self.late + lateness + BLOCK as i64).min(LATE_MAX);
            self.ring.clear();
            self.place = None;
        }
    }

    /// Begins anew at a place.
    fn restart(&mut self, place: i64) {
        self.ring.clear();
        self.end = place;
        self.place = None;
        self.concealed = 0;
    }

    /// Fills a gap before a packet: by concealment and what the packet repeats of the one before it, or with silence.
    fn bridge(&mut self, gap: i64, samples: i64, packet: &[u8]) {
        if gap > CONCEALED_MAX {
            self.extend_with_silence(gap);
            return;
        }
        let repeated = if samples <= gap { samples } else { 0 };
        let concealed = (gap - repeated) / CONCEALED_UNIT * CONCEALED_UNIT;
        if concealed > 0 {
            self.conceal(concealed);
        }
        if repeated > 0 {
            let length = repeated as usize * CHANNELS;
            let decoded = self
                .decoder
                .decode_float(packet, &mut self.decoded[..length], true);
            match decoded {
                Ok(count) => self.append(0, count),
                Err(_) => self.extend_with_silence(repeated),
            }
        }
        self.extend_with_silence(gap - repeated - concealed);
    }

    /// Continues the sound as well as the decoder can.
    fn conceal(&mut self, samples: i64) {
        let length = samples as usize * CHANNELS;
        match self
            .decoder
            .decode_float(&[], &mut self.decoded[..length], false)
        {
            Ok(count) => self.append(0, count),
            Err(_) => self.extend_with_silence(samples),
        }
    }

    /// Appends what was decoded, without its beginning.
    fn append(&mut self, skipped: usize, count: usize) {
        let samples = &self.decoded[skipped.min(count) * CHANNELS..count * CHANNELS];
        let (samples, _) = samples.as_chunks::<CHANNELS>();
        self.ring.extend(samples);
        self.appended(samples.len() as i64);
    }

    fn extend_with_silence(&mut self, samples: i64) {
        let silence = std::iter::repeat_n([0.0; CHANNELS], samples.max(0) as usize);
        self.ring.extend(silence);
        self.appended(samples.max(0));
    }

    fn appended(&mut self, samples: i64) {
        self.end += samples;
        let surplus = self.ring.len().saturating_sub(RING_MAX);
        self.ring.drain(..surplus);
    }

    /// Adds the 20 ms that are to be heard at this time. True if they had to be made up.
    pub fn add_to(&mut self, mixed: &mut [f32], at_us: u64) -> bool {
        let Some(clock) = self.clock else {
            return false;
        };
        let wanted = (at_us as f64 * f64::from(RATE_HZ) / 1e6 + clock).round() as i64 - self.late;
        self.wanted = wanted;
        let begin = self.end - self.ring.len() as i64;
        let mut is_step = false;
        let place = match self.place {
            Some(place) if (wanted - place).abs() <= DRIFT_JUMP => place,
            _ => {
                is_step = true;
                self.is_correcting = false;
                wanted
            }
        };
        let samples = self.speed(wanted - place);
        // Two samples beyond the last one are looked at for what lies between samples.
        let missing = place + samples + 2 - self.end;
        let mut is_concealed = false;
        if missing > 0 && self.place.is_some() && self.concealed < LATE_CONCEALED_MAX {
            self.concealed += 1;
            is_concealed = true;
            let units = (missing.min(CONCEALED_MAX) as u64).div_ceil(CONCEALED_UNIT as u64);
            self.conceal(units as i64 * CONCEALED_UNIT);
        }
        let is_silent = place >= self.end || place + samples <= begin;
        if is_silent {
            self.place = None;
            if self.last != [0.0; CHANNELS] {
                fade_out(mixed, self.last);
                self.last = [0.0; CHANNELS];
            }
            return is_concealed;
        }
        self.play(mixed, place, samples, is_step);
        self.place = Some(place + samples);
        let played = (place + samples - 2 - (self.end - self.ring.len() as i64)).max(0);
        self.ring.drain(..(played as usize).min(self.ring.len()));
        is_concealed
    }

    /// How many samples the next block takes, if the wanted place is so far ahead.
    fn speed(&mut self, ahead: i64) -> i64 {
        let most = if self.is_correcting {
            DRIFT_MIN
        } else {
            DRIFT_MAX
        };
        self.is_correcting = ahead.abs() > most;
        match self.is_correcting {
            true => BLOCK as i64 + SPEED * ahead.signum(),
            false => BLOCK as i64,
        }
    }

    /// Adds `samples` samples from a place on, spread over a block.
    fn play(&mut self, mixed: &mut [f32], place: i64, samples: i64, is_step: bool) {
        let begin = self.end - self.ring.len() as i64;
        let sample = |at: i64| -> [f32; CHANNELS] {
            let index = usize::try_from(at - begin).ok();
            index
                .and_then(|index| self.ring.get(index).copied())
                .unwrap_or_default()
        };
        let (rising, last) = (is_step, self.last);
        let weight = |number: usize| match rising && number < SMOOTHED {
            true => number as f32 / SMOOTHED as f32,
            false => 1.0,
        };
        if rising {
            fade_out(mixed, last);
        }
        let (blocks, _) = mixed.as_chunks_mut::<CHANNELS>();
        if samples == BLOCK as i64 {
            for (number, out) in blocks.iter_mut().enumerate() {
                let value = sample(place + number as i64);
                out.iter_mut()
                    .zip(value)
                    .for_each(|(out, value)| *out += value);
            }
        } else {
            for (number, out) in blocks.iter_mut().enumerate() {
                let exact = number as i64 * samples;
                let (whole, part) = (exact / BLOCK as i64, exact % BLOCK as i64);
                let at = place + whole;
                let around = [sample(at - 1), sample(at), sample(at + 1), sample(at + 2)];
                let part = part as f32 / BLOCK as f32;
                for (channel, out) in out.iter_mut().enumerate() {
                    *out += between(around.map(|value| value[channel]), part) * weight(number);
                }
            }
        }
        self.last = sample(place + samples - 1);
    }
}

/// Lets what was played last die away over the beginning of a block.
fn fade_out(mixed: &mut [f32], last: [f32; CHANNELS]) {
    let (blocks, _) = mixed.as_chunks_mut::<CHANNELS>();
    for (number, out) in blocks.iter_mut().take(SMOOTHED).enumerate() {
        let weight = 1.0 - number as f32 / SMOOTHED as f32;
        out.iter_mut()
            .zip(last)
            .for_each(|(out, value)| *out += value * weight);
    }
}

/// A cubic curve through four samples (Catmull and Rom), at a part of the way from the second to the third.
fn between([a, b, c, d]: [f32; 4], part: f32) -> f32 {
    let slope_b = (c - a) / 2.0;
    let slope_c = (d - b) / 2.0;
    let difference = b - c;
    let cubic = 2.0 * difference + slope_b + slope_c;
    let square = -3.0 * difference - 2.0 * slope_b - slope_c;
    ((cubic * part + square) * part + slope_b) * part + b
}
