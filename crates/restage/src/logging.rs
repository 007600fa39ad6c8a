//! Log lines to stderr and, where asked for, traces to an OpenTelemetry collector.

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use restage_server::config::LogFormat;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// What is logged unless RUST_LOG says otherwise.
const DEFAULT_FILTER: &str = "info,str0m=warn,dimpl=warn,is=warn,sqlx=warn";
/// Where a collector takes traces (OTLP specification, "OTLP/HTTP Request").
const TRACES_PATH: &str = "/v1/traces";
/// Our own code: what is traced, and what may be logged in every detail.
const OWN_CRATES: &str = "restage";

/// Keeps tracing going; what is still queued is sent when it is dropped.
pub(crate) struct Logging {
    traces: Option<SdkTracerProvider>,
}

/// Starts logging, and tracing if there is a collector's address. Must not be called inside an
/// asynchronous runtime, nor must what it answers be dropped there: the exporter waits for its client.
///
/// # Errors
/// The collector's address cannot be used.
pub(crate) fn start(format: LogFormat, collector: Option<&str>) -> anyhow::Result<Logging> {
    let chosen =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let filter = chosen.and(filter_fn(is_safe));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_coloured());
    let lines = match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    let traces = collector.map(tracer).transpose()?;
    // A list, because a layer that is not there would have every span made for it.
    let mut layers = vec![lines];
    if let Some(provider) = &traces {
        let spans = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("restage"))
            .with_filter(filter_fn(|at| is_own(at) && *at.level() <= Level::DEBUG));
        layers.push(spans.boxed());
    }
    tracing_subscriber::registry().with(layers).init();
    Ok(Logging { traces })
}

/// Colours are for people: a journal or a file would keep their codes. `NO_COLOR` is <https://no-color.org>'s.
fn is_coloured() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_unwanted
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take()
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last traces were not delivered");
        }
    }
}

fn tracer(collector: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{collector}{TRACES_PATH}"))
        .build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("restage").build())
        .build())
}

/// Libraries say at their most detailed level what goes over the wire, keys and tokens included: that is
/// never logged, whatever RUST_LOG says.
fn is_safe(at: &Metadata<'_>) -> bool {
    is_own(at) || *at.level() <= Level::DEBUG
}

fn is_own(at: &Metadata<'_>) -> bool {
    at.target().starts_with(OWN_CRATES)
}
