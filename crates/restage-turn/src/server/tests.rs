//! Scenarios: what clients send and what follows, and what strangers cannot do.

mod strangers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_stun::attribute::*;
use restage_stun::{Class, HEADER_BYTES, Message, Transaction, Writer, method, read_xor_address};

use super::*;
use crate::limits::*;
use crate::{Credential, REALM};

const MEDIA: &str = "203.0.113.1:4081";
const MEDIA_V6: &str = "[2001:db8::1]:4082";
const UDP: &[u8] = &[17, 0, 0, 0];

#[allow(clippy::disallowed_methods, reason = "all times are relative to it")]
fn epoch() -> Instant {
    Instant::now()
}

struct World {
    server: Server,
    credentials: Credentials,
    quota: Arc<Quota>,
    at: Time,
    sent: u8,
}

/// A client with its credential and the nonce it was given last.
#[derive(Clone)]
struct Phone {
    client: Client,
    credential: Credential,
    nonce: Vec<u8>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn client(port: u16) -> Client {
    Client {
        address: SocketAddr::from(([198, 51, 100, 1], port)),
        local: address(MEDIA),
        is_connected: false,
    }
}

impl World {
    fn new() -> Self {
        Self::with(&[MEDIA, MEDIA_V6])
    }

    fn with(media: &[&str]) -> Self {
        let credentials = Credentials::new(b"secret");
        let quota = Arc::new(Quota::default());
        let peers = Peers {
            addresses: media.iter().map(|text| address(text).ip()).collect(),
            ports: vec![4081, 4082],
        };
        Self {
            server: Server::new(credentials.clone(), Arc::clone(&quota), Arc::new(peers)),
            credentials,
            quota,
            at: Time {
                now: epoch(),
                unix_s: 1_000,
            },
            sent: 0,
        }
    }

    fn wait(&mut self, time: Duration) {
        self.at.now += time;
        self.at.unix_s += time.as_secs();
        self.server.on_timeout(self.at.now);
    }

    fn phone(&self, port: u16, participant: &str) -> Phone {
        Phone {
            client: client(port),
            credential: self.credentials.issue(participant, self.at.unix_s + 3_600),
            nonce: Vec::new(),
        }
    }

    fn transaction(&mut self) -> Transaction {
        self.sent = self.sent.wrapping_add(1);
        let mut id = *b"transaction.";
        id[11] = self.sent;
        id
    }

    /// Sends a request with these attributes as often as it is challenged, at most three times.
    fn ask(
        &mut self,
        phone: &mut Phone,
        method: u16,
        attributes: &[(u16, Vec<u8>)],
    ) -> Result<Vec<u8>, u16> {
        for _ in 0..3 {
            let id = self.transaction();
            let bytes = signed(phone, method, &id, attributes);
            let Outcome::Reply(answer) = self.server.receive(self.at, phone.client, &bytes) else {
                panic!("an answer");
            };
            match code(&answer) {
                Some(401 | 438) if self.take_nonce(phone, &answer) => {}
                Some(code) => return Err(code),
                None => {
                    let key = self.credentials.key(&phone.credential.username);
                    assert!(Message::parse(&answer).unwrap().is_authentic(&key));
                    return Ok(answer);
                }
            }
        }
        Err(401)
    }

    /// Takes the nonce of an answer; false if it is the one that was used.
    fn take_nonce(&self, phone: &mut Phone, answer: &[u8]) -> bool {
        let message = Message::parse(answer).unwrap();
        assert_eq!(message.get_text(REALM_ATTRIBUTE), Some(REALM));
        let nonce = message.get(NONCE).unwrap().to_vec();
        std::mem::replace(&mut phone.nonce, nonce.clone()) != nonce
    }

    fn allocate(&mut self, phone: &mut Phone) -> Result<SocketAddr, u16> {
        let wanted = [(REQUESTED_TRANSPORT, UDP.to_vec())];
        let answer = self.ask(phone, method::ALLOCATE, &wanted)?;
        let message = Message::parse(&answer).unwrap();
        let read = |kind| read_xor_address(message.get(kind).unwrap(), message.transaction());
        assert_eq!(read(XOR_MAPPED_ADDRESS), Some(phone.client.address));
        Ok(read(XOR_RELAYED_ADDRESS).unwrap())
    }

    fn permit(&mut self, phone: &mut Phone, peer: &str) -> Result<(), u16> {
        // The addresses depend on the transaction, so they are made for every attempt.
        self.ask_about(phone, method::CREATE_PERMISSION, None, peer)
    }

