//! What an engine produces, in our words.

use std::collections::VecDeque;
use std::time::Instant;

use crate::clock::Report;
use crate::io::{self, MediaKind};
use crate::packet::{Received, RidName};

/// What an engine produces.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) outputs: VecDeque<io::Output>,
    pub(crate) events: Vec<EngineEvent>,
}

#[derive(Debug)]
pub(crate) enum EngineEvent {
    Connected,
    Closed,
    Packet(MediaKind, Received),
    /// The remote end cannot decode what it receives.
    KeyframeWanted,
    SenderReport(MediaKind, Option<RidName>, SenderReport),
}

/// A sender report with the time it arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SenderReport {
    pub(crate) ntp_us: i64,
    pub(crate) time: u32,
    pub(crate) arrived: Instant,
}

impl SenderReport {
    pub(crate) fn at_rate(&self, clock_rate: u32) -> Report {
        Report {
            ntp_us: self.ntp_us,
            time: self.time,
            clock_rate,
        }
    }
}

/// Why an engine cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Panic,
    Error(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panic => f.write_str("an internal error"),
            Self::Error(error) => f.write_str(error),
        }
    }
}
