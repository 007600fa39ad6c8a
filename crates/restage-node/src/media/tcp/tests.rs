//! Connections against running workers: what a client gets by each way, and what strangers get.

mod phone;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use restage_media::{Control, PeerId, PublicationId, Wish, local_ice_ufrag};
use restage_stun::attribute::{USERNAME, XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS};
use restage_stun::{Class, Message, Writer, method, read_xor_address};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::admission::UNPROVEN_PER_ADDRESS_MAX;
use super::*;
use crate::media::{
    Audience, MediaEvent, MediaPlaces, MediaSettings, RelayCredential, RelayCredentials, Role,
};
use phone::{Phone, Wire, framed, unframed};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n";
/// Time limit of every step, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(30);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct World {
    media: Media,
    /// Kept open.
    _events: tokio::sync::mpsc::Receiver<MediaEvent>,
}

/// The server's half of an ICE session.
struct Session {
    peer: PeerId,
    ufrag: String,
    pwd: String,
    /// The media address of its worker.
    address: SocketAddr,
}

impl World {
    fn new(workers: u16) -> Self {
        let places = MediaPlaces {
            addresses: vec![LOCAL],
            audience: Audience::ThisMachine,
        };
        let (media, events) = Media::start(MediaSettings {
            workers,
            tcp: vec![SocketAddr::new(LOCAL, 443)],
            relay: Some(RelayCredentials::new(b"secret")),
            ..MediaSettings::new(places)
        })
        .unwrap();
        Self {
            media,
            _events: events,
        }
    }

    async fn open(&self) -> Session {
        let opened = self
            .media
            .open(Role::Subscriber, OFFER.to_owned(), None, Wish::default());
        let (peer, answer) = opened.await.unwrap();
        let pwd = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-pwd:"));
        Session {
            peer,
            ufrag: local_ice_ufrag(&answer).unwrap().to_owned(),
            pwd: pwd.unwrap().to_owned(),
            address: SocketAddr::new(LOCAL, self.media.destination_of(peer).port),
        }
    }

    fn credential(&self, participant: &str) -> RelayCredential {
        self.media.relay_credential(participant, u64::MAX).unwrap()
    }

    /// A connection from this client port.
    fn connect(&self, port: u16, is_framed: bool) -> DuplexStream {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let ends = Ends {
            client: SocketAddr::from(([198, 51, 100, 1], port)),
            local: SocketAddr::new(LOCAL, 443),
        };
        let media = self.media.clone();
        tokio::spawn(async move {
            match is_framed {
                true => media.serve_ice(server, ends).await,
                false => media.serve_relay(server, ends).await,
            }
        });
        client
    }
}

impl Session {
    fn check(&self) -> Vec<u8> {
        let mut check = Writer::new(Class::Request, method::BINDING, b"twelve bytes");
        check.push(USERNAME, format!("{}:abcd", self.ufrag).as_bytes());
        check.finish_for_ice(self.pwd.as_bytes())
    }

    /// The address that the answer to a check names; `None` if it is none.
    fn mapped(&self, answer: &[u8]) -> Option<SocketAddr> {
        let message = Message::parse(answer)?;
        assert!(message.is_authentic(self.pwd.as_bytes()));
        read_xor_address(message.get(XOR_MAPPED_ADDRESS)?, message.transaction())
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, future).await;
    done.unwrap_or_else(|_| panic!("{what} within {LIMIT:?}"))
}

/// Waits until the server has closed the connection.
async fn closed(mut client: DuplexStream) {
    let mut rest = Vec::new();
    within("the end of the connection", client.read_to_end(&mut rest))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_check_on_a_connection_is_answered_by_the_worker_of_its_peer() {
    let world = World::new(2);
    for port in 1..=4 {
        let session = world.open().await;
        let mut client = world.connect(port, true);
        // In pieces, as a network may deliver it.
        let bytes = framed(&session.check());
        let (one, two) = bytes.split_at(port.into());
        client.write_all(one).await.unwrap();
        client.write_all(two).await.unwrap();
        let answer = within("an answer", unframed(&mut client)).await;
        let mapped = session.mapped(&answer).unwrap();
        assert_eq!(mapped, SocketAddr::from(([198, 51, 100, 1], port)));
    }
    assert_eq!(world.media.stats().line_datagrams_dropped, 0);
}

#[tokio::test]
async fn what_is_no_client_is_closed() {
    let world = World::new(1);
    let session = world.open().await;
    let mut wrong = session.check();
    // The integrity does not match.
    wrong[8] ^= 1;
    let unknown = Session {
        ufrag: format!("{}x", session.ufrag),
        ..world.open().await
    };
    let elsewhere = Session {
        // A worker that does not exist.
        ufrag: "AAC0123456789abcdef".to_owned(),
        ..world.open().await
    };
    let mut all = Vec::new();
    for bytes in [
        framed(&wrong),
        framed(&unknown.check()),
        framed(&elsewhere.check()),
        framed(b"\x16\xfe\xfd"),
        vec![0xff; 20_000],
        vec![0; 20_000],
        vec![0, 200, 1],
        Vec::new(),
    ] {
        let mut client = world.connect(7, true);
        // It may be closed before everything is written.
        client.write_all(&bytes).await.ok();
        all.push(client);
    }
    for client in all {
        closed(client).await;
    }
    assert_eq!(world.media.connections(), 0);
    assert_eq!(world.media.stats().peers, 3, "no peer was hurt");
}

#[tokio::test]
async fn a_thousand_that_say_nothing_do_not_keep_a_client_out() {
    let world = World::new(1);
    let session = world.open().await;
    let silent: Vec<_> = (0..1_000)
        .map(|port| world.connect(port, port % 2 == 0))
        .collect();
    let mut count = 0;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        count = count.max(world.media.connections());
    }
    assert_eq!(count, UNPROVEN_PER_ADDRESS_MAX);
    // The client comes from elsewhere.
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let media = world.media.clone();
    let ends = Ends {
        client: SocketAddr::from(([203, 0, 113, 1], 7)),
        local: SocketAddr::new(LOCAL, 443),
    };
    tokio::spawn(async move { media.serve_ice(server, ends).await });
    client.write_all(&framed(&session.check())).await.unwrap();
    let answer = unframed(&mut client).await;
    assert_eq!(session.mapped(&answer), Some(ends.client));
    // Those that say nothing are closed in time.
    for one in silent {
        closed(one).await;
    }
    assert_eq!(world.media.connections(), 1);
}

