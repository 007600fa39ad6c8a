//! Counters of one [`Sfu`](crate::Sfu).

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
