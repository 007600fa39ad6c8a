//! Checks of the HTTP port, and of a running server's answers there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use super::{Finding, PROBE_MAX, Verdict, finding};
use crate::config::Config;

/// Most bytes read of an answer; metrics are smaller.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

pub(super) fn http_port(address: SocketAddr) -> Finding {
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

/// Whether a restage server answers `/healthz`.
fn restage_answers(address: SocketAddr) -> bool {
    get(address, "/healthz")
        .is_ok_and(|text| text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\nok\n"))
}

/// Where this machine reaches a listener.
pub(super) fn reach(listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, listener.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, listener.port()).into(),
        _ => listener,
    }
}

/// The whole answer to a GET.
fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    use std::io::{Read as _, Write as _};
    let reach = reach(address);
    let mut stream = TcpStream::connect_timeout(&reach, PROBE_MAX)?;
    stream.set_read_timeout(Some(PROBE_MAX))?;
    // With a loopback name in Host, because metrics are answered only under such names.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {reach}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The SRTP profiles of a running server's connections, from its metrics; `None` without a server.
pub(super) fn srtp(config: &Config) -> Option<Finding> {
    let shown = config.metrics.or_else(|| config.http.first().copied())?;
    let text = get(shown, "/metrics").ok()?;
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
                "Connections so far agreed on {listed}; those without AES-GCM take the processor longer, so let clients offer it."
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
