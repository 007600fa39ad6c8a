//! `restage serve`.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use restage_server::config::{Auth, Config, LogFormat, Settings};
use restage_server::run_file::RunFile;
use restage_server::server::Server;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

use crate::api;
use crate::logging::{self, say};
use crate::output;

/// Environment variables of settings that are needed before [`Settings`] and [`Args`] are parsed.
const LOG_FORMAT: &str = "RESTAGE_LOG_FORMAT";
const CONFIG: &str = "RESTAGE_CONFIG";
/// How long blocking reads and writes may take to end after the server has stopped.
const BLOCKED_MAX: Duration = Duration::from_secs(1);

/// Runs the server until SIGTERM or Ctrl-C, then drains and exits with code 0. A server that cannot continue, for example
/// because its database is lost, exits by itself with code 1.
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
    keep_pages_small();
    logging::count_panics(config.log_format);
    let logging = logging::start(config.log_format, config.otlp_endpoint.as_deref())?;
    let runtime = api::runtime()?;
    let code = runtime.block_on(serve(config));
    // A file system that does not answer must not delay the stop.
    runtime.shutdown_timeout(BLOCKED_MAX);
    drop(logging);
    code
}

/// Has the kernel give memory in pages of 4 KiB. The allocator asks for pages of 2 MiB, each of which stays whole while anything in it is in use: a
/// server that composes took 80 to 120 MB with them and 46 to 68 MB without. Processes that it starts inherit this.
fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "the kernel gives large pages");
    }
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    // The handler is installed first, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let server = tokio::select! {
        started = Server::start(&config) => started.context("the server does not start")?,
        _ = terminate.recv() => return Ok(stopped_early(&config)),
        _ = interrupt.recv() => return Ok(stopped_early(&config)),
    };
    let run_file = RunFile {
        url: server.public_url().to_owned(),
        local: server.local_url(),
        console: server.console_url(),
        pid: std::process::id(),
        media: server.media_addresses(),
    };
    // Other commands find the server through this file. Clients do not need it, so a full disk is no reason to stop.
    let _guard = match run_file.write(&config.data_dir) {
        Ok(guard) => Some(guard),
        Err(error) => {
            tracing::warn!(%error, "server.json could not be written: `restage env` and its like need --endpoint-url");
            None
        }
    };
    announce(&server, &config);
    server
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await
        .context("the server cannot go on")?;
    say(config.log_format, Level::INFO, "restage stopped");
    Ok(ExitCode::SUCCESS)
}

/// Handles a stop that came before the server had started.
fn stopped_early(config: &Config) -> ExitCode {
    say(
        config.log_format,
        Level::INFO,
        "restage stopped before it had started",
    );
    ExitCode::SUCCESS
}

/// Prints the ready line and, on a terminal, what to type next. The console's address contains its key,
/// so it is not written to a log; there the line names the file that has it.
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
    let certificate = server.certificate_fault();
    let certificate = certificate.map_or_else(String::new, |fault| format!("; {fault}"));
    let http: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    let tls = if server.has_tls() { " with TLS" } else { "" };
    let ready = format!(
        "restage {} ready on {} (HTTP {}{tls}, media UDP {}, for {}; {workers}, {offload}{unverified}{certificate})",
        env!("CARGO_PKG_VERSION"),
        server.public_url(),
        http.join(" "),
        media.join(" "),
        server.audience(),
    );
    say(config.log_format, Level::INFO, &ready);
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

/// Whether `restage serve` with these arguments logs JSON, as far as this can be found when the arguments or
/// settings are wrong. An error that prevents the start is then printed in that form.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
    if words.next().as_deref() != Some("serve") {
        return false;
    }
    let words: Vec<_> = words.collect();
    let named = given(&words, "--log-format").or_else(|| std::env::var(LOG_FORMAT).ok());
    let named = named.or_else(|| {
        let path = given(&words, "--config").or_else(|| std::env::var(CONFIG).ok())?;
        let text = std::fs::read_to_string(path).ok()?;
        // A file that is not valid TOML is read line by line as far as needed.
        let Ok(table) = text.parse::<toml::Table>() else {
            let mut lines = text.lines().map(str::trim);
            let value = lines.find_map(|line| line.strip_prefix("log-format"))?;
            let value = value.trim_start().strip_prefix('=')?;
            return Some(value.trim().trim_matches(['"', '\'']).to_owned());
        };
        Some(table.get("log-format")?.as_str()?.to_owned())
    });
    named.is_some_and(|format| format.eq_ignore_ascii_case("json"))
}

/// The value of a flag, as `--flag value` or `--flag=value`.
fn given(words: &[Cow<'_, str>], flag: &str) -> Option<String> {
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = word.strip_prefix(flag)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None if rest.is_empty() => words.get(at + 1).map(|value| value.to_string()),
            None => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(line: &str) -> bool {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        wants_json(&words)
    }

    #[test]
    fn the_form_of_log_lines_is_known_even_if_the_arguments_are_wrong() {
        assert!(wants("restage serve --log-format json --nonsense"));
        assert!(wants("restage serve --nonsense --log-format=json"));
        for text in [
            "restage serve --log-format text",
            "restage serve --log-format jsn",
            "restage serve --log-format",
            "restage serve --log-formats json",
            "restage stages list --log-format json",
            "restage",
        ] {
            assert!(!wants(text), "{text}");
        }
    }

    #[test]
    fn a_damaged_configuration_file_still_says_what_form_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("restage.toml");
        for (text, is_json) in [
            ("log-format = \"json\"\nnonsense = 1", true),
            ("log-format = \"text\"", false),
            ("log-format = 7", false),
            ("= not toml", false),
        ] {
            std::fs::write(&path, text).unwrap();
            let line = format!("restage serve --config {}", path.display());
            assert_eq!(wants(&line), is_json, "{text}");
        }
    }
}
