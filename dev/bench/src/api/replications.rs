//! StartParticipantReplication at a steady rate, without media.

use std::time::{Duration, Instant};

use anyhow::bail;
use restage_load::api::{Connection, open_loop};
use restage_load::{Fleet, Percentiles, Rate, Srtp};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::database::Database;
use super::{Aim, ApiArgs, Figure};
use crate::caller::{Caller, text};
use crate::server::Server;

/// Calls a second.
const PER_SECOND: u32 = 200;
/// What 99 of 100 calls may take on SQLite, in milliseconds.
const P99_MS: f64 = 2.0;
/// How long the server may take to see the publisher.
const PUBLISHING_MAX: Duration = Duration::from_secs(10);
/// Interval of the checks.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// The publishers are real, with a low bitrate; nobody subscribes. Each call names a stage without an earlier replica,
/// and no replica of an earlier round is left.
pub(super) fn replications(args: &ApiArgs, runtime: &Runtime) -> anyhow::Result<Vec<Figure>> {
    let calls = PER_SECOND * u32::try_from(args.seconds.max(1))?;
    let database = Database::fresh(args.database.as_deref(), runtime)?;
    let server = launch(args, &database, calls)?;
    let caller = Caller::of(&server)?;
    let source = stages(&caller, 1)?.remove(0);
    let mut fleet = Fleet::start(Srtp::All)?;
    let mut publishers = Vec::new();
    for _ in 0..args.publishers.max(1) {
        let participant = publish(&caller, &server, &mut fleet, &source)?;
        wait_for_publisher(&caller, &source, &participant)?;
        publishers.push(participant);
    }
    let mut us = Vec::new();
    // The first round warms up.
    for number in 0..=args.rounds.max(1) {
        eprintln!(
            "StartParticipantReplication: round {number} of {}",
            args.rounds.max(1)
        );
        let destinations = stages(&caller, calls)?;
        let requests = for_each(&caller, "Start", &source, &publishers, &destinations)?;
        let connections = args.connections.max(1);
        let served = open_loop(caller.address, &requests, PER_SECOND, connections)?;
        if number > 0 {
            us.extend(served.us);
        }
        let mut connection = Connection::open(caller.address)?;
        for request in for_each(&caller, "Stop", &source, &publishers, &destinations)? {
            connection.succeed(&request)?;
        }
    }
    Ok(figures(us, publishers.len(), args.database.is_none()))
}

fn figures(us: Vec<u32>, publishers: usize, is_sqlite: bool) -> Vec<Figure> {
    let what = |what| format!("StartParticipantReplication, publishers {publishers}: {what}");
    let answered = us.len() as f64;
    let latency = Percentiles::of(us);
    let p99 = match is_sqlite {
        true => Figure::aimed(what("p99"), latency.p99, "ms", Aim::AtMost(P99_MS)),
        false => Figure::plain(what("p99"), latency.p99, "ms"),
    };
    vec![
        Figure::plain(what("calls"), answered, ""),
        Figure::plain(what("median"), latency.p50, "ms"),
        p99,
    ]
}

/// Starts a server with limits for a round's replicas and for those that check the publishers.
fn launch(args: &ApiArgs, database: &Database, calls: u32) -> anyhow::Result<Server> {
    let flags = [
        format!("--limit-replications-per-participant={}", calls + 1),
        format!("--limit-publishers-per-stage={}", args.publishers.max(1)),
        format!("--limit-publishers={}", calls + 2 * args.publishers.max(1)),
        format!("--limit-stages={}", u32::MAX),
    ];
    Server::start(&args.binary, &flags, Some(database.address()))
}

/// New stages.
fn stages(caller: &Caller, count: u32) -> anyhow::Result<Vec<String>> {
    let request = caller.request("CreateStage", &json!({"name": "bench"}))?;
    let mut connection = Connection::open(caller.address)?;
    let mut arns = Vec::new();
    for _ in 0..count {
        let answer: Value = serde_json::from_slice(connection.succeed(&request)?)?;
        arns.push(text(&answer["stage"]["arn"])?);
    }
    Ok(arns)
}

/// Publishes to the stage, and returns the participant.
fn publish(
    caller: &Caller,
    server: &Server,
    fleet: &mut Fleet,
    stage: &str,
) -> anyhow::Result<String> {
    let body = json!({"stageArn": stage, "capabilities": ["PUBLISH"]});
    let answer = caller.call("CreateParticipantToken", &body)?;
    let token = text(&answer["participantToken"]["token"])?;
    fleet.publish(&format!("{}/whip", server.url()), &token, Rate::LOW)?;
    text(&answer["participantToken"]["participantId"])
}

/// `verb`ParticipantReplication into each of these, of one publisher after the other.
fn for_each(
    caller: &Caller,
    verb: &str,
    source: &str,
    publishers: &[String],
    destinations: &[String],
) -> anyhow::Result<Vec<Vec<u8>>> {
    let operation = format!("{verb}ParticipantReplication");
    let request = |(destination, participant): (&String, &String)| {
        let body = json!({
            "sourceStageArn": source,
            "destinationStageArn": destination,
            "participantId": participant,
        });
        caller.request(&operation, &body)
    };
    let pairs = destinations.iter().zip(publishers.iter().cycle());
    pairs.map(request).collect()
}

/// A replication can start a moment after the publisher's media is up: one is tried until it does.
#[allow(clippy::disallowed_methods)]
fn wait_for_publisher(caller: &Caller, source: &str, participant: &String) -> anyhow::Result<()> {
    let destination = stages(caller, 1)?;
    let publisher = std::slice::from_ref(participant);
    let request = for_each(caller, "Start", source, publisher, &destination)?.remove(0);
    let mut connection = Connection::open(caller.address)?;
    let deadline = Instant::now() + PUBLISHING_MAX;
    loop {
        let answer = connection.exchange(&request)?;
        match answer.status {
            200 => return Ok(()),
            404 | 409 if Instant::now() < deadline => std::thread::park_timeout(ASK_EVERY),
            status => {
                let said = String::from_utf8_lossy(answer.body);
                bail!("the publisher cannot be replicated: {status}: {said}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aim_is_that_of_sqlite() {
        let us = || vec![1_000; 98].into_iter().chain([1_500, 9_000]).collect();
        let of = |is_sqlite| figures(us(), 1, is_sqlite);
        let values: Vec<f64> = of(true).iter().map(|figure| figure.value).collect();
        assert_eq!(values, [100.0, 1.0, 1.5]);
        assert_eq!(of(true)[2].is_met, Some(true));
        assert_eq!(of(false)[2].is_met, None);
    }
}
