//! What one subscriber receives of one kind: which packets, and under which numbers.

use std::sync::Arc;
use std::time::Instant;

use crate::codec::vp8::Descriptor;
use crate::codec::{Codec, Format, carrying};
use crate::config::H264ProfileMatch;
use crate::io::MediaKind;
use crate::packet::{Outgoing, Packet};
use crate::rewrite::rtp::RtpRewriter;
use crate::rewrite::vp8::Vp8Rewriter;
use crate::rng::Rng;
use crate::select::simulcast::{Choice, Ladder, Rung, Selector, Source};

#[derive(Debug)]
pub(crate) struct TrackOut {
    kind: MediaKind,
    /// What the subscriber takes.
    formats: Vec<Format>,
    profiles: H264ProfileMatch,
    /// The publisher's format last seen and the subscriber's payload type for it.
    mapping: Option<(Arc<Format>, Option<u8>)>,
    /// A format has been seen that the subscriber does not take, and nobody has asked about it yet.
    is_mismatched: bool,
    selector: Selector,
    rtp: RtpRewriter,
    vp8: Vp8Rewriter,
    /// Capture time of the newest packet sent.
    sent_at: Option<Instant>,
    /// The largest layer this subscriber is to be shown, if not just the best.
    bound: Option<Source>,
    /// It has lost the picture, and maybe what came before it: the next key frame it is sent has everything a decoder needs.
    starts_anew: bool,
}

/// What becomes of a packet.
#[derive(Debug)]
pub(crate) enum Verdict {
    Send(Outgoing),
    /// The subscriber has no payload type for its codec.
    Unmappable,
    /// Not of the layer being sent, or before its key frame.
    Unselected,
}

impl TrackOut {
    pub(crate) fn new(kind: MediaKind, formats: Vec<Format>, rng: &mut Rng) -> Self {
        Self {
            kind,
            formats,
            profiles: H264ProfileMatch::default(),
            mapping: None,
            is_mismatched: false,
            selector: Selector::default(),
            rtp: RtpRewriter::new(rng.next_u32() as u16, rng.next_u32()),
            vp8: Vp8Rewriter::default(),
            sent_at: None,
            bound: None,
            starts_anew: false,
        }
    }

    /// Decides about a packet. What has to be sent before it is put into `before`.
    pub(crate) fn route(&mut self, packet: &Packet, before: &mut Vec<Outgoing>) -> Verdict {
        let Some(pt) = self.payload_type(&packet.format) else {
            return Verdict::Unmappable;
        };
        if packet.payload.is_empty() {
            // Padding that probes the publisher's path: its number must not look like a loss further on.
            if self.selector.current() == Some(packet.source) {
                self.rtp.skip(packet.seq);
            }
            return Verdict::Unselected;
        }
        let can_start = self.kind == MediaKind::Audio || packet.starts_key_frame;
        let target = self.target(packet);
        let choice = self.selector.select(packet.source, can_start, target);
        if choice == Choice::Drop {
            return Verdict::Unselected;
        }
        let vp8 = (packet.format.codec == Codec::Vp8)
            .then(|| Descriptor::parse(&packet.payload))
            .flatten();
        if choice == Choice::Switch {
            self.rtp
                .switch(packet.seq, packet.time, self.elapsed(packet));
            if let Some(descriptor) = &vp8 {
                self.vp8.switch(descriptor);
            }
        }
        if packet.lead.is_some() {
            self.send_lead(packet, pt, choice, before);
        }
        let Some(numbers) = self.rtp.forward(packet.seq, packet.time) else {
            return Verdict::Unselected;
        };
        self.sent_at = Some(
            self.sent_at
                .map_or(packet.wallclock, |newest| newest.max(packet.wallclock)),
        );
        Verdict::Send(Outgoing {
            number: packet.number,
            part: 0,
            pt,
            seq: numbers.seq,
            time: numbers.time,
            marker: packet.marker,
            nackable: self.kind == MediaKind::Video,
            wallclock: packet.wallclock,
            payload: Arc::clone(&packet.payload),
            extensions: packet.extensions,
            vp8: vp8.and_then(|descriptor| self.vp8.forward(&descriptor)),
        })
    }

