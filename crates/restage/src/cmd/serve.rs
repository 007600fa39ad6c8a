//! `restage serve`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use restage_server::clock;
use restage_server::config::{Auth, Config, LogFormat, Settings};
use restage_server::run_file::RunFile;
use restage_server::server::Server;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::api;
use crate::logging;
use crate::output;

/// Runs the server until SIGTERM or Ctrl-C, then drains and ends with exit code 0.
///
/// Every flag can also be given as an environment variable or as a line of a configuration file.
/// Precedence: flag, environment, file, default. RUST_LOG sets what is logged (default: info).
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Configuration file; restage.toml shows every setting
    #[arg(long, env = "RESTAGE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Args {
    /// The settings from all sources.
    pub(crate) fn resolve(self) -> anyhow::Result<Config> {
        let file = match &self.config {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        Ok(self.settings.or(file).resolve()?)
    }
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.resolve()?;
    let logging = logging::start(config.log_format, config.otlp_endpoint.as_deref())?;
    let code = api::runtime()?.block_on(serve(config));
    drop(logging);
    code
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    // Before anything else, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let server = Server::start(&config)
        .await
        .context("restage does not start")?;
    let run_file = RunFile {
        url: server.public_url().to_owned(),
        console: server.console_url(),
        pid: std::process::id(),
    };
    let _guard = run_file
        .write(&config.data_dir)
        .with_context(|| format!("cannot write to {}", config.data_dir.display()))?;
    announce(&server, &config);
    server
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    say(config.log_format, "restage stopped");
    Ok(ExitCode::SUCCESS)
}

/// The ready line, and, to a person at a terminal, what to type next. The console's address lets in whoever has it,
/// so it is not for a log: there it is said where it stands.
fn announce(server: &Server, config: &Config) {
    let udp = server.udp();
    let media: Vec<String> = server.media().iter().map(ToString::to_string).collect();
    let offload = match (udp.gso_segments > 1, udp.gro_segments > 1) {
        (true, true) => "GSO and GRO in use",
        (true, false) => "GSO in use, GRO not offered by this kernel",
        (false, true) => "GRO in use, GSO not offered by this kernel",
        (false, false) => "neither GSO nor GRO offered by this kernel",
    };
    let workers = match server.workers() {
        1 => "1 worker".to_owned(),
        count => format!("{count} workers"),
    };
    let unverified = match config.auth {
        Auth::Verify => "",
        Auth::None => "; API signatures are not verified",
    };
    let ready = format!(
        "restage {} ready on {} (HTTP {}, media UDP {}; {workers}, {offload}{unverified})",
        env!("CARGO_PKG_VERSION"),
        server.public_url(),
        server.address(),
        media.join(" "),
    );
    say(config.log_format, &ready);
    if config.log_format == LogFormat::Json {
        return;
    }
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "restage".to_owned());
    let data_dir = match config.data_dir == Config::default().data_dir {
        true => String::new(),
        false => format!(" --data-dir {}", config.data_dir.display()),
    };
    let console = match std::io::stderr().is_terminal() {
        true => server.console_url(),
        false => format!(
            "its address, with a key, is in {}",
            RunFile::path(&config.data_dir).display()
        ),
    };
    output::note(&format!(
        "\n  console   {console}\n  next      eval \"$({program} env{data_dir})\"\n            aws \
         ivs-realtime list-stages\n            {program} demo{data_dir}\n",
    ));
}

/// Says it whatever `RUST_LOG` leaves out, in the form that log lines have.
fn say(format: LogFormat, text: &str) {
    match format {
        LogFormat::Text => output::note(text),
        LogFormat::Json => output::note(
            &json!({
                "timestamp": clock::iso(clock::now().0 / 1_000_000),
                "level": "INFO",
                "fields": { "message": text },
                "target": "restage",
            })
            .to_string(),
        ),
    }
}
