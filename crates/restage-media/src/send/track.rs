//! Which packets of one kind a subscriber receives, and under which numbers.

#[cfg(test)]
mod av1_tests;
mod carrier;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use restage_codec::{Codec, MediaKind};

use crate::allocate::stream::PauseReason;
use crate::allocate::table::Allotted;
use crate::packet::Packet;
use crate::packet::{Cut, Encoding, Ladder, Rung, place_of};
use crate::publication::select::{Choice, Selector};
use crate::publication::thin::{Passage, Thinner};
use crate::sdp::format::H264ProfileMatch;
use crate::sdp::format::{Format, carrying};
use crate::send::Outgoing;
use crate::send::rewrite::Edit;
use crate::send::rewrite::descriptor::DescriptorRewriter;
use crate::send::rewrite::picture::PictureRewriter;
use crate::send::rewrite::rtp::RtpRewriter;
use crate::util::rng::Rng;
use carrier::{Carrier, Change};

#[derive(Debug)]
pub(crate) struct TrackOut {
    kind: MediaKind,
    /// The formats that the subscriber has offered.
    formats: Vec<Format>,
    profiles: H264ProfileMatch,
    /// The publisher's newest format and how it is sent to the subscriber, if it can be.
    mapping: Option<(Arc<Format>, Option<Carrier>)>,
    /// A format has come that the subscriber has not offered, and [`take_mismatch`](Self::take_mismatch) has not been called
    /// since.
    is_mismatched: bool,
    selector: Selector,
    thinner: Thinner,
    rtp: RtpRewriter,
    pictures: PictureRewriter,
    /// `None`: the subscriber takes no dependency descriptors.
    descriptors: Option<Box<DescriptorRewriter>>,
    /// Capture time of the newest packet sent.
    sent_at: Option<Instant>,
    /// The largest layer that the hard limit of its receiver permits; `None`: the best.
    bound: Option<(Encoding, Cut)>,
    /// What its network carries and it wishes for.
    allotted: Allotted,
    /// What is left out of its pictures because the worker is overloaded.
    thinning: Thinning,
    /// One of the three above leaves something out. Only this is checked for every packet.
    is_bound: bool,
    /// The network is jammed: a layer larger than what is allotted is left before there is a key frame of a smaller one.
    leaves_at_once: bool,
    /// When pictures are withheld or a layer is left at once: the timestamp of the last picture that is still sent.
    last_picture: Option<u64>,
    /// It has lost the picture and maybe the parameter sets: its next key frame is sent with all of them.
    starts_anew: bool,
}

/// What an overloaded worker leaves out of the pictures of a subscriber. Audio is always sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Thinning {
    /// Nothing is withheld.
    #[default]
    None,
    /// All layers except the smallest, if there are several.
    Smallest,
    /// All pictures. The present picture is sent to its end; then it stands until a key frame after this is over.
    Withheld,
}

