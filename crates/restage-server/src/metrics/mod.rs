//! What the server counts of itself, for Prometheus (OpenMetrics text).
//!
//! Whatever happens often is counted where it happens, by an atomic; whatever is kept elsewhere anyway
//! (rows, workers' counters) is read when somebody asks. Labels only take values the program itself
//! knows, so that no client can make the number of series grow.

mod composition;
mod outbox;
mod recording;
mod state;
mod survey;
mod tls;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use restage_api::Action;
use restage_node::control::{Control, Failures};
use restage_node::media::Media;
use restage_node::recording::Recordings;
use restage_store::durations;
use tokio::sync::Mutex;

use crate::rtmp;
use crate::tls::Tls;

use recording::RecordingCollector;
use state::State;
use survey::SurveyCollector;
use tls::TlsCollector;

/// The type of what [`Metrics::render`] answers.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a request was answered with, when that was no error.
const OK: &str = "OK";
/// The operation of a request that names none the server knows.
const UNKNOWN: &str = "Unknown";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabels {
    operation: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    route: Cow<'static, str>,
    method: &'static str,
    status: u16,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// The server's metrics. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    requests: Family<ApiLabels, Counter>,
    answered_again: Counter,
    durations: Durations<OperationLabel>,
    /// Those of requests that succeed, found at the first, by operation.
    succeeded: Vec<OnceLock<(Counter, Histogram)>>,
    http: Family<HttpLabels, Counter>,
    state: State,
    /// One reading at a time: readers share the store with everybody else.
    reading: Mutex<()>,
}

impl Inner {
    fn series(&self, action: Option<Action>, code: &'static str) -> (Counter, Histogram) {
        let operation = action.map_or(UNKNOWN, Action::name);
        let requests = self
            .requests
            .get_or_create(&ApiLabels { operation, code })
            .clone();
        let durations = self
            .durations
            .get_or_create(&OperationLabel { operation })
            .clone();
        (requests, durations)
    }
}

/// What metrics are read from, besides the store.
struct Running {
    media: Media,
    recordings: Recordings,
    encoders: rtmp::Counters,
    ingest_switches: Counter,
}

impl Metrics {
    /// Metrics of a server, its recordings and its encoders, and of its TLS if it serves that.
    pub(crate) fn of(
        control: &Control,
        recordings: &Recordings,
        encoders: &rtmp::Counters,
        tls: Option<&Arc<Tls>>,
    ) -> Self {
        let running = Running {
            media: control.media().clone(),
            recordings: recordings.clone(),
            encoders: encoders.clone(),
            ingest_switches: control.ingest_switches().clone(),
        };
        Self::with(
            control.store().batch_durations(),
            control.failures().clone(),
            tls,
            Some(running),
        )
    }

    fn with(
        batches: Histogram,
        failures: Failures,
        tls: Option<&Arc<Tls>>,
        running: Option<Running>,
    ) -> Self {
        let mut registry = Registry::with_prefix("restage");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        let started = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        started.set(restage_store::system::clock::now().0 as f64 / 1e6);
        registry.register_with_unit(
            "start_time",
            "When the server started, since the epoch",
            Unit::Seconds,
            started,
        );
        let requests = Family::default();
        registry.register(
            "api_requests",
            "API requests by operation and by the error they were answered with, or OK",
            requests.clone(),
        );
        let answered_again = Counter::default();
        registry.register(
            "api_answers_reused",
            "API requests answered by an answer that was kept and still held",
            answered_again.clone(),
        );
        let durations = Durations::new_with_constructor(durations as fn() -> Histogram);
        registry.register_with_unit(
            "api_request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            durations.clone(),
        );
        let http = Family::default();
        registry.register(
            "http_requests",
            "Requests by route (WHIP, WHEP, events, console) and status; the API's are one route",
            http.clone(),
        );
        registry.register_with_unit(
            "store_commit_duration",
            "Time the writer took for a transaction",
            Unit::Seconds,
            batches,
        );
        registry.register(
            "connection_failures",
            "Connections that did not come about, or that a limit ended, by kind (publish, subscribe) and reason",
            failures,
        );
        if let Some(tls) = tls {
            registry.register_collector(Box::new(TlsCollector(Arc::clone(tls))));
        }
        if let Some(Running {
            media,
            recordings,
            encoders,
            ingest_switches,
        }) = running
        {
            encoders.register(&mut registry);
            registry.register(
                "ingest_switches",
                "How often subscribers of redundant ingests have gone over to the other stream",
                ingest_switches,
            );
            registry.register_collector(Box::new(SurveyCollector(media)));
            registry.register_collector(Box::new(RecordingCollector(recordings)));
        }
        let state = State::register(&mut registry);
        Self {
            inner: Arc::new(Inner {
                registry,
                requests,
                answered_again,
                durations,
                succeeded: (0..Action::COUNT).map(|_| OnceLock::new()).collect(),
                http,
                state,
                reading: Mutex::default(),
            }),
        }
    }

