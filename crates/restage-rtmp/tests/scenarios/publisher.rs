//! An encoder that writes the protocol by itself: nothing of the server's parsers is used here.

use std::time::{Duration, Instant};

use restage_rtmp::{Event, HANDSHAKE_RANDOM_BYTES, Refusal, Session};

/// Message types.
pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const COMMAND: u8 = 20;
/// 128 by 96 pixels, baseline.
pub(crate) const SPS: &[u8] = &[
    0x67, 0x42, 0xd0, 0x0b, 0xda, 0x08, 0x36, 0xc0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0x52, 0x3c,
    0x48, 0x9a, 0x80,
];
pub(crate) const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
/// An I slice of an IDR picture, a P slice and a B slice: `first_mb_in_slice` 0 and `slice_type` 7, 5 and 6.
pub(crate) const IDR: &[u8] = &[0x65, 0x88, 0x84, 1, 2, 3];
pub(crate) const DELTA: &[u8] = &[0x41, 0x9a, 0x21, 4, 5];
pub(crate) const BIDIRECTIONAL: &[u8] = &[0x01, 0x9e, 0x21, 4, 5];

/// A session and the encoder on the other side of it.
pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    /// What the server has sent, handshake included.
    pub(crate) answers: Vec<u8>,
    chunk_bytes: usize,
}

impl Rig {
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(now, &[9; HANDSHAKE_RANDOM_BYTES]),
            now,
            events: Vec::new(),
            answers: Vec::new(),
            chunk_bytes: 128,
        }
    }

    /// After the handshake.
    pub(crate) fn shaken() -> Self {
        let mut rig = Self::new();
        rig.send(&[&[3][..], &[0; 1_536], &[0; 1_536]].concat());
        rig
    }

    /// After `publish`, which has been accepted.
    pub(crate) fn publishing() -> Self {
        let mut rig = Self::shaken();
        rig.connect();
        rig.publish("key");
        assert!(matches!(rig.take_events()[..], [Event::Publish(_)]));
        rig.session.accept(rig.now);
        rig
    }

    /// Brings bytes to the session, all of which it must take.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        self.feed(&mut input);
        assert!(input.is_empty(), "{} bytes are left", input.len());
    }

    pub(crate) fn feed(&mut self, input: &mut &[u8]) {
        while let Some(event) = self.session.receive(self.now, input) {
            self.events.push(event);
        }
        self.answers.extend(self.session.take_output());
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.events.extend(self.session.handle_time(self.now));
        self.answers.extend(self.session.take_output());
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        self.session.refuse(refusal);
        self.send(&[]);
    }

    pub(crate) fn connect(&mut self) {
        let app = member("app", &text("app"));
        let command = [text("connect"), number(1.0), object(&[app])].concat();
        self.message(3, 0, COMMAND, &command);
    }

    pub(crate) fn publish(&mut self, key: &str) {
        let create = [text("createStream"), number(2.0), NULL.to_vec()].concat();
        self.message(3, 0, COMMAND, &create);
        let command = [
            text("publish"),
            number(3.0),
            NULL.to_vec(),
            text(key),
            text("live"),
        ];
        self.message(3, 0, COMMAND, &command.concat());
    }

    pub(crate) fn video(&mut self, time: u32, tag: &[u8]) {
        self.message(6, time, VIDEO, tag);
    }

    pub(crate) fn audio(&mut self, time: u32, tag: &[u8]) {
        self.message(4, time, AUDIO, tag);
    }

    /// Set Chunk Size.
    pub(crate) fn set_chunk_bytes(&mut self, bytes: u32) {
        self.message(2, 0, 1, &bytes.to_be_bytes());
        self.chunk_bytes = bytes as usize;
    }

    pub(crate) fn message(&mut self, stream: u8, time: u32, kind: u8, body: &[u8]) {
        let bytes = chunks(stream, time, kind, body, self.chunk_bytes);
        self.send(&bytes);
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether the server has sent this text.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        let words = words.as_bytes();
        self.answers
            .windows(words.len())
            .any(|window| window == words)
    }
}

/// A message in chunks: type 0, then type 3.
pub(crate) fn chunks(stream: u8, time: u32, kind: u8, body: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let is_long = time >= 0x00ff_ffff;
    let field = time.min(0x00ff_ffff).to_be_bytes();
    let extension = if is_long {
        time.to_be_bytes().to_vec()
    } else {
        Vec::new()
    };
    let mut bytes = vec![stream];
    bytes.extend(&field[1..]);
    bytes.extend(&length[1..]);
    bytes.extend([kind, 1, 0, 0, 0]);
    bytes.extend(&extension);
    for (place, chunk) in body.chunks(chunk_bytes).enumerate() {
        if place > 0 {
            bytes.push(0xc0 | stream);
            bytes.extend(&extension);
        }
        bytes.extend(chunk);
    }
    bytes
}

pub(crate) const NULL: &[u8] = &[5];

pub(crate) fn text(text: &str) -> Vec<u8> {
    [
        &[2][..],
        &(text.len() as u16).to_be_bytes(),
        text.as_bytes(),
    ]
    .concat()
}

pub(crate) fn number(number: f64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()].concat()
}

pub(crate) fn member(name: &str, value: &[u8]) -> Vec<u8> {
    [&(name.len() as u16).to_be_bytes(), name.as_bytes(), value].concat()
}

pub(crate) fn object(members: &[Vec<u8>]) -> Vec<u8> {
    [&[3][..], &members.concat(), &[0, 0, 9]].concat()
}

/// An `AVCDecoderConfigurationRecord`.
pub(crate) fn record(sps: &[u8]) -> Vec<u8> {
    let lengths = (
        (sps.len() as u16).to_be_bytes(),
        (PPS.len() as u16).to_be_bytes(),
    );
    [
        &[1, 0x42, 0xc0, 0x0a, 0xff, 0xe1][..],
        &lengths.0,
        sps,
        &[1],
        &lengths.1,
        PPS,
    ]
    .concat()
}

/// A plain tag with the configuration.
pub(crate) fn video_config(sps: &[u8]) -> Vec<u8> {
    [&[0x17, 0, 0, 0, 0][..], &record(sps)].concat()
}

/// NAL units behind their lengths.
pub(crate) fn units(units: &[&[u8]]) -> Vec<u8> {
    let behind = |unit: &&[u8]| [&(unit.len() as u32).to_be_bytes(), *unit].concat();
    units.iter().flat_map(behind).collect()
}

/// A plain tag with a picture.
pub(crate) fn picture(unit: &[u8], composition_ms: i32) -> Vec<u8> {
    let head = if unit == IDR { 0x17 } else { 0x27 };
    let [_, high, middle, low] = composition_ms.to_be_bytes();
    [&[head, 1, high, middle, low][..], &units(&[unit])].concat()
}

/// A plain tag with the configuration of AAC-LC, 48 kHz, stereo.
pub(crate) const AUDIO_CONFIG: &[u8] = &[0xaf, 0, 0x11, 0x90];
/// A plain tag with an access unit.
pub(crate) const SOUND: &[u8] = &[0xaf, 1, 0x21, 0x10, 0x04];
