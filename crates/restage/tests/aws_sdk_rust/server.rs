//! The real binary on free ports, with its data in a directory of the test's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::config::retry::RetryConfig;
use aws_sdk_ivsrealtime::config::{BehaviorVersion, Credentials, Region};

const START: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// A running server; killed when a test ends without stopping it.
pub(crate) struct Server {
    process: Child,
    url: String,
    data_dir: PathBuf,
}

impl Server {
    /// Returns when the server has said that it is ready.
    pub(crate) async fn start(name: &str) -> Self {
        let data_dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("aws_sdk_rust_{name}_{}", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_restage"));
        command.arg("serve").arg("--data-dir").arg(&data_dir);
        command.args(["--http", "127.0.0.1:0", "--media-port", "0"]);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("RESTAGE_") || text.starts_with("AWS_") {
                command.env_remove(&name);
            }
        }
        let null = Stdio::null;
        let process = command.stdin(null()).stdout(null()).stderr(Stdio::piped());
        let mut process = process.spawn().unwrap();
        let stderr = process.stderr.take().unwrap();
        let mut server = Self {
            process,
            url: String::new(),
            data_dir,
        };
        let ready = tokio::task::spawn_blocking(move || wait_for_ready(stderr));
        server.url = ready.await.unwrap();
        server
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A client with the server's own keys.
    pub(crate) fn client(&self, region: &str) -> Client {
        let (_, secret) = self.keys();
        self.client_with_secret(region, &secret)
    }

    /// A client that signs with another secret. Nothing is retried, so that no error stays unseen.
    pub(crate) fn client_with_secret(&self, region: &str, secret: &str) -> Client {
        let (key, _) = self.keys();
        let credentials = Credentials::new(key, secret, None, None, "the test");
        let config = aws_sdk_ivsrealtime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&self.url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials);
        Client::from_conf(config.build())
    }

    fn keys(&self) -> (String, String) {
        let text = fs::read_to_string(self.data_dir.join("credentials")).unwrap();
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_once('=').unwrap().1.trim().to_owned()
        };
        (value("aws_access_key_id"), value("aws_secret_access_key"))
    }

    /// Ends it as an operator would; it must drain and say that all went well.
    pub(crate) async fn stop(mut self) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        let process = &mut self.process;
        let status = eventually("serve has ended", || {
            std::future::ready(process.try_wait().unwrap())
        })
        .await;
        assert!(status.success(), "serve ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.data_dir);
    }
}

/// Reads what the server says until it says that it is ready, and on which URL; goes on reading
/// after that, so that it never waits for a full pipe.
fn wait_for_ready(stderr: std::process::ChildStderr) -> String {
    let (said, hears) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Nobody listens any more once it is ready.
            let _ = said.send(line);
        }
    });
    let ends_at = Instant::now() + START;
    let mut log = String::new();
    loop {
        let left = ends_at.saturating_duration_since(Instant::now());
        let line = match hears.recv_timeout(left) {
            Ok(line) => line,
            Err(error) => panic!("serve did not get ready ({error}):\n{log}"),
        };
        if let Some((_, rest)) = line.split_once(" ready on ") {
            return rest.split(' ').next().unwrap().to_owned();
        }
        log.push_str(&line);
        log.push('\n');
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
