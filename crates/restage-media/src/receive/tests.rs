//! Tests of a publisher's packets, of packets that others forge in its name, and of feedback.

mod feedback;
mod sources;

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::io::datagrams::Buffers;
use crate::io::{Output, Protocol};
use crate::limits::{NACK_DELAY, NACK_RETRY_SLACK, REPLAY_WINDOW, RETRANSMISSION_AGE_MAX};
use crate::packet::SenderReport;
use crate::rtp::rtcp::sender::{Feedback, SenderInfo, read as read_feedback, write_report};
use crate::sdp::offer::{Offer, Role};
use crate::srtp::keys::SrtpProfile;
use crate::srtp::keys::tests::material;
use crate::srtp::protect::Srtp;
use crate::util::rng::Rng;
use crate::util::test::epoch;

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

/// A publisher and its receiver.
struct Rig {
    receiver: Receiver,
    publisher: Srtp,
    now: Instant,
    plain: Vec<u8>,
    buffers: Buffers,
    outputs: VecDeque<Output>,
}

/// A packet to be sent.
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
        let config = StreamMap::new(&offer);
        Self {
            receiver: Receiver::new(&material(false, profile), config, OWN, now).unwrap(),
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

    fn throw(&mut self, packet: &[u8]) -> Arrival {
        let path = Path {
            source: "192.0.2.1:4081".parse().unwrap(),
            destination: "198.51.100.1:5000".parse().unwrap(),
            protocol: Protocol::Udp,
        };
        let heard = self
            .receiver
            .receive(self.now, path, packet, &mut self.plain);
        let (buffers, outputs) = (&mut self.buffers, &mut self.outputs);
        self.receiver.report(self.now, buffers, outputs);
        heard
    }

    /// Sends a packet that is to be forwarded.
    fn send(&mut self, sent: Sent<'_>) -> Option<(MediaKind, Received)> {
        let packet = self.seal(sent);
        match self.throw(&packet) {
            Arrival::Packet(kind, received) => Some((kind, received)),
            Arrival::Nothing => None,
            Arrival::Refused | Arrival::OneTooMany => panic!("a genuine packet was refused"),
        }
    }

    /// Index and SSRC of what is forwarded.
    fn numbers(&mut self, sent: Sent<'_>) -> Option<(u64, u32)> {
        self.send(sent).map(|(_, got)| (got.seq, got.ssrc))
    }

    /// Lets time pass, serving the receiver's deadlines.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.receiver.deadline().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that is over");
            self.now = at;
            let (buffers, outputs) = (&mut self.buffers, &mut self.outputs);
            self.receiver.report(self.now, buffers, outputs);
        }
        self.now = end;
    }

    /// The feedback to the publisher since the last call.
    fn told(&mut self) -> Vec<Vec<u8>> {
        let outputs = std::mem::take(&mut self.outputs);
        let opened = outputs.into_iter().map(|output| match output {
            Output::Train {
                contents,
                segment,
                source,
                destination,
                ..
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

    fn requests(&mut self) -> Vec<Feedback<'static>> {
        let mut all = Vec::new();
        for message in self.told() {
            // Leaked, so that they can be compared with constants.
            read_feedback(message.leak(), |feedback| all.push(feedback));
        }
        all.retain(|one| matches!(one, Feedback::Nack { .. } | Feedback::KeyFrame { .. }));
        all
    }
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
        assert!(matches!(rig.throw(&forged), Arrival::Refused), "{bit}");
    }
    for end in 0..genuine.len() {
        assert!(
            matches!(rig.throw(&genuine[..end]), Arrival::Refused),
            "{end}"
        );
    }
    assert_eq!(
        rig.receiver.sources.len(),
        0,
        "nothing is remembered of them"
    );
    assert!(matches!(rig.throw(&genuine), Arrival::Packet(..)));
    assert!(matches!(rig.throw(&genuine), Arrival::Refused), "a replay");
    rig.send(video(5 + REPLAY_WINDOW)).unwrap();
    let old = rig.seal(video(4));
    assert!(
        matches!(rig.throw(&old), Arrival::Refused),
        "too old to tell"
    );
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
        assert!(matches!(rig.throw(&bytes), Arrival::Refused), "{length}");
        let now = rig.now;
        assert!(
            !rig.receiver
                .receive_rtcp(now, &bytes, |_, _, _| panic!("a report"))
        );
    }
    assert!(rig.receiver.sources.is_empty() && rig.receiver.path.is_none());
    assert_eq!(rig.receiver.deadline(), None);
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
    assert!(rig.receiver.tracks.is_empty());
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
        // From now on the SSRC alone identifies the stream.
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
fn an_original_that_comes_after_its_retransmission_has_arrived_but_is_not_forwarded() {
    let mut rig = Rig::new();
    rig.send(video(100)).unwrap();
    rig.send(video(102)).unwrap();
    assert_eq!(rig.numbers(rtx(1, &[0, 101, b'x'])), Some((101, VIDEO)));
    let late = rig.seal(video(101));
    assert!(matches!(rig.throw(&late), Arrival::Nothing));
    assert!(matches!(rig.throw(&late), Arrival::Refused), "a replay");
    rig.wait(Duration::from_millis(1_100));
    let told = rig.told();
    let report = told.iter().find(|message| message[1] == 201).unwrap();
    assert_eq!(report[12..16], [0, 0, 0, 0], "nothing is lost");
}
