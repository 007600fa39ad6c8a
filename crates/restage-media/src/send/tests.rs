//! The sending half against a receiver that holds the other end's keys.

mod estimation;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_codec::{Codec, FramePlace};

use super::feedback::Requests;
use super::seat::OWN;
use super::*;
use crate::io::Protocol;
use crate::limits::{TRAIN_BYTES_MAX, TRAIN_SEGMENTS_MAX};
use crate::packet::Encoding;
use crate::packet::Packet;
use crate::publication::history::History;
use crate::rtp::extensions::Extensions;
use crate::rtp::write::{ExtensionIds, HeaderForm};
use crate::sdp::format::format;
use crate::srtp::keys::KeyingMaterial;
use crate::srtp::keys::SrtpProfile;
use crate::util::rng::Rng;
use crate::util::test::epoch;

const VIDEO: u32 = 0x1111;
const RTX: u32 = 0x2222;
/// Id of the extension with the transport-wide number.
const NUMBER_ID: u8 = 3;

fn srtp(is_client: bool) -> Srtp {
    let bytes = (0..2 * (32 + 12)).collect();
    Srtp::new(&KeyingMaterial {
        profile: SrtpProfile::AeadAes256Gcm,
        bytes,
        is_client,
    })
    .unwrap()
}

struct Rig {
    sender: Sender,
    /// The subscriber's end.
    remote: Srtp,
    history: History,
    buffers: Buffers,
    outputs: VecDeque<Output>,
    now: Instant,
    /// The packet with this number starts a key frame.
    start: Option<u64>,
}

impl Rig {
    fn new(with_rtx: bool) -> Self {
        Self::with(with_rtx, false)
    }

    /// Its packets have transport-wide numbers.
    fn numbered(with_rtx: bool) -> Self {
        Self::with(with_rtx, true)
    }

    fn with(with_rtx: bool, is_numbered: bool) -> Self {
        let extensions = ExtensionIds {
            mid: Some(4),
            transport_seq: is_numbered.then_some(NUMBER_ID),
            ..ExtensionIds::default()
        };
        let stream = StreamConfig {
            header: HeaderForm::new(&extensions, "v"),
            ssrc: VIDEO,
            rtx_ssrc: with_rtx.then_some(RTX),
            rtx_types: if with_rtx { vec![(96, 97)] } else { Vec::new() },
            clock_rate: 90_000,
        };
        let path = Path {
            source: "192.0.2.1:4081".parse().unwrap(),
            destination: "192.0.2.2:5000".parse().unwrap(),
            protocol: Protocol::Udp,
        };
        Self {
            sender: Sender::new(
                srtp(false),
                [None, Some(stream)],
                "c".to_owned(),
                path,
                epoch(),
            ),
            remote: srtp(true),
            history: History::default(),
            buffers: Buffers::default(),
            outputs: VecDeque::new(),
            now: epoch(),
            start: None,
        }
    }

    /// Sends packets of these sizes and returns the datagrams of each train.
    fn send(&mut self, from: u64, sizes: &[usize]) -> Vec<Vec<Vec<u8>>> {
        self.queue(from, sizes);
        self.trains()
    }

    fn queue(&mut self, from: u64, sizes: &[usize]) {
        let vp8 = Arc::new(format(96, Codec::Vp8, ""));
        let mut burst = Vec::new();
        for (number, size) in (from..).zip(sizes) {
            let payload: Arc<[u8]> = vec![number as u8; *size].into();
            let encoding = Encoding {
                feed: 1,
                layer: 0,
                epoch: 0,
            };
            burst.push(Outgoing {
                part: 0,
                number,
                pt: 96,
                seq: number,
                time: 3_000,
                marker: false,
                nackable: true,
                starts: self.start == Some(number),
                wallclock: self.now,
                payload: Arc::clone(&payload),
                extensions: Extensions::default(),
                descriptor: None,
                edit: None,
            });
            let packet = Packet {
                kind: MediaKind::Video,
                encoding,
                target: encoding,
                ladder: None,
                format: Arc::clone(&vp8),
                seq: number,
                time: 3_000,
                marker: false,
                starts_key_frame: false,
                frame: FramePlace::default(),
                descriptor: None,
                lead: None,
                number,
                arrived: self.now,
                wallclock: self.now,
                report: None,
                payload,
                plain: None,
                extensions: Extensions::default(),
            };
            self.history.push(packet, self.now);
        }
        let (buffers, outputs) = (&mut self.buffers, &mut self.outputs);
        self.sender
            .send(self.now, (OWN, MediaKind::Video), &burst, buffers, outputs);
    }

    fn trains(&mut self) -> Vec<Vec<Vec<u8>>> {
        let mut trains = Vec::new();
        for output in self.outputs.drain(..) {
            let Output::Train {
                contents, segment, ..
            } = output
            else {
                panic!("only trains leave here")
            };
            trains.push(contents.chunks(segment).map(<[u8]>::to_vec).collect());
            self.buffers.give(contents);
        }
        trains
    }

