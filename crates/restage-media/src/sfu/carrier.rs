//! The media sections of a connection that carries subscriptions: which stream has which, and what the client knows of that.

use std::sync::Arc;

use restage_codec::MediaKind;

use crate::allocate::download::Download;
use crate::allocate::shared::SharedFlow;
use crate::limits::{CARRIED_MAX, LINES_MAX};
use crate::sdp::fingerprint::Fingerprint;
use crate::sdp::offer::IceCredentials;
use crate::sdp::own_answer::Asked;
use crate::sdp::own_offer::{OwnSection, OwnStream};
use crate::send::seat::SeatNumber;
use crate::util::slab::Index;

/// Which connection carries a subscription, and where in it.
#[derive(Debug)]
pub(crate) struct Carriage {
    /// The peer that has the connection.
    pub(crate) carrier: Index,
    pub(crate) seat: SeatNumber,
    /// The name of its stream at the client.
    pub(crate) label: String,
    /// Places of its sections, by kind.
    pub(crate) lines: [Option<usize>; 2],
    /// The client has answered an offer that contains it.
    pub(crate) is_answered: bool,
}

/// A connection that carries subscriptions.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) download: Arc<Download>,
    pub(crate) shared: SharedFlow,
    pub(crate) cname: String,
    /// Names the session in the offers' `o=` line.
    pub(crate) session: u64,
    /// Number of offers.
    pub(crate) version: u64,
    /// Credentials of this end in the next offer. They are in force once that is answered.
    pub(crate) local: IceCredentials,
    /// The next offer begins another ICE session.
    pub(crate) is_restarting: bool,
    /// Who has answered, so that it stays the same.
    pub(crate) client: Option<Client>,
    /// The peers at the seats from 1 on.
    seats: Vec<Option<Index>>,
    lines: Vec<Line>,
    next_ssrc: u32,
    /// What each section was for in the offer that is open.
    offered: Option<Vec<Option<Stream>>>,
}

/// What identifies the client of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) is_dtls_server: bool,
}

/// A section.
#[derive(Debug)]
struct Line {
    kind: MediaKind,
    mid: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The client knows that nothing comes there.
    Inactive,
    Taken(Stream),
    /// Its stream has ended, and the client has not answered that yet.
    Leaving,
}

/// The stream of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) seat: SeatNumber,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: u32,
    /// An answer has said what the client takes.
    is_answered: bool,
}

impl Carrier {
    /// `first_ssrc` is where SSRCs are counted from.
    pub(crate) fn new(
        download: Arc<Download>,
        local: IceCredentials,
        cname: String,
        session: u64,
        first_ssrc: u32,
    ) -> Self {
        Self {
            shared: SharedFlow::new(&download),
            download,
            cname,
            session,
            version: 0,
            local,
            is_restarting: false,
            client: None,
            seats: Vec::new(),
            lines: Vec::new(),
            next_ssrc: first_ssrc,
            offered: None,
        }
    }

    /// The peers that are carried.
    pub(crate) fn peers(&self) -> impl Iterator<Item = Index> {
        self.seats.iter().copied().flatten()
    }

    pub(crate) fn peer_at(&self, seat: SeatNumber) -> Option<Index> {
        *self.seats.get(seat.checked_sub(1)?)?
    }

    /// A seat that is free; `None`: there are [`CARRIED_MAX`] subscriptions.
    pub(crate) fn free_seat(&self) -> Option<SeatNumber> {
        let free = self.seats.iter().position(Option::is_none);
        let seat = free.unwrap_or(self.seats.len()) + 1;
        (seat <= CARRIED_MAX).then_some(seat)
    }

    pub(crate) fn sit(&mut self, seat: SeatNumber, peer: Index) {
        let place = seat - 1;
        if self.seats.len() <= place {
            self.seats.resize(place + 1, None);
        }
        self.seats[place] = Some(peer);
    }

    pub(crate) fn stand_up(&mut self, seat: SeatNumber) {
        if let Some(place) = seat.checked_sub(1).and_then(|at| self.seats.get_mut(at)) {
            *place = None;
        }
    }

    /// An SSRC that no stream of this connection had: numbers of packets begin anew with each stream, and no nonce may be used twice
    /// under one key (RFC 3711 §9.1).
    fn fresh_ssrc(&mut self) -> u32 {
        let ssrc = self.next_ssrc.max(1);
        self.next_ssrc = ssrc.wrapping_add(1);
        ssrc
    }

    /// Gives a section to a subscription: one that the client knows to be inactive, or a new one, or one that its stream has just left.
    /// `None`: there is none.
    pub(crate) fn take_line(&mut self, kind: MediaKind, seat: SeatNumber) -> Option<usize> {
        let find = |lines: &[Line], state: State| {
            let mut lines = lines.iter();
            lines.position(|line| line.kind == kind && line.state == state)
        };
        let inactive = find(&self.lines, State::Inactive);
        let place = match inactive {
            None if self.lines.len() < LINES_MAX => {
                self.lines.push(Line {
                    kind,
                    mid: self.lines.len().to_string(),
                    state: State::Inactive,
                });
                self.lines.len() - 1
            }
            None => find(&self.lines, State::Leaving)?,
            Some(place) => place,
        };
        let (ssrc, rtx_ssrc) = (self.fresh_ssrc(), self.fresh_ssrc());
        self.lines[place].state = State::Taken(Stream {
            seat,
            ssrc,
            rtx_ssrc,
            is_answered: false,
        });
        Some(place)
    }

