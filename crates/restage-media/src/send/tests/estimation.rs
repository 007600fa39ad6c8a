//! Transport-wide numbers, probes, pacing and repair within what the path carries.

use super::*;
use crate::limits::{PACED_BYTES_MIN, PACED_TIME_MAX};

const MS: Duration = Duration::from_millis(1);

/// The transport-wide number of a packet.
fn number(bytes: &[u8]) -> u16 {
    assert_eq!(bytes[12..14], [0xbe, 0xde]);
    let mut at = 16;
    while bytes[at] >> 4 != NUMBER_ID {
        at += 2 + usize::from(bytes[at] & 0xf);
    }
    assert_eq!(bytes[at] & 0xf, 1);
    u16::from_be_bytes([bytes[at + 1], bytes[at + 2]])
}

impl Rig {
    /// Does what is due in a stretch of time. Returns the datagrams with the milliseconds at which they left.
    fn wait(&mut self, time: Duration) -> Vec<(u64, Vec<u8>)> {
        let begin = self.now;
        let mut all = Vec::new();
        while let Some(at) = self.sender.deadline().filter(|at| *at <= begin + time) {
            self.now = self.now.max(at);
            for bytes in self.tick(true) {
                all.push(((self.now - begin).as_millis() as u64, bytes));
            }
        }
        self.now = begin + time;
        all
    }

    /// One timer. Reports are left out.
    fn tick(&mut self, may_send: bool) -> Vec<Vec<u8>> {
        let (buffers, outputs) = (&mut self.buffers, &mut self.outputs);
        let second = Duration::from_secs(1);
        let probe = self
            .sender
            .on_timeout(self.now, second, may_send, buffers, outputs);
        if probe > 0 {
            let history = Some(&self.history);
            self.sender
                .probe(self.now, (OWN, probe), history, buffers, outputs);
        }
        let mut datagrams = self.trains().concat();
        datagrams.retain(|bytes| bytes[1] != 200);
        datagrams
    }

    /// The subscriber says that it has received the first `count` packets, a millisecond apart.
    fn confirm(&mut self, count: u16) {
        assert_eq!(self.report(0, &vec![true; usize::from(count)]), []);
    }

    /// The subscriber says which packets from a transport-wide number on it has received, a millisecond apart. Returns the sequence
    /// numbers of those that are to be sent again.
    fn report(&mut self, first: u16, received: &[bool]) -> Vec<u16> {
        let mut bytes = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        bytes.extend(first.to_be_bytes());
        bytes.extend((received.len() as u16).to_be_bytes());
        bytes.extend([0, 0, 1, 0]);
        // One run for each packet.
        for received in received {
            bytes.extend((u16::from(*received) << 13 | 1).to_be_bytes());
        }
        bytes.extend(received.iter().filter(|received| **received).map(|_| 4));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let words = (bytes.len() / 4 - 1) as u16;
        bytes[2..4].copy_from_slice(&words.to_be_bytes());
        let requests = self.hear(&bytes).unwrap();
        assert!(!requests.wants_key_frame);
        requests.missing
    }
}

#[test]
fn all_packets_of_a_connection_have_one_row_of_numbers() {
    let mut rig = Rig::numbered(true);
    let mut sent = rig.send(100, &[900, 900, 20]).concat();
    sent.extend(rig.resend(&[101, 100]));
    sent.extend(rig.send(103, &[900]).concat());
    let numbers: Vec<u16> = sent.iter().map(|bytes| number(bytes)).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    assert_eq!(header(&sent[3]).2, RTX);
    assert_eq!(sent[0].len(), sent[1].len(), "a train of one size");
}

#[test]
fn without_retransmissions_of_its_own_a_packet_keeps_its_number_and_its_nonce() {
    let mut rig = Rig::numbered(false);
    let first = rig.send(7, &[100, 901, 900, 901]).concat();
    rig.send(11, &[100; 3]);
    assert_eq!(rig.resend(&[8, 9]), first[1..3], "to the bit");
    assert_eq!(number(&rig.send(14, &[100]).concat()[0]), 7);
}

/// REMB for the video stream (draft-alvestrand-rmcat-remb-03 §2.2): a mantissa of 18 bits and an exponent.
fn remb(mantissa: u32, exponent: u32) -> Vec<u8> {
    let mut message = vec![0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0];
    message.extend(b"REMB");
    message.extend((1 << 24 | exponent << 18 | mantissa).to_be_bytes());
    message.extend(VIDEO.to_be_bytes());
    message
}