    /// What the subscriber's feedback comes to.
    fn hear(&mut self, plain: &[u8]) -> Option<Requests> {
        let mut packet = plain.to_vec();
        assert!(self.remote.rtcp.protect(&mut packet, 0));
        let heard = self.sender.receive_rtcp(self.now, Duration::ZERO, &packet);
        heard.map(|heard| heard.own)
    }

    fn resend(&mut self, missing: &[u16]) -> Vec<Vec<u8>> {
        let (buffers, outputs) = (&mut self.buffers, &mut self.outputs);
        self.sender
            .resend(self.now, (OWN, missing), &self.history, buffers, outputs);
        self.trains().concat()
    }
}

fn nack(ssrc: u32, entries: &[(u16, u16)]) -> Vec<u8> {
    let mut bytes = vec![0x81, 205];
    bytes.extend((2 + entries.len() as u16).to_be_bytes());
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    for (first, following) in entries {
        bytes.extend(first.to_be_bytes());
        bytes.extend(following.to_be_bytes());
    }
    bytes
}

fn header(bytes: &[u8]) -> (u8, u16, u32) {
    let seq = u16::from_be_bytes([bytes[2], bytes[3]]);
    let ssrc = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    (bytes[1] & 0x7f, seq, ssrc)
}

#[test]
fn datagrams_of_one_size_leave_as_one_train() {
    let mut rig = Rig::new(true);
    let sizes = |trains: Vec<Vec<Vec<u8>>>| -> Vec<usize> { trains.iter().map(Vec::len).collect() };
    assert_eq!(sizes(rig.send(1, &[900; 5])), [5]);
    assert_eq!(sizes(rig.send(6, &[900, 900, 20, 900])), [3, 1]);
    assert_eq!(sizes(rig.send(10, &[20, 900, 900])), [1, 2]);
    assert_eq!(
        sizes(rig.send(13, &[1_200; 100])).iter().sum::<usize>(),
        100
    );
    for train in rig.send(113, &[20; 200]) {
        assert!(train.len() <= TRAIN_SEGMENTS_MAX);
    }
    for train in rig.send(400, &[1_600; 100]) {
        assert!(train.concat().len() <= TRAIN_BYTES_MAX);
    }
}

#[test]
fn a_single_datagram_ends_the_train_before_it_if_that_may_still_end() {
    let lengths = |first: &[usize], second: &[usize]| -> Vec<usize> {
        let mut rig = Rig::new(true);
        rig.queue(1, first);
        rig.queue(100, second);
        rig.trains().iter().map(Vec::len).collect()
    };
    assert_eq!(lengths(&[900, 900], &[150]), [3]);
    assert_eq!(lengths(&[900], &[900]), [2], "of the same size");
    assert_eq!(lengths(&[900, 900], &[901]), [2, 1], "longer");
    assert_eq!(lengths(&[900, 20], &[10]), [2, 1], "it has ended");
    assert_eq!(lengths(&[900, 900], &[150, 150]), [2, 2], "more than one");
    let full = vec![900; TRAIN_SEGMENTS_MAX.min(TRAIN_BYTES_MAX / 950)];
    let both = lengths(&full, &[150]);
    assert_eq!(both.iter().sum::<usize>(), full.len() + 1);

    // For somebody else it is none.
    let mut rig = Rig::new(true);
    rig.queue(1, &[900, 900]);
    rig.sender.path.destination.set_port(9);
    rig.queue(100, &[150]);
    assert_eq!(
        rig.trains().iter().map(Vec::len).collect::<Vec<_>>(),
        [2, 1]
    );
}

#[test]
fn packets_that_differ_by_a_byte_leave_as_one_train() {
    for with_rtx in [true, false] {
        let mut rig = Rig::new(with_rtx);
        let trains = rig.send(1, &[900, 900, 901, 901, 880]);
        assert_eq!(trains.len(), 1);
        let padded: Vec<bool> = trains[0].iter().map(|bytes| bytes[0] & 0x20 != 0).collect();
        assert_eq!(padded, [true, true, false, false, false]);
        let again = rig.resend(&[1, 3]);
        if with_rtx {
            assert!(again.iter().all(|bytes| bytes[0] & 0x20 == 0));
        } else {
            assert_eq!(again, [&trains[0][0][..], &trains[0][2]], "to the bit");
        }
    }
    let trains = Rig::new(true).send(1, &[900, 909, 909]);
    assert_eq!(trains.len(), 2, "what is much shorter is not padded");
}

