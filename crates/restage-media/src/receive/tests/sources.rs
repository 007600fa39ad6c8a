//! Tests of SSRCs that come, go and return, and of their retransmissions.

use super::*;

#[test]
fn a_source_takes_over_at_once_and_its_predecessors_last_packets_do_not() {
    let mut rig = Rig::new();
    let other = |index| Sent {
        ssrc: 7,
        ..video(index)
    };
    rig.send(video(65_000)).unwrap();
    assert_eq!(rig.numbers(other(9)), Some((9, 7)));
    assert_eq!(rig.numbers(video(65_001)), None, "late");
    assert_eq!(rig.numbers(other(10)), Some((10, 7)));
    rig.wait(SOURCE_TENURE_MIN);
    assert_eq!(rig.numbers(video(64_999)), None, "an old one");
    let index = 0x1_0000 + 20_000;
    assert_eq!(
        rig.numbers(video(index)),
        Some((index, VIDEO)),
        "it is back"
    );
    assert_eq!(rig.numbers(other(11)), None, "late");
    // Key frames are requested from the SSRC that has the track.
    rig.requests();
    let (buffers, outputs) = (&mut rig.buffers, &mut rig.outputs);
    assert!(
        rig.receiver
            .request_key_frame(None, false, buffers, outputs)
    );
    assert_eq!(rig.requests(), [Feedback::KeyFrame { ssrc: VIDEO }]);
}

#[test]
fn sources_are_bounded_and_one_in_use_stays() {
    let mut rig = Rig::new();
    let sound = Sent {
        ssrc: AUDIO,
        pt: OPUS,
        elements: MID_AUDIO,
        ..video(1)
    };
    rig.send(sound).unwrap();
    for ssrc in 0x1_0000..0x1_0000 + 3 * SOURCES_MAX as u32 {
        rig.wait(Duration::from_millis(1));
        rig.send(Sent { ssrc, ..video(1) }).unwrap();
        assert!(rig.receiver.sources.len() <= SOURCES_MAX);
    }
    assert_eq!(rig.receiver.sources.len(), SOURCES_MAX);
    assert_eq!(rig.receiver.tracks.len(), 2);
    let again = rig.seal(sound);
    assert!(matches!(rig.throw(&again), Arrival::Refused), "still known");
}

/// If the position of an SSRC were forgotten, its packets could be replayed.
#[test]
fn no_number_of_sources_makes_a_replay_possible() {
    let mut rig = Rig::new();
    let first = rig.seal(video(70_000));
    assert!(matches!(rig.throw(&first), Arrival::Packet(..)));
    let other = |number: usize| Sent {
        ssrc: 0x1_0000 + number as u32,
        ..video(1)
    };
    for number in 1..=2 * SOURCES_MAX {
        rig.wait(Duration::from_millis(1));
        rig.send(other(number)).unwrap();
    }
    assert!(rig.receiver.place(VIDEO).is_none(), "it is retired");
    assert!(matches!(rig.throw(&first), Arrival::Refused), "a replay");
    // It continues from its position, including the rollover counter.
    rig.wait(SOURCE_TENURE_MIN);
    assert_eq!(rig.numbers(video(70_001)), Some((70_001, VIDEO)));
    assert!(matches!(rig.throw(&first), Arrival::Refused), "a replay");
    for number in 2 * SOURCES_MAX + 1..SSRCS_MAX {
        let packet = rig.seal(other(number));
        assert!(
            !matches!(rig.throw(&packet), Arrival::Refused | Arrival::OneTooMany),
            "{number}"
        );
    }
    let packet = rig.seal(other(SSRCS_MAX));
    assert!(matches!(rig.throw(&packet), Arrival::OneTooMany));
    assert!(matches!(rig.throw(&first), Arrival::Refused), "a replay");
    assert!(rig.receiver.sources.len() + rig.receiver.retired.len() <= SSRCS_MAX);
}

