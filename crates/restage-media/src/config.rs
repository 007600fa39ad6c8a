//! What a caller decides about an [`Sfu`](crate::Sfu).

use std::net::SocketAddr;
use std::time::Duration;

use restage_codec::PictureSize;

use crate::io::{Excess, WorkerId};
use crate::limits;
use crate::sdp::format::H264ProfileMatch;

/// Settings of one [`Sfu`](crate::Sfu). Bounds that are no setting are in [`limits`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The host candidates to advertise, best first. A datagram that arrives on another local address is taken as
    /// meant for the first of its family, so that a server behind a NAT 1:1 can advertise its public address.
    pub candidates: Vec<SocketAddr>,
    /// Where the randomness of this crate comes from: starts of sequence numbers and timestamps. Keys, passwords
    /// and SSRCs are not derived from it.
    pub seed: u64,
    /// Time since 1970 at the first input, for sender reports. Zero is as good where nobody compares them with
    /// other clocks.
    pub since_1970: Duration,
    /// Which of several workers this is. No two that relay to each other may have the same name.
    pub worker: WorkerId,
    /// How often this worker's [`Sfu`](crate::Sfu) has been made anew: others must not take its publishers for those before.
    pub generation: u16,
    /// What a publisher may send, all its tracks and layers together; `None` is any. One that sends more is gone: see
    /// [`limits::BITRATE_BURST`].
    pub publish_bits_per_s_max: Option<u64>,
    /// Most pixels of a publisher's pictures, width times height, in any layer; `None` is any. One that sends larger
    /// ones is gone at its first key frame of that size.
    pub publish_pixels_max: Option<u64>,
    /// Who is sent H.264 of which profile.
    pub h264_profile_match: H264ProfileMatch,
    /// Peers at one time.
    pub peers_max: usize,
    /// Publications at one time.
    pub publications_max: usize,
    /// Subscribers of one publication.
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
            seed: 0,
            since_1970: Duration::ZERO,
            worker: WorkerId(0),
            generation: 0,
            publish_bits_per_s_max: None,
            publish_pixels_max: None,
            h264_profile_match: H264ProfileMatch::default(),
            peers_max: limits::PEERS_MAX,
            publications_max: limits::PUBLICATIONS_MAX,
            subscribers_per_publication_max: limits::SUBSCRIBERS_PER_PUBLICATION_MAX,
        }
    }
}
