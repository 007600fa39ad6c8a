//! What a publisher sends, what others send in its name, and what it is told.

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::egress::Buffers;
use crate::egress::rtcp::{Feedback, Report, read as read_feedback, write_report};
use crate::egress::srtp::Srtp;
use crate::io::Output;
use crate::limits::{NACK_DELAY, REPLAY_WINDOW, RETRANSMISSION_AGE_MAX};
use crate::peer_event::SenderReport;
use crate::rng::Rng;
use crate::sdp::offer::{Offer, Role};
use crate::srtp_keys::tests::material;
use crate::stats::SrtpProfile;

const OWN: u32 = 1;
const AUDIO: u32 = 0x5050;
const VIDEO: u32 = 0x1111;
const RTX: u32 = 0x2222;
const OPUS: u8 = 111;
const VP8: u8 = 96;
const VP8_RTX: u8 = 97;
/// By the ids of the offer.
const MID_AUDIO: &[(u8, &[u8])] = &[(4, b"a")];
const MID_VIDEO: &[(u8, &[u8])] = &[(4, b"v")];

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a v\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=sendonly\r\na=rtcp-mux\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\na=fingerprint:sha-256 FP\r\n\
    a=rtpmap:111 opus/48000/2\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=sendonly\r\na=rtcp-mux\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\na=fingerprint:sha-256 FP\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
    a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
    a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n";
const SIMULCAST: &str = "a=rid:q send\r\na=rid:f send\r\na=simulcast:send q;f\r\n";
const ANNOUNCED: &str =
    "a=ssrc-group:FID 4369 8738\r\na=ssrc:4369 cname:x\r\na=ssrc:8738 cname:x\r\n";

/// A publisher and its ingress.
struct Rig {
    ingress: Ingress,
    publisher: Srtp,
    now: Instant,
    plain: Vec<u8>,
    buffers: Buffers,
    outputs: VecDeque<Output>,
}

/// A packet to be.
#[derive(Clone, Copy)]
struct Sent<'a> {
    ssrc: u32,
    pt: u8,
    index: u64,
    time: u32,
    elements: &'a [(u8, &'a [u8])],
    payload: &'a [u8],
}

fn video(index: u64) -> Sent<'static> {
    Sent {
        ssrc: VIDEO,
        pt: VP8,
        index,
        time: index as u32 * 3_000,
        elements: MID_VIDEO,
        payload: b"a picture",
    }
}

impl Rig {
    fn new() -> Self {
        Self::offering("")
    }

    fn offering(more: &str) -> Self {
        Self::agreeing(more, SrtpProfile::AeadAes256Gcm)
    }

    fn agreeing(more: &str, profile: SrtpProfile) -> Self {
        let fingerprint = vec!["AB"; 32].join(":");
        let text = OFFER.replace("FP", &fingerprint) + more;
        let offer = Offer::parse(&text, Role::Publisher).unwrap();
        let now = epoch();
        let config = Config::new(&offer);
        Self {
            ingress: Ingress::new(&material(false, profile), config, OWN, now).unwrap(),
            publisher: Srtp::new(&material(true, profile)).unwrap(),
            now,
            plain: Vec::new(),
            buffers: Buffers::default(),
            outputs: VecDeque::new(),
        }
    }

    fn seal(&self, sent: Sent<'_>) -> Vec<u8> {
        let mut packet = vec![0x90, sent.pt];
        packet.extend((sent.index as u16).to_be_bytes());
        packet.extend(sent.time.to_be_bytes());
        packet.extend(sent.ssrc.to_be_bytes());
        let mut elements = Vec::new();
        for (id, value) in sent.elements {
            elements.push(id << 4 | (value.len() - 1) as u8);
            elements.extend(*value);
        }
        elements.resize(elements.len().next_multiple_of(4), 0);
        packet.extend([0xbe, 0xde, 0, (elements.len() / 4) as u8]);
        packet.extend(elements);
        let body = packet.len();
        packet.extend(sent.payload);
        self.publisher
            .protect_rtp(&mut packet, 0, body, sent.ssrc, sent.index);
        packet
    }

