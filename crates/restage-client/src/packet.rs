//! RTP packets as other programs make them (RFC 3550 §5.1).

use std::sync::Arc;

use crate::error::Error;
use crate::frame::Codec;

/// Longest RTP packet taken; with headers and SRTP's tag it has to fit the Ethernet MTU.
pub const PACKET_BYTES_MAX: usize = 1_400;

/// Fixed part of the RTP header (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;
const VERSION: u8 = 2;

/// One RTP packet. SSRC, payload type and header extensions are the connection's own business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPacket {
    /// How the payload is encoded, which decides the track and the payload type.
    pub codec: Codec,
    /// Sequence number; may wrap. What it says is what was lost and what comes late; the connection
    /// has numbers of its own. A jump is a new beginning.
    pub sequence: u16,
    /// Timestamp in ticks of the codec's clock; may wrap.
    pub timestamp: u32,
    /// Marker: the last packet of a picture, the first after silence.
    pub is_marker: bool,
    /// Payload in the format of the codec's RTP specification.
    pub payload: Arc<[u8]>,
}

impl RtpPacket {
    /// Reads a packet from the wire (RFC 3550 §5.1). Contributing sources, the header extension
    /// and padding are left out.
    ///
    /// # Errors
    /// [`Error::Rtp`] if it is no RTP packet, has no payload, or is longer than
    /// [`PACKET_BYTES_MAX`].
    pub fn parse(codec: Codec, packet: &[u8]) -> Result<Self, Error> {
        let fail = |why: &'static str| Error::Rtp(why.to_owned());
        if packet.len() > PACKET_BYTES_MAX {
            return Err(Error::Rtp(format!(
                "it has {} bytes; the most is {PACKET_BYTES_MAX}",
                packet.len()
            )));
        }
        let (&header, mut rest) = packet
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(|| fail("it is shorter than a header"))?;
        let [
            first,
            second,
            sequence_high,
            sequence_low,
            t0,
            t1,
            t2,
            t3,
            ..,
        ] = header;
        if first >> 6 != VERSION {
            return Err(fail("its version is not 2"));
        }
        let sources = usize::from(first & 0x0f) * 4;
        rest = rest
            .get(sources..)
            .ok_or_else(|| fail("its sources are cut short"))?;
        if first & 0x10 != 0 {
            let (&[_, _, high, low], body) = rest
                .split_first_chunk::<4>()
                .ok_or_else(|| fail("its extension is cut short"))?;
            let length = usize::from(u16::from_be_bytes([high, low])) * 4;
            rest = body
                .get(length..)
                .ok_or_else(|| fail("its extension is cut short"))?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*rest.last().ok_or_else(|| fail("its padding is missing"))?);
            let kept = rest.len().checked_sub(padding).filter(|_| padding > 0);
            rest = &rest[..kept.ok_or_else(|| fail("its padding is longer than the rest"))?];
        }
        if rest.is_empty() {
            return Err(fail("it has no payload"));
        }
        Ok(Self {
            codec,
            sequence: u16::from_be_bytes([sequence_high, sequence_low]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            is_marker: second & 0x80 != 0,
            payload: rest.into(),
        })
    }
}
