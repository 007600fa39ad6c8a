//! Is this machine fit to serve? One finding per question, each a sentence, and what to change.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exposed::exposed;
use crate::media::{UdpReport, probe_udp, worker_port};
use crate::store::{Look, StoreConfig, StoreError, look};

/// How long a probe may take.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// What is read of an answer: more than metrics have.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Files from further in the future than this mean the clock went back.
const CLOCK_SLACK: Duration = Duration::from_secs(60);
/// The oldest PostgreSQL that the store is tested with.
const POSTGRES_MAJOR_MIN: u32 = 13;
/// SigV4 requests further off than this are refused; for the sentence only.
const SIGNATURE_SKEW_MINUTES: u32 = 5;

/// How a finding should be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but worse than it could.
    Warn,
    /// Does not work.
    Fail,
}

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// A short name.
    pub check: &'static str,
    /// Good or bad.
    pub verdict: Verdict,
    /// What was found and, if it is not well, what to change.
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
    let mut findings = vec![http_port(config.http)];
    match config.media_addresses() {
        Ok(addresses) => {
            let mut report = None;
            for number in 0..config.workers {
                let port = worker_port(config.media_port, number);
                let (media, found) = media_port(&addresses, port);
                findings.push(media);
                report = report.or(found);
            }
            findings.push(workers(config.workers));
            findings.extend(srtp(config));
            findings.extend(addresses.iter().map(|ip| candidate(*ip)));
            if let Some(report) = report {
                findings.extend(buffers(report));
                findings.push(offload("gso", "sends", report.gso_segments));
                findings.push(offload("gro", "receives", report.gro_segments));
            }
        }
        Err(error) => findings.push(finding("candidates", Verdict::Fail, error.to_string())),
    }
    findings.push(data_dir(&config.data_dir));
    findings.extend(secrets(config));
    findings.push(clock(&config.data_dir));
    findings
}

/// Looks at the database, if it is PostgreSQL: the data directory is checked anyway. The password is in no
/// sentence.
pub async fn examine_database(config: &Config) -> Option<Finding> {
    let address = config.database.as_ref()?;
    let failed = |error: StoreError| finding("database", Verdict::Fail, error.to_string());
    let store = match StoreConfig::from_address(address.reveal()) {
        Ok(store) => store,
        Err(error) => return Some(failed(error)),
    };
    match look(&store).await {
        Ok(look) => look.map(|look| database_finding(&store.name(), &look)),
        Err(error) => {
            let advice = "check that it runs and is reachable from here, and the user, the password (PGPASSWORD or \
                          PGPASSFILE) and sslmode of --database";
            let sentence = format!("{error}; {advice}.");
            Some(finding("database", Verdict::Fail, sentence))
        }
    }
}

fn database_finding(name: &str, look: &Look) -> Finding {
    let Look {
        server,
        schema,
        known,
    } = look;
    let major = server.split(['.', ' ']).next().unwrap_or_default();
    if major
        .parse()
        .is_ok_and(|major: u32| major < POSTGRES_MAJOR_MIN)
    {
        return finding(
            "database",
            Verdict::Fail,
            format!(
                "{name} is PostgreSQL {server}; restage needs {POSTGRES_MAJOR_MIN} or newer: upgrade it."
            ),
        );
    }
    let (verdict, schema) = match schema {
        None => (
            Verdict::Ok,
            "is empty; the first start makes the tables".to_owned(),
        ),
        Some(found) if found > known => (
            Verdict::Fail,
            format!(
                "has schema {found} of a newer restage, this one knows {known}; use that version, or restore a backup"
            ),
        ),
        Some(found) if found < known => (
            Verdict::Ok,
            format!(
                "has schema {found}; the next start brings it to {known}: run restage db backup before"
            ),
        ),
        Some(found) => (Verdict::Ok, format!("has schema {found}, as this restage")),
    };
    let sentence = format!("{name} answers: PostgreSQL {server}; it {schema}.");
    finding("database", verdict, sentence)
}

