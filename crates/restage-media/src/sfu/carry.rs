//! Several subscriptions on one connection, whose offers this end makes.
//!
//! The *carrier* is a peer with the connection and no streams of its own. Each *carried* peer is a subscription like any other, but what
//! it receives is written by the carrier's transport.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use super::Sfu;
use super::carrier::{Carriage, Carrier, Client, Stream};
use crate::allocate::download::Download;
use crate::allocate::wish::Wish;
use crate::error::{OfferError, OfferErrorKind};
use crate::io::{OfferedStream, Output, PeerId};
use crate::limits::{ICE_RESTARTS_MAX, LABEL_BYTES_MAX};
use crate::sdp::media::TRANSPORT_SEQ;
use crate::sdp::offer::{Offer, OfferedSection};
use crate::sdp::own_answer::{OwnAnswer, Taken};
use crate::sdp::own_offer::OwnOffer;
use crate::sdp::stream::StreamConfig;
use crate::send::seat::{OWN, SeatNumber};
use crate::send::track::TrackOut;
use crate::sfu::peer::Peer;
use crate::transport::{self, Transport};
use crate::util::slab::Index;

fn unknown() -> OfferError {
    OfferError::new(
        OfferErrorKind::UnknownPeer,
        "There is no carrier of that key.",
    )
}

impl Sfu {
    pub(super) fn open_carrier(&mut self, now: Instant, key: PeerId, download: Arc<Download>) {
        if let Err(error) = self.check_room(key) {
            return self.refuse(key, error);
        }
        let local = self.shared.secrets.ice_credentials();
        let cname = format!("{:016x}", self.rng.next_u64());
        let session = self.rng.next_u64() >> 1;
        let first_ssrc = self.rng.next_u32();
        let carrier = Carrier::new(download, local, cname, session, first_ssrc);
        let mut peer = Peer::new(key, None, Offer::none(), now, &mut self.rng);
        peer.carrier = Some(Box::new(carrier));
        self.add(now, peer);
        self.sink.outputs.push_back(Output::Opened { peer: key });
    }

    fn add(&mut self, now: Instant, peer: Peer) -> Index {
        let key = peer.key;
        let index = self.peers.insert(peer);
        self.peer_keys.insert(key, index);
        self.stats.peers_opened += 1;
        self.set_peer_timer(now, index);
        index
    }

    pub(super) fn carry(
        &mut self,
        now: Instant,
        (key, carrier): (PeerId, PeerId),
        (label, has_video): (String, bool),
        wish: Wish,
    ) {
        match self.try_carry(now, (key, carrier), (label, has_video), wish) {
            Ok(()) => self.sink.outputs.push_back(Output::Opened { peer: key }),
            Err(error) => self.refuse(key, error),
        }
    }

    fn try_carry(
        &mut self,
        now: Instant,
        (key, carrier): (PeerId, PeerId),
        (label, has_video): (String, bool),
        wish: Wish,
    ) -> Result<(), OfferError> {
        self.check_room(key)?;
        let is_token = label.bytes().all(|byte| byte.is_ascii_graphic());
        if label.is_empty() || label.len() > LABEL_BYTES_MAX || !is_token {
            let message =
                format!("A stream's name is 1 to {LABEL_BYTES_MAX} visible characters of ASCII.");
            return Err(OfferError::new(OfferErrorKind::NotAccepted, message));
        }
        let place = *self.peer_keys.get(&carrier).ok_or_else(unknown)?;
        let peer = self.peers.get(place);
        let carrier = peer.and_then(|peer| peer.carrier.as_ref());
        let carrier = carrier.ok_or_else(unknown)?;
        let download = Arc::clone(&carrier.download);
        let seat = carrier.free_seat().ok_or_else(|| {
            let message = "The connection carries as many subscriptions as it may.";
            OfferError::new(OfferErrorKind::TooMany, message)
        })?;
        let mut peer = Peer::new(key, None, Offer::none(), now, &mut self.rng);
        peer.carriage = Some(Box::new(Carriage {
            carrier: place,
            seat,
            label,
            lines: [None, None],
            is_answered: false,
        }));
        peer.receive_as(now, &download, wish);
        let index = self.add(now, peer);
        if let Some(carrier) = self.carrier_mut(place) {
            carrier.sit(seat, index);
        }
        self.take_line(index, MediaKind::Audio);
        if has_video {
            self.take_line(index, MediaKind::Video);
        }
        Ok(())
    }

    fn carrier_mut(&mut self, index: Index) -> Option<&mut Carrier> {
        self.peers.get_mut(index)?.carrier.as_deref_mut()
    }

