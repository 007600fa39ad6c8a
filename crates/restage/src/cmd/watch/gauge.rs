//! Statistics of the watched publication.

use std::fmt;
use std::time::{Duration, Instant};

use restage_client::{Codec, ReceivedFrame, Stats, TrackKind};
use serde::Serialize;

use restage_codec::h264::annexb;
use restage_codec::{PictureSize, av1, vp8, vp9};

/// A new subscriber first gets the newest key frame and what followed it in one burst. These frames would distort
/// the rates, so rates are computed from what arrives later than this.
const SETTLING: Duration = Duration::from_millis(250);
/// Rates over a shorter time would be random.
const SPAN_MIN: Duration = Duration::from_millis(250);

/// Counts received frames.
pub(crate) struct Gauge {
    participant_id: String,
    /// When the first connection was established.
    started_at: Option<Instant>,
    tracks: [Option<Track>; 2],
}

struct Track {
    codec: Codec,
    size: Option<PictureSize>,
    frames: u64,
    key_frames: u64,
    damaged: u64,
    bytes: u64,
    /// The number of frames when the window of the next rates began.
    frames_before: u64,
    bytes_before: u64,
    /// The start of that window; `None` before the first frame of a connection.
    window_from: Option<Instant>,
    last_at: Instant,
    longest_gap: Duration,
}

/// Statistics of the last second and since the start.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reading {
    participant_id: String,
    seconds: f64,
    /// `None` while it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f32>,
    /// Frames that were dropped because this program was too slow.
    frames_dropped: u64,
    tracks: Vec<TrackReading>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TrackReading {
    kind: String,
    codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    frames: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_per_second: Option<u64>,
    key_frames: u64,
    /// Frames before which something was lost.
    damaged: u64,
    /// Longest time between two frames.
    longest_gap_ms: u64,
    /// Packets that were requested again.
    nacks: u64,
}

impl Gauge {
    pub(crate) fn new(participant_id: &str) -> Self {
        Self {
            participant_id: participant_id.to_owned(),
            started_at: None,
            tracks: [None, None],
        }
    }

    /// Records that a connection is established: the first one, or another after a loss.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.started_at.get_or_insert(now);
        for track in self.tracks.iter_mut().flatten() {
            track.window_from = None;
        }
    }

    /// Frames of both tracks since the start.
    pub(crate) fn frames(&self) -> u64 {
        self.tracks.iter().flatten().map(|track| track.frames).sum()
    }

    pub(crate) fn count(&mut self, received: &ReceivedFrame) {
        let frame = &received.frame;
        let slot = match frame.codec.kind() {
            TrackKind::Video => 0,
            TrackKind::Audio => 1,
        };
        let track = self.tracks[slot].get_or_insert_with(|| Track::new(received));
        if track.codec != frame.codec {
            *track = Track::new(received);
        }
        let received_at = received.received_at;
        let window_from = *track.window_from.get_or_insert(received_at + SETTLING);
        track.frames += 1;
        track.bytes += frame.data.len() as u64;
        if received_at < window_from {
            (track.frames_before, track.bytes_before) = (track.frames, track.bytes);
        }
        track.damaged += u64::from(!received.is_contiguous);
        track.longest_gap = track.longest_gap.max(
            received
                .received_at
                .saturating_duration_since(track.last_at),
        );
        track.last_at = received.received_at;
        if frame.is_key_frame && frame.codec.kind() == TrackKind::Video {
            track.key_frames += 1;
            track.size = match frame.codec {
                Codec::H264 => annexb::picture_size(&frame.data),
                Codec::Vp8 => vp8::picture_size(&frame.data),
                Codec::Vp9 => vp9::picture_size(&frame.data),
                Codec::Av1 => av1::picture_size(&frame.data),
                _ => None,
            }
            .or(track.size);
        }
    }

    /// Takes a reading; the next reading covers the time from now on.
    pub(crate) fn read(&mut self, stats: &Stats, now: Instant) -> Reading {
        let tracks: Vec<_> = self
            .tracks
            .iter_mut()
            .flatten()
            .map(|track| track.read(now, stats))
            .collect();
        let started_at = self.started_at.unwrap_or(now);
        let is_told = tracks.is_empty() || tracks.iter().any(|one| one.bits_per_second.is_some());
        let bits = tracks.iter().filter_map(|track| track.bits_per_second);
        let bits_per_second = is_told.then(|| bits.sum());
        Reading {
            participant_id: self.participant_id.clone(),
            seconds: tenths(now.duration_since(started_at).as_secs_f64()),
            bits_per_second,
            rtt_ms: stats.rtt.map(|rtt| tenths(rtt.as_secs_f64() * 1_000.0)),
            loss: stats.loss_received,
            frames_dropped: stats.frames_dropped,
            tracks,
        }
    }
}

impl Track {
    fn new(received: &ReceivedFrame) -> Self {
        Self {
            codec: received.frame.codec,
            size: None,
            frames: 0,
            key_frames: 0,
            damaged: 0,
            bytes: 0,
            frames_before: 0,
            bytes_before: 0,
            window_from: None,
            last_at: received.received_at,
            longest_gap: Duration::ZERO,
        }
    }

    /// Frames and bits per second since the last reading; starts the next window.
    fn rates(&mut self, now: Instant) -> Option<(f64, u64)> {
        let span = now.saturating_duration_since(self.window_from?);
        if span < SPAN_MIN {
            return None;
        }
        let frames = self.frames - self.frames_before;
        let bytes = self.bytes - self.bytes_before;
        self.frames_before = self.frames;
        self.bytes_before = self.bytes;
        self.window_from = Some(now);
        let span = span.as_secs_f64();
        Some((
            tenths(frames as f64 / span),
            (bytes as f64 * 8.0 / span) as u64,
        ))
    }

