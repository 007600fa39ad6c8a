//! Checks of the ways by which media reaches clients besides UDP: TCP, the relay (TURN), and IPv6. Those of a running
//! server are spoken to from this machine.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use restage_node::media::MediaPlaces;
use restage_stun::attribute::XOR_MAPPED_ADDRESS;
use restage_stun::{Class, Message, Writer, method};

use super::http::reach;
use super::{Finding, PROBE_MAX, Verdict, finding};
use crate::config::{self, Config, Host};
use crate::tls::answered;

/// The id of this check's requests. Nobody gains anything by guessing it.
const TRANSACTION: &[u8; 12] = b"restage-test";
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 512;

/// A finding for each way.
pub(super) fn paths(config: &Config, places: &MediaPlaces) -> Vec<Finding> {
    let tcp = config.tcp_candidates(places, &config.http);
    let mut found = vec![tcp_path(&tcp, config.turn), relay(config, places)];
    if config.turn {
        found.extend(tcp.first().map(|address| relay_over_tcp(*address)));
        found.extend(config.tls.as_ref().and_then(|_| relay_over_tls(config)));
    }
    found.push(ipv6(places));
    found
}

fn tcp_path(candidates: &[SocketAddr], has_relay: bool) -> Finding {
    let Some(first) = candidates.first() else {
        return finding(
            "tcp",
            Verdict::Warn,
            "No TCP address is offered for media, so networks that block UDP get none; listen with --http at an address \
             of --media-ip, or give --media-tcp-port if a NAT or a balancer forwards TCP to it.",
        );
    };
    for candidate in candidates {
        match ask_over_tcp(*candidate, has_relay) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return finding(
                    "tcp",
                    Verdict::Ok,
                    format!(
                        "TCP {first} is offered for media; nothing listens there until the server runs."
                    ),
                );
            }
            Err(error) => {
                return finding(
                    "tcp",
                    Verdict::Warn,
                    format!(
                        "TCP {candidate} is offered for media and cannot be reached from here ({error}); fine if a NAT \
                         forwards it, else change --http or --media-tcp-port."
                    ),
                );
            }
        }
    }
    finding(
        "tcp",
        Verdict::Ok,
        format!("TCP {first} is reached from here, for media where UDP is blocked."),
    )
}

fn relay(config: &Config, places: &MediaPlaces) -> Finding {
    if !config.turn {
        return finding(
            "turn",
            Verdict::Off,
            "The relay (TURN) is off; networks that let only TLS through need it, with TLS in the listener: give --turn.",
        );
    }
    let ip = places.addresses.iter().find(|ip| !ip.is_unspecified());
    let Some(address) = ip.map(|ip| SocketAddr::new(*ip, config.media_port)) else {
        return finding(
            "turn",
            Verdict::Warn,
            "The relay (TURN) has no address; give --media-ip.",
        );
    };
    match ask_over_udp(address) {
        Ok(()) => finding(
            "turn",
            Verdict::Ok,
            format!("The relay (TURN) answers at UDP {address}."),
        ),
        // A port without a socket is reported by ICMP, at once.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => finding(
            "turn",
            Verdict::Ok,
            format!("The relay (TURN) is at UDP {address} when the server runs."),
        ),
        Err(error) => finding(
            "turn",
            Verdict::Warn,
            format!(
                "The relay (TURN) does not answer at UDP {address} ({error}); start the server with --turn, and let UDP \
                 through to that port."
            ),
        ),
    }
}

fn relay_over_tcp(address: SocketAddr) -> Finding {
    relay_finding("turn-tcp", "TCP", address, ask_over_tcp(address, true))
}

/// The relay at the listener that clients reach by the public URL, or at the first one.
fn relay_over_tls(config: &Config) -> Option<Finding> {
    let (port, host) = match config.public_url.as_deref() {
        Some(url) => (config::port_of_url(url), Host::of_url(url)),
        None => (None, None),
    };
    let mut listeners = config.http.iter();
    let named = listeners.find(|listener| Some(listener.port()) == port);
    let address = reach(*named.or_else(|| config.http.first())?);
    let host = host.map_or_else(|| address.ip().to_string(), |host| host.to_string());
    let answer = answered(address, &host, PROBE_MAX, &request(), ANSWER_BYTES_MAX);
    let outcome = answer.and_then(|answer| check(&answer));
    Some(relay_finding("turn-tls", "TLS", address, outcome))
}

fn relay_finding(
    name: &'static str,
    way: &str,
    address: SocketAddr,
    outcome: io::Result<()>,
) -> Finding {
    let (verdict, sentence) = match outcome {
        Ok(()) => (
            Verdict::Ok,
            format!("The relay (TURN) answers over {way} at TCP {address}."),
        ),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => (
            Verdict::Ok,
            format!("The relay (TURN) is over {way} at TCP {address} when the server runs."),
        ),
        Err(error) => (
            Verdict::Warn,
            format!(
                "The relay (TURN) does not answer over {way} at TCP {address} ({error}); start the server with these settings, or \
                 see what else listens there."
            ),
        ),
    };
    finding(name, verdict, sentence)
}

