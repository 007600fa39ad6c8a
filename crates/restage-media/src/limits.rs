//! Every bound of the media plane, with its name and what happens when it is reached.

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
/// Addresses remembered per peer. The oldest is dropped for a new one, so that a peer behind a busy NAT keeps working.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;
/// New addresses of a peer between two ICE restarts. Checks from further ones are ignored.
pub const ADDRESS_CHANGES_PER_ICE_SESSION_MAX: u32 = 256;
/// Simulcast layers of a track. Packets of further layers are dropped.
pub const LAYERS_MAX: usize = 4;
/// Most taps of one [`Sfu`](crate::Sfu). One more is refused with [`TapError::Full`](crate::TapError::Full).
pub const TAPS_MAX: usize = 1_000;
/// Most taps of one publication. One more is refused with [`TapError::Full`](crate::TapError::Full).
pub const TAPS_PER_PUBLICATION_MAX: usize = 16;
/// Most formats of an external inlet. More are refused with
/// [`InletError::TooManyFormats`](crate::InletError::TooManyFormats).
pub const INLET_FORMATS_MAX: usize = 16;
/// Most packets that are pushed into an external inlet at once. More are refused with
/// [`InletError::TooManyPackets`](crate::InletError::TooManyPackets).
pub const PUSH_PACKETS_MAX: usize = 1_024;
/// Most bytes in the parameters of a [`Format`](crate::Format) that the caller makes.
pub const FORMAT_PARAMETERS_BYTES_MAX: usize = 16 * 1024;
/// Packets that a publication collects before they are forwarded, even if the caller is still passing in datagrams.
pub const BATCH_PACKETS_MAX: usize = 256;
/// Bytes of an offer or a fragment. Larger ones are refused. Chromium's largest are about 12 kB.
pub const OFFER_BYTES_MAX: usize = 64 * 1024;
/// Media sections of an offer.
pub const SECTIONS_MAX: usize = 32;
/// Payload types used of one media section; the others are treated as not offered.
pub const FORMATS_PER_SECTION_MAX: usize = 32;
/// Candidates a peer may trickle between two ICE restarts.
pub const TRICKLED_CANDIDATES_MAX: u32 = 128;
/// ICE restarts of one peer.
pub const ICE_RESTARTS_MAX: u32 = 1_000;
/// Fingerprints used of one offer.
pub const FINGERPRINTS_MAX: usize = 16;
/// The most that is sent to an address before the peer is proven to receive there, as a multiple of what came from it
/// (as in RFC 9000 §8 for QUIC).
pub const AMPLIFICATION_MAX: usize = 3;
/// A check to an address is sent again after this long without an answer,
pub const CHECK_RESEND: Duration = Duration::from_millis(250);
/// at most this many times. The peer's next check from there starts again.
pub const CHECKS_MAX: u32 = 3;
/// Media moves to a proven address that the peer nominates with the same priority as the present one, when the
/// present one has been silent for this long: a NAT has chosen another port.
pub const SAME_PRIORITY_SILENCE_MIN: Duration = Duration::from_millis(500);
/// The same for a nomination of lower priority.
pub const NOMINATED_ROUTE_SILENCE_MIN: Duration = Duration::from_secs(2);
/// The same for an address that is not nominated.
pub const PEER_ROUTE_SILENCE_MIN: Duration = Duration::from_secs(3);
/// A flight of the DTLS handshake is sent again after this long without an answer,
pub const DTLS_RESEND_FIRST: Duration = Duration::from_millis(500);
/// then after twice as long each time, up to this time.
pub const DTLS_RESEND_MAX: Duration = Duration::from_secs(4);
/// A fatal alert that arrives unprotected may be forged. It ends the handshake if nothing else arrives for this long.
pub const DTLS_ALERT_GRACE: Duration = Duration::from_secs(1);
/// Bytes of the first flight that a DTLS client repeats to a server that has not answered. They are in addition to
/// [`AMPLIFICATION_MAX`], once for each offer, because a server that does not listen yet sends nothing.
pub const HELLO_BYTES_MAX: usize = 1_500;
/// Longest datagram in bytes. Longer ones are dropped, because the datagrams of peers fit an Ethernet frame.
pub const DATAGRAM_BYTES_MAX: usize = 2_000;
/// Longest RTP payload that is forwarded, in bytes. With header, extensions and tag it fits a datagram.
pub const PAYLOAD_BYTES_MAX: usize = 1_600;