#[test]
fn every_packet_of_a_burst_is_there_once_and_in_order() {
    let mut rng = Rng::new(9);
    let mut rig = Rig::new(true);
    let mut next = 1;
    for _ in 0..300 {
        let count = 1 + rng.next_u64() % 20;
        let sizes: Vec<usize> = (0..count)
            .map(|_| 1 + (rng.next_u64() % 3) as usize * 700)
            .collect();
        let sent: Vec<u16> = rig
            .send(next, &sizes)
            .concat()
            .iter()
            .map(|bytes| header(bytes).1)
            .collect();
        let expected: Vec<u16> = (next..next + count).map(|seq| seq as u16).collect();
        assert_eq!(sent, expected);
        next += count;
    }
}

#[test]
fn what_is_missing_goes_out_on_the_stream_for_retransmissions() {
    let mut rig = Rig::new(true);
    rig.send(65_530, &[100; 10]);
    let heard = rig
        .hear(&nack(VIDEO, &[(65_535, 0b11), (9_999, 0)]))
        .unwrap();
    assert_eq!(heard.missing, [65_535, 0, 1, 9_999]);
    let again = rig.resend(&heard.missing);
    let headers: Vec<_> = again.iter().map(|bytes| header(bytes)).collect();
    assert_eq!(headers, [(97, 1, RTX), (97, 2, RTX), (97, 3, RTX)]);
    // The original number and sixteen bytes of tag more than the payload, behind twelve of header, eight of extension.
    assert!(
        again
            .iter()
            .all(|bytes| bytes.len() == 12 + 8 + 2 + 100 + 16)
    );
}

#[test]
fn without_a_stream_of_its_own_the_same_packet_goes_out_again() {
    let mut rig = Rig::new(false);
    let first = rig.send(7, &[100; 3]).concat();
    assert_eq!(rig.resend(&[8, 9]), first[1..]);
}

#[test]
fn who_asks_for_everything_again_and_again_gets_a_share() {
    let mut rig = Rig::new(true);
    let mut resent = 0;
    for round in 0..100 {
        rig.send(1 + round * 10, &[100; 10]);
        let entries: Vec<(u16, u16)> = (0..350).map(|n| (n * 17, u16::MAX)).collect();
        let heard = rig.hear(&nack(VIDEO, &entries)).unwrap();
        assert!(heard.missing.len() <= RESENDS_AT_ONCE_MAX as usize);
        resent += rig.resend(&heard.missing).len();
    }
    let share = RESENDS_AT_ONCE_MAX as usize + 1_000 * RESEND_PERCENT as usize / 100;
    assert!(resent <= share, "{resent} of at most {share}");
}

#[test]
fn packets_too_old_are_not_sent_again() {
    let mut rig = Rig::new(true);
    rig.send(1, &[100]);
    rig.now += crate::limits::RESEND_AGE_MAX + Duration::from_millis(1);
    rig.send(2, &[100]);
    assert_eq!(rig.resend(&[1, 2]).len(), 1);
    rig.sender.forget_sent(OWN);
    assert_eq!(rig.resend(&[2]).len(), 0);
}

#[test]
fn feedback_about_other_streams_and_without_keys_does_nothing() {
    let mut rig = Rig::new(true);
    rig.send(1, &[100; 3]);
    assert_eq!(rig.hear(&nack(RTX, &[(1, 0)])), Some(Requests::default()));
    assert_eq!(
        rig.hear(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0x33, 0x33]),
        Some(Requests::default())
    );
    let pli = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0x11, 0x11];
    assert!(rig.hear(&pli).unwrap().wants_key_frame);
    assert_eq!(
        rig.sender.receive_rtcp(rig.now, Duration::ZERO, &pli),
        None,
        "not encrypted"
    );
    let mut rng = Rng::new(4);
    for length in 0..1_500 {
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
        assert_eq!(
            rig.sender.receive_rtcp(rig.now, Duration::ZERO, &bytes),
            None
        );
        // The same with good keys: whatever is inside must be survived.
        if length >= 12 {
            // Of one SSRC: there may not be as many as there are lengths.
            bytes[4..8].fill(1);
            rig.hear(&bytes).unwrap();
        }
    }
}

#[test]
fn reports_begin_with_the_first_packet_and_come_every_interval() {
    let mut rig = Rig::new(true);
    let report = |rig: &mut Rig, ms| {
        let at = rig.now + Duration::from_millis(ms);
        rig.sender.report(
            at,
            Duration::from_secs(5),
            &mut rig.buffers,
            &mut rig.outputs,
        );
        rig.trains().concat()
    };
    assert!(report(&mut rig, 0).is_empty());
    rig.send(1, &[100]);
    let first = report(&mut rig, 0);
    assert_eq!(first.len(), 1);
    assert!(report(&mut rig, 999).is_empty());
    let second = report(&mut rig, 1_000);
    assert_ne!(first, second, "another index, another nonce");
    let opened = rig.remote_opens(&second[0]);
    assert_eq!(opened[1], 200);
    let time = u32::from_be_bytes([opened[16], opened[17], opened[18], opened[19]]);
    assert_eq!(time, 3_000 + 90_000);
}

impl Rig {
    fn remote_opens(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.remote.rtcp.open(bytes).unwrap()
    }
}
