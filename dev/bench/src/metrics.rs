//! What the server under test tells of itself.

use anyhow::Context as _;
use restage_load::get;

use crate::server::Server;

/// The metrics of one moment, in Prometheus's text format.
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) fn of(server: &Server) -> anyhow::Result<Self> {
        Ok(Self(get(&format!("{}/metrics", server.url()))?))
    }

    /// The value of a metric, which is named with its labels as the server writes them.
    pub(crate) fn value(&self, name: &str) -> anyhow::Result<f64> {
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let mut found = lines.filter(|(key, _)| *key == name);
        let (_, value) = found
            .next()
            .with_context(|| format!("the server tells no {name}"))?;
        Ok(value.trim().parse()?)
    }
}
