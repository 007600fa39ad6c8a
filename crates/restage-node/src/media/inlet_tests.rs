//! Tests of external inlets on running workers, read by taps.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use restage_media::{Codec, Excess, GoneReason, TapLayers};
use tokio::sync::{mpsc, watch};

use super::super::worker::Fault;
use super::super::{MediaEvent, MediaPlaces, MediaSettings, PublishLimits, TapStream, Tapped};
use super::*;

/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(30);
const PUBLICATION: PublicationId = PublicationId(900);
const SOUND: usize = 0;
const PICTURES: usize = 1;

fn start(workers: u16, limits: PublishLimits) -> (Media, mpsc::Receiver<MediaEvent>) {
    let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    let settings = MediaSettings {
        workers,
        limits,
        ..MediaSettings::new(places)
    };
    Media::start(settings).unwrap()
}

fn formats() -> Vec<Format> {
    let parameters = "packetization-mode=1;profile-level-id=42e01f";
    vec![
        Format::new(Codec::Opus, "").unwrap(),
        Format::new(Codec::H264, parameters).unwrap(),
    ]
}

fn packet(format: usize, sequence: u64, bytes: usize) -> InletPacket {
    // A slice of a picture that is no key frame.
    let payload = [&[0x41][..], &vec![7; bytes - 1]].concat();
    InletPacket {
        format,
        layer: 0,
        sequence,
        timestamp: sequence * 960,
        captured_us: Some(sequence * 20_000),
        marker: format == PICTURES,
        payload: payload.into(),
        audio_level: (format == SOUND).then_some(-30),
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, future).await;
    done.unwrap_or_else(|_| panic!("{what} within {LIMIT:?}"))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn tap(media: &Media) -> (TapStream, watch::Sender<()>) {
    let life = watch::Sender::new(());
    let tap = media
        .open_tap(PUBLICATION, TapLayers::Best, life.subscribe())
        .await;
    (tap.unwrap(), life)
}

/// The next packets.
async fn next(tap: &mut TapStream) -> Tapped {
    within("packets", async {
        loop {
            match tap.try_next().expect("it goes on") {
                Some(tapped) => return tapped,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    })
    .await
}

async fn next_sequence(tap: &mut TapStream) -> u64 {
    let tapped = next(tap).await;
    tapped.packets[0].sequence
}

#[tokio::test]
async fn an_inlet_begins_when_publication_and_formats_are_known() {
    for formats_first in [true, false] {
        let (media, _events) = start(2, PublishLimits::default());
        let (mut tap, _life) = tap(&media).await;
        let inlet = media.open_inlet(true).await.unwrap();
        assert!(
            inlet.push(vec![packet(SOUND, 1, 50)]),
            "it is taken, and nobody hears it"
        );
        if formats_first {
            inlet.begin(formats()).await;
            assert!(inlet.push(vec![packet(SOUND, 2, 50)]));
            media.publish_inlet(inlet.inlet(), PUBLICATION).await;
        } else {
            media.publish_inlet(inlet.inlet(), PUBLICATION).await;
            assert!(inlet.push(vec![packet(SOUND, 2, 50)]));
            inlet.begin(formats()).await;
        }
        until("it feeds", || media.stats().inlets == 1).await;
        // The tap's worker may not know yet that another one feeds the publication.
        let first = within("a packet", async {
            for sequence in 3.. {
                inlet.push(vec![packet(SOUND, sequence, 50)]);
                tokio::time::sleep(Duration::from_millis(20)).await;
                if let Some(next) = tap.try_next().expect("it goes on") {
                    return next.packets[0].clone();
                }
            }
            unreachable!()
        })
        .await;
        assert!(first.sequence >= 3, "{first:?}");
        assert_eq!(first.audio_level, Some(-30));
        drop(inlet);
        until("it is closed", || media.stats().inlets == 0).await;
        assert_eq!(media.pushed_bytes(), 0);
        media.stop().await;
    }
}

#[tokio::test]
async fn an_inlet_whose_worker_does_not_keep_up_drops_and_says_so() {
    let (media, _events) = start(1, PublishLimits::default());
    let inlet = media.open_inlet(true).await.unwrap();
    inlet.begin(formats()).await;
    media.publish_inlet(inlet.inlet(), PUBLICATION).await;
    let (mut tap, _life) = tap(&media).await;
    let (stall, release) = Fault::stall();
    media.fail(0, stall).await;
    let (mut taken, mut sequence) = (Vec::new(), 0);
    loop {
        sequence += 1;
        if !inlet.push(vec![packet(SOUND, sequence, 1_000)]) {
            break;
        }
        taken.push(sequence);
        let bytes = media.pushed_bytes();
        assert!(bytes <= INLET_QUEUE_BYTES_MAX, "{bytes}");
    }
    assert!(media.pushed_bytes() > INLET_QUEUE_BYTES_MAX - 2_000);
    assert_eq!(inlet.counts().dropped, 1);
    drop(release);
    let mut got = Vec::new();
    while got.len() < taken.len() {
        let tapped = next(&mut tap).await;
        got.extend(tapped.packets.iter().map(|packet| packet.sequence));
    }
    assert_eq!(got, taken);
    until("the room is free", || media.pushed_bytes() == 0).await;
    assert!(inlet.push(vec![packet(SOUND, sequence + 1, 1_000)]));
    assert_eq!(
        next_sequence(&mut tap).await,
        sequence + 1,
        "the gap is seen"
    );
    media.stop().await;
}

#[tokio::test]
async fn key_frames_that_are_wanted_are_counted() {
    let (media, _events) = start(1, PublishLimits::default());
    let inlet = media.open_inlet(true).await.unwrap();
    inlet.begin(formats()).await;
    media.publish_inlet(inlet.inlet(), PUBLICATION).await;
    let (_tap, _life) = tap(&media).await;
    for sequence in 1..=10 {
        inlet.push(vec![packet(PICTURES, sequence, 100)]);
    }
    until("a request", || inlet.counts().keyframes_wanted > 0).await;
    media.stop().await;
}

#[tokio::test]
async fn an_inlet_that_sends_too_much_ends_and_the_reason_is_told() {
    let limits = PublishLimits {
        bits_per_s: Some(100_000),
        pixels: None,
        ..PublishLimits::default()
    };
    let (media, mut events) = start(1, limits);
    let inlet = media.open_inlet(true).await.unwrap();
    inlet.begin(formats()).await;
    media.publish_inlet(inlet.inlet(), PUBLICATION).await;
    let gone = within("the end", async {
        for sequence in 1.. {
            inlet.push(vec![packet(SOUND, sequence, 1_000)]);
            tokio::time::sleep(Duration::from_millis(2)).await;
            if let Ok(event) = events.try_recv() {
                return event;
            }
        }
        unreachable!()
    })
    .await;
    let MediaEvent::Gone(peer, GoneReason::Exceeded(Excess::PublishBitrate { bits_per_s })) = gone
    else {
        panic!("{gone:?}");
    };
    assert_eq!(peer.0, inlet.inlet().0);
    assert!(bits_per_s > 100_000);
    until("it is closed", || media.stats().inlets == 0).await;
    drop(inlet);
    media.stop().await;
}

#[tokio::test]
async fn an_inlet_of_a_worker_that_begins_anew_ends() {
    let (media, mut events) = start(1, PublishLimits::default());
    let inlet = media.open_inlet(true).await.unwrap();
    inlet.begin(formats()).await;
    media.publish_inlet(inlet.inlet(), PUBLICATION).await;
    until("it feeds", || media.stats().inlets == 1).await;
    media.fail(0, Fault::Panic).await;
    let gone = within("the end", events.recv()).await;
    let expected = MediaEvent::Gone(PeerId(inlet.inlet().0), GoneReason::Panicked);
    assert_eq!(gone, Some(expected));
    assert!(inlet.push(vec![packet(SOUND, 1, 100)]), "nobody hears it");
    until("it is taken", || media.pushed_bytes() == 0).await;
    media.stop().await;
}