    /// Gives a carried peer a section for this kind, if it has none.
    fn take_line(&mut self, index: Index, kind: MediaKind) {
        let carriage = self
            .peers
            .get(index)
            .and_then(|peer| peer.carriage.as_ref());
        let Some(carriage) = carriage.filter(|carriage| carriage.lines[kind.index()].is_none())
        else {
            return;
        };
        let (carrier, seat) = (carriage.carrier, carriage.seat);
        let line = self
            .carrier_mut(carrier)
            .and_then(|carrier| carrier.take_line(kind, seat));
        let peer = self.peers.get_mut(index);
        if let Some(carriage) = peer.and_then(|peer| peer.carriage.as_mut()) {
            carriage.lines[kind.index()] = line;
        }
    }

    /// Ends what a carried peer takes of this kind.
    fn leave_line(&mut self, index: Index, kind: MediaKind) {
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        peer.set_track(kind, None);
        peer.offer.drop_kind(kind);
        let Some(carriage) = peer.carriage.as_mut() else {
            return;
        };
        let (owner, seat) = (carriage.carrier, carriage.seat);
        let Some(line) = carriage.lines[kind.index()].take() else {
            return;
        };
        let Some(peer) = self.peers.get_mut(owner) else {
            return;
        };
        if let Some(carrier) = &mut peer.carrier {
            carrier.give_up_line(line);
        }
        if let Some(transport) = &mut peer.transport {
            let sink = &mut self.sink;
            // After a panic its state may be anything.
            transport::guard(|| transport.vacate(seat, kind, sink)).ok();
        }
    }

    pub(super) fn take(&mut self, now: Instant, key: PeerId, has_video: bool) {
        let Some(&index) = self.peer_keys.get(&key) else {
            return;
        };
        let is_carried = |peer: &Peer| peer.carriage.is_some();
        if !self.peers.get(index).is_some_and(is_carried) {
            return;
        }
        match has_video {
            true => self.take_line(index, MediaKind::Video),
            false => self.leave_line(index, MediaKind::Video),
        }
        if self.peers.get(index).is_some_and(|peer| peer.is_connected) {
            self.allot(now, index);
            self.set_peer_timer(now, index);
        }
    }

    /// Forgets a carried peer at its carrier.
    pub(super) fn uncarry(&mut self, index: Index) {
        let peer = self.peers.get(index);
        let Some(carriage) = peer.and_then(|peer| peer.carriage.as_ref()) else {
            return;
        };
        let (owner, seat) = (carriage.carrier, carriage.seat);
        let number = peer.and_then(Peer::place_number);
        for kind in MediaKind::BOTH {
            self.leave_line(index, kind);
        }
        let Some(carrier) = self.carrier_mut(owner) else {
            return;
        };
        carrier.stand_up(seat);
        let next = number.and_then(|number| carrier.shared.leave(number));
        // The estimate was counted with the row of this one: it is counted with that of another before anything is decided.
        let mut others = self.carried_by(owner).into_iter();
        let is_next = |other: &Index| {
            let other = self.peers.get(*other);
            next.is_some() && other.and_then(Peer::place_number) == next
        };
        if let (Some(heir), Some(now)) = (others.find(is_next), self.now) {
            self.inherit(now, index, heir);
        }
    }

    fn inherit(&mut self, now: Instant, from: Index, to: Index) {
        if let Some(peer) = self.peers.get_mut(from) {
            peer.leave_receiver();
        }
        if self.peers.get(to).is_some_and(|peer| peer.is_connected) {
            self.allot(now, to);
            self.set_peer_timer(now, to);
        }
    }

    /// The peers that this one carries.
    pub(super) fn carried_by(&self, index: Index) -> Vec<Index> {
        let carrier = self.peers.get(index).and_then(|peer| peer.carrier.as_ref());
        carrier.map_or_else(Vec::new, |carrier| carrier.peers().collect())
    }

    /// The peer whose streams are at a seat of a connection.
    pub(super) fn peer_at(&self, index: Index, seat: SeatNumber) -> Option<Index> {
        match seat {
            OWN => Some(index),
            seat => self.peers.get(index)?.carrier.as_ref()?.peer_at(seat),
        }
    }

    /// What the subscription at a seat of a connection receives.
    pub(super) fn publication_at(&self, index: Index, seat: SeatNumber) -> Option<Index> {
        self.peers.get(self.peer_at(index, seat)?)?.publication
    }

    /// The transport that writes for a peer.
    pub(super) fn transport_of<'a>(&'a self, peer: &'a Peer) -> Option<&'a Transport> {
        match peer.carrier_index() {
            None => peer.transport.as_ref(),
            Some(carrier) => self.peers.get(carrier)?.transport.as_ref(),
        }
    }

