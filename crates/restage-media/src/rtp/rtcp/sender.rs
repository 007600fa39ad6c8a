//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104) as a sender of media needs it.

use std::time::Duration;

pub(crate) const SENDER_REPORT: u8 = 200;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;
pub(crate) const FORMAT_NACK: u8 = 1;
pub(crate) const FORMAT_PLI: u8 = 1;
pub(crate) const FORMAT_FIR: u8 = 4;
const RECEIVER_REPORT: u8 = 201;
const FORMAT_TRANSPORT_WIDE: u8 = 15;
const FORMAT_APPLICATION: u8 = 15;
/// Begins a REMB message (draft-alvestrand-rmcat-remb-03 §2.2).
const REMB: &[u8; 4] = b"REMB";
const CNAME: u8 = 1;
/// Seconds from 1900 to 1970.
pub(crate) const NTP_OFFSET_S: u64 = 2_208_988_800;

/// What a receiver says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feedback<'a> {
    /// Packets of this stream are missing: the one with this number, and one for each bit of the next sixteen.
    Nack {
        ssrc: u32,
        first: u16,
        following: u16,
    },
    /// A key frame of this stream is needed.
    KeyFrame { ssrc: u32 },
    /// Which packets of the connection have arrived, and when: what follows the two SSRCs.
    TransportWide(&'a [u8]),
    /// The rate that the receiver thinks it can receive.
    Remb { bits_per_s: u64 },
    /// A report block (RFC 3550 §6.4.1).
    Report {
        ssrc: u32,
        /// Since the report before, in 256ths.
        fraction_lost: u8,
        /// Since the beginning. Packets that came twice count as found.
        lost: i32,
        /// The highest sequence number, with the number of its cycles in the upper half.
        highest: u32,
        /// In ticks of the stream's clock.
        jitter: u32,
        /// The middle of the time in the newest sender report, or 0.
        last_report: u32,
        /// In 1/65,536 second.
        since_last_report: u32,
    },
}

/// Reads a compound packet. Reading ends at the first malformed message; messages without feedback are skipped.
pub(crate) fn read<'a>(mut bytes: &'a [u8], mut take: impl FnMut(Feedback<'a>)) {
    while let [first, kind, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])) * 4;
        let (Some(body), 2) = (rest.get(..length), first >> 6) else {
            return;
        };
        bytes = &rest[length..];
        let (Some((_, body)), format) = (body.split_first_chunk::<4>(), first & 0x1f) else {
            continue;
        };
        match (*kind, format, body.split_first_chunk::<4>()) {
            (TRANSPORT_FEEDBACK, FORMAT_NACK, Some((ssrc, entries))) => {
                for entry in entries.as_chunks::<4>().0 {
                    take(Feedback::Nack {
                        ssrc: u32::from_be_bytes(*ssrc),
                        first: u16::from_be_bytes([entry[0], entry[1]]),
                        following: u16::from_be_bytes([entry[2], entry[3]]),
                    });
                }
            }
            (TRANSPORT_FEEDBACK, FORMAT_TRANSPORT_WIDE, Some((_, message))) => {
                take(Feedback::TransportWide(message));
            }
            (PAYLOAD_FEEDBACK, FORMAT_APPLICATION, Some((_, message))) => {
                if let Some(bits_per_s) = remb(message) {
                    take(Feedback::Remb { bits_per_s });
                }
            }
            (RECEIVER_REPORT, count, _) => {
                for block in body.as_chunks::<24>().0.iter().take(usize::from(count)) {
                    take(report(block));
                }
            }
            (PAYLOAD_FEEDBACK, FORMAT_PLI, Some((ssrc, _))) => {
                take(Feedback::KeyFrame {
                    ssrc: u32::from_be_bytes(*ssrc),
                });
            }
            (PAYLOAD_FEEDBACK, FORMAT_FIR, Some((_, entries))) => {
                for entry in entries.as_chunks::<8>().0 {
                    let ssrc = [entry[0], entry[1], entry[2], entry[3]];
                    take(Feedback::KeyFrame {
                        ssrc: u32::from_be_bytes(ssrc),
                    });
                }
            }
            _ => {}
        }
    }
}