#[test]
fn who_has_been_limited_has_an_estimate_also_when_it_says_that_everything_fits() {
    let mut rig = Rig::new(true);
    rig.hear(&remb(250_000, 12));
    assert!(rig.sender.estimator_mut().is_none(), "1 Gbit/s: no limit");
    for seq in 0..50 {
        rig.send(seq, &[900; 3]);
        rig.now += 20 * MS;
    }
    rig.hear(&remb(200_000, 0));
    assert_eq!(rig.sender.estimate(), Some(200_000));
    rig.now += 1_000 * MS;
    // Without an estimate it would be shown the largest layer at once, without the rules for climbing.
    rig.hear(&remb(250_000, 12));
    assert_eq!(rig.sender.estimate(), Some(RATE_MAX));
}

#[test]
fn feedback_reaches_the_estimator() {
    let mut rig = Rig::numbered(true);
    assert!(rig.sender.estimator_mut().unwrap().round_trip().is_none());
    rig.send(1, &[900; 4]);
    rig.now += 80 * MS;
    rig.confirm(4);
    let estimator = rig.sender.estimator_mut().unwrap();
    assert_eq!(estimator.round_trip(), Some(80 * MS));
    // Without transport-wide feedback there is no estimate until the subscriber complains.
    let mut rig = Rig::new(true);
    assert!(rig.sender.estimator_mut().is_none());
    let report = |highest: u8, lost: u8| {
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        report.extend(VIDEO.to_be_bytes());
        report.extend([99, 0, 0, lost, 0, 0, 0, highest]);
        report.extend([0; 12]);
        report
    };
    // Every second number was never sent, because the publisher's path has lost it.
    for from in 0..100 {
        rig.send(2 * from, &[900]);
        rig.now += 10 * MS;
    }
    rig.hear(&report(0, 0));
    rig.hear(&report(100, 50));
    assert!(rig.sender.estimator_mut().is_none());
    // Half of what was sent is missing as well.
    rig.hear(&report(198, 50 + 49 + 25));
    let estimate = rig.sender.estimator_mut().unwrap().estimate();
    assert!(
        (450_000..650_000).contains(&estimate),
        "three quarters of what was sent: {estimate}"
    );
}

#[test]
fn a_large_burst_leaves_bit_by_bit_and_audio_does_not_wait() {
    let mut rig = Rig::numbered(true);
    let sizes = [1_200; 60];
    let mut left = rig.send(1, &sizes).concat();
    assert!(!left.is_empty() && left.len() < 10, "{}", left.len());
    // What follows stays behind it.
    assert!(rig.send(61, &[500]).is_empty());
    let rest = rig.wait(PACED_TIME_MAX + 50 * MS);
    let bursts: Vec<usize> = rest.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len).collect();
    assert!(
        bursts.len() > 20 && bursts.iter().all(|burst| *burst < 10),
        "{bursts:?}"
    );
    left.extend(rest.into_iter().map(|(_, bytes)| bytes));
    let seqs: Vec<u16> = left.iter().map(|bytes| header(bytes).1).collect();
    assert_eq!(seqs, (1..=61).collect::<Vec<u16>>());
    assert_eq!(number(&left[60]), 60);
    // Nothing waits any more.
    assert!(!rig.sender.is_pacing());
    assert_eq!(rig.send(62, &[500]).len(), 1);
}

#[test]
fn pictures_of_usual_size_leave_at_once_and_so_does_everything_without_feedback() {
    let mut rig = Rig::numbered(true);
    let count = PACED_BYTES_MIN / 1_000;
    assert_eq!(rig.send(1, &vec![1_000; count]).concat().len(), count);
    assert_eq!(rig.send(100, &[50; 200]).concat().len(), 200);
    let mut rig = Rig::new(true);
    assert_eq!(rig.send(1, &[1_200; 160]).concat().len(), 160);
}

#[test]
fn what_waits_is_bounded_in_packets_and_dropped_for_another_publication() {
    let mut rig = Rig::numbered(true);
    let mut left = 0;
    for round in 0..8 {
        left += rig.send(1 + round * 100, &[1_200; 100]).concat().len();
    }
    left += rig.wait(20 * MS).len();
    assert!(left >= 800 - crate::limits::PACED_PACKETS_MAX, "{left}");
    let mut rig = Rig::numbered(true);
    rig.send(1, &[1_200; 100]);
    rig.sender.forget_sent(OWN);
    assert!(rig.wait(1_000 * MS).is_empty());
    assert!(!rig.sender.is_pacing());
}

