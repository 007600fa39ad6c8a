//! The sound of one participant: packets of Opus become samples at the place where they belong.
//!
//! Packets are decoded when their time has come, so that late ones and those out of order find their place. What is lost is concealed by the
//! decoder; what is longer than [`CONCEALED_MAX`] is silence. A participant's clock that runs a little fast or slow is followed by a few samples
//! in each packet, which nobody hears. One that comes nearer by a twentieth of the time, as a publisher does that makes up for a delay, is followed
//! too: the sound is higher by that much meanwhile, and stays with the pictures.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use opus::{Channels, Decoder};

use super::{RATE, samples_at};

/// A sample of both channels.
pub(super) type Sample = [f32; 2];

/// Packets that wait for their time: two seconds of the shortest.
const PENDING_MAX: usize = 800;
/// Samples that are concealed at a time, and all in all: longer losses are silence.
const CONCEALED_STEP: usize = RATE / 50;
const CONCEALED_MAX: usize = RATE / 10;
/// Samples of the longest packet: 120 ms (RFC 6716 §2.1.4).
const PACKET_MAX: usize = RATE * 120 / 1_000;
/// A packet that is further from its place belongs to another clock.
const FAR: i64 = RATE as i64 / 25;
/// What counts as no distance: 1 ms.
const NEAR: i64 = RATE as i64 / 1_000;
/// A step of this size in timestamps is no gap: the clock is another one.
const JUMP: u64 = RATE as u64 * 5;
/// How fast the distance of the clocks is followed: this part of each packet's distance.
const FOLLOW: f64 = 0.1;
/// A packet is stretched or pressed by this part of the distance.
const STRETCH_PART: i64 = 10;
/// The most samples for a distance below [`FAST_FROM`]; nobody hears them.
const STRETCH_MAX: i64 = 2;
/// The most for larger distances: this part of the packet.
const STRETCH_MAX_PART: i64 = 16;
/// The distance from which on being in step counts more than the pitch: 10 ms.
const FAST_FROM: i64 = RATE as i64 / 100;

pub(super) struct Voice {
    decoder: Decoder,
    pending: BTreeMap<u64, Bytes>,
    /// From timestamps to samples of the server's clock, as it is used; and as packets say, on average.
    offset: Option<i64>,
    said: f64,
    /// The timestamp after the newest that was decoded.
    next: u64,
    /// Decoded samples that are to be mixed, and the place of the first.
    ready: VecDeque<Sample>,
    at: i64,
    /// Samples concealed since the last packet.
    concealed: usize,
    scratch: Vec<f32>,
}

