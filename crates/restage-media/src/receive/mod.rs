//! Receiving from a publisher: decrypt packets, assign them to streams, undo retransmission, and report what has arrived.
//!
//! Nothing in a packet is trusted before its tag is verified: the header names streams, and anybody who can send from the
//! publisher's address can write one.

pub(crate) mod clock;
mod cuts;
mod feedback;
pub(crate) mod keyframe;
mod rate;
pub(crate) mod source;
pub(crate) mod streams;
#[cfg(test)]
mod tests;
pub(crate) mod track;
mod twcc;

use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_codec::MediaKind;

use crate::io::datagrams::Path;
use crate::limits::{
    LAYER_SILENCE_MAX, REPORT_INTERVAL, RETRANSMISSION_AGE_MAX, SOURCE_TENURE_DOUBLINGS_MAX,
    SOURCE_TENURE_MIN, SOURCES_MAX, SSRCS_MAX,
};
use crate::rtp::extensions::{Extensions, RidName};
use crate::rtp::header::{Elements, Header, without_padding};
use crate::srtp::keys::{KeyingMaterial, SessionKeys, Use};
use crate::srtp::open::open;
use crate::srtp::srtcp::Srtcp;
use source::{Found, Missing, Reception, Seen, Times};
use streams::{Part, StreamMap};
use twcc::Arrivals;

/// A packet as the receiver hands it over: decrypted, without duplicates, with extended numbers.
#[derive(Debug)]
pub(crate) struct Received {
    /// Its synchronization source. When it changes, numbers start again.
    pub(crate) ssrc: u32,
    /// The simulcast encoding, if the publisher names one.
    pub(crate) rid: Option<RidName>,
    pub(crate) pt: u8,
    /// Sequence number without wrap-around.
    pub(crate) seq: u64,
    /// RTP timestamp without wrap-around, in the codec's clock rate.
    pub(crate) time: u64,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) arrived: Instant,
    pub(crate) extensions: Extensions,
    /// The dependency descriptor, if the packet has one (RTP Payload Format For AV1, appendix A).
    pub(crate) dependency: Option<Box<[u8]>>,
}

/// Distance between packet indices with the same sequence number.
const ROLLOVER: u64 = 1 << 16;

/// What became of an RTP packet.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It does not come from the publisher, or it is a replay.
    Refused,
    /// It comes from the publisher, but with an SSRC beyond [`SSRCS_MAX`].
    OneTooMany,
    /// It contains nothing to forward.
    Nothing,
    Packet(MediaKind, Received),
}

/// The receiving part of a publisher's connection.
#[derive(Debug)]
pub(crate) struct Receiver {
    rtp: SessionKeys,
    rtcp: Srtcp,
    config: StreamMap,
    /// Our SSRC, in reports and requests.
    ssrc: u32,
    tracks: Vec<Track>,
    sources: Vec<Source>,
    /// Retired SSRCs with the highest packet index of each. They are kept as long as the key.
    retired: Vec<(u32, u64)>,
    arrivals: Arrivals,
    /// Where the newest packet came from: feedback goes there. The address was verified by STUN.
    path: Option<Path>,
    epoch: Instant,
    report_at: Option<Instant>,
    /// Index of the source that the next report begins with.
    reported: usize,
    /// When packets were last requested.
    asked_at: Option<Instant>,
    /// Time between requesting a packet and its arrival.
    round_trip: Option<Duration>,
}

/// A media section, or one of its simulcast encodings.
#[derive(Debug)]
struct Track {
    kind: MediaKind,
    rid: Option<RidName>,
    /// Its present SSRC, and since when it has it.
    ssrc: u32,
    since: Instant,
    /// How often a former SSRC of this track has taken it back.
    comebacks: u32,
    /// Number of FIR requests so far.
    requests: u8,
    counts: Counts,
}

/// What is counted of a track, whatever its SSRC.
#[derive(Debug, Default)]
struct Counts {
    packets: u64,
    bytes: u64,
    frames: u64,
    repaired: u64,
    nacks: u64,
    key_frame_requests: u64,
}

/// An SSRC of which a packet was verified.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// Index of its track.
    track: Option<usize>,
    part: Part,
    /// For retransmissions: the SSRC whose packets they repeat.
    repeats: u32,
    last_seen_at: Instant,
    seen: Seen,
    times: Times,
    missing: Missing,
    reception: Reception,
}