    pub(super) fn offer(&mut self, key: PeerId, restarts: bool) {
        match self.try_offer(key, restarts) {
            Ok((sdp, streams)) => self.sink.outputs.push_back(Output::Offer {
                peer: key,
                sdp,
                streams,
            }),
            Err(error) => self.refuse(key, error),
        }
    }

    fn try_offer(
        &mut self,
        key: PeerId,
        restarts: bool,
    ) -> Result<(String, Vec<OfferedStream>), OfferError> {
        let index = *self.peer_keys.get(&key).ok_or_else(unknown)?;
        let peer = self.peers.get_mut(index).ok_or_else(unknown)?;
        let is_connecting = peer.transport.is_some();
        let carrier = peer.carrier.as_deref_mut().ok_or_else(unknown)?;
        if restarts && is_connecting && !carrier.is_restarting {
            if peer.ice_restarts == ICE_RESTARTS_MAX {
                let message = format!("ICE was restarted {ICE_RESTARTS_MAX} times already.");
                return Err(OfferError::new(OfferErrorKind::TooMany, message));
            }
            peer.ice_restarts += 1;
            carrier.is_restarting = true;
            carrier.local = self.shared.secrets.ice_credentials();
        }
        if carrier.is_empty() {
            let message = "There is nothing to offer: the connection carries nothing.";
            return Err(OfferError::new(OfferErrorKind::NoMedia, message));
        }
        carrier.open_offer();
        let carrier = self
            .peers
            .get(index)
            .and_then(|peer| peer.carrier.as_deref());
        let carrier = carrier.ok_or_else(unknown)?;
        let label = |seat| {
            let peer = self.peers.get(carrier.peer_at(seat)?)?;
            Some(peer.carriage.as_ref()?.label.as_str())
        };
        let sections = carrier.sections(label);
        let offer = OwnOffer {
            ice: &carrier.local,
            fingerprint: &self.shared.identity.fingerprint,
            candidates: self.shared.candidates(),
            cname: &carrier.cname,
            session: carrier.session,
            version: carrier.version,
            refused: &self.config.refused_codecs,
            sections,
        };
        let peers = carrier.peers().filter_map(|index| self.peers.get(index));
        let streams = peers.filter_map(|peer| {
            let carriage = peer.carriage.as_ref()?;
            let [audio, video] = [MediaKind::Audio, MediaKind::Video].map(|kind| {
                let line = carriage.lines[kind.index()]?;
                carrier.mid(line).map(str::to_owned)
            });
            Some(OfferedStream {
                peer: peer.key,
                audio,
                video,
            })
        });
        Ok((offer.write(), streams.collect()))
    }

    pub(super) fn answer(&mut self, now: Instant, key: PeerId, text: &str) {
        match self.try_answer(now, key, text) {
            Ok(index) => {
                self.sink.outputs.push_back(Output::Answered { peer: key });
                if self.peers.get(index).is_some_and(|peer| peer.is_connected) {
                    self.begin_carried(now, index);
                }
                self.settle(now, index, Ok(()));
            }
            Err(error) => self.refuse(key, error),
        }
    }

    fn try_answer(&mut self, now: Instant, key: PeerId, text: &str) -> Result<Index, OfferError> {
        let index = *self.peer_keys.get(&key).ok_or_else(unknown)?;
        let peer = self.peers.get(index).ok_or_else(unknown)?;
        let carrier = peer.carrier.as_deref().ok_or_else(unknown)?;
        let asked = carrier.asked().ok_or_else(|| {
            OfferError::new(OfferErrorKind::NoOffer, "No offer waits for an answer.")
        })?;
        let refused = &self.config.refused_codecs;
        let answer = transport::guard(|| OwnAnswer::parse(text, &asked, refused));
        let answer = answer.map_err(|failure| {
            let message = format!("The answer could not be read: {failure}.");
            OfferError::new(OfferErrorKind::NotAccepted, message)
        })??;
        check_client(peer, carrier, &answer)?;
        match peer.transport {
            None => self.connect_carrier(now, index, &answer)?,
            Some(_) => self.restart_carrier(index, &answer),
        }
        let begun = self.carrier_mut(index).map(Carrier::close_offer);
        for (kind, place, stream) in begun.unwrap_or_default() {
            let taken = answer.sections.get(place);
            self.begin_stream(index, kind, stream, taken);
        }
        Ok(index)
    }

