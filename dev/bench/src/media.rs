//! `media`: what a forwarded packet costs the server, beside the floor.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use restage_load::floor::{self, Floor};
use restage_load::process::{self, Usage};
use restage_load::{Join, Percentiles, Srtp, unix_ns};

use crate::args::{FLOOR_FRAMES, MediaArgs, rate};
use crate::output;
use crate::report::{Measurement, print};
use crate::runtime::runtime;
use crate::scene::{Director, Scene};
use crate::server::Server;
use crate::topology::Topology;

/// Between the end of the window and counting: late packets and their retransmissions.
const LATE: Duration = Duration::from_millis(700);
/// Longest wait until all subscribers have a picture.
const PICTURE_MAX: Duration = Duration::from_secs(20);
/// Kernel clock ticks of utime and stime (USER_HZ on every Linux).
const TICK_US: f64 = 10_000.0;

pub(super) fn run(args: MediaArgs) -> anyhow::Result<ExitCode> {
    let mut measurements = Vec::new();
    for topology in &args.topologies {
        let (mut runs, mut floors) = (Vec::new(), Vec::new());
        for number in 1..=args.runs.max(1) {
            eprintln!("{topology}: run {number} of {}", args.runs.max(1));
            let before = measure_floor(&args, *topology)?;
            runs.push(runtime()?.block_on(measure(&args, *topology, before))?);
            floors.extend([before, measure_floor(&args, *topology)?]);
        }
        runs.sort_by(|a, b| a.cpu_us_per_packet.total_cmp(&b.cpu_us_per_packet));
        let (least, most) = (
            runs[0].cpu_us_per_packet,
            runs[runs.len() - 1].cpu_us_per_packet,
        );
        let median = runs.swap_remove(runs.len() / 2);
        let floor = Floor::median(&floors).context("a topology is run at least once")?;
        measurements.push(
            Measurement {
                cpu_us_range: [least, most],
                ..median
            }
            .beside(floor),
        );
    }
    match args.output {
        output::Format::Text => print(&measurements)?,
        output::Format::Json => output::json(&measurements)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn measure_floor(args: &MediaArgs, topology: Topology) -> anyhow::Result<Floor> {
    // The same number of packets for every number of subscribers.
    let frames = FLOOR_FRAMES * 200 / topology.subscribers().max(200);
    floor::measure(topology.subscribers(), frames, rate(args.low_rate))
}

async fn measure(
    args: &MediaArgs,
    topology: Topology,
    floor: Floor,
) -> anyhow::Result<Measurement> {
    let rate = rate(args.low_rate);
    let srtp = if args.aes_cm { Srtp::AesCm } else { Srtp::All };
    let server = Server::start(&args.binary, &args.serve_arg, None)?;
    let empty = process::usage(server.pid())?;
    let mut director = Director::new(&server, rate, srtp)?;
    if args.no_feedback {
        director.without_feedback();
    }
    if let Some(ms) = args.feedback_interval_ms {
        director.feedback_every(Duration::from_millis(ms));
    }
    let scene = director.set_up(topology).await?;
    tokio::task::block_in_place(|| scene.fleet.wait_decodable(&scene.joins, PICTURE_MAX))?;
    tokio::time::sleep(Duration::from_secs(args.warm_up)).await;
    let window = Duration::from_secs(args.seconds.max(1));
    let from = unix_ns();
    scene
        .fleet
        .window()
        .set(from, from + window.as_nanos() as u64);
    let before = process::usage(server.pid())?;
    tokio::time::sleep(window).await;
    let after = process::usage(server.pid())?;
    tokio::time::sleep(LATE).await;
    summary(topology, window, &scene, floor, [empty, before, after])
}

fn summary(
    topology: Topology,
    window: Duration,
    scene: &Scene,
    floor: Floor,
    [empty, before, after]: [Usage; 3],
) -> anyhow::Result<Measurement> {
    let tally = scene.fleet.tally()?;
    let packets = (tally.received as f64).max(1.0);
    let cpu_us = (after.cpu_ns - before.cpu_ns) as f64 / 1_000.0;
    let cpu_us_per_packet = cpu_us / packets;
    let percentiles = |ms: &mut dyn Iterator<Item = f64>| {
        Percentiles::of(ms.map(|ms| (ms * 1_000.0) as u32).collect())
    };
    let ms = |of: fn(&Join) -> Option<f64>| percentiles(&mut scene.joins.iter().filter_map(of));
    let mut replicated = scene
        .replications
        .iter()
        .filter_map(|(asked_ns, place)| scene.joins.get(*place)?.decodable_ms_since(*asked_ns));
    let peers = (topology.subscribers() + topology.publishers()) as f64;
    Ok(Measurement {
        topology: topology.to_string(),
        subscribers: topology.subscribers(),
        packets_per_second: packets / window.as_secs_f64(),
        cpu_us_per_packet,
        cpu_us_range: [cpu_us_per_packet; 2],
        cpu_us_per_packet_by_ticks: (after.ticks - before.ticks) as f64 * TICK_US / packets,
        packets_per_cpu_second: 1e6 / cpu_us_per_packet,
        cores: cpu_us / window.as_micros() as f64,
        floor,
        times_floor: cpu_us_per_packet / floor.us_per_packet,
        times_paced_floor: cpu_us_per_packet / floor.paced_us_per_packet,
        loss_percent: tally.loss_percent(),
        repeated: tally.repeated,
        video_ms: Percentiles::of(tally.video_us),
        audio_ms: Percentiles::of(tally.audio_us),
        connected_ms: ms(Join::connected_ms),
        decodable_ms: ms(Join::decodable_ms),
        replicated_ms: (!scene.replications.is_empty()).then(|| percentiles(&mut replicated)),
        rss_bytes_per_peer: (after.rss_bytes.saturating_sub(empty.rss_bytes)) as f64 / peers,
        rss_bytes: after.rss_bytes,
        worker_cores: before
            .workers_ns
            .iter()
            .zip(&after.workers_ns)
            .map(|(before, after)| (after - before) as f64 / window.as_nanos() as f64)
            .collect(),
    })
}