    fn bind(&mut self, phone: &mut Phone, channel: u16, peer: &str) -> Result<(), u16> {
        self.ask_about(phone, method::CHANNEL_BIND, Some(channel), peer)
    }

    fn ask_about(
        &mut self,
        phone: &mut Phone,
        method: u16,
        channel: Option<u16>,
        peer: &str,
    ) -> Result<(), u16> {
        for _ in 0..3 {
            let id = self.transaction();
            let mut attributes = vec![(
                XOR_PEER_ADDRESS,
                restage_stun::write_xor_address(address(peer), &id),
            )];
            if let Some(channel) = channel {
                let value = [&channel.to_be_bytes()[..], &[0, 0]].concat();
                attributes.push((CHANNEL_NUMBER, value));
            }
            let bytes = signed(phone, method, &id, &attributes);
            let Outcome::Reply(answer) = self.server.receive(self.at, phone.client, &bytes) else {
                panic!("an answer");
            };
            match code(&answer) {
                Some(401 | 438) if self.take_nonce(phone, &answer) => {}
                Some(code) => return Err(code),
                None => return Ok(()),
            }
        }
        Err(401)
    }

    fn refresh(&mut self, phone: &mut Phone, seconds: u32) -> Result<u32, u16> {
        let wanted = [(LIFETIME, seconds.to_be_bytes().to_vec())];
        let answer = self.ask(phone, method::REFRESH, &wanted)?;
        let message = Message::parse(&answer).unwrap();
        Ok(message.get_u32(LIFETIME).unwrap())
    }

    /// Whether a Send indication to the peer is delivered, and from where.
    fn sends(&mut self, phone: &Phone, peer: &str) -> Option<SocketAddr> {
        let id = self.transaction();
        let mut send = Writer::new(Class::Indication, method::SEND, &id);
        send.push_address(XOR_PEER_ADDRESS, address(peer));
        send.push(DATA, b"payload");
        match self.server.receive(self.at, phone.client, &send.finish()) {
            Outcome::Deliver {
                relayed,
                peer: found,
                payload: b"payload",
            } if found == address(peer) => Some(relayed),
            Outcome::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    /// What arrives at the client when the peer sends.
    fn hears(&mut self, relayed: SocketAddr, peer: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let wrapped = self
            .server
            .wrap(self.at.now, relayed, address(peer), b"media", &mut out);
        assert_eq!(wrapped.is_some(), !out.is_empty());
        wrapped.map(|_| out)
    }
}

const REALM_ATTRIBUTE: u16 = restage_stun::attribute::REALM;

fn signed(phone: &Phone, method: u16, id: &Transaction, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut request = Writer::new(Class::Request, method, id);
    for (kind, value) in attributes {
        request.push(*kind, value);
    }
    if phone.nonce.is_empty() {
        return request.finish();
    }
    request.push(USERNAME, phone.credential.username.as_bytes());
    request.push(REALM_ATTRIBUTE, REALM.as_bytes());
    request.push(NONCE, &phone.nonce);
    request.finish_signed(&phone.credential.key())
}

/// The code of an error, nothing for a success.
fn code(answer: &[u8]) -> Option<u16> {
    let message = Message::parse(answer).unwrap();
    let value = message.get(ERROR_CODE)?;
    Some(u16::from(value[2]) * 100 + u16::from(value[3]))
}

#[test]
fn a_client_allocates_and_talks_to_the_server() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    let relayed = world.allocate(&mut phone).unwrap();
    assert!(relayed.is_ipv4());
    assert_eq!(
        world.sends(&phone, MEDIA),
        None,
        "there is no permission yet"
    );
    assert_eq!(world.hears(relayed, MEDIA), None);
    world.permit(&mut phone, "203.0.113.1:9").unwrap();
    assert_eq!(world.sends(&phone, MEDIA), Some(relayed));
    let data = world.hears(relayed, MEDIA).unwrap();
    let message = Message::parse(&data).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Indication, method::DATA)
    );
    assert_eq!(message.get(DATA), Some(&b"media"[..]));
    let peer = message.get(XOR_PEER_ADDRESS).unwrap();
    assert_eq!(
        read_xor_address(peer, message.transaction()),
        Some(address(MEDIA))
    );
    world.bind(&mut phone, 0x4001, MEDIA).unwrap();
    assert_eq!(
        world.hears(relayed, MEDIA).unwrap(),
        b"\x40\x01\x00\x05media"
    );
    let outcome = world
        .server
        .receive(world.at, phone.client, b"\x40\x01\x00\x02hi\0\0");
    let (peer, payload) = (address(MEDIA), &b"hi"[..]);
    assert_eq!(
        outcome,
        Outcome::Deliver {
            relayed,
            peer,
            payload
        }
    );
    // The same address with another port has no channel, but the permission.
    assert!(world.hears(relayed, "203.0.113.1:4082").unwrap().len() > 20);
}