/// The rate of a REMB message: a mantissa of 18 bits and an exponent of 6.
fn remb(message: &[u8]) -> Option<u64> {
    let rest = message.strip_prefix(REMB)?;
    let [_, high, middle, low, ..] = *rest else {
        return None;
    };
    let mantissa = u64::from(u32::from_be_bytes([0, high & 3, middle, low]));
    let exponent = u32::from(high >> 2);
    Some(match mantissa.leading_zeros() >= exponent {
        true => mantissa << exponent,
        false => u64::MAX,
    })
}

fn report(block: &[u8; 24]) -> Feedback<'static> {
    let word =
        |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    Feedback::Report {
        ssrc: word(0),
        fraction_lost: block[4],
        // 24 bits with a sign.
        lost: (word(4) << 8).cast_signed() >> 8,
        highest: word(8),
        jitter: word(12),
        last_report: word(16),
        since_last_report: word(20),
    }
}

/// The round trip that a report block shows (RFC 3550 §6.4.1): from the sender report to now, without the time that the receiver
/// kept it. `None`: it has none yet, or it shows more than a minute.
pub(crate) fn round_trip(since_1970: Duration, last_report: u32, since: u32) -> Option<Duration> {
    let seconds = since_1970.as_secs().wrapping_add(NTP_OFFSET_S) as u32;
    let fraction = (u64::from(since_1970.subsec_nanos()) << 16) / 1_000_000_000;
    let now = seconds << 16 | fraction as u32;
    let units = now.wrapping_sub(last_report).wrapping_sub(since);
    let is_plausible = last_report != 0 && units < 60 << 16;
    is_plausible.then(|| Duration::from_micros((u64::from(units) * 1_000_000) >> 16))
}

/// The contents of a sender report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SenderInfo {
    pub(crate) ssrc: u32,
    /// Microseconds since 1970.
    pub(crate) wall_us: u64,
    /// The RTP timestamp at that moment.
    pub(crate) time: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

/// Writes a sender report and the canonical name of the source.
pub(crate) fn write_report(buffer: &mut Vec<u8>, report: &SenderInfo, cname: &str) {
    buffer.extend([0x80, SENDER_REPORT, 0, 6]);
    let seconds = (report.wall_us / 1_000_000 + NTP_OFFSET_S) as u32;
    let fraction = ((report.wall_us % 1_000_000) << 32) / 1_000_000;
    for word in [
        report.ssrc,
        seconds,
        fraction as u32,
        report.time,
        report.packets,
        report.octets,
    ] {
        buffer.extend(word.to_be_bytes());
    }
    let cname = &cname.as_bytes()[..cname.len().min(usize::from(u8::MAX))];
    // The item list ends with a zero and is padded to four bytes.
    let chunk = (4 + 2 + cname.len() + 1).next_multiple_of(4);
    let end = buffer.len() + 4 + chunk;
    buffer.extend([0x81, DESCRIPTION]);
    buffer.extend(((chunk / 4) as u16).to_be_bytes());
    buffer.extend(report.ssrc.to_be_bytes());
    buffer.extend([CNAME, cname.len() as u8]);
    buffer.extend(cname);
    buffer.resize(end, 0);
}

