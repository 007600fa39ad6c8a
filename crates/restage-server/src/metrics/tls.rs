//! TLS: how handshakes ended, and until when the certificate is valid. Read when somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::tls::Tls;

/// How a handshake may end, in the order of [`Tls::handshakes`].
const OUTCOMES: [&str; 3] = ["finished", "refused", "unfinished"];

/// Reads the counters of the listeners' TLS.
pub(super) struct TlsCollector(pub(super) Arc<Tls>);

impl fmt::Debug for TlsCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCollector").finish_non_exhaustive()
    }
}

impl Collector for TlsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut handshakes = encoder.encode_descriptor(
            "tls_handshakes",
            "TLS handshakes that finished, were refused by either side, or were ended unfinished",
            None,
            MetricType::Counter,
        )?;
        for (outcome, count) in OUTCOMES.into_iter().zip(self.0.handshakes()) {
            let labels = [("outcome", outcome)];
            ConstCounter::new(count).encode(handshakes.encode_family(&labels)?)?;
        }
        if let Some(facts) = self.0.served().facts() {
            let ends = encoder.encode_descriptor(
                "tls_certificate_end",
                "When the certificate ends that new connections get, since the epoch",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            ConstGauge::new(facts.ends_s).encode(ends)?;
        }
        Ok(())
    }
}
