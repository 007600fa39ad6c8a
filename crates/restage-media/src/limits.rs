//! Every bound of the media plane. The comment of each says what happens when it is reached.

use std::time::Duration;

pub use restage_codec::h264::{
    PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_BYTES_MAX, PARAMETER_SETS_MAX,
};

/// Peers of one [`Sfu`](crate::Sfu). One more is refused with [`OfferErrorKind::Full`](crate::OfferErrorKind::Full).
pub const PEERS_MAX: usize = 10_000;
/// Subscriptions that one connection carries: see [`Control::Carry`](crate::Control::Carry). One more is refused with
/// [`OfferErrorKind::TooMany`](crate::OfferErrorKind::TooMany).
pub const CARRIED_MAX: usize = 48;
/// Media sections of an offer to a connection that carries subscriptions: an audio and a video section for each, and as many again that
/// were given up and are not known to be inactive at the client yet. Beyond that those are used again at once.
pub const LINES_MAX: usize = 4 * CARRIED_MAX;
/// Bytes of the name of a carried stream.
pub const LABEL_BYTES_MAX: usize = 64;
/// Bytes of an answer to such an offer. Larger ones are refused. Chromium's have about 1.5 kB for each section.
pub const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Publications of one [`Sfu`](crate::Sfu). A `Publish` or `Subscribe` that would need one more is ignored and counted.
pub const PUBLICATIONS_MAX: usize = 10_000;
/// Subscribers of one publication. One more `Subscribe` is ignored and counted.
pub const SUBSCRIBERS_PER_PUBLICATION_MAX: usize = 10_000;
/// Source addresses remembered per peer. A further one replaces the oldest, so a peer behind a busy NAT keeps working.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;
/// Source addresses that a peer may use between two ICE restarts. Checks from further ones are ignored.
pub const ADDRESS_CHANGES_PER_ICE_SESSION_MAX: u32 = 256;
/// Simulcast layers of a track. Packets of further layers are dropped.
pub const LAYERS_MAX: usize = 4;
/// Temporal layers of a simulcast layer whose rates are measured: as many as VP8 has (RFC 7741 §4.2). Frames of further ones count to
/// the last.
pub const TEMPORAL_LAYERS_MAX: usize = 4;
/// Spatial layers of a simulcast layer whose rates are measured. Frames of further ones count to the last.
pub const SPATIAL_LAYERS_MAX: usize = restage_codec::vp9::SPATIAL_LAYERS_MAX;
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
/// at most this many times. The next check of the peer from there starts again.
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
/// An unprotected fatal alert may come from anybody. It ends the handshake only if nothing else of it arrives for this long.
pub const DTLS_ALERT_GRACE: Duration = Duration::from_secs(1);
/// Bytes of the first flight that a DTLS client repeats to a server that has not answered. They are sent beyond
/// [`AMPLIFICATION_MAX`], once for each offer, because a server that is not listening yet answers nothing.
pub const HELLO_BYTES_MAX: usize = 1_500;
/// Longest datagram in bytes. Longer ones are dropped, because the datagrams of peers fit an Ethernet frame.
pub const DATAGRAM_BYTES_MAX: usize = 2_000;
/// Longest RTP payload that is forwarded, in bytes. With header, extensions and tag it fits a datagram.
pub const PAYLOAD_BYTES_MAX: usize = 1_600;

