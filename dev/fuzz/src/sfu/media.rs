//! Packets of a publisher: tracks that go on, with the faults that an input wants.

use crate::input::Input;

/// A packet of Opus: 20 ms of CELT.
pub(crate) const AUDIO: &[u8] = &[0x78, 1, 2, 3, 4, 5, 6, 7];
/// Parameter sets and an IDR slice in one packet.
pub(crate) const H264_KEY: &[u8] = &[
    0x78, 0, 23, 0x67, 0x42, 0xd0, 0x0b, 0xda, 0x08, 0x36, 0xc0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0,
    0x52, 0x3c, 0x48, 0x9a, 0x80, 0, 4, 0x68, 0xce, 0x3c, 0x80, 0, 4, 0x65, 0x88, 0x84, 1,
];
/// The dependency descriptor of a key frame with two spatial layers, and of a later frame.
const DESCRIPTORS: [&[u8]; 2] = [
    &[
        0x80, 0, 1, 0x80, 0x01, 0x1e, 0xa8, 0x51, 0x41, 0x01, 0x0c, 0x13, 0xfc, 0x0b, 0x3c,
    ],
    &[0xc1, 0, 2],
];
/// Names of simulcast encodings.
const RIDS: [&[u8]; 4] = [b"l", b"m", b"h", b"x"];

/// A packet before it is encrypted.
pub(crate) struct Plain {
    pub(crate) bytes: Vec<u8>,
    /// Bytes of its header.
    pub(crate) body: usize,
    /// Its number without wrap-around.
    pub(crate) number: u64,
}

struct Track {
    ssrc: u32,
    number: u64,
    time: u32,
    picture: u16,
    tl0: u8,
    /// Packets that can be sent again, with their payloads.
    last: Vec<(u64, Vec<u8>)>,
}

/// What a publisher sends next.
pub(crate) struct Media {
    /// Sound, then layers of pictures.
    tracks: Vec<Track>,
    rtx_number: u64,
    wide: u16,
    is_simulcast: bool,
}

impl Media {
    pub(crate) fn new(is_simulcast: bool) -> Self {
        let ssrcs: &[u32] = if is_simulcast {
            &[1_000, 2_000, 2_001, 2_002]
        } else {
            &[1_000, 2_000]
        };
        let track = |ssrc: &u32| Track {
            ssrc: *ssrc,
            number: 65_500,
            time: 90_000,
            picture: 100,
            tl0: 0,
            last: Vec::new(),
        };
        Self {
            tracks: ssrcs.iter().map(track).collect(),
            rtx_number: 65_530,
            wide: 0,
            is_simulcast,
        }
    }

    /// SSRC, newest number and timestamp of each track.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (u32, u64, u32)> {
        self.tracks
            .iter()
            .map(|track| (track.ssrc, track.number, track.time))
    }

    /// The packets of the next picture or sound, changed as the input says.
    pub(crate) fn next(&mut self, input: &mut Input<'_>) -> Vec<Plain> {
        let place = input.below(self.tracks.len());
        let form = input.byte();
        if form == 0xff {
            return self.repair(input, place).into_iter().collect();
        }
        let is_key = form & 3 == 0;
        let codec = if place == 0 {
            0
        } else {
            1 + usize::from(form >> 2 & 7) % 5
        };
        let count = if place == 0 {
            1
        } else {
            1 + usize::from(form >> 5 & 3)
        };
        let faults = input.byte();
        let track = &mut self.tracks[place];
        track.time = match faults & 7 {
            7 => input.word(),
            6 => track.time.wrapping_sub(6_000),
            _ => track
                .time
                .wrapping_add(if place == 0 { 960 } else { 3_000 }),
        };
        track.picture = track.picture.wrapping_add(1) & 0x7fff;
        track.tl0 = track.tl0.wrapping_add(faults >> 7);
        let tail = if faults & 8 != 0 {
            input.piece()
        } else {
            &[7; 40]
        };
        (0..count)
            .map(|index| self.packet(input, (place, codec), (index, count), is_key, faults, tail))
            .collect()
    }

    fn packet(
        &mut self,
        input: &mut Input<'_>,
        (place, codec): (usize, usize),
        (index, count): (usize, usize),
        is_key: bool,
        faults: u8,
        tail: &[u8],
    ) -> Plain {
        let track = &mut self.tracks[place];
        track.number = match faults >> 4 & 7 {
            7 => {
                track
                    .number
                    .wrapping_add_signed(i64::from(input.short() as i16))
                    & 0xffff_ffff
            }
            6 => track.number + 3,
            5 => track.number.saturating_sub(1),
            _ => track.number + 1,
        };
        let payload = payload(
            codec,
            (index, count),
            is_key,
            (track.picture, track.tl0),
            tail,
        );
        track.last.push((track.number, payload.clone()));
        if track.last.len() > 16 {
            track.last.remove(0);
        }
        let pt = [111, 96, 98, 102, 104, 106][codec];
        let mut elements: Vec<(u8, Vec<u8>)> = vec![(
            4,
            if place == 0 {
                b"0".to_vec()
            } else {
                b"1".to_vec()
            },
        )];
        self.wide = self.wide.wrapping_add(1);
        elements.push((3, self.wide.to_be_bytes().to_vec()));
        if place == 0 {
            elements.push((1, vec![0x80 | faults & 0x7f]));
        } else if self.is_simulcast {
            elements.push((10, RIDS[place - 1].to_vec()));
        }
        if codec == 4 && index == 0 {
            elements.push((12, DESCRIPTORS[usize::from(!is_key)].to_vec()));
        }
        let (ssrc, number, time) = (track.ssrc, track.number, track.time);
        packet(
            pt,
            index + 1 == count,
            ssrc,
            number,
            time,
            &elements,
            &payload,
        )
    }

    /// A packet once more, as a retransmission (RFC 4588).
    fn repair(&mut self, input: &mut Input<'_>, place: usize) -> Option<Plain> {
        let track = &self.tracks[place.max(1)];
        let (number, payload) = track.last.get(input.below(track.last.len()))?;
        self.rtx_number += 1;
        let original = [&(*number as u16).to_be_bytes()[..], payload].concat();
        let mut elements = vec![(4, b"1".to_vec())];
        let ssrc = track.ssrc + 100;
        if self.is_simulcast {
            elements.push((11, RIDS[place.max(1) - 1].to_vec()));
        }
        let pt = input.pick(&[97, 99, 103, 105, 107]);
        Some(packet(
            pt,
            false,
            ssrc,
            self.rtx_number,
            track.time,
            &elements,
            &original,
        ))
    }
}

