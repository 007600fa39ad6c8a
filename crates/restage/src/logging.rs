//! Writes log lines to stderr and, if configured, traces to an OpenTelemetry collector.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use restage_server::config::LogFormat;
use restage_server::panics;
use restage_store::system::clock;
use serde_json::json;
use tracing::{Level, Metadata};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{
    FilterExt as _, LevelFilter, Targets, dynamic_filter_fn, filter_fn,
};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The default of RUST_LOG.
const DEFAULT_FILTER: &str = "info,str0m=warn,dimpl=warn,is=warn,sqlx=warn";
/// The path at which a collector accepts traces (OTLP specification, "OTLP/HTTP Request").
const TRACES_PATH: &str = "/v1/traces";
/// Prefix of our own crates, which are traced and may be logged in every detail.
const OWN_CRATES: &str = "restage";

/// Prefix of the crates that decode AAC.
const AAC_DECODER: &str = "symphonia";

/// Keeps tracing active; dropping it sends what is still queued.
pub(crate) struct Logging {
    traces: Option<SdkTracerProvider>,
}

/// Starts logging, and tracing if a collector's address is given. It must not be called inside an
/// asynchronous runtime, and its result must not be dropped there, because the exporter blocks on its client.
///
/// # Errors
/// The collector's address cannot be used.
pub(crate) fn start(format: LogFormat, collector: Option<&str>) -> anyhow::Result<Logging> {
    let chosen = chosen(std::env::var("RUST_LOG").ok().as_deref());
    // The filter is evaluated for every line and never cached. A library that asks whether it may log, and then does
    // not (sqlx does so at each statement), would otherwise consume the next line's result, and that line would be
    // lost.
    let safe = dynamic_filter_fn(|at, _| is_safe(at)).with_max_level_hint(LevelFilter::TRACE);
    let filter = chosen.and(safe);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_coloured());
    let lines = match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    let traces = collector.map(tracer).transpose()?;
    // A list, because an absent optional layer would still cause every span to be made.
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

/// What RUST_LOG selects: levels, and levels of crates and their modules. If there is nothing in it, or nothing that can be read, the
/// default.
fn chosen(rust_log: Option<&str>) -> Targets {
    let read = |text: &str| text.parse().ok();
    let given = rust_log
        .filter(|text| !text.trim().is_empty())
        .and_then(read);
    given.unwrap_or_else(|| DEFAULT_FILTER.parse().expect("the default can be read"))
}

// Colour codes are only for terminals; a journal or a file would store them. `NO_COLOR` is <https://no-color.org>'s.
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

/// Whether a line may be logged. Detailed lines of libraries may contain transmitted data, including keys, tokens and
/// ICE passwords, so they are never logged, whatever RUST_LOG says. Their lines at INFO and above are for operators, except those of the
/// decoder of AAC: an encoder can cause one with each packet, and they do not say whose it is.
fn is_safe(at: &Metadata<'_>) -> bool {
    is_own(at) || *at.level() <= Level::INFO && !at.target().starts_with(AAC_DECODER)
}

fn is_own(at: &Metadata<'_>) -> bool {
    at.target().starts_with(OWN_CRATES)
}

/// Writes a line whatever `RUST_LOG` leaves out, in the form of log lines.
pub(crate) fn say(format: LogFormat, level: Level, text: &str) {
    match format {
        LogFormat::Text => crate::note::note(text),
        LogFormat::Json => crate::note::note(&line(level, json!({ "message": text }))),
    }
}

/// Counts panics and, with JSON, logs them like any other error. As text, Rust's own message is sufficient.
pub(crate) fn count_panics(format: LogFormat) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        panics::note();
        match format {
            LogFormat::Text => default(panic),
            LogFormat::Json => crate::note::note(&line(Level::ERROR, told(panic))),
        }
    }));
}

/// A log line that does not pass through the subscriber, which may not exist yet or may be what panicked.
fn line(level: Level, fields: serde_json::Value) -> String {
    json!({
        "timestamp": clock::iso(clock::now().0 / 1_000_000),
        "level": level.as_str(),
        "fields": fields,
        "target": "restage",
    })
    .to_string()
}

fn told(panic: &PanicHookInfo<'_>) -> serde_json::Value {
    let thread = std::thread::current();
    let mut fields = json!({
        "message": format!("panic: {}", panic.payload_as_str().unwrap_or("without a word")),
        "thread": thread.name().unwrap_or("unnamed"),
        "location": panic.location().map(ToString::to_string),
    });
    // Contains frames only if RUST_BACKTRACE asks for them.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        fields["backtrace"] = backtrace.to_string().into();
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::process::Command;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_libraries_say_in_detail_is_not_logged_whatever_rust_log_says() {
        let written = Lines::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_filter(chosen(Some("trace")).and(filter_fn(is_safe)));
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "hyper::proto", "secret-1");
            tracing::debug!(target: "str0m::ice", "secret-2");
            tracing::debug!(target: "log", "secret-3");
            tracing::info!(target: "hyper::proto", "told-1");
            tracing::trace!(target: "restage_server::media", "told-2");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("told-1") && text.contains("told-2"), "{text}");
    }

    /// Marks the child process of the test below.
    const CHILD: &str = "RESTAGE_TEST_PANICS";

    /// Runs only in the child process that the test starts, because a panic hook applies to a whole process.
    #[test]
    fn panics_in_two_threads() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        count_panics(LogFormat::Json);
        let before = panics::count();
        for words in ["one\nand \"two\"", "three"] {
            let thread = std::thread::Builder::new().name("media-7".into());
            let panicked = thread.spawn(move || panic!("{words}")).unwrap().join();
            assert!(panicked.is_err());
        }
        assert_eq!(panics::count(), before + 2);
    }

    #[test]
    fn a_panic_in_any_thread_is_a_line_of_json_and_counted() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "logging::tests::panics_in_two_threads"])
            .args(["--nocapture", "--test-threads", "1"])
            .env("RUST_BACKTRACE", "1")
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        let stderr = String::from_utf8(child.stderr).unwrap();
        let lines: Vec<serde_json::Value> = stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect();
        let messages: Vec<_> = lines
            .iter()
            .map(|line| line["fields"]["message"].as_str().unwrap())
            .collect();
        assert_eq!(messages, ["panic: one\nand \"two\"", "panic: three"]);
        for line in lines {
            assert_eq!(line["level"], "ERROR");
            assert_eq!(line["fields"]["thread"], "media-7");
            let location = line["fields"]["location"].as_str().unwrap();
            assert!(location.contains("logging.rs:"), "{location}");
            assert!(line["fields"]["backtrace"].is_string());
        }
    }
}
