//! How the sinks of events are doing.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use restage_store::Store;
use restage_store::system::clock;

use super::state::raise;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: &'static str,
}

/// Set at each reading.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Family<SinkLabel, Gauge>,
    lag: Family<SinkLabel, Gauge<f64, AtomicU64>>,
    delivered: Family<SinkLabel, Counter>,
    refused: Family<SinkLabel, Counter>,
    dead: Family<SinkLabel, Counter>,
}

impl Outbox {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let outbox = Self::default();
        registry.register(
            "outbox_events",
            "Events that wait for a sink",
            outbox.waiting.clone(),
        );
        registry.register_with_unit(
            "outbox_lag",
            "Age of the oldest event that waits for a sink, 0 with none",
            Unit::Seconds,
            outbox.lag.clone(),
        );
        registry.register(
            "outbox_delivered",
            "Events a sink took",
            outbox.delivered.clone(),
        );
        registry.register(
            "outbox_refused",
            "Attempts a sink refused",
            outbox.refused.clone(),
        );
        registry.register(
            "outbox_dead_letters",
            "Events given up",
            outbox.dead.clone(),
        );
        outbox
    }

    pub(super) fn read(&self, store: &Store) {
        for (sink, stats) in store.outbox_stats() {
            let label = SinkLabel { sink };
            let waiting = i64::try_from(stats.waiting).unwrap_or(i64::MAX);
            self.waiting.get_or_create(&label).set(waiting);
            let age_us = match stats.oldest_at {
                0 => 0,
                at => clock::now().0.saturating_sub(at).max(0),
            };
            self.lag.get_or_create(&label).set(age_us as f64 / 1e6);
            raise(&self.delivered.get_or_create(&label), stats.delivered);
            raise(&self.refused.get_or_create(&label), stats.refused);
            raise(&self.dead.get_or_create(&label), stats.dead);
        }
    }
}