    fn read(&mut self, now: Instant, stats: &Stats) -> TrackReading {
        let kind = self.codec.kind();
        let nacks = stats
            .tracks
            .iter()
            .find(|track| track.kind == kind)
            .map_or(0, |track| track.nacks);
        let rates = self.rates(now);
        TrackReading {
            kind: kind.to_string(),
            codec: self.codec.to_string(),
            width: self.size.map(|size| size.width),
            height: self.size.map(|size| size.height),
            frames: self.frames,
            frames_per_second: rates.map(|(frames, _)| frames),
            bits_per_second: rates.map(|(_, bits)| bits),
            key_frames: self.key_frames,
            damaged: self.damaged,
            longest_gap_ms: u64::try_from(self.longest_gap.as_millis()).unwrap_or(u64::MAX),
            nacks,
        }
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds as u64;
        write!(f, "{:02}:{:02}", seconds / 60, seconds % 60)?;
        if let Some(bits) = self.bits_per_second {
            write!(f, "  {} kbit/s", bits / 1_000)?;
        }
        if let Some(rtt) = self.rtt_ms {
            write!(f, "  rtt {rtt:.0} ms")?;
        }
        if let Some(loss) = self.loss {
            write!(f, "  loss {:.1} %", loss * 100.0)?;
        }
        if self.frames_dropped > 0 {
            write!(f, "  {} dropped here", self.frames_dropped)?;
        }
        if self.tracks.is_empty() {
            write!(f, "  no media yet")?;
        }
        for track in &self.tracks {
            write!(f, "\n  {:<5}  {:<5}", track.kind, track.codec)?;
            if let (Some(width), Some(height)) = (track.width, track.height) {
                write!(f, "  {width}x{height}")?;
            }
            if let (Some(frames), Some(bits)) = (track.frames_per_second, track.bits_per_second) {
                write!(f, "  {frames:.1}/s  {} kbit/s", bits / 1_000)?;
            }
            write!(f, "  {} frames", track.frames)?;
            if track.kind == "video" {
                write!(f, " ({} key)", track.key_frames)?;
            }
            write!(f, "  {} damaged", track.damaged)?;
            write!(
                f,
                "  longest gap {} ms  {} nacks",
                track.longest_gap_ms, track.nacks
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// The header of a VP8 key frame of 640 by 360.
    const KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];

    fn frame(received_at: Instant, is_key_frame: bool, is_contiguous: bool) -> ReceivedFrame {
        ReceivedFrame {
            frame: restage_client::EncodedFrame {
                codec: Codec::Vp8,
                time: Duration::ZERO,
                is_key_frame,
                data: Arc::from(&KEY[..]),
            },
            is_contiguous,
            received_at,
        }
    }

    fn reading(gauge: &mut Gauge, now: Instant) -> serde_json::Value {
        serde_json::to_value(gauge.read(&Stats::default(), now)).unwrap()
    }

    #[test]
    fn figures_are_of_the_last_second_and_counts_since_the_start() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut gauge = Gauge::new("Ab3dEf6hIj9k");
        gauge.connected(start);
        for count in 0..10 {
            gauge.count(&frame(at(100 * count), count == 0, true));
        }
        reading(&mut gauge, at(1_000));
        gauge.count(&frame(at(1_300), false, false));
        let reading = reading(&mut gauge, at(3_000));
        assert_eq!(reading["seconds"], 3.0);
        let track = &reading["tracks"][0];
        let expected = serde_json::json!({
            "kind": "video", "codec": "VP8", "width": 640, "height": 360, "frames": 11,
            "framesPerSecond": 0.5, "bitsPerSecond": 40, "keyFrames": 1, "damaged": 1,
            "longestGapMs": 400, "nacks": 0,
        });
        assert_eq!(*track, expected);
        assert_eq!(gauge.frames(), 11);
    }

    /// A new subscriber gets forty pictures at once, and then twenty per second.
    #[test]
    fn the_first_figures_are_those_of_the_stream_and_not_of_its_beginning() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut gauge = Gauge::new("Ab3dEf6hIj9k");
        // The time for connecting does not count.
        gauge.connected(at(5_000));
        assert_eq!(reading(&mut gauge, at(5_000))["bitsPerSecond"], 0);
        for count in 0..40 {
            gauge.count(&frame(at(5_100), count == 0, true));
        }
        let early = reading(&mut gauge, at(5_200));
        assert!(
            early["tracks"][0].get("framesPerSecond").is_none(),
            "{early}"
        );
        assert!(early.get("bitsPerSecond").is_none(), "{early}");
        for count in 0..19 {
            gauge.count(&frame(at(5_150 + 50 * count), false, true));
        }
        let first = reading(&mut gauge, at(6_100));
        assert_eq!(first["seconds"], 1.1);
        let rate = first["tracks"][0]["framesPerSecond"].as_f64().unwrap();
        assert!((18.0..=22.0).contains(&rate), "{first}");
        let bits = first["bitsPerSecond"].as_f64().unwrap();
        assert!((1_400.0..=1_800.0).contains(&bits), "{first}");
        assert_eq!(first["tracks"][0]["frames"], 59);
        // The same after a reconnection.
        gauge.connected(at(9_000));
        for _ in 0..40 {
            gauge.count(&frame(at(9_050), false, true));
        }
        for count in 0..20 {
            gauge.count(&frame(at(9_100 + 50 * count), false, true));
        }
        let again = reading(&mut gauge, at(10_100));
        let rate = again["tracks"][0]["framesPerSecond"].as_f64().unwrap();
        assert!((18.0..=22.0).contains(&rate), "{again}");
    }
}