#[test]
fn messages_on_a_connection_are_padded() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    phone.client.is_connected = true;
    let relayed = world.allocate(&mut phone).unwrap();
    world.bind(&mut phone, 0x4001, MEDIA).unwrap();
    assert_eq!(
        world.hears(relayed, MEDIA).unwrap(),
        b"\x40\x01\x00\x05media\0\0\0"
    );
}

#[test]
fn there_is_no_peer_but_the_server() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    world.allocate(&mut phone).unwrap();
    for (peer, error) in [
        ("198.51.100.7:4081", 403),
        ("127.0.0.1:4081", 403),
        ("0.0.0.0:4081", 403),
        ("192.0.2.1:1024", 403),
        (MEDIA_V6, 443),
        ("[::ffff:203.0.113.1]:4081", 443),
    ] {
        assert_eq!(world.permit(&mut phone, peer), Err(error), "{peer}");
        assert_eq!(world.bind(&mut phone, 0x4002, peer), Err(error), "{peer}");
        assert_eq!(world.sends(&phone, peer), None, "{peer}");
    }
    // A permission is for an address (RFC 8656 §2.3); ports that are not media's are refused nevertheless.
    world.permit(&mut phone, "203.0.113.1:22").unwrap();
    assert_eq!(world.sends(&phone, "203.0.113.1:22"), None);
    assert_eq!(world.bind(&mut phone, 0x4002, "203.0.113.1:22"), Err(403));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    let udp = || (REQUESTED_TRANSPORT, UDP.to_vec());
    assert_eq!(world.refresh(&mut phone, 600), Err(437));
    assert_eq!(world.permit(&mut phone, MEDIA), Err(437));
    assert_eq!(world.bind(&mut phone, 0x4001, MEDIA), Err(437));
    for (attributes, error) in [
        (vec![], 400),
        (vec![(REQUESTED_TRANSPORT, vec![6, 0, 0, 0])], 442),
        (vec![udp(), (EVEN_PORT, vec![0x80])], 508),
        (vec![udp(), (RESERVATION_TOKEN, vec![0; 8])], 508),
        (
            vec![udp(), (REQUESTED_ADDRESS_FAMILY, vec![3, 0, 0, 0])],
            440,
        ),
        (vec![udp(), (0x7abc, vec![])], 420),
    ] {
        let found = world.ask(&mut phone, method::ALLOCATE, &attributes);
        assert_eq!(found, Err(error), "{attributes:?}");
    }
    assert_eq!(world.quota.allocations(), 0);
    world.allocate(&mut phone).unwrap();
    assert_eq!(world.allocate(&mut phone), Err(437), "it has one");
    assert_eq!(
        world.ask(&mut phone, method::CREATE_PERMISSION, &[]),
        Err(400)
    );
    assert_eq!(world.ask(&mut phone, method::CHANNEL_BIND, &[]), Err(400));
    assert_eq!(world.bind(&mut phone, 0x3fff, MEDIA), Err(400));
    assert_eq!(world.bind(&mut phone, 0x8000, MEDIA), Err(400));
    world.bind(&mut phone, 0x4001, MEDIA).unwrap();
    world.bind(&mut phone, 0x4001, MEDIA).unwrap();
    assert_eq!(
        world.bind(&mut phone, 0x4002, MEDIA),
        Err(400),
        "it has a channel"
    );
    assert_eq!(world.bind(&mut phone, 0x4001, "203.0.113.1:4082"), Err(400));
    assert_eq!(
        world.ask(&mut phone, 0x00d, &[]),
        Err(400),
        "an unknown method"
    );
}

