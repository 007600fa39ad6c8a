//! Several subscriptions on one connection: each has its own streams, and all have one path, one key and one estimate.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use restage_bwe::{Config, Estimator};
use restage_codec::MediaKind;

use super::repair::{Repairs, Resends};
use super::train::Train;
use super::{RATE_MAX, Sender, Stream};
use crate::io::Output;
use crate::io::datagrams::{Buffers, Path};
use crate::limits::CARRIED_MAX;
use crate::rtp::rtcp::sender as rtcp;
use crate::sdp::stream::StreamConfig;
use crate::srtp::protect::Srtp;

/// Whose streams: [`OWN`], or from 1 to [`CARRIED_MAX`] those of a subscription that the connection carries.
pub(crate) type SeatNumber = usize;

/// The streams that the connection was opened for.
pub(crate) const OWN: SeatNumber = 0;

/// Transport-wide numbers of which it is remembered whose packets have them: more than are under way at once.
const NUMBERS: usize = 8_192;
const _: () = assert!(NUMBERS.is_power_of_two());
const _: () = assert!(CARRIED_MAX < u8::MAX as usize);

/// The streams of one subscription.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) streams: [Option<Stream>; 2],
    pub(super) resends: Resends,
    /// Sequence number of the video packet that a probe has repeated last.
    pub(super) probed: u64,
}

impl Seat {
    pub(super) fn new(streams: [Option<Stream>; 2]) -> Self {
        Self {
            streams,
            resends: Resends::default(),
            probed: 0,
        }
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().flatten()
    }

    /// Another publication is received: the numbers of its packets mean others.
    pub(super) fn forget_sent(&mut self) {
        for stream in self.streams.iter_mut().flatten() {
            stream.sent.clear();
            stream.start = None;
        }
        self.resends = Resends::default();
    }

    fn kind_of(&self, ssrc: u32) -> Option<MediaKind> {
        let is_it = |kind: &MediaKind| {
            let stream = self.streams[kind.index()].as_ref();
            stream.is_some_and(|stream| stream.config.ssrc == ssrc)
        };
        MediaKind::BOTH.into_iter().find(is_it)
    }
}

/// The seats of the subscriptions that a connection carries.
#[derive(Debug, Default)]
pub(super) struct Carried {
    seats: Vec<Option<Box<Seat>>>,
    by_ssrc: HashMap<u32, (SeatNumber, MediaKind)>,
    /// For each transport-wide number, modulo [`NUMBERS`], whose packet has it.
    numbers: Vec<u8>,
    /// The seat that a probe has used last.
    probed: SeatNumber,
}

impl Carried {
    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().flatten().map(Box::as_ref)
    }

    pub(super) fn seats_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        self.seats.iter_mut().flatten().map(Box::as_mut)
    }

    fn get_mut(&mut self, seat: SeatNumber) -> Option<&mut Seat> {
        self.seats.get_mut(seat.checked_sub(1)?)?.as_deref_mut()
    }

    /// The packets with the transport-wide numbers from `first` up to `end` are of this seat.
    pub(super) fn note_numbers(&mut self, seat: SeatNumber, first: u16, end: u16) {
        if self.numbers.is_empty() {
            self.numbers = vec![0; NUMBERS];
        }
        let count = end.wrapping_sub(first);
        for ahead in 0..count {
            let number = usize::from(first.wrapping_add(ahead)) % NUMBERS;
            self.numbers[number] = u8::try_from(seat).unwrap_or_default();
        }
    }

    /// Whose packet has this transport-wide number, as far as that is remembered.
    pub(super) fn seat_of_number(&self, number: u16) -> SeatNumber {
        let seat = self.numbers.get(usize::from(number) % NUMBERS);
        seat.map_or(OWN, |seat| usize::from(*seat))
    }
}

/// A seat of a sender.
#[inline]
pub(super) fn seat_of<'a>(
    own: &'a mut Seat,
    carried: &'a mut Option<Box<Carried>>,
    seat: SeatNumber,
) -> Option<&'a mut Seat> {
    match seat {
        OWN => Some(own),
        seat => carried.as_mut()?.get_mut(seat),
    }
}

