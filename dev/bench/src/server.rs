//! The server under test, as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use restage_server::run_file::RunFile;

/// How long it may take to be ready.
const READY_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How the names of settings in the environment begin.
const SETTINGS: &[u8] = b"RESTAGE_";

/// The program under test.
const PROGRAM: &str = "restage";

/// Which program is run as the server.
#[derive(clap::Args, Debug)]
pub(crate) struct Binary {
    /// The binary to run as the server [default: the restage that was called, or the one beside this program]
    // `restage bench` names itself in the variable.
    #[arg(
        long,
        value_name = "FILE",
        env = "RESTAGE_BENCH_SERVER",
        hide_env = true
    )]
    server: Option<PathBuf>,
}

impl Binary {
    /// Its file.
    fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(named) = &self.server {
            return Ok(named.clone());
        }
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        let beside = own.with_file_name(PROGRAM);
        if !beside.is_file() {
            bail!(
                "there is no {}; build it (cargo build --release -p restage) or give --server",
                beside.display()
            );
        }
        Ok(beside)
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    data_dir: PathBuf,
    pub(crate) url: String,
}

impl Server {
    /// Starts it on free ports with a new data directory, and waits until it is ready. Its database is at this
    /// address, or in the data directory. No setting comes from this process's environment: one that names a
    /// database in use would have the server write there.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn start(
        binary: &Binary,
        further: &[String],
        database: Option<&str>,
    ) -> anyhow::Result<Self> {
        let binary = binary.path()?;
        let data_dir = fresh_directory()?;
        let mut command = Command::new(&binary);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(SETTINGS) {
                command.env_remove(name);
            }
        }
        // Not as a flag: an address may hold a password, and flags are for all to see.
        if let Some(address) = database {
            command.env("RESTAGE_DATABASE", address);
        }
        let child = command
            .args([
                "serve",
                "--http",
                "127.0.0.1:0",
                "--media-port",
                "0",
                "--data-dir",
            ])
            .arg(&data_dir)
            .args(further)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self {
            child,
            data_dir,
            url: String::new(),
        };
        let deadline = Instant::now() + READY_MAX;
        loop {
            if let Some(run) = RunFile::read(&server.data_dir) {
                server.url = run.url;
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once ({status})");
            }
            if Instant::now() > deadline {
                bail!("the server was not ready within {READY_MAX:?}");
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is needed any more, so it need not drain.
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.data_dir).ok();
    }
}

/// A directory nobody else has: creating it fails when it exists.
pub(super) fn fresh_directory() -> anyhow::Result<PathBuf> {
    let base = std::env::temp_dir();
    for number in 0..1_000 {
        let path = base.join(format!("restage-bench-{}-{number}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        }
    }
    bail!("no free name for a directory in {}", base.display())
}
