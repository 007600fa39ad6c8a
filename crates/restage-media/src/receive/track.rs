//! The simulcast layers that a feed has of one kind, which of them is best, and its key frames.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::dependency::{Dependencies, Descriptor};
use restage_codec::{Codec, FramePlace, MediaKind, PictureSize, av1, h264, h265, red, vp8, vp9};

use crate::limits::{LAYER_RETURN_MAX, LAYER_SILENCE_MAX, LAYERS_MAX, SPATIAL_LAYERS_MAX};
use crate::packet::Packet;
use crate::packet::SenderReport;
use crate::packet::{Cut, Encoding, Ladder, Rung};
use crate::receive::Received;
use crate::receive::clock::FeedClock;
use crate::receive::cuts::CutRates;
use crate::receive::keyframe::KeyframeRequester;
use crate::receive::rate::Rate;
use crate::rtp::extensions::RidName;
use crate::sdp::format::Format;

#[derive(Debug)]
pub(crate) struct TrackIn {
    kind: MediaKind,
    feed: u64,
    layers: Vec<Layer>,
    best: usize,
    /// The ladder when layers were compared last; `None` before that.
    ladder: Option<Arc<Ladder>>,
}

#[derive(Debug)]
struct Layer {
    rid: Option<RidName>,
    ssrc: u32,
    epoch: u32,
    key_frames: KeyframeRequester,
    rate: Rate,
    cuts: CutRates,
    /// What its dependency descriptors have said.
    dependencies: Dependencies,
    /// Size of its pictures, known from its key frames.
    size: Option<PictureSize>,
    /// The sizes of its spatial layers, the lowest first, as far as they are known.
    sizes: [Option<PictureSize>; SPATIAL_LAYERS_MAX],
    /// How many spatial layers its payloads have said that there are; 0 before they have.
    spatial_layers: u8,
    last_at: Instant,
    presence: Presence,
    /// The format of its newest packet.
    format: Option<Arc<Format>>,
    h264: h264::StartDetector,
    h265: h265::StartDetector,
    report: Option<SenderReport>,
}

/// Where a frame stands, and what its dependency descriptor says.
type Placed = (FramePlace, Option<Arc<Descriptor>>);

/// Whether a layer that does not come counts as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// No: it is gone.
    Sent,
    /// Yes: its publisher was told that nobody wants it, and would send it again. Its rate is the last that was known.
    Unwanted,
    /// Yes, up to this time: somebody wants it again.
    Returning(Instant),
}

impl TrackIn {
    pub(crate) fn new(kind: MediaKind, feed: u64) -> Self {
        Self {
            kind,
            feed,
            layers: Vec::new(),
            best: 0,
            ladder: None,
        }
    }

    /// Assigns a packet to its layer. `None`: there are [`LAYERS_MAX`] other layers, or its dependency descriptor cannot be read.
    pub(crate) fn on_packet(
        &mut self,
        mut received: Received,
        format: &Arc<Format>,
        clock: &mut FeedClock,
    ) -> Option<Packet> {
        let now = received.arrived;
        let index = self.layer_of(&received)?;
        let layer = &mut self.layers[index];
        if now > layer.last_at + LAYER_SILENCE_MAX {
            layer.rate.resume();
            layer.cuts.resume();
        }
        layer.last_at = now;
        let (frame, descriptor) = layer.frame_place(&received, format.codec)?;
        let (bytes, ends_frame) = (received.payload.len(), received.marker || frame.ends);
        let is_measured = layer.rate.add(now, bytes, ends_frame);
        layer.cuts.add(now, &frame, bytes, ends_frame);
        let starts_key_frame = layer.starts_key_frame(&received, format);
        let mut lead = None;
        if starts_key_frame {
            layer.key_frames.on_key_frame();
            if format.codec == Codec::H264 {
                lead = layer.h264.lead(received.seq, &received.payload);
            }
        }
        let plain = (format.codec == Codec::Red)
            .then(|| unwrap(&mut received, format))
            .flatten();
        let report = layer.report;
        let reported = report.map(|report| report.at_rate(format.codec.clock_rate()));
        let wallclock = clock.wallclock(self.kind, reported.as_ref(), received.time, now);
        if is_measured
            || starts_key_frame
            || now > self.layers[self.best].last_at + LAYER_SILENCE_MAX
        {
            self.choose_best(now);
        }
        Some(Packet {
            kind: self.kind,
            encoding: self.encoding(index),
            target: self.encoding(self.best),
            ladder: self.ladder.clone(),
            format: Arc::clone(format),
            seq: received.seq,
            time: received.time,
            marker: received.marker,
            starts_key_frame,
            frame,
            descriptor,
            lead,
            number: 0,
            arrived: now,
            wallclock,
            report,
            payload: received.payload,
            plain,
            extensions: received.extensions,
        })
    }

