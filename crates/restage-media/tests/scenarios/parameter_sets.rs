//! The first picture of a new subscriber can always be decoded: the newest parameter sets come before its key frame,
//! wherever in the stream the publisher has sent them.

use std::sync::Arc;
use std::time::Duration;

use restage_media::limits::{PARAMETER_SETS_BYTES_MAX, PARAMETER_SETS_MAX};
use restage_media::{Control, PeerId, PublicationId};
use str0m::format::Codec;

use crate::support::World;
use crate::support::client::{Client, Got};
use crate::support::source::SourcePacket;

const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 0x8d, 0x68, 0x05, 0x00];
/// The same identifier, another level.
const OTHER_SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x28, 0x8d, 0x68, 0x05, 0x00];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
/// Identifier 1.
const OTHER_PPS: &[u8] = &[0x68, 0x53, 0x8f, 0x20];
const SUPPLEMENT: &[u8] = &[0x06, 0x05, 0x01, 0xaa, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x21];
const DELTA: &[u8] = &[0x41, 0x9a, 0x21, 0x08];

/// One packet of several units (RFC 6184 §5.7.1).
fn aggregate(units: &[&[u8]]) -> Vec<u8> {
    let mut payload = vec![0x78];
    for unit in units {
        payload.extend((unit.len() as u16).to_be_bytes());
        payload.extend(*unit);
    }
    payload
}

/// A publisher whose packets are made here, one picture every 40 ms.
struct Stage {
    world: World,
    publisher: usize,
    seq: u64,
    time: u32,
}

impl Stage {
    fn new() -> Self {
        Self::with_offer(str::to_owned)
    }

    fn with_offer(edit: impl FnOnce(&str) -> String) -> Self {
        let mut world = World::new();
        let mut client = Client::publisher(world.now, 1, 0);
        client.edit_offer(edit);
        let publisher = world.open(client, true);
        world.control(Control::Publish {
            peer: PeerId(1),
            publication: PublicationId(1),
        });
        world.connect();
        Self {
            world,
            publisher,
            seq: 1_000,
            time: 90_000,
        }
    }

    /// Packets of one timestamp.
    fn send(&mut self, payloads: &[&[u8]]) {
        let mut packets = Vec::new();
        for (place, payload) in (1..).zip(payloads) {
            packets.push(SourcePacket {
                descriptor: None,
                seq: self.seq,
                time: self.time,
                marker: place == payloads.len(),
                payload: (*payload).into(),
            });
            self.seq += 1;
        }
        self.time += 3_600;
        let now = self.world.now;
        self.world.clients[self.publisher].send_video(now, Codec::H264, packets);
        self.world.drain_client(self.publisher);
        self.world.run_ms(40);
    }

    fn subscribe(&mut self, key: u64) -> usize {
        let subscriber = self.world.subscriber(key, 1);
        self.world.connect();
        self.world.run_ms(100);
        subscriber
    }

    fn got(&self, subscriber: usize) -> Vec<&[u8]> {
        let got = self.world.clients[subscriber].video_got();
        got.map(|got| &*got.payload).collect()
    }

    /// The first packets for a new subscriber, after a key frame without parameter sets was sent.
    fn newcomer(&mut self) -> Vec<Vec<u8>> {
        self.send(&[IDR]);
        self.send(&[DELTA]);
        let subscriber = self.subscribe(2);
        self.assert_continuous(subscriber);
        self.got(subscriber)
            .iter()
            .map(|payload| payload.to_vec())
            .collect()
    }

    fn assert_continuous(&self, subscriber: usize) {
        let got: Vec<&Got> = self.world.clients[subscriber].video_got().collect();
        let seqs: Vec<u64> = got.iter().map(|got| got.seq).collect();
        assert!(
            seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{seqs:?}"
        );
    }
}

#[test]
fn sets_that_were_said_once_come_before_the_key_frame() {
    for first in [
        vec![SPS, PPS, IDR],
        vec![PPS, SPS, IDR],
        vec![SUPPLEMENT, SPS, SUPPLEMENT, PPS, IDR],
    ] {
        let mut stage = Stage::new();
        stage.send(&first);
        assert_eq!(stage.newcomer(), [SPS, PPS, IDR, DELTA]);
    }
}

#[test]
fn sets_come_from_aggregates_in_any_order() {
    for first in [
        aggregate(&[SPS, PPS]),
        aggregate(&[PPS, SUPPLEMENT, SPS]),
        aggregate(&[SPS, PPS, SUPPLEMENT, IDR]),
    ] {
        let mut stage = Stage::new();
        stage.send(&[&first, IDR]);
        assert_eq!(stage.newcomer(), [SPS, PPS, IDR, DELTA]);
    }
}

