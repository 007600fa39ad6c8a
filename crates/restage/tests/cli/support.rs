//! Starting the binary, waiting for what it says, and holding output against files.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The built binary.
pub(crate) const RESTAGE: &str = env!("CARGO_BIN_EXE_restage");
/// Longest wait for anything; a loaded machine is slow, a broken program waits for ever.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Set, to anything, to write golden files anew instead of comparing with them.
const UPDATE: &str = "RESTAGE_UPDATE_GOLDEN";

/// A command of the binary with nothing of this machine's configuration around it.
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

/// Polls until the check gives something.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let ends_at = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < ends_at, "not within {DEADLINE:?}: {what}");
        std::thread::park_timeout(POLL);
    }
}

/// A running program whose lines can be waited for.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// Lines taken from `lines` so far.
    pub(crate) heard: Vec<String>,
}

impl Running {
    /// Starts it; standard output and standard error are read as one.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (line_tx, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in streams {
            let line_tx = line_tx.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if line_tx.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self {
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// Waits for a line with these words in it.
    pub(crate) fn line(&mut self, words: &str) -> String {
        let ends_at = Instant::now() + DEADLINE;
        loop {
            let left = ends_at.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|why| {
                panic!(
                    "no line with {words:?} ({why}); it said:\n{}",
                    self.heard.join("\n")
                )
            });
            self.heard.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Sends a signal: `INT`, `TERM`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .expect("kill is there");
        assert!(sent.success());
    }

    /// Waits for the end: the exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = eventually("its end", || {
            child.try_wait().expect("it can be waited for")
        });
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.heard.push(line);
        }
        status.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A server with a home and a data directory of its own.
pub(crate) struct Server {
    pub(crate) home: tempfile::TempDir,
    pub(crate) url: String,
    media_port: u16,
    arguments: Vec<String>,
    process: Option<Running>,
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

    /// Starts it, again too, on the same ports and data.
    pub(crate) fn begin(&mut self) {
        let mut command = restage(self.home.path());
        let http = self.url.trim_start_matches("http://");
        command.args(["serve", "--data-dir", "data", "--http", http]);
        command
            .args(["--media-port", &self.media_port.to_string()])
            .args(&self.arguments);
        let mut process = Running::start(command);
        process.line("ready on");
        self.process = Some(process);
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn crash(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal("KILL");
        process.code();
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal("TERM");
        assert_eq!(process.code(), Some(0), "{}", process.heard.join("\n"));
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

    /// Runs a command that must succeed: its standard output.
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
    pub(crate) fn publish(&self, arguments: &[&str]) -> (Running, String) {
        let mut command = self.command(&["publish", "--output", "json"]);
        command.args(arguments);
        let mut publisher = Running::start(command);
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

/// Holds text against `tests/golden/<name>.txt`, after putting the names given in place of what
/// differs from run to run.
pub(crate) fn golden(name: &str, text: &str, replacements: &[(&str, &str)]) {
    let mut shown = text.to_owned();
    for (value, name) in replacements {
        shown = shown.replace(value, name);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &shown).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; {UPDATE}=1 writes it", path.display()));
    assert!(
        shown == expected,
        "{name} is not as {}; {UPDATE}=1 writes it anew. It is:\n{shown}\n--- and should be:\n{expected}",
        path.display()
    );
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

/// Reads a file whole.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file =
        std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.read_to_end(&mut bytes).unwrap();
    bytes
}