fn http_port(address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => finding(
            "http-port",
            Verdict::Ok,
            format!("TCP {address} is free for HTTP."),
        ),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match restage_answers(address) {
            true => finding(
                "http-port",
                Verdict::Ok,
                format!("TCP {address} is served by a running restage."),
            ),
            false => finding(
                "http-port",
                Verdict::Fail,
                format!(
                    "TCP {address} is taken by another program; stop it or give another --http."
                ),
            ),
        },
        Err(error) => finding(
            "http-port",
            Verdict::Fail,
            format!("TCP {address} cannot be used ({error}); give another --http."),
        ),
    }
}

/// Does `/healthz` answer as ours does?
fn restage_answers(address: SocketAddr) -> bool {
    get(address, "/healthz")
        .is_ok_and(|text| text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\nok\n"))
}

/// The whole answer to a GET.
fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    use std::io::{Read as _, Write as _};
    let reach = if address.ip().is_unspecified() {
        SocketAddr::from(([127, 0, 0, 1], address.port()))
    } else {
        address
    };
    let mut stream = TcpStream::connect_timeout(&reach, PROBE_MAX)?;
    stream.set_read_timeout(Some(PROBE_MAX))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: doctor\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// What a running server's connections agreed on, as its metrics tell; nothing without one.
fn srtp(config: &Config) -> Option<Finding> {
    let text = get(config.metrics.unwrap_or(config.http), "/metrics").ok()?;
    srtp_finding(&text)
}

fn srtp_finding(metrics: &str) -> Option<Finding> {
    const SERIES: &str = "restage_media_srtp_connections_total{profile=\"";
    let counts = metrics.lines().filter_map(|line| {
        let (profile, rest) = line.strip_prefix(SERIES)?.split_once("\"}")?;
        let count: u64 = rest.trim().parse().ok()?;
        (count > 0).then_some((profile, count))
    });
    let counts: Vec<(&str, u64)> = counts.collect();
    if counts.is_empty() {
        return None;
    }
    let listed: Vec<String> = counts
        .iter()
        .map(|(profile, count)| format!("{count} × {profile}"))
        .collect();
    let listed = listed.join(", ");
    let is_slow = counts.iter().any(|(profile, _)| !profile.ends_with("GCM"));
    Some(if is_slow {
        finding(
            "srtp",
            Verdict::Warn,
            format!(
                "Connections so far agreed on {listed}; those without AES-GCM cost several times as much, so let clients offer it."
            ),
        )
    } else {
        finding(
            "srtp",
            Verdict::Ok,
            format!("Connections so far agreed on {listed}."),
        )
    })
}

fn workers(count: u16) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if count == 1 { "worker" } else { "workers" };
    let what = if cores == 1 { "core" } else { "cores" };
    if usize::from(count) > cores {
        let sentence = format!(
            "{count} media {workers} would share {cores} {what} and take turns; give --workers {cores}."
        );
        return finding("workers", Verdict::Warn, sentence);
    }
    finding(
        "workers",
        Verdict::Ok,
        format!("{count} media {workers} on {cores} {what}."),
    )
}

fn media_port(addresses: &[IpAddr], port: u16) -> (Finding, Option<UdpReport>) {
    match probe_udp(addresses, port) {
        Ok(report) => (
            finding(
                "media-port",
                Verdict::Ok,
                format!("UDP {port} is free for media."),
            ),
            Some(report),
        ),
        Err(error) => {
            let sentence = if error.kind() == io::ErrorKind::AddrInUse {
                format!(
                    "UDP {port} is in use; fine if that is a running restage, else give another --media-port."
                )
            } else {
                format!(
                    "UDP {port} cannot be used ({error}); give another --media-port or --media-ip."
                )
            };
            // What the kernel can do does not depend on the port.
            (
                finding("media-port", Verdict::Warn, sentence),
                probe_udp(addresses, 0).ok(),
            )
        }
    }
}

