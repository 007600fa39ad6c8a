//! Tests of feedback to a publisher, and of its reports.

use super::*;

#[test]
fn what_is_missing_is_asked_for_and_comes_by_retransmission_or_as_it_was() {
    let mut rig = Rig::new();
    rig.send(video(100)).unwrap();
    rig.send(video(104)).unwrap();
    assert_eq!(
        rig.numbers(video(102)),
        Some((102, VIDEO)),
        "only out of order"
    );
    assert_eq!(rig.requests(), []);
    rig.wait(NACK_DELAY);
    let nack = |first, following| Feedback::Nack {
        ssrc: VIDEO,
        first,
        following,
    };
    assert_eq!(rig.requests(), [nack(101, 2)]);
    let again = Sent {
        ssrc: RTX,
        pt: VP8_RTX,
        index: 9,
        payload: &[0, 101, b'x'],
        ..video(101)
    };
    assert_eq!(rig.numbers(again), Some((101, VIDEO)));
    assert_eq!(
        rig.numbers(Sent { index: 10, ..again }),
        None,
        "repeated twice"
    );
    rig.wait(Duration::from_millis(200));
    let requests = rig.requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| *request == nack(103, 0)));
    assert_eq!(rig.numbers(video(103)), Some((103, VIDEO)));
    rig.wait(Duration::from_secs(3));
    assert_eq!(rig.requests(), [], "nothing is missing");
}

#[test]
fn reports_say_what_arrived_and_end_when_nothing_does() {
    let mut rig = Rig::new();
    for index in 0..100 {
        let seq = (index as u16).to_be_bytes();
        let elements: &[(u8, &[u8])] = &[(3, &seq), (4, b"v")];
        if index % 4 != 1 {
            rig.send(Sent {
                elements,
                ..video(index)
            });
        }
        rig.wait(Duration::from_millis(11));
    }
    rig.wait(Duration::from_secs(3));
    let told = rig.told();
    let kinds = |kind| {
        told.iter()
            .filter(move |message| message[1] == kind)
            .count()
    };
    // One with blocks, and one that ends it.
    assert!((2..=3).contains(&kinds(201)), "{}", kinds(201));
    assert!(
        (8..=12).contains(
            &(told
                .iter()
                .filter(|m| m[1] == 205 && m[0] & 31 == 15)
                .count())
        )
    );
    let report = told.iter().find(|message| message[1] == 201).unwrap();
    assert_eq!(report[..8], [0x81, 201, 0, 7, 0, 0, 0, OWN as u8]);
    assert_eq!(report[8..12], VIDEO.to_be_bytes());
    assert!(
        (60..=68).contains(&report[12]),
        "a quarter is lost: {}",
        report[12]
    );
    assert_eq!(rig.receiver.deadline(), None, "nobody sends");
}

#[test]
fn sender_reports_tie_each_stream_to_the_publishers_clock() {
    let mut rig = Rig::offering(ANNOUNCED);
    let compound = |rig: &mut Rig, ssrc: u32, time: u32| {
        let mut packet = Vec::new();
        let report = SenderInfo {
            ssrc,
            wall_us: 1_000_000,
            time,
            packets: 1,
            octets: 1,
        };
        write_report(&mut packet, &report, "name");
        assert!(rig.publisher.rtcp.protect(&mut packet, 0));
        let mut heard: Vec<(MediaKind, SenderReport)> = Vec::new();
        let now = rig.now;
        let is_taken = rig
            .receiver
            .receive_rtcp(now, &packet, |kind, _, report| heard.push((kind, report)));
        assert!(is_taken);
        assert!(
            !rig.receiver
                .receive_rtcp(now, &packet, |_, _, _| panic!("a replay"))
        );
        heard
    };
    let announced = compound(&mut rig, VIDEO, 5);
    assert_eq!((announced.len(), announced[0].0), (1, MediaKind::Video));
    assert!(compound(&mut rig, AUDIO, 5).is_empty(), "not known yet");
    let sound = Sent {
        ssrc: AUDIO,
        pt: OPUS,
        elements: MID_AUDIO,
        ..video(1)
    };
    rig.send(sound).unwrap();
    let heard = compound(&mut rig, AUDIO, 77);
    assert_eq!((heard[0].0, heard[0].1.time), (MediaKind::Audio, 77));
    assert!((heard[0].1.ntp_us - 1_000_000).abs() <= 1);
}