    fn throw(&mut self, packet: &[u8]) -> Heard {
        let path = Path {
            source: "192.0.2.1:4081".parse().unwrap(),
            destination: "198.51.100.1:5000".parse().unwrap(),
        };
        let heard = self
            .ingress
            .receive(self.now, path, packet, &mut self.plain);
        let (buffers, outputs) = (&mut self.buffers, &mut self.outputs);
        self.ingress.report(self.now, buffers, outputs);
        heard
    }

    /// Sends a packet that is to be forwarded.
    fn send(&mut self, sent: Sent<'_>) -> Option<(MediaKind, Received)> {
        let packet = self.seal(sent);
        match self.throw(&packet) {
            Heard::Packet(kind, received) => Some((kind, received)),
            Heard::Nothing => None,
            Heard::Refused => panic!("a genuine packet was refused"),
        }
    }

    /// Index and SSRC of what is forwarded.
    fn numbers(&mut self, sent: Sent<'_>) -> Option<(u64, u32)> {
        self.send(sent).map(|(_, got)| (got.seq, got.ssrc))
    }

    /// Lets time pass as far as the ingress asks for it.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.ingress.deadline().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that is over");
            self.now = at;
            let (buffers, outputs) = (&mut self.buffers, &mut self.outputs);
            self.ingress.report(self.now, buffers, outputs);
        }
        self.now = end;
    }

    /// What the publisher was told since the last time.
    fn told(&mut self) -> Vec<Vec<u8>> {
        let outputs = std::mem::take(&mut self.outputs);
        let opened = outputs.into_iter().map(|output| match output {
            Output::Train {
                contents,
                segment,
                source,
                destination,
            } => {
                assert_eq!(contents.len(), segment);
                assert_eq!(source.port(), 4_081);
                assert_eq!(destination.port(), 5_000);
                self.publisher.rtcp.open(&contents).expect("its own keys")
            }
            other => panic!("{other:?}"),
        });
        opened.collect()
    }

    fn requests(&mut self) -> Vec<Feedback> {
        let mut all = Vec::new();
        for message in self.told() {
            read_feedback(&message, |feedback| all.push(feedback));
        }
        all
    }
}

// The sentinel every other instant is relative to; nothing here depends on the clock.
#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

#[test]
fn packets_are_decrypted_and_numbered_across_the_rollover() {
    for profile in [
        SrtpProfile::Aes128CmSha1,
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
    ] {
        let mut rig = Rig::agreeing("", profile);
        for index in [65_534, 65_535, 0x1_0001, 0x1_0000, 0x1_0002] {
            let (kind, got) = rig.send(video(index)).unwrap();
            assert_eq!((kind, got.seq, got.ssrc), (MediaKind::Video, index, VIDEO));
            assert_eq!(got.time as u32, index as u32 * 3_000);
            assert_eq!(
                (&*got.payload, got.pt, got.rid),
                (&b"a picture"[..], VP8, None)
            );
        }
        let level: &[(u8, &[u8])] = &[(1, &[0x80 | 30]), (4, b"a")];
        let sound = Sent {
            ssrc: AUDIO,
            pt: OPUS,
            elements: level,
            ..video(9)
        };
        let (kind, got) = rig.send(sound).unwrap();
        assert_eq!(kind, MediaKind::Audio);
        assert_eq!(got.extensions.audio_level, Some(-30));
        rig.wait(Duration::from_millis(1_100));
        assert_eq!(rig.told().len(), 1, "a report, under the same protection");
    }
}

#[test]
fn only_what_the_publisher_sealed_is_taken_and_only_once() {
    let mut rig = Rig::new();
    let genuine = rig.seal(video(5));
    for bit in 0..genuine.len() * 8 {
        let mut forged = genuine.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(rig.throw(&forged), Heard::Refused), "{bit}");
    }
    for end in 0..genuine.len() {
        assert!(
            matches!(rig.throw(&genuine[..end]), Heard::Refused),
            "{end}"
        );
    }
    assert_eq!(
        rig.ingress.sources.len(),
        0,
        "nothing is remembered of them"
    );
    assert!(matches!(rig.throw(&genuine), Heard::Packet(..)));
    assert!(matches!(rig.throw(&genuine), Heard::Refused), "a replay");
    rig.send(video(5 + REPLAY_WINDOW)).unwrap();
    let old = rig.seal(video(4));
    assert!(matches!(rig.throw(&old), Heard::Refused), "too old to tell");
    rig.send(video(6)).unwrap();
}