/// Whose stream has this SSRC.
#[inline]
pub(super) fn whose(
    own: &Seat,
    carried: &Option<Box<Carried>>,
    ssrc: u32,
) -> Option<(SeatNumber, MediaKind)> {
    let own = own.kind_of(ssrc).map(|kind| (OWN, kind));
    own.or_else(|| carried.as_ref()?.by_ssrc.get(&ssrc).copied())
}

impl Sender {
    /// A seat, for reading.
    pub(super) fn seat(&self, seat: SeatNumber) -> Option<&Seat> {
        match seat.checked_sub(1) {
            None => Some(&self.own),
            Some(place) => self.carried.as_ref()?.seats.get(place)?.as_deref(),
        }
    }

    /// Of a connection that has no streams of its own and carries those of subscriptions. `has_feedback` says that the client gives
    /// transport-wide feedback.
    pub(crate) fn carrying(
        srtp: Srtp,
        has_feedback: bool,
        cname: String,
        path: Path,
        now: Instant,
    ) -> Self {
        let known = Config::default();
        let estimation = Config {
            start: if has_feedback { known.start } else { RATE_MAX },
            has_feedback,
            can_probe: has_feedback,
            ..known
        };
        Self {
            srtp,
            own: Seat::new([None, None]),
            carried: Some(Box::default()),
            cname,
            path,
            report_at: None,
            estimator: Box::new(Estimator::new(estimation, now)),
            paced: None,
            repairs: Repairs::new(now),
        }
    }

    /// Begins a stream of a carried subscription. Its SSRCs must be new under this key.
    pub(crate) fn occupy(&mut self, seat: SeatNumber, kind: MediaKind, config: StreamConfig) {
        let carried = self.carried.get_or_insert_default();
        let Some(place) = seat.checked_sub(1).filter(|place| *place < CARRIED_MAX) else {
            return;
        };
        if carried.seats.len() <= place {
            carried.seats.resize_with(place + 1, || None);
        }
        carried.by_ssrc.insert(config.ssrc, (seat, kind));
        let seat = carried.seats[place].get_or_insert_with(|| Box::new(Seat::new([None, None])));
        let former = seat.streams[kind.index()].replace(Stream::new(config));
        if let Some(former) = former {
            carried.by_ssrc.remove(&former.config.ssrc);
        }
    }

    /// Ends a stream of a carried subscription with a BYE (RFC 3550 §6.6).
    pub(crate) fn vacate(
        &mut self,
        seat: SeatNumber,
        kind: MediaKind,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        if kind == MediaKind::Video {
            self.forget_paced(seat);
        }
        let Some(carried) = self.carried.as_mut() else {
            return;
        };
        let place = carried.get_mut(seat);
        let Some(stream) = place.and_then(|place| place.streams[kind.index()].take()) else {
            return;
        };
        carried.by_ssrc.remove(&stream.config.ssrc);
        if let Some(place) = seat.checked_sub(1)
            && carried.seats[place]
                .as_ref()
                .is_some_and(|seat| seat.streams().next().is_none())
        {
            carried.seats[place] = None;
        }
        let mut train = Train::new(self.path, buffers.take());
        let start = train.contents.len();
        rtcp::write_bye(&mut train.contents, stream.config.ssrc);
        if self.srtp.rtcp.protect(&mut train.contents, start) {
            train.close(start, buffers, outputs);
        }
        train.finish(buffers, outputs);
    }

    /// The seat whose packets the next probe repeats: those that have sent video take turns.
    pub(crate) fn seat_to_probe(&mut self) -> SeatNumber {
        let Some(carried) = &mut self.carried else {
            return OWN;
        };
        let count = carried.seats.len();
        let order = (0..count).map(|ahead| (carried.probed + ahead) % count);
        let has_sent = |place: &usize| {
            let seat = carried.seats[*place].as_ref();
            let video = seat.and_then(|seat| seat.streams[MediaKind::Video.index()].as_ref());
            video.is_some_and(|video| video.sent.newest() > 0 && video.config.rtx_ssrc.is_some())
        };
        let found = order.into_iter().find(has_sent);
        // The number of a seat is one higher than its place, so this is the place after it.
        carried.probed = found.map_or(0, |place| place + 1);
        carried.probed
    }
}
