//! Every bound of the media plane, by name. What happens at each bound is said beside it.

use std::time::Duration;

pub use restage_codec::h264::{
    PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_BYTES_MAX, PARAMETER_SETS_MAX,
};

/// Peers of one [`Sfu`](crate::Sfu). One more is refused with [`OfferErrorKind::Full`](crate::OfferErrorKind::Full).
pub const PEERS_MAX: usize = 10_000;
/// Publications of one [`Sfu`](crate::Sfu). A `Publish` or `Subscribe` that would need one more is ignored and counted.
pub const PUBLICATIONS_MAX: usize = 10_000;
/// Subscribers of one publication. One more `Subscribe` is ignored and counted.
pub const SUBSCRIBERS_PER_PUBLICATION_MAX: usize = 10_000;
/// Encoding addresses remembered per peer. The oldest makes room, so a peer behind a busy NAT keeps working.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;
/// Encoding addresses a peer may show between two ICE restarts. Checks from further ones are ignored.
pub const ADDRESS_CHANGES_PER_ICE_SESSION_MAX: u32 = 256;
/// Simulcast layers of a track. Packets of further layers are dropped.
pub const LAYERS_MAX: usize = 4;
/// Taps of one [`Sfu`](crate::Sfu). One more is refused with [`TapError::Full`](crate::TapError::Full).
pub const TAPS_MAX: usize = 1_000;
/// Taps of one publication. One more is refused with [`TapError::Full`](crate::TapError::Full).
pub const TAPS_PER_PUBLICATION_MAX: usize = 16;
/// Formats of an external inlet. More are refused with [`InletError::TooManyFormats`](crate::InletError::TooManyFormats).
pub const INLET_FORMATS_MAX: usize = 16;
/// Packets pushed into an external inlet at a time. More are refused with [`InletError::TooManyPackets`](crate::InletError::TooManyPackets).
pub const PUSH_PACKETS_MAX: usize = 1_024;
/// Bytes of the parameters of a [`Format`](crate::Format) that the caller makes.
pub const FORMAT_PARAMETERS_BYTES_MAX: usize = 16 * 1024;
/// Packets a publication collects before they are forwarded even though the caller is still handing in datagrams.
pub const BATCH_PACKETS_MAX: usize = 256;
/// Bytes of an offer or a fragment. Larger ones are refused. Chromium's largest are about 12 kB.
pub const OFFER_BYTES_MAX: usize = 64 * 1024;
/// Media sections of an offer.
pub const SECTIONS_MAX: usize = 32;
/// Payload types taken from one media section; the rest is treated as not offered.
pub const FORMATS_PER_SECTION_MAX: usize = 32;
/// Candidates a peer may trickle between two ICE restarts.
pub const TRICKLED_CANDIDATES_MAX: u32 = 128;
/// ICE restarts of one peer.
pub const ICE_RESTARTS_MAX: u32 = 1_000;
/// Fingerprints taken from one offer.
pub const FINGERPRINTS_MAX: usize = 16;
/// What is sent to an address at most before it is proven that the peer receives there, as a multiple of what came from it
/// (as RFC 9000 §8 has it for QUIC).
pub const AMPLIFICATION_MAX: usize = 3;
/// A check of an address that is not answered is sent again after this long,
pub const CHECK_RESEND: Duration = Duration::from_millis(250);
/// at most this often. The peer's next check from there begins anew.
pub const CHECKS_MAX: u32 = 3;
/// Media moves to a proven address that the peer nominates with the priority of the one before when that one is silent for
/// this long: a NAT has chosen another port.
pub const SAME_PRIORITY_SILENCE_MIN: Duration = Duration::from_millis(500);
/// The same for a nomination of lower priority.
pub const NOMINATED_ROUTE_SILENCE_MIN: Duration = Duration::from_secs(2);
/// The same for an address that is not nominated.
pub const PEER_ROUTE_SILENCE_MIN: Duration = Duration::from_secs(3);
/// A flight of the DTLS handshake that is not answered is sent again after this long,
pub const DTLS_RESEND_FIRST: Duration = Duration::from_millis(500);
/// then after twice as long each time, up to this.
pub const DTLS_RESEND_MAX: Duration = Duration::from_secs(4);
/// A fatal alert that arrives unprotected may be anybody's. It ends the handshake if nothing else goes on for this long.
pub const DTLS_ALERT_GRACE: Duration = Duration::from_secs(1);
/// Bytes of the first flight that a DTLS client repeats to a server that has not answered. They go beyond
/// [`AMPLIFICATION_MAX`], once for each offer: a server that is not listening yet says nothing.
pub const HELLO_BYTES_MAX: usize = 1_500;
/// Bytes of a datagram. Larger ones are dropped: what a peer sends fits an Ethernet frame.
pub const DATAGRAM_BYTES_MAX: usize = 2_000;
/// Bytes of an RTP payload that is forwarded. With header, extensions and tag it is a datagram.
pub const PAYLOAD_BYTES_MAX: usize = 1_600;

