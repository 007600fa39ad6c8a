//! RTMP: an encoder at a session, a server at a session that pushes, configurations, the buffer that releases.

use std::time::{Duration, Instant};

use restage_codec::MediaKind;
use restage_rtmp::limits::{
    CONNECTION_BYTES_MAX, OUTPUT_BYTES_MAX, RELEASE_BYTES_MAX, RELEASE_ITEMS_MAX,
    TIMESTAMP_FIRST_US, TRACKS_MAX,
};
use restage_rtmp::{
    AacConfig, AvcConfig, Event, HANDSHAKE_RANDOM_BYTES, Item, PushEvent, PushName, PushSession,
    Refusal, Release, RuleLimits, Rules, Session, StreamDescription,
};

use crate::input::{Input, cut};
use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "rtmp",
        rtmp,
        "an encoder's messages at a session and its rules: chunks, commands, AMF0, FLV, time",
    )
    .from(rtmp_seeds),
    Target::new(
        "rtmp_bytes",
        rtmp_bytes,
        "any bytes behind the handshake at a session, cut anywhere",
    )
    .from(byte_seeds),
    Target::new(
        "rtmp_handshake",
        rtmp_handshake,
        "any bytes at a session from the first on, cut anywhere",
    )
    .from(handshake_seeds),
    Target::new(
        "rtmp_push",
        rtmp_push,
        "a server's bytes at a session that pushes, cut anywhere, and what it is given to send",
    )
    .from(push_seeds),
    Target::new(
        "flv_config",
        flv_config,
        "configurations of H.264 (avcC) and AAC in FLV",
    )
    .from(config_seeds),
    Target::new(
        "rtmp_release",
        rtmp_release,
        "the buffer that releases pictures and sound, over time",
    )
    .from(release_seeds),
];

const RANDOM: [u8; HANDSHAKE_RANDOM_BYTES] = [9; HANDSHAKE_RANDOM_BYTES];
/// C0, C1 and C2 of a plain handshake.
const SHAKES: [u8; 1 + 2 * 1_536] = {
    let mut bytes = [0; 1 + 2 * 1_536];
    bytes[0] = 3;
    bytes
};

/// A session with its caller: it lets the encoder publish.
struct Server {
    session: Session,
    rules: Option<Rules>,
    now: Instant,
    events: Vec<Event>,
    sent: Vec<u8>,
    has_ended: bool,
}