/// The decision about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the last of those that were appended.
    Sent,
    /// The subscriber has no payload type for its codec.
    Unmappable,
    /// It belongs to another layer, or comes before the key frame.
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
            thinner: Thinner::default(),
            rtp: RtpRewriter::new(rng.next_u32() as u16, rng.next_u32()),
            pictures: PictureRewriter::default(),
            descriptors: None,
            sent_at: None,
            bound: None,
            allotted: Allotted::Any,
            thinning: Thinning::None,
            is_bound: false,
            leaves_at_once: false,
            last_picture: None,
            starts_anew: false,
        }
    }

    /// The subscriber takes dependency descriptors.
    pub(crate) fn with_descriptors(mut self) -> Self {
        self.descriptors = Some(Box::default());
        self
    }

    /// Decides about a packet. If it is sent, it is appended to `burst`, after those that have to be sent before it.
    pub(crate) fn route(&mut self, packet: &Packet, burst: &mut Vec<Outgoing>) -> Verdict {
        let Some(carrier) = self.carrier(&packet.format) else {
            return Verdict::Unmappable;
        };
        if packet.payload.is_empty() {
            // A packet of padding probes the path of the publisher. Its number must not look like a loss to the subscriber.
            if self.selector.current() == Some(packet.encoding) {
                self.rtp.skip(packet.seq, false);
            }
            return Verdict::Unselected;
        }
        if self.is_bound && self.withholds(packet) {
            return Verdict::Unselected;
        }
        let can_start = self.kind == MediaKind::Audio || packet.starts_key_frame;
        let target = self.target(packet);
        let choice = self.selector.select(packet.encoding, can_start, target);
        if choice == Choice::Drop {
            return Verdict::Unselected;
        }
        if choice == Choice::Switch {
            self.leaves_at_once = false;
            self.rtp
                .switch(packet.seq, packet.time, self.elapsed(packet));
            self.thinner = Thinner::default();
            if let Some(descriptors) = &mut self.descriptors {
                descriptors.switch();
            }
        }
        let may_thin = self.is_bound || self.thinner.is_active() || packet.frame.is_alone;
        let may_thin = may_thin || self.is_blind_to(packet);
        let may_thin = may_thin && self.kind == MediaKind::Video;
        if may_thin && self.leaves_out(packet, target) {
            return Verdict::Unselected;
        }
        if packet.lead.is_some() {
            self.send_lead(packet, carrier.pt, choice, burst);
        }
        let Some(numbers) = self.rtp.forward(packet.seq, packet.time) else {
            return Verdict::Unselected;
        };
        self.sent_at = Some(
            self.sent_at
                .map_or(packet.wallclock, |newest| newest.max(packet.wallclock)),
        );
        let (payload, edit) = match carrier.change {
            Change::Nothing => (&packet.payload, None),
            change => self.change(packet, change, choice),
        };
        let descriptor = match &packet.descriptor {
            Some(descriptor) if self.descriptors.is_some() => Some(Arc::clone(descriptor)),
            _ => None,
        };
        burst.push(Outgoing {
            number: packet.number,
            part: 0,
            pt: carrier.pt,
            seq: numbers.seq,
            time: numbers.time,
            marker: packet.marker || self.thinner.ends_picture(&packet.frame),
            nackable: self.kind == MediaKind::Video,
            starts: packet.starts_key_frame,
            wallclock: packet.wallclock,
            payload: Arc::clone(payload),
            extensions: packet.extensions,
            descriptor,
            edit,
        });
        Verdict::Sent
    }

    /// The payload to send, and what is written over its fields.
    fn change<'a>(
        &mut self,
        packet: &'a Packet,
        change: Change,
        choice: Choice,
    ) -> (&'a Arc<[u8]>, Option<Edit>) {
        match change {
            Change::Nothing => (&packet.payload, None),
            Change::Pictures => (&packet.payload, self.renumber(packet, choice)),
            Change::Descriptors => (&packet.payload, self.describe(packet)),
            Change::Unwrap => (packet.plain.as_ref().unwrap_or(&packet.payload), None),
            Change::BlockType(block_type) => (&packet.payload, Some(Edit::BlockType(block_type))),
        }
    }

    fn renumber(&mut self, packet: &Packet, choice: Choice) -> Option<Edit> {
        let came = &packet.frame.numbers;
        if choice == Choice::Switch {
            self.pictures.switch(came);
        }
        let numbers = self.pictures.forward(came)?;
        Edit::of_picture(packet.format.codec, numbers)
    }

    fn describe(&mut self, packet: &Packet) -> Option<Edit> {
        let descriptors = self.descriptors.as_mut()?;
        let came = packet.descriptor.as_ref()?;
        let edit = descriptors.forward(came, self.thinner.current());
        Some(Edit::Descriptor(edit))
    }

    /// Whether a packet is of a stream with spatial layers that the subscriber cannot tell apart, because it takes no descriptors.
    fn is_blind_to(&self, packet: &Packet) -> bool {
        let descriptor = packet.descriptor.as_ref();
        descriptor.is_some_and(|one| self.descriptors.is_none() && one.top().spatial > 0)
    }

    /// Whether a packet of the encoding that is forwarded is left out because only a part of it is to be sent. What follows takes its
    /// numbers.
    fn leaves_out(&mut self, packet: &Packet, target: Encoding) -> bool {
        let mut wanted = match self.is_bound {
            true => self.cut(packet, target),
            false => Cut::WHOLE,
        };
        if self.is_blind_to(packet) {
            wanted.spatial = Cut::BASE.spatial;
        }
        let Passage::Closed { goes_on } = self.thinner.pass(packet, wanted) else {
            return false;
        };
        // The picture ids of VP9 count what is left out, too: receivers know by them which layer a missing picture had (RFC 9628 §4.2.1).
        if packet.format.codec == Codec::Vp8 {
            self.pictures.skip(&packet.frame.numbers);
        }
        // A packet that comes when later ones were sent is sent after all: its number is waited for. It does no harm, as the frame that it
        // belongs to never becomes whole.
        self.rtp.skip(packet.seq, goes_on)
    }

    /// What should be sent of the encoding of a packet. One that is larger than the target goes on until the target's key frame: as
    /// little as possible of it is sent.
    fn cut(&self, packet: &Packet, target: Encoding) -> Cut {
        let ladder = packet.ladder.as_deref().unwrap_or_default();
        let wanted = self.place_among(ladder);
        if packet.encoding.is_layer_of(target) {
            let rung = wanted.and_then(|place| ladder.get(place));
            return match (self.allotted, rung) {
                (Allotted::UpTo(encoding, cut), Some(rung)) if rung.is_of(encoding, cut) => cut,
                (Allotted::UpTo(encoding, cut), None) if encoding.is_layer_of(target) => cut,
                (_, rung) => rung.map_or(Cut::WHOLE, |rung| rung.cut),
            };
        }
        match place_of(ladder, packet.encoding, Cut::WHOLE) > wanted {
            true => Cut::BASE,
            false => Cut::WHOLE,
        }
    }

    /// Whether a packet is left out. Pictures are cut off only between two pictures, so that none is damaged.
    #[cold]
    fn withholds(&mut self, packet: &Packet) -> bool {
        if self.kind != MediaKind::Video || !(self.is_withheld() || self.is_left(packet)) {
            return false;
        }
        if self.selector.is_still() || self.selector.current() != Some(packet.encoding) {
            return true;
        }
        if packet.time <= *self.last_picture.get_or_insert(packet.time) {
            return false;
        }
        self.selector.hold();
        true
    }

    /// Whether a packet is of a layer that is left at once: of another encoding than is wanted, or of one of which a lower spatial layer
    /// begins with a key frame.
    fn is_left(&self, packet: &Packet) -> bool {
        let is_too_large = self.thinner.is_too_large() && !packet.starts_key_frame;
        self.leaves_at_once
            && self.selector.current() == Some(packet.encoding)
            && (is_too_large || self.target(packet) != packet.encoding)
    }

    /// Sets what is left out from now on because the worker is overloaded. No key frame is requested meanwhile; pictures that were
    /// withheld go on with the next key frame.
    pub(crate) fn thin(&mut self, thinning: Thinning) {
        let was_withheld = self.is_withheld();
        self.thinning = thinning;
        self.after_change(was_withheld);
    }

    /// Sets which pictures its network carries and it wishes for. While there are none, no key frame is requested. On a network that
    /// `is_jammed`, a layer that is larger from now on is left after the present picture.
    pub(crate) fn allot(&mut self, allotted: Allotted, is_jammed: bool) {
        let was_withheld = self.is_withheld();
        let left_at_once = self.leaves_at_once && allotted == self.allotted;
        self.leaves_at_once = is_jammed || left_at_once;
        if self.leaves_at_once && !left_at_once {
            self.last_picture = None;
        }
        self.allotted = allotted;
        self.after_change(was_withheld);
    }

    fn after_change(&mut self, was_withheld: bool) {
        if self.is_withheld() != was_withheld {
            self.last_picture = None;
        }
        self.bind(self.bound);
    }

    fn bind(&mut self, bound: Option<(Encoding, Cut)>) {
        self.bound = bound;
        self.is_bound =
            bound.is_some() || self.allotted != Allotted::Any || self.thinning != Thinning::None;
        if !self.is_bound {
            self.thinner.lift();
        }
    }

    /// Whether all pictures are left out.
    pub(crate) fn is_withheld(&self) -> bool {
        self.pause().is_some()
    }

    /// Why all pictures are left out, if they are.
    pub(crate) fn pause(&self) -> Option<PauseReason> {
        match (self.allotted, self.thinning) {
            (Allotted::Unwanted, _) => Some(PauseReason::Wish),
            (_, Thinning::Withheld) => Some(PauseReason::Overload),
            (Allotted::Paused, _) => Some(PauseReason::Network),
            _ => None,
        }
    }

    /// The packet starts a key frame for which the stream does not have all parameter sets at this place: a subscriber that
    /// starts here is sent them.
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
                starts: true,
                wallclock: packet.wallclock,
                payload: Arc::clone(payload),
                extensions: packet.extensions,
                descriptor: None,
                edit: None,
            });
        }
    }

    /// Sets which H.264 profiles it is sent.
    pub(crate) fn match_profiles(&mut self, profiles: H264ProfileMatch) {
        self.profiles = profiles;
        self.mapping = None;
    }

    /// Whether a format has come that the subscriber has not offered, since the last call.
    pub(crate) fn take_mismatch(&mut self) -> bool {
        std::mem::take(&mut self.is_mismatched)
    }

    /// The subscriber has asked for a key frame.
    pub(crate) fn on_picture_lost(&mut self) {
        self.starts_anew = true;
    }

    /// Reads the memory that the next packet needs: see [`Sender::touch`](super::Sender::touch).
    pub(crate) fn touch(&self) -> u64 {
        self.rtp.touch() ^ u64::from(self.sent_at.is_some()) ^ u64::from(self.mapping.is_some())
    }

    /// Whether a key frame of `target` is needed.
    pub(crate) fn is_waiting(&self, target: Encoding) -> bool {
        let is_waiting = || self.selector.is_waiting(target) || self.thinner.is_waiting();
        self.kind == MediaKind::Video && !self.is_withheld() && is_waiting()
    }

    /// The encoding that this subscriber should be shown.
    pub(crate) fn target(&self, packet: &Packet) -> Encoding {
        match self.is_bound {
            true => self.target_among(packet.ladder.as_deref(), packet.target),
            false => packet.target,
        }
    }

    /// The encoding of these that this subscriber should be shown, when `best` is the best.
    pub(crate) fn target_among(&self, ladder: Option<&Ladder>, best: Encoding) -> Encoding {
        let ladder = ladder.unwrap_or_default();
        let place = self.place_among(ladder);
        place.map_or(best, |place| ladder[place].encoding)
    }

    /// The place of what this subscriber should be shown; `None`: the best. It is on the ladder.
    fn place_among(&self, ladder: &Ladder) -> Option<usize> {
        if self.thinning != Thinning::None {
            return ladder.first().map(|_| 0);
        }
        let bound = self.bound;
        let limited = bound.and_then(|(encoding, cut)| place_of(ladder, encoding, cut));
        let places = limited.into_iter().chain(self.allotted_place(ladder));
        places.min().filter(|place| *place < ladder.len())
    }

    /// The place on the ladder up to which its network carries the layers. Of another feed that is not known yet.
    fn allotted_place(&self, ladder: &Ladder) -> Option<usize> {
        match self.allotted {
            Allotted::UpTo(encoding, cut) => {
                Some(place_of(ladder, encoding, cut).unwrap_or_default())
            }
            Allotted::Any | Allotted::Paused | Allotted::Unwanted => None,
        }
    }

    /// Goes down to the largest layer that fits into this rate, or to the smallest. Returns it; `None` if there is no smaller
    /// layer than the present one.
    pub(crate) fn descend(&mut self, ladder: &Ladder, bits_per_s: u64) -> Option<Rung> {
        let present = self.place(ladder)?;
        let shown = self.allotted_place(ladder);
        let place = shown.map_or(present, |shown| shown.min(present));
        let smaller = ladder.get(..place)?;
        let fitting = smaller.iter().rev().find(|rung| fits(rung, bits_per_s));
        let rung = *fitting.or_else(|| smaller.first())?;
        self.bind(Some((rung.encoding, rung.cut)));
        Some(rung)
    }

    /// Goes up by one layer if that one fits into this rate, and returns it.
    pub(crate) fn climb(&mut self, ladder: &Ladder, bits_per_s: u64) -> Option<Rung> {
        self.bound?;
        let rung = *ladder.get(self.place(ladder)? + 1)?;
        if !fits(&rung, bits_per_s) {
            return None;
        }
        self.bind((ladder.last() != Some(&rung)).then_some((rung.encoding, rung.cut)));
        Some(rung)
    }

    /// The place on the ladder up to which the hard limit permits layers.
    fn place(&self, ladder: &Ladder) -> Option<usize> {
        let bound = self.bound;
        let bound = bound.and_then(|(encoding, cut)| place_of(ladder, encoding, cut));
        bound.or_else(|| ladder.len().checked_sub(1))
    }

    /// The picture that was sent last stands still: see [`Selector::hold`].
    pub(crate) fn hold(&mut self) {
        self.selector.hold();
    }

    /// The encoding that is sent.
    pub(crate) fn current(&self) -> Option<Encoding> {
        self.selector.current()
    }

    /// What is sent of which encoding.
    pub(crate) fn shown(&self) -> Option<(Encoding, Cut)> {
        Some((self.selector.current()?, self.thinner.current()))
    }

    /// How the packets are encoded that were sent last.
    pub(crate) fn codec(&self) -> Option<Codec> {
        let (format, carrier) = self.mapping.as_ref()?;
        carrier.map(|_| format.codec)
    }

    fn carrier(&mut self, sent: &Arc<Format>) -> Option<Carrier> {
        if let Some((known, carrier)) = &self.mapping
            && Arc::ptr_eq(known, sent)
        {
            return *carrier;
        }
        let own = carrying(&self.formats, sent, self.profiles);
        let has_descriptors = self.descriptors.is_some();
        let carrier = own.map(|own| Carrier::new(own, sent, has_descriptors));
        self.is_mismatched |= carrier.is_none();
        self.mapping = Some((Arc::clone(sent), carrier));
        carrier
    }

    /// Timestamp units from the newest packet sent to this one; at least one, because two encodings never share a picture.
    fn elapsed(&self, packet: &Packet) -> u32 {
        let Some(sent_at) = self.sent_at else {
            return 0;
        };
        let elapsed = packet.wallclock.saturating_duration_since(sent_at);
        let ticks = elapsed.as_micros() * u128::from(packet.format.codec.clock_rate()) / 1_000_000;
        (ticks as u32).max(1)
    }
}

/// Rates vary: a layer needs a little more room than it takes now.
fn fits(rung: &Rung, bits_per_s: u64) -> bool {
    rung.bits_per_s + rung.bits_per_s / 10 <= bits_per_s
}