#[test]
fn nothing_leaves_on_a_path_that_is_not_proven() {
    let mut rig = Rig::numbered(true);
    rig.send(1, &[1_200; 60]);
    for _ in 0..20 {
        rig.now = rig.sender.deadline().unwrap().max(rig.now);
        assert!(rig.tick(false).is_empty());
    }
    assert!(!rig.wait(100 * MS).is_empty());
}

/// Confirms what was sent, so that probing may begin, and returns the first probes.
fn probe(rig: &mut Rig) -> Vec<(u64, Vec<u8>)> {
    rig.now += 50 * MS;
    let now = rig.now;
    if let Some(estimator) = rig.sender.estimator_mut() {
        estimator.set_desired(now, 2_000_000);
    }
    rig.wait(100 * MS)
}

#[test]
fn a_probe_repeats_what_was_sent_lately() {
    let mut rig = Rig::numbered(true);
    rig.send(1, &[1_100, 1_100, 100, 1_100]);
    let probes = probe(&mut rig);
    assert!(probes.len() >= 6, "{}", probes.len());
    let last = probes.last().unwrap().0;
    assert!((30..100).contains(&last), "spread over {last} ms");
    let numbers = (4..).zip(&probes);
    for (expected, (_, bytes)) in numbers {
        let (pt, _, ssrc) = header(bytes);
        assert_eq!((pt, ssrc, number(bytes)), (97, RTX, expected));
        assert!(bytes.len() > 1_100, "short ones are left out");
    }
    // At three times the first estimate.
    let bytes: usize = probes.iter().map(|(_, bytes)| bytes.len()).sum();
    let rate = bytes as u64 * 8_000 / (last + 5);
    assert!((600_000..1_200_000).contains(&rate), "{rate}");
}

#[test]
fn with_nothing_to_repeat_a_probe_is_padding_and_without_a_stream_for_it_there_is_none() {
    let mut rig = Rig::numbered(true);
    rig.send(1, &[100; 3]);
    let probes = probe(&mut rig);
    assert!(probes.len() >= 20);
    for (_, bytes) in &probes {
        assert_eq!(bytes[0] & 0x20, 0x20, "padding");
        assert_eq!(header(bytes).2, RTX);
        // 12 and 12 of header, 16 of tag.
        assert_eq!(bytes.len(), 24 + 255 + 16);
    }
    for mut rig in [Rig::numbered(false), Rig::new(true)] {
        rig.send(1, &[1_100; 3]);
        assert!(probe(&mut rig).is_empty());
    }
}

#[test]
fn repair_stays_within_what_the_path_carries() {
    let mut rig = Rig::numbered(true);
    for from in 0..50 {
        rig.send(1 + from * 10, &[1_000; 10]);
    }
    let missing: Vec<u16> = (1..=250).collect();
    let bytes = |datagrams: Vec<Vec<u8>>| datagrams.iter().map(Vec::len).sum::<usize>();
    let first = bytes(rig.resend(&missing));
    // 200 ms of the first estimate, 300 kbit/s.
    assert!((6_500..8_500).contains(&first), "{first}");
    assert_eq!(bytes(rig.resend(&missing)), 0);
    // Two seconds at the first estimate, 300 kbit/s, would be 75 kB; a quarter of it is there whatever media takes.
    rig.now += 200 * MS;
    let later = bytes(rig.resend(&missing));
    assert!((1_000..8_500).contains(&later), "{later}");
}

#[test]
fn a_packet_is_not_sent_again_while_it_may_be_under_way() {
    let mut rig = Rig::numbered(true);
    rig.send(1, &[1_000; 4]);
    rig.now += 150 * MS;
    rig.confirm(4);
    assert_eq!(rig.resend(&[2]).len(), 1);
    rig.now += 100 * MS;
    assert_eq!(rig.resend(&[2, 3]).len(), 1, "the one not sent again yet");
    rig.now += 51 * MS;
    assert_eq!(
        rig.resend(&[2, 3]).len(),
        1,
        "the round trip of 150 ms is over"
    );
    // Another publication has packets of the same numbers.
    rig.sender.forget_sent(OWN);
    rig.send(2, &[1_000; 2]);
    assert_eq!(rig.resend(&[2]).len(), 1);
}