/// SSRCs of a publisher that are kept with everything that is known of them. For a further one, one that belongs to nothing
/// is retired, else one that has no track: of those the one that is silent for longest. Of a retired SSRC only its highest packet
/// index is kept. Four layers, each with its retransmissions, sound and probes are ten.
pub const SOURCES_MAX: usize = 32;
/// SSRCs a publisher may use under one key, those that are retired included (16 bytes each). Packets of further ones are refused
/// and counted: to forget how far an SSRC has come would let its packets be replayed as long as the key lives.
pub const SSRCS_MAX: usize = 4_096;
/// SSRCs a remote end's reports and feedback come from under one key (16 bytes each). What comes from further ones is refused
/// and counted, for the same reason.
pub const RTCP_SOURCES_MAX: usize = 1_024;
/// How long a source that took a track over keeps it at least from the one it took it from, whose last packets may be late.
/// Each time one comes back doubles it, up to [`SOURCE_TENURE_DOUBLINGS_MAX`] times, so that two that send at a time do
/// not take turns.
pub const SOURCE_TENURE_MIN: Duration = Duration::from_millis(100);
/// See [`SOURCE_TENURE_MIN`].
pub const SOURCE_TENURE_DOUBLINGS_MAX: u32 = 12;
/// Packets of a source that are told apart from replays. Older ones are dropped.
pub const REPLAY_WINDOW: u64 = 1_024;
/// Missing packets of a source that are asked for. A larger gap is not: the picture is lost anyway.
pub const MISSING_MAX: usize = 256;
/// How long a gap may be packets in another order.
pub const NACK_DELAY: Duration = Duration::from_millis(10);
/// Distance between requests for missing packets; one has those of all streams.
pub const NACK_INTERVAL: Duration = Duration::from_millis(10);
/// A missing packet is asked for again after this long, or after a round trip and a quarter where that is longer,
pub const NACK_RETRY: Duration = Duration::from_millis(100);
/// but not longer than this,
pub const NACK_RETRY_MAX: Duration = Duration::from_secs(1);
/// at most this often.
pub const NACKS_MAX: u8 = 8;
/// How long after a source took a track over retransmissions may still repeat packets of the one before.
pub const RETRANSMISSION_AGE_MAX: Duration = Duration::from_secs(2);
/// Distance between reports of when packets have arrived, by which a publisher finds the rate it can send at.
pub const ARRIVALS_INTERVAL: Duration = Duration::from_millis(100);
/// Arrivals of one report. Further ones are left out.
pub const ARRIVALS_MAX: usize = 2_048;
/// Messages of one report. What does not fit into them is left out: numbers far apart.
pub const ARRIVAL_MESSAGES_MAX: usize = 16;
/// How long reports to a publisher wait for its next packet, so that they need not wake the worker.
pub const FEEDBACK_SLACK: Duration = Duration::from_millis(30);

