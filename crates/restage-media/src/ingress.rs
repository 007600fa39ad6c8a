//! Receiving from a publisher past the engine: verify and decrypt, tell streams apart, undo retransmission, and say what
//! has arrived.
//!
//! The engine does ICE and DTLS; everything of a publisher that begins like RTP or RTCP is read and answered here, and the
//! engine's own attempts at it are thrown away (`peer_engine`). Nothing of a packet is believed before its tag is verified:
//! its header names streams, and anybody can write one who can send from the publisher's address.

pub(crate) mod config;
mod feedback;
pub(crate) mod header;
mod rtcp;
mod source;
pub(crate) mod srtp;
#[cfg(test)]
mod tests;
mod twcc;

use std::sync::Arc;
use std::time::Instant;

use crate::egress::Path;
use crate::io::MediaKind;
use crate::limits::{REPORT_INTERVAL, SOURCE_TENURE_MIN, SOURCES_MAX};
use crate::packet::{Received, RidName};
use crate::srtcp::Srtcp;
use crate::srtp_keys::KeyingMaterial;
use config::{Config, Part};
use header::{Header, Said, without_padding};
use source::{Missing, Reception, Seen, Times};
use srtp::Opener;
use twcc::Arrivals;

/// What a publisher's datagram came to.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It is not the publisher's, or has been here before.
    Refused,
    /// There is nothing to forward in it.
    Nothing,
    Packet(MediaKind, Received),
}

/// The receiving half of a publisher's connection.
#[derive(Debug)]
pub(crate) struct Ingress {
    opener: Opener,
    rtcp: Srtcp,
    config: Config,
    /// Ours, in reports and requests.
    ssrc: u32,
    tracks: Vec<Track>,
    sources: Vec<Source>,
    arrivals: Arrivals,
    /// Where the newest packet came from, and so where feedback goes to: an address whose STUN was verified.
    path: Option<Path>,
    epoch: Instant,
    report_at: Option<Instant>,
}

/// A media section, or one of its simulcast encodings.
#[derive(Debug)]
struct Track {
    kind: MediaKind,
    rid: Option<RidName>,
    /// The SSRC it has now, and since when.
    ssrc: u32,
    since: Instant,
    /// Requests by FIR so far.
    requests: u8,
}

/// An SSRC of which a packet has been verified.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// Place of its track.
    track: Option<usize>,
    part: Part,
    heard_at: Instant,
    seen: Seen,
    times: Times,
    missing: Missing,
    reception: Reception,
}

impl Ingress {
    /// `ssrc` is our own. `None` when the material is not as long as its profile asks.
    pub(crate) fn new(
        material: &KeyingMaterial,
        config: Config,
        ssrc: u32,
        now: Instant,
    ) -> Option<Self> {
        Some(Self {
            opener: Opener::new(material)?,
            rtcp: Srtcp::new(material)?,
            config,
            ssrc,
            tracks: Vec::new(),
            sources: Vec::new(),
            arrivals: Arrivals::default(),
            path: None,
            epoch: now,
            report_at: None,
        })
    }