    /// The first answer: the connection begins.
    fn connect_carrier(
        &mut self,
        now: Instant,
        index: Index,
        answer: &OwnAnswer,
    ) -> Result<(), OfferError> {
        let Some(carrier) = self.carrier_mut(index) else {
            return Ok(());
        };
        carrier.client = Some(Client {
            fingerprints: answer.fingerprints.clone(),
            is_dtls_server: answer.is_dtls_server,
        });
        let (local, cname) = (carrier.local.clone(), carrier.cname.clone());
        let is_numbered = |taken: &Taken| match taken {
            Taken::Media(media) => media.extensions.iter().any(|(_, uri)| uri == TRANSPORT_SEQ),
            Taken::Nothing | Taken::Undecodable => false,
        };
        let has_feedback = answer.sections.iter().any(is_numbered);
        let connection = answer.connection();
        let ufrag = local.ufrag.clone();
        let transport = Transport::carrying(
            &mut self.shared,
            &connection,
            (local, cname),
            has_feedback,
            now,
        )?;
        if let Some(peer) = self.peers.get_mut(index) {
            peer.begin_connecting(now, transport, answer.ice.clone());
        }
        self.demux.add_ufrag(&ufrag, index);
        Ok(())
    }

    /// A later answer: if the offer began another ICE session, that is in force now.
    fn restart_carrier(&mut self, index: Index, answer: &OwnAnswer) {
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        let (Some(carrier), Some(transport)) = (&mut peer.carrier, &mut peer.transport) else {
            return;
        };
        if !std::mem::take(&mut carrier.is_restarting) {
            return;
        }
        transport.restart(carrier.local.clone(), answer.ice.clone());
        peer.remote_ice = answer.ice.clone();
        peer.address_changes = 0;
        let ufrag = carrier.local.ufrag.clone();
        let former = std::mem::replace(&mut peer.local_ufrag, ufrag.clone());
        self.demux.remove_ufrag(&former);
        self.demux.add_ufrag(&ufrag, index);
    }

    /// The client has said what it takes of a stream.
    fn begin_stream(
        &mut self,
        owner: Index,
        kind: MediaKind,
        stream: Stream,
        taken: Option<&Taken>,
    ) {
        let Some(index) = self.peer_at(owner, stream.seat) else {
            return;
        };
        let Some((peer, carrier)) = self.peers.pair_mut(index, owner) else {
            return;
        };
        if let Some(carriage) = &mut peer.carriage {
            carriage.is_answered = true;
        }
        let media = match taken {
            Some(Taken::Media(media)) => media,
            Some(Taken::Undecodable) => {
                let section = OfferedSection::taken(kind, None);
                return peer.offer.sections.push(section);
            }
            Some(Taken::Nothing) | None => return,
        };
        let has_rtx = media.formats.iter().any(|format| format.rtx.is_some());
        let rtx = has_rtx.then_some(stream.rtx_ssrc);
        let config = StreamConfig::new(media, stream.ssrc, rtx);
        if let Some(transport) = &mut carrier.transport {
            transport.occupy(stream.seat, kind, config);
        }
        let track = TrackOut::new(kind, media.formats.clone(), &mut self.rng);
        let mut track = match media.has_descriptors() {
            true => track.with_descriptors(),
            false => track,
        };
        track.match_profiles(self.config.h264_profile_match);
        if kind == MediaKind::Video {
            track.thin(self.shed.thinning_of(index));
        }
        peer.set_track(kind, Some(track));
        let section = OfferedSection::taken(kind, Some((**media).clone()));
        peer.offer.sections.push(section);
    }

    /// Lets those begin that the client has answered, on a connection that is up.
    pub(super) fn begin_carried(&mut self, now: Instant, owner: Index) {
        for index in self.carried_by(owner) {
            let Some(peer) = self.peers.get_mut(index) else {
                continue;
            };
            if !peer.carriage.as_ref().is_some_and(|one| one.is_answered) {
                continue;
            }
            if !std::mem::replace(&mut peer.is_connected, true) {
                peer.last_seen_at = now;
                let peer = peer.key;
                self.sink.outputs.push_back(Output::Connected { peer });
            }
            self.start_subscriber(now, index);
            self.set_peer_timer(now, index);
        }
    }
}

/// Whether it is the client that has answered before.
fn check_client(peer: &Peer, carrier: &Carrier, answer: &OwnAnswer) -> Result<(), OfferError> {
    let Some(client) = &carrier.client else {
        return Ok(());
    };
    let is_same = client.fingerprints == answer.fingerprints
        && client.is_dtls_server == answer.is_dtls_server;
    if !is_same {
        return Err(OfferError::new(
            OfferErrorKind::OtherClient,
            "The answer has another certificate or DTLS role than the answers before.",
        ));
    }
    if answer.ice != peer.remote_ice && !carrier.is_restarting {
        return Err(OfferError::new(
            OfferErrorKind::OtherClient,
            "The answer has other ICE credentials, and the offer was no ICE restart.",
        ));
    }
    Ok(())
}
