//! Checks of the media ports: whether they are free, who can reach them, and which features the kernel offers.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

use restage_node::media::{Audience, MediaPlaces};
use restage_node::media::{UdpReport, probe_udp};

use super::{Finding, PROBE_MAX, Verdict, finding};
use crate::address_watch::Difference;
use crate::config::Config;
use crate::run_file::RunFile;

pub(super) fn workers(count: u16) -> Finding {
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

pub(super) fn media_port(places: &MediaPlaces, port: u16) -> (Finding, Option<UdpReport>) {
    match probe_udp(places, port) {
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
            // The kernel's features do not depend on the port.
            (
                finding("media-port", Verdict::Warn, sentence),
                probe_udp(places, 0).ok(),
            )
        }
    }
}

/// The addresses offered to clients, and which clients are accepted there.
pub(super) fn candidates(places: &MediaPlaces) -> Finding {
    let all: Vec<String> = places.addresses.iter().map(IpAddr::to_string).collect();
    let advice = match places.audience {
        Audience::ThisMachine => {
            ": media from other machines is dropped; to serve them give --media-ip, or --http with an address beyond \
             loopback"
        }
        Audience::Anybody => "",
    };
    finding(
        "candidates",
        Verdict::Ok,
        format!(
            "Offered for media: {}, to {}{advice}.",
            all.join(", "),
            places.audience
        ),
    )
}

/// What the server that runs on this data directory offers, if that is not what it would offer now.
pub(super) fn offered(config: &Config, places: &MediaPlaces) -> Option<Finding> {
    let running = RunFile::read(&config.data_dir)?;
    // The file outlives a server that was killed.
    let runs = Path::new("/proc").join(running.pid.to_string()).exists();
    let known = !running.media.is_empty();
    offers(&running.media, places).filter(|_| runs && known)
}

fn offers(offered: &[IpAddr], places: &MediaPlaces) -> Option<Finding> {
    let difference = Difference::of(offered, &places.addresses);
    if difference.is_none() {
        return None;
    }
    let named = |all: &[IpAddr]| {
        let all: Vec<String> = all.iter().map(IpAddr::to_string).collect();
        all.join(", ")
    };
    let sentence = format!(
        "The running server offers {} for media, and with these settings and addresses it would offer {}: restart it.",
        named(offered),
        named(&places.addresses)
    );
    Some(finding("candidates", Verdict::Warn, sentence))
}

/// Checks that a datagram that is sent to the address from here arrives here.
pub(super) fn candidate(ip: IpAddr, audience: Audience) -> Finding {
    let probe = || -> io::Result<()> {
        let receiver = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        receiver.set_read_timeout(Some(PROBE_MAX))?;
        let sender = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        sender.send_to(b"restage", receiver.local_addr()?)?;
        let mut buffer = [0; 16];
        receiver.recv(&mut buffer).map(|_| ())
    };
    match probe() {
        Ok(()) if ip.is_loopback() || audience == Audience::ThisMachine => finding(
            "candidate",
            Verdict::Ok,
            format!("{ip} is reachable, for clients on this machine."),
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

pub(super) fn buffers(report: UdpReport) -> Vec<Finding> {
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

pub(super) fn offload(check: &'static str, verb: &str, segments: usize) -> Finding {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_offers_something_else_is_to_be_restarted() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let places = MediaPlaces::open(ips(&["10.0.0.3", "fd00::3"]));
        assert_eq!(offers(&ips(&["fd00::3", "10.0.0.3"]), &places), None);
        let found = offers(&ips(&["10.0.0.2"]), &places).unwrap();
        assert_eq!(found.verdict, Verdict::Warn);
        for words in ["offers 10.0.0.2 for", "offer 10.0.0.3, fd00::3: restart"] {
            assert!(found.sentence.contains(words), "{}", found.sentence);
        }
    }

    /// Of this process, which runs, and of one that does not.
    #[test]
    fn only_a_server_that_runs_is_compared() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: dir.path().to_owned(),
            ..Config::default()
        };
        let places = MediaPlaces::open(vec![IpAddr::from([10, 0, 0, 3])]);
        assert_eq!(offered(&config, &places), None);
        for (pid, is_compared) in [(std::process::id(), true), (u32::MAX, false)] {
            let run_file = RunFile {
                url: String::new(),
                local: None,
                console: String::new(),
                pid,
                media: vec![IpAddr::from([10, 0, 0, 2])],
            };
            let guard = run_file.write(dir.path()).unwrap();
            assert_eq!(offered(&config, &places).is_some(), is_compared);
            drop(guard);
        }
    }
}