#[test]
fn noise_is_refused_and_leaves_nothing() {
    let mut rig = Rig::new();
    let mut rng = Rng::new(3);
    for length in 0..1_500 {
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first = *first & 0x3f | 0x80;
        }
        assert!(matches!(rig.throw(&bytes), Heard::Refused), "{length}");
        let now = rig.now;
        assert!(!rig.ingress.hear(now, &bytes, |_, _, _| panic!("a report")));
    }
    assert!(rig.ingress.sources.is_empty() && rig.ingress.path.is_none());
    assert_eq!(rig.ingress.deadline(), None);
}

#[test]
fn streams_are_told_by_announcement_mid_or_payload_type() {
    for (more, elements) in [(ANNOUNCED, &[][..]), ("", MID_VIDEO), ("", &[])] {
        let mut rig = Rig::offering(more);
        let (kind, _) = rig
            .send(Sent {
                elements,
                ..video(3)
            })
            .unwrap();
        assert_eq!(kind, MediaKind::Video);
    }
    let mut rig = Rig::new();
    // No such section; not a payload type of that section; of none.
    let none = &[(4, &b"x"[..])][..];
    for (index, elements, pt) in [(1, none, VP8), (2, MID_AUDIO, VP8), (3, &[], 100)] {
        let sent = Sent {
            elements,
            pt,
            ..video(index)
        };
        assert!(rig.send(sent).is_none());
    }
    assert!(rig.ingress.tracks.is_empty());
}

#[test]
fn encodings_are_told_by_rid_and_each_has_retransmissions_of_its_own() {
    let mut rig = Rig::offering(SIMULCAST);
    let main = |rid: &'static [u8]| [(4, &b"v"[..]), (10, rid)];
    let repaired = |rid: &'static [u8]| [(4, &b"v"[..]), (11, rid)];
    for (ssrc, rid) in [(1, &b"q"[..]), (2, b"f")] {
        let (_, got) = rig
            .send(Sent {
                ssrc,
                elements: &main(rid),
                ..video(10)
            })
            .unwrap();
        assert_eq!(got.rid.unwrap().as_str().as_bytes(), rid);
        // From now on the SSRC says it.
        rig.send(Sent {
            ssrc,
            elements: &[],
            ..video(12)
        })
        .unwrap();
    }
    for (ssrc, of, rid) in [(11, 1, &b"q"[..]), (12, 2, b"f")] {
        let again = Sent {
            ssrc,
            pt: VP8_RTX,
            elements: &repaired(rid),
            payload: &[0, 11, b'x'],
            ..video(0)
        };
        let (_, got) = rig.send(again).unwrap();
        assert_eq!((got.ssrc, got.seq, got.pt), (of, 11, VP8));
        assert_eq!(*got.payload, *b"x");
    }
    for (index, elements) in [(1, &main(b"none")[..]), (2, MID_VIDEO)] {
        let sent = Sent {
            ssrc: 7,
            elements,
            ..video(index)
        };
        assert!(rig.send(sent).is_none());
    }
}

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
fn retransmissions_and_probes_without_a_stream_are_passed_over() {
    let mut rig = Rig::offering(ANNOUNCED);
    let rtx = |index, payload| Sent {
        ssrc: RTX,
        pt: VP8_RTX,
        payload,
        ..video(index)
    };
    assert!(rig.send(rtx(1, &[0, 1, b'x'])).is_none(), "of what?");
    rig.send(video(5)).unwrap();
    for (index, payload) in [(2, &[][..]), (3, &[0]), (4, &[0, 5, b'x'])] {
        assert!(rig.send(rtx(index, payload)).is_none());
    }
    assert!(
        rig.send(Sent {
            ssrc: 0,
            pt: 100,
            ..video(1)
        })
        .is_none()
    );
    assert_eq!(rig.requests(), []);
}

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
    // Key frames are asked of the one that has the track.
    rig.requests();
    let (buffers, outputs) = (&mut rig.buffers, &mut rig.outputs);
    assert!(rig.ingress.request_key_frame(None, false, buffers, outputs));
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
        assert!(rig.ingress.sources.len() <= SOURCES_MAX);
    }
    assert_eq!(rig.ingress.sources.len(), SOURCES_MAX);
    assert_eq!(rig.ingress.tracks.len(), 2);
    let again = rig.seal(sound);
    assert!(matches!(rig.throw(&again), Heard::Refused), "still known");
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
    assert_eq!(rig.ingress.deadline(), None, "nobody sends");
}