/// A packet with extensions in the one-byte form.
fn packet(
    pt: u8,
    marker: bool,
    ssrc: u32,
    number: u64,
    time: u32,
    elements: &[(u8, Vec<u8>)],
    payload: &[u8],
) -> Plain {
    let mut bytes = vec![0x90, pt | if marker { 0x80 } else { 0 }];
    bytes.extend((number as u16).to_be_bytes());
    bytes.extend(time.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    let mut block = Vec::new();
    for (id, value) in elements {
        block.push(id << 4 | (value.len() as u8 - 1) & 0x0f);
        block.extend_from_slice(value);
    }
    block.resize(block.len().next_multiple_of(4), 0);
    bytes.extend([0xbe, 0xde]);
    bytes.extend(((block.len() / 4) as u16).to_be_bytes());
    bytes.extend(block);
    let body = bytes.len();
    bytes.extend_from_slice(payload);
    Plain {
        bytes,
        body,
        number,
    }
}

/// A payload of Opus, VP8, VP9, H.264, AV1 or H.265.
fn payload(
    codec: usize,
    (index, count): (usize, usize),
    is_key: bool,
    (picture, tl0): (u16, u8),
    tail: &[u8],
) -> Vec<u8> {
    let [high, low] = picture.to_be_bytes();
    let (starts, ends) = (index == 0, index + 1 == count);
    let mut payload = match codec {
        0 => return [AUDIO, tail].concat(),
        1 => {
            let mut head = vec![
                0x80 | if starts { 0x10 } else { 0 },
                0xe0,
                0x80 | high,
                low,
                tl0,
                0x20,
            ];
            match (starts, is_key) {
                (true, true) => head.extend([0, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0]),
                (true, false) => head.push(1),
                _ => {}
            }
            head
        }
        2 => {
            let flags = 0xa0
                | if is_key { 0 } else { 0x40 }
                | if starts { 8 } else { 0 }
                | if ends { 4 } else { 0 };
            let mut head = vec![flags, 0x80 | high, low, 0x10, tl0];
            if starts && is_key {
                head.extend([0x82, 0x49, 0x83, 0x42, 0x20, 0x09, 0xf0, 0x05, 0x90]);
            } else if starts {
                head.push(0x86);
            }
            head
        }
        3 if starts && is_key => H264_KEY.to_vec(),
        3 => vec![
            0x7c,
            if starts { 0x81 } else { 1 } | if ends { 0x40 } else { 0 },
        ],
        4 if starts && is_key => vec![
            0x28, 11, 0x08, 0, 0, 0, 0x24, 0xcf, 0x7f, 0x0d, 0xbf, 0xff, 0x30, 0x30, 0x10,
        ],
        4 => vec![
            0x10 | if starts { 0 } else { 0x80 } | if ends { 0 } else { 0x40 },
            0x30,
        ],
        _ if starts && is_key => vec![
            0x60, 1, 0, 3, 0x40, 1, 7, 0, 3, 0x42, 1, 7, 0, 3, 0x44, 1, 7,
        ],
        _ => vec![
            0x62,
            1,
            if is_key { 19 } else { 1 }
                | if starts { 0x80 } else { 0 }
                | if ends { 0x40 } else { 0 },
        ],
    };
    payload.extend_from_slice(tail);
    payload
}
