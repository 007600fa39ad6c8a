//! How media connections are, all together. Read from what the workers have found when somebody asks. Connections have no labels of
//! their own: each counts once in [`SURVEY_INTERVAL`](restage_node::media::SURVEY_INTERVAL) in distributions.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use restage_node::media::{Measure, Media, Present, Spread};

/// Reads what the media workers have found.
pub(super) struct SurveyCollector(pub(super) Media);

impl fmt::Debug for SurveyCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SurveyCollector").finish_non_exhaustive()
    }
}

/// Name, help and unit of a distribution.
fn described(measure: Measure) -> (&'static str, &'static str, Unit) {
    match measure {
        Measure::RoundTrip => (
            "media_peer_round_trip",
            "Time to a client and back; each connection counts every 5 seconds",
            Unit::Seconds,
        ),
        Measure::Loss => (
            "media_peer_loss",
            "Share of packets that a subscriber's network has lost in the last second; each connection counts every 5 seconds",
            Unit::Ratios,
        ),
        Measure::Estimate => (
            "media_peer_estimate",
            "What a subscriber's network is estimated to carry; each connection counts every 5 seconds",
            Unit::Other("bits_per_second".to_owned()),
        ),
        Measure::Published => (
            "media_peer_published",
            "What a publisher sends, all layers together; each connection counts every 5 seconds",
            Unit::Other("bits_per_second".to_owned()),
        ),
        Measure::Received => (
            "media_peer_received",
            "What a subscriber is sent; each connection counts every 5 seconds",
            Unit::Other("bits_per_second".to_owned()),
        ),
    }
}

/// The buckets of a distribution, each with its own count alone.
fn buckets(measure: Measure, spread: &Spread) -> Vec<(f64, u64)> {
    let bounds = measure.bounds().into_iter().chain([f64::INFINITY]);
    bounds.zip(spread.counts).collect()
}

const PROTOCOLS: [&str; 3] = ["udp", "tcp", "turn"];
const LAYERS: [&str; 4] = ["hi", "mid", "low", "none"];
const REASONS: [&str; 3] = ["network", "wish", "overload"];

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    all: &[(&[(&'static str, &'static str)], u64)],
) -> fmt::Result {
    let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, count) in all {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        ConstGauge::new(count).encode(gauge.encode_family(labels)?)?;
    }
    Ok(())
}

fn present(encoder: &mut DescriptorEncoder<'_>, present: &Present) -> fmt::Result {
    let mut labels = Vec::new();
    for (role, counts) in [
        ("publish", present.publishers),
        ("subscribe", present.subscribers),
    ] {
        for (protocol, count) in PROTOCOLS.into_iter().zip(counts) {
            labels.push(([("kind", role), ("protocol", protocol)], count));
        }
    }
    let all: Vec<_> = labels
        .iter()
        .map(|(labels, count)| (&labels[..], *count))
        .collect();
    let what = (
        "media_peers_connected",
        "Connected WebRTC peers by what carries their media, as of the last look at each",
    );
    gauges(encoder, what, &all)?;
    for (name, help, label, values, counts) in [
        (
            "media_subscribers_by_layer",
            "Subscribers that take video by the layer that they are sent, as of the last look at each",
            "layer",
            &LAYERS[..],
            &present.layers[..],
        ),
        (
            "media_subscribers_paused",
            "Subscribers whose pictures are paused by the reason, as of the last look at each",
            "reason",
            &REASONS[..],
            &present.paused[..],
        ),
    ] {
        let labels: Vec<_> = values.iter().map(|value| [(label, *value)]).collect();
        let all: Vec<_> = labels
            .iter()
            .map(|one| &one[..])
            .zip(counts.iter().copied())
            .collect();
        gauges(encoder, (name, help), &all)?;
    }
    Ok(())
}

impl Collector for SurveyCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let survey = self.0.survey();
        for (measure, spread) in Measure::ALL.into_iter().zip(&survey.spreads) {
            let (name, help, unit) = described(measure);
            let mut histogram =
                encoder.encode_descriptor(name, help, Some(&unit), MetricType::Histogram)?;
            let count = spread.counts.iter().sum();
            let buckets = buckets(measure, spread);
            histogram.encode_histogram::<NoLabelSet>(spread.sum, count, &buckets, None)?;
        }
        present(&mut encoder, &survey.present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bucket_is_above_all_bounds() {
        let mut spread = Spread::default();
        *spread.counts.last_mut().unwrap() = 3;
        let buckets = buckets(Measure::Loss, &spread);
        assert_eq!(buckets.first(), Some(&(0.0, 0)));
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, 3)));
        assert_eq!(buckets.len(), spread.counts.len());
    }
}
