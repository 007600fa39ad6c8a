//! Compositions and their destinations by state. Those that have ended count until they are removed.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use restage_core::row::{Composition, CompositionState, CompositionTarget, DestinationState};
use restage_store::Store;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabels {
    kind: &'static str,
    state: &'static str,
}

/// Gauges that are set at each reading.
#[derive(Default)]
pub(super) struct Compositions {
    all: Family<StateLabel, Gauge>,
    destinations: Family<DestinationLabels, Gauge>,
}

impl Compositions {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let compositions = Self::default();
        registry.register(
            "compositions",
            "Compositions by state; those that have ended, until they are removed after five minutes",
            compositions.all.clone(),
        );
        registry.register(
            "composition_destinations",
            "Destinations of these compositions by kind (channel, s3) and state",
            compositions.destinations.clone(),
        );
        compositions
    }

    pub(super) async fn read(&self, store: &Store) {
        match store.all_compositions().await {
            Ok(rows) => self.set(&rows),
            Err(error) => {
                tracing::warn!(%error, "compositions could not be counted for metrics");
            }
        }
    }

    fn set(&self, rows: &[Composition]) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for state in CompositionState::ALL {
            let of_state = rows.iter().filter(|row| row.state == state);
            let label = StateLabel {
                state: state.word(),
            };
            self.all.get_or_create(&label).set(count(of_state.count()));
        }
        for state in DestinationState::ALL {
            for kind in ["channel", "s3"] {
                let all = rows.iter().flat_map(|row| &row.destinations);
                let here = all.filter(|row| row.state == state && kind_of(&row.target) == kind);
                let labels = DestinationLabels {
                    kind,
                    state: state.word(),
                };
                let gauge = self.destinations.get_or_create(&labels);
                gauge.set(count(here.count()));
            }
        }
    }
}

const fn kind_of(target: &CompositionTarget) -> &'static str {
    match target {
        CompositionTarget::Channel(_) => "channel",
        CompositionTarget::S3(_) => "s3",
    }
}