/// SSRCs of a publisher with full state. For a further one, an SSRC is retired that belongs to no stream, else one that no track
/// uses, else any; of several the one that is silent for longest. Of a retired SSRC only the highest packet index is kept. Four
/// layers, each with retransmissions, audio and probes make ten.
pub const SOURCES_MAX: usize = 32;
/// SSRCs that a publisher may use under one key, retired ones included (16 bytes each). Packets of further ones are refused and
/// counted: if an SSRC were forgotten, its packets could be replayed as long as the key is used.
pub const SSRCS_MAX: usize = 4_096;
/// SSRCs that a remote end's reports and feedback may have under one key (16 bytes each). Those of further ones are refused and
/// counted, for the same reason.
pub const RTCP_SOURCES_MAX: usize = 1_024;
/// When a source takes a track over, it keeps it at least this long from the former source, whose last packets may be late. Each
/// time a former source comes back the time doubles, at most [`SOURCE_TENURE_DOUBLINGS_MAX`] times, so that two sources that send
/// at the same time do not alternate.
pub const SOURCE_TENURE_MIN: Duration = Duration::from_millis(100);
/// Most doublings of [`SOURCE_TENURE_MIN`].
pub const SOURCE_TENURE_DOUBLINGS_MAX: u32 = 12;
/// Newest packets of a source whose replays are recognised. Older packets are dropped.
pub const REPLAY_WINDOW: u64 = 1_024;
/// Most missing packets of an SSRC that are requested. A larger gap is not requested, because the picture is lost
/// anyway.
pub const MISSING_MAX: usize = 256;
/// How long a gap may be just a change of order.
pub const NACK_DELAY: Duration = Duration::from_millis(10);
/// Time between requests for missing packets. One request covers all streams.
pub const NACK_INTERVAL: Duration = Duration::from_millis(10);
/// A missing packet is requested again after this long while the round trip is not known,
pub const NACK_RETRY: Duration = Duration::from_millis(100);
/// else after 1.25 round trips and this much more for jitter,
pub const NACK_RETRY_SLACK: Duration = Duration::from_millis(20);
/// but at the latest after this long,
pub const NACK_RETRY_MAX: Duration = Duration::from_secs(1);
/// at most this many times.
pub const NACKS_MAX: u8 = 8;
/// How long after a source took a track over retransmissions may still repeat packets of the former source.
pub const RETRANSMISSION_AGE_MAX: Duration = Duration::from_secs(2);
/// Time between reports of packet arrivals, from which a publisher derives the rate it can send at.
pub const ARRIVALS_INTERVAL: Duration = Duration::from_millis(100);
/// Most arrivals in one report. Further ones are left out.
pub const ARRIVALS_MAX: usize = 2_048;
/// Messages of one report. What does not fit is left out; that happens only if the numbers are far apart.
pub const ARRIVAL_MESSAGES_MAX: usize = 16;
/// How long reports to a publisher wait for its next packet, so that they need not wake the worker.
pub const FEEDBACK_SLACK: Duration = Duration::from_millis(30);

