//! Tests of connections over real sockets.

use axum::Router;
use axum::routing::{get, post};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use super::connection::NO_TLS;
use super::conversation::HEAD_LEN_MAX;
use super::*;
use crate::http::door::{Client, HANDSHAKE_MAX, HEAD_MAX};
use crate::http::{Door, DoorSettings};
use crate::tls::testing::{Made, made};

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(30);

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn served(router: Router, descriptors: u64, trusted: &[&str], per_address: u32) -> Served {
    served_with(router, descriptors, trusted, per_address, None).await
}

async fn served_with(
    router: Router,
    descriptors: u64,
    trusted: &[&str],
    per_address: u32,
    tls: Option<Arc<Tls>>,
) -> Served {
    let listener = listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = listener.local_addr().unwrap();
    let trusted: Vec<_> = trusted.iter().map(|text| text.parse().unwrap()).collect();
    let door = Door::new(&DoorSettings {
        descriptors,
        trusted_proxies: &trusted,
        connections_per_address: per_address,
        bound: &[address.ip()],
        public_url: "http://127.0.0.1",
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let shared = Shared {
        service: TowerToHyperService::new(router),
        door,
        tls,
        media: None,
    };
    let serving = tokio::spawn(serve(listener, shared, async {
        stopped.await.ok();
    }));
    Served {
        address,
        stop,
        serving,
    }
}

fn health() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" }))
}

const PLAIN: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a text, and reads until the server closes the connection or has sent `until`.
async fn ask(stream: &mut impl Stream, text: &[u8], until: &str) -> String {
    stream.write_all(text).await.unwrap();
    let mut said = Vec::new();
    let reading = async {
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            said.extend_from_slice(&piece[..length]);
            if String::from_utf8_lossy(&said).ends_with(until) && !until.is_empty() {
                return;
            }
        }
    };
    timeout(SOON, reading).await.unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn requests_are_served_until_the_shutdown() {
    let served = served(health(), 1_024, &[], 0).await;
    let connect = || async { TcpStream::connect(served.address).await.unwrap() };
    let closing = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let good = ask(&mut connect().await, closing.as_bytes(), "").await;
    assert!(
        good.starts_with("HTTP/1.1 200") && good.ends_with("ok\n"),
        "{good}"
    );
    let nonsense = ask(&mut connect().await, b"\0\x01\r\n\r\n", "").await;
    assert!(
        nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400"),
        "{nonsense}"
    );
    let huge = format!(
        "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
        "a".repeat(2 * HEAD_LEN_MAX)
    );
    let mut stream = connect().await;
    stream.write_all(huge.as_bytes()).await.ok();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.ok();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{said}"
    );
    served.stop.send(()).unwrap();
    served.serving.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

/// A stop waits for a request that is under way, and not for a connection without one.
#[tokio::test]
async fn a_stop_closes_what_waits_for_nothing_at_once() {
    let (release, released) = oneshot::channel::<()>();
    let released = Arc::new(tokio::sync::Mutex::new(Some(released)));
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let router = Router::new().route(
        "/slow",
        get(move || async move {
            begun.send(()).await.ok();
            let released = released.lock().await.take();
            if let Some(released) = released {
                released.await.ok();
            }
            "at last"
        }),
    );
    let served = served(router, 1_024, &[], 0).await;
    let mut half = TcpStream::connect(served.address).await.unwrap();
    half.write_all(b"GET /slow HTT").await.unwrap();
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    begins.recv().await.unwrap();
    served.stop.send(()).unwrap();
    let mut nothing = String::new();
    for stream in [&mut half, &mut silent] {
        // A reset counts as an end too.
        let closed = timeout(SOON, stream.read_to_string(&mut nothing)).await;
        assert!(closed.is_ok() && nothing.is_empty(), "{nothing}");
    }
    assert!(!served.serving.is_finished());
    release.send(()).unwrap();
    let mut said = String::new();
    timeout(SOON, slow.read_to_string(&mut said))
        .await
        .unwrap()
        .unwrap();
    assert!(said.ends_with("at last"), "{said}");
    timeout(SOON, served.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_has_ten_seconds_and_a_request_all_it_needs() {
    let router = health().route(
        "/slow",
        get(|| async {
            tokio::time::sleep(HEAD_MAX + Duration::from_secs(3)).await;
            "at last"
        }),
    );
    let served = served(router, 1_024, &[], 0).await;
    let began = Instant::now();
    let connect = || async { TcpStream::connect(served.address).await.unwrap() };
    let [mut silent, mut half, mut again, mut slow] = [
        connect().await,
        connect().await,
        connect().await,
        connect().await,
    ];
    // A connection that was served before has begun another head.
    ask(&mut again, PLAIN.as_bytes(), "ok\n").await;
    let [silent, half, again, slow] = tokio::join!(
        ask(&mut silent, b"", ""),
        ask(&mut half, b"GET /slow HTTP/1.1\r\n", ""),
        ask(&mut again, b"GET /slow HTTP/1.1\r\n", ""),
        ask(
            &mut slow,
            b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            ""
        ),
    )
    .into();
    assert!(began.elapsed() >= HEAD_MAX);
    assert_eq!([silent, half, again], [const { String::new() }; 3]);
    assert!(slow.ends_with("at last"), "{slow}");
}

/// With few descriptors the connections that are idle longest are closed, so that new ones are served.
#[tokio::test]
async fn a_newcomer_takes_the_place_of_who_waits_for_nothing() {
    let served = served(health(), 64, &[], 0).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET /heal").await.unwrap();
        slow.push(stream);
    }
    let mut newcomer = TcpStream::connect(served.address).await.unwrap();
    let began = Instant::now();
    let said = ask(&mut newcomer, PLAIN.as_bytes(), "ok\n").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(
        began.elapsed() < HEAD_MAX,
        "served before the heads ran out of time"
    );
}

#[tokio::test]
async fn a_listener_at_all_addresses_of_ipv6_serves_ipv4_unless_that_has_its_own() {
    for is_ipv6_only in [false, true] {
        let Ok(listener) = listen("[::]:0".parse().unwrap(), is_ipv6_only) else {
            println!("skipped: this machine has no IPv6");
            return;
        };
        let port = listener.local_addr().unwrap().port();
        let over_ipv4 = TcpStream::connect(("127.0.0.1", port)).await;
        assert_eq!(over_ipv4.is_err(), is_ipv6_only);
        TcpStream::connect(("::1", port)).await.unwrap();
    }
}

/// A client that a proxy names has the usual limit; clients that it does not name are not counted.
#[tokio::test]
async fn one_client_has_so_many_connections() {
    let served = served(health(), 1_024, &["127.0.0.1"], 2).await;
    let named = |last: u8| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend_from_slice(&[203, 0, 113, last, 127, 0, 0, 1, 0, 9, 0, 80]);
        [header, PLAIN.as_bytes().to_vec()].concat()
    };
    let mut open = Vec::new();
    for (begins, status) in [
        (named(1), "200"),
        (named(1), "200"),
        (named(1), "429"),
        (named(2), "200"),
        (PLAIN.into(), "200"),
        (PLAIN.into(), "200"),
        (PLAIN.into(), "200"),
    ] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(&begins).await.unwrap();
        let mut said = [0; 12];
        timeout(SOON, stream.read_exact(&mut said))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(str::from_utf8(&said).unwrap(), format!("HTTP/1.1 {status}"));
        open.push(stream);
    }
}

