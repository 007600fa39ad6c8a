//! One WebRTC connection: its transport, its addresses, whether it is alive, and what it sends or receives.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use crate::allocate::download::{Download, Place};
use crate::allocate::share::{Share, Usage};
use crate::allocate::stream::StreamState;
use crate::allocate::wish::Wish;
use crate::bitrate::Upload;
use crate::io::datagrams::Remote;
use crate::io::{Excess, PeerId};
use crate::limits::{
    ADDRESSES_PER_PEER_MAX, CONNECT_MAX, CONSENT_AFTER, CONSENT_KNOWN_AFTER, IDLE_TICK,
    PEER_SILENCE_MAX, PEER_SILENCE_UNCHECKED_MAX, PEER_SILENCE_UNKNOWN_MAX,
};
use crate::packet::Packet;
use crate::packet::{Encoding, Ladder};
use crate::publication::Publication;
use crate::publication::head::Start;
use crate::receive::keyframe::KeyframeBudget;
use crate::sdp::format::Format;
use crate::sdp::format::H264ProfileMatch;
use crate::sdp::offer::{IceCredentials, Offer, Role};
use crate::send::Outgoing;
use crate::send::seat::{OWN, SeatNumber};
use crate::send::track::{Thinning, TrackOut, Verdict};
use crate::sfu::carrier::{Carriage, Carrier};
use crate::sfu::receiver::{PathNews, Receiver};
use crate::transport::Transport;
use crate::transport::event::{Failure, Sink};
use crate::util::rng::Rng;
use crate::util::slab::Index;

pub(crate) struct Peer {
    pub(crate) key: PeerId,
    /// `None` of a subscription that another peer carries, and of a carrier that has no answer yet.
    pub(crate) transport: Option<Transport>,
    /// Which peer carries this subscription, if it has no connection of its own. Boxed, as what follows: mostly there is none.
    pub(crate) carriage: Option<Box<Carriage>>,
    /// The subscriptions that this connection carries, if it is for that.
    pub(crate) carrier: Option<Box<Carrier>>,
    pub(crate) offer: Offer,
    /// Credentials of this ICE session, which a restart replaces.
    pub(crate) remote_ice: IceCredentials,
    pub(crate) local_ufrag: String,
    pub(crate) ice_restarts: u32,
    pub(crate) candidates_trickled: u32,
    /// Addresses that it is known to use, newest last.
    addresses: VecDeque<Remote>,
    /// An address of another peer that this one claims.
    pub(crate) claimed: Option<Remote>,
    pub(crate) address_changes: u32,
    opened_at: Instant,
    pub(crate) last_seen_at: Instant,
    /// It sends consent checks (RFC 7675).
    checks_consent: bool,
    pub(crate) is_connected: bool,
    /// It is not served by a timer before this.
    pub(crate) rests_until: Instant,
    /// What it feeds or receives.
    pub(crate) publication: Option<Index>,
    /// A publisher's payload types.
    pub(crate) formats: Arc<[Arc<Format>]>,
    /// A subscriber's tracks.
    tracks: [Option<TrackOut>; 2],
    /// Key frames that a subscriber may ask for.
    pub(crate) key_frames: KeyframeBudget,
    /// It has wished for something else since the last key frame of its budget was spent.
    owes_key_frame: bool,
    /// What a subscriber cannot decode, as far as it has been reported.
    pub(crate) undecodable: Vec<(MediaKind, String)>,
    /// Counts what a publisher sends, if that is limited.
    upload: Option<Upload>,
    /// Counts what a subscriber is sent, if that is limited. Boxed: without a limit this memory is not touched.
    share: Option<Box<Share>>,
    /// A subscriber's part in what its receiver is shown. Boxed for the same reason.
    receiver: Option<Box<Receiver>>,
}

/// A time limit that a peer has exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Silent,
    NeverConnected,
}

/// What became of a burst.
#[derive(Debug, Default)]
pub(crate) struct Forwarded {
    pub(crate) sent: u64,
    pub(crate) unmappable: u64,
    pub(crate) unselected: u64,
    /// The layer whose key frame is needed.
    pub(crate) wanted: Option<Encoding>,
    /// The peer's deadline may have moved.
    pub(crate) is_unsettled: bool,
    /// Packets have come in a format that the subscriber has not offered.
    pub(crate) is_mismatched: bool,
}

