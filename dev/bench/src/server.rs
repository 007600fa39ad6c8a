//! The server under test, as a process of its own.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use restage_testkit::{Serve, without_settings};

/// The program under test.
const PROGRAM: &str = "restage";

/// The program that is run as the server.
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

/// A running server. Its process and its data are gone when this is dropped.
pub(crate) struct Server {
    process: restage_testkit::Server,
    _data: Directory,
}

impl Server {
    /// Starts it on free ports with a new data directory, and waits until it is ready. Its database is at this
    /// address, or in the data directory. No setting comes from this process's environment: one that names a
    /// database in use would have the server write there.
    pub(crate) fn start(
        binary: &Binary,
        further: &[String],
        database: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut command = without_settings(&binary.path()?);
        command.env("RUST_LOG", "error");
        // Not as a flag: an address may hold a password, and flags are for all to see.
        if let Some(address) = database {
            command.env("RESTAGE_DATABASE", address);
        }
        let data = Directory(fresh_directory()?);
        let serve = Serve {
            further,
            ..Serve::on_free_ports(&data.0)
        };
        let process =
            restage_testkit::Server::start(command, &serve).map_err(anyhow::Error::msg)?;
        Ok(Self {
            process,
            _data: data,
        })
    }

    pub(crate) fn url(&self) -> &str {
        self.process.url()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The access key id and the secret key that the server created.
    pub(crate) fn credentials(&self) -> (String, String) {
        self.process.credentials()
    }
}

/// Removed with what is in it when this is dropped.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A new directory: creating it fails if it exists.
pub(crate) fn fresh_directory() -> anyhow::Result<PathBuf> {
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