#[test]
fn what_feedback_says_is_lost_is_sent_again_without_a_request_and_so_is_a_lost_retransmission() {
    let mut rig = Rig::numbered(true);
    rig.send(1, &[1_000; 4]);
    rig.now += 60 * MS;
    // The request for the second is lost.
    assert_eq!(rig.report(0, &[true, false, true, true]), [2]);
    assert_eq!(rig.resend(&[2]).len(), 1);
    assert_eq!(rig.report(0, &[true, false, true, true]), [], "said before");
    // Its retransmission, number 4, is lost as well. A further request would be ignored as too early.
    rig.send(5, &[1_000; 2]);
    rig.now += 50 * MS;
    assert_eq!(rig.resend(&[2]).len(), 0);
    assert_eq!(rig.report(4, &[false, true, true]), [2]);
    assert_eq!(rig.resend(&[2]).len(), 1);
    rig.now += 50 * MS;
    assert_eq!(rig.report(7, &[true]), []);
}

#[test]
fn where_the_path_loses_packets_each_is_sent_again_twice_and_both_must_be_lost() {
    let mut rig = Rig::numbered(true);
    // One of 25 is lost, and nothing waits.
    for round in 0..40_u16 {
        rig.send(1 + u64::from(round) * 25, &[100; 25]);
        rig.now += 30 * MS;
        let received: Vec<bool> = (0..25).map(|at| at != 7).collect();
        rig.report(round * 25, &received);
    }
    rig.send(1_001, &[500, 600, 700]);
    rig.now += 30 * MS;
    assert_eq!(rig.report(1_000, &[true, false, true]), [1_002]);
    let again = rig.resend(&[1_002]);
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].len(), again[1].len(), "of the same packet");
    assert_ne!(header(&again[0]).1, header(&again[1]).1);
    let first = number(&again[0]);
    rig.now += 30 * MS;
    assert_eq!(rig.report(first, &[false, true]), [], "one has come");

    rig.resend(&[1_003]);
    rig.send(1_004, &[100]);
    rig.now += 30 * MS;
    assert_eq!(rig.report(first + 2, &[false, false, true]), [1_003]);
}

#[test]
fn what_was_requested_before_feedback_says_that_it_is_lost_is_not_sent_twice() {
    let mut rig = Rig::numbered(true);
    rig.send(1, &[1_000; 3]);
    rig.now += 50 * MS;
    rig.confirm(1);
    assert_eq!(rig.resend(&[2]).len(), 1);
    rig.now += 200 * MS;
    assert_eq!(rig.report(1, &[false, true, true]), []);
    // Without retransmissions of its own a packet has one number for ever, and is asked for.
    let mut rig = Rig::numbered(false);
    rig.send(1, &[1_000; 3]);
    rig.now += 50 * MS;
    rig.confirm(1);
    assert_eq!(rig.resend(&[2]).len(), 1);
    rig.send(4, &[1_000]);
    rig.now += 50 * MS;
    assert_eq!(rig.report(1, &[false, true, true]), []);
}

#[test]
fn where_room_is_scarce_a_key_frame_is_repaired_and_not_what_came_before_it() {
    let mut rig = Rig::numbered(true);
    // Their lengths tell the packets apart.
    let sizes: Vec<usize> = (1..=20).map(|number| 1_000 + 10 * number).collect();
    let sent = rig.send(1, &sizes[..10]).concat();
    rig.start = Some(11);
    rig.send(11, &sizes[10..]);
    let all: Vec<u16> = (1..=20).collect();
    // A retransmission is longer by the original number.
    let first = sent[0].len() + 2;
    let numbers = |again: Vec<Vec<u8>>| -> Vec<usize> {
        let number = |bytes: &Vec<u8>| 1 + (bytes.len() - first) / 10;
        again.iter().map(number).collect()
    };
    assert_eq!(
        numbers(rig.resend(&all)),
        [1, 2, 3, 11, 12, 13],
        "half of 7,500 bytes is for what comes after the start"
    );
    rig.now += 150 * MS;
    let later = numbers(rig.resend(&all));
    assert!(!later.is_empty(), "room has come back");
    assert!(later.iter().all(|number| *number >= 11), "{later:?}");
}

#[test]
fn a_packet_that_is_asked_for_again_counts_once_and_one_that_was_not_sent_never() {
    let mut rig = Rig::new(true);
    for seq in [65_530, 65_533, 65_535, 65_536, 65_540] {
        rig.send(seq, &[900]);
    }
    let stream = rig.sender.own.streams[MediaKind::Video.index()]
        .as_mut()
        .unwrap();
    assert_eq!(stream.asked_first(&[65_530, 65_531, 65_533]), 2);
    assert_eq!(stream.asked_first(&[65_530, 65_533]), 0);
    assert_eq!(stream.asked_first(&[65_533, 65_535, 0, 1, 4]), 3);
    assert_eq!(stream.asked_first(&[3_000]), 0);
}
