//! Checks of the media ports: whether they are free, who can reach them, and which features the kernel offers.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use restage_node::media::{Audience, MediaPlaces};
use restage_node::media::{UdpReport, probe_udp};

use super::{Finding, PROBE_MAX, Verdict, finding};

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
