//! Publishes RTP packets unchanged, for programs that packetise elsewhere: FFmpeg's or
//! GStreamer's RTP output, a hardware encoder, a recording of packets.

use str0m::media::Direction;
use tokio::sync::watch;

use crate::error::Error;
use crate::frame::Codec;
use crate::peer::{Command, ConnectionState, Media, Peer, Stats, Wanted};
use crate::signal::{HttpClient, parse_url};
use crate::token::ParticipantToken;
use crate::whip::PublishConfig;

pub use crate::packet::{PACKET_BYTES_MAX, RtpPacket};

/// A publisher of RTP packets. It retransmits lost packets when receivers request them; it does not
/// change the packets of the program.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use restage_client::rtp::{RtpPacket, RtpPublisher};
/// use restage_client::{Codec, PublishConfig};
///
/// // ffmpeg -re -i talk.mp4 -c:v libx264 -profile:v baseline -g 60 -an -f rtp
/// //        'rtp://127.0.0.1:5004?pkt_size=1200'
/// let socket = tokio::net::UdpSocket::bind("127.0.0.1:5004").await?;
/// let url = "http://127.0.0.1:4080/whip";
/// let publisher = RtpPublisher::connect(url, "<token>", PublishConfig::default()).await?;
/// let mut datagram = [0; 2048];
/// loop {
///     let length = socket.recv(&mut datagram).await?;
///     publisher.write(RtpPacket::parse(Codec::H264, &datagram[..length])?).await?;
/// }
/// # }
/// ```
pub struct RtpPublisher {
    peer: Peer,
    requests_seen: watch::Receiver<u64>,
}

impl RtpPublisher {
    /// Publishes to any WHIP server.
    ///
    /// # Errors
    /// As [`Publisher::connect`](crate::Publisher::connect).
    pub async fn connect(url: &str, token: &str, config: PublishConfig) -> Result<Self, Error> {
        let wanted = Wanted {
            endpoint: parse_url(url, ["http", "https"])?,
            http: match config.http {
                Some(http) => http,
                None => HttpClient::new()?,
            },
            token,
            resumption: config.resumption.as_deref(),
            direction: Direction::SendOnly,
            media: Media::Packets,
            codecs: config.audio.into_iter().chain(config.video).collect(),
            connect_timeout: config.connect_timeout,
            initial_bps: config.initial_bps,
        };
        let (peer, _frames) = Peer::connect(wanted).await?;
        let mut requests_seen = peer.key_frame_requests();
        requests_seen.mark_unchanged();
        Ok(Self {
            peer,
            requests_seen,
        })
    }

    /// Publishes to the stage a participant token is for.
    ///
    /// # Errors
    /// As [`Publisher::join`](crate::Publisher::join).
    pub async fn join(token: &ParticipantToken, config: PublishConfig) -> Result<Self, Error> {
        Self::connect(token.whip_url()?, token.as_str(), config).await
    }

    /// Sends one packet. Waits while 64 packets are queued. A number that was sent before is not sent again.
    ///
    /// # Errors
    /// [`Error::Rtp`] for a payload longer than [`PACKET_BYTES_MAX`], [`Error::NotNegotiated`] if
    /// the server did not accept the codec, [`Error::Closed`] once the connection has ended.
    pub async fn write(&self, packet: RtpPacket) -> Result<(), Error> {
        if packet.payload.len() > PACKET_BYTES_MAX {
            let length = packet.payload.len();
            let why = format!("its payload has {length} bytes; the most is {PACKET_BYTES_MAX}");
            return Err(Error::Rtp(why));
        }
        if !self.peer.codecs().contains(&packet.codec) {
            return Err(Error::NotNegotiated(packet.codec));
        }
        self.peer.command(Command::WritePacket(packet)).await
    }

    /// Codecs the server accepted.
    #[must_use]
    pub fn codecs(&self) -> &[Codec] {
        self.peer.codecs()
    }

    /// As [`Publisher::take_key_frame_request`](crate::Publisher::take_key_frame_request).
    pub fn take_key_frame_request(&mut self) -> bool {
        let requested = self.requests_seen.has_changed().unwrap_or(false);
        self.requests_seen.mark_unchanged();
        requested
    }

    /// As [`Publisher::key_frame_requested`](crate::Publisher::key_frame_requested).
    pub async fn key_frame_requested(&mut self) {
        if self.requests_seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The secret with which this participant opens connections to the stage session after its token has expired, if
    /// the server gave one: for the `resumption` of later connections. Treat it like the token.
    #[must_use]
    pub fn resumption(&self) -> Option<&str> {
        self.peer.resumption()
    }

    /// The state of the connection.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.peer.state()
    }

    /// Follows the connection's state.
    #[must_use]
    pub fn state_watch(&self) -> watch::Receiver<ConnectionState> {
        self.peer.state_watch()
    }

    /// Statistics of the last full second. A track's frames are those whose last packet was written.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.peer.stats()
    }

    /// Leaves the stage, as [`Publisher::close`](crate::Publisher::close) does.
    ///
    /// # Errors
    /// The server's refusal of the DELETE, unless the session had already ended.
    pub async fn close(self) -> Result<(), Error> {
        self.peer.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(packet: &[u8]) -> Result<RtpPacket, Error> {
        RtpPacket::parse(Codec::Opus, packet)
    }

    #[test]
    fn a_packet_is_read_with_everything_it_may_carry() {
        let mut packet = vec![0x80, 0x80 | 111, 1, 2, 0, 0, 3, 4, 9, 9, 9, 9, 7, 8];
        let plain = parse(&packet).unwrap();
        assert_eq!((plain.sequence, plain.timestamp), (0x0102, 0x0304));
        assert!(plain.is_marker);
        assert_eq!(plain.payload[..], [7, 8]);
        // The header has one contributing source, an extension of one word, and three bytes of padding.
        packet[0] = 0x80 | 0x20 | 0x10 | 1;
        packet.splice(12..12, [5, 5, 5, 5, 0xbe, 0xde, 0, 1, 6, 6, 6, 6]);
        packet.extend([0, 0, 3]);
        assert_eq!(parse(&packet).unwrap(), plain);
    }

    #[test]
    fn what_is_no_packet_is_refused_at_every_length() {
        let mut whole = vec![0x80 | 0x20 | 0x10 | 2, 111, 1, 2, 0, 0, 3, 4, 9, 9, 9, 9];
        whole.extend([5; 8]);
        whole.extend([0xbe, 0xde, 0, 1, 6, 6, 6, 6, 42, 2, 2]);
        assert_eq!(parse(&whole).unwrap().payload[..], [42]);
        for length in 0..whole.len() {
            if let Ok(packet) = parse(&whole[..length]) {
                assert!(!packet.payload.is_empty(), "{length}");
            }
        }
        for (packet, why) in [
            (vec![0x80; 11], "shorter"),
            (vec![0x40; 20], "version"),
            (vec![0x80; 12], "no payload"),
            (vec![0x80; PACKET_BYTES_MAX + 1], "the most is"),
            (vec![0xa0; 13], "padding"),
        ] {
            let error = parse(&packet).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