/// An answer that is sent before the body has arrived reaches a client that continues to send.
#[tokio::test]
async fn a_refusal_reaches_who_is_still_sending() {
    let router = Router::new().route(
        "/refuse",
        post(|| async { (http::StatusCode::FORBIDDEN, "no") }),
    );
    let served = served(router, 1_024, &[], 0).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let length = 2_000_000;
    let head = format!("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(SOON, stream.read_exact(&mut status))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        &status, b"HTTP/1.1 403",
        "before anything of the body was sent"
    );
    stream.write_all(&vec![b'x'; length]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(SOON, stream.read_to_string(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(rest.ends_with("no"), "{rest}");
}

#[tokio::test]
async fn requests_know_their_connection() {
    let router = Router::new().route(
        "/whose",
        get(|request: axum::extract::Request| async move {
            let connection = request.extensions().get::<Connection>().unwrap();
            assert!(request.extensions().get::<Client>().is_none());
            connection.address.to_string()
        }),
    );
    let served = served(router, 1_024, &["127.0.0.0/8"], 1).await;
    let request = b"GET /whose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\x00\x71\x07\x7f\0\0\x01\0\x09\0\x50";
    let mut direct = TcpStream::connect(served.address).await.unwrap();
    let said = ask(&mut direct, request, "").await;
    assert!(said.ends_with("127.0.0.1"), "{said}");
    let mut named = TcpStream::connect(served.address).await.unwrap();
    let said = ask(&mut named, &[&header[..], request].concat(), "").await;
    assert!(said.ends_with("203.0.113.7"), "{said}");
}

/// A small unread body is skipped and the connection continues; the answer says when it does not.
#[tokio::test]
async fn a_connection_outlives_a_small_body_that_nobody_wanted() {
    let refuse = || async { (http::StatusCode::FORBIDDEN, "no\n") };
    let router = health().route("/refuse", post(refuse));
    let served = served(router, 1_024, &[], 0).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = |length: usize, more: &str| {
        format!("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n")
    };
    for _ in 0..2 {
        stream.write_all(head(3, "").as_bytes()).await.unwrap();
        let said = ask(&mut stream, b"abc", "no\n").await;
        assert!(!said.to_lowercase().contains("connection: close"), "{said}");
        let said = ask(&mut stream, PLAIN.as_bytes(), "ok\n").await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }
    for (head, body) in [
        (head(3, ""), ""),
        (head(70_000, ""), "abc"),
        (head(3, "Expect: 100-continue\r\n"), ""),
    ] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let said = ask(&mut stream, (head + body).as_bytes(), "").await;
        assert!(said.starts_with("HTTP/1.1 403"), "{said}");
        assert!(said.to_lowercase().contains("connection: close"), "{said}");
    }
}

/// A server with a certificate for 127.0.0.1.
async fn served_over_tls(descriptors: u64, trusted: &[&str]) -> (Served, Made) {
    let made = made(&["127.0.0.1"], 0, 1);
    let tls = Tls::of(made.certificate());
    let whose = |request: axum::extract::Request| async move {
        let connection = request.extensions().get::<Connection>().unwrap();
        format!("{} {}", connection.address, connection.is_encrypted)
    };
    let refuse = || async { (http::StatusCode::FORBIDDEN, "no") };
    let router = health()
        .route("/whose", get(whose))
        .route("/refuse", post(refuse));
    let served = served_with(router, descriptors, trusted, 0, Some(tls)).await;
    (served, made)
}

async fn over_tls(
    stream: TcpStream,
    config: rustls::ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "127.0.0.1".try_into().unwrap();
    timeout(SOON, connector.connect(name, stream))
        .await
        .unwrap()
}

#[tokio::test]
async fn one_port_serves_both_plain_and_encrypted_requests() {
    let (served, made) = served_over_tls(1_024, &["127.0.0.1"]).await;
    let request = b"GET /whose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    let said = ask(&mut plain, request, "").await;
    assert!(said.ends_with("127.0.0.1 false"), "{said}");
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let stream = TcpStream::connect(served.address).await.unwrap();
        let mut stream = over_tls(stream, made.trusting(versions)).await.unwrap();
        let said = ask(&mut stream, request, "").await;
        assert!(said.ends_with("127.0.0.1 true"), "{said}");
    }
    // The header of the PROXY protocol comes before the handshake.
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\x00\x71\x07\x7f\0\0\x01\0\x09\0\x50";
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(header).await.unwrap();
    let mut stream = over_tls(stream, made.trusted()).await.unwrap();
    let said = ask(&mut stream, request, "").await;
    assert!(said.ends_with("203.0.113.7 true"), "{said}");
    // Within TLS nobody is believed to be a proxy who is not one outside: the header is no request.
    let stream = TcpStream::connect(served.address).await.unwrap();
    let mut stream = over_tls(stream, made.trusted()).await.unwrap();
    let said = ask(&mut stream, &[&header[..], request].concat(), "").await;
    assert!(!said.contains("203.0.113.7"), "{said}");
}

/// What is refused, or is no request, ends alike within TLS.
#[tokio::test]
async fn limits_of_requests_hold_within_tls() {
    let (served, made) = served_over_tls(1_024, &[]).await;
    let connect = || async {
        let stream = TcpStream::connect(served.address).await.unwrap();
        over_tls(stream, made.trusted()).await.unwrap()
    };
    let mut stream = connect().await;
    let huge = format!(
        "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
        "a".repeat(2 * HEAD_LEN_MAX)
    );
    stream.write_all(huge.as_bytes()).await.ok();
    let mut said = String::new();
    timeout(SOON, stream.read_to_string(&mut said))
        .await
        .unwrap()
        .ok();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{said}"
    );
    // An answer that comes before the body reaches a client that continues to send.
    let mut stream = connect().await;
    let length = 2_000_000;
    let head = format!("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(SOON, stream.read_exact(&mut status))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&status, b"HTTP/1.1 403");
    stream.write_all(&vec![b'x'; length]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(SOON, stream.read_to_string(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(rest.ends_with("no"), "{rest}");
    // A second handshake within the first.
    let mut stream = connect().await;
    stream
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        .await
        .unwrap();
    let mut said = Vec::new();
    timeout(SOON, stream.read_to_end(&mut said))
        .await
        .unwrap()
        .ok();
    assert!(said.is_empty() || said == NO_TLS, "{said:x?}");
}

#[tokio::test]
async fn without_a_certificate_a_handshake_is_refused_in_its_own_words() {
    let served = served(health(), 1_024, &[], 0).await;
    let config = made(&["127.0.0.1"], 0, 1).trusted();
    let stream = TcpStream::connect(served.address).await.unwrap();
    let error = over_tls(stream, config).await.unwrap_err().to_string();
    assert!(error.contains("HandshakeFailure"), "{error}");
}

/// Handshakes that stop, are garbage, or are never finished end, and everybody else is served meanwhile.
#[tokio::test]
async fn unfinished_and_broken_handshakes_hurt_nobody() {
    let (served, made) = served_over_tls(1_024, &[]).await;
    let hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let began = Instant::now();
    // Nothing follows.
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    silent.write_all(hello).await.unwrap();
    // Most of the places for handshakes, and more than those.
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(hello).await.unwrap();
        idle.push(stream);
    }
    for noise in [
        &b"\x16\x03\x01\xff\xff"[..],
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x00\x00\x04\x02\x00\x00\x00",
        b"\x16\x03GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(noise).await.unwrap();
        stream.write_all(&[0xff; 20_000]).await.ok();
        stream.shutdown().await.ok();
        let mut said = Vec::new();
        timeout(SOON, stream.read_to_end(&mut said))
            .await
            .unwrap()
            .ok();
        assert!(!said.starts_with(b"HTTP/1.1 200"), "{said:x?}");
    }
    // A client that speaks TLS and then does not.
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut tcp, _) = over_tls(stream, made.trusted()).await.unwrap().into_inner();
    tcp.write_all(PLAIN.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    timeout(SOON, tcp.read_to_end(&mut said))
        .await
        .unwrap()
        .ok();
    assert!(!String::from_utf8_lossy(&said).contains("ok"));
    let stream = TcpStream::connect(served.address).await.unwrap();
    let mut stream = over_tls(stream, made.trusted()).await.unwrap();
    let said = ask(&mut stream, PLAIN.as_bytes(), "ok\n").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(
        began.elapsed() < HANDSHAKE_MAX,
        "served before the others ran out of time"
    );
    let mut nothing = Vec::new();
    timeout(SOON, silent.read_to_end(&mut nothing))
        .await
        .unwrap()
        .ok();
}