    /// Takes an RTP packet. `plain` is room to decrypt it in.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        path: Path,
        packet: &[u8],
        plain: &mut Vec<u8>,
    ) -> Heard {
        let Some(header) = Header::parse(packet) else {
            return Heard::Refused;
        };
        let known = self.place(header.ssrc);
        let seen = known.map(|place| &self.sources[place].seen);
        let index = match seen {
            Some(seen) => seen.index_of(header.seq).filter(|index| !seen.has(*index)),
            None => Some(u64::from(header.seq)),
        };
        let Some(index) = index else {
            return Heard::Refused;
        };
        if !(self.opener).open(packet, header.body, header.ssrc, index, plain) {
            return Heard::Refused;
        }
        let said = header.said(packet, &self.config.ids);
        if let Some(seq) = said.transport_seq {
            self.arrivals.add(seq, now);
        }
        self.path = Some(path);
        self.report_at.get_or_insert(now + REPORT_INTERVAL);
        let place = known.or_else(|| self.add(now, &header, &said, index));
        let heard = place.and_then(|place| {
            self.note(now, place, &header, index);
            match self.sources[place].part {
                Part::Main => self.main(now, place, &header, &said, index, plain),
                Part::Retransmission => self.retransmission(now, place, &header, &said, plain),
                Part::Probe => None,
            }
        });
        heard.map_or(Heard::Nothing, |(kind, received)| {
            Heard::Packet(kind, received)
        })
    }

    fn place(&self, ssrc: u32) -> Option<usize> {
        self.sources.iter().position(|source| source.ssrc == ssrc)
    }

    /// Finds out what a new SSRC is. A main one takes its track over.
    fn add(&mut self, now: Instant, header: &Header, said: &Said<'_>, index: u64) -> Option<usize> {
        let identity = self.config.identify(header, said)?;
        let track = match (identity.part, identity.kind) {
            (Part::Main, kind) => Some(self.track(now, kind?, identity.rid, header.ssrc)),
            // Before the first packet of what it repeats there is nothing it could be the retransmission of.
            (Part::Retransmission, kind) => Some(self.find_track(kind?, identity.rid)?),
            (Part::Probe, _) => None,
        };
        if self.sources.len() >= SOURCES_MAX {
            self.forget_one();
        }
        self.sources.push(Source {
            ssrc: header.ssrc,
            track,
            part: identity.part,
            heard_at: now,
            seen: Seen::default(),
            times: Times::default(),
            missing: Missing::default(),
            reception: Reception::new(index),
        });
        Some(self.sources.len() - 1)
    }

    fn find_track(&self, kind: MediaKind, rid: Option<RidName>) -> Option<usize> {
        let is_it = |track: &Track| track.kind == kind && track.rid == rid;
        self.tracks.iter().position(is_it)
    }

    /// The place of a track that has this SSRC from now on.
    fn track(&mut self, now: Instant, kind: MediaKind, rid: Option<RidName>, ssrc: u32) -> usize {
        if let Some(place) = self.find_track(kind, rid) {
            let track = &mut self.tracks[place];
            (track.ssrc, track.since) = (ssrc, now);
            return place;
        }
        self.tracks.push(Track {
            kind,
            rid,
            ssrc,
            since: now,
            requests: 0,
        });
        self.tracks.len() - 1
    }

    /// The one that is silent for longest and no track has. All in use: the one that is silent for longest.
    fn forget_one(&mut self) {
        let is_used = |source: &Source| {
            self.tracks.iter().any(|track| track.ssrc == source.ssrc) && source.part == Part::Main
        };
        let oldest = (0..self.sources.len()).min_by_key(|place| {
            let source = &self.sources[*place];
            (is_used(source), source.heard_at)
        });
        if let Some(place) = oldest {
            self.sources.remove(place);
        }
    }

    /// Remembers that a packet has arrived.
    fn note(&mut self, now: Instant, place: usize, header: &Header, index: u64) {
        let source = &mut self.sources[place];
        let section = source
            .track
            .and_then(|track| self.config.section(self.tracks[track].kind));
        let rate = section.map_or(0, |section| section.clock_rate);
        let elapsed = now.saturating_duration_since(self.epoch).as_micros();
        let ticks = elapsed * u128::from(rate) / 1_000_000;
        source.heard_at = now;
        source.reception.add(ticks as u32, header.time);
        let is_asked_for =
            source.part == Part::Main && section.is_some_and(|section| section.can_nack);
        source.arrive(now, index, is_asked_for);
    }

    /// A packet of a track itself.
    fn main(
        &mut self,
        now: Instant,
        place: usize,
        header: &Header,
        said: &Said<'_>,
        index: u64,
        plain: &[u8],
    ) -> Option<(MediaKind, Received)> {
        let source = &mut self.sources[place];
        let is_newest = source.seen.highest() == Some(index);
        let time = source.times.extend(header.time, is_newest);
        let track = &mut self.tracks[source.track?];
        if track.ssrc != header.ssrc {
            // A source that had the track before comes back, unless these are its last packets, late.
            if !is_newest || now < track.since + SOURCE_TENURE_MIN {
                return None;
            }
            (track.ssrc, track.since) = (header.ssrc, now);
        }
        let received = Received {
            ssrc: header.ssrc,
            rid: track.rid,
            pt: header.pt,
            seq: index,
            time,
            marker: header.marker,
            payload: Arc::from(without_padding(plain, header.is_padded)?),
            arrived: now,
            extensions: said.extensions,
        };
        Some((track.kind, received))
    }

    /// A packet that repeats another (RFC 4588 §4). Probes for bandwidth look like it and are empty.
    fn retransmission(
        &mut self,
        now: Instant,
        place: usize,
        header: &Header,
        said: &Said<'_>,
        plain: &[u8],
    ) -> Option<(MediaKind, Received)> {
        let track = &self.tracks[self.sources[place].track?];
        let payload = without_padding(plain, header.is_padded)?;
        let (seq, payload) = payload.split_first_chunk::<2>()?;
        let types = &self.config.section(track.kind)?.types;
        let (pt, _) = types.iter().find(|(_, rtx)| *rtx == Some(header.pt))?;
        let repeated = self.place(track.ssrc)?;
        let source = &mut self.sources[repeated];
        let index = source.seen.index_of(u16::from_be_bytes(*seq))?;
        if source.seen.has(index) {
            return None;
        }
        source.arrive(now, index, true);
        let is_newest = source.seen.highest() == Some(index);
        let received = Received {
            ssrc: source.ssrc,
            rid: track.rid,
            pt: *pt,
            seq: index,
            time: source.times.extend(header.time, is_newest),
            marker: header.marker,
            payload: Arc::from(payload),
            arrived: now,
            extensions: said.extensions,
        };
        Some((track.kind, received))
    }
}

impl Source {
    /// A packet has arrived. Those before it that have not are missing.
    fn arrive(&mut self, now: Instant, index: u64, is_asked_for: bool) {
        let is_late = self.seen.highest().is_some_and(|highest| index < highest);
        let gap = self.seen.add(index);
        if is_late {
            self.missing.remove(index);
        } else if gap > 0 && is_asked_for {
            self.missing.add(now, gap, index);
        }
    }
}
