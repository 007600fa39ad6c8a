//! What is counted of encoders, for metrics.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use restage_core::row::IngestProtocol;
use restage_rtmp::Refusal;

/// The label of refusals without a code of the service.
const ENDED: &str = "ENDED";
/// Bounds of the histogram of the release delay, in seconds.
const DELAYS: [f64; 9] = [0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The counters of all listeners. Clones share the numbers.
#[derive(Clone)]
pub(crate) struct Counters {
    connections: Family<ProtocolLabel, Counter>,
    streams: Family<ProtocolLabel, Gauge>,
    bytes: Family<ProtocolLabel, Counter>,
    refused: Family<CodeLabel, Counter>,
    left_out: Family<KindLabel, Counter>,
    delay: Histogram,
}

/// What of a stream has been counted so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) pictures: u64,
    pub(super) sound: u64,
    /// Packets that the media plane had no room for.
    pub(super) packets: u64,
}

impl Default for Counters {
    fn default() -> Self {
        let counters = Self {
            connections: Family::default(),
            streams: Family::default(),
            bytes: Family::default(),
            refused: Family::default(),
            left_out: Family::default(),
            delay: Histogram::new(DELAYS),
        };
        // These exist from the start, so that an alert finds them.
        for protocol in [IngestProtocol::Rtmp, IngestProtocol::Rtmps] {
            let label = label(protocol);
            drop(counters.connections.get_or_create(&label));
            drop(counters.streams.get_or_create(&label));
            drop(counters.bytes.get_or_create(&label));
        }
        for kind in ["pictures", "sound", "packets"] {
            drop(counters.left_out.get_or_create(&KindLabel { kind }));
        }
        drop(counters.refused.get_or_create(&CodeLabel { code: ENDED }));
        counters
    }
}

impl Counters {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rtmp_connections",
            "Connections that were taken by RTMP and RTMPS",
            self.connections.clone(),
        );
        registry.register(
            "rtmp_streams",
            "Streams that encoders publish at present",
            self.streams.clone(),
        );
        registry.register_with_unit(
            "rtmp_received",
            "Bytes that came by RTMP, those of RTMPS without its encryption",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register(
            "rtmp_refused",
            "Streams that were refused or ended by the server, by the service's error code; ENDED: by an operation, or at a restart",
            self.refused.clone(),
        );
        registry.register(
            "rtmp_left_out",
            "What came and was not passed on: pictures and packets of sound of streams that were late or damaged, and packets for which the media plane had no room",
            self.left_out.clone(),
        );
        registry.register_with_unit(
            "rtmp_release_delay",
            "By how much streams are held back, looked at once a second",
            Unit::Seconds,
            self.delay.clone(),
        );
    }

    pub(super) fn connected(&self, protocol: IngestProtocol) {
        self.connections.get_or_create(&label(protocol)).inc();
    }

    /// The bytes of a protocol, to be kept by each connection.
    pub(super) fn bytes(&self, protocol: IngestProtocol) -> Counter {
        self.bytes.get_or_create(&label(protocol)).clone()
    }

    pub(super) fn began(&self, protocol: IngestProtocol) {
        self.streams.get_or_create(&label(protocol)).inc();
    }

    pub(super) fn over(&self, protocol: IngestProtocol) {
        self.streams.get_or_create(&label(protocol)).dec();
    }

    pub(super) fn refused(&self, refusal: &Refusal) {
        let code = refusal.code().unwrap_or(ENDED);
        self.refused.get_or_create(&CodeLabel { code }).inc();
    }

    pub(super) fn delayed(&self, delay: Duration) {
        self.delay.observe(delay.as_secs_f64());
    }

    /// Counts what has been left out since `before`.
    pub(super) fn left_out(&self, before: LeftOut, now: LeftOut) {
        let more = |kind, before: u64, now: u64| {
            let counter = self.left_out.get_or_create(&KindLabel { kind }).clone();
            counter.inc_by(now.saturating_sub(before));
        };
        more("pictures", before.pictures, now.pictures);
        more("sound", before.sound, now.sound);
        more("packets", before.packets, now.packets);
    }
}

fn label(protocol: IngestProtocol) -> ProtocolLabel {
    let protocol = match protocol {
        IngestProtocol::Rtmp => "rtmp",
        IngestProtocol::Rtmps => "rtmps",
    };
    ProtocolLabel { protocol }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let counters = Counters::default();
        let mut registry = Registry::with_prefix("restage");
        counters.register(&mut registry);
        counters.connected(IngestProtocol::Rtmp);
        counters.began(IngestProtocol::Rtmps);
        counters.bytes(IngestProtocol::Rtmp).inc_by(70);
        counters.refused(&Refusal::BFramePresent);
        let before = LeftOut {
            pictures: 2,
            ..LeftOut::default()
        };
        let now = LeftOut {
            pictures: 5,
            sound: 1,
            packets: 0,
        };
        counters.left_out(before, now);
        counters.delayed(Duration::from_millis(120));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"restage_rtmp_connections_total{protocol="rtmp"} 1"#,
            r#"restage_rtmp_streams{protocol="rtmps"} 1"#,
            r#"restage_rtmp_received_bytes_total{protocol="rtmp"} 70"#,
            r#"restage_rtmp_refused_total{code="B_FRAME_PRESENT"} 1"#,
            r#"restage_rtmp_left_out_total{kind="pictures"} 3"#,
            r#"restage_rtmp_left_out_total{kind="sound"} 1"#,
            r#"restage_rtmp_release_delay_seconds_bucket{le="0.125"} 1"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
