//! Checks this machine. Each check gives one finding: a sentence, with advice if something is wrong.

mod composition;
mod database;
mod http;
mod machine;
mod media;
mod paths;
mod storage;
mod thumbnails;
mod tls;

use std::time::Duration;

use restage_node::media::worker_port;
use serde::Serialize;

pub use self::composition::examine_composition;
pub use self::database::examine_database;
use self::http::{http_port, srtp};
use self::machine::{clock, data_dir, secrets};
use self::media::{buffers, candidate, candidates, media_port, offered, offload, workers};
use self::paths::paths;
pub use self::thumbnails::examine_thumbnails;
use crate::config::Config;

/// Time limit of one probe.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// The result of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No problem.
    Ok,
    /// It is not there, because the settings do not have it; most do without.
    Off,
    /// It works, with a disadvantage.
    Warn,
    /// It does not work.
    Fail,
}

/// The finding of one check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// A short name of the check.
    pub check: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found and, if there is a problem, what to change.
    pub sentence: String,
}

fn finding(check: &'static str, verdict: Verdict, sentence: impl Into<String>) -> Finding {
    Finding {
        check,
        verdict,
        sentence: sentence.into(),
    }
}

/// Runs every check for this configuration.
pub fn examine(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config.http.iter().copied().map(http_port).collect();
    findings.extend(tls::tls(config));
    match config.media_places() {
        Ok(places) => {
            let mut report = None;
            for number in 0..config.workers {
                let port = worker_port(config.media_port, number);
                let (media, found) = media_port(&places, port);
                findings.push(media);
                report = report.or(found);
            }
            findings.push(workers(config.workers));
            findings.extend(srtp(config));
            findings.push(candidates(&places));
            findings.extend(offered(config, &places));
            findings.extend(
                places
                    .addresses
                    .iter()
                    .map(|ip| candidate(*ip, places.audience)),
            );
            findings.extend(paths(config, &places));
            if let Some(report) = report {
                findings.extend(buffers(report));
                findings.push(offload("gso", "sends", report.gso_segments));
                findings.push(offload("gro", "receives", report.gro_segments));
            }
        }
        Err(error) => {
            let advice = error.advice().map(|advice| format!("; try {advice}"));
            let sentence = format!("{error}{}", advice.unwrap_or_default());
            findings.push(finding("candidates", Verdict::Fail, sentence));
        }
    }
    findings.push(data_dir(&config.data_dir));
    findings.extend(storage::storage(config));
    findings.extend(secrets(config));
    findings.push(clock(&config.data_dir));
    findings
}

/// Runs the checks that open no connection and write nothing, for the server that runs with this configuration. What the
/// others ask, such as whether its ports are free, a running server has answered already.
pub fn examine_running(config: &Config) -> Vec<Finding> {
    let mut findings = vec![tls::certificate(config), workers(config.workers)];
    if let Ok(places) = config.media_places() {
        findings.push(candidates(&places));
        findings.extend(offered(config, &places));
    }
    findings.extend(storage::storage(config));
    findings.extend(secrets(config));
    findings.push(clock(&config.data_dir));
    findings
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::path::Path;

    use super::*;

    fn config(dir: &Path, http: SocketAddr) -> Config {
        Config {
            data_dir: dir.to_owned(),
            http: vec![http],
            media_port: 0,
            ..Config::default()
        }
    }

    #[test]
    fn a_taken_port_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        // Another program that closes the connection without an answer.
        let other = std::thread::spawn(move || drop(taken.accept()));
        let findings = examine(&config(dir.path(), address));
        other.join().unwrap();
        let http = findings
            .iter()
            .find(|finding| finding.check == "http-port")
            .unwrap();
        assert_eq!(http.verdict, Verdict::Fail);
        assert!(http.sentence.contains(&address.to_string()) && http.sentence.contains("--http"));
    }

    /// The port is free afterwards, and there is no data directory: neither was touched.
    #[test]
    fn a_running_server_is_examined_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("data");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let findings = examine_running(&config(&absent, listener.local_addr().unwrap()));
        let checks: Vec<_> = findings.iter().map(|finding| finding.check).collect();
        for check in [
            "tls",
            "workers",
            "candidates",
            "storage",
            "spool",
            "secrets",
            "clock",
        ] {
            assert!(checks.contains(&check), "{check}");
        }
        let connection = listener.accept();
        assert_eq!(
            connection.unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
        assert!(!absent.exists());
    }

    #[test]
    fn every_question_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let checks: Vec<_> = examine(&config(dir.path(), free))
            .iter()
            .map(|finding| finding.check)
            .collect();
        for check in [
            "http-port",
            "tls",
            "media-port",
            "candidates",
            "candidate",
            "tcp",
            "turn",
            "ipv6",
            "receive-buffer",
            "send-buffer",
            "gso",
            "gro",
            "data-dir",
            "storage",
            "spool",
            "secrets",
            "clock",
        ] {
            assert!(checks.contains(&check), "{check}");
        }
    }
}
