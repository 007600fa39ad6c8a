//! Starts the binary, waits for its output, and compares output with files.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use restage_testkit::Serve;
use serde_json::Value;

pub(crate) use restage_testkit::{DEADLINE, Program, eventually};

/// The built binary.
pub(crate) const RESTAGE: &str = env!("CARGO_BIN_EXE_restage");

/// A command of the binary without any of this machine's configuration.
pub(crate) fn restage(home: &Path) -> Command {
    let mut command = Command::new(RESTAGE);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// A server with a home and a data directory of its own.
pub(crate) struct Server {
    pub(crate) home: tempfile::TempDir,
    pub(crate) url: String,
    media_port: u16,
    arguments: Vec<String>,
    process: Option<restage_testkit::Server>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let http = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut server = Self {
            home: tempfile::tempdir().unwrap(),
            url: format!("http://{http}"),
            media_port: udp.port(),
            arguments: arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
            process: None,
        };
        server.begin();
        server
    }

    /// Starts it, or starts it again, on the same ports and data.
    pub(crate) fn begin(&mut self) {
        let serve = Serve {
            data_dir: &self.path("data"),
            http: self.url.trim_start_matches("http://"),
            media_port: self.media_port,
            further: &self.arguments,
        };
        let started = restage_testkit::Server::start(restage(self.home.path()), &serve);
        self.process = Some(started.unwrap_or_else(|problem| panic!("{problem}")));
    }

    /// Kills it, as in a crash.
    pub(crate) fn crash(&mut self) {
        self.process.take().expect("it runs").crash();
    }

    /// Stops it with success.
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("it runs").stop();
    }

    /// A command in the server's home, which finds the server by its data directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = restage(self.home.path());
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// Runs a command that must succeed. Returns its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        text(&output.stdout)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).expect("JSON on standard output")
    }

    /// A new stage's ARN.
    pub(crate) fn stage(&self, name: &str) -> String {
        let made = self.json(&["stages", "create", "--name", name]);
        made["stage"]["arn"].as_str().expect("an ARN").to_owned()
    }

    /// A publisher of the test card: the process and the participant's id.
    pub(crate) fn publish(&self, arguments: &[&str]) -> (Program, String) {
        let mut command = self.command(&["publish", "--output", "json"]);
        command.args(arguments);
        let mut publisher = Program::start(command).expect("it starts");
        let line: Value = serde_json::from_str(&publisher.line("participantId")).unwrap();
        let id = line["participantId"].as_str().expect("an id").to_owned();
        (publisher, id)
    }

    /// Waits until the server sees a participant publish.
    pub(crate) fn sees(&self, stage: &str, participant: &str) {
        eventually("the participant publishes", || {
            let output = self.run(&["participants", "list", "--stage-arn", stage]);
            let listed: Value = serde_json::from_slice(&output.stdout).ok()?;
            let rows = listed["participants"].as_array()?;
            let is_there =
                |row: &&Value| row["participantId"] == *participant && row["published"] == true;
            rows.iter().find(is_there).map(drop)
        });
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Compares a text with `tests/golden/<name>.txt`, after each value of `replacements` has been replaced by its name.
pub(crate) fn golden(name: &str, text: &str, replacements: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    restage_testkit::golden(&path, text, replacements);
}

/// The time in a text, `2026-08-23T12:00:01Z`, replaced by `<time>`.
pub(crate) fn without_times(text: &str) -> String {
    let is_time = |word: &str| {
        word.len() >= 20
            && word.ends_with('Z')
            && word.as_bytes()[4] == b'-'
            && word.as_bytes()[10] == b'T'
    };
    let mut shown = String::new();
    for piece in text.split_inclusive(|c: char| c.is_whitespace() || c == '"' || c == ',') {
        let word = piece.trim_end_matches(|c: char| c.is_whitespace() || c == '"' || c == ',');
        match is_time(word) {
            true => shown.push_str(&piece.replacen(word, "<time>", 1)),
            false => shown.push_str(piece),
        }
    }
    shown
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file =
        std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.read_to_end(&mut bytes).unwrap();
    bytes
}