#[test]
fn key_frames_can_be_asked_for_once_there_is_a_stream() {
    let mut rig = Rig::new();
    let (buffers, outputs) = (&mut rig.buffers, &mut rig.outputs);
    assert!(
        !rig.receiver
            .request_key_frame(None, false, buffers, outputs)
    );
    rig.send(video(1)).unwrap();
    for with_fir in [false, true, true] {
        let (buffers, outputs) = (&mut rig.buffers, &mut rig.outputs);
        assert!(
            rig.receiver
                .request_key_frame(None, with_fir, buffers, outputs)
        );
    }
    let told = rig.told();
    assert_eq!(told.len(), 3);
    // FIRs are numbered.
    assert_eq!((told[1][16], told[2][16]), (0, 1));
}

#[test]
fn what_a_publisher_is_told_is_bounded() {
    let mut rig = Rig::new();
    let mut rng = Rng::new(5);
    let mut number = 0_u16;
    let mut indices = [0_u64; 32];
    for at in 0..10_000 {
        let place = at % indices.len();
        indices[place] += 1 + rng.next_u64() % 2;
        number = number.wrapping_add(9_000);
        let seq = number.to_be_bytes();
        let elements: &[(u8, &[u8])] = &[(3, &seq), (4, b"v")];
        let sent = Sent {
            ssrc: 100 + place as u32,
            elements,
            ..video(indices[place])
        };
        rig.send(sent);
        rig.wait(Duration::from_micros(100));
    }
    // In a second: requests every 10 ms, perhaps in two datagrams, and ten reports of 16 messages.
    let told = rig.told().len();
    assert!(told < 2 * 100 + 10 * 17 + 10, "{told}");
}

#[test]
fn a_sender_without_a_clock_is_not_believed() {
    let mut rig = Rig::new();
    rig.send(video(1)).unwrap();
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(VIDEO.to_be_bytes());
    packet.extend([0; 20]);
    assert!(rig.publisher.rtcp.protect(&mut packet, 0));
    let now = rig.now;
    let is_taken = rig
        .receiver
        .receive_rtcp(now, &packet, |_, _, _| panic!("a report"));
    assert!(is_taken);
}

#[test]
fn a_missing_packet_is_asked_for_again_after_a_round_trip() {
    // How long it takes to come, how often it is asked for meanwhile before that is known, and after.
    for (ms, at_first, later) in [(400, 4, 0), (50, 0, 0)] {
        let mut rig = Rig::new();
        let mut at = 0;
        for round in 0..20 {
            rig.send(video(at)).unwrap();
            rig.send(video(at + 2)).unwrap();
            rig.wait(NACK_DELAY);
            let asked = rig.requests().len();
            rig.wait(Duration::from_millis(ms));
            let again = rig.requests().len();
            assert_eq!(asked, 1);
            assert_eq!(again, if round == 0 { at_first } else { later });
            rig.send(video(at + 1)).unwrap();
            at += 3;
        }
        // One does not come: it is asked for again when it should have come, and not only after a longer time for all paths.
        rig.send(video(at)).unwrap();
        rig.send(video(at + 2)).unwrap();
        rig.wait(NACK_DELAY);
        assert_eq!(rig.requests().len(), 1);
        rig.wait(Duration::from_millis(ms));
        assert_eq!(rig.requests().len(), 0);
        rig.wait(Duration::from_millis(ms / 2) + NACK_RETRY_SLACK);
        assert_eq!(rig.requests().len(), 1);
    }
}
