//! A packet of a publication, on its way from the inlet to every outlet.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::dependency::{Descriptor, Layers};
use restage_codec::h264::Lead;
use restage_codec::{Codec, FramePlace, MediaKind, PictureSize};

use crate::limits::TEMPORAL_LAYERS_MAX;
use crate::rtp::extensions::{Extensions, RidName, Rotation};
use crate::sdp::format::Format;

/// A sender report (RFC 3550, 6.4.1) with its time of arrival.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SenderReport {
    pub(crate) ntp_us: i64,
    pub(crate) time: u32,
    pub(crate) arrived: Instant,
    /// It is a capture time of an external inlet; no publisher has sent it.
    pub(crate) is_of_inlet: bool,
}

/// A packet with everything that outlets need. One copy serves all subscribers; further copies share the payload.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) kind: MediaKind,
    pub(crate) encoding: Encoding,
    /// The encoding that subscribers should be shown from now on.
    pub(crate) target: Encoding,
    /// The living layers with their rates; `None` before the first one is measured. Sound has one.
    pub(crate) ladder: Option<Arc<Ladder>>,
    pub(crate) format: Arc<Format>,
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) marker: bool,
    pub(crate) starts_key_frame: bool,
    /// Where its frame stands in the layers and numbers that the payload says.
    pub(crate) frame: FramePlace,
    /// For AV1: what its dependency descriptor says, if it has one.
    pub(crate) descriptor: Option<Arc<Descriptor>>,
    /// What a decoder that starts with this packet needs before it.
    pub(crate) lead: Option<Arc<Lead>>,
    /// Counts the video packets of the publication: its name in the history.
    pub(crate) number: u64,
    pub(crate) arrived: Instant,
    /// Capture time, on a clock shared by audio, video and all feeds.
    pub(crate) wallclock: Instant,
    /// The newest sender report of its stream when it came.
    pub(crate) report: Option<SenderReport>,
    pub(crate) payload: Arc<[u8]>,
    /// For redundant audio: the newest block alone, as a payload of Opus.
    pub(crate) plain: Option<Arc<[u8]>>,
    pub(crate) extensions: Extensions,
}

impl Packet {
    /// The payload of this packet, or of one that is sent before it: see [`Outgoing::part`](crate::send::Outgoing::part).
    pub(crate) fn part(&self, part: u8) -> Option<&Arc<[u8]>> {
        match part.checked_sub(1) {
            None => Some(&self.payload),
            Some(place) => self.lead.as_ref()?.0.get(usize::from(place)),
        }
    }
}

/// One encoder's unbroken run of packets. Two feeds' layers are never the same, nor are those before and after an encoder changed
/// its SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// Which feed of the publication: another number after every change of inlets.
    pub feed: u64,
    /// Index of the simulcast layer among the feed's, in the order in which they came.
    pub layer: u8,
    /// How often the layer has changed its SSRC.
    pub epoch: u32,
}

/// A layer that is alive: an encoding, or a spatial layer of one with those below it. Rates are in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rung {
    pub(crate) encoding: Encoding,
    /// What it is of the encoding: the whole, but for the lower ones of several spatial layers.
    pub(crate) cut: Cut,
    /// Its name among the publisher's encodings, if it has one.
    pub(crate) rid: Option<RidName>,
    /// Size of its pictures, as far as it is known.
    pub(crate) size: Option<PictureSize>,
    /// RTP payload: the average over about a second.
    pub(crate) bits_per_s: u64,
    /// The same with all headers, as the network carries it.
    pub(crate) wire_bits_per_s: u64,
    /// The most that `wire_bits_per_s` was in the last three seconds.
    pub(crate) peak_bits_per_s: u64,
    /// The same, the lowest: without what a key frame adds for a moment.
    pub(crate) least_bits_per_s: u64,
    /// Pictures a second, on average.
    pub(crate) frames_per_s: u64,
    /// What it can be cut to, the smallest first.
    pub(crate) cuts: Cuts,
}

impl Rung {
    /// Whether it is this part of an encoding. An encoder may have been restarted meanwhile, so the epoch does not count.
    pub(crate) fn is_of(&self, encoding: Encoding, cut: Cut) -> bool {
        self.encoding.is_layer_of(encoding) && self.cut.spatial == cut.spatial
    }
}

impl Encoding {
    /// Whether both are of one layer of a feed.
    #[inline]
    pub(crate) fn is_layer_of(self, other: Self) -> bool {
        (self.feed, self.layer) == (other.feed, other.layer)
    }
}