#[test]
fn retransmissions_of_a_former_source_are_not_taken_for_its_successors() {
    for number in [20_001_u16, 12] {
        let mut rig = Rig::new();
        rig.send(video(20_000)).unwrap();
        rig.send(video(20_002)).unwrap();
        rig.wait(NACK_DELAY);
        rig.send(rtx(1, b""));
        let other = |index| Sent {
            ssrc: 7,
            ..video(index)
        };
        rig.send(other(10)).unwrap();
        rig.send(other(14)).unwrap();
        rig.requests();
        let mut late = number.to_be_bytes().to_vec();
        late.push(b'x');
        assert!(rig.send(rtx(2, &late)).is_none(), "{number}");
        rig.wait(Duration::from_millis(400));
        assert!(
            rig.requests()
                .iter()
                .all(|request| matches!(request, Feedback::Nack { ssrc: 7, .. }))
        );
        for index in 15..2_015 {
            assert_eq!(rig.numbers(other(index)), Some((index, 7)));
        }
        // Later it repeats packets of the present SSRC.
        rig.wait(RETRANSMISSION_AGE_MAX);
        rig.send(other(2_016)).unwrap();
        let now = [2_015_u16.to_be_bytes()[0], 2_015_u16.to_be_bytes()[1], b'x'];
        assert_eq!(rig.numbers(rtx(3, &now)), Some((2_015, 7)));
    }
}

#[test]
fn neither_padding_nor_a_retransmission_takes_a_track_over() {
    let mut rig = Rig::offering(SIMULCAST);
    let named: &[(u8, &[u8])] = &[(4, b"v"), (10, b"q")];
    let main = |index| Sent {
        elements: named,
        ..video(index)
    };
    rig.send(main(1)).unwrap();
    for (ssrc, pt, payload) in [(7, VP8_RTX, &b"\0\x01x"[..]), (8, VP8, b"")] {
        let other = Sent {
            ssrc,
            pt,
            payload,
            ..main(1)
        };
        assert!(rig.send(other).is_none());
        assert_eq!(rig.receiver.tracks[0].ssrc, VIDEO);
    }
    assert_eq!(rig.numbers(main(2)), Some((2, VIDEO)));
    // An SSRC announced for retransmissions carries only these, whatever the payload type.
    let mut rig = Rig::offering(ANNOUNCED);
    rig.send(video(1)).unwrap();
    let probe = Sent {
        pt: VP8,
        payload: b"padding",
        ..rtx(1, b"")
    };
    assert!(rig.send(probe).is_none());
    assert_eq!(rig.numbers(video(2)), Some((2, VIDEO)));
}

#[test]
fn a_packet_with_more_padding_than_bytes_has_arrived_once() {
    let mut rig = Rig::new();
    let mut packet = vec![0xa0, VP8, 0, 5];
    packet.extend([0; 4]);
    packet.extend(VIDEO.to_be_bytes());
    packet.extend([1, 2, 200]);
    rig.publisher.protect_rtp(&mut packet, 0, 12, VIDEO, 5);
    assert!(matches!(rig.throw(&packet), Arrival::Nothing));
    assert!(matches!(rig.throw(&packet), Arrival::Refused), "a replay");
}

#[test]
fn what_cannot_be_placed_yet_is_remembered_with_its_number() {
    let mut rig = Rig::new();
    let early = rig.seal(rtx(65_535, b""));
    assert!(matches!(rig.throw(&early), Arrival::Nothing));
    assert!(matches!(rig.throw(&early), Arrival::Refused), "a replay");
    rig.send(video(100)).unwrap();
    rig.send(video(102)).unwrap();
    let again = rtx(0x1_0001, &[0, 101, b'x']);
    assert_eq!(rig.numbers(again), Some((101, VIDEO)));
}

#[test]
fn a_source_whose_first_packets_before_the_rollover_were_lost_is_heard() {
    let mut rig = Rig::new();
    let (_, got) = rig.send(video(0x1_0003)).unwrap();
    assert_eq!(got.seq, 0x1_0003);
    assert_eq!(rig.numbers(video(0xffff)), Some((0xffff, VIDEO)));
}

#[test]
fn two_that_send_at_a_time_do_not_take_turns() {
    let mut rig = Rig::new();
    let mut holders = Vec::new();
    for index in 1..6_000 {
        for ssrc in [VIDEO, 7] {
            holders.extend(
                rig.numbers(Sent {
                    ssrc,
                    ..video(index)
                })
                .map(|(_, ssrc)| ssrc),
            );
        }
        rig.wait(Duration::from_millis(10));
    }
    holders.dedup();
    assert!(holders.len() < 12, "{} changes a minute", holders.len());
}
