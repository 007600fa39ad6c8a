//! `restage serve` as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::Program;
use crate::wait::DEADLINE;

/// The part of the line before the URL by which a server reports that it is ready.
const READY: &str = " ready on ";
/// Prefixes of settings in the environment, of restage and of AWS's clients.
const SETTINGS: [&[u8]; 2] = [b"RESTAGE_", b"AWS_"];

/// The flags for a server.
#[derive(Debug, Clone, Copy)]
pub struct Serve<'a> {
    /// The data directory.
    pub data_dir: &'a Path,
    /// The address of its HTTP, `IP:PORT`; port 0 is a free one.
    pub http: &'a str,
    /// Its UDP port for media; 0 is a free one.
    pub media_port: u16,
    /// Further flags.
    pub further: &'a [String],
}

impl<'a> Serve<'a> {
    /// Uses free ports of the loopback interface.
    pub fn on_free_ports(data_dir: &'a Path) -> Self {
        Self {
            data_dir,
            http: "127.0.0.1:0",
            media_port: 0,
            further: &[],
        }
    }
}

/// A running server. Its process is killed when this is dropped; its data is kept.
pub struct Server {
    program: Program,
    url: String,
    data_dir: PathBuf,
}

impl Server {
    /// Starts the binary that `command` names, with the command's environment, and waits until the server is ready.
    ///
    /// # Errors
    /// The server cannot be started, ends at once or does not become ready: a sentence.
    pub fn start(mut command: Command, serve: &Serve<'_>) -> Result<Self, String> {
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(serve.data_dir)
            .args(["--http", serve.http])
            .args(["--media-port", &serve.media_port.to_string()])
            .args(serve.further)
            .stdin(Stdio::null());
        let program = command.get_program().to_owned();
        let mut program = Program::start(command)
            .map_err(|error| format!("cannot start {}: {error}", Path::new(&program).display()))?;
        let line = program.find_line(READY, DEADLINE)?;
        let rest = line.split_once(READY).map(|(_, rest)| rest);
        let url = rest.and_then(|rest| rest.split(' ').next());
        Ok(Self {
            url: url.unwrap_or_default().to_owned(),
            program,
            data_dir: serve.data_dir.to_owned(),
        })
    }

    /// The URL for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process of the server.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// The access key id and the secret key that the server created.
    ///
    /// # Panics
    /// If the file of credentials cannot be read, or has none.
    pub fn credentials(&self) -> (String, String) {
        let file = self.data_dir.join("credentials");
        let text = std::fs::read_to_string(&file).expect("a server makes credentials");
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once('='));
            let (_, value) = value.unwrap_or_else(|| panic!("no {name} in {}", file.display()));
            value.trim().to_owned()
        };
        (value("aws_access_key_id"), value("aws_secret_access_key"))
    }

    /// Stops the server as an operator would.
    ///
    /// # Panics
    /// If it does not end, or not with success.
    pub fn stop(mut self) {
        self.program.signal("TERM");
        let status = self.program.end();
        let printed = self.program.seen().join("\n");
        assert!(status.success(), "serve ended with {status}:\n{printed}");
    }

    /// Kills the server, as in a crash.
    ///
    /// # Panics
    /// If it does not end.
    pub fn crash(mut self) {
        self.program.signal("KILL");
        self.program.end();
    }
}

/// A command with this environment, except the settings of restage and of AWS's clients. Otherwise a setting that names
/// a database in use would make a test write there.
pub fn without_settings(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let is_setting = |begin: &&[u8]| name.as_encoded_bytes().starts_with(begin);
        if SETTINGS.iter().any(is_setting) {
            command.env_remove(name);
        }
    }
    command
}