#[test]
fn sets_come_from_fragments() {
    let mut stage = Stage::new();
    let first = [&[0x7c, 0x87], &SPS[1..5]].concat();
    let last = [&[0x7c, 0x47], &SPS[5..]].concat();
    stage.send(&[&first, &last, PPS, IDR]);
    assert_eq!(stage.newcomer(), [SPS, PPS, IDR, DELTA]);
}

#[test]
fn sets_under_an_earlier_timestamp_belong_to_the_picture_that_follows() {
    let mut stage = Stage::new();
    for _ in 0..3 {
        stage.send(&[SPS, PPS]);
        stage.send(&[IDR]);
        stage.send(&[DELTA]);
    }
    let subscriber = stage.subscribe(2);
    assert_eq!(stage.got(subscriber), [SPS, PPS, IDR, DELTA]);
}

#[test]
fn sets_under_a_timestamp_of_their_own_begin_no_picture() {
    let mut stage = Stage::new();
    stage.send(&[SPS, PPS]);
    stage.send(&[IDR]);
    stage.send(&[SPS, PPS]);
    stage.send(&[DELTA]);
    stage.send(&[DELTA]);
    let subscriber = stage.subscribe(2);
    assert_eq!(
        stage.got(subscriber),
        [SPS, PPS, IDR, SPS, PPS, DELTA, DELTA]
    );
}

#[test]
fn sets_that_only_the_offer_has_come_before_the_key_frame() {
    // SPS and PPS from above, in base64.
    let sprop = "sprop-parameter-sets=Z0LgH41oBQA=,aM48gA==";
    let mut stage = Stage::with_offer(|offer| {
        offer.replace(
            "profile-level-id=42e01f",
            &format!("profile-level-id=42e01f;{sprop}"),
        )
    });
    assert_eq!(stage.newcomer(), [SPS, PPS, IDR, DELTA]);
}

#[test]
fn what_the_stream_says_is_newer_than_the_offer() {
    let sprop = "sprop-parameter-sets=Z0LgH41oBQA=,aM48gA==";
    let mut stage = Stage::with_offer(|offer| {
        offer.replace(
            "profile-level-id=42e01f",
            &format!("profile-level-id=42e01f;{sprop}"),
        )
    });
    stage.send(&[OTHER_SPS, IDR]);
    assert_eq!(stage.newcomer(), [OTHER_SPS, PPS, IDR, DELTA]);
}

#[test]
fn new_sets_in_the_middle_of_the_stream_replace_those_of_the_same_identifier() {
    let mut stage = Stage::new();
    stage.send(&[SPS, PPS, IDR]);
    stage.send(&[DELTA]);
    let watching = stage.subscribe(9);
    stage.send(&[OTHER_PPS, DELTA]);
    stage.send(&[OTHER_SPS, IDR]);
    assert_eq!(stage.newcomer(), [OTHER_SPS, PPS, OTHER_PPS, IDR, DELTA]);
    stage.assert_continuous(watching);
    let got = stage.got(watching);
    let own = [
        SPS, PPS, SPS, PPS, IDR, DELTA, OTHER_PPS, DELTA, OTHER_SPS, IDR, IDR, DELTA,
    ];
    assert_eq!(
        got[..],
        own[2..],
        "who watches is given what there is, once"
    );
}

#[test]
fn a_key_frame_that_brings_everything_is_left_alone() {
    let mut stage = Stage::new();
    let sets = aggregate(&[SPS, PPS]);
    stage.send(&[&sets, IDR]);
    stage.send(&[&sets, IDR]);
    let subscriber = stage.subscribe(2);
    assert_eq!(stage.got(subscriber), [&sets[..], IDR]);
}

#[test]
fn a_key_frame_need_not_be_the_first_thing_in_its_picture() {
    let mut stage = Stage::new();
    stage.send(&[SPS, PPS, IDR]);
    stage.send(&[SUPPLEMENT, IDR]);
    stage.send(&[DELTA]);
    let subscriber = stage.subscribe(2);
    assert_eq!(stage.got(subscriber), [SPS, PPS, IDR, DELTA]);
}

#[test]
fn a_subscriber_that_waits_is_given_them_live() {
    let mut stage = Stage::new();
    stage.send(&[SPS, PPS, IDR]);
    stage.world.run(Duration::from_secs(11));
    stage.send(&[DELTA]);
    let subscriber = stage.subscribe(2);
    assert!(stage.got(subscriber).is_empty(), "the key frame is too old");
    stage.send(&[DELTA]);
    stage.send(&[IDR]);
    stage.send(&[DELTA]);
    assert_eq!(stage.got(subscriber), [SPS, PPS, IDR, DELTA]);
    stage.assert_continuous(subscriber);
    let got: Vec<&Got> = stage.world.clients[subscriber].video_got().collect();
    let picture = got.iter().filter(|other| other.time == got[2].time);
    let markers: Vec<bool> = picture.map(|got| got.marker).collect();
    assert_eq!(
        markers,
        [false, false, true],
        "one picture, which ends once"
    );
}

