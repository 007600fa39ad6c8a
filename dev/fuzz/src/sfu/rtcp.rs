//! RTCP of clients about what they have really sent or received, with values that an input chooses.

use super::media::Media;
use super::world::Got;
use crate::input::Input;

/// A packet with the count or format, type and words behind the header.
fn packet(out: &mut Vec<u8>, count: u8, kind: u8, body: &[u8]) {
    out.extend([0x80 | count & 0x1f, kind]);
    out.extend(((body.len() / 4) as u16).to_be_bytes());
    out.extend_from_slice(&body[..body.len() / 4 * 4]);
}

/// Sender reports, descriptions, ends of streams.
pub(crate) fn of_publisher(input: &mut Input<'_>, media: &Media) -> Vec<u8> {
    let streams: Vec<(u32, u64, u32)> = media.streams().collect();
    let (ssrc, _, time) = streams[input.below(streams.len())];
    let mut out = Vec::new();
    match input.below(4) {
        0 => packet(&mut out, 1, 203, &ssrc.to_be_bytes()),
        kind => {
            let mut body = ssrc.to_be_bytes().to_vec();
            let (seconds, fraction) = match kind {
                1 => (3_900_000_000 + u32::from(input.byte()), 0),
                _ => (input.word(), input.word()),
            };
            body.extend(seconds.to_be_bytes());
            body.extend(fraction.to_be_bytes());
            body.extend(
                time.wrapping_add_signed(i32::from(input.byte()) * 90)
                    .to_be_bytes(),
            );
            body.extend([0; 8]);
            packet(&mut out, 0, 200, &body);
            let name = [&ssrc.to_be_bytes()[..], &[1, 1, b'c', 0]].concat();
            packet(&mut out, 1, 202, &name);
        }
    }
    out
}

/// Reports, requests for packets and key frames, estimates, arrivals.
pub(crate) fn of_viewer(input: &mut Input<'_>, got: &Got) -> Vec<u8> {
    let (ssrc, newest) = got
        .newest
        .get(input.below(got.newest.len()))
        .copied()
        .unwrap_or((1, 1));
    let head = [&9_u32.to_be_bytes()[..], &ssrc.to_be_bytes()].concat();
    let mut out = Vec::new();
    match input.below(8) {
        0 => {
            let mut body = head;
            body.extend([input.byte(), 0, 0, input.byte()]);
            body.extend([0, 0]);
            body.extend(newest.to_be_bytes());
            body.extend(input.word().to_be_bytes());
            body.extend(input.word().to_be_bytes());
            body.extend(input.word().to_be_bytes());
            packet(&mut out, 1, 201, &body);
        }
        1 | 2 => {
            let mut body = head;
            for _ in 0..=input.below(3) {
                body.extend(newest.wrapping_sub(u16::from(input.byte())).to_be_bytes());
                body.extend(input.short().to_be_bytes());
            }
            packet(&mut out, 1, 205, &body);
        }
        3 => packet(&mut out, 1, 206, &head),
        4 => {
            let body = [
                &head[..4],
                &[0; 4],
                &ssrc.to_be_bytes(),
                &[input.byte(), 0, 0, 0],
            ]
            .concat();
            packet(&mut out, 4, 206, &body);
        }
        5 => {
            let mantissa = input.word();
            let mut body = [&head[..4], &[0; 4], b"REMB", &[1]].concat();
            body.extend(&mantissa.to_be_bytes()[1..]);
            body.extend(ssrc.to_be_bytes());
            packet(&mut out, 15, 206, &body);
        }
        _ => {
            let count = 1 + input.below(14) as u16;
            let first = got
                .wide
                .wrapping_sub(count - 1)
                .wrapping_sub(u16::from(input.byte() & 3));
            let mut body = head;
            body.extend(first.to_be_bytes());
            body.extend(count.to_be_bytes());
            body.extend([0, input.byte(), input.byte(), input.byte()]);
            // Which of them have arrived, with small steps.
            let arrived = input.short() & ((1 << count) - 1);
            body.extend((0x8000 | arrived << (14 - count)).to_be_bytes());
            for _ in 0..arrived.count_ones() {
                body.push(input.byte());
            }
            body.resize(body.len().next_multiple_of(4), 0);
            packet(&mut out, 15, 205, &body);
        }
    }
    out
}
