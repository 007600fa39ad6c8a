//! What a recorder is given: the packets of a publication, with what is known of their time.

use std::sync::Arc;

use restage_codec::{Codec, MediaKind};

/// One encoder's unbroken run of packets: sequence numbers and timestamps belong together within it. Another number means another
/// encoder, simulcast layer or feed; nothing is read from the number itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingId(pub u64);

/// The relation between a stream's timestamps and its sender's clock, as a sender report gives it (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender's clock, in microseconds since any fixed time.
    pub ntp_us: i64,
    /// The RTP timestamp of the stream at that time.
    pub rtp_time: u32,
    /// No publisher has sent it: it is the time that the packet itself has in an ingest (RTMP).
    pub is_of_ingest: bool,
}

/// A packet of the publication that is recorded.
///
/// Packets may come in any order and more than once. Nothing in them is believed: the publisher has written timestamps, reports and
/// payload.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Which encoder's run it belongs to. Those of audio and of video count for themselves. When the publisher's best layer changes, the
    /// first packet of the other encoding is one that begins a key frame.
    pub encoding: EncodingId,
    /// How the payload is encoded. [`Codec::Red`] is taken apart here.
    pub codec: Codec,
    /// The sequence number without wrap-around.
    pub sequence: u64,
    /// The RTP timestamp without wrap-around, in ticks of [`Codec::clock_rate`].
    pub timestamp: u64,
    /// When it arrived, in microseconds of the server's steady clock.
    pub arrived_us: u64,
    /// The newest sender report of its stream, as it came; the same for all packets until the next report.
    pub report: Option<SenderReport>,
    /// RTP's marker: the last packet of a picture.
    pub marker: bool,
    /// A decoder can start with this packet. Audio never says so.
    pub starts_key_frame: bool,
    /// H.264 parameter sets that a decoder which starts with this packet needs before it: NAL units, sequence parameter sets first.
    pub parameter_sets: Option<Arc<restage_codec::h264::Lead>>,
    /// How far to turn the picture clockwise before it is shown: 0, 90, 180 or 270 degrees. Other values count as 0.
    pub rotation_degrees: u16,
    /// The payload in the codec's RTP format.
    pub payload: Arc<[u8]>,
}

impl Packet {
    /// Audio or video.
    pub fn kind(&self) -> MediaKind {
        self.codec.kind()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A packet of 20 ms of sound.
    pub(crate) fn audio(sequence: u64) -> Packet {
        Packet {
            encoding: EncodingId(1),
            codec: Codec::Opus,
            sequence,
            timestamp: sequence.wrapping_mul(960),
            arrived_us: sequence.wrapping_mul(20_000),
            report: None,
            marker: false,
            starts_key_frame: false,
            parameter_sets: None,
            rotation_degrees: 0,
            payload: [0xf8, 0xff, 0xfe].into(),
        }
    }
}
