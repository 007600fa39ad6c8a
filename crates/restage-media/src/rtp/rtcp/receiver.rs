//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104) as a receiver of media needs it.

use super::sender::{
    FORMAT_FIR, FORMAT_NACK, FORMAT_PLI, NTP_OFFSET_S, PAYLOAD_FEEDBACK, SENDER_REPORT,
    TRANSPORT_FEEDBACK,
};

const RECEIVER_REPORT: u8 = 201;
/// Blocks of a report. The format allows 31; this many fit into a datagram beside other messages.
pub(crate) const BLOCKS_MAX: usize = 12;

/// A report block: statistics of one SSRC (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) ssrc: u32,
    pub(crate) fraction_lost: u8,
    pub(crate) lost: i32,
    pub(crate) highest: u32,
    pub(crate) jitter: u32,
    pub(crate) last_report: u32,
    /// In 1/65,536 second.
    pub(crate) since_last_report: u32,
}

/// The contents of a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) ssrc: u32,
    /// Seconds since 1900 in the upper half, their fraction in the lower.
    pub(crate) ntp: u64,
    pub(crate) time: u32,
}

impl Sent {
    /// Microseconds since 1970.
    pub(crate) fn wall_us(&self) -> i64 {
        let seconds = (self.ntp >> 32).cast_signed() - NTP_OFFSET_S.cast_signed();
        let us = ((self.ntp & 0xffff_ffff) * 1_000_000) >> 32;
        seconds * 1_000_000 + us.cast_signed()
    }
}

/// Finds the sender reports of a compound packet. Reading ends at the first malformed message.
pub(crate) fn read(mut bytes: &[u8], mut take: impl FnMut(Sent)) {
    while let [first, kind, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])) * 4;
        let (Some(body), 2) = (rest.get(..length), first >> 6) else {
            return;
        };
        bytes = &rest[length..];
        let Some([s0, s1, s2, s3, ntp @ .., t0, t1, t2, t3]) = body.first_chunk::<16>() else {
            continue;
        };
        if *kind == SENDER_REPORT {
            take(Sent {
                ssrc: u32::from_be_bytes([*s0, *s1, *s2, *s3]),
                ntp: ntp.first_chunk().map_or(0, |ntp| u64::from_be_bytes(*ntp)),
                time: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
            });
        }
    }
}

/// Writes a receiver report of at most [`BLOCKS_MAX`] blocks.
pub(crate) fn write_report(buffer: &mut Vec<u8>, sender: u32, blocks: &[Block]) {
    let blocks = &blocks[..blocks.len().min(BLOCKS_MAX)];
    let words = (1 + 6 * blocks.len()) as u16;
    buffer.extend([0x80 | blocks.len() as u8, RECEIVER_REPORT]);
    buffer.extend(words.to_be_bytes());
    buffer.extend(sender.to_be_bytes());
    for block in blocks {
        let [_, lost @ ..] = block.lost.to_be_bytes();
        buffer.extend(block.ssrc.to_be_bytes());
        buffer.push(block.fraction_lost);
        buffer.extend(lost);
        for word in [
            block.highest,
            block.jitter,
            block.last_report,
            block.since_last_report,
        ] {
            buffer.extend(word.to_be_bytes());
        }
    }
}

/// Writes a request for packets (generic NACK). Numbers must ascend.
pub(crate) fn write_nack(buffer: &mut Vec<u8>, sender: u32, media: u32, missing: &[u64]) {
    let start = buffer.len();
    buffer.extend([0x80 | FORMAT_NACK, TRANSPORT_FEEDBACK, 0, 0]);
    buffer.extend(sender.to_be_bytes());
    buffer.extend(media.to_be_bytes());
    let mut missing = missing.iter().peekable();
    while let Some(first) = missing.next() {
        let mut following = 0_u16;
        while let Some(next) = missing.next_if(|next| (1..=16).contains(&(**next - first))) {
            following |= 1 << (next - first - 1);
        }
        buffer.extend((*first as u16).to_be_bytes());
        buffer.extend(following.to_be_bytes());
    }
    let words = ((buffer.len() - start) / 4 - 1) as u16;
    buffer[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// Writes a request for a key frame (PLI).
pub(crate) fn write_pli(buffer: &mut Vec<u8>, sender: u32, media: u32) {
    buffer.extend([0x80 | FORMAT_PLI, PAYLOAD_FEEDBACK, 0, 2]);
    buffer.extend(sender.to_be_bytes());
    buffer.extend(media.to_be_bytes());
}

/// Writes a request for a key frame (FIR). The same `number` again repeats the same request.
pub(crate) fn write_fir(buffer: &mut Vec<u8>, sender: u32, media: u32, number: u8) {
    buffer.extend([0x80 | FORMAT_FIR, PAYLOAD_FEEDBACK, 0, 4]);
    buffer.extend(sender.to_be_bytes());
    buffer.extend([0; 4]);
    buffer.extend(media.to_be_bytes());
    buffer.extend([number, 0, 0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::sender::{
        Feedback, SenderInfo, read as read_feedback, write_report as write_sent,
    };

    fn feedback(bytes: &[u8]) -> Vec<Feedback<'_>> {
        let mut all = Vec::new();
        read_feedback(bytes, |one| all.push(one));
        all
    }

    #[test]
    fn requests_say_what_a_sender_reads() {
        let mut buffer = Vec::new();
        write_nack(
            &mut buffer,
            1,
            7,
            &[0x1_ffff, 0x2_0000, 0x2_000f, 0x2_0010, 0x2_0030],
        );
        write_pli(&mut buffer, 1, 8);
        write_fir(&mut buffer, 1, 9, 3);
        let nack = |first, following| Feedback::Nack {
            ssrc: 7,
            first,
            following,
        };
        let expected = [
            nack(0xffff, 0x8001),
            nack(0x10, 0),
            nack(0x30, 0),
            Feedback::KeyFrame { ssrc: 8 },
            Feedback::KeyFrame { ssrc: 9 },
        ];
        assert_eq!(feedback(&buffer), expected);
    }

    #[test]
    fn sender_reports_are_found_among_others() {
        let mut buffer = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        let report = SenderInfo {
            ssrc: 5,
            wall_us: 1_700_000_000_250_000,
            time: 90,
            packets: 3,
            octets: 300,
        };
        write_sent(&mut buffer, &report, "name");
        let mut found = Vec::new();
        read(&buffer, |sent| found.push(sent));
        let [sent] = found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((sent.ssrc, sent.time), (5, 90));
        // A fraction is rounded down twice.
        assert!((sent.wall_us() - 1_700_000_000_250_000).abs() <= 1);
        for end in 0..36 {
            read(&buffer[..end], |sent| panic!("{sent:?} in {end}"));
        }
    }

    #[test]
    fn reports_are_laid_out_as_the_rfc_has_them() {
        let block = Block {
            ssrc: 0x0102_0304,
            fraction_lost: 5,
            lost: -2,
            highest: 0x0607_0809,
            jitter: 10,
            last_report: 11,
            since_last_report: 12,
        };
        let mut buffer = Vec::new();
        write_report(&mut buffer, 1, &[block]);
        assert_eq!(
            buffer,
            [
                0x81, 201, 0, 7, 0, 0, 0, 1, 1, 2, 3, 4, 5, 0xff, 0xff, 0xfe, 6, 7, 8, 9, 0, 0, 0,
                10, 0, 0, 0, 11, 0, 0, 0, 12
            ]
        );
        buffer.clear();
        write_report(&mut buffer, 1, &[block; 40]);
        assert_eq!(buffer.len(), 8 + 24 * BLOCKS_MAX);
    }
}