impl Voice {
    /// `None`: the library cannot make a decoder.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            decoder: Decoder::new(RATE as u32, Channels::Stereo).ok()?,
            pending: BTreeMap::new(),
            offset: None,
            said: 0.0,
            next: 0,
            ready: VecDeque::new(),
            at: 0,
            concealed: CONCEALED_MAX,
            scratch: vec![0.0; PACKET_MAX * 2],
        })
    }

    /// Takes a packet.
    pub(super) fn take(&mut self, at_us: u64, timestamp: u64, bytes: Bytes) {
        let distance = samples_at(at_us).wrapping_sub_unsigned(timestamp);
        let is_jump = self
            .offset
            .is_none_or(|_| timestamp.abs_diff(self.next) > JUMP)
            || (distance as f64 - self.said).abs() > (FAR * 4) as f64;
        if is_jump {
            self.pending.clear();
            self.said = distance as f64;
            self.offset = Some(distance);
            self.next = timestamp;
            self.concealed = CONCEALED_MAX;
        }
        self.said += (distance as f64 - self.said) * FOLLOW;
        if timestamp >= self.next && self.pending.len() < PENDING_MAX {
            self.pending.insert(timestamp, bytes);
        }
    }

    /// Packets that wait, and samples that are decoded.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.pending.len(), self.ready.len())
    }

    /// Adds the samples from `from` on to `mix`.
    pub(super) fn mix(&mut self, from: i64, mix: &mut [Sample]) {
        if self.ready.is_empty() || self.at < from - RATE as i64 {
            self.at = self.at.max(from);
        }
        self.fill(from, from + mix.len() as i64);
        while self.at < from && self.ready.pop_front().is_some() {
            self.at += 1;
        }
        if self.ready.is_empty() {
            self.at = from + mix.len() as i64;
            return;
        }
        let start = usize::try_from(self.at - from).unwrap_or(0).min(mix.len());
        for sum in &mut mix[start..] {
            let Some(sample) = self.ready.pop_front() else {
                break;
            };
            self.at += 1;
            sum[0] += sample[0];
            sum[1] += sample[1];
        }
    }

    /// Place of the first sample that is not decoded yet.
    fn end(&self) -> i64 {
        self.at + self.ready.len() as i64
    }

    /// Decodes until everything up to `until` is there, as far as it can be.
    fn fill(&mut self, from: i64, until: i64) {
        while self.end() < until {
            let Some(offset) = self.offset else { return };
            let first = self
                .pending
                .first_key_value()
                .map(|(timestamp, _)| *timestamp);
            let place = first.map(|timestamp| offset.wrapping_add_unsigned(timestamp));
            match (first, place) {
                (Some(first), Some(place)) if place <= self.end() + NEAR => {
                    self.decode(first, place, from);
                }
                (_, place) => {
                    // Lost, or not there yet.
                    let hole = place.map_or(until, |place| place.min(until)) - self.end();
                    let hole = usize::try_from(hole).unwrap_or(0);
                    if !self.conceal(hole) {
                        self.pass_over(hole);
                    }
                    if hole == 0 {
                        return;
                    }
                }
            }
        }
    }

    fn decode(&mut self, timestamp: u64, place: i64, from: i64) {
        let Some(bytes) = self.pending.remove(&timestamp) else {
            return;
        };
        let decoded = self.decoder.decode_float(&bytes, &mut self.scratch, false);
        let Ok(count) = decoded else {
            // Damaged: it counts as lost.
            return;
        };
        self.next = timestamp.saturating_add(count as u64);
        self.concealed = 0;
        // What came too late is not heard, but the decoder knows it.
        let late = usize::try_from(self.end().max(from) - place).unwrap_or(0);
        let late = if late <= NEAR as usize {
            0
        } else {
            late.min(count)
        };
        if self.end() < place && place - self.end() > NEAR {
            self.pass_over(usize::try_from(place - self.end()).unwrap_or(0));
        }
        let wanted = self.correction(count);
        let kept = &self.scratch[late * 2..count * 2];
        if late == 0 && wanted != 0 {
            stretch(kept, wanted, &mut self.ready);
        } else {
            self.ready
                .extend(kept.chunks_exact(2).map(|pair| [pair[0], pair[1]]));
        }
    }

    /// How many samples a packet is to be longer, so that the participant's clock is followed.
    fn correction(&mut self, count: usize) -> i64 {
        let Some(offset) = &mut self.offset else {
            return 0;
        };
        let behind = self.said.round() as i64 - *offset;
        if behind.abs() < NEAR || count < CONCEALED_STEP / 4 {
            return 0;
        }
        let most = match behind.abs() < FAST_FROM {
            true => STRETCH_MAX,
            false => count as i64 / STRETCH_MAX_PART,
        };
        let step = (behind / STRETCH_PART).clamp(-most, most);
        *offset += step;
        step
    }

    /// Makes up for what is lost. `false`: it is too much.
    fn conceal(&mut self, hole: usize) -> bool {
        let count = CONCEALED_STEP;
        if hole == 0 || self.concealed + count > CONCEALED_MAX {
            return false;
        }
        let made = self
            .decoder
            .decode_float(&[], &mut self.scratch[..count * 2], false);
        let Ok(made) = made else { return false };
        self.concealed += made;
        let kept = made.min(hole);
        let samples = self.scratch[..kept * 2].chunks_exact(2);
        self.ready.extend(samples.map(|pair| [pair[0], pair[1]]));
        kept > 0
    }

    /// So many samples are silent.
    fn pass_over(&mut self, count: usize) {
        match self.ready.is_empty() {
            true => self.at += count as i64,
            false => self.ready.extend(std::iter::repeat_n([0.0; 2], count)),
        }
    }
}