/// Which frames of an encoding are sent: those up to these layers, which decode without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The highest spatial layer; [`ALL`](Self::ALL) for any.
    pub(crate) spatial: u8,
    /// The highest temporal layer; [`ALL`](Self::ALL) for any.
    pub(crate) temporal: u8,
}

impl Cut {
    /// No bound.
    pub(crate) const ALL: u8 = u8::MAX;
    /// The frames that all others build on.
    pub(crate) const BASE: Self = Self {
        spatial: 0,
        temporal: 0,
    };
    /// All frames.
    pub(crate) const WHOLE: Self = Self {
        spatial: Self::ALL,
        temporal: Self::ALL,
    };

    /// Of these, the frames up to this temporal layer.
    pub(crate) const fn up_to(self, temporal: u8) -> Self {
        Self { temporal, ..self }
    }

    /// Whether it has the frames of every temporal layer.
    pub(crate) fn has_all_frames(self) -> bool {
        self.temporal == Self::ALL
    }
}

impl From<Cut> for Layers {
    fn from(cut: Cut) -> Self {
        Self {
            spatial: cut.spatial,
            temporal: cut.temporal,
        }
    }
}

/// A layer's rate when it is cut. Rates are in bits per second, as in a [`Rung`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutRate {
    pub(crate) cut: Cut,
    pub(crate) wire_bits_per_s: u64,
    pub(crate) peak_bits_per_s: u64,
    /// The same, the lowest: without what a key frame adds for a moment.
    pub(crate) least_bits_per_s: u64,
    pub(crate) frames_per_s: u64,
}

/// What a layer can be cut to, by the highest temporal layer; `None` where there are fewer temporal layers.
pub(crate) type Cuts = [Option<CutRate>; TEMPORAL_LAYERS_MAX - 1];

/// The living layers of a track, smallest first.
pub(crate) type Ladder = [Rung];

/// The place of a layer: of a cut of an encoding. If its spatial layer is not there any more, it is that of the next higher one.
pub(crate) fn place_of(ladder: &Ladder, encoding: Encoding, cut: Cut) -> Option<usize> {
    let is_it =
        |rung: &Rung| rung.encoding.is_layer_of(encoding) && rung.cut.spatial >= cut.spatial;
    ladder.iter().position(is_it)
}

/// A packet of a publication as a tap is given it: an RTP payload with all that a recorder, a relay to another process or a mixer has
/// to know of it. It borrows nothing, and copies share the payload.
///
/// Sequence numbers and timestamps are the sender's. They belong together within one [`Encoding`] of one kind; from one encoding to
/// the next only the capture time goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPacket {
    /// Audio or video.
    pub kind: MediaKind,
    /// Which encoder's run it belongs to.
    pub encoding: Encoding,
    /// The format of the payload.
    pub format: Arc<Format>,
    /// The sequence number without wrap-around. A gap is a loss; packets may come late.
    pub sequence: u64,
    /// The RTP timestamp without wrap-around, in ticks of [`Codec::clock_rate`].
    pub timestamp: u64,
    /// When it was captured, in microseconds since 1970 by the clock of [`Config::since_1970`](crate::Config::since_1970): one clock for
    /// audio, video and every feed.
    pub captured_us: u64,
    /// When it arrived at the server, by the same clock.
    pub arrived_us: u64,
    /// The newest sender report of its stream when it arrived; `None` before the first. `captured_us` follows from such reports, as
    /// far as they can be right; whoever paces by them for hours has to judge them for itself.
    pub report: Option<SenderTime>,
    /// RTP's marker: the last packet of a picture, the first after silence.
    pub marker: bool,
    /// A decoder can start with this packet. Audio never says so; it can start with any.
    pub starts_key_frame: bool,
    /// H.264 parameter sets that a decoder which starts with this packet needs before it, as the stream has not said them at this place.
    pub parameter_sets: Option<Arc<Lead>>,
    /// The payload in the codec's RTP format. Never empty. Where a publisher sends redundant audio ([`Codec::Red`]), `primary_start` of
    /// [`restage_codec::red`] finds the Opus packet in it.
    pub payload: Arc<[u8]>,
    /// Loudness in −dBov, 0 to −127 (RFC 6464), if the sender says it.
    pub audio_level: Option<i8>,
    /// How far to turn the picture clockwise before it is shown: 0, 90, 180 or 270 degrees (3GPP TS 26.114), if the sender says it.
    pub rotation_degrees: Option<u16>,
}