/// A datagram sent to the address from here must arrive here.
fn candidate(ip: IpAddr) -> Finding {
    let probe = || -> io::Result<()> {
        let receiver = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        receiver.set_read_timeout(Some(PROBE_MAX))?;
        let sender = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        sender.send_to(b"restage", receiver.local_addr()?)?;
        let mut buffer = [0; 16];
        receiver.recv(&mut buffer).map(|_| ())
    };
    match probe() {
        Ok(()) if ip.is_loopback() => finding(
            "candidate",
            Verdict::Ok,
            format!(
                "{ip} is reachable, from this machine only; give --http and --media-ip to serve others."
            ),
        ),
        Ok(()) => finding(
            "candidate",
            Verdict::Ok,
            format!("{ip} is reachable from here."),
        ),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => finding(
            "candidate",
            Verdict::Warn,
            format!(
                "{ip} is not an address of this machine; media reaches it only if a NAT forwards the UDP port here."
            ),
        ),
        Err(error) => finding(
            "candidate",
            Verdict::Fail,
            format!("{ip} is not reachable from here ({error}); give another --media-ip."),
        ),
    }
}

fn buffers(report: UdpReport) -> Vec<Finding> {
    let one = |check, setting, what, granted: usize| {
        if granted >= report.wanted_buffer {
            let sentence = format!("The UDP {what} buffer is {} KiB.", granted / 1024);
            return finding(check, Verdict::Ok, sentence);
        }
        finding(
            check,
            Verdict::Warn,
            format!(
                "The UDP {what} buffer is {} KiB where {} KiB were asked for, so bursts may be lost; \
                 run: sysctl -w net.core.{setting}={}",
                granted / 1024,
                report.wanted_buffer / 1024,
                report.wanted_buffer,
            ),
        )
    };
    vec![
        one(
            "receive-buffer",
            "rmem_max",
            "receive",
            report.receive_buffer,
        ),
        one("send-buffer", "wmem_max", "send", report.send_buffer),
    ]
}

fn offload(check: &'static str, verb: &str, segments: usize) -> Finding {
    let name = check.to_uppercase();
    if segments > 1 {
        let sentence =
            format!("UDP {name} works: the kernel {verb} up to {segments} datagrams at once.");
        return finding(check, Verdict::Ok, sentence);
    }
    finding(
        check,
        Verdict::Warn,
        format!(
            "UDP {name} is not offered by this kernel, so each packet costs more; Linux 5.0 or newer has it."
        ),
    )
}

fn data_dir(path: &Path) -> Finding {
    let shown = path.display();
    let writable = || -> Result<(), String> {
        DataDir::open(path).map_err(|error| error.to_string())?;
        let probe = path.join(".doctor");
        std::fs::write(&probe, b"restage").map_err(|error| error.to_string())?;
        std::fs::remove_file(&probe).map_err(|error| error.to_string())
    };
    match writable() {
        Ok(()) => finding(
            "data-dir",
            Verdict::Ok,
            format!("The data directory {shown} is writable."),
        ),
        Err(error) => finding(
            "data-dir",
            Verdict::Fail,
            format!(
                "The data directory {shown} is not writable ({error}); change its owner or give another --data-dir."
            ),
        ),
    }
}

fn secrets(config: &Config) -> Vec<Finding> {
    let open = exposed(config);
    if open.is_empty() {
        let sentence = "Files with secrets are closed to other users of this machine.";
        return vec![finding("secrets", Verdict::Ok, sentence)];
    }
    open.iter()
        .map(|open| finding("secrets", Verdict::Warn, format!("{open}.")))
        .collect()
}

