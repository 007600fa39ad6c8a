//! The arguments of the measurements of media.

use restage_load::Rate;

use crate::output::Format;
use crate::server::Binary;
use crate::topology::Topology;

/// Every measurement starts a fresh server with its own data directory, joins all clients through
/// the API, WHIP and WHEP, lets the traffic settle, and counts over a window. The floor is measured
/// before each, in the same run.
#[derive(clap::Args)]
pub(crate) struct MediaArgs {
    /// What to measure, each as STAGES:PUBLISHERS:SUBSCRIBERS (both per stage; every subscriber
    /// receives one publisher), or replicate:STAGES:SUBSCRIBERS (one publisher, replicated into
    /// STAGES stages of SUBSCRIBERS each)
    #[arg(value_name = "TOPOLOGY", default_values = ["1:1:200", "20:1:10", "replicate:100:5", "1:1:500"])]
    pub(crate) topologies: Vec<Topology>,
    /// Seconds that count
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub(crate) seconds: u64,
    /// Seconds of traffic before that
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    pub(crate) warm_up: u64,
    /// How often each is measured; the report has the median by CPU time
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// Send video of 300 kbit/s instead of 1.5 Mbit/s
    #[arg(long)]
    pub(crate) low_rate: bool,
    /// Let the clients offer no other SRTP profile than AES128_CM_SHA1_80, as old ones do
    #[arg(long)]
    pub(crate) aes_cm: bool,
    /// Let the clients offer no transport-wide feedback, so that the server estimates nothing
    #[arg(long)]
    pub(crate) no_feedback: bool,
    /// Milliseconds between two messages of transport-wide feedback of a client; browsers send one
    /// every 100 ms. Without this the clients' engine decides: about every 50 ms
    #[arg(long, value_name = "MS", conflicts_with = "no_feedback", value_parser = clap::value_parser!(u64).range(50..=1_000))]
    pub(crate) feedback_interval_ms: Option<u64>,
    #[command(flatten)]
    pub(crate) binary: Binary,
    /// Further arguments for `serve`, such as --serve-arg=--workers=2
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) serve_arg: Vec<String>,
    /// A table, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// Starts a fresh server whose processor time is limited, one publisher, and viewers in steps. After each
/// step it counts what everybody who is in receives, sound by itself, and what of the publisher's packets
/// has come to the server. Root may limit processor time, where the control groups of Linux can be written.
#[derive(clap::Args)]
pub(crate) struct RampArgs {
    /// Processors the server may use; 0 does not limit it
    #[arg(long, default_value_t = 0.4, value_name = "PROCESSORS")]
    pub(crate) quota: f64,
    /// Viewers that try to join in each step
    #[arg(long, default_value_t = 100)]
    pub(crate) step: usize,
    /// Viewers that try to join altogether
    #[arg(long, default_value_t = 1_500)]
    pub(crate) most: usize,
    /// Viewers that try to join each second
    #[arg(long, default_value_t = 50)]
    pub(crate) rate: u32,
    /// Seconds that count after each step
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub(crate) seconds: u64,
    /// Send video of 300 kbit/s instead of 1.5 Mbit/s
    #[arg(long)]
    pub(crate) low_rate: bool,
    #[command(flatten)]
    pub(crate) binary: Binary,
    /// Further arguments for `serve`, such as --serve-arg=--workers=2
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) serve_arg: Vec<String>,
    /// A line for each step, or JSON at the end
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// The sockets of the receivers are emptied outside the measured time.
#[derive(clap::Args)]
pub(crate) struct FloorArgs {
    /// Receivers
    #[arg(long, default_value_t = 200)]
    pub(crate) receivers: usize,
    /// Pictures sent to each
    #[arg(long, default_value_t = FLOOR_FRAMES)]
    pub(crate) frames: usize,
    /// Send video of 300 kbit/s instead of 1.5 Mbit/s
    #[arg(long)]
    pub(crate) low_rate: bool,
    /// A line, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// Ten seconds of video.
pub(crate) const FLOOR_FRAMES: usize = 300;

pub(crate) fn rate(is_low: bool) -> Rate {
    if is_low { Rate::LOW } else { Rate::FULL }
}