impl MediaPacket {
    /// `us` gives microseconds since 1970.
    pub(crate) fn new(packet: &Packet, us: impl Fn(Instant) -> u64) -> Self {
        Self {
            kind: packet.kind,
            encoding: packet.encoding,
            format: Arc::clone(&packet.format),
            sequence: packet.seq,
            timestamp: packet.time,
            captured_us: us(packet.wallclock),
            arrived_us: us(packet.arrived),
            report: packet.report.map(|report| SenderTime {
                ntp_us: report.ntp_us,
                timestamp: report.time,
                arrived_us: us(report.arrived),
                is_of_inlet: report.is_of_inlet,
            }),
            marker: packet.marker,
            starts_key_frame: packet.starts_key_frame,
            parameter_sets: packet.lead.clone(),
            payload: Arc::clone(&packet.payload),
            audio_level: packet.extensions.audio_level,
            rotation_degrees: packet.extensions.rotation.map(Rotation::degrees),
        }
    }

    /// How the payload is encoded.
    pub fn codec(&self) -> Codec {
        self.format.codec
    }
}

/// What a sender report (RFC 3550 §6.4.1) says of the stream's timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderTime {
    /// The publisher's own clock, in microseconds since any fixed time: NTP time (since 1900) where the publisher keeps to the RFC.
    pub ntp_us: i64,
    /// The RTP timestamp at that time, modulo 2³².
    pub timestamp: u32,
    /// When the report arrived, by the clock of [`MediaPacket::arrived_us`].
    pub arrived_us: u64,
    /// No publisher has sent it: it is an [`InletPacket::captured_us`].
    pub is_of_inlet: bool,
}

/// Which layers of a simulcast publication a tap is given. Sound is always given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TapLayers {
    /// The best one, as a subscriber without limits is shown it: changes happen at key frames.
    #[default]
    Best,
    /// The smallest whose pictures have this height or more, or the best one where none has, or no size is known: changes happen at key
    /// frames. Layers above it need not be published for this tap.
    Nearest(u32),
    /// All of them, each from a key frame on.
    All,
}

impl TapLayers {
    /// Where the one layer that the tap is given stands among these. `best` is shown to subscribers without limits. `None`: it is none of
    /// them, or the tap is given all.
    pub(crate) fn place(self, ladder: &Ladder, best: Encoding) -> Option<usize> {
        let place_of_best = || ladder.iter().rposition(|rung| rung.encoding == best);
        match self {
            Self::Best => place_of_best(),
            Self::Nearest(height) => {
                let is_enough = |rung: &Rung| rung.size.is_some_and(|size| size.height >= height);
                let nearest = ladder
                    .iter()
                    .position(|rung| rung.encoding.feed == best.feed && is_enough(rung));
                nearest.or_else(place_of_best)
            }
            Self::All => None,
        }
    }

    /// The encoding that the tap is given, where it is given one.
    pub(crate) fn target(self, ladder: &Ladder, best: Encoding) -> Encoding {
        let place = self.place(ladder, best);
        place.map_or(best, |place| ladder[place].encoding)
    }
}

/// A packet that the caller feeds to a publication through an external inlet.
#[derive(Debug, Clone)]
pub struct InletPacket {
    /// Index of its format among those that the inlet was opened with.
    pub format: usize,
    /// The simulcast layer, below [`LAYERS_MAX`](crate::limits::LAYERS_MAX); 0 where there is one. Audio has one.
    pub layer: u8,
    /// The sequence number without wrap-around, below 2⁴⁸: each kind and layer counts for itself. A number that was there before is dropped.
    /// One that is 2¹⁵ or more ahead of the highest, or [`REPLAY_WINDOW`](crate::limits::REPLAY_WINDOW) or more behind it, begins
    /// another encoding, which subscribers are shown from its first key frame on.
    pub sequence: u64,
    /// The RTP timestamp without wrap-around, in ticks of the codec's clock rate.
    pub timestamp: u64,
    /// When it was captured, in microseconds on any clock that audio and video of the inlet share. Without it they are played as they
    /// come.
    pub captured_us: Option<u64>,
    /// RTP's marker: the last packet of a picture, the first after silence.
    pub marker: bool,
    /// The payload in the codec's RTP format: 1 to [`PAYLOAD_BYTES_MAX`](crate::limits::PAYLOAD_BYTES_MAX) bytes.
    pub payload: Arc<[u8]>,
    /// Of sound: its loudness in −dBov, 0 to −127 (RFC 6464). Without it nobody is told who speaks.
    pub audio_level: Option<i8>,
}