/// There is no time server to ask here. What can be seen: files from the future, and whether this
/// system says that its clock is kept.
#[allow(clippy::disallowed_methods)]
fn clock(data: &Path) -> Finding {
    let now = SystemTime::now();
    let newest = std::fs::read_dir(data)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
        .max();
    if let Some(newest) = newest
        && let Ok(ahead) = newest.duration_since(now)
        && ahead > CLOCK_SLACK
    {
        return finding(
            "clock",
            Verdict::Fail,
            format!(
                "The clock is {} s behind the newest file of the data directory; set it, or API \
                 requests will be refused as expired.",
                ahead.as_secs()
            ),
        );
    }
    let kept = [
        "/run/systemd/timesync/synchronized",
        "/run/chrony/chronyd.pid",
        "/run/ntpd.pid",
    ];
    if kept.iter().any(|path| Path::new(path).exists()) {
        return finding("clock", Verdict::Ok, "The clock is kept by a time service.");
    }
    finding(
        "clock",
        Verdict::Warn,
        format!(
            "No time service was found on this machine; API requests from clients whose clock differs \
             by more than {SIGNATURE_SKEW_MINUTES} minutes are refused. Install chrony or \
             systemd-timesyncd unless the host keeps the time."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_judged_by_its_versions() {
        let judge = |server: &str, schema| {
            let look = Look {
                server: server.to_owned(),
                schema,
                known: 4,
            };
            let found = database_finding("postgres://ann@db/rs", &look);
            (found.verdict, found.sentence)
        };
        assert_eq!(judge("16.4 (Debian 16.4-1)", Some(4)).0, Verdict::Ok);
        for (server, schema, verdict, word) in [
            ("12.9", Some(4), Verdict::Fail, "13 or newer"),
            ("17.0", Some(5), Verdict::Fail, "newer restage"),
            ("17.0", Some(3), Verdict::Ok, "backup"),
            ("17.0", None, Verdict::Ok, "first start"),
        ] {
            let (found, sentence) = judge(server, schema);
            assert_eq!(found, verdict, "{sentence}");
            assert!(sentence.contains(word), "{sentence}");
        }
    }

    #[tokio::test]
    async fn a_database_that_is_away_fails_without_its_password() {
        let config = Config {
            database: Some("postgres://ann:hunter2@127.0.0.1:1/rs".into()),
            ..Config::default()
        };
        let found = examine_database(&config).await.unwrap();
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(!found.sentence.contains("hunter2"), "{}", found.sentence);
        assert!(found.sentence.contains("127.0.0.1"), "{}", found.sentence);
        assert!(found.sentence.contains("PGPASSWORD"), "{}", found.sentence);
        let own = Config::default();
        assert_eq!(examine_database(&own).await, None);
    }

    fn config(dir: &Path, http: SocketAddr) -> Config {
        Config {
            data_dir: dir.to_owned(),
            http,
            media_port: 0,
            ..Config::default()
        }
    }

    #[test]
    fn a_taken_port_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        // Somebody else's: it hangs up without a word.
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

    #[test]
    fn profiles_that_were_agreed_on_are_named() {
        let series = |profile: &str, count: u64| {
            format!("restage_media_srtp_connections_total{{profile=\"{profile}\"}} {count}\n")
        };
        assert_eq!(srtp_finding(&series("AEAD_AES_256_GCM", 0)), None);
        assert_eq!(srtp_finding("HTTP/1.1 404 Not Found"), None);
        let good = series("AEAD_AES_256_GCM", 3) + &series("AES128_CM_SHA1_80", 0);
        let found = srtp_finding(&good).unwrap();
        assert_eq!(found.verdict, Verdict::Ok);
        assert!(found.sentence.contains("3 × AEAD_AES_256_GCM."));
        let slow = good + &series("AES128_CM_SHA1_80", 1);
        assert_eq!(srtp_finding(&slow).unwrap().verdict, Verdict::Warn);
    }

    #[test]
    fn a_data_directory_that_is_a_file_fails() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = data_dir(file.path());
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.sentence.contains("--data-dir"));
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
            "media-port",
            "candidate",
            "receive-buffer",
            "send-buffer",
            "gso",
            "gro",
            "data-dir",
            "secrets",
            "clock",
        ] {
            assert!(checks.contains(&check), "{check}");
        }
    }
}