/// Writes a BYE. RFC 3550 §6.6 wants a report before it: an empty one.
pub(crate) fn write_bye(buffer: &mut Vec<u8>, ssrc: u32) {
    buffer.extend([0x80, 201, 0, 1]);
    buffer.extend(ssrc.to_be_bytes());
    buffer.extend([0x81, BYE, 0, 1]);
    buffer.extend(ssrc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Feedback<'_>> {
        let mut all = Vec::new();
        read(bytes, |feedback| all.push(feedback));
        all
    }

    #[test]
    fn a_compound_packet_is_read_to_its_end() {
        let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        bytes.extend([
            0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0x80, 0x01, 0, 5, 0, 0,
        ]);
        bytes.extend([0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8]);
        bytes.extend([
            0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 3, 0, 0, 0,
        ]);
        assert_eq!(
            all(&bytes),
            [
                Feedback::Nack {
                    ssrc: 7,
                    first: 0xffff,
                    following: 0x8001
                },
                Feedback::Nack {
                    ssrc: 7,
                    first: 5,
                    following: 0
                },
                Feedback::KeyFrame { ssrc: 8 },
                Feedback::KeyFrame { ssrc: 9 },
            ]
        );
        for end in 0..bytes.len() {
            assert!(all(&bytes[..end]).len() < 4);
        }
    }

    #[test]
    fn reports_and_what_a_path_carries_are_read() {
        let mut bytes = vec![0x82, 201, 0, 7, 0, 0, 0, 1];
        bytes.extend([0, 0, 0, 7, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 5, 0, 0, 0, 0]);
        bytes.extend([1, 2, 3, 4, 0, 1, 0, 0]);
        // One block is announced that is not there.
        bytes.extend([0x8f, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4]);
        bytes.extend([0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0]);
        bytes.extend(*b"REMB");
        bytes.extend([1, 0x0b, 0xd0, 0x90, 0, 0, 0, 7]);
        let expected = [
            Feedback::Report {
                ssrc: 7,
                fraction_lost: 64,
                lost: -2,
                highest: 0x1_0005,
                jitter: 0,
                last_report: 0x0102_0304,
                since_last_report: 0x1_0000,
            },
            Feedback::TransportWide(&[1, 2, 3, 4]),
            Feedback::Remb {
                bits_per_s: 0x3_d090 << 2,
            },
        ];
        assert_eq!(all(&bytes), expected);
        for end in 0..bytes.len() {
            assert!(all(&bytes[..end]).len() < 3);
        }
        assert_eq!(
            remb(&[b'R', b'E', b'M', b'B', 1, 0xff, 0xff, 0xff]),
            Some(u64::MAX)
        );
        assert_eq!(remb(b"REMB"), None);
        assert_eq!(remb(b"OTHR\x01\x00\x00\x00"), None);
    }

    #[test]
    fn a_round_trip_is_the_time_outside_of_the_receiver() {
        let sent = Duration::from_millis(1_700_000_000_900);
        let mut written = Vec::new();
        let info = SenderInfo {
            ssrc: 1,
            wall_us: sent.as_micros() as u64,
            time: 0,
            packets: 0,
            octets: 0,
        };
        write_report(&mut written, &info, "");
        let middle = u32::from_be_bytes(*written[10..].first_chunk().unwrap());
        let now = sent + Duration::from_millis(350);
        let shown = round_trip(now, middle, 0x1_0000 / 4).unwrap();
        assert!(
            shown.abs_diff(Duration::from_millis(100)) < Duration::from_millis(1),
            "{shown:?}"
        );
        assert_eq!(round_trip(now, 0, 0), None);
        assert_eq!(
            round_trip(now, middle, 0x2_0000),
            None,
            "it was kept longer than it was away"
        );
    }

    #[test]
    fn lengths_that_lie_and_other_versions_end_the_reading() {
        assert_eq!(all(&[0x81, 206, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 8]), []);
        assert_eq!(all(&[0x41, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8]), []);
        assert_eq!(
            all(&[0x81, 206, 0, 0, 0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8]).len(),
            1
        );
    }

    #[test]
    fn reports_are_whole_words_and_say_when() {
        for cname in ["", "a", "ab", "abc", "abcd"] {
            let mut buffer = Vec::new();
            let report = SenderInfo {
                ssrc: 0x0102_0304,
                wall_us: 1_500_000,
                time: 90,
                packets: 3,
                octets: 300,
            };
            write_report(&mut buffer, &report, cname);
            assert_eq!(buffer.len() % 4, 0);
            assert_eq!(buffer[8..12], (NTP_OFFSET_S as u32 + 1).to_be_bytes());
            assert_eq!(buffer[12..16], 0x8000_0000_u32.to_be_bytes());
            let description = &buffer[28..];
            let words = usize::from(u16::from_be_bytes([description[2], description[3]]));
            assert_eq!(description.len(), 4 + words * 4);
            assert_eq!(description.last(), Some(&0));
        }
    }
}
