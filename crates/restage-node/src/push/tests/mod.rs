//! Pushes over real connections, to small servers made of restage-rtmp's own server half.

mod server;
mod streams;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::limits::Times;
use super::tls::Trust;
use super::{Push, PushFormat, PushState, PushTarget, open_with};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);
const KEY: &str = "sk_secret";
/// 128 by 96 pixels, baseline; an IDR picture; a P picture.
const SPS: &[u8] = &[
    0x67, 0x42, 0xd0, 0x0b, 0xda, 0x08, 0x36, 0xc0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0x52, 0x3c,
    0x48, 0x9a, 0x80,
];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 1, 2, 3];
const DELTA: &[u8] = &[0x41, 0x9a, 0x21, 4, 5];

/// Pauses are short; everything else is as it is for a server.
const QUICK: Times = Times {
    pause_min: Duration::from_millis(10),
    pause_max: Duration::from_millis(80),
    ..Times::OF_A_SERVER
};

fn format() -> PushFormat {
    PushFormat {
        width: 128,
        height: 96,
        framerate: 30.0,
        video_bitrate: 1_000_000,
        audio_bitrate: 160_000,
        audio_sample_rate: 48_000,
        audio_channels: 2,
        audio_config: vec![0x11, 0x90],
    }
}

fn push_to(url: &str, times: Times) -> Push {
    let target = PushTarget::parse(url, KEY).unwrap();
    open_with(target, false, format(), times, Trust::System)
}

fn annex_b(units: &[&[u8]]) -> Bytes {
    let unit = |unit: &&[u8]| [&[0, 0, 0, 1][..], unit].concat();
    units.iter().flat_map(unit).collect::<Vec<u8>>().into()
}

fn key_frame() -> Bytes {
    annex_b(&[SPS, PPS, IDR])
}

fn delta() -> Bytes {
    annex_b(&[DELTA])
}

/// The next state.
async fn state(push: &mut Push) -> PushState {
    let state = timeout(DEADLINE, push.changed()).await;
    state.expect("a state in time")
}

/// Waits for this state; those before it must be others.
async fn publishing(push: &mut Push) {
    while state(push).await != PushState::Publishing {}
}

/// Waits until the push has failed.
async fn failed(push: &mut Push) -> PushState {
    loop {
        let state = state(push).await;
        if matches!(state, PushState::Failed { .. }) {
            return state;
        }
    }
}

/// Waits until the task of a push has ended.
async fn gone(push: Push) {
    let queue = Arc::downgrade(&push.queue);
    drop(push);
    timeout(DEADLINE, async {
        while queue.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the task ends");
}
