//! Tests of taps on running workers. The publications are fed by the tests.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use restage_media::{Codec, Format, InletPacket, MediaKind, WorkerId, limits};
use tokio::sync::mpsc;

use super::super::worker::Fault;
use super::super::{InletWriter, MediaEvent, MediaPlaces, MediaSettings};
use super::*;

/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(30);
const PUBLICATION: PublicationId = PublicationId(900);
/// Payload of each packet, in bytes.
const PAYLOAD: usize = 1_000;

struct Plane {
    media: Media,
    _events: mpsc::Receiver<MediaEvent>,
    pushed: u64,
    /// The inlet that feeds the publication.
    inlet: Option<InletWriter>,
}

impl Plane {
    fn start(workers: u16) -> Self {
        let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let settings = MediaSettings {
            workers,
            ..MediaSettings::new(places)
        };
        let (media, events) = Media::start(settings).unwrap();
        Self {
            media,
            _events: events,
            pushed: 0,
            inlet: None,
        }
    }

    /// Feeds the publication from this worker, from now on.
    async fn open_inlet(&mut self, worker: u16, number: u64) {
        let inlet = self.media.open_inlet_on(worker, number).await;
        inlet
            .begin(vec![Format::new(Codec::Opus, "").unwrap()])
            .await;
        self.media.publish_inlet(inlet.inlet(), PUBLICATION).await;
        self.inlet = Some(inlet);
        self.until("it feeds the publication", |media| {
            media.inner.workers[0].routes().home(PUBLICATION) == Some(WorkerId(worker))
        })
        .await;
    }

    /// Pushes packets of sound with numbers that go on.
    fn push(&mut self, count: u64) {
        let first = self.pushed;
        self.pushed += count;
        let numbers: Vec<u64> = (first..first + count).collect();
        for some in numbers.chunks(limits::PUSH_PACKETS_MAX) {
            let packet = |sequence: &u64| InletPacket {
                format: 0,
                layer: 0,
                sequence: *sequence,
                timestamp: sequence * 960,
                captured_us: None,
                marker: false,
                payload: vec![7; PAYLOAD].into(),
                audio_level: None,
            };
            let packets = some.iter().map(packet).collect();
            assert!(self.inlet.as_ref().unwrap().push(packets), "there is room");
        }
    }

