//! What is read when somebody asks: rows that are live, connections, the workers' counters.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use restage_node::control::Control;
use restage_store::LiveCounts;

use super::composition::Compositions;
use super::outbox::Outbox;
use crate::panics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProfileLabel {
    profile: &'static str,
}

/// Gauges and counters that are set at each reading.
#[derive(Default)]
pub(super) struct State {
    store_up: Gauge,
    commits: Counter,
    commands: Counter,
    queued: Gauge,
    sessions: Gauge,
    participants: Gauge,
    replicas: Gauge,
    connections: Family<KindLabel, Gauge>,
    peers: Gauge,
    tasks: Gauge,
    datagrams_received: Counter,
    datagrams_sent: Counter,
    datagrams_dropped: Counter,
    datagrams_refused: Counter,
    panics: Counter,
    outbox: Outbox,
    compositions: Compositions,
    workers: Gauge,
    packets_received: Counter,
    packets_forwarded: Counter,
    packets_resent: Counter,
    packets_relayed: Counter,
    bursts_dropped: Counter,
    keyframe_requests: Counter,
    peers_exceeding: Counter,
    srtp: Family<ProfileLabel, Counter>,
    tcp_connections: Gauge,
    turn_allocations: Gauge,
    line_datagrams_sent: Counter,
    line_datagrams_dropped: Counter,
    workers_alive: Gauge,
    load: Gauge<f64, AtomicU64>,
    lag: Gauge<f64, AtomicU64>,
    peers_withheld: Gauge,
    feedback_dropped: Counter,
    worker_restarts: Counter,
    peer_panics: Counter,
    addresses_contested: Counter,
    sources_refused: Counter,
    keyframes_refused: Counter,
}