/// A connected peer from which nothing has arrived for this long is gone. Browsers send consent checks (RFC 7675)
/// every few seconds.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(7);
/// The same for a peer that is not known to send such checks: its reports may be 7.5 s apart (RFC 3550 §6.2).
pub const PEER_SILENCE_UNKNOWN_MAX: Duration = Duration::from_millis(8_500);
/// The same for a peer that is known to send none, as GStreamer's webrtcbin: one of its reports may be lost.
pub const PEER_SILENCE_UNCHECKED_MAX: Duration = Duration::from_secs(16);
/// Checks that come later than this after the answer are of consent, and not of the connection's beginning.
pub const CONSENT_AFTER: Duration = Duration::from_secs(3);
/// A peer that has sent no check of consent this long after the answer sends none: they are at most 6 s apart (RFC 7675 §5.1).
pub const CONSENT_KNOWN_AFTER: Duration = Duration::from_secs(10);
/// A peer that has not completed ICE and DTLS this long after its answer is gone.
pub const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Key frames that one subscriber may ask for at once. A subscriber that has lost its picture gets one at once. Requests while
/// another one is under way cost nothing.
pub const KEYFRAMES_AT_ONCE_MAX: u32 = 4;
/// Key frames that a new subscriber may ask for.
pub const KEYFRAMES_AT_FIRST: u32 = 2;
/// After that it may ask for one more each time this has passed. Everybody is sent the key frame: one subscriber must not make
/// all others pay for it.
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
/// A burst of video of more bytes than this is paced: it leaves bit by bit. Smaller ones, which most pictures are, leave at once.
pub const PACED_BYTES_MIN: usize = 25_000;
/// The longest time that a paced burst takes, however low the estimate is.
pub const PACED_TIME_MAX: Duration = Duration::from_millis(200);
/// The same on a path that has shown a limit.
pub const PACED_BOUNDED_TIME_MAX: Duration = Duration::from_millis(600);
/// Packets of a subscriber that wait to be paced. If there are more, all leave at once.
pub const PACED_PACKETS_MAX: usize = 512;
/// Bytes of retransmissions that leave at once. A later request is answered as far as the path has room again.
pub const REPAIR_BYTES_AT_ONCE_MAX: usize = 25_000;
/// The same as time on the path: more would fill the queue in which the lost packets found no room.
pub const REPAIR_TIME_AT_ONCE_MAX: Duration = Duration::from_millis(200);
/// However low the estimate is, this many bytes may leave at once: three packets.
pub const REPAIR_BYTES_AT_ONCE_MIN: usize = 4_000;
/// A packet that was sent again is not sent once more before its round trip is over, or this time if that is shorter.
pub const REPAIR_AGAIN_AFTER_MAX: Duration = Duration::from_secs(1);
/// Where more than this share of the packets is lost, in percent, each is sent again once and not twice: a queue that overflows must not
/// be given all of them twice.
pub const REPAIR_TWICE_LOSS_PERCENT_MAX: u32 = 6;
/// Packets of a subscriber of which it is remembered when they were sent again.
pub const REPAIRS_REMEMBERED_MAX: usize = 256;
/// How far a publisher may exceed its limit for a moment, as time at that limit. Encoders keep their rate with a buffer, mostly
/// of a second, which they empty into a key frame, above all the first.
pub const BITRATE_BURST: Duration = Duration::from_millis(1_500);
/// The rate sent to a receiver is averaged over this time.
pub const BITRATE_WINDOW: Duration = Duration::from_secs(3);
/// How far a bitrate may exceed its limit, in percent. An encoder that is set to exactly the limit exceeds it at times, and the
/// fragments of a picture add bytes of their own.
pub const BITRATE_OVERSHOOT_PERCENT: u64 = 10;
/// A subscriber whose layer was changed stays at it for this long before it may have a larger one.
pub const CLIMB_INTERVAL_MIN: Duration = Duration::from_secs(10);
/// Bytes of a datagram besides the RTP payload: the RTP header with extensions, and the tag of SRTP.
pub const PACKET_OVERHEAD_BYTES: u64 = 28 + 12;
/// Subscriptions of one receiver that share its estimated rate. Further ones are sent as if nothing were estimated.
pub const FLOWS_MAX: usize = 64;
/// Interval at which a subscriber whose rate is estimated learns which layer it is allotted, if its feedback comes as often.
pub const ALLOT_INTERVAL: Duration = Duration::from_millis(100);
/// The same if no feedback comes. Longer, so that feedback is what starts it: a timer of each subscriber would wake the worker as often
/// again.
pub const ALLOT_INTERVAL_MAX: Duration = Duration::from_millis(150);
/// The same for a subscriber whose network carries [`EASY_PERCENT`] of all that is wished for, or more: nothing would change. Its feedback is
/// looked at all the same, and an estimate that falls below that ends the interval.
pub const ALLOT_INTERVAL_EASY: Duration = Duration::from_millis(400);
/// The part of what is wished for that a network carries with ease, in percent.
pub const EASY_PERCENT: u64 = 120;
/// Interval of the same for a subscriber without an estimate.
pub const ALLOT_INTERVAL_IDLE: Duration = Duration::from_secs(1);
/// The part of an estimate that is allotted, in percent. The rest is for retransmissions and errors of the estimate.
pub const ALLOTTED_PERCENT: u64 = 95;
/// What a larger layer needs, in percent of the most that it has taken recently.
pub const STEP_NEED_PERCENT: u64 = 115;
/// The same for a picture that is paused: it costs a viewer more than a smaller one.
pub const RESUME_NEED_PERCENT: u64 = 105;
/// What more frames of the layer that is shown need, in percent of what they take now: no key frame, and they can be left out again at
/// the next picture.
pub const STEP_FRAMES_NEED_PERCENT: u64 = 105;
/// The smallest layer is paused when less than this part of it fits, in percent: an estimate falls below the capacity of the
/// network after each overload, and rates vary.
pub const PAUSE_BELOW_PERCENT: u64 = 90;
/// How long that must last where there is nothing else to give up,
pub const PAUSE_AFTER: Duration = Duration::from_secs(1);
/// or where packets wait in the network for longer than [`JAM_QUEUE`]: sound waits behind the pictures, and is lost with them when the
/// queue is full.
pub const PAUSE_JAMMED_AFTER: Duration = Duration::from_millis(200);
/// The same where there was more to give up, layers or frames: the queue that this has made passes first, and until then the estimate is
/// too low.
pub const PAUSE_REDUCED_AFTER: Duration = Duration::from_secs(2);
/// Where packets wait in the queue of the network for longer than this, a layer that no longer fits is left at once, and the picture
/// stands until the key frame of the smaller one: what was still sent of it would wait too, and sound behind it.
pub const JAM_QUEUE: Duration = Duration::from_millis(150);
/// As long as what is sent passes without a queue and loss, a layer that does not fit by the estimate stays for this long: until then the
/// estimate has come back from an overload that has passed, as after a probe or somebody's key frame.
pub const KEEP_CLEAR_FOR: Duration = Duration::from_secs(3);
/// The rate of a network is not known at first. A subscriber's pictures are not paused for this long, unless its network is
/// overloaded.
pub const UNPROVEN_FOR: Duration = Duration::from_secs(5);
/// How long there must be room for a larger layer before it is shown.
pub const STEP_PROVEN_AFTER: Duration = Duration::from_secs(1);
/// Shortest time from a change of the layer to a larger one.
pub const STEP_INTERVAL_MIN: Duration = Duration::from_secs(3);
/// The time grows by this, in percent, with each larger layer that could not be kept,
pub const STEP_INTERVAL_GROWTH_PERCENT: u32 = 150;
/// up to this.
pub const STEP_INTERVAL_MAX: Duration = Duration::from_secs(120);
/// A larger layer that is kept for this long has not failed.
pub const STEP_TRIAL: Duration = Duration::from_secs(10);
/// Above the smallest layer, frames are left out only as long as so many a second remain. Below that a smaller picture that moves is
/// better.
pub const CUT_FRAMES_PER_S_MIN: u64 = 10;
/// Frames are left out only if that saves this part of the rate, in percent.
pub const CUT_SAVES_PERCENT_MIN: u64 = 10;
/// A temporal or spatial layer without a frame for this long, while its encoding goes on, is gone.
pub const CUT_SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long a subscriber that wishes the highest quality first is left there, unless its network is overloaded.
pub const HIGHEST_FIRST: Duration = Duration::from_secs(3);
/// What is reserved for a subscriber's sound before its rate is known, in bits per second with headers: 64 kbit/s of Opus in packets
/// of 20 ms, as browsers send them.
pub const AUDIO_RESERVE: u64 = 80_000;
/// A track without a packet for this long is reported as stopped. Silence with DTX brings a packet every 400 ms, a still screen one
/// every second.
pub const STOPPED_AFTER: Duration = Duration::from_secs(3);
/// Streams of a publisher that are told in [`PeerStats`](crate::PeerStats). Further ones are left out.
pub const TRACKS_COUNTED_MAX: usize = 2 * LAYERS_MAX;
/// A layer that no subscriber wants for this long need not be sent. The smallest is always wanted.
pub const LAYER_UNWANTED_AFTER: Duration = Duration::from_secs(5);
/// A layer that its publisher does not send because nobody wanted it counts as there for this long after it is wanted again.
pub const LAYER_RETURN_MAX: Duration = Duration::from_secs(4);
/// How often a worker tells another one how many layers its subscribers want.
pub const LAYERS_NEEDED_INTERVAL: Duration = Duration::from_secs(1);
/// Loudness is averaged over this time, and told at most so often for each publication.
pub const LOUDNESS_INTERVAL: Duration = Duration::from_millis(200);
/// Sound below this level, in −dBov (RFC 6464), counts as silence.
pub const LOUDNESS_MIN: i8 = -60;
/// What a subscriber is shown is reported at most once in this time; what has changed in between is reported together.
pub const STREAM_REPORT_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// Longest name of a layer that a subscriber may wish for, in bytes: the longest that is negotiated.
pub const LAYER_NAME_BYTES_MAX: usize = 16;
/// Interval of a stream's sender reports.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often a peer without another timer is served.
pub const IDLE_TICK: Duration = Duration::from_secs(2);
/// Longest train of datagrams in bytes: the largest UDP payload of IPv4.
pub const TRAIN_BYTES_MAX: usize = 65_507;
/// Most datagrams in a train: what Linux accepts in one call (UDP_MAX_SEGMENTS).
pub const TRAIN_SEGMENTS_MAX: usize = 64;
/// Buffers kept for reuse.
pub const BUFFERS_KEPT_MAX: usize = 64;
/// Lists of an [`Output::Tapped`](crate::Output::Tapped) kept for the next ones: as many as one burst needs.
pub const TAP_BUFFERS_KEPT_MAX: usize = TAPS_PER_PUBLICATION_MAX;
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
/// Smaller audiences are served packet by packet: waiting would save nothing.
pub const PICTURE_WAIT_AUDIENCE_MIN: usize = 8;
/// Shortest time between two timer calls for one peer, so that a busy peer cannot occupy the worker.
pub const TICK_MIN: Duration = Duration::from_millis(1);

const _: () = assert!(PAYLOAD_BYTES_MAX < DATAGRAM_BYTES_MAX);
const _: () = assert!(
    PEER_SILENCE_MAX.as_secs() < 10,
    "a vanished client is disconnected within 10 s"
);
const _: () = assert!(LAYERS_MAX <= u8::MAX as usize);
