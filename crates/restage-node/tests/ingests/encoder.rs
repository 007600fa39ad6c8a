//! An encoder: 30 pictures a second with a key frame every two seconds, and sound, in real time.

use std::time::{Duration, Instant};

use restage_media::{Codec, Format, InletPacket, MediaKind};
use restage_node::control::{Ingest, IngestClose, IngestItem};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const PICTURE: Duration = Duration::from_micros(33_333);
const SOUND: Duration = Duration::from_millis(20);
const KEY_EVERY: u64 = 60;
const FORMAT_SOUND: usize = 0;
const FORMAT_PICTURES: usize = 1;

/// 640 by 360, constrained baseline.
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48,
];
const PPS: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];

pub(crate) struct Encoder {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Option<IngestClose>>,
}

impl Encoder {
    /// The last byte of each of its packets is `name`.
    pub(crate) fn start(ingest: Ingest, name: u8) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            stop: Some(stop),
            task: tokio::spawn(run(ingest, name, stopped)),
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }

    /// It is gone, as when its process is killed.
    pub(crate) fn vanish(self) {
        self.task.abort();
    }

    /// Waits until the server has ended it.
    pub(crate) async fn ended(self) -> IngestClose {
        self.task.await.unwrap().unwrap()
    }
}

async fn run(
    mut ingest: Ingest,
    name: u8,
    mut stopped: oneshot::Receiver<()>,
) -> Option<IngestClose> {
    let parameters = "packetization-mode=1;profile-level-id=42c01e";
    let formats = vec![
        Format::new(Codec::Opus, "").unwrap(),
        Format::new(Codec::H264, parameters).unwrap(),
    ];
    ingest.begin(formats).await;
    let begin = now();
    // Clocks of two encoders have nothing to do with each other.
    let clock_us = u64::from(name) * 1_000_000_000;
    let (mut pictures, mut sounds, mut sequences) = (0_u64, 0_u64, [0_u64; 2]);
    loop {
        let (picture_at, sound_at) = (PICTURE * pictures as u32, SOUND * sounds as u32);
        let due = begin + picture_at.min(sound_at);
        tokio::select! {
            reason = ingest.closed() => return Some(reason),
            _ = &mut stopped => return None,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let is_key = pictures.is_multiple_of(KEY_EVERY);
        let item = if picture_at <= sound_at {
            pictures += 1;
            let us = clock_us + picture_at.as_micros() as u64;
            picture(us, is_key, name, &mut sequences[FORMAT_PICTURES])
        } else {
            sounds += 1;
            let us = clock_us + sound_at.as_micros() as u64;
            sound(us, name, &mut sequences[FORMAT_SOUND])
        };
        let has_begun = item.is_key && pictures == 1;
        ingest.push(vec![item]);
        if has_begun {
            ingest.establish().await;
        }
    }
}

fn picture(us: u64, is_key: bool, name: u8, sequence: &mut u64) -> IngestItem {
    let slice = |kind: u8| [&[kind, 0x88, 0x84][..], &[7; 400], &[name]].concat();
    let mut payloads = Vec::new();
    if is_key {
        let length = |set: &[u8]| (set.len() as u16).to_be_bytes();
        payloads.push([&[0x78][..], &length(SPS), SPS, &length(PPS), PPS].concat());
    }
    payloads.push(slice(if is_key { 0x65 } else { 0x41 }));
    let last = payloads.len() - 1;
    let packets = payloads.into_iter().enumerate().map(|(place, payload)| {
        *sequence += 1;
        InletPacket {
            format: FORMAT_PICTURES,
            layer: 0,
            sequence: *sequence,
            timestamp: us * 9 / 100,
            captured_us: Some(us),
            marker: place == last,
            payload: payload.into(),
            audio_level: None,
        }
    });
    IngestItem {
        kind: MediaKind::Video,
        is_key,
        packets: packets.collect(),
    }
}

fn sound(us: u64, name: u8, sequence: &mut u64) -> IngestItem {
    *sequence += 1;
    let packet = InletPacket {
        format: FORMAT_SOUND,
        layer: 0,
        sequence: *sequence,
        timestamp: us * 48 / 1_000,
        captured_us: Some(us),
        marker: false,
        // 20 ms of CELT (RFC 6716 §3.1).
        payload: [&[0xf8][..], &[7; 60], &[name]].concat().into(),
        audio_level: Some(-30),
    };
    IngestItem {
        kind: MediaKind::Audio,
        is_key: false,
        packets: vec![packet],
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