    pub(crate) fn on_report(&mut self, rid: Option<RidName>, report: SenderReport) {
        if let Some(layer) = self.layers.iter_mut().find(|layer| layer.rid == rid) {
            layer.report = Some(report);
        }
    }

    /// The name of a layer, if the layer exists.
    pub(crate) fn rid(&self, layer: u8) -> Option<Option<RidName>> {
        self.layers.get(usize::from(layer)).map(|layer| layer.rid)
    }

    /// Size of a layer's pictures, as far as it is known.
    pub(crate) fn size(&self, layer: u8) -> Option<PictureSize> {
        self.layers.get(usize::from(layer))?.size
    }

    pub(crate) fn key_frames(&mut self, layer: u8) -> Option<&mut KeyframeRequester> {
        self.layers
            .get_mut(usize::from(layer))
            .map(|layer| &mut layer.key_frames)
    }

    /// When a key frame request is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.layers
            .iter()
            .filter_map(|layer| layer.key_frames.deadline())
            .min()
    }

    /// Layers whose key frame request is due now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<u8> {
        (0..)
            .zip(&mut self.layers)
            .filter_map(|(index, layer)| layer.key_frames.on_deadline(now).then_some(index))
            .collect()
    }

    fn layer_of(&mut self, received: &Received) -> Option<usize> {
        if let Some(index) = self
            .layers
            .iter()
            .position(|layer| layer.rid == received.rid)
        {
            let layer = &mut self.layers[index];
            if layer.ssrc != received.ssrc {
                layer.ssrc = received.ssrc;
                layer.epoch += 1;
                layer.h264.restart(received.seq);
                layer.h265.restart();
                layer.report = None;
                layer.dependencies = Dependencies::default();
                layer.spatial_layers = 0;
            }
            return Some(index);
        }
        if self.layers.len() == LAYERS_MAX {
            return None;
        }
        self.layers.push(Layer {
            rid: received.rid,
            ssrc: received.ssrc,
            epoch: 0,
            key_frames: KeyframeRequester::default(),
            rate: Rate::default(),
            cuts: CutRates::default(),
            dependencies: Dependencies::default(),
            size: None,
            sizes: [None; SPATIAL_LAYERS_MAX],
            spatial_layers: 0,
            last_at: received.arrived,
            presence: Presence::Sent,
            format: None,
            h264: h264::StartDetector::new(received.seq),
            h265: h265::StartDetector::default(),
            report: None,
        });
        Some(self.layers.len() - 1)
    }

    /// Chooses the living layer with the largest picture. If sizes are unknown or equal the rate decides, and only a clear
    /// difference changes the choice.
    fn choose_best(&mut self, now: Instant) {
        let alive = |layer: &Layer| layer.last_at + LAYER_SILENCE_MAX >= now;
        let mut best = self.best;
        for (index, layer) in self.layers.iter().enumerate() {
            if alive(layer)
                && (!alive(&self.layers[best]) || layer.is_better_than(&self.layers[best]))
            {
                best = index;
            }
        }
        self.best = best;
        let is_measured = |layer: &Layer| layer.rate.is_measured();
        self.ladder = (self.layers.len() > 1 || self.layers.iter().any(is_measured))
            .then(|| self.climbable(now));
    }

    /// The layers that are there, smallest picture first. If sizes are unknown or equal the rate decides.
    fn climbable(&self, now: Instant) -> Arc<Ladder> {
        let layers = self.layers.iter().enumerate();
        let mut rungs: Vec<Rung> = layers
            .filter(|(_, layer)| layer.is_there(now))
            .flat_map(|(index, layer)| layer.rungs(self.encoding(index), self.layers.len() == 1))
            .collect();
        let pixels = |rung: &Rung| rung.size.map(PictureSize::pixels);
        rungs.sort_by_key(|rung| (pixels(rung), rung.bits_per_s));
        rungs.into()
    }

    /// Somebody wants this many of the layers that there are, from the smallest on. Returns for each layer that has a name whether it is
    /// wanted, the smallest first; nothing if there are not several. Those that are not wanted may be silent from now on and count as there all the same.
    pub(crate) fn want(&mut self, now: Instant, level: usize) -> Vec<(RidName, bool)> {
        let ladder = self.climbable(now);
        if ladder.len() < 2 {
            return Vec::new();
        }
        let mut named = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let is_it = |rung: &Rung| usize::from(rung.encoding.layer) == index;
            let place = ladder.iter().position(is_it);
            let is_wanted = place.is_none_or(|place| place < level);
            layer.presence = match (layer.presence, is_wanted) {
                (_, false) => Presence::Unwanted,
                (Presence::Unwanted, true) => Presence::Returning(now + LAYER_RETURN_MAX),
                (present, true) => present,
            };
            let place = place.unwrap_or(usize::MAX);
            named.extend(layer.rid.map(|rid| (place, rid, is_wanted)));
        }
        self.choose_best(now);
        named.sort_by_key(|(place, ..)| *place);
        let named = named.into_iter();
        named.map(|(_, rid, is_wanted)| (rid, is_wanted)).collect()
    }

    /// How the packets of a layer are encoded, and what place it has: its format, its size, its rate, and its place on the ladder with the
    /// ladder's length.
    pub(crate) fn describe(&self, rid: Option<RidName>) -> Option<Described> {
        let index = self.layers.iter().position(|layer| layer.rid == rid)?;
        let layer = &self.layers[index];
        let ladder = self.ladder.as_deref().unwrap_or_default();
        let is_it = |rung: &Rung| usize::from(rung.encoding.layer) == index;
        let place = ladder.iter().rposition(is_it);
        Some(Described {
            codec: layer.format.as_ref().map(|format| format.codec),
            size: layer.size,
            bits_per_s: layer.rate.bits_per_s(),
            place: place.map(|place| (place, ladder.len())),
        })
    }

    fn encoding(&self, index: usize) -> Encoding {
        Encoding {
            feed: self.feed,
            layer: index as u8,
            epoch: self.layers[index].epoch,
        }
    }
}