#[test]
fn sender_reports_tie_each_stream_to_the_publishers_clock() {
    let mut rig = Rig::offering(ANNOUNCED);
    let compound = |rig: &mut Rig, ssrc: u32, time: u32| {
        let mut packet = Vec::new();
        let report = Report {
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
            .ingress
            .hear(now, &packet, |kind, _, report| heard.push((kind, report)));
        assert!(is_taken);
        assert!(!rig.ingress.hear(now, &packet, |_, _, _| panic!("a replay")));
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
    assert!(!rig.ingress.request_key_frame(None, false, buffers, outputs));
    rig.send(video(1)).unwrap();
    for with_fir in [false, true, true] {
        let (buffers, outputs) = (&mut rig.buffers, &mut rig.outputs);
        assert!(
            rig.ingress
                .request_key_frame(None, with_fir, buffers, outputs)
        );
    }
    let told = rig.told();
    assert_eq!(told.len(), 3);
    // FIRs are numbered.
    assert_eq!((told[1][16], told[2][16]), (0, 1));
}

fn rtx(index: u64, payload: &[u8]) -> Sent<'_> {
    Sent {
        ssrc: RTX,
        pt: VP8_RTX,
        index,
        payload,
        ..video(0)
    }
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
        // Later it repeats what is sent now.
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
        assert_eq!(rig.ingress.tracks[0].ssrc, VIDEO);
    }
    assert_eq!(rig.numbers(main(2)), Some((2, VIDEO)));
    // What is announced as retransmission stays one, whatever its payload type.
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
fn what_cannot_be_placed_yet_is_remembered_with_its_number() {
    let mut rig = Rig::new();
    let early = rig.seal(rtx(65_535, b""));
    assert!(matches!(rig.throw(&early), Heard::Nothing));
    assert!(matches!(rig.throw(&early), Heard::Refused), "a replay");
    rig.send(video(100)).unwrap();
    rig.send(video(102)).unwrap();
    let again = rtx(0x1_0001, &[0, 101, b'x']);
    assert_eq!(rig.numbers(again), Some((101, VIDEO)));
}

#[test]
fn an_original_that_comes_after_its_retransmission_has_arrived_but_is_not_forwarded() {
    let mut rig = Rig::new();
    rig.send(video(100)).unwrap();
    rig.send(video(102)).unwrap();
    assert_eq!(rig.numbers(rtx(1, &[0, 101, b'x'])), Some((101, VIDEO)));
    let late = rig.seal(video(101));
    assert!(matches!(rig.throw(&late), Heard::Nothing));
    assert!(matches!(rig.throw(&late), Heard::Refused), "a replay");
    rig.wait(Duration::from_millis(1_100));
    let told = rig.told();
    let report = told.iter().find(|message| message[1] == 201).unwrap();
    assert_eq!(report[12..16], [0, 0, 0, 0], "nothing is lost");
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
    let is_taken = rig.ingress.hear(now, &packet, |_, _, _| panic!("a report"));
    assert!(is_taken);
}

#[test]
fn a_missing_packet_is_asked_for_again_after_a_round_trip() {
    let mut rig = Rig::new();
    let mut at = 0;
    for round in 0..20 {
        rig.send(video(at)).unwrap();
        rig.send(video(at + 2)).unwrap();
        rig.wait(NACK_DELAY);
        let asked = rig.requests().len();
        // It takes 400 ms to come.
        rig.wait(Duration::from_millis(400));
        let again = rig.requests().len();
        assert_eq!(asked, 1);
        // The first round knows no better.
        assert_eq!(again, if round == 0 { 4 } else { 0 });
        rig.send(video(at + 1)).unwrap();
        at += 3;
    }
}