    /// The packet starts a key frame that needs more than the stream says at this place: whoever starts here is given it.
    #[cold]
    fn send_lead(&mut self, packet: &Packet, pt: u8, choice: Choice, before: &mut Vec<Outgoing>) {
        let starts_anew = std::mem::take(&mut self.starts_anew);
        if choice != Choice::Switch && !starts_anew {
            return;
        }
        let payloads = packet.lead.iter().flat_map(|lead| &lead.0);
        for (part, payload) in (1..).zip(payloads) {
            let Some(numbers) = self.rtp.insert(packet.seq, packet.time) else {
                return;
            };
            before.push(Outgoing {
                number: packet.number,
                part,
                pt,
                seq: numbers.seq,
                time: numbers.time,
                marker: false,
                nackable: true,
                wallclock: packet.wallclock,
                payload: Arc::clone(payload),
                extensions: packet.extensions,
                vp8: None,
            });
        }
    }

    /// Which H.264 it is sent.
    pub(crate) fn match_profiles(&mut self, profiles: H264ProfileMatch) {
        self.profiles = profiles;
        self.mapping = None;
    }

    /// Whether a format has been seen that the subscriber does not take, since the last time this was asked.
    pub(crate) fn take_mismatch(&mut self) -> bool {
        std::mem::take(&mut self.is_mismatched)
    }

    /// The subscriber has asked for a key frame.
    pub(crate) fn on_picture_lost(&mut self) {
        self.starts_anew = true;
    }

    /// Reads what the next packet needs.
    pub(crate) fn touch(&self) -> u64 {
        self.rtp.touch() ^ u64::from(self.sent_at.is_some()) ^ u64::from(self.mapping.is_some())
    }

    /// Whether a key frame of `target` is needed.
    pub(crate) fn is_waiting(&self, target: Source) -> bool {
        self.kind == MediaKind::Video && self.selector.is_waiting(target)
    }

    /// The layer that this subscriber should see.
    pub(crate) fn target(&self, packet: &Packet) -> Source {
        let Some(bound) = self.bound else {
            return packet.target;
        };
        let ladder = packet.ladder.as_deref().unwrap_or_default();
        let place = place_of(ladder, bound);
        place.map_or(packet.target, |place| ladder[place].source)
    }

    /// Goes down to the largest layer that fits into this rate, or to the smallest there is. Answers which; `None` if
    /// there is no smaller one than what is shown.
    pub(crate) fn descend(&mut self, ladder: &Ladder, bits_per_s: u64) -> Option<Rung> {
        let place = self.place(ladder)?;
        let smaller = ladder.get(..place)?;
        let fitting = smaller.iter().rev().find(|rung| fits(rung, bits_per_s));
        let rung = *fitting.or_else(|| smaller.first())?;
        self.bound = Some(rung.source);
        Some(rung)
    }

    /// Goes up by one layer if that fits into this rate.
    pub(crate) fn climb(&mut self, ladder: &Ladder, bits_per_s: u64) -> Option<Rung> {
        self.bound?;
        let rung = *ladder.get(self.place(ladder)? + 1)?;
        if !fits(&rung, bits_per_s) {
            return None;
        }
        self.bound = (ladder.last() != Some(&rung)).then_some(rung.source);
        Some(rung)
    }

    /// The place of what this subscriber should see.
    fn place(&self, ladder: &Ladder) -> Option<usize> {
        let bound = self.bound.and_then(|bound| place_of(ladder, bound));
        bound.or_else(|| ladder.len().checked_sub(1))
    }

    /// What was sent last stands still: see [`Selector::hold`].
    pub(crate) fn hold(&mut self) {
        self.selector.hold();
    }

    /// What is being sent.
    pub(crate) fn current(&self) -> Option<Source> {
        self.selector.current()
    }

    fn payload_type(&mut self, sent: &Arc<Format>) -> Option<u8> {
        if let Some((known, pt)) = &self.mapping
            && Arc::ptr_eq(known, sent)
        {
            return *pt;
        }
        let pt = carrying(&self.formats, sent, self.profiles);
        self.is_mismatched |= pt.is_none();
        self.mapping = Some((Arc::clone(sent), pt));
        pt
    }

    /// Timestamp units from the newest packet sent to this one, at least one: two sources never share a frame.
    fn elapsed(&self, packet: &Packet) -> u32 {
        let Some(sent_at) = self.sent_at else {
            return 0;
        };
        let elapsed = packet.wallclock.saturating_duration_since(sent_at);
        let ticks = elapsed.as_micros() * u128::from(packet.format.codec.clock_rate()) / 1_000_000;
        (ticks as u32).max(1)
    }
}

/// Rates are never quite what they were; a layer needs a little more room than it takes now.
fn fits(rung: &Rung, bits_per_s: u64) -> bool {
    rung.bits_per_s + rung.bits_per_s / 10 <= bits_per_s
}