/// What is known of a layer.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) codec: Option<Codec>,
    pub(crate) size: Option<PictureSize>,
    /// RTP payload.
    pub(crate) bits_per_s: u64,
    /// Its place on the ladder, and the ladder's length.
    pub(crate) place: Option<(usize, usize)>,
}

impl Layer {
    /// The layer as it stands on the ladder. If it `is_alone` it has one rung for each of its spatial layers; of several encodings the
    /// ladder would become too long.
    fn rungs(&self, encoding: Encoding, is_alone: bool) -> impl Iterator<Item = Rung> {
        const { assert!(SPATIAL_LAYERS_MAX <= LAYERS_MAX) };
        let top = self.cuts.spatial_layers() - 1;
        let lower = (0..).zip(&self.sizes).take(if is_alone { top } else { 0 });
        let lower = lower.filter_map(move |(spatial, size)| {
            let cut = Cut {
                spatial,
                ..Cut::WHOLE
            };
            let rate = self.cuts.spatial(usize::from(spatial))?;
            Some(self.rung(encoding, cut, *size, rate, usize::from(spatial)))
        });
        let rate = self.cuts.highest().unwrap_or(&self.rate);
        let whole = self.rung(encoding, Cut::WHOLE, self.size, rate, top);
        lower.chain(std::iter::once(whole))
    }

    fn rung(
        &self,
        encoding: Encoding,
        cut: Cut,
        size: Option<PictureSize>,
        rate: &Rate,
        spatial: usize,
    ) -> Rung {
        Rung {
            encoding,
            cut,
            rid: self.rid,
            size,
            bits_per_s: rate.bits_per_s(),
            wire_bits_per_s: rate.wire_bits_per_s(),
            peak_bits_per_s: rate.peak_bits_per_s(),
            least_bits_per_s: rate.least_bits_per_s(),
            frames_per_s: rate.frames_per_s(),
            cuts: self.cuts.cuts(spatial, cut),
        }
    }

    /// Whether it is sent, or would be if it were wanted.
    fn is_there(&self, now: Instant) -> bool {
        self.last_at + LAYER_SILENCE_MAX >= now
            || match self.presence {
                Presence::Sent => false,
                Presence::Unwanted => true,
                Presence::Returning(until) => now < until,
            }
    }

    fn is_better_than(&self, other: &Self) -> bool {
        let pixels = |layer: &Self| layer.size.map(PictureSize::pixels);
        match (pixels(self), pixels(other)) {
            (Some(own), Some(others)) if own != others => own > others,
            _ => {
                let others = other.rate.newest_bits_per_s();
                self.rate.newest_bits_per_s() > others + others / 4
            }
        }
    }

