//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104) as a sender of media needs it.

pub(crate) const SENDER_REPORT: u8 = 200;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;
pub(crate) const FORMAT_NACK: u8 = 1;
pub(crate) const FORMAT_PLI: u8 = 1;
pub(crate) const FORMAT_FIR: u8 = 4;
const CNAME: u8 = 1;
/// Seconds from 1900 to 1970.
pub(crate) const NTP_OFFSET_S: u64 = 2_208_988_800;

/// A request from a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// Packets of this stream are missing: the one with this number, and one for each bit of the next sixteen.
    Nack {
        ssrc: u32,
        first: u16,
        following: u16,
    },
    /// A key frame of this stream is needed.
    KeyFrame { ssrc: u32 },
}

/// Reads a compound packet. Reading ends at the first malformed message; messages without feedback are skipped.
pub(crate) fn read(mut bytes: &[u8], mut take: impl FnMut(Feedback)) {
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

    fn all(bytes: &[u8]) -> Vec<Feedback> {
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