/// SSRCs of a publisher whose full state is kept. A further one replaces an SSRC that belongs to nothing, else one
/// without a track: of those the one that has been silent longest. Of a replaced (retired) SSRC only the highest
/// packet index is kept. Four layers with their retransmissions, audio and probes need ten.
pub const SOURCES_MAX: usize = 32;
/// SSRCs that a publisher may use under one key, including retired ones (16 bytes each). Packets of further ones are
/// refused and counted: if the position of an SSRC were forgotten, its packets could be replayed while the key lives.
pub const SSRCS_MAX: usize = 4_096;
/// SSRCs from which a remote end's reports and feedback may come under one key (16 bytes each). Those of further ones
/// are refused and counted, for the same reason.
pub const RTCP_SOURCES_MAX: usize = 1_024;
/// How long an SSRC that took a track over keeps it at least, because the previous one's last packets may be late.
/// Each time the previous one returns doubles this, up to [`SOURCE_TENURE_DOUBLINGS_MAX`] times, so that two SSRCs that
/// send at the same time do not alternate.
pub const SOURCE_TENURE_MIN: Duration = Duration::from_millis(100);
/// Most doublings of [`SOURCE_TENURE_MIN`].
pub const SOURCE_TENURE_DOUBLINGS_MAX: u32 = 12;
/// Number of packets of an SSRC that can be distinguished from replays. Older ones are dropped.
pub const REPLAY_WINDOW: u64 = 1_024;
/// Most missing packets of an SSRC that are requested. A larger gap is not requested, because the picture is lost
/// anyway.
pub const MISSING_MAX: usize = 256;
/// How long to wait for reordered packets before a gap counts as loss.
pub const NACK_DELAY: Duration = Duration::from_millis(10);
/// Shortest time between requests for missing packets; one request contains those of all streams.
pub const NACK_INTERVAL: Duration = Duration::from_millis(10);
/// A missing packet is requested again after this long, or after 1.25 round trips if that is longer,
pub const NACK_RETRY: Duration = Duration::from_millis(100);
/// but at the latest after this long,
pub const NACK_RETRY_MAX: Duration = Duration::from_secs(1);
/// at most this many times.
pub const NACKS_MAX: u8 = 8;
/// How long after an SSRC took a track over retransmissions may still repeat packets of the previous one.
pub const RETRANSMISSION_AGE_MAX: Duration = Duration::from_secs(2);
/// Interval between reports of arrival times, from which a publisher estimates the rate at which it can send.
pub const ARRIVALS_INTERVAL: Duration = Duration::from_millis(100);
/// Most arrivals in one report. Further ones are left out.
pub const ARRIVALS_MAX: usize = 2_048;
/// Most messages of one report. What does not fit is left out; this happens only with numbers far apart.
pub const ARRIVAL_MESSAGES_MAX: usize = 16;
/// How long reports to a publisher wait for its next packet, so that they need not wake the worker.
pub const FEEDBACK_SLACK: Duration = Duration::from_millis(30);