fn ipv6(places: &MediaPlaces) -> Finding {
    let has = |is_v6| places.addresses.iter().any(|ip| ip.is_ipv6() == is_v6);
    let sentence = match (has(false), has(true)) {
        (_, false) => {
            "Media is offered over IPv4 only; networks that have only IPv6 get none: add an IPv6 address with --media-ip, \
             and listen with --http [::]:PORT."
        }
        (false, true) => {
            "Media is offered over IPv6 only; add an IPv4 address with --media-ip for networks that have no IPv6."
        }
        (true, true) => "Media is offered over IPv4 and IPv6.",
    };
    let verdict = match (has(false), has(true)) {
        (true, true) => Verdict::Ok,
        (true, false) => Verdict::Off,
        (false, _) => Verdict::Warn,
    };
    finding("ipv6", verdict, sentence)
}

/// A Binding request without a name: the relay answers it, ICE does not.
fn request() -> Vec<u8> {
    Writer::new(Class::Request, method::BINDING, TRANSACTION).finish()
}

fn check(answer: &[u8]) -> io::Result<()> {
    let message = Message::parse(answer).filter(|message| {
        message.transaction() == TRANSACTION && message.get(XOR_MAPPED_ADDRESS).is_some()
    });
    let unexpected = || io::Error::new(ErrorKind::InvalidData, "it answers something else");
    message.map(drop).ok_or_else(unexpected)
}

/// Connects; with a relay, the server also has to answer.
fn ask_over_tcp(address: SocketAddr, has_relay: bool) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PROBE_MAX)?;
    if !has_relay {
        return Ok(());
    }
    stream.set_read_timeout(Some(PROBE_MAX))?;
    stream.write_all(&request())?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    let length = stream.read(&mut answer)?;
    check(&answer[..length])
}

fn ask_over_udp(address: SocketAddr) -> io::Result<()> {
    let local = match address.ip() {
        IpAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        IpAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    };
    let socket = UdpSocket::bind(local)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(PROBE_MAX))?;
    socket.send(&request())?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    let length = socket.recv(&mut answer)?;
    check(&answer[..length])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use restage_node::media::{Media, MediaSettings, RelayCredentials};

    use super::*;

    fn places(texts: &[&str]) -> MediaPlaces {
        MediaPlaces::open(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn what_is_not_offered_is_advised() {
        let config = Config {
            http: vec!["127.0.0.1:4080".parse().unwrap()],
            ..Config::default()
        };
        let found = paths(&config, &places(&["203.0.113.7"]));
        let verdicts: Vec<_> = found.iter().map(|one| (one.check, one.verdict)).collect();
        let expected = [
            ("tcp", Verdict::Warn),
            ("turn", Verdict::Off),
            ("ipv6", Verdict::Off),
        ];
        assert_eq!(verdicts, expected);
        assert!(found[0].sentence.contains("--media-tcp-port"));
        assert!(found[1].sentence.contains("--turn") && found[2].sentence.contains("--media-ip"));
        assert_eq!(ipv6(&places(&["fd00::7"])).verdict, Verdict::Warn);
        assert!(
            ipv6(&places(&["fd00::7", "10.0.0.1"]))
                .sentence
                .contains("IPv4 and IPv6")
        );
    }

    #[test]
    fn a_tcp_address_is_reached_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(tcp_path(&[address], false).sentence.contains("is reached"));
        // Nobody answers STUN there. The connection of the first question is accepted first.
        let other = std::thread::spawn(move || {
            drop(listener.accept());
            drop(listener.accept());
        });
        assert_eq!(tcp_path(&[address], true).verdict, Verdict::Warn);
        other.join().unwrap();
        assert!(
            tcp_path(&[address], true)
                .sentence
                .contains("until the server runs")
        );
    }

    /// Nothing runs at the port, and then something that is no relay.
    #[test]
    fn the_relay_is_asked_over_tcp_and_tls_where_they_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config {
            turn: true,
            http: vec![address],
            tls: Some(config::TlsSource::Files(config::TlsFiles {
                cert: "cert.pem".into(),
                key: "key.pem".into(),
            })),
            ..Config::default()
        };
        let of = |config: &Config| -> Vec<_> {
            let found = paths(config, &places(&["127.0.0.1"]));
            let found = found.into_iter();
            let found = found.filter(|one| ["turn-tcp", "turn-tls"].contains(&one.check));
            found.map(|one| (one.check, one.verdict)).collect()
        };
        let other = std::thread::spawn(move || {
            for _ in 0..3 {
                drop(listener.accept());
            }
        });
        assert_eq!(
            of(&config),
            [("turn-tcp", Verdict::Warn), ("turn-tls", Verdict::Warn)]
        );
        other.join().unwrap();
        assert_eq!(
            of(&config),
            [("turn-tcp", Verdict::Ok), ("turn-tls", Verdict::Ok)]
        );
        let plain = Config {
            tls: None,
            ..config
        };
        assert_eq!(of(&plain), [("turn-tcp", Verdict::Ok)]);
    }

    #[tokio::test]
    async fn a_relay_answers_if_it_is_there() {
        let local = places(&["127.0.0.1"]);
        for (relay, sentence) in [
            (Some(RelayCredentials::new(b"secret")), "answers at UDP"),
            (None, "does not answer"),
        ] {
            let (media, _events) = Media::start(MediaSettings {
                relay,
                ..MediaSettings::new(local.clone())
            })
            .unwrap();
            let config = Config {
                turn: true,
                media_port: media.ports()[0],
                ..Config::default()
            };
            let found = super::relay(&config, &local);
            assert!(found.sentence.contains(sentence), "{found:?}");
            media.stop().await;
        }
    }
}
