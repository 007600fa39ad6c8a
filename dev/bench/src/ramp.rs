//! `ramp`: viewers that join in steps until the server takes no more.

use std::process::ExitCode;
use std::time::Duration;

use restage_load::{Refused, Srtp, percent_missing, process, unix_ns};
use serde::Serialize;

use crate::args::{RampArgs, rate};
use crate::metrics::Metrics;
use crate::output;
use crate::quota::Quota;
use crate::runtime::runtime;
use crate::scene::{Director, Ticket};
use crate::server::Server;

/// Between the last join of a step and counting.
const SETTLE: Duration = Duration::from_secs(2);
/// Time between the end of the window and reading the counts, because receivers on a busy machine read their sockets
/// late.
const LATE: Duration = Duration::from_secs(2);

/// The result of one step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    /// Number of viewers admitted so far.
    viewers: usize,
    /// Number of these that the server has lost: on a machine that is too busy clients do not answer in time.
    gone: f64,
    /// Number of viewers refused with 503 in this step.
    refused: usize,
    /// Share of the packets that viewers should have received.
    lost_percent: f64,
    audio_lost_percent: f64,
    /// Of the publisher's packets on their way to the server. The two are not counted at the very same moments.
    publisher_lost_percent: f64,
    /// Processors that the server has used.
    cores: f64,
    /// The load as the server measures it.
    load: f64,
    lag_ms: f64,
    withheld: f64,
}

/// Metrics of the server.
struct Told {
    packets_received: f64,
    peers: f64,
    load: f64,
    lag_s: f64,
    withheld: f64,
}

pub(super) fn run(args: &RampArgs) -> anyhow::Result<ExitCode> {
    let steps = runtime()?.block_on(climb(args))?;
    if args.output == output::Format::Json {
        output::json(&steps)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn climb(args: &RampArgs) -> anyhow::Result<Vec<Step>> {
    // Declared before the server: dropped after it, when its process is no more.
    let mut quota = None;
    let server = Server::start(&args.binary, &args.serve_arg, None)?;
    let mut director = Director::new(&server, rate(args.low_rate), Srtp::All)?;
    let stage = director.stage()?;
    let mut tickets = Vec::new();
    for _ in 0..args.most {
        tickets.push(director.ticket_to_watch(&stage)?);
    }
    let (publisher, source) = director.publish(&stage)?;
    if args.quota > 0.0 {
        quota = Some(Quota::impose(server.pid(), args.quota)?);
    }
    let mut steps = Vec::new();
    let mut viewers = 0;
    if args.output == output::Format::Text {
        output::line(
            "tried  viewers  refused   lost %  audio lost %  publisher lost %  gone  cores  load  lag ms  withheld",
        )?;
    }
    let mut tried = 0;
    for tickets in tickets.chunks(args.step.max(1)) {
        let refused = join(args, &mut director, (&publisher, source), tickets).await?;
        tried += tickets.len();
        viewers += tickets.len() - refused;
        let step = count(args, &server, &director, viewers, refused).await?;
        if args.output == output::Format::Text {
            output::line(&line(tried, &step))?;
        }
        steps.push(step);
    }
    drop(director);
    drop(server);
    drop(quota);
    Ok(steps)
}

/// Lets the viewers with these tickets join, and returns how many were refused.
async fn join(
    args: &RampArgs,
    director: &mut Director<'_>,
    (publisher, source): (&str, u32),
    tickets: &[Ticket],
) -> anyhow::Result<usize> {
    let mut refused = 0;
    let mut pace = tokio::time::interval(Duration::from_secs(1) / args.rate.max(1));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for ticket in tickets {
        pace.tick().await;
        match director.watch(publisher, source, ticket) {
            Ok(_) => {}
            Err(error) => match error.downcast_ref::<Refused>() {
                Some(answer) if answer.status == "503" => refused += 1,
                _ => return Err(error),
            },
        }
    }
    Ok(refused)
}

async fn count(
    args: &RampArgs,
    server: &Server,
    director: &Director<'_>,
    viewers: usize,
    refused: usize,
) -> anyhow::Result<Step> {
    tokio::time::sleep(SETTLE).await;
    let fleet = director.fleet();
    // Discards the counts of the previous step.
    fleet.tally()?;
    let window = Duration::from_secs(args.seconds.max(1));
    let before = told(server)?;
    let used = process::usage(server.pid())?.cpu_ns;
    let from = unix_ns();
    fleet.window().set(from, from + window.as_nanos() as u64);
    tokio::time::sleep(window).await;
    let used = process::usage(server.pid())?.cpu_ns - used;
    let after = told(server)?;
    tokio::time::sleep(LATE).await;
    let tally = fleet.tally()?;
    let received = (after.packets_received - before.packets_received) as u64;
    Ok(Step {
        viewers,
        // One of the peers publishes.
        gone: viewers as f64 + 1.0 - after.peers,
        refused,
        lost_percent: tally.loss_percent(),
        audio_lost_percent: tally.audio_loss_percent(),
        publisher_lost_percent: percent_missing(received, tally.sent).max(0.0),
        cores: used as f64 / window.as_nanos() as f64,
        load: after.load,
        lag_ms: after.lag_s * 1_000.0,
        withheld: after.withheld,
    })
}

fn told(server: &Server) -> anyhow::Result<Told> {
    let metrics = Metrics::of(server)?;
    Ok(Told {
        packets_received: metrics.value("restage_media_packets_received_total")?,
        peers: metrics.value("restage_media_peers")?,
        // A server of another version may lack these metrics.
        load: metrics.value("restage_media_load").unwrap_or(f64::NAN),
        lag_s: metrics
            .value("restage_media_lag_seconds")
            .unwrap_or(f64::NAN),
        withheld: metrics
            .value("restage_media_peers_withheld")
            .unwrap_or(f64::NAN),
    })
}

fn line(tried: usize, step: &Step) -> String {
    format!(
        "{tried:5}  {:7}  {:7}  {:7.2}  {:12.2}  {:16.2}  {:4}  {:5.2}  {:4.2}  {:6.0}  {:8}",
        step.viewers,
        step.refused,
        step.lost_percent,
        step.audio_lost_percent,
        step.publisher_lost_percent,
        step.gone,
        step.cores,
        step.load,
        step.lag_ms,
        step.withheld
    )
}
