//! What is read when somebody asks: rows that are live, connections, the workers' counters.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::control::Control;
use crate::store::LiveCounts;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
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
    datagrams_received: Counter,
    datagrams_sent: Counter,
    datagrams_dropped: Counter,
}

impl State {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let state = Self::default();
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge(
            "store_up",
            "1 while the database answers, else 0",
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
        registry.register(
            "connections",
            "Open connections: publish (WHIP), subscribe (WHEP), events (WebSocket)",
            state.connections.clone(),
        );
        state
    }

    pub(super) async fn read(&self, control: &Control) {
        let store = control.store();
        match store.live_counts().await {
            Ok(counts) => {
                self.store_up.set(1);
                self.set_counts(&counts);
            }
            Err(error) => {
                tracing::warn!(%error, "the store could not be read for metrics");
                self.store_up.set(0);
            }
        }
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
fn raise(counter: &Counter, value: u64) {
    counter.inner().fetch_max(value, Ordering::Relaxed);
}