/// A connected peer from which nothing has arrived for this long is gone. Browsers send consent checks (RFC 7675)
/// every few seconds.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(7);
/// A peer that has not completed ICE and DTLS this long after its answer is gone.
pub const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Key frame requests that one subscriber may save up. A subscriber that has lost its picture gets a key frame at
/// once; requests while another one is under way cost nothing.
pub const KEYFRAMES_AT_ONCE_MAX: u32 = 4;
/// Key frame requests that a new subscriber has.
pub const KEYFRAMES_AT_FIRST: u32 = 2;
/// One more request is added each time this has passed. Key frames are sent to every subscriber, so one subscriber
/// must not cause many of them.
pub const KEYFRAME_EARNED_EVERY: Duration = Duration::from_secs(3);
/// Shortest time between two key frame requests for one layer.
pub const KEYFRAME_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// A key frame request without a key frame is repeated after this long.
pub const KEYFRAME_RETRY: Duration = Duration::from_secs(1);
/// The time doubles for further repetitions, up to this.
pub const KEYFRAME_RETRY_MAX: Duration = Duration::from_secs(8);
/// A simulcast layer without a packet for this long is not selected.
pub const LAYER_SILENCE_MAX: Duration = Duration::from_millis(500);
/// Video packets kept for retransmission per publication. Older ones are not sent again.
pub const RESEND_PACKETS_MAX: usize = 1_024;
/// Number of packets whose sequence numbers are remembered per subscriber: three seconds of 1.5 Mbit/s, half a second
/// of 9.
pub const SENT_PACKETS_MAX: usize = 512;
/// How long packets are kept for retransmission.
pub const RESEND_AGE_MAX: Duration = Duration::from_secs(3);
/// Retransmissions that a subscriber may have at once. Beyond that they are limited to a share of what is sent.
pub const RESENDS_AT_ONCE_MAX: u32 = 256;
/// Burst that a publisher may send beyond its limit, as time at that limit. Encoders keep a rate by means of a buffer,
/// usually of a second, which they empty into a key frame, especially the first.
pub const BITRATE_BURST: Duration = Duration::from_millis(1_500);
/// Time over which the rate to a receiver is averaged.
pub const BITRATE_WINDOW: Duration = Duration::from_secs(3);
/// How far a bitrate may exceed its limit, in percent. Encoders that are set to exactly the limit exceed it for
/// moments, and each fragment of a picture has a few bytes of its own.
pub const BITRATE_OVERSHOOT_PERCENT: u64 = 10;
/// How long a subscriber keeps a smaller layer, or a larger one again, before it may get a larger
/// one.
pub const CLIMB_INTERVAL_MIN: Duration = Duration::from_secs(10);
/// Interval of a stream's sender reports.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which a peer without a timer of its own is checked.
pub const IDLE_TICK: Duration = Duration::from_secs(2);
/// Longest train of datagrams in bytes: the largest UDP payload of IPv4.
pub const TRAIN_BYTES_MAX: usize = 65_507;
/// Most datagrams in a train: what Linux accepts in one call (UDP_MAX_SEGMENTS).
pub const TRAIN_SEGMENTS_MAX: usize = 64;
/// Most empty buffers kept for reuse.
pub const BUFFERS_KEPT_MAX: usize = 64;
/// Most packets of a layer kept for new subscribers: its newest key frame and what followed. Beyond that only the key
/// frame is kept; a key frame of more packets is not kept.
pub const HEAD_PACKETS_MAX: usize = 160;
/// A key frame older than this is not sent to new subscribers, because it may differ a lot from the live picture.
pub const HEAD_AGE_MAX: Duration = Duration::from_secs(10);
/// Most formats for which a subscriber is notified that it cannot decode them.
pub const UNDECODABLE_FORMATS_MAX: usize = 8;
/// Steps by which an overloaded worker withholds video: see [`Control::Shed`](crate::Control::Shed).
pub const SHED_STEPS_MAX: u8 = 1 + SHED_PARTS as u8;
/// Number of groups of subscribers whose video is withheld one after the other. Each step adds one group.
pub const SHED_PARTS: usize = 8;
/// How long a burst waits for the end of a picture, so that one train contains the whole picture.
pub const PICTURE_WAIT_MAX: Duration = Duration::from_micros(500);
/// Smaller audiences are served packet by packet, because waiting would save nothing.
pub const PICTURE_WAIT_AUDIENCE_MIN: usize = 8;
/// Shortest time between two timer-driven checks of a peer, so that a busy peer cannot keep the worker busy.
pub const TICK_MIN: Duration = Duration::from_millis(1);

const _: () = assert!(PAYLOAD_BYTES_MAX < DATAGRAM_BYTES_MAX);
const _: () = assert!(
    PEER_SILENCE_MAX.as_secs() < 10,
    "a vanished client is disconnected within 10 s"
);
const _: () = assert!(LAYERS_MAX <= u8::MAX as usize);