    /// Where the frame of a packet stands: by its payload, if that says so, or else by the dependency descriptor. libwebrtc leaves the
    /// layers and numbers out of payloads of VP8 where the descriptor is negotiated. Receivers of AV1 need the descriptor itself. `None`:
    /// one of AV1 cannot be read. Receivers would take a packet without it for that of another stream.
    fn frame_place(&mut self, received: &Received, codec: Codec) -> Option<Placed> {
        let payload = &received.payload;
        let place = match codec {
            Codec::Opus | Codec::Red => None,
            Codec::Vp8 => {
                let place = vp8::frame_place(payload);
                let described = match vp8::has_layer(payload) {
                    true => None,
                    false => self.described_place(received),
                };
                let numbers = place.map(|place| place.numbers).unwrap_or_default();
                let described = described.map(|place| FramePlace { numbers, ..place });
                described.or(place)
            }
            Codec::Vp9 => vp9::frame_place(payload).map(|place| self.with_layers(place)),
            Codec::H264 | Codec::H265 => self.described_place(received),
            Codec::Av1 if received.dependency.is_some() && !payload.is_empty() => {
                let descriptor = self.describe(received)?;
                return Some((descriptor.place(), Some(Arc::new(descriptor))));
            }
            Codec::Av1 => None,
        };
        Some((place.unwrap_or_default(), None))
    }

    /// Adds how many spatial layers there are, which only some packets of VP9 say. Before that is known, no frame can be left out because
    /// a higher one is sent.
    fn with_layers(&mut self, place: FramePlace) -> FramePlace {
        if place.layers > 0 {
            self.spatial_layers = place.layers;
        } else if self.spatial_layers > 0 {
            self.spatial_layers = self.spatial_layers.max(place.spatial + 1);
        }
        FramePlace {
            is_alone: place.is_alone && self.spatial_layers > 0,
            layers: self.spatial_layers,
            ..place
        }
    }

    /// Where the frame of a packet stands by its dependency descriptor.
    fn described_place(&mut self, received: &Received) -> Option<FramePlace> {
        Some(self.describe(received)?.place())
    }

    fn describe(&mut self, received: &Received) -> Option<Descriptor> {
        let descriptor = received.dependency.as_deref()?;
        self.dependencies.read(received.seq, descriptor)
    }

    /// Whether a decoder can start with this packet. Remembers what the packet says about the stream.
    fn starts_key_frame(&mut self, received: &Received, format: &Arc<Format>) -> bool {
        let is_known = self
            .format
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, format));
        if !is_known {
            self.format = Some(Arc::clone(format));
            if format.codec == Codec::H264 {
                let offered = format.parameter_sets();
                self.h264
                    .on_format(offered.iter().map(Vec::as_slice), received.seq);
            }
        }
        let (seq, time, payload) = (received.seq, received.time, &received.payload);
        let (starts, size) = match format.codec {
            Codec::Opus | Codec::Red => return false,
            Codec::H264 => {
                let starts = self.h264.on_packet(seq, time, payload);
                (starts, self.h264.size())
            }
            Codec::H265 => {
                let starts = self.h265.on_packet(seq, time, payload);
                (starts, self.h265.size())
            }
            Codec::Vp8 => with_size(payload, vp8::starts_key_frame, vp8::size_in_packet),
            Codec::Vp9 => with_size(payload, vp9::starts_key_frame, vp9::size_in_packet),
            Codec::Av1 => with_size(payload, av1::starts_key_frame, av1::size_in_packet),
        };
        let mut largest = None;
        if starts {
            self.sizes = match format.codec {
                Codec::Vp9 => vp9::layer_sizes(payload),
                _ => self.dependencies.sizes(),
            };
            largest = self.sizes.iter().flatten().next_back().copied();
        }
        self.size = size.or(largest).or(self.size);
        starts
    }
}

/// Whether a key frame starts with this payload, and the size of the picture in it.
fn with_size(
    payload: &[u8],
    starts: impl Fn(&[u8]) -> bool,
    size: impl Fn(&[u8]) -> Option<PictureSize>,
) -> (bool, Option<PictureSize>) {
    let starts = starts(payload);
    let size = if starts { size(payload) } else { None };
    (starts, size)
}

/// The newest block of redundant audio, for subscribers that take no other. What has none is emptied: its number is left out of what
/// subscribers are sent, as that of padding is.
fn unwrap(received: &mut Received, format: &Format) -> Option<Arc<[u8]>> {
    let payload = &received.payload;
    let newest = format
        .block_type()
        .and_then(|block_type| red::primary_start(payload, block_type))
        .and_then(|start| payload.get(start..));
    let Some(newest) = newest else {
        received.payload = Arc::default();
        return None;
    };
    Some(newest.into())
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;