#[test]
fn the_family_follows_the_request_and_the_servers_addresses() {
    let family = |number: u8| (REQUESTED_ADDRESS_FAMILY, vec![number, 0, 0, 0]);
    for (media, wanted, found) in [
        (&[MEDIA, MEDIA_V6][..], None, Ok(false)),
        (&[MEDIA, MEDIA_V6], Some(2), Ok(true)),
        (&[MEDIA], Some(2), Err(440)),
        (&[MEDIA_V6], None, Ok(true)),
        (&[MEDIA_V6], Some(1), Err(440)),
    ] {
        let mut world = World::with(media);
        let mut phone = world.phone(5_000, "p");
        let mut attributes = vec![(REQUESTED_TRANSPORT, UDP.to_vec())];
        attributes.extend(wanted.map(family));
        let answer = world.ask(&mut phone, method::ALLOCATE, &attributes);
        let is_v6 = answer.map(|answer| {
            let message = Message::parse(&answer).unwrap();
            let value = message.get(XOR_RELAYED_ADDRESS).unwrap();
            read_xor_address(value, message.transaction())
                .unwrap()
                .is_ipv6()
        });
        assert_eq!(is_v6, found, "{media:?} {wanted:?}");
    }
}

#[test]
fn a_lost_answer_is_repeated() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    assert_eq!(
        world.refresh(&mut phone, 600),
        Err(437),
        "now it has a nonce"
    );
    let wanted = [(REQUESTED_TRANSPORT, UDP.to_vec())];
    let request = signed(&phone, method::ALLOCATE, b"the same one", &wanted);
    let first = world.server.receive(world.at, phone.client, &request);
    let again = world.server.receive(world.at, phone.client, &request);
    assert!(matches!(first, Outcome::Reply(_)));
    assert_eq!(first, again);
    assert_eq!(world.quota.allocations(), 1);
}

#[test]
fn everything_ends_in_time() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    let relayed = world.allocate(&mut phone).unwrap();
    world.permit(&mut phone, MEDIA).unwrap();
    world.bind(&mut phone, 0x4001, MEDIA).unwrap();
    world.wait(PERMISSION_LIFETIME - Duration::from_secs(1));
    assert_eq!(world.sends(&phone, MEDIA), Some(relayed));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.sends(&phone, MEDIA), None);
    // A channel lasts longer than its permission, which only Send indications need.
    assert!(world.hears(relayed, MEDIA).is_some());
    world.wait(CHANNEL_LIFETIME - PERMISSION_LIFETIME - Duration::from_secs(1));
    assert_eq!(world.refresh(&mut phone, 900), Ok(900));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.hears(relayed, MEDIA), None);
    assert_eq!(world.refresh(&mut phone, 1), Ok(600));
    assert_eq!(world.refresh(&mut phone, u32::MAX), Ok(3_600));
    world.wait(LIFETIME_MAX - Duration::from_secs(1));
    assert!(world.server.has(phone.client));
    world.wait(Duration::from_secs(1));
    assert!(world.server.is_empty());
    assert_eq!(world.server.take_ended(), [relayed]);
    assert_eq!(world.quota.allocations(), 0);
    // A refresh with zero ends it at once. The old nonce is renewed on the way.
    let mut phone = world.phone(5_000, "p");
    let relayed = world.allocate(&mut phone).unwrap();
    assert_eq!(world.refresh(&mut phone, 0), Ok(0));
    assert_eq!(world.server.take_ended(), [relayed]);
}

#[test]
fn an_old_nonce_is_renewed_and_an_expired_credential_keeps_its_allocation() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    world.allocate(&mut phone).unwrap();
    for _ in 0..3 {
        world.wait(Duration::from_secs(3_000));
        world.server.has(phone.client);
        let id = world.transaction();
        let wanted = [(LIFETIME, 3_600_u32.to_be_bytes().to_vec())];
        let bytes = signed(&phone, method::REFRESH, &id, &wanted);
        let first = world.server.receive(world.at, phone.client, &bytes);
        if let Outcome::Reply(answer) = first
            && code(&answer) == Some(438)
        {
            world.take_nonce(&mut phone, &answer);
        }
        match world.refresh(&mut phone, 3_600) {
            Ok(granted) => assert_eq!(granted, 3_600),
            // The first allocation had the default lifetime.
            Err(code) => {
                assert_eq!(code, 437);
                let mut fresh = world.phone(5_000, "p");
                world.allocate(&mut fresh).unwrap();
                phone = fresh;
                world.refresh(&mut phone, 3_600).unwrap();
            }
        }
    }
    let expiry: u64 = phone
        .credential
        .username
        .split(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(world.at.unix_s > expiry, "it was used beyond its expiry");
}