impl Peer {
    pub(crate) fn new(
        key: PeerId,
        transport: Option<Transport>,
        offer: Offer,
        now: Instant,
        rng: &mut Rng,
    ) -> Self {
        let mut formats = Vec::new();
        let mut tracks = [None, None];
        for media in offer.media() {
            match offer.role {
                Role::Publisher => formats.extend(media.formats.iter().cloned().map(Arc::new)),
                Role::Subscriber => {
                    let track = TrackOut::new(media.kind, media.formats.clone(), rng);
                    tracks[media.kind.index()] = Some(match media.has_descriptors() {
                        true => track.with_descriptors(),
                        false => track,
                    });
                }
            }
        }
        let local = transport.as_ref().map(Transport::local);
        Self {
            key,
            remote_ice: offer.ice.clone(),
            offer,
            local_ufrag: local.map_or_else(String::new, |local| local.ufrag.clone()),
            transport,
            carriage: None,
            carrier: None,
            ice_restarts: 0,
            candidates_trickled: 0,
            addresses: VecDeque::new(),
            claimed: None,
            address_changes: 0,
            opened_at: now,
            last_seen_at: now,
            checks_consent: false,
            is_connected: false,
            rests_until: now,
            publication: None,
            formats: formats.into(),
            tracks,
            key_frames: KeyframeBudget::new(now),
            owes_key_frame: false,
            undecodable: Vec::new(),
            upload: None,
            share: None,
            receiver: None,
        }
    }

    /// Limits what a publisher may send.
    pub(crate) fn limit_upload(&mut self, now: Instant, bits_per_s_max: u64) {
        self.upload = Some(Upload::new(now, bits_per_s_max));
    }

    /// Makes this subscriber one of a receiver's, with a wish of its own.
    pub(crate) fn receive_as(&mut self, now: Instant, download: &Arc<Download>, wish: Wish) {
        self.share = Share::new(now, download).map(Box::new);
        let place = match self.carriage {
            Some(_) => Place::carried(download),
            None => Place::new(download),
        };
        self.receiver = Some(Box::new(Receiver::new(now, place, wish)));
    }

    /// The client of a carrier has answered for the first time.
    pub(crate) fn begin_connecting(
        &mut self,
        now: Instant,
        transport: Transport,
        remote: IceCredentials,
    ) {
        self.local_ufrag.clone_from(&transport.local().ufrag);
        self.transport = Some(transport);
        self.remote_ice = remote;
        self.opened_at = now;
        self.last_seen_at = now;
    }

    /// It has no part any more in what its receiver is shown.
    pub(crate) fn leave_receiver(&mut self) {
        self.receiver = None;
    }

    /// The seat of its streams.
    pub(crate) fn seat(&self) -> SeatNumber {
        self.carriage.as_ref().map_or(OWN, |carriage| carriage.seat)
    }

    /// The peer that carries it.
    pub(crate) fn carrier_index(&self) -> Option<Index> {
        self.carriage.as_ref().map(|carriage| carriage.carrier)
    }

    /// The number of its place among the subscriptions of its receiver.
    pub(crate) fn place_number(&self) -> Option<u64> {
        self.receiver.as_ref().map(|receiver| receiver.number())
    }

    /// Begins to take a kind of media, or ends that.
    pub(crate) fn set_track(&mut self, kind: MediaKind, track: Option<TrackOut>) {
        self.tracks[kind.index()] = track;
    }