impl Server {
    fn new() -> Self {
        let now = crate::target::epoch();
        Self {
            session: Session::new(now, &RANDOM),
            rules: None,
            now,
            events: Vec::new(),
            sent: Vec::new(),
            has_ended: false,
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        loop {
            while let Some(event) = self.session.receive(self.now, &mut bytes) {
                self.take(event);
            }
            let memory = self.session.memory();
            assert!(memory <= CONNECTION_BYTES_MAX, "{memory} bytes are held");
            let output = self.session.take_output();
            assert!(
                output.len() <= OUTPUT_BYTES_MAX + 8_192,
                "{} bytes are to be sent",
                output.len()
            );
            self.sent.extend(output);
            if bytes.is_empty() {
                return;
            }
        }
    }

    fn take(&mut self, event: Event) {
        assert!(!self.has_ended, "nothing follows the end");
        let is_media = !matches!(event, Event::Publish(_) | Event::End(_));
        assert!(
            !is_media || self.rules.is_some(),
            "media comes behind the acceptance"
        );
        match &event {
            Event::Publish(_) => {
                assert!(self.rules.is_none(), "it asks once");
                self.rules = Some(Rules::new(self.now, RuleLimits::AWS));
                self.session.accept(self.now);
            }
            Event::Video(frame) => {
                assert!(usize::from(frame.layer) < TRACKS_MAX && frame.timestamp_us >= 0);
                assert!(
                    frame.units.iter().all(|unit| !unit.is_empty())
                        && frame.units.iter().next().is_some()
                );
            }
            Event::Audio(frame) => assert!(frame.timestamp_us >= 0),
            Event::End(_) => self.has_ended = true,
            _ => {}
        }
        if is_media && let Some(rules) = &mut self.rules {
            let _ = rules.check(self.now, &event);
            let _ = rules.handle_time(self.now);
        }
        self.events.push(event);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        if let Some(event) = self.session.handle_time(self.now) {
            self.take(event);
        }
        let deadline = self.session.next_deadline();
        assert!(
            deadline.is_none_or(|deadline| deadline > self.now),
            "a deadline has passed"
        );
        assert_eq!(self.session.is_over(), self.has_ended);
    }
}

/// Appends a message in chunks of this size.
fn message(out: &mut Vec<u8>, chunk_bytes: usize, head: (u8, u32, u8), body: &[u8]) {
    let (stream, time, kind) = head;
    out.push(stream & 0x3f);
    out.extend(&time.min(0xff_ffff).to_be_bytes()[1..]);
    out.extend(&(body.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.extend([1, 0, 0, 0]);
    if time >= 0xff_ffff {
        out.extend(time.to_be_bytes());
    }
    for (place, chunk) in body.chunks(chunk_bytes.max(1)).enumerate() {
        if place > 0 {
            out.push(0xc0 | stream & 0x3f);
            if time >= 0xff_ffff {
                out.extend(time.to_be_bytes());
            }
        }
        out.extend_from_slice(chunk);
    }
}

fn amf_text(text: &str) -> Vec<u8> {
    let mut value = vec![2];
    value.extend((text.len() as u16).to_be_bytes());
    value.extend(text.as_bytes());
    value
}

fn amf_number(number: f64) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(number.to_be_bytes());
    value
}

/// The commands by which an encoder begins to publish.
fn begin_to_publish(out: &mut Vec<u8>) {
    let mut connect = [amf_text("connect"), amf_number(1.0), vec![3]].concat();
    connect.extend([0, 3, b'a', b'p', b'p']);
    connect.extend(amf_text("app"));
    connect.extend([0, 0, 9]);
    message(out, 128, (3, 0, 20), &connect);
    message(
        out,
        128,
        (3, 0, 20),
        &[amf_text("createStream"), amf_number(2.0), vec![5]].concat(),
    );
    let publish = [
        amf_text("publish"),
        amf_number(3.0),
        vec![5],
        amf_text("key"),
        amf_text("live"),
    ]
    .concat();
    message(out, 128, (3, 0, 20), &publish);
}

fn rtmp(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut server = Server::new();
    server.feed(&SHAKES);
    if input.byte() & 3 != 0 {
        let mut out = Vec::new();
        begin_to_publish(&mut out);
        server.feed(&out);
    }
    let (mut chunk_bytes, mut time) = (128, 0_u32);
    while !input.is_empty() {
        let mut out = Vec::new();
        match input.below(8) {
            0 => {
                chunk_bytes = usize::from(input.short()) % 5_000;
                message(
                    &mut out,
                    128,
                    (2, 0, 1),
                    &(chunk_bytes as u32).to_be_bytes(),
                );
            }
            1 => server.wait(Duration::from_millis(u64::from(input.short()))),
            2 => out.extend_from_slice(input.piece()),
            3 if input.byte() == 7 => server.session.refuse(&Refusal::InvalidStreamKey),
            kind => {
                time = time.wrapping_add_signed(match input.byte() {
                    255 => input.word() as i32,
                    step => i32::from(step) - 20,
                });
                let kind = match kind {
                    4 => 8,
                    5 => 9,
                    6 => input.pick(&[18, 20, 22, 17, 15]),
                    _ => input.byte() & 0x1f,
                };
                message(
                    &mut out,
                    chunk_bytes,
                    (3 + input.byte() % 8, time, kind),
                    input.piece(),
                );
            }
        }
        server.feed(&out);
    }
    server.wait(Duration::from_mins(1));
}

/// What a session says of a stream that is cut in these pieces.
fn told(pieces: &[usize], stream: &[u8]) -> (Vec<String>, Vec<u8>) {
    let mut server = Server::new();
    let mut start = 0;
    for &end in pieces {
        server.feed(&stream[start..end]);
        start = end;
    }
    let events = server.events.iter().map(|event| format!("{event:?}"));
    (events.collect(), server.sent)
}

fn rtmp_bytes(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let begins = input.flag();
    let (pieces, rest) = cut(&mut input);
    let mut stream = SHAKES.to_vec();
    if begins {
        begin_to_publish(&mut stream);
    }
    let start = stream.len();
    stream.extend_from_slice(rest);
    let pieces: Vec<usize> = pieces.into_iter().map(|end| start + end).collect();
    let (events, sent) = told(&[stream.len()], &stream);
    let (cut_events, cut_sent) = told(&pieces, &stream);
    assert_eq!(cut_events, events, "where it is cut makes no difference");
    assert_eq!(cut_sent.len(), sent.len());
}

fn rtmp_handshake(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (pieces, head) = cut(&mut input);
    // A handshake is long: what the input does not say of it is zeros.
    let mut stream = head.to_vec();
    stream.resize(stream.len().max(SHAKES.len()), 0);
    let pieces: Vec<usize> = pieces.into_iter().chain([stream.len()]).collect();
    let whole = told(&[stream.len()], &stream);
    assert_eq!(
        told(&pieces, &stream),
        whole,
        "where it is cut makes no difference"
    );
}

struct Push {
    session: PushSession,
    events: Vec<String>,
    has_ended: bool,
}

impl Push {
    fn new() -> Self {
        let name = PushName::new("live", "rtmp://example.com/live", "key").expect("a name");
        let session = PushSession::new(
            crate::target::epoch() + Duration::from_secs(10),
            name,
            &RANDOM,
        );
        Self {
            session,
            events: Vec::new(),
            has_ended: false,
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        while let Some(event) = self.session.receive(&mut bytes) {
            assert!(!self.has_ended, "nothing follows the end");
            self.has_ended = matches!(event, PushEvent::End(_));
            self.events.push(format!("{event:?}"));
        }
        assert!(bytes.is_empty(), "everything is taken");
        let out = self.session.take_output();
        assert!(
            out.len() <= OUTPUT_BYTES_MAX + 16_384,
            "{} bytes are to be sent",
            out.len()
        );
        out
    }
}

/// What a server answers: results of `connect` and `createStream`, and that publishing has begun.
fn server_accepts(out: &mut Vec<u8>) {
    message(
        out,
        128,
        (3, 0, 20),
        &[amf_text("_result"), amf_number(1.0), vec![5, 5]].concat(),
    );
    for transaction in [2.0, 3.0, 4.0] {
        message(
            out,
            128,
            (3, 0, 20),
            &[
                amf_text("_result"),
                amf_number(transaction),
                vec![5],
                amf_number(1.0),
            ]
            .concat(),
        );
    }
    let mut status = [amf_text("onStatus"), amf_number(0.0), vec![5, 3]].concat();
    status.extend([0, 5]);
    status.extend(b"level");
    status.extend(amf_text("status"));
    status.extend([0, 4]);
    status.extend(b"code");
    status.extend(amf_text("NetStream.Publish.Start"));
    status.extend([0, 0, 9]);
    message(out, 128, (5, 0, 20), &status);
}

fn rtmp_push(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte();
    let media = input.piece();
    let (pieces, rest) = cut(&mut input);
    let mut stream = SHAKES.to_vec();
    if kind & 1 != 0 {
        server_accepts(&mut stream);
    }
    let start = stream.len();
    stream.extend_from_slice(rest);
    let mut whole = Push::new();
    whole.feed(&stream);
    let mut parts = Push::new();
    let mut from = 0;
    for end in pieces.into_iter().map(|end| start + end) {
        parts.feed(&stream[from..end]);
        from = end;
    }
    assert_eq!(
        parts.events, whole.events,
        "where it is cut makes no difference"
    );
    let description = StreamDescription {
        width: 640,
        height: 360,
        framerate: 30.0,
        video_bits_per_s: 1_000_000,
        audio_bits_per_s: 64_000,
        audio_rate_hz: 48_000,
        audio_channels: 2,
    };
    whole.session.describe(&description, 0, &[0x11, 0x90]);
    let mut media = Input::new(media);
    let mut time = 0;
    while !media.is_empty() {
        let step = media.byte();
        time += u32::from(step);
        let piece = media.piece();
        if step & 1 == 0 {
            whole.session.picture(time, step & 2 != 0, piece);
        } else {
            whole.session.sound(time, piece);
        }
    }
    whole.session.finish();
    let _ = (
        whole.session.take_output(),
        whole.session.next_deadline(),
        whole.session.is_over(),
    );
}

fn flv_config(bytes: &[u8]) {
    if let Ok(config) = AvcConfig::parse(bytes) {
        assert!(config.sets().all(|set| !set.is_empty()));
        assert!(config.size.width > 0 && config.size.height > 0);
        assert_eq!(
            config.parameters().map(|parameters| parameters.size),
            Some(config.size)
        );
    }
    if let Ok(config) = AacConfig::parse(bytes) {
        assert!(
            config.rate_hz > 0 && matches!(config.samples, 960 | 1_024),
            "{config:?}"
        );
    }
}

fn rtmp_release(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = crate::target::epoch();
    let mut release = Release::default();
    let mut time = TIMESTAMP_FIRST_US;
    let (mut pushed, mut popped) = (0_u64, 0_u64);
    while !input.is_empty() {
        let step = input.byte();
        now += Duration::from_millis(match step & 0x0f {
            15 => u64::from(input.short()),
            wait => u64::from(wait) * 4,
        });
        time += match step >> 4 & 3 {
            3 => i64::from(input.word() as i32) * 100,
            forward => i64::from(forward) * 20_000,
        };
        time = time.max(0);
        let kind = if step & 0x40 == 0 {
            MediaKind::Video
        } else {
            MediaKind::Audio
        };
        let bytes = usize::from(input.byte()) * 256;
        release.push(
            now,
            Item {
                kind,
                layer: if kind == MediaKind::Video {
                    input.byte() % 4
                } else {
                    0
                },
                timestamp_us: time,
                is_key: step & 0x80 != 0,
                bytes,
                value: pushed,
            },
        );
        pushed += 1;
        while let Some(item) = release.pop(now) {
            assert!(item.value < pushed);
            popped += 1;
        }
        let left_out = release.left_out();
        assert!(
            popped + left_out.pictures + left_out.sound <= pushed,
            "nothing is released twice"
        );
        assert!(
            release.bytes() <= RELEASE_BYTES_MAX + 255 * 256,
            "{} bytes wait",
            release.bytes()
        );
        assert!(
            pushed - popped - left_out.pictures - left_out.sound <= RELEASE_ITEMS_MAX as u64 + 1
        );
        assert!(
            release.next_deadline().is_none_or(|at| at >= now),
            "a deadline is in the past"
        );
        assert!(release.delay() <= restage_rtmp::limits::RELEASE_DELAY_MAX);
    }
}

/// `AVCDecoderConfigurationRecord` and `AudioSpecificConfig`.
fn config_seeds() -> Vec<Vec<u8>> {
    let (sps, pps) = (crate::codec::SPS, crate::codec::PPS);
    let record = [
        &[1, 0x42, 0xd0, 0x0b, 0xff, 0xe1, 0, sps.len() as u8][..],
        sps,
        &[1, 0, pps.len() as u8],
        pps,
    ]
    .concat();
    vec![record, vec![0x11, 0x90], vec![0x12, 0x10, 0x56, 0xe5, 0]]
}

fn tags() -> [(u8, Vec<u8>); 7] {
    let configs = config_seeds();
    [
        (4, [&[0xaf, 0][..], &configs[1]].concat()),
        (5, [&[0x17, 0, 0, 0, 0][..], &configs[0]].concat()),
        (
            5,
            vec![0x17, 1, 0, 0, 0, 0, 0, 0, 6, 0x65, 0x88, 0x84, 1, 2, 3],
        ),
        (4, vec![0xaf, 1, 0x21, 0x10, 4, 0x60, 0x8c, 0x1c]),
        (
            5,
            vec![0x27, 1, 0, 0, 0, 0, 0, 0, 5, 0x41, 0x9a, 0x21, 4, 5],
        ),
        (
            5,
            [&[0x90, b'a', b'v', b'c', b'1'][..], &configs[0]].concat(),
        ),
        (
            5,
            vec![
                0x96, 0x01, b'a', b'v', b'c', b'1', 0, 0, 0, 6, 0, 0, 5, 0x65, 0x88, 0x84, 1, 2,
            ],
        ),
    ]
}

fn rtmp_seeds() -> Vec<Vec<u8>> {
    let mut story = vec![1];
    for (kind, tag) in tags() {
        story.extend([kind, 60, 1, tag.len() as u8]);
        story.extend(tag);
    }
    let meta = [
        amf_text("onMetaData"),
        vec![8, 0, 0, 0, 1, 0, 5],
        b"width".to_vec(),
        amf_number(640.0),
        vec![0, 0, 9],
    ]
    .concat();
    let mut data = vec![1, 6, 20, 0, 1, meta.len() as u8];
    data.extend(meta);
    data.extend([1, 0x40, 0]);
    vec![story, data]
}

fn byte_seeds() -> Vec<Vec<u8>> {
    let mut stream = vec![1, 2, 0, 9, 0, 70];
    for (time, (kind, tag)) in (0..).zip(tags()) {
        message(&mut stream, 128, (4 + kind, time * 20, 4 + kind), &tag);
    }
    let mut commands = vec![0, 0];
    begin_to_publish(&mut commands);
    vec![stream, commands]
}

fn handshake_seeds() -> Vec<Vec<u8>> {
    let digested = [
        &[2, 0, 100, 6, 0][..],
        &[3],
        &[0, 0, 0, 1, 128, 0, 7, 2],
        &[7; 60],
    ]
    .concat();
    vec![vec![1, 0, 50, 3], digested, vec![0, 6]]
}

fn push_seeds() -> Vec<Vec<u8>> {
    let media = [
        0, 33, 0, 0, 1, 0x67, 0x42, 0xd0, 0x0b, 0xda, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1,
        0x65, 0x88, 0x84, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 2,
    ];
    let mut story = vec![1, media.len() as u8];
    story.extend(media);
    story.extend([1, 0, 5]);
    message(&mut story, 128, (2, 0, 4), &[0, 6, 0, 0, 0, 1]);
    let mut refused = vec![0, 0, 0];
    message(
        &mut refused,
        128,
        (3, 0, 20),
        &[amf_text("_error"), amf_number(1.0), vec![5, 5]].concat(),
    );
    vec![story, refused]
}

fn release_seeds() -> Vec<Vec<u8>> {
    let mut story = Vec::new();
    for place in 0..40_u8 {
        story.extend([
            0x25 | if place % 10 == 0 { 0x80 } else { 0 },
            10,
            0,
            0x65,
            2,
        ]);
    }
    vec![story]
}
