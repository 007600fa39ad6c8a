//! Counters of one [`Sfu`](crate::Sfu), and what is counted of one connection.

use std::time::Duration;

use restage_codec::{Codec, MediaKind, PictureSize};

use crate::allocate::stream::PauseReason;
use crate::allocate::wish::LayerLabel;
use crate::io::{PeerId, Protocol};
use crate::sdp::offer::Role;
use crate::srtp::keys::SrtpProfile;

/// Counters since the start, and a few present values. Cheap to copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Peers now.
    pub peers: u64,
    /// Publications now.
    pub publications: u64,
    /// External inlets now.
    pub inlets: u64,
    /// Taps now.
    pub taps: u64,
    /// Entries in the address table now.
    pub addresses: u64,
    /// STUN checks by which a peer claimed an address of another peer. Nothing follows unless it proves that it receives there.
    pub addresses_contested: u64,
    /// Packets refused because their sender has used too many SSRCs under one key.
    pub sources_refused: u64,
    /// Subscribers' key frame requests beyond their budget.
    pub keyframes_refused: u64,
    /// Subscribers whose video is withheld because the worker is overloaded, as of the last
    /// [`Control::Shed`](crate::Control::Shed) that changed anything.
    pub peers_withheld: u64,
    /// Datagrams passed in.
    pub datagrams_in: u64,
    /// Datagrams passed out.
    pub datagrams_out: u64,
    /// Datagrams from an address of no known peer.
    pub datagrams_unknown: u64,
    /// Datagrams that are empty, too long, or not STUN, DTLS, RTP or RTCP.
    pub datagrams_malformed: u64,
    /// Datagrams from addresses of peers that are malformed inside or were not sent by the peer.
    pub datagrams_rejected: u64,
    /// RTP packets received from publishers and external inlets.
    pub packets_in: u64,
    /// RTP packets handed to subscribers.
    pub packets_out: u64,
    /// RTP packets handed to taps.
    pub packets_tapped: u64,
    /// RTP packets received from other workers.
    pub packets_relayed_in: u64,
    /// RTP packets retransmitted to subscribers that requested them.
    pub packets_resent: u64,
    /// Connections since the start that negotiated AEAD_AES_256_GCM.
    pub srtp_aes_256_gcm: u64,
    /// Connections since the start that negotiated AEAD_AES_128_GCM.
    pub srtp_aes_128_gcm: u64,
    /// Connections since the start that negotiated AES128_CM_SHA1_80.
    pub srtp_aes_128_cm: u64,
    /// RTP packets dropped because their payload is too long, their payload type unknown, or their layer beyond the
    /// limit, or, at an external inlet, because their number was used before.
    pub packets_unusable: u64,
    /// Packets not forwarded to a subscriber because it has no payload type for their codec.
    pub packets_unmappable: u64,
    /// Kinds of media that a subscriber wanted and could not decode, each format counted once.
    pub undecodable: u64,
    /// Packets not forwarded to a subscriber because they belong to another layer or precede its key frame.
    pub packets_unselected: u64,
    /// Key frame requests sent to publishers and external inlets.
    pub keyframe_requests: u64,
    /// Key frames received from publishers.
    pub keyframes: u64,
    /// Peers opened.
    pub peers_opened: u64,
    /// Peers that ended by themselves.
    pub peers_gone: u64,
    /// Peers that ended because they exceeded a limit.
    pub peers_exceeding: u64,
    /// Offers and fragments refused.
    pub offers_refused: u64,
    /// `Publish` and `Subscribe` ignored: unknown peer, wrong role, or a table is full.
    pub routes_ignored: u64,
    /// Panics of a connection that were caught.
    pub peer_panics: u64,
}

impl Stats {
    pub(crate) fn count_profile(&mut self, profile: SrtpProfile) {
        *match profile {
            SrtpProfile::AeadAes256Gcm => &mut self.srtp_aes_256_gcm,
            SrtpProfile::AeadAes128Gcm => &mut self.srtp_aes_128_gcm,
            SrtpProfile::Aes128CmSha1 => &mut self.srtp_aes_128_cm,
        } += 1;
    }
}

/// What is known of one connection now: [`Sfu::peer_stats`](crate::Sfu::peer_stats). Counts are since its media began.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerStats {
    /// Which peer.
    pub peer: PeerId,
    /// Whether it sends or receives.
    pub role: Role,
    /// What carries its media; `None` before a path is proven.
    pub protocol: Option<Protocol>,
    /// The time to the client and back. Of a publisher it is known only when lost packets were requested.
    pub round_trip: Option<Duration>,
    /// What a subscriber's network is estimated to carry, in bits per second, if there is feedback for that.
    pub estimate: Option<u64>,
    /// What of it is reserved for this subscriber's sound and the layer that it is shown, in bits per second with headers.
    pub reserved: u64,
    /// Share of packets that a subscriber's network has lost in about the last second, 0 to 1, if there is feedback for that.
    pub loss: Option<f64>,
    /// Why a subscriber is sent no pictures, if that is so.
    pub pause: Option<PauseReason>,
    /// At most [`TRACKS_COUNTED_MAX`](crate::limits::TRACKS_COUNTED_MAX): of a publisher each layer is one, of a subscriber each kind.
    pub tracks: Vec<TrackStats>,
}

/// What is counted of one stream of packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackStats {
    /// Audio or video.
    pub kind: MediaKind,
    /// How it is encoded; `None` before the first packet is forwarded.
    pub codec: Option<Codec>,
    /// The publisher's name for the layer, if it has one: of a subscriber that of the layer which it is sent.
    pub rid: Option<String>,
    /// The layer's name by its place among the living ones; `None` for sound, and where no layer is sent.
    pub label: Option<LayerLabel>,
    /// Size of the pictures, if it is known.
    pub size: Option<PictureSize>,
    /// RTP payload, averaged over about a second.
    pub bits_per_s: u64,
    /// Packets received from a publisher, or sent to a subscriber; retransmissions are not counted.
    pub packets: u64,
    /// RTP payload in these.
    pub bytes: u64,
    /// Pictures: packets with RTP's marker. 0 for sound.
    pub frames: u64,
    /// Packets that did not arrive at first: at the server, or by a subscriber's own report.
    pub lost: u64,
    /// Packets that came by retransmission, or were sent again to a subscriber.
    pub repaired: u64,
    /// Packets that the receiving end has asked for again, each time counted.
    pub nacks: u64,
    /// Key frames that the receiving end has asked for.
    pub key_frame_requests: u64,
    /// How much the time between packets varies (RFC 3550 §6.4.1), where the receiving end has measured it.
    pub jitter: Option<Duration>,
}

impl TrackStats {
    pub(crate) fn of(kind: MediaKind) -> Self {
        Self {
            kind,
            codec: None,
            rid: None,
            label: None,
            size: None,
            bits_per_s: 0,
            packets: 0,
            bytes: 0,
            frames: 0,
            lost: 0,
            repaired: 0,
            nacks: 0,
            key_frame_requests: 0,
            jitter: None,
        }
    }
}

/// Jitter in ticks of an RTP clock as a time.
pub(crate) fn ticks(count: u32, clock_rate: u32) -> Option<Duration> {
    let micros = (u64::from(count) * 1_000_000).checked_div(u64::from(clock_rate))?;
    Some(Duration::from_micros(micros))
}
