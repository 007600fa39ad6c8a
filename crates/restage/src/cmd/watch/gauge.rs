//! Figures about what is watched.

use std::fmt;
use std::time::{Duration, Instant};

use restage_client::{Codec, ReceivedFrame, Stats, TrackKind};
use serde::Serialize;

use crate::media::{h264, vp8};

/// Counts what comes.
pub(crate) struct Gauge {
    participant_id: String,
    started_at: Instant,
    read_at: Instant,
    tracks: [Option<Track>; 2],
}

struct Track {
    codec: Codec,
    size: Option<(u32, u32)>,
    frames: u64,
    key_frames: u64,
    damaged: u64,
    bytes: u64,
    /// Of the last reading.
    frames_before: u64,
    bytes_before: u64,
    last_at: Instant,
    longest_gap: Duration,
}

/// Figures of the last second and since the start.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reading {
    participant_id: String,
    seconds: f64,
    bits_per_second: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f32>,
    /// Frames this program was too slow for.
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
    frames_per_second: f64,
    bits_per_second: u64,
    key_frames: u64,
    /// Frames with something lost before them.
    damaged: u64,
    /// Longest time between two frames.
    longest_gap_ms: u64,
    /// Packets asked for again.
    nacks: u64,
}

impl Gauge {
    pub(crate) fn new(participant_id: &str, now: Instant) -> Self {
        Self {
            participant_id: participant_id.to_owned(),
            started_at: now,
            read_at: now,
            tracks: [None, None],
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
        track.frames += 1;
        track.bytes += frame.data.len() as u64;
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
                Codec::H264 => h264::size(&frame.data),
                Codec::Vp8 => vp8::size(&frame.data),
                _ => None,
            }
            .or(track.size);
        }
    }

    /// Takes a reading; the next one is about the time from now on.
    pub(crate) fn read(&mut self, stats: &Stats, now: Instant) -> Reading {
        let span = now.duration_since(self.read_at).as_secs_f64().max(0.001);
        self.read_at = now;
        let tracks: Vec<_> = self
            .tracks
            .iter_mut()
            .flatten()
            .map(|track| track.read(span, stats))
            .collect();
        Reading {
            participant_id: self.participant_id.clone(),
            seconds: tenths(now.duration_since(self.started_at).as_secs_f64()),
            bits_per_second: tracks.iter().map(|track| track.bits_per_second).sum(),
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
            last_at: received.received_at,
            longest_gap: Duration::ZERO,
        }
    }

    fn read(&mut self, span: f64, stats: &Stats) -> TrackReading {
        let kind = self.codec.kind();
        let nacks = stats
            .tracks
            .iter()
            .find(|track| track.kind == kind)
            .map_or(0, |track| track.nacks);
        let frames = self.frames - self.frames_before;
        let bytes = self.bytes - self.bytes_before;
        self.frames_before = self.frames;
        self.bytes_before = self.bytes;
        TrackReading {
            kind: kind.to_string(),
            codec: self.codec.to_string(),
            width: self.size.map(|size| size.0),
            height: self.size.map(|size| size.1),
            frames: self.frames,
            frames_per_second: tenths(frames as f64 / span),
            bits_per_second: (bytes as f64 * 8.0 / span) as u64,
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
        let kilobits = self.bits_per_second / 1_000;
        write!(
            f,
            "{:02}:{:02}  {kilobits} kbit/s",
            seconds / 60,
            seconds % 60
        )?;
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
            write!(
                f,
                "  {:.1}/s  {} kbit/s",
                track.frames_per_second,
                track.bits_per_second / 1_000
            )?;
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

    #[test]
    fn figures_are_of_the_last_second_and_counts_since_the_start() {
        let start = Instant::now();
        let mut gauge = Gauge::new("Ab3dEf6hIj9k", start);
        let key = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];
        let frame = |count: u64, is_contiguous: bool| ReceivedFrame {
            frame: restage_client::EncodedFrame {
                codec: Codec::Vp8,
                time: Duration::ZERO,
                is_key_frame: count == 0,
                data: Arc::from(&key[..]),
            },
            is_contiguous,
            received_at: start + Duration::from_millis(100) * count as u32,
        };
        for count in 0..10 {
            gauge.count(&frame(count, true));
        }
        gauge.read(&Stats::default(), start + Duration::from_secs(1));
        gauge.count(&frame(13, false));
        let reading =
            serde_json::to_value(gauge.read(&Stats::default(), start + Duration::from_secs(3)))
                .unwrap();
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
}