/// Brings samples into as many as they are and `by` more, between which nobody hears a step.
fn stretch(samples: &[f32], by: i64, out: &mut VecDeque<Sample>) {
    let count = samples.len() / 2;
    let wanted = usize::try_from(count as i64 + by).unwrap_or(count);
    let at = |place: usize| [samples[place * 2], samples[place * 2 + 1]];
    if count < 2 || wanted < 2 {
        return out.extend((0..count).map(at));
    }
    let step = (count - 1) as f64 / (wanted - 1) as f64;
    for place in 0..wanted {
        let exact = place as f64 * step;
        let whole = (exact as usize).min(count - 2);
        let part = (exact - whole as f64) as f32;
        let (before, after) = (at(whole), at(whole + 1));
        let between = |channel: usize| before[channel] + (after[channel] - before[channel]) * part;
        out.push_back([between(0), between(1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretching_keeps_the_ends() {
        let samples: Vec<f32> = (0..960).flat_map(|at| [at as f32, -(at as f32)]).collect();
        for by in [-2, -1, 0, 1, 2] {
            let mut out = VecDeque::new();
            stretch(&samples, by, &mut out);
            assert_eq!(out.len() as i64, 960 + by);
            assert_eq!((out[0], out[out.len() - 1]), ([0.0, 0.0], [959.0, -959.0]));
        }
    }

    /// Sound with a beep of 100 ms at the beginning of each second, in packets of 20 ms.
    fn beeps(seconds: usize) -> Vec<Bytes> {
        let mut encoder =
            opus::Encoder::new(RATE as u32, Channels::Mono, opus::Application::Audio).unwrap();
        let samples: Vec<f32> = (0..seconds * RATE)
            .map(|at| match at % RATE < RATE / 10 {
                true => {
                    0.5 * (at as f32 * 2.0 * std::f32::consts::PI * 1_000.0 / RATE as f32).sin()
                }
                false => 0.0,
            })
            .collect();
        let packets = samples.chunks_exact(RATE / 50);
        packets
            .map(|packet| encoder.encode_vec_float(packet, 1_500).unwrap().into())
            .collect()
    }

    #[test]
    fn sound_that_comes_nearer_or_goes_away_is_followed_within_a_frame() {
        let seconds = 20;
        let packets = beeps(seconds);
        // It is said to have been captured so much after its timestamp: from the sixth second on it changes by a twentieth of the time.
        for sign in [-1.0, 1.0] {
            let distance_us = |timestamp: u64| {
                let since = (timestamp as f64 / RATE as f64 - 5.0).clamp(0.0, 10.0);
                2_000_000 + (sign * since * 50_000.0) as i64
            };
            let captured_us =
                |timestamp: u64| (timestamp as i64 * 1_000 / 48 + distance_us(timestamp)) as u64;
            let mut voice = Voice::new().unwrap();
            let mut heard: Vec<i64> = Vec::new();
            let (mut given, mut quiet) = (0, RATE);
            let step = RATE / 50;
            for tick in 0..seconds * 50 + 200 {
                let from = (tick * step) as i64;
                // What is captured is there 100 ms later, and is mixed 120 ms later.
                let until_us = tick as u64 * 20_000 + 20_000;
                while given < packets.len() && captured_us((given * step) as u64) < until_us {
                    let timestamp = (given * step) as u64;
                    voice.take(captured_us(timestamp), timestamp, packets[given].clone());
                    given += 1;
                }
                let mut mix = vec![[0.0; 2]; step];
                voice.mix(from, &mut mix);
                for (place, sample) in mix.iter().enumerate() {
                    if sample[0].abs() > 0.2 {
                        if quiet > RATE / 4 {
                            heard.push(from + place as i64);
                        }
                        quiet = 0;
                    } else {
                        quiet += 1;
                    }
                }
            }
            assert!(heard.len() >= seconds - 1, "{heard:?}");
            let skipped = seconds - heard.len();
            for (second, place) in (skipped..).zip(heard) {
                let exact = captured_us((second * RATE) as u64) as i64 * 48 / 1_000;
                let apart_ms = (place - exact) / 48;
                assert!(apart_ms.abs() < 33, "second {second}: {apart_ms} ms");
            }
        }
    }
}