#[test]
fn who_lost_the_picture_is_given_them_again() {
    let mut stage = Stage::new();
    stage.send(&[SPS, PPS, IDR]);
    let subscriber = stage.subscribe(2);
    stage.send(&[DELTA]);
    stage.world.clients[subscriber].got.clear();
    stage.world.clients[subscriber].request_keyframe();
    stage.world.run_ms(50);
    stage.send(&[DELTA]);
    stage.send(&[IDR]);
    stage.send(&[DELTA]);
    stage.send(&[IDR]);
    assert_eq!(stage.got(subscriber), [DELTA, SPS, PPS, IDR, DELTA, IDR]);
    stage.assert_continuous(subscriber);
}

#[test]
fn inserted_packets_are_sent_again_like_others() {
    let mut stage = Stage::new();
    stage.send(&[SPS, PPS, IDR]);
    stage.world.run(Duration::from_secs(11));
    let subscriber = stage.subscribe(2);
    // The beginning of the stream arrives, and only the packets after it are lost: a receiver cannot miss packets of a
    // stream that it does not know.
    stage.send(&[IDR]);
    stage.send(&[DELTA]);
    stage.world.clients[subscriber].request_keyframe();
    stage.world.run_ms(50);
    stage.world.loss_out = 100;
    stage.send(&[IDR]);
    stage.world.loss_out = 0;
    for _ in 0..10 {
        stage.send(&[DELTA]);
    }
    stage
        .world
        .wait("everything", Duration::from_secs(2), |world| {
            world.clients[subscriber].video_got().count() == 17
        });
    let client = &stage.world.clients[subscriber];
    let mut got: Vec<(u64, Arc<[u8]>, bool)> = client
        .video_got()
        .map(|got| (got.seq, Arc::clone(&got.payload), got.marker))
        .collect();
    got.sort_by_key(|(seq, ..)| *seq);
    let again: Vec<(&[u8], bool)> = got[4..7]
        .iter()
        .map(|(_, payload, marker)| (&**payload, *marker))
        .collect();
    assert_eq!(again, [(SPS, false), (PPS, false), (IDR, true)]);
}

#[test]
fn each_layer_has_its_own() {
    let mut world = World::new();
    let client = Client::simulcast(world.now, 1, 0, &["a", "b"]);
    world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    world.connect();
    let now = world.now;
    for (rid, packets) in [("a", 2), ("b", 6)] {
        world.clients[0].start_video(now, Codec::H264, Some(rid), packets);
    }
    for (source, level) in world.clients[0].video_sources.iter_mut().zip([30, 31]) {
        source.keyframe_interval = 10;
        source.parameter_sets = crate::support::source::ParameterSets::Once { level };
    }
    world.run_ms(2_000);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    world.run_ms(1_000);
    let levels: Vec<u8> = world.clients[subscriber]
        .video_got()
        .filter(|got| got.payload[0] == 0x67)
        .map(|got| got.payload[3])
        .collect();
    assert_eq!(levels.last(), Some(&31), "{levels:?}");
}

#[test]
fn what_a_stranger_sends_is_bounded() {
    let mut stage = Stage::new();
    stage.send(&[SPS, PPS, IDR]);
    let sets: Vec<Vec<u8>> = (0..200_u32)
        .map(|id| {
            // Identifiers as Exp-Golomb codes of 15 bits, and sequence parameter set 0.
            let code = (id + 128) << 1 | 1;
            let [.., high, low] = code.to_be_bytes();
            let mut unit = vec![0x68, high, low];
            unit.resize(100, 0xaa);
            unit
        })
        .collect();
    for group in sets.chunks(50) {
        let units: Vec<&[u8]> = group.iter().map(Vec::as_slice).collect();
        stage.send(&units);
    }
    let given = stage.newcomer();
    let before = given.iter().take_while(|payload| **payload != *IDR);
    let sizes: Vec<usize> = before.map(Vec::len).collect();
    assert!(
        sizes.len() <= PARAMETER_SETS_MAX && !sizes.is_empty(),
        "{sizes:?}"
    );
    assert!(sizes.iter().sum::<usize>() <= PARAMETER_SETS_BYTES_MAX);
}
