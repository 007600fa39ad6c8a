//! The real binary on free ports, with its data in a directory of the test's own.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::config::retry::RetryConfig;
use aws_sdk_ivsrealtime::config::{BehaviorVersion, Credentials, Region};
use restage_testkit::{Serve, without_settings};

const WAIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// A running server; killed when a test ends without stopping it.
pub(crate) struct Server {
    process: restage_testkit::Server,
    // Removed after the server has ended: fields are dropped in this order.
    _data: tempfile::TempDir,
}

impl Server {
    /// Returns when the server has said that it is ready.
    pub(crate) async fn start(name: &str) -> Self {
        let parent = env!("CARGO_TARGET_TMPDIR");
        let data = tempfile::Builder::new()
            .prefix(&format!("aws_sdk_rust_{name}_"))
            .tempdir_in(parent)
            .unwrap();
        let data_dir = data.path().join("data");
        let starting = tokio::task::spawn_blocking(move || {
            let command = without_settings(Path::new(env!("CARGO_BIN_EXE_restage")));
            restage_testkit::Server::start(command, &Serve::on_free_ports(&data_dir))
        });
        Self {
            process: starting.await.unwrap().unwrap(),
            _data: data,
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        self.process.url()
    }

    /// A client with the server's own keys.
    pub(crate) fn client(&self, region: &str) -> Client {
        let (_, secret) = self.process.credentials();
        self.client_with_secret(region, &secret)
    }

    /// A client that signs with another secret. It does not retry, so that every error is seen.
    pub(crate) fn client_with_secret(&self, region: &str, secret: &str) -> Client {
        let (key, _) = self.process.credentials();
        let credentials = Credentials::new(key, secret, None, None, "the test");
        let config = aws_sdk_ivsrealtime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(self.url())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials);
        Client::from_conf(config.build())
    }

    /// Ends it as an operator would; it must drain and say that all went well.
    pub(crate) async fn stop(self) {
        let stopping = tokio::task::spawn_blocking(move || self.process.stop());
        stopping.await.unwrap();
    }
}

/// Calls `check` until it gives something, and returns that.
pub(crate) async fn eventually<T, F>(what: &str, mut check: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let ends_at = Instant::now() + WAIT;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < ends_at, "not within {WAIT:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
