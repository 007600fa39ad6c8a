//! How connections are, all together: each worker looks at every one of its peers once in a while, a few at a time, and adds up what it
//! finds. No label of a participant comes of it, so its size does not depend on the number of participants.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use restage_media::{LayerLabel, MediaKind, PauseReason, PeerId, PeerStats, Protocol, Role, Sfu};

/// How often each peer is looked at.
pub const SURVEY_INTERVAL: Duration = Duration::from_secs(5);
/// Peers that are looked at in one turn of a worker.
const PEERS_PER_TURN: usize = 64;
/// Upper bounds of each distribution; one more count is for what is above.
const BOUNDS: usize = 10;

/// What is observed of peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Seconds to the client and back.
    RoundTrip,
    /// Share of packets that a subscriber's network has lost lately.
    Loss,
    /// Bits per second that a subscriber's network is estimated to carry.
    Estimate,
    /// Bits per second that a publisher sends, all layers together.
    Published,
    /// Bits per second that a subscriber is sent.
    Received,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::RoundTrip,
        Self::Loss,
        Self::Estimate,
        Self::Published,
        Self::Received,
    ];

    /// The upper bounds of its distribution, in its unit.
    pub const fn bounds(self) -> [f64; BOUNDS] {
        match self {
            Self::RoundTrip => [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0],
            Self::Loss => [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5],
            Self::Estimate | Self::Published | Self::Received => {
                [50e3, 100e3, 250e3, 500e3, 1e6, 2e6, 4e6, 8e6, 16e6, 32e6]
            }
        }
    }
}

/// The distribution of a [`Measure`]: each peer counts once in [`SURVEY_INTERVAL`], since the start.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Spread {
    /// How many observations are at most each bound of the measure and above the one before; the last: above all.
    pub counts: [u64; BOUNDS + 1],
    /// The sum of all observations.
    pub sum: f64,
}

impl Spread {
    fn observe(&mut self, measure: Measure, value: f64) {
        let bounds = measure.bounds();
        let place = bounds.iter().position(|bound| value <= *bound);
        self.counts[place.unwrap_or(BOUNDS)] += 1;
        self.sum += value;
    }
}

/// Numbers of peers as of the last look at each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Present {
    /// Publishers by what carries their media: UDP, TCP, TURN.
    pub publishers: [u64; 3],
    /// Subscribers by the same.
    pub subscribers: [u64; 3],
    /// Subscribers that take video by the layer which they are sent: hi, mid, low, none.
    pub layers: [u64; 4],
    /// Subscribers whose pictures are paused: by their network, their wish, an overload of the server.
    pub paused: [u64; 3],
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Survey {
    /// Distributions, in the order of [`Measure::ALL`].
    pub spreads: [Spread; Measure::ALL.len()],
    /// Numbers of peers.
    pub present: Present,
}

impl Survey {
    /// Adds what another worker has found.
    pub(super) fn add(&mut self, other: &Self) {
        for (own, others) in self.spreads.iter_mut().zip(&other.spreads) {
            for (own, others) in own.counts.iter_mut().zip(others.counts) {
                *own += others;
            }
            own.sum += others.sum;
        }
        let (own, others) = (&mut self.present, &other.present);
        let pairs = [
            (&mut own.publishers[..], &others.publishers[..]),
            (&mut own.subscribers, &others.subscribers),
            (&mut own.layers, &others.layers),
            (&mut own.paused, &others.paused),
        ];
        for (own, others) in pairs {
            own.iter_mut()
                .zip(others)
                .for_each(|(own, one)| *own += one);
        }
    }

    fn look_at(&mut self, present: &mut Present, peer: &PeerStats) {
        let Some(protocol) = peer.protocol else {
            // It is not connected.
            return;
        };
        let protocol = match protocol {
            Protocol::Udp => 0,
            Protocol::Tcp => 1,
            Protocol::Turn => 2,
        };
        let bits: u64 = peer.tracks.iter().map(|track| track.bits_per_s).sum();
        let (of_role, rate) = match peer.role {
            Role::Publisher => (&mut present.publishers, Measure::Published),
            Role::Subscriber => (&mut present.subscribers, Measure::Received),
        };
        of_role[protocol] += 1;
        let round_trip = peer.round_trip.map(|time| time.as_secs_f64());
        for (measure, value) in [
            (Measure::RoundTrip, round_trip),
            (Measure::Loss, peer.loss),
            (Measure::Estimate, peer.estimate.map(|rate| rate as f64)),
            (rate, Some(bits as f64)),
        ] {
            if let Some(value) = value {
                let place = Measure::ALL.iter().position(|one| *one == measure);
                self.spreads[place.unwrap_or_default()].observe(measure, value);
            }
        }
        if peer.role == Role::Publisher {
            return;
        }
        let mut tracks = peer.tracks.iter();
        if let Some(video) = tracks.find(|track| track.kind == MediaKind::Video) {
            present.layers[match video.label {
                Some(LayerLabel::Hi) => 0,
                Some(LayerLabel::Mid) => 1,
                Some(LayerLabel::Low) => 2,
                None => 3,
            }] += 1;
        }
        if let Some(reason) = peer.pause {
            present.paused[match reason {
                PauseReason::Network => 0,
                PauseReason::Wish => 1,
                PauseReason::Overload => 2,
            }] += 1;
        }
    }
}

