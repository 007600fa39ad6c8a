//! The events of a connection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use restage_codec::MediaKind;

use crate::io::datagrams::Buffers;
use crate::io::{self, ConnectFailure};
use crate::packet::SenderReport;
use crate::receive::Received;
use crate::rtp::extensions::RidName;
use crate::send::seat::SeatNumber;

/// Collects the events of a connection.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) buffers: Buffers,
    /// Buffer in which a publisher's packet is decrypted.
    pub(crate) plain: Vec<u8>,
    /// An instant and its time since 1970.
    pub(crate) epoch: Option<(Instant, Duration)>,
    pub(crate) outputs: VecDeque<io::Output>,
    pub(crate) events: Vec<TransportEvent>,
    /// Number of packets of too many SSRCs.
    pub(crate) sources_refused: u64,
}

impl Sink {
    /// Time since 1970 at this instant, which may be before the first input; zero if it is before 1970.
    pub(crate) fn since_1970(&self, at: Instant) -> Duration {
        let Some((first, since_1970)) = self.epoch else {
            return Duration::ZERO;
        };
        match at.checked_duration_since(first) {
            Some(after) => since_1970 + after,
            None => since_1970.saturating_sub(first.saturating_duration_since(at)),
        }
    }

    /// The same in microseconds.
    pub(crate) fn us_since_1970(&self, at: Instant) -> u64 {
        let since = self.since_1970(at);
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }
}

#[derive(Debug)]
pub(crate) enum TransportEvent {
    Connected,
    Closed,
    Packet(MediaKind, Received),
    /// Sequence numbers of video packets of a seat that did not arrive.
    Missing(SeatNumber, Vec<u16>),
    /// Bytes that are to be sent again now, to probe a subscriber's path.
    ProbeDue(usize),
    /// The remote end cannot decode what it receives at this seat.
    KeyframeWanted(SeatNumber),
    SenderReport(MediaKind, Option<RidName>, SenderReport),
}

/// Why a connection cannot continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Panic,
    Error(String),
    /// It was not established.
    Connect(ConnectFailure),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panic => f.write_str("an internal error"),
            Self::Error(error) => f.write_str(error),
            Self::Connect(failure) => failure.fmt(f),
        }
    }
}
