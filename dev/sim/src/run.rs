//! The phases of a run: a busy one with faults, a quiet one in which everything has to work, and an end after which nothing may be
//! left.

use std::time::{Duration, Instant};

use restage_core::Command;
use restage_core::row::Attributes;

use crate::audit::Newest;
use crate::client::State;
use crate::plan::Plan;
use crate::workload::{Workload, stage_arn};
use crate::world::{Outcome, World};

/// Longest time until a vanished client, a dead process and a standing clock are noticed and made good: silence of 16 s
/// ([`restage_media::limits::PEER_SILENCE_UNCHECKED_MAX`]), and joining again.
const NOTICED: Duration = Duration::from_secs(20);
/// Longest time of joining and the first picture where nothing goes wrong.
const SHOWN: Duration = Duration::from_secs(6);
/// Time in which stage sessions, windows and jobs end by themselves, besides the time that a session may be idle.
const ENDED: Duration = Duration::from_secs(12);

/// Runs a plan to its end. Whatever does not hold is a panic.
pub fn run(plan: &Plan) -> Outcome {
    let base = base();
    let mut workload = Workload::new(plan);
    let mut world = World::new(plan, base);
    workload.run(&mut world, plan.busy);
    quieten(&mut world);
    story(&mut world, &mut workload);
    end(&mut world);
    world.outcome()
}