    /// The stream of a section has ended.
    pub(crate) fn give_up_line(&mut self, place: usize) {
        if let Some(line) = self.lines.get_mut(place) {
            line.state = State::Leaving;
        }
    }

    pub(crate) fn mid(&self, place: usize) -> Option<&str> {
        self.lines.get(place).map(|line| line.mid.as_str())
    }

    /// The sections of an offer. `label` is the name of the stream at a seat.
    pub(crate) fn sections<'a>(
        &'a self,
        label: impl Fn(SeatNumber) -> Option<&'a str>,
    ) -> Vec<OwnSection<'a>> {
        let lines = self.lines.iter();
        lines
            .map(|line| OwnSection {
                kind: line.kind,
                mid: &line.mid,
                stream: line.stream().and_then(|stream| {
                    Some(OwnStream {
                        label: label(stream.seat)?,
                        ssrc: stream.ssrc,
                        rtx_ssrc: (line.kind == MediaKind::Video).then_some(stream.rtx_ssrc),
                    })
                }),
            })
            .collect()
    }

    /// Whether it has no sections yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Remembers what is offered now.
    pub(crate) fn open_offer(&mut self) {
        self.offered = Some(self.lines.iter().map(Line::stream).collect());
        self.version += 1;
    }

    /// The sections of the offer that is open; `None`: there is none.
    pub(crate) fn asked(&self) -> Option<Vec<Asked>> {
        let offered = self.offered.as_ref()?;
        let lines = self.lines.iter().take(offered.len());
        let asked = lines.map(|line| Asked {
            kind: line.kind,
            mid: line.mid.clone(),
        });
        Some(asked.collect())
    }

    /// The open offer is answered. Returns which streams begin: kind, place of the section and stream, by section.
    pub(crate) fn close_offer(&mut self) -> Vec<(MediaKind, usize, Stream)> {
        let offered = self.offered.take().unwrap_or_default();
        let mut begun = Vec::new();
        for (place, (line, offered)) in self.lines.iter_mut().zip(offered).enumerate() {
            match (offered, &mut line.state) {
                // The client knows that nothing comes.
                (None, state @ State::Leaving) => *state = State::Inactive,
                (Some(offered), State::Taken(stream))
                    if offered.ssrc == stream.ssrc && !stream.is_answered =>
                {
                    stream.is_answered = true;
                    begun.push((line.kind, place, *stream));
                }
                _ => {}
            }
        }
        begun
    }
}

impl Line {
    fn stream(&self) -> Option<Stream> {
        match self.state {
            State::Taken(stream) => Some(stream),
            State::Inactive | State::Leaving => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn carrier(first_ssrc: u32) -> Carrier {
        let local = IceCredentials {
            ufrag: "abcd".to_owned(),
            pwd: "0123456789012345678901".to_owned(),
        };
        let download = Arc::new(Download::unlimited());
        Carrier::new(download, local, "c".to_owned(), 1, first_ssrc)
    }

    fn answered(carrier: &mut Carrier) -> usize {
        carrier.open_offer();
        carrier.close_offer().len()
    }

    #[test]
    fn a_section_is_used_again_once_the_client_knows_that_it_is_inactive() {
        let mut carrier = carrier(5);
        let first = carrier.take_line(MediaKind::Audio, 1).unwrap();
        assert_eq!(answered(&mut carrier), 1);
        assert_eq!(answered(&mut carrier), 0, "it has begun");
        carrier.give_up_line(first);
        let second = carrier.take_line(MediaKind::Audio, 2).unwrap();
        assert_ne!(first, second, "the client still expects the former stream");
        assert_eq!(answered(&mut carrier), 1);
        assert_eq!(carrier.take_line(MediaKind::Audio, 3), Some(first));
        assert_eq!(carrier.take_line(MediaKind::Video, 3), Some(2));
    }

    #[test]
    fn what_leaves_while_an_offer_is_open_does_not_begin() {
        let mut carrier = carrier(5);
        let line = carrier.take_line(MediaKind::Video, 1).unwrap();
        carrier.open_offer();
        carrier.give_up_line(line);
        assert_eq!(carrier.close_offer(), []);
        assert_ne!(carrier.take_line(MediaKind::Video, 2), Some(line));
        carrier.open_offer();
        assert_eq!(carrier.close_offer().len(), 1);
        assert_eq!(carrier.take_line(MediaKind::Video, 3), Some(line));
    }

    #[test]
    fn sections_are_bounded_and_no_ssrc_comes_twice() {
        let mut carrier = carrier(u32::MAX - 100);
        let mut used = BTreeSet::new();
        for round in 0..1_000 {
            let kind = MediaKind::BOTH[round % 2];
            let line = carrier.take_line(kind, 1).unwrap();
            let stream = carrier.lines[line].stream().unwrap();
            assert!(used.insert(stream.ssrc) && used.insert(stream.rtx_ssrc));
            carrier.give_up_line(line);
        }
        assert_eq!(carrier.lines.len(), LINES_MAX);
        assert!(!used.contains(&0));
    }

    #[test]
    fn seats_are_bounded_and_used_again() {
        let mut carrier = carrier(1);
        for number in 1..=CARRIED_MAX {
            let seat = carrier.free_seat().unwrap();
            assert_eq!(seat, number);
            carrier.sit(seat, number as Index);
        }
        assert_eq!(carrier.free_seat(), None);
        carrier.stand_up(7);
        assert_eq!((carrier.free_seat(), carrier.peer_at(7)), (Some(7), None));
        assert_eq!(carrier.peers().count(), CARRIED_MAX - 1);
    }
}