impl Receiver {
    /// `ssrc` is our own. `None`: the material is not as long as its profile requires.
    pub(crate) fn new(
        material: &KeyingMaterial,
        config: StreamMap,
        ssrc: u32,
        now: Instant,
    ) -> Option<Self> {
        let (_, remote) = material.masters()?;
        Some(Self {
            rtp: SessionKeys::derive(&remote, Use::Rtp)?,
            rtcp: Srtcp::new(material)?,
            config,
            ssrc,
            tracks: Vec::new(),
            sources: Vec::new(),
            retired: Vec::new(),
            arrivals: Arrivals::default(),
            path: None,
            epoch: now,
            report_at: None,
            reported: 0,
            asked_at: None,
            round_trip: None,
        })
    }

    /// Takes an RTP packet and decrypts it into `plain`.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        path: Path,
        packet: &[u8],
        plain: &mut Vec<u8>,
    ) -> Arrival {
        let Some(header) = Header::parse(packet) else {
            return Arrival::Refused;
        };
        let known = self.place(header.ssrc);
        let Some(index) = self.open(known, &header, packet, plain) else {
            return Arrival::Refused;
        };
        let Some(place) = known.or_else(|| self.add(now, header.ssrc, index)) else {
            return Arrival::OneTooMany;
        };
        // A packet with more padding than bytes has nothing to forward, but it has arrived.
        let payload = without_padding(plain, header.is_padded).unwrap_or_default();
        let elements = header.elements(packet, &self.config.ids);
        if let Some(seq) = elements.transport_seq {
            self.arrivals.add(seq, header.ssrc, now);
        }
        self.path = Some(path);
        self.report_at.get_or_insert(now + REPORT_INTERVAL);
        if self.sources[place].part == Part::Unknown {
            self.identify(now, place, &header, &elements, payload);
            // Earlier packets could not be assigned to a stream, so they are not reported.
            self.sources[place].reception = Reception::new(index);
        }
        self.note(now, place, &header, index);
        let arrived = Arrived {
            now,
            header,
            index,
            payload,
            extensions: elements.extensions,
            dependency: elements.dependency,
        };
        let heard = match self.sources[place].part {
            Part::Main => self.main(place, &arrived),
            Part::Retransmission => self.retransmission(place, &arrived),
            Part::Probe | Part::Unknown => None,
        };
        heard.map_or(Arrival::Nothing, |(kind, received)| {
            Arrival::Packet(kind, received)
        })
    }

    /// Decrypts a packet and returns its index. `None`: it does not come from the publisher, or it is a replay.
    fn open(
        &self,
        known: Option<usize>,
        header: &Header,
        packet: &[u8],
        plain: &mut Vec<u8>,
    ) -> Option<u64> {
        let mut opens = |index: u64| {
            let (body, ssrc) = (header.body, header.ssrc);
            open(&self.rtp, packet, body, ssrc, index, plain).map(|()| index)
        };
        let Some(place) = known else {
            if let Some(seen) = self.retired(header.ssrc) {
                let index = seen.index_of(header.seq);
                return opens(index.filter(|index| !seen.has(*index))?);
            }
            // The first packets of an SSRC may be lost, and the rollover with them.
            let behind = u64::from(header.seq) | ROLLOVER;
            let is_low = u64::from(header.seq) < ROLLOVER / 2;
            return opens(u64::from(header.seq)).or_else(|| opens(behind).filter(|_| is_low));
        };
        let seen = &self.sources[place].seen;
        let index = seen
            .index_of(header.seq)
            .filter(|index| !seen.has(*index))?;
        opens(index)
    }

    fn place(&self, ssrc: u32) -> Option<usize> {
        self.sources.iter().position(|source| source.ssrc == ssrc)
    }

    /// Reports refused because their SSRC was beyond [`RTCP_SOURCES_MAX`](crate::limits::RTCP_SOURCES_MAX), since the last call.
    pub(crate) fn take_sources_refused(&mut self) -> u64 {
        std::mem::take(&mut self.rtcp.sources_refused)
    }

    /// What is still known of a retired SSRC.
    fn retired(&self, ssrc: u32) -> Option<Seen> {
        let (_, highest) = self.retired.iter().find(|(retired, _)| *retired == ssrc)?;
        Some(Seen::after(*highest))
    }

    /// Adds an SSRC that is new or was retired. `None`: there is no room.
    fn add(&mut self, now: Instant, ssrc: u32, index: u64) -> Option<usize> {
        let before = self
            .retired
            .iter()
            .position(|(retired, _)| *retired == ssrc);
        if before.is_none() && self.sources.len() + self.retired.len() >= SSRCS_MAX {
            return None;
        }
        let before = before.map(|place| self.retired.swap_remove(place));
        if self.sources.len() >= SOURCES_MAX {
            self.retire_one();
        }
        self.sources.push(Source {
            ssrc,
            track: None,
            part: Part::Unknown,
            repeats: 0,
            last_seen_at: now,
            seen: before.map_or_else(Seen::default, |(_, highest)| Seen::after(highest)),
            times: Times::default(),
            missing: Missing::default(),
            reception: Reception::new(index),
        });
        Some(self.sources.len() - 1)
    }

    /// Finds out what an SSRC carries. A main SSRC with a payload takes its track over.
    fn identify(
        &mut self,
        now: Instant,
        place: usize,
        header: &Header,
        elements: &Elements<'_>,
        payload: &[u8],
    ) {
        let Some(identity) = self.config.identify(header, elements) else {
            return;
        };
        let track = match (identity.part, identity.kind) {
            (Part::Main, Some(kind)) if !payload.is_empty() => {
                self.track(now, kind, identity.rid, header.ssrc)
            }
            // Before the first packet of the stream it repeats there is nothing to retransmit.
            (Part::Retransmission, Some(kind)) => match self.find_track(kind, identity.rid) {
                Some(track) => track,
                None => return,
            },
            (Part::Probe, _) => {
                self.sources[place].part = Part::Probe;
                return;
            }
            _ => return,
        };
        let repeats = self.config.repeated_by(header.ssrc);
        let source = &mut self.sources[place];
        source.part = identity.part;
        source.track = Some(track);
        source.repeats = repeats.unwrap_or(self.tracks[track].ssrc);
    }

    fn find_track(&self, kind: MediaKind, rid: Option<RidName>) -> Option<usize> {
        let is_it = |track: &Track| track.kind == kind && track.rid == rid;
        self.tracks.iter().position(is_it)
    }

    /// The index of the track, which has this SSRC from now on.
    fn track(&mut self, now: Instant, kind: MediaKind, rid: Option<RidName>, ssrc: u32) -> usize {
        if let Some(place) = self.find_track(kind, rid) {
            self.take_over(now, place, ssrc);
            return place;
        }
        self.tracks.push(Track {
            kind,
            rid,
            ssrc,
            since: now,
            comebacks: 0,
            requests: 0,
            counts: Counts::default(),
        });
        self.tracks.len() - 1
    }

    fn take_over(&mut self, now: Instant, track: usize, ssrc: u32) {
        let track = &mut self.tracks[track];
        let former = std::mem::replace(&mut track.ssrc, ssrc);
        track.since = now;
        if let Some(former) = self.place(former) {
            self.sources[former].missing.clear();
        }
    }

    /// Retires a source: one that belongs to no stream, else one that no track uses, else any; of several the one that is silent
    /// for longest.
    fn retire_one(&mut self) {
        let use_of = |source: &Source| match source.part {
            Part::Unknown => 0,
            Part::Main if self.tracks.iter().any(|track| track.ssrc == source.ssrc) => 2,
            _ => 1,
        };
        let oldest = (0..self.sources.len()).min_by_key(|place| {
            let source = &self.sources[*place];
            (use_of(source), source.last_seen_at)
        });
        if let Some(place) = oldest {
            let source = self.sources.remove(place);
            // Every source has received at least one packet.
            let highest = source.seen.highest().unwrap_or_default();
            self.retired.push((source.ssrc, highest));
        }
    }

    /// Records the arrival of a packet.
    fn note(&mut self, now: Instant, place: usize, header: &Header, index: u64) {
        let source = &mut self.sources[place];
        let section = source
            .track
            .and_then(|track| self.config.section(self.tracks[track].kind));
        let rate = section.map_or(0, |section| section.clock_rate);
        let elapsed = now.saturating_duration_since(self.epoch).as_micros();
        let ticks = elapsed * u128::from(rate) / 1_000_000;
        source.last_seen_at = now;
        source.reception.add(ticks as u32, header.time);
        let gap = source.seen.add(index);
        let found = source.missing.remove(index);
        let is_asked_for = source.part == Part::Main && section.is_some_and(|it| it.can_nack);
        if gap > 0 && is_asked_for {
            source.missing.add(now, gap, index);
        }
        self.learn_round_trip(now, found);
    }

    /// Smooths the time from the first request for a packet to its arrival as TCP does (RFC 6298). If the answer to the first
    /// request was lost, the result is too long; then packets are requested less often.
    fn learn_round_trip(&mut self, now: Instant, found: Option<Found>) {
        let Some(asked_at) = found.and_then(|found| found.asked_at) else {
            return;
        };
        let sample = now.saturating_duration_since(asked_at);
        let before = self.round_trip.unwrap_or(sample);
        self.round_trip = Some(before * 7 / 8 + sample / 8);
    }

    /// A packet of a track, not a retransmission.
    fn main(&mut self, place: usize, arrived: &Arrived<'_>) -> Option<(MediaKind, Received)> {
        let source = &mut self.sources[place];
        let is_newest = source.seen.highest() == Some(arrived.index);
        let time = source.times.extend(arrived.header.time, is_newest);
        if source.seen.is_restored(arrived.index) {
            return None;
        }
        let track = source.track?;
        if self.tracks[track].ssrc != arrived.header.ssrc {
            // A former source takes the track back, unless these are its last packets, late.
            let is_back = is_newest && !arrived.payload.is_empty();
            if !is_back || !self.may_come_back(arrived.now, track) {
                return None;
            }
            self.tracks[track].comebacks += 1;
            self.take_over(arrived.now, track, arrived.header.ssrc);
        }
        let track = &mut self.tracks[track];
        track.counts.packets += 1;
        track.counts.bytes += arrived.payload.len() as u64;
        track.counts.frames += u64::from(arrived.header.marker);
        let (ssrc, pt) = (arrived.header.ssrc, arrived.header.pt);
        let received = arrived.received(track, ssrc, pt, arrived.index, time, arrived.payload);
        Some((track.kind, received))
    }

    fn may_come_back(&self, now: Instant, track: usize) -> bool {
        let track = &self.tracks[track];
        let doublings = track.comebacks.min(SOURCE_TENURE_DOUBLINGS_MAX);
        let is_silent = |place: usize| self.sources[place].last_seen_at + LAYER_SILENCE_MAX <= now;
        now >= track.since + SOURCE_TENURE_MIN * (1 << doublings)
            || self.place(track.ssrc).is_none_or(is_silent)
    }

    /// A retransmission (RFC 4588 §4) of a packet that was requested. Bandwidth probes look the same; they repeat packets that
    /// were not requested, or nothing.
    fn retransmission(
        &mut self,
        place: usize,
        arrived: &Arrived<'_>,
    ) -> Option<(MediaKind, Received)> {
        let now = arrived.now;
        let source = &mut self.sources[place];
        let track_place = source.track?;
        let track = &self.tracks[track_place];
        let (seq, payload) = arrived.payload.split_first_chunk::<2>()?;
        let types = &self.config.section(track.kind)?.types;
        let (pt, _) = types
            .iter()
            .find(|(_, rtx)| *rtx == Some(arrived.header.pt))?;
        if source.repeats != track.ssrc {
            // It may repeat the new SSRC from now on, but not while it may still answer requests for the former one.
            if now < track.since + RETRANSMISSION_AGE_MAX {
                return None;
            }
            source.repeats = track.ssrc;
        }
        let repeated = self.place(self.sources[place].repeats)?;
        let source = &mut self.sources[repeated];
        let index = source.seen.index_of(u16::from_be_bytes(*seq))?;
        let found = source.missing.remove(index)?;
        source.seen.restore(index);
        let time = source.times.extend(arrived.header.time, false);
        let received = arrived.received(track, source.ssrc, *pt, index, time, payload);
        let kind = track.kind;
        self.tracks[track_place].counts.repaired += 1;
        self.learn_round_trip(now, Some(found));
        Some((kind, received))
    }
}

/// A verified and decrypted packet.
struct Arrived<'a> {
    now: Instant,
    header: Header,
    index: u64,
    /// Without padding.
    payload: &'a [u8],
    extensions: Extensions,
    dependency: Option<&'a [u8]>,
}

impl Arrived<'_> {
    fn received(
        &self,
        track: &Track,
        ssrc: u32,
        pt: u8,
        seq: u64,
        time: u64,
        payload: &[u8],
    ) -> Received {
        Received {
            ssrc,
            rid: track.rid,
            pt,
            seq,
            time,
            marker: self.header.marker,
            payload: Arc::from(payload),
            arrived: self.now,
            extensions: self.extensions,
            dependency: self.dependency.map(Into::into),
        }
    }
}