    /// Counts an API request: the operation, if it is one, and the error's code, if it failed.
    pub fn api_request(&self, action: Option<Action>, error: Option<&'static str>, took: Duration) {
        let series = || self.inner.series(action, error.unwrap_or(OK));
        let fresh;
        let (requests, durations) = match (action, error) {
            (Some(action), None) => self.inner.succeeded[action.index()].get_or_init(series),
            _ => {
                fresh = series();
                &fresh
            }
        };
        requests.inc();
        durations.observe(took.as_secs_f64());
    }

    /// Counts an API request whose answer was at hand.
    pub fn answered_again(&self) {
        self.inner.answered_again.inc();
    }

    /// Counts a request of any route. `route` must be a route's pattern, never a client's path.
    pub fn http_request(
        &self,
        route: Cow<'static, str>,
        method: &http::Method,
        status: http::StatusCode,
    ) {
        let labels = HttpLabels {
            route,
            method: known_method(method),
            status: status.as_u16(),
        };
        self.inner.http.get_or_create(&labels).inc();
    }

    /// All metrics as OpenMetrics text. What the store cannot say in time is left as it was, and
    /// `restage_store_up` is 0.
    pub async fn render(&self, control: &Control) -> String {
        let _reading = self.inner.reading.lock().await;
        self.inner.state.read(control).await;
        let mut text = String::new();
        match encode(&mut text, &self.inner.registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "metrics could not be written");
                String::new()
            }
        }
    }
}

/// Methods are the client's to choose; series are not.
fn known_method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use restage_api::Operation;

    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut text = String::new();
        encode(&mut text, &metrics.inner.registry).unwrap();
        text
    }

    #[test]
    fn requests_are_counted_by_operation_and_code() {
        let metrics = Metrics::with(durations(), Failures::default(), None, None);
        let took = Duration::from_micros(150);
        metrics.api_request(Some(Operation::GetStage.into()), None, took);
        metrics.api_request(Some(Operation::GetStage.into()), None, took);
        metrics.api_request(
            Some(Operation::GetStage.into()),
            Some("ResourceNotFoundException"),
            took,
        );
        metrics.api_request(None, Some("UnknownOperationException"), took);
        let text = text(&metrics);
        for line in [
            "restage_api_requests_total{operation=\"GetStage\",code=\"OK\"} 2",
            "restage_api_requests_total{operation=\"GetStage\",code=\"ResourceNotFoundException\"} 1",
            "restage_api_requests_total{operation=\"Unknown\",code=\"UnknownOperationException\"} 1",
            "restage_api_request_duration_seconds_count{operation=\"GetStage\"} 3",
            "restage_api_request_duration_seconds_bucket{le=\"0.0001\",operation=\"GetStage\"} 0",
            "restage_api_request_duration_seconds_bucket{le=\"0.0002\",operation=\"GetStage\"} 3",
        ] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_made_up_method_opens_no_series() {
        let metrics = Metrics::with(durations(), Failures::default(), None, None);
        for n in 0..100 {
            let method = http::Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
            metrics.http_request(
                "/whip".into(),
                &method,
                http::StatusCode::METHOD_NOT_ALLOWED,
            );
        }
        let text = text(&metrics);
        assert_eq!(text.matches("restage_http_requests_total{").count(), 1);
        assert!(text.contains("method=\"other\",status=\"405\"} 100"));
    }

    #[test]
    fn tls_is_counted_where_it_is_served() {
        let made = crate::tls::testing::made(&["a.test"], 0, 1);
        let ends_s = made.certificate().facts().ends_s;
        let tls = Tls::of(made.certificate());
        tls.note_unfinished();
        let metrics = Metrics::with(durations(), Failures::default(), Some(&tls), None);
        let text = text(&metrics);
        for line in [
            "restage_tls_handshakes_total{outcome=\"finished\"} 0".to_owned(),
            "restage_tls_handshakes_total{outcome=\"unfinished\"} 1".to_owned(),
            format!("restage_tls_certificate_end_seconds {ends_s}"),
        ] {
            assert!(text.contains(&line), "{line} is missing:\n{text}");
        }
    }
}