    async fn tap(&self) -> (TapStream, watch::Sender<()>) {
        let life = watch::Sender::new(());
        let tap = self
            .media
            .open_tap(PUBLICATION, TapLayers::Best, life.subscribe())
            .await;
        (tap.unwrap(), life)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Media) -> bool) {
        within(what, async {
            while !is_so(&self.media) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, future).await;
    done.unwrap_or_else(|_| panic!("{what} within {LIMIT:?}"))
}

/// The next packets; `None` at the end.
async fn next(tap: &mut TapStream) -> Option<Tapped> {
    within("packets", async {
        loop {
            match tap.try_next() {
                Ok(Some(tapped)) => return Some(tapped),
                Ok(None) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(TapEnded) => return None,
            }
        }
    })
    .await
}

/// The numbers of the packets that come until this one, and how many were missed.
async fn read_to(tap: &mut TapStream, last: u64) -> (Vec<u64>, Missed) {
    let (mut numbers, mut missed) = (Vec::new(), Missed::default());
    while numbers.last() != Some(&last) {
        let tapped = next(tap).await.expect("it goes on");
        missed.packets += tapped.missed.packets;
        missed.bytes += tapped.missed.bytes;
        numbers.extend(tapped.packets.iter().map(|packet| packet.sequence));
    }
    (numbers, missed)
}

#[tokio::test]
async fn a_tap_is_given_everything_in_order_with_the_time_of_arrival() {
    let mut plane = Plane::start(2);
    let before = plane.media.now_us();
    plane.open_inlet(1, 1).await;
    let (mut tap, _life) = plane.tap().await;
    assert_eq!(tap.tap.0 % 2, 1, "on the worker that feeds it");
    plane.push(500);
    let mut packets = Vec::new();
    while packets.len() < 500 {
        packets.extend(next(&mut tap).await.unwrap().packets);
    }
    let numbers: Vec<u64> = packets.iter().map(|packet| packet.sequence).collect();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    let after = plane.media.now_us();
    for packet in &packets {
        assert_eq!(packet.kind, MediaKind::Audio);
        assert!((before..=after).contains(&packet.arrived_us), "{packet:?}");
    }
    assert_eq!(plane.media.tapped_bytes(), 0);
    plane.media.stop().await;
    assert!(next(&mut tap).await.is_none());
}

#[tokio::test]
async fn a_reader_that_stalls_slows_nobody_and_learns_what_it_has_missed() {
    let mut plane = Plane::start(1);
    plane.open_inlet(0, 1).await;
    let (mut stalled, _life) = plane.tap().await;
    let (mut other, _life) = plane.tap().await;
    let all = 3 * TAP_QUEUE_PACKETS_MAX as u64;
    // The worker takes the next packets while nobody reads the first tap; the second one is read meanwhile.
    for _ in 0..all / 512 {
        plane.push(512);
        let (numbers, missed) = read_to(&mut other, plane.pushed - 1).await;
        assert_eq!(numbers.len(), 512);
        assert_eq!(missed, Missed::default());
        let bytes = plane.media.tapped_bytes();
        assert!(bytes <= 2 * TAP_QUEUE_BYTES_MAX, "{bytes}");
    }
    let queued = plane.media.tapped_bytes();
    assert!(queued <= TAP_QUEUE_BYTES_MAX && queued > TAP_QUEUE_BYTES_MAX / 2);
    plane
        .until("the count", |media| media.stats().tap_packets_dropped > 0)
        .await;
    // What waited is not lost, and the rest is counted with the next packets.
    let mut numbers = Vec::new();
    while let Ok(Some(tapped)) = stalled.try_next() {
        assert_eq!(tapped.missed, Missed::default());
        numbers.extend(tapped.packets.iter().map(|packet| packet.sequence));
    }
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    plane.push(1);
    let next = next(&mut stalled).await.unwrap();
    assert_eq!(next.packets[0].sequence, all);
    assert_eq!(next.missed.packets, all - numbers.len() as u64);
    assert_eq!(next.missed.bytes, next.missed.packets * PAYLOAD as u64);
    plane
        .until("the count", |media| {
            media.stats().tap_packets_dropped == next.missed.packets
        })
        .await;
    plane.media.stop().await;
}

#[tokio::test]
async fn the_worker_does_not_wait_for_a_reader_that_takes_what_waits() {
    let mut plane = Plane::start(1);
    plane.open_inlet(0, 1).await;
    let (mut tap, _life) = plane.tap().await;
    plane.push(10);
    plane
        .until("the first", |media| media.stats().packets_tapped == 10)
        .await;
    let (locked, is_locked) = oneshot::channel();
    let (unlock, is_unlocked) = std::sync::mpsc::channel::<()>();
    let holder = tap.queue.hold_while(move || {
        locked.send(()).unwrap();
        is_unlocked.recv().ok();
    });
    within("the lock", is_locked).await.unwrap();
    plane.push(20);
    plane
        .until("the others", |media| media.stats().packets_tapped == 30)
        .await;
    drop(unlock);
    holder.join().unwrap();
    let (numbers, missed) = read_to(&mut tap, 29).await;
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    assert_eq!(missed, Missed::default());
    plane.media.stop().await;
}

#[tokio::test]
async fn a_tap_follows_its_publication_to_another_worker() {
    let mut plane = Plane::start(2);
    plane.open_inlet(0, 1).await;
    let (mut tap, _life) = plane.tap().await;
    plane.push(10);
    assert_eq!(read_to(&mut tap, 9).await.0.len(), 10);
    plane.open_inlet(1, 2).await;
    // Until the other worker relays, packets have nowhere to go.
    let moved = within("a packet of the other worker", async {
        loop {
            plane.push(1);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let Some(next) = tap.try_next().expect("it goes on") {
                return next;
            }
        }
    })
    .await;
    assert!(moved.packets[0].sequence >= 10);
    plane.push(10);
    read_to(&mut tap, plane.pushed - 1).await;
    drop(tap);
    plane
        .until("nothing is left", |media| media.stats().taps == 0)
        .await;
    plane.media.stop().await;
}

#[tokio::test]
async fn a_tap_ends_with_its_publication_and_is_closed_when_nobody_reads_it() {
    let mut plane = Plane::start(1);
    plane.open_inlet(0, 1).await;
    let (mut tap, life) = plane.tap().await;
    plane.push(3);
    plane
        .until("the packets", |media| media.stats().packets_tapped == 3)
        .await;
    drop(life);
    let mut packets = 0;
    while let Some(tapped) = next(&mut tap).await {
        packets += tapped.packets.len();
    }
    assert_eq!(packets, 3, "what came before is given first");
    drop(tap);
    plane
        .until("it is closed", |media| media.stats().taps == 0)
        .await;
    assert_eq!(plane.media.tapped_bytes(), 0);
    // A request after the end reaches nobody, and there may be as many taps as before.
    for _ in 0..limits::TAPS_PER_PUBLICATION_MAX * 2 {
        let (tap, _life) = plane.tap().await;
        tap.want_keyframe();
    }
    plane.media.stop().await;
}

#[tokio::test]
async fn a_tap_too_many_is_refused_and_one_of_a_worker_that_begins_anew_ends() {
    let plane = Plane::start(1);
    let mut taps = Vec::new();
    for _ in 0..limits::TAPS_PER_PUBLICATION_MAX {
        taps.push(plane.tap().await);
    }
    let life = watch::Sender::new(());
    let refused = plane
        .media
        .open_tap(PUBLICATION, TapLayers::Best, life.subscribe())
        .await;
    assert!(matches!(
        refused,
        Err(OpenTapError::Refused(TapError::Full))
    ));
    plane.media.fail(0, Fault::Panic).await;
    for (tap, _) in &mut taps {
        assert!(next(tap).await.is_none());
    }
    let (_tap, _life) = plane.tap().await;
    plane
        .until("the new one", |media| media.stats().taps == 1)
        .await;
    plane.media.stop().await;
}

#[tokio::test]
async fn a_tap_that_is_read_from_time_to_time_tells_its_end() {
    let mut plane = Plane::start(1);
    plane.open_inlet(0, 1).await;
    let (mut tap, life) = plane.tap().await;
    assert_eq!(tap.try_next().map(|tapped| tapped.is_some()), Ok(false));
    let (mut other, _life) = plane.tap().await;
    plane.push(3);
    read_to(&mut other, plane.pushed - 1).await;
    drop(life);
    // What came before the end is given first.
    let mut taken = 0;
    let ended = loop {
        match tap.try_next() {
            Ok(Some(tapped)) => taken += tapped.packets.len(),
            Ok(None) => panic!("it has ended"),
            Err(ended) => break ended,
        }
    };
    assert_eq!((taken, ended), (3, TapEnded));
    plane.media.stop().await;
}