/// The encoder may have been restarted meanwhile; a layer of another feeder is another one.
fn place_of(ladder: &Ladder, bound: Source) -> Option<usize> {
    let is_it = |rung: &Rung| (rung.source.feed, rung.source.layer) == (bound.feed, bound.layer);
    ladder.iter().position(is_it)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::format;
    use crate::packet::Extensions;

    // The sentinel every other instant is relative to; nothing here depends on the clock.
    #[allow(clippy::disallowed_methods)]
    fn epoch() -> Instant {
        Instant::now()
    }

    const KEY: &[u8] = &[0x90, 0x80, 0x80, 0x01, 0x00];
    const DELTA: &[u8] = &[0x90, 0x80, 0x80, 0x02, 0x01];

    struct Rig {
        track: TrackOut,
        vp8: Arc<Format>,
        epoch: Instant,
    }

    impl Rig {
        fn new() -> Self {
            let formats = vec![format(120, Codec::Vp8, "")];
            Self {
                track: TrackOut::new(MediaKind::Video, formats, &mut Rng::new(3)),
                vp8: Arc::new(format(96, Codec::Vp8, "")),
                epoch: epoch(),
            }
        }

        fn packet(&self, feed: u64, seq: u64, ms: u64, payload: &[u8]) -> Packet {
            let source = Source {
                feed,
                layer: 0,
                epoch: 0,
            };
            Packet {
                kind: MediaKind::Video,
                source,
                target: source,
                ladder: None,
                format: Arc::clone(&self.vp8),
                seq,
                time: feed * 1_000_000 + ms * 90,
                marker: true,
                starts_key_frame: crate::codec::vp8::starts_key_frame(payload),
                lead: None,
                number: seq,
                arrived: self.epoch + Duration::from_millis(ms),
                wallclock: self.epoch + Duration::from_millis(ms),
                payload: payload.into(),
                extensions: Extensions::default(),
            }
        }

        fn send(&mut self, feed: u64, seq: u64, ms: u64, payload: &[u8]) -> Option<Outgoing> {
            let packet = self.packet(feed, seq, ms, payload);
            match self.track.route(&packet, &mut Vec::new()) {
                Verdict::Send(outgoing) => Some(outgoing),
                Verdict::Unmappable | Verdict::Unselected => None,
            }
        }
    }

    #[test]
    fn the_picture_starts_at_a_key_frame_under_the_subscribers_payload_type() {
        let mut rig = Rig::new();
        assert!(rig.send(1, 10, 0, DELTA).is_none());
        let first = rig.send(1, 11, 33, KEY).unwrap();
        let second = rig.send(1, 12, 66, DELTA).unwrap();
        assert_eq!(first.pt, 120);
        assert!(first.nackable);
        assert_eq!(second.seq, first.seq + 1);
        assert_eq!(second.time, first.time.wrapping_add(33 * 90));
    }

    #[test]
    fn a_change_of_feeder_is_invisible_in_numbers_and_time() {
        let mut rig = Rig::new();
        rig.send(1, 10, 0, KEY).unwrap();
        let last = rig.send(1, 11, 40, DELTA).unwrap();
        assert!(rig.send(2, 900, 1_000, DELTA).is_none());
        let next = rig.send(2, 901, 1_040, KEY).unwrap();
        assert_eq!(next.seq, last.seq + 1);
        assert_eq!(next.time, last.time.wrapping_add(90_000));
        let picture_id = next.vp8.unwrap().picture_id;
        assert_eq!(picture_id, Some(3), "after 1 and 2");
    }

    #[test]
    fn timestamps_go_forward_even_when_capture_times_do_not() {
        let mut rig = Rig::new();
        let last = rig.send(1, 10, 500, KEY).unwrap();
        let next = rig.send(2, 5, 400, KEY).unwrap();
        assert_eq!(next.time, last.time.wrapping_add(1));
    }

    /// Three layers of 100, 200 and 400 bits a second.
    fn ladder(feed: u64) -> [Rung; 3] {
        [0, 1, 2].map(|layer| Rung {
            source: Source {
                feed,
                layer,
                epoch: 0,
            },
            bits_per_s: 100 << layer,
        })
    }

    #[test]
    fn a_bound_is_the_largest_layer_that_fits_with_room_to_spare() {
        let ladder = ladder(1);
        let mut rig = Rig::new();
        let layer = |rung: Option<Rung>| rung.map(|rung| rung.source.layer);
        assert_eq!(layer(rig.track.climb(&ladder, 10_000)), None, "it is there");
        assert_eq!(layer(rig.track.descend(&ladder, 10_000)), Some(1));
        assert_eq!(layer(rig.track.climb(&ladder, 439)), None);
        assert_eq!(layer(rig.track.climb(&ladder, 440)), Some(2));
        assert_eq!(layer(rig.track.descend(&ladder, 219)), Some(0));
        assert_eq!(layer(rig.track.climb(&ladder, 10_000)), Some(1));
        assert_eq!(layer(rig.track.descend(&ladder, 0)), Some(0));
        assert_eq!(layer(rig.track.descend(&ladder, 0)), None, "no smaller one");
        assert_eq!(layer(rig.track.descend(&[], 10_000)), None);
    }

    #[test]
    fn a_bound_holds_for_one_feeder() {
        let mut rig = Rig::new();
        let shown = |rig: &Rig, feed| {
            let mut packet = rig.packet(feed, 1, 0, KEY);
            let ladder = ladder(feed);
            packet.target = ladder[2].source;
            packet.ladder = Some(ladder.into());
            rig.track.target(&packet).layer
        };
        assert_eq!(shown(&rig, 1), 2);
        rig.track.descend(&ladder(1), 250);
        assert_eq!(shown(&rig, 1), 1);
        assert_eq!(shown(&rig, 2), 2, "another encoder's layers are others");
    }

    #[test]
    fn probing_padding_leaves_no_gap() {
        let mut rig = Rig::new();
        let first = rig.send(1, 10, 0, KEY).unwrap();
        assert!(rig.send(1, 11, 0, &[]).is_none());
        assert_eq!(rig.send(1, 12, 33, DELTA).unwrap().seq, first.seq + 1);
    }

    #[test]
    fn what_a_decoder_needs_is_sent_where_it_starts_and_nowhere_else() {
        use crate::codec::parameter_sets::Lead;

        let format = || format(102, Codec::H264, "packetization-mode=1");
        let mut track = TrackOut::new(MediaKind::Video, vec![format()], &mut Rng::new(3));
        let (rig, sent) = (Rig::new(), Arc::new(format()));
        let lead = Arc::new(Lead(vec![vec![0x67].into(), vec![0x68].into()]));
        let send = |track: &mut TrackOut, seq: u64, is_key: bool| {
            let mut packet = rig.packet(1, seq, seq * 33, &[0x65]);
            packet.format = Arc::clone(&sent);
            packet.starts_key_frame = is_key;
            packet.lead = is_key.then(|| Arc::clone(&lead));
            let mut burst = Vec::new();
            if let Verdict::Send(outgoing) = track.route(&packet, &mut burst) {
                burst.push(outgoing);
            }
            burst
        };
        assert!(send(&mut track, 9, false).is_empty());
        let first = send(&mut track, 10, true);
        let parts: Vec<(u8, u8, bool)> = first
            .iter()
            .map(|outgoing| (outgoing.part, outgoing.payload[0], outgoing.marker))
            .collect();
        assert_eq!(parts, [(1, 0x67, false), (2, 0x68, false), (0, 0x65, true)]);
        assert!(first.iter().all(|outgoing| {
            (outgoing.number, outgoing.time) == (10, first[2].time) && outgoing.nackable
        }));
        let seqs = |burst: &[Outgoing]| burst.iter().map(|one| one.seq).collect::<Vec<u64>>();
        let start = first[0].seq;
        assert_eq!(seqs(&first), [start, start + 1, start + 2]);
        assert_eq!(seqs(&send(&mut track, 11, false)), [start + 3]);
        assert_eq!(seqs(&send(&mut track, 12, true)), [start + 4], "it goes on");
        track.on_picture_lost();
        assert_eq!(seqs(&send(&mut track, 13, false)), [start + 5]);
        assert_eq!(send(&mut track, 14, true).len(), 3, "it starts anew");
        assert_eq!(seqs(&send(&mut track, 15, true)), [start + 9], "once");
    }

    #[test]
    fn a_codec_the_subscriber_lacks_is_not_sent() {
        let mut rig = Rig::new();
        let mut packet = rig.packet(1, 1, 0, KEY);
        packet.format = Arc::new(format(97, Codec::H264, "packetization-mode=1"));
        let verdict = rig.track.route(&packet, &mut Vec::new());
        assert!(matches!(verdict, Verdict::Unmappable));
    }
}