/// The instant that all others are relative to. Nothing depends on it.
#[allow(clippy::disallowed_methods)]
fn base() -> Instant {
    static BASE: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

/// Nothing goes wrong any more. Half of the clients leave, so that the rest of the run is quicker.
fn quieten(world: &mut World) {
    world.calm();
    for number in (0..world.clients.len()).step_by(2) {
        if world.clients[number].state != State::Left {
            world.leave(number, true);
        }
    }
    for number in 0..world.encoders.len() {
        if number % 2 == 0 && !world.encoders[number].is_gone {
            world.finish_encoder(number);
        }
    }
    let noticed = world.now.max(world.frozen_until) + NOTICED;
    world.advance(noticed);
    agree(world);
}

/// Rows and media say the same.
fn agree(world: &mut World) {
    // What is under way comes to its end.
    for _ in 0..1_500 {
        if world.server.is_settled() {
            break;
        }
        let at = world.now + Duration::from_millis(20);
        world.advance(at);
    }
    assert!(world.server.is_up, "the server is up again");
    assert!(
        world.server.is_settled(),
        "commands and effects do not wait for ever"
    );
    let rows: Vec<_> = world.server.store.world.connections.keys().collect();
    let live: Vec<_> = world.server.live.keys().collect();
    assert_eq!(
        rows, live,
        "the connections of the rows are those of the server"
    );
    let peers: u64 = world
        .server
        .workers
        .iter()
        .map(|worker| worker.stats().peers + worker.stats().inlets)
        .sum();
    assert_eq!(
        peers,
        live.len() as u64,
        "the peers of the workers are those connections"
    );
}

/// A story with a known end: somebody publishes in a stage, is replicated to another, and is watched in both.
fn story(world: &mut World, workload: &mut Workload) {
    world.plan.clients_max = usize::MAX;
    Workload::create_storage(world);
    let source = workload.create_stage(world);
    let destination = workload.create_stage(world);
    let publisher = workload.publish(world, &source).expect("there is room");
    world.clients[publisher].habit.has_audio = true;
    let id = world.clients[publisher].claims.participant.clone();
    wait(world, "the publisher publishes", |world| {
        let rows = world.server.store.world.participants.values();
        let mut own = rows.filter(|row| row.id == id && row.publishing);
        own.next().is_some()
    });
    let call = world.call(Command::StartParticipantReplication {
        source: stage_arn(&source),
        destination: stage_arn(&destination),
        participant: id.clone(),
        reconnect_window_s: 0,
        attributes: Attributes::new(),
    });
    wait(world, "the replication starts", |world| {
        world.answers.get(&call) == Some(&Ok(()))
    });
    let mut viewers = Vec::new();
    for stage in [&source, &destination] {
        let viewer = workload.watch(world, stage, id.clone());
        world.clients[viewer].habit.has_audio = true;
        viewers.push(viewer);
    }
    for viewer in viewers {
        follows(world, publisher, viewer);
    }
}

/// The viewer gets the newest packets of the publisher.
fn follows(world: &mut World, publisher: usize, viewer: usize) {
    let has_video =
        world.clients[publisher].habit.has_video && world.clients[viewer].habit.has_video;
    let newest = |world: &World| {
        let State::Joined(connection) = &world.clients[viewer].state else {
            return Newest::default();
        };
        world.server.auditor.newest(connection)
    };
    let feed = world.clients[publisher].feed;
    wait(world, "a viewer is sent sound and pictures", |world| {
        let Newest { audio, video } = newest(world);
        let of_feed = |seen: Option<(u64, u32)>| seen.is_some_and(|(of, _)| of == feed);
        of_feed(audio) && (of_feed(video) || !has_video)
    });
    let Newest { audio, video } = newest(world);
    let at = world.now + Duration::from_secs(2);
    world.advance(at);
    let later = newest(world);
    let gained = |from: Option<(u64, u32)>, to: Option<(u64, u32)>| match (from, to) {
        (Some((_, from)), Some((_, to))) => to.saturating_sub(from),
        _ => 0,
    };
    let sound = gained(audio, later.audio);
    assert!(
        sound >= 45,
        "{sound} of 50 packets of sound arrive where nothing goes wrong"
    );
    let pictures = gained(video, later.video);
    assert!(
        !has_video || pictures >= 17,
        "{pictures} of 20 pictures arrive where nothing goes wrong"
    );
}

fn wait(world: &mut World, what: &str, is_so: impl Fn(&World) -> bool) {
    let deadline = world.now + SHOWN;
    while !is_so(world) {
        assert!(
            world.now < deadline,
            "within {SHOWN:?}: {what}; the clients are {:?}; the last answer is {:?}",
            world
                .clients
                .iter()
                .map(|client| (&client.state, &client.refusal))
                .collect::<Vec<_>>(),
            world.answers.last_key_value()
        );
        let at = world.now + Duration::from_millis(20);
        world.advance(at);
    }
}

/// Everybody leaves. Nothing may be left of anybody.
fn end(world: &mut World) {
    for number in 0..world.encoders.len() {
        if !world.encoders[number].is_gone {
            world.finish_encoder(number);
        }
    }
    for number in 0..world.clients.len() {
        if world.clients[number].state != State::Left {
            world.leave(number, true);
        }
    }
    let idle = Duration::from_secs(u64::from(world.plan.session_idle_s));
    let ended = world.now + idle + ENDED;
    world.advance(ended);
    agree(world);
    let rows = &world.server.store.world;
    assert_eq!(rows.connections.len(), 0, "nobody is connected");
    let open: Vec<_> = rows
        .sessions
        .values()
        .filter(|row| row.ended_at.is_none())
        .collect();
    assert_eq!(
        open.len(),
        0,
        "stage sessions end when nobody publishes: {open:?}"
    );
    assert!(
        rows.replicas.values().all(|row| !row.active),
        "replications have ended"
    );
    let live: Vec<_> = rows.jobs.values().filter(|row| row.is_live()).collect();
    assert_eq!(live.len(), 0, "jobs have ended: {live:?}");
    let open: Vec<_> = rows
        .recordings
        .values()
        .filter(|row| !row.state.is_final())
        .collect();
    assert_eq!(open.len(), 0, "recordings have been completed: {open:?}");
    for worker in &world.server.workers {
        let stats = worker.stats();
        assert_eq!(
            [
                stats.peers,
                stats.publications,
                stats.taps,
                stats.addresses,
                stats.inlets
            ],
            [0; 5],
            "a worker keeps nothing: {stats:?}"
        );
    }
}
