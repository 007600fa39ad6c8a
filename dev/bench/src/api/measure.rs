//! The measurements.

use std::time::{Duration, Instant};

use restage_load::Percentiles;
use restage_load::api::{Connection, Served, closed_loop};
use restage_load::process;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::bare::Bare;
use super::database::Database;
use super::seed;
use super::{Aim, ApiArgs, Figure, median};
use crate::caller::Caller;
use crate::output;
use crate::server::Server;

/// Rows of a page, the most there may be.
const PAGE_ROWS: u32 = 50;
/// Replicas of the small store.
const REPLICAS_FEW: u64 = 100;
/// Pages read of each kind.
const PAGES: usize = 400;
/// Reads before memory is looked at.
const READS: u64 = 2_000;

fn fresh(args: &ApiArgs, runtime: &Runtime) -> anyhow::Result<Database> {
    Database::fresh(args.database.as_deref(), runtime)
}

fn launch(args: &ApiArgs, database: &Database) -> anyhow::Result<Server> {
    Server::start(&args.binary, &[], Some(database.address()))
}

/// Starts a server without the cache of answers.
fn launch_forgetful(args: &ApiArgs, database: &Database) -> anyhow::Result<Server> {
    let flags = ["--answers-mb=0".to_owned()];
    Server::start(&args.binary, &flags, Some(database.address()))
}

fn page(after: Option<&str>) -> Value {
    let mut body = json!({
        "sourceStageArn": seed::source(),
        "participantId": seed::PARTICIPANT,
        "maxResults": PAGE_ROWS,
    });
    if let Some(after) = after {
        body["nextToken"] = json!(after);
    }
    body
}

/// Load for one round. Returns the answers per CPU-second of the process.
fn round(
    args: &ApiArgs,
    pid: u32,
    address: std::net::SocketAddr,
    request: &[u8],
) -> anyhow::Result<(f64, Served)> {
    let each = vec![vec![request.to_vec()]; args.connections.max(1)];
    let before = process::usage(pid)?.cpu_ns;
    let served = closed_loop(address, &each, Duration::from_secs(args.seconds.max(1)))?;
    let spent = (process::usage(pid)?.cpu_ns - before) as f64 / 1e9;
    Ok((served.answers as f64 / spent, served))
}

/// Measures a server with its default settings, which caches answers until their data changes, and one that reads the
/// store each time.
pub(super) fn requests(args: &ApiArgs, runtime: &Runtime) -> anyhow::Result<Vec<Figure>> {
    let (with, without) = (fresh(args, runtime)?, fresh(args, runtime)?);
    for database in [&with, &without] {
        seed::replicas(database, REPLICAS_FEW, runtime)?;
    }
    let servers = [launch(args, &with)?, launch_forgetful(args, &without)?];
    let callers = [Caller::of(&servers[0])?, Caller::of(&servers[1])?];
    let mut figures = Vec::new();
    for (operation, body, aim) in [
        ("ListParticipantReplicas", page(None), 0.5),
        ("GetStage", json!({"arn": seed::source()}), 0.6),
    ] {
        let mut connection = Connection::open(callers[0].address)?;
        let bytes = connection.succeed(&callers[0].request(operation, &body)?)?;
        let bare = Bare::start(bytes)?;
        let (mut rates, mut least, mut shares) = (
            [const { Vec::new() }; 2],
            Vec::new(),
            [const { Vec::new() }; 2],
        );
        // The first round warms up.
        for number in 0..=args.rounds.max(1) {
            eprintln!("{operation}: round {number} of {}", args.rounds.max(1));
            let request = callers[0].request(operation, &body)?;
            let (of_bare, _) = round(args, bare.pid(), bare.address, &request)?;
            for (place, (server, caller)) in servers.iter().zip(&callers).enumerate() {
                let request = caller.request(operation, &body)?;
                let (of_server, _) = round(args, server.pid(), caller.address, &request)?;
                if number > 0 {
                    rates[place].push(of_server);
                    shares[place].push(of_server / of_bare);
                }
            }
            if number > 0 {
                least.push(of_bare);
            }
        }
        let what = |what| format!("{operation}, {} bytes: {what}", bytes.len());
        let ([full, reading], [share, share_reading]) = (rates, shares);
        figures.extend([
            Figure::plain(what("server"), median(full)?, "per CPU-s"),
            Figure::plain(what("reading each time"), median(reading)?, "per CPU-s"),
            Figure::plain(what("bare handler"), median(least)?, "per CPU-s"),
            Figure::aimed(what("share"), median(share)?, "", Aim::AtLeast(aim)),
            Figure::plain(what("share, reading"), median(share_reading)?, ""),
        ]);
    }
    Ok(figures)
}

pub(super) fn tokens(args: &ApiArgs, runtime: &Runtime) -> anyhow::Result<Vec<Figure>> {
    let database = fresh(args, runtime)?;
    let server = launch(args, &database)?;
    let caller = Caller::of(&server)?;
    let stage = caller.call("CreateStage", &json!({"name": "bench"}))?;
    let body = json!({"stageArn": stage["stage"]["arn"]});
    let (mut rates, mut us) = (Vec::new(), Vec::new());
    for number in 0..=args.rounds.max(1) {
        eprintln!(
            "CreateParticipantToken: round {number} of {}",
            args.rounds.max(1)
        );
        let request = caller.request("CreateParticipantToken", &body)?;
        let (rate, served) = round(args, server.pid(), caller.address, &request)?;
        if number > 0 {
            rates.push(rate);
            us.extend(served.us);
        }
    }
    let latency = Percentiles::of(us);
    let aim = Aim::AtLeast(5_000.0);
    Ok(vec![
        Figure::aimed("CreateParticipantToken", median(rates)?, "per CPU-s", aim),
        Figure::plain("CreateParticipantToken: median", latency.p50, "ms"),
        Figure::plain("CreateParticipantToken: p99", latency.p99, "ms"),
    ])
}

