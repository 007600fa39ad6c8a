//! Settings of an [`Sfu`](crate::Sfu).

use std::net::SocketAddr;
use std::time::Duration;

use restage_codec::{Codec, PictureSize};

use crate::io::{Excess, WorkerId};
use crate::limits;
use crate::sdp::format::H264ProfileMatch;

/// Settings of one [`Sfu`](crate::Sfu). Bounds that are not settings are in [`limits`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The host candidates to advertise, best first. A datagram that arrives on another local address is treated as
    /// sent to the first one of its family, so that a server behind a one-to-one NAT can advertise its public address.
    pub candidates: Vec<SocketAddr>,
    /// The passive TCP candidates (RFC 6544) to advertise, best first; none if there are no TCP connections.
    pub tcp_candidates: Vec<SocketAddr>,
    /// Seed of the random numbers of this crate: SSRCs, and where sequence numbers and timestamps start. Keys and passwords are not
    /// derived from it.
    pub seed: u64,
    /// Time since 1970 at the first input, for sender reports and capture times. It may be zero if nobody compares these with
    /// other clocks.
    pub since_1970: Duration,
    /// The name of this worker among several. Workers that relay to each other must have different names.
    pub worker: WorkerId,
    /// How often this worker's [`Sfu`](crate::Sfu) has been replaced, so that other workers do not take its feeds for those of
    /// its predecessors.
    pub generation: u16,
    /// Bits per second that a publisher may send, all its tracks and layers together; `None` is any. A publisher that sends more
    /// is ended: see [`limits::BITRATE_BURST`].
    pub publish_bits_per_s_max: Option<u64>,
    /// Most pixels of a publisher's pictures, width times height, in any layer; `None` is any. A publisher of larger pictures is
    /// ended at its first key frame of that size.
    pub publish_pixels_max: Option<u64>,
    /// Codecs of pictures in which nobody may publish: they are left out of the answers to publishers. None by default.
    pub refused_codecs: Vec<Codec>,
    /// Which subscribers are sent H.264 of which profile.
    pub h264_profile_match: H264ProfileMatch,
    /// Most peers at one time.
    pub peers_max: usize,
    /// Most publications at one time.
    pub publications_max: usize,
    /// Most subscribers of one publication.
    pub subscribers_per_publication_max: usize,
}

impl Config {
    /// Whether pictures of this size are larger than a publisher may send.
    pub(crate) fn excess_of(&self, size: Option<PictureSize>) -> Option<Excess> {
        let most = self.publish_pixels_max?;
        let size = size.filter(|size| size.pixels() > most)?;
        Some(Excess::PublishResolution {
            width: size.width,
            height: size.height,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            candidates: Vec::new(),
            tcp_candidates: Vec::new(),
            seed: 0,
            since_1970: Duration::ZERO,
            worker: WorkerId(0),
            generation: 0,
            publish_bits_per_s_max: None,
            publish_pixels_max: None,
            refused_codecs: Vec::new(),
            h264_profile_match: H264ProfileMatch::default(),
            peers_max: limits::PEERS_MAX,
            publications_max: limits::PUBLICATIONS_MAX,
            subscribers_per_publication_max: limits::SUBSCRIBERS_PER_PUBLICATION_MAX,
        }
    }
}