impl State {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let state = Self {
            outbox: Outbox::register(registry),
            compositions: Compositions::register(registry),
            ..Self::default()
        };
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge(
            "store_up",
            "1 while changes can be made durable, else 0",
            &state.store_up,
        );
        gauge(
            "store_queue",
            "Commands waiting for the writer",
            &state.queued,
        );
        gauge(
            "stage_sessions",
            "Stage sessions under way",
            &state.sessions,
        );
        gauge(
            "participants",
            "Participants connected, replicas not counted",
            &state.participants,
        );
        gauge("replicas", "Replicas that are ACTIVE", &state.replicas);
        gauge("media_peers", "WebRTC peers", &state.peers);
        gauge("tasks", "Tasks of the runtime", &state.tasks);
        gauge("media_workers", "Media workers", &state.workers);
        gauge(
            "media_tcp_connections",
            "TCP connections of clients that carry media, those of the relay included",
            &state.tcp_connections,
        );
        gauge(
            "turn_allocations",
            "Allocations of the relay (TURN)",
            &state.turn_allocations,
        );
        gauge(
            "media_workers_alive",
            "Media workers whose thread runs",
            &state.workers_alive,
        );
        gauge(
            "media_peers_withheld",
            "WebRTC peers whose pictures are withheld because the media worker is overloaded",
            &state.peers_withheld,
        );
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter(
            "store_commits",
            "Transactions the writer committed",
            &state.commits,
        );
        counter("store_commands", "Commands in them", &state.commands);
        counter(
            "media_datagrams_received",
            "Datagrams received for media",
            &state.datagrams_received,
        );
        counter(
            "media_datagrams_sent",
            "Datagrams sent for media",
            &state.datagrams_sent,
        );
        counter(
            "media_datagrams_dropped",
            "Datagrams the kernel did not take",
            &state.datagrams_dropped,
        );
        counter(
            "media_datagrams_refused",
            "Datagrams of other machines dropped unread while only this machine is served",
            &state.datagrams_refused,
        );
        counter(
            "media_line_datagrams_sent",
            "Datagrams queued for TCP connections of clients",
            &state.line_datagrams_sent,
        );
        counter(
            "media_line_datagrams_dropped",
            "Datagrams left out because a client's TCP connection is too slow, or has ended",
            &state.line_datagrams_dropped,
        );
        counter(
            "panics",
            "Errors in the program that ended a part of it: a request, a connection",
            &state.panics,
        );
        counter(
            "media_packets_received",
            "RTP packets received from publishers",
            &state.packets_received,
        );
        counter(
            "media_packets_forwarded",
            "RTP packets forwarded to subscribers",
            &state.packets_forwarded,
        );
        counter(
            "media_packets_resent",
            "RTP packets sent again to subscribers that asked",
            &state.packets_resent,
        );
        counter(
            "media_packets_relayed",
            "RTP packets received from another media worker",
            &state.packets_relayed,
        );
        counter(
            "media_bursts_dropped",
            "Bursts another media worker had no room for",
            &state.bursts_dropped,
        );
        counter(
            "media_keyframe_requests",
            "Key frames asked of publishers",
            &state.keyframe_requests,
        );
        counter(
            "media_peers_exceeding",
            "WebRTC peers ended because their bitrate or resolution was over its limit",
            &state.peers_exceeding,
        );
        for (name, help, what) in [
            (
                "media_feedback_dropped",
                "Datagrams of subscribers' reports and requests dropped because there were too many at a time",
                &state.feedback_dropped,
            ),
            (
                "media_worker_restarts",
                "Times a media worker began anew after an error in the program",
                &state.worker_restarts,
            ),
            (
                "media_peer_panics",
                "WebRTC peers ended by an error in the program",
                &state.peer_panics,
            ),
            (
                "media_addresses_contested",
                "STUN checks of clients that came from an address that is another client's",
                &state.addresses_contested,
            ),
            (
                "media_sources_refused",
                "RTP and RTCP packets of SSRCs beyond those a client may use under one key",
                &state.sources_refused,
            ),
            (
                "media_keyframes_refused",
                "Key frames that a subscriber asked for beyond its budget",
                &state.keyframes_refused,
            ),
        ] {
            registry.register(name, help, what.clone());
        }
        registry.register(
            "media_load",
            "Share of the processor time that the busiest media worker may have, 1 is all of it",
            state.load.clone(),
        );
        registry.register_with_unit(
            "media_lag",
            "How late the latest media worker is, smoothed",
            Unit::Seconds,
            state.lag.clone(),
        );
        registry.register(
            "media_srtp_connections",
            "WebRTC connections by the SRTP profile they agreed on",
            state.srtp.clone(),
        );
        registry.register(
            "connections",
            "Open connections: publish (WHIP), subscribe (WHEP), events (WebSocket)",
            state.connections.clone(),
        );
        state
    }

    pub(super) async fn read(&self, control: &Control) {
        let store = control.store();
        let (writes, counts) = tokio::join!(store.can_write(), store.live_counts());
        self.store_up.set(i64::from(writes.is_ok()));
        match counts {
            Ok(counts) => self.set_counts(&counts),
            Err(error) => tracing::warn!(%error, "the store could not be read for metrics"),
        }
        self.compositions.read(store).await;
        self.outbox.read(store);
        let stats = store.stats();
        raise(&self.commits, stats.commits);
        raise(&self.commands, stats.commands);
        self.queued
            .set(i64::try_from(stats.queued).unwrap_or(i64::MAX));
        let media = control.media().stats();
        self.peers
            .set(i64::try_from(media.peers).unwrap_or(i64::MAX));
        raise(&self.datagrams_received, media.datagrams_received);
        raise(&self.datagrams_sent, media.datagrams_sent);
        raise(&self.datagrams_dropped, media.datagrams_dropped);
        raise(&self.datagrams_refused, media.datagrams_refused);
        raise(&self.line_datagrams_sent, media.line_datagrams_sent);
        raise(&self.line_datagrams_dropped, media.line_datagrams_dropped);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let runtime = tokio::runtime::Handle::current().metrics();
        self.tasks.set(count(runtime.num_alive_tasks()));
        self.tcp_connections
            .set(count(control.media().connections()));
        self.turn_allocations
            .set(count(control.media().allocations()));
        raise(&self.panics, panics::count());
        let workers = control.media().ports().len();
        self.workers.set(i64::try_from(workers).unwrap_or(i64::MAX));
        raise(&self.packets_received, media.packets_received);
        raise(&self.packets_forwarded, media.packets_forwarded);
        raise(&self.packets_resent, media.packets_resent);
        raise(&self.packets_relayed, media.packets_relayed);
        raise(&self.bursts_dropped, media.bursts_dropped);
        raise(&self.keyframe_requests, media.keyframe_requests);
        raise(&self.peers_exceeding, media.peers_exceeding);
        raise(&self.feedback_dropped, media.feedback_dropped);
        raise(&self.worker_restarts, media.restarts);
        raise(&self.peer_panics, media.peer_panics);
        raise(&self.addresses_contested, media.addresses_contested);
        raise(&self.sources_refused, media.sources_refused);
        raise(&self.keyframes_refused, media.keyframes_refused);
        self.peers_withheld
            .set(i64::try_from(media.peers_withheld).unwrap_or(i64::MAX));
        let load = control.media().load();
        self.load.set(f64::from(load.permille) / 1_000.0);
        self.lag.set(load.lag.as_secs_f64());
        self.workers_alive
            .set(i64::try_from(load.alive).unwrap_or(i64::MAX));
        for (profile, count) in [
            ("AEAD_AES_256_GCM", media.srtp_aes_256_gcm),
            ("AEAD_AES_128_GCM", media.srtp_aes_128_gcm),
            ("AES128_CM_SHA1_80", media.srtp_aes_128_cm),
        ] {
            raise(&self.srtp.get_or_create(&ProfileLabel { profile }), count);
        }
    }

    fn set_counts(&self, counts: &LiveCounts) {
        self.sessions.set(counts.sessions);
        self.participants.set(counts.participants);
        self.replicas.set(counts.replicas);
        for (kind, count) in [
            ("publish", counts.publishing),
            ("subscribe", counts.subscribing),
            ("events", counts.events),
        ] {
            self.connections
                .get_or_create(&KindLabel { kind })
                .set(count);
        }
    }
}

/// A counter that is kept elsewhere.
pub(super) fn raise(counter: &Counter, value: u64) {
    counter.inner().fetch_max(value, Ordering::Relaxed);
}