pub(super) fn pages(args: &ApiArgs, runtime: &Runtime) -> anyhow::Result<Vec<Figure>> {
    let mut stores = Vec::new();
    for count in [REPLICAS_FEW, args.replicas] {
        eprintln!("{count} replicas: writing them");
        let database = fresh(args, runtime)?;
        seed::replicas(&database, count, runtime)?;
        let server = launch_forgetful(args, &database)?;
        let caller = Caller::of(&server)?;
        eprintln!("{count} replicas: looking for places");
        let places = places(&caller, count)?;
        stores.push((server, database, caller, places));
    }
    let mut took: [[Vec<f64>; 2]; 2] = Default::default();
    eprintln!("reading pages");
    for number in 0..PAGES {
        for ((_, _, caller, places), took) in stores.iter().zip(&mut took) {
            let deep = &places[number * places.len() / PAGES];
            for (after, took) in [None, Some(deep.as_str())].into_iter().zip(took) {
                let request = caller.request("ListParticipantReplicas", &page(after))?;
                let mut connection = Connection::open(caller.address)?;
                // The first answer on a connection includes the cost of the connection.
                connection.succeed(&request)?;
                took.push(timed(&mut connection, &request)?);
            }
        }
    }
    let [[few_first, few_deep], [many_first, many_deep]] = took;
    let mut figures = Vec::new();
    for (what, few, many) in [
        ("first page", few_first, many_first),
        ("deep page", few_deep, many_deep),
    ] {
        let (few, many) = (median(few)?, median(many)?);
        let replicas = args.replicas;
        figures.extend([
            Figure::plain(format!("{what} of {REPLICAS_FEW} replicas"), few, "ms"),
            Figure::plain(format!("{what} of {replicas} replicas"), many, "ms"),
            Figure::aimed(format!("{what}: ratio"), many / few, "", Aim::AtMost(1.2)),
        ]);
    }
    Ok(figures)
}

#[allow(clippy::disallowed_methods)]
fn timed(connection: &mut Connection, request: &[u8]) -> anyhow::Result<f64> {
    let sent_at = Instant::now();
    connection.succeed(request)?;
    Ok(sent_at.elapsed().as_secs_f64() * 1e3)
}

/// Page tokens from all parts of the list, each followed by a full page.
fn places(caller: &Caller, replicas: u64) -> anyhow::Result<Vec<String>> {
    let progress = output::progress(replicas.div_ceil(u64::from(PAGE_ROWS)), "pages");
    let mut connection = Connection::open(caller.address)?;
    let mut found: Vec<String> = Vec::new();
    loop {
        let body = page(found.last().map(String::as_str));
        let request = caller.request("ListParticipantReplicas", &body)?;
        let answer: Value = serde_json::from_slice(connection.succeed(&request)?)?;
        progress.inc(1);
        let Some(next) = answer["nextToken"].as_str() else {
            break;
        };
        found.push(next.to_owned());
    }
    progress.finish_and_clear();
    anyhow::ensure!(
        !found.is_empty(),
        "there are too few replicas for two pages"
    );
    if found.len() > 1 {
        found.pop();
    }
    Ok(found)
}

#[allow(clippy::disallowed_methods)]
pub(super) fn size(args: &ApiArgs, runtime: &Runtime) -> anyhow::Result<Vec<Figure>> {
    let (stages, participants) = (args.stages, args.participants);
    eprintln!("{stages} stages, {participants} participants: writing them");
    let database = fresh(args, runtime)?;
    seed::participants(&database, stages, participants, runtime)?;
    let began = Instant::now();
    let server = launch(args, &database)?;
    let ready_s = began.elapsed().as_secs_f64();
    let started = process::usage(server.pid())?.rss_bytes;
    let caller = Caller::of(&server)?;
    eprintln!("reading {READS} lists of participants");
    let mut connection = Connection::open(caller.address)?;
    for number in 0..READS {
        let (stage, session) = seed::place(number * stages.max(1) / READS);
        let body = json!({"stageArn": stage, "sessionId": session});
        connection.succeed(&caller.request("ListParticipants", &body)?)?;
        connection.succeed(&caller.request("GetStage", &json!({"arn": stage}))?)?;
    }
    let used = process::usage(server.pid())?.rss_bytes;
    let what = format!("{stages} stages, {participants} participants");
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let rss = |when: &str| format!("{what}: memory {when}");
    Ok(vec![
        Figure::aimed(
            format!("{what}: ready after"),
            ready_s,
            "s",
            Aim::AtMost(2.0),
        ),
        Figure::plain(rss("at start"), megabytes(started), "MB"),
        Figure::aimed(
            rss("after reading"),
            megabytes(used),
            "MB",
            Aim::AtMost(300.0),
        ),
    ])
}