/// What was found, as a worker shares it with readers.
pub(super) type Found = Arc<Mutex<Survey>>;

/// A worker's part.
pub(super) struct Surveyor {
    found: Found,
    own: Survey,
    /// Peers of this round that have not been looked at.
    left: Vec<PeerId>,
    present: Present,
    due_at: Instant,
}

impl Surveyor {
    pub(super) fn new(now: Instant, found: Found) -> Self {
        Self {
            found,
            own: Survey::default(),
            left: Vec::new(),
            present: Present::default(),
            due_at: now + SURVEY_INTERVAL,
        }
    }

    /// Whether a round is under way, so that the worker should not sleep long.
    pub(super) fn is_busy(&self) -> bool {
        !self.left.is_empty()
    }

    /// Looks at some peers, if that is due.
    pub(super) fn turn(&mut self, now: Instant, sfu: &Sfu, live: &HashSet<PeerId>) {
        if !self.is_busy() {
            if now < self.due_at {
                return;
            }
            self.due_at = now + SURVEY_INTERVAL;
            self.left.extend(live);
            self.present = Present::default();
        }
        let some = self.left.len().saturating_sub(PEERS_PER_TURN);
        for peer in self.left.drain(some..) {
            if let Some(stats) = sfu.peer_stats(peer) {
                self.own.look_at(&mut self.present, &stats);
            }
        }
        if self.left.is_empty() {
            self.own.present = self.present;
            // A reader has it for a moment: then the next round tells.
            if let Ok(mut found) = self.found.try_lock() {
                *found = self.own;
            }
        }
    }
}

/// What all workers have found.
pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Found>) -> Survey {
    let mut sum = Survey::default();
    for found in all {
        sum.add(&found.lock().unwrap_or_else(PoisonError::into_inner));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(role: Role, protocol: Option<Protocol>) -> PeerStats {
        PeerStats {
            peer: PeerId(1),
            role,
            protocol,
            round_trip: Some(Duration::from_millis(30)),
            estimate: Some(900_000),
            reserved: 0,
            loss: Some(0.0),
            pause: None,
            tracks: Vec::new(),
        }
    }

    #[test]
    fn every_peer_counts_once_and_those_that_are_not_connected_do_not() {
        let mut survey = Survey::default();
        let mut present = Present::default();
        survey.look_at(&mut present, &peer(Role::Subscriber, Some(Protocol::Turn)));
        survey.look_at(&mut present, &peer(Role::Publisher, Some(Protocol::Udp)));
        survey.look_at(&mut present, &peer(Role::Publisher, None));
        assert_eq!(
            (present.publishers, present.subscribers),
            ([1, 0, 0], [0, 0, 1])
        );
        let of = |measure: Measure| {
            let place = Measure::ALL.iter().position(|one| *one == measure);
            survey.spreads[place.unwrap()]
        };
        let round_trip = of(Measure::RoundTrip);
        assert_eq!(round_trip.counts[3], 2, "between 25 and 50 ms");
        assert!((round_trip.sum - 0.06).abs() < 1e-9);
        assert_eq!(of(Measure::Loss).counts[0], 2);
        assert_eq!(of(Measure::Estimate).counts[4], 2);
        assert_eq!(of(Measure::Received).counts[0], 1);
        assert_eq!(of(Measure::Published).counts[0], 1);
        let mut twice = survey;
        twice.add(&survey);
        assert_eq!(twice.spreads[0].counts[3], 4);
    }

    #[test]
    fn what_is_above_all_bounds_counts_too_and_bounds_rise() {
        for measure in Measure::ALL {
            let bounds = measure.bounds();
            assert!(bounds.is_sorted_by(|one, next| one < next));
            let mut spread = Spread::default();
            spread.observe(measure, 1e12);
            spread.observe(measure, bounds[0]);
            assert_eq!((spread.counts[BOUNDS], spread.counts[0]), (1, 1));
        }
    }
}