/// A connected peer from which nothing has arrived for this long is gone. Browsers send consent checks (RFC 7675)
/// every few seconds.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(7);
/// A peer that has not completed ICE and DTLS this long after its answer is gone.
pub const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Key frames one subscriber may ask for at once. Whoever has lost its picture gets one at once; what it asks for while a
/// request is under way costs nothing.
pub const KEYFRAMES_AT_ONCE_MAX: u32 = 4;
/// And as many when it has just come.
pub const KEYFRAMES_AT_FIRST: u32 = 2;
/// After that it may ask for one more each time this has passed. Key frames are sent to everybody: one subscriber must not have
/// all the others pay for them.
pub const KEYFRAME_EARNED_EVERY: Duration = Duration::from_secs(3);
/// Shortest time between two key frame requests for one layer.
pub const KEYFRAME_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// A key frame request that brought no key frame is repeated after this long.
pub const KEYFRAME_RETRY: Duration = Duration::from_secs(1);
/// Further repetitions double their distance up to this one.
pub const KEYFRAME_RETRY_MAX: Duration = Duration::from_secs(8);
/// A simulcast layer without a packet for this long is not chosen.
pub const LAYER_SILENCE_MAX: Duration = Duration::from_millis(500);
/// Video packets kept for retransmission per publication. Older ones are not sent again.
pub const RESEND_PACKETS_MAX: usize = 1_024;
/// How many of the packets a subscriber was sent are remembered: three seconds of 1.5 Mbit/s, half a second of 9.
pub const SENT_PACKETS_MAX: usize = 512;
/// How long they are kept.
pub const RESEND_AGE_MAX: Duration = Duration::from_secs(3);
/// Retransmissions a subscriber may have at once. Beyond that they are limited to a share of what is sent.
pub const RESENDS_AT_ONCE_MAX: u32 = 256;
/// What a publisher may send at once beyond its limit, as time at that limit. Encoders that keep to a rate do so by a buffer,
/// mostly of a second, which they empty into a key frame, above all their first.
pub const BITRATE_BURST: Duration = Duration::from_millis(1_500);
/// What is sent to a receiver is averaged over this.
pub const BITRATE_WINDOW: Duration = Duration::from_secs(3);
/// What a bitrate may be above its limit, in percent. Encoders that are set to exactly the limit do not keep to it from
/// one moment to the next, and packets of a picture's fragments have bytes of their own.
pub const BITRATE_OVERSHOOT_PERCENT: u64 = 10;
/// How long a subscriber that was shown a smaller layer, or a larger one again, is left at it before it may have a larger
/// one.
pub const CLIMB_INTERVAL_MIN: Duration = Duration::from_secs(10);
/// Distance between a stream's sender reports.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often a peer is looked at that has no timer of its own.
pub const IDLE_TICK: Duration = Duration::from_secs(2);
/// Bytes of a train of datagrams: the largest UDP payload IPv4 carries.
pub const TRAIN_BYTES_MAX: usize = 65_507;
/// Datagrams of a train: what Linux takes in one call (UDP_MAX_SEGMENTS).
pub const TRAIN_SEGMENTS_MAX: usize = 64;
/// Buffers kept to be filled again.
pub const BUFFERS_KEPT_MAX: usize = 64;
/// Packets kept of a layer for newcomers: its newest key frame and what followed. Beyond that the key frame alone is
/// kept; a key frame of more packets is not kept.
pub const HEAD_PACKETS_MAX: usize = 160;
/// A key frame older than this is not shown to newcomers: the picture may have little to do with what is live.
pub const HEAD_AGE_MAX: Duration = Duration::from_secs(10);
/// Formats a subscriber is told that it cannot decode. Of further ones it is not told.
pub const UNDECODABLE_FORMATS_MAX: usize = 8;
/// Steps by which the pictures of an overloaded worker are thinned: see [`Control::Shed`](crate::Control::Shed).
pub const SHED_STEPS_MAX: u8 = 1 + SHED_PARTS as u8;
/// Parts of the subscribers whose pictures are withheld one after the other. Each step takes one more.
pub const SHED_PARTS: usize = 8;
/// How long a burst waits for the end of a picture, so that one train takes all of it.
pub const PICTURE_WAIT_MAX: Duration = Duration::from_micros(500);
/// Audiences smaller than this are served packet by packet: there is nothing to save.
pub const PICTURE_WAIT_AUDIENCE_MIN: usize = 8;
/// Shortest distance between two times a peer is looked at by the clock, so that a busy peer cannot spin the worker.
pub const TICK_MIN: Duration = Duration::from_millis(1);

const _: () = assert!(PAYLOAD_BYTES_MAX < DATAGRAM_BYTES_MAX);
const _: () = assert!(
    PEER_SILENCE_MAX.as_secs() < 10,
    "a vanished client is disconnected within 10 s"
);
const _: () = assert!(LAYERS_MAX <= u8::MAX as usize);