    /// What is known of its connection.
    fn path(&mut self) -> PathNews<'_> {
        let transport = self.transport.as_mut();
        PathNews {
            estimator: transport.and_then(Transport::estimator_mut),
            shared: self.carrier.as_mut().map(|carrier| &mut carrier.shared),
        }
    }

    /// What this subscriber wishes from now on. A key frame that this takes is one that it has asked for.
    pub(crate) fn set_wish(&mut self, wish: Wish) {
        if let Some(receiver) = &mut self.receiver {
            self.owes_key_frame |= receiver.wish != wish;
            receiver.wish = wish;
        }
    }

    /// Whether a further key frame may be asked for on behalf of this subscriber, which is shown other pictures: not before it has
    /// earned it, if that is by its own wish.
    pub(crate) fn may_switch(&mut self, now: Instant) -> bool {
        if self.owes_key_frame && !self.key_frames.spend(now) {
            return false;
        }
        self.owes_key_frame = false;
        true
    }

    /// When this subscriber is due to take what it is allotted.
    pub(crate) fn allots_at(&self) -> Option<Instant> {
        let receiver = self.receiver.as_ref()?;
        self.is_connected.then_some(receiver.due_at)
    }

    /// Whether this subscriber takes what it is allotted because feedback has come to its connection.
    pub(crate) fn allots_after_feedback(
        &mut self,
        now: Instant,
        carrier: Option<&mut Self>,
    ) -> bool {
        let Some(receiver) = self.receiver.as_ref().filter(|_| self.is_connected) else {
            return false;
        };
        let transport = match carrier {
            Some(carrier) => carrier.transport.as_mut(),
            None => self.transport.as_mut(),
        };
        let estimator = transport.and_then(Transport::estimator_mut);
        receiver.is_ready(now, estimator.as_deref())
    }

    /// Takes what this subscriber is allotted of a publication. Returns what has to be told.
    pub(crate) fn allot(
        &mut self,
        now: Instant,
        publication: Option<&Publication>,
        carrier: Option<&mut Self>,
    ) -> Option<StreamState> {
        let receiver = self.receiver.as_mut()?;
        let has_audio = self.tracks[MediaKind::Audio.index()].is_some();
        let video = self.tracks[MediaKind::Video.index()].as_mut();
        let path = match carrier {
            Some(carrier) => carrier.path(),
            None => PathNews {
                estimator: self.transport.as_mut().and_then(Transport::estimator_mut),
                shared: None,
            },
        };
        receiver.allot(now, publication, video, has_audio, path)
    }

    /// How many layers its publisher should send for this subscriber, as of its last allotment.
    pub(crate) fn wants(&self) -> usize {
        self.receiver.as_ref().map_or(0, |receiver| receiver.wants)
    }

    /// What of its network's rate is reserved for this subscriber, in bits per second with headers.
    pub(crate) fn reserved(&self) -> u64 {
        let receiver = self.receiver.as_ref();
        receiver.map_or(0, |receiver| receiver.reserved)
    }

    /// A subscriber's track of a kind.
    pub(crate) fn track(&self, kind: MediaKind) -> Option<&TrackOut> {
        self.tracks[kind.index()].as_ref()
    }

    /// The encoding of a publication that this subscriber should be shown, when `best` is the best.
    pub(crate) fn target(&self, ladder: Option<&Ladder>, best: Encoding) -> Encoding {
        let video = self.tracks[MediaKind::Video.index()].as_ref();
        video.map_or(best, |track| track.target_among(ladder, best))
    }

    /// The encodings that this subscriber may begin with, the one to be preferred first.
    pub(crate) fn first_encodings(
        &self,
        ladder: Option<&Ladder>,
        target: Encoding,
    ) -> Vec<Encoding> {
        let receiver = self.receiver.as_ref();
        receiver.map_or_else(
            || vec![target],
            |receiver| receiver.first_encodings(ladder.unwrap_or_default(), target),
        )
    }

    /// A publisher has sent a packet.
    pub(crate) fn on_upload(&mut self, now: Instant, bytes: usize) -> Option<Excess> {
        let bits_per_s = self.upload.as_mut()?.add(now, bytes)?;
        Some(Excess::PublishBitrate { bits_per_s })
    }

    /// Whether this subscriber has to be ended because its receiver is sent too much. Before that it is shown a smaller layer, if
    /// there is one; and a larger one again once there is room for it.
    pub(crate) fn excess(&mut self, now: Instant, ladder: Option<&Ladder>) -> Option<Excess> {
        let share = self.share.as_mut()?;
        let ladder = ladder.unwrap_or_default();
        let video = self.tracks[MediaKind::Video.index()].as_mut();
        let rung = match share.report(now) {
            Usage::Fine => return None,
            Usage::Room { bits_per_s } => video?.climb(ladder, bits_per_s)?,
            Usage::Over { sum, rest } => {
                match video.and_then(|track| track.descend(ladder, rest)) {
                    Some(rung) => rung,
                    None => return Some(Excess::DownloadBitrate { bits_per_s: sum }),
                }
            }
        };
        share.expect(now, rung.bits_per_s);
        None
    }

    pub(crate) fn role(&self) -> Role {
        self.offer.role
    }

    /// What a payload type of this publisher means.
    pub(crate) fn format(&self, pt: u8) -> Option<&Arc<Format>> {
        self.formats.iter().find(|format| format.pt == pt)
    }

    /// The clock rate of a kind, which all its formats share.
    pub(crate) fn clock_rate(&self, kind: MediaKind) -> Option<u32> {
        self.formats
            .iter()
            .map(|format| format.codec)
            .find(|codec| codec.kind() == kind)
            .map(|codec| codec.clock_rate())
    }

    /// Whether key frames must be asked for by FIR (RFC 5104), because PLI (RFC 4585) was not offered.
    pub(crate) fn needs_fir(&self) -> bool {
        let mut video = self
            .formats
            .iter()
            .filter(|format| format.codec.kind() == MediaKind::Video);
        video.all(|format| !format.has_feedback("nack pli") && format.has_feedback("ccm fir"))
    }

    /// When it has to be served by a timer. Packets that arrive earlier do not postpone that.
    pub(crate) fn deadline(&self) -> Instant {
        let Some(transport) = &self.transport else {
            // What it is sent is compared with the limit of its receiver from time to time.
            let idle = self.rests_until + IDLE_TICK;
            return self.allots_at().unwrap_or(idle).max(self.rests_until);
        };
        transport
            .deadline()
            .min(self.overdue_at().0)
            .min(self.allots_at().unwrap_or_else(|| self.overdue_at().0))
            .max(self.rests_until)
    }

    pub(crate) fn overdue(&self, now: Instant) -> Option<Overdue> {
        let (at, overdue) = self.overdue_at();
        (self.transport.is_some() && now >= at).then_some(overdue)
    }

    fn overdue_at(&self) -> (Instant, Overdue) {
        if self.is_connected {
            let is_known = self.last_seen_at >= self.opened_at + CONSENT_KNOWN_AFTER;
            let silence_max = match (self.checks_consent, is_known) {
                (true, _) => PEER_SILENCE_MAX,
                (false, false) => PEER_SILENCE_UNKNOWN_MAX,
                (false, true) => PEER_SILENCE_UNCHECKED_MAX,
            };
            (self.last_seen_at + silence_max, Overdue::Silent)
        } else {
            (self.opened_at + CONNECT_MAX, Overdue::NeverConnected)
        }
    }

    /// A check of the peer has come, or an answer to one.
    pub(crate) fn on_check(&mut self, now: Instant) {
        self.last_seen_at = now;
        self.checks_consent |= now >= self.opened_at + CONSENT_AFTER;
    }

    /// Adds an address. Returns the one that was dropped for it, which is never the one that media goes to.
    pub(crate) fn add_address(&mut self, source: Remote) -> Option<Remote> {
        self.address_changes += 1;
        self.claimed.take_if(|claimed| *claimed == source);
        self.addresses.retain(|known| *known != source);
        self.addresses.push_back(source);
        if self.addresses.len() <= ADDRESSES_PER_PEER_MAX {
            return None;
        }
        let transport = self.transport.as_mut()?;
        let used = transport.destination();
        let oldest = self
            .addresses
            .iter()
            .position(|known| Some(*known) != used)?;
        let forgotten = self.addresses.remove(oldest)?;
        // Another peer may be given it; this one would have to prove it again.
        transport.disprove(forgotten);
        Some(forgotten)
    }

    /// An address has become another peer's.
    pub(crate) fn lose_address(&mut self, source: Remote) {
        self.addresses.retain(|known| *known != source);
        if let Some(transport) = &mut self.transport {
            transport.disprove(source);
        }
    }

    /// What carried datagrams to this address has ended.
    pub(crate) fn end_path(&mut self, remote: Remote) {
        self.addresses.retain(|known| *known != remote);
        if let Some(transport) = &mut self.transport {
            transport.end_path(remote);
        }
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = Remote> {
        self.addresses.iter().copied()
    }

    /// The layer of video that this subscriber is shown.
    pub(crate) fn video_encoding(&self) -> Option<Encoding> {
        self.tracks[MediaKind::Video.index()].as_ref()?.current()
    }

    /// Whether this subscriber takes video and is not shown `target`.
    pub(crate) fn is_waiting(&self, target: Encoding) -> bool {
        self.tracks[MediaKind::Video.index()]
            .as_ref()
            .is_some_and(|track| track.is_waiting(target))
    }

    /// Sets what is left out of this subscriber's pictures from now on.
    pub(crate) fn thin(&mut self, thinning: Thinning) {
        if let Some(track) = &mut self.tracks[MediaKind::Video.index()] {
            track.thin(thinning);
        }
    }

    /// Whether this subscriber's pictures are withheld.
    pub(crate) fn is_withheld(&self) -> bool {
        let track = self.tracks[MediaKind::Video.index()].as_ref();
        track.is_some_and(TrackOut::is_withheld)
    }

    /// Sets which H.264 profiles this subscriber is sent.
    pub(crate) fn match_profiles(&mut self, profiles: H264ProfileMatch) {
        let tracks = self.tracks.iter_mut().flatten();
        tracks.for_each(|track| track.match_profiles(profiles));
    }

    /// This subscriber has asked for a key frame.
    pub(crate) fn on_picture_lost(&mut self) {
        if let Some(track) = &mut self.tracks[MediaKind::Video.index()] {
            track.on_picture_lost();
        }
    }

    /// Sends a new subscriber the picture as it stands. The timestamps of the pictures are moved so close together that the
    /// receiver shows the newest one at once.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        start: &Start<'_>,
        scratch: &mut Vec<Outgoing>,
        sink: &mut Sink,
        carrier: Option<&mut Self>,
    ) -> Result<Forwarded, Failure> {
        let mut outcome = Forwarded::default();
        let which = (self.seat(), MediaKind::Video);
        let transport = match carrier {
            Some(carrier) => carrier.transport.as_mut(),
            None => self.transport.as_mut(),
        };
        let track = self.tracks[MediaKind::Video.index()].as_mut();
        let Some((track, transport)) = track.zip(transport) else {
            return Ok(outcome);
        };
        for packet in start.packets {
            track.route(packet, scratch);
        }
        if start.is_still && !scratch.is_empty() {
            track.hold();
        }
        if start.is_unbroken {
            // Only if no packet is missing: a late one would still carry the old timestamp.
            draw_together(scratch);
        }
        outcome.sent = scratch.len() as u64;
        let result = transport.send(now, which, scratch, sink);
        scratch.clear();
        result?;
        outcome.is_unsettled = transport.after_send(now, sink)?;
        Ok(outcome)
    }

    /// See [`Sfu::touch`](super::Sfu::touch).
    pub(crate) fn touch_for_rtcp(&self) -> u64 {
        let receiver = self.receiver.as_ref();
        let transport = self.transport.as_ref();
        self.publication.map_or(0, u64::from)
            ^ u64::from(self.last_seen_at == self.opened_at)
            ^ receiver.map_or(0, |receiver| receiver.reserved)
            ^ transport.map_or(0, Transport::touch_for_rtcp)
    }

    /// See [`Sender::touch`](crate::send::Sender::touch).
    pub(crate) fn touch(&self, kind: MediaKind) -> u64 {
        let track = self.tracks[kind.index()].as_ref();
        let transport = self.transport.as_ref();
        u64::from(self.is_connected)
            ^ track.map_or(0, TrackOut::touch)
            ^ transport.map_or(0, |transport| transport.touch(kind))
    }

    /// Sends this subscriber a burst. Every packet is written before timers are checked, so that the subscriber's state is
    /// touched once and its datagrams leave together. `scratch` is reused between calls.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        packets: &[Packet],
        scratch: &mut Vec<Outgoing>,
        sink: &mut Sink,
        carrier: Option<&mut Self>,
    ) -> Result<Forwarded, Failure> {
        let mut outcome = Forwarded::default();
        let seat = self.seat();
        let transport = match carrier {
            Some(carrier) => carrier.transport.as_mut(),
            None => self.transport.as_mut(),
        };
        let Some(transport) = transport else {
            return Ok(outcome);
        };
        // Video first: audio can be the last datagram of its train.
        for kind in [MediaKind::Video, MediaKind::Audio] {
            let Some(track) = &mut self.tracks[kind.index()] else {
                continue;
            };
            for packet in packets.iter().filter(|packet| packet.kind == kind) {
                match track.route(packet, scratch) {
                    Verdict::Sent => {}
                    Verdict::Unmappable => {
                        outcome.unmappable += 1;
                        outcome.is_mismatched |= track.take_mismatch();
                    }
                    Verdict::Unselected => {
                        outcome.unselected += 1;
                        let target = track.target(packet);
                        if track.is_waiting(target) {
                            outcome.wanted = Some(target);
                        }
                    }
                }
            }
            if scratch.is_empty() {
                continue;
            }
            outcome.sent += scratch.len() as u64;
            if let Some(share) = &mut self.share {
                let sizes = scratch.iter().map(|packet| packet.payload.len());
                share.add(now, sizes.sum());
            }
            let result = transport.send(now, (seat, kind), scratch, sink);
            scratch.clear();
            result?;
        }
        if outcome.sent > 0 {
            outcome.is_unsettled = transport.after_send(now, sink)?;
        }
        Ok(outcome)
    }
}

/// Moves the timestamps of pictures to one tick apart; the last one stays.
fn draw_together(burst: &mut [Outgoing]) {
    let Some(newest) = burst.last().map(|last| last.time) else {
        return;
    };
    let (mut picture, mut time) = (newest, newest);
    for packet in burst.iter_mut().rev() {
        if packet.time != picture {
            picture = packet.time;
            time = time.wrapping_sub(1);
        }
        packet.time = time;
    }
}