/// Allocates, and has a check answered through the relay: by a Data indication, then through a channel.
async fn relays(world: &World, session: &Session, mut phone: Phone) {
    let relayed = phone.allocate().await.unwrap();
    phone.permit(session.address).await.unwrap();
    phone.send(session.address, &session.check()).await;
    let (peer, answer) = within("a Data indication", phone.receive()).await;
    assert_eq!(peer, Some(session.address));
    assert_eq!(session.mapped(&answer), Some(relayed));
    phone.bind(0x4001, session.address).await.unwrap();
    phone.send_by_channel(0x4001, &session.check()).await;
    let (peer, answer) = within("a message of the channel", phone.receive()).await;
    assert_eq!((peer, session.mapped(&answer)), (None, Some(relayed)));
    let outside = SocketAddr::from(([198, 51, 100, 9], session.address.port()));
    assert_eq!(phone.permit(outside).await, Err(403));
    assert_eq!(phone.bind(0x4002, outside).await, Err(403));
    assert_eq!(world.media.allocations(), 1);
    phone.refresh(0).await.unwrap();
    assert_eq!(world.media.allocations(), 0);
}

#[tokio::test]
async fn a_client_reaches_every_worker_through_the_relay_on_a_connection() {
    let world = World::new(2);
    for port in 1..=2 {
        let session = world.open().await;
        let wire = Wire::Connection(world.connect(port, false), Vec::new());
        relays(&world, &session, Phone::new(wire, world.credential("p"))).await;
    }
}

#[tokio::test]
async fn a_client_reaches_every_worker_through_the_relay_of_one_media_port() {
    let world = World::new(2);
    let first = SocketAddr::new(LOCAL, world.media.ports()[0]);
    for _ in 0..2 {
        let session = world.open().await;
        let wire = Wire::udp(first).await;
        relays(&world, &session, Phone::new(wire, world.credential("p"))).await;
    }
}

#[tokio::test]
async fn a_disconnected_participant_loses_its_allocations() {
    let world = World::new(1);
    let session = world.open().await;
    let mut phones = Vec::new();
    let first = SocketAddr::new(LOCAL, world.media.ports()[0]);
    for wire in [
        Wire::Connection(world.connect(1, false), Vec::new()),
        Wire::udp(first).await,
    ] {
        let mut phone = Phone::new(wire, world.credential("p"));
        phone.allocate().await.unwrap();
        phone.permit(session.address).await.unwrap();
        phones.push(phone);
    }
    assert_eq!(world.media.allocations(), 2);
    world.media.withdraw_from_relay("p", LIMIT);
    let gone = async {
        while world.media.allocations() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the end of the allocations", gone).await;
    for mut phone in phones {
        // The connection may be closed before, or after the answer.
        if let Wire::Udp(..) = phone.wire {
            assert_eq!(phone.allocate().await, Err(441));
        } else {
            phone.closed().await;
        }
    }
}

#[tokio::test]
async fn strangers_get_no_allocation() {
    let world = World::new(1);
    let other = RelayCredentials::new(b"another secret");
    let first = SocketAddr::new(LOCAL, world.media.ports()[0]);
    for wire in [
        Wire::Connection(world.connect(1, false), Vec::new()),
        Wire::udp(first).await,
    ] {
        let mut phone = Phone::new(wire, other.issue("p", u64::MAX));
        assert_eq!(phone.allocate().await, Err(401));
    }
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 100],
        &[0x40, 0, 0xff, 0xff],
    ] {
        let mut client = world.connect(9, false);
        client.write_all(bytes).await.ok();
        closed(client).await;
    }
    assert_eq!(world.media.allocations(), 0);
}

#[tokio::test]
async fn a_connection_that_ends_is_forgotten_and_its_peer_goes_on() {
    let world = World::new(1);
    let session = world.open().await;
    let publication = PublicationId(1);
    let peer = session.peer;
    let subscribe = Control::Subscribe { peer, publication };
    world.media.control(peer, subscribe).await;
    for port in 1..=3 {
        let mut client = world.connect(port, true);
        client.write_all(&framed(&session.check())).await.unwrap();
        let answer = within("an answer", unframed(&mut client)).await;
        assert!(session.mapped(&answer).is_some());
        drop(client);
        let ended = async {
            while world.media.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("the end of the connection", ended).await;
    }
    assert_eq!(world.media.stats().peers, 1);
}
