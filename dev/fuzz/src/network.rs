//! Messages of the network below media: STUN, TURN, frames of TCP, feedback of receivers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_bwe::{Config, Estimator};
use restage_stun::{
    Class, Message, Writer, attribute, method, read_xor_address, write_xor_address,
};
use restage_turn::{
    Client, Credentials, Frame, Outcome, Peers, Quota, Server, Time, frame, is_for_relay, limits,
};

use crate::input::{Input, cut};
use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "stun",
        stun,
        "STUN messages: read, written again, and proven by their keys",
    )
    .from(stun_seeds),
    Target::new(
        "turn_frames",
        turn_frames,
        "messages of TURN on a connection, cut anywhere",
    )
    .from(frame_seeds),
    Target::new(
        "turn",
        turn,
        "a TURN server: requests of two clients, signed or not, data both ways, time",
    )
    .from(turn_seeds),
    Target::new(
        "feedback",
        feedback,
        "transport-wide feedback, REMB, reports and requests at an estimator, over time",
    )
    .from(feedback_seeds),
];

const KEY: &[u8] = b"a key of the fuzzer";

fn stun(bytes: &[u8]) {
    let _ = is_for_relay(bytes);
    let Some(message) = Message::parse(bytes) else {
        return;
    };
    assert_eq!(message.length(), bytes.len());
    // A tag of 160 bits is not found by chance.
    assert!(!message.is_authentic(KEY), "nobody has signed it");
    for (_, value) in message.attributes() {
        if let Some(address) = read_xor_address(value, message.transaction()) {
            let again = write_xor_address(address, message.transaction());
            assert_eq!(
                read_xor_address(&again, message.transaction()),
                Some(address)
            );
        }
    }
    let mut writer = Writer::new(message.class(), message.method(), message.transaction());
    for (kind, value) in message.attributes() {
        writer.push(kind, value);
    }
    let again = writer.finish_for_ice(KEY);
    let Some(read) = Message::parse(&again) else {
        // The tag and the checksum made it longer than a length can say.
        assert!(bytes.len() > 65_000);
        return;
    };
    assert!(read.is_authentic(KEY) && !read.is_authentic(&KEY[1..]));
    assert_eq!(
        (read.class(), read.method(), read.transaction()),
        (message.class(), message.method(), message.transaction())
    );
    assert!(
        read.attributes().eq(message.attributes()),
        "the attributes are the same"
    );
}

/// The lengths of the messages that bytes of a connection begin with, taken as they come.
fn frames(pieces: &[usize], bytes: &[u8]) -> (Vec<usize>, bool) {
    let (mut lengths, mut start) = (Vec::new(), 0);
    for &end in pieces {
        loop {
            match frame(&bytes[start..end]) {
                Frame::Whole(length) => {
                    assert!(length > 0 && start + length <= end);
                    lengths.push(length);
                    start += length;
                }
                Frame::Partial => {
                    assert!(
                        end - start < limits::MESSAGE_BYTES_MAX,
                        "what is kept is bounded"
                    );
                    break;
                }
                Frame::Garbage => return (lengths, true),
            }
        }
    }
    (lengths, false)
}

fn turn_frames(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (pieces, stream) = cut(&mut input);
    let whole = frames(&[stream.len()], stream);
    assert_eq!(
        frames(&pieces, stream),
        whole,
        "where it is cut makes no difference"
    );
}

struct Relay {
    server: Server,
    quota: Arc<Quota>,
    credentials: Credentials,
    now: Instant,
    unix_s: u64,
    clients: [Client; 2],
    nonces: [Vec<u8>; 2],
    relayed: Vec<SocketAddr>,
}

/// The server's media address.
const MEDIA: &str = "192.0.2.1:4081";

impl Relay {
    fn new() -> Self {
        let credentials = Credentials::new(b"secret");
        let quota = Arc::new(Quota::default());
        let media: SocketAddr = MEDIA.parse().expect("an address");
        let peers = Peers {
            addresses: vec![media.ip()],
            ports: vec![media.port()],
        };
        let client = |text: &str, is_connected| Client {
            address: text.parse().expect("an address"),
            local: media,
            is_connected,
        };
        Self {
            server: Server::new(credentials.clone(), Arc::clone(&quota), Arc::new(peers)),
            quota,
            credentials,
            now: crate::target::epoch(),
            unix_s: 1_700_000_000,
            clients: [
                client("198.51.100.1:5000", false),
                client("198.51.100.2:6000", true),
            ],
            nonces: [Vec::new(), Vec::new()],
            relayed: Vec::new(),
        }
    }

    /// A request whose fields are the input's, signed by a user of the server's.
    fn request(&self, who: usize, input: &mut Input<'_>) -> Vec<u8> {
        let credential = self
            .credentials
            .issue(input.pick(&["ann", "bob"]), self.unix_s + 600);
        let kind = input.pick(&[
            method::ALLOCATE,
            method::REFRESH,
            method::CREATE_PERMISSION,
            method::CHANNEL_BIND,
            method::BINDING,
        ]);
        let mut writer = Writer::new(Class::Request, kind, b"a transactio");
        writer.push(attribute::USERNAME, credential.username.as_bytes());
        writer.push(attribute::REALM, restage_turn::REALM.as_bytes());
        writer.push(attribute::NONCE, &self.nonces[who]);
        let fields = input.byte();
        if fields & 1 != 0 {
            writer.push(
                attribute::REQUESTED_TRANSPORT,
                &[input.pick(&[17, 17, 17, 6]), 0, 0, 0],
            );
        }
        if fields & 2 != 0 {
            writer.push(attribute::LIFETIME, &input.word().to_be_bytes());
        }
        if fields & 4 != 0 {
            writer.push(attribute::CHANNEL_NUMBER, &[0x40, input.byte() & 3, 0, 0]);
        }
        if fields & 8 != 0 {
            let peer = input.pick(&[
                MEDIA,
                "192.0.2.1:4082",
                "192.0.2.9:4081",
                "[2001:db8::1]:4081",
            ]);
            writer.push_address(
                attribute::XOR_PEER_ADDRESS,
                peer.parse().expect("an address"),
            );
        }
        if fields & 16 != 0 {
            let kind = input.short();
            writer.push(kind, input.take(8));
        }
        writer.finish_signed(&credential.key())
    }

    /// Gives a message to the server and looks at what follows.
    fn receive(&mut self, who: usize, bytes: &[u8]) {
        let at = Time {
            now: self.now,
            unix_s: self.unix_s,
        };
        let client = self.clients[who];
        match self.server.receive(at, client, bytes) {
            Outcome::Nothing => {}
            Outcome::Reply(reply) => {
                let answer = Message::parse(&reply).expect("an answer is a message");
                assert!(matches!(answer.class(), Class::Success | Class::Error));
                assert!(
                    answer.has_integrity()
                        || reply.len() <= bytes.len() * limits::UNVERIFIED_FACTOR_MAX,
                    "it amplifies"
                );
                if let Some(nonce) = answer.get(attribute::NONCE) {
                    self.nonces[who] = nonce.to_vec();
                }
                let relayed = answer.get(attribute::XOR_RELAYED_ADDRESS);
                if let Some(relayed) =
                    relayed.and_then(|value| read_xor_address(value, answer.transaction()))
                {
                    self.relayed.push(relayed);
                }
            }
            Outcome::Deliver {
                relayed,
                peer,
                payload,
            } => {
                assert_eq!(
                    peer,
                    MEDIA.parse().expect("an address"),
                    "the only peer is the server"
                );
                assert!(!payload.is_empty() && payload.len() <= limits::PAYLOAD_BYTES_MAX);
                assert!(self.relayed.contains(&relayed) && self.server.has(client));
            }
        }
    }
}

fn turn(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut relay = Relay::new();
    let mut steps = 0;
    while !input.is_empty() && steps < 64 {
        steps += 1;
        let who = input.below(2);
        match input.below(8) {
            0 => relay.receive(who, input.piece()),
            1 => {
                let mut send = Writer::new(Class::Indication, method::SEND, b"a transactio");
                send.push_address(
                    attribute::XOR_PEER_ADDRESS,
                    MEDIA.parse().expect("an address"),
                );
                send.push(attribute::DATA, input.piece());
                relay.receive(who, &send.finish());
            }
            2 => {
                let piece = input.piece();
                let mut data = vec![0x40, input.byte() & 3];
                data.extend((piece.len() as u16).to_be_bytes());
                data.extend_from_slice(piece);
                relay.receive(who, &data);
            }
            3 => {
                let mut out = Vec::new();
                let relayed = relay
                    .relayed
                    .get(input.below(relay.relayed.len().max(1)))
                    .copied();
                let relayed = relayed.unwrap_or_else(|| MEDIA.parse().expect("an address"));
                let peer = input
                    .pick(&[MEDIA, "192.0.2.9:9"])
                    .parse()
                    .expect("an address");
                let client = relay
                    .server
                    .wrap(relay.now, relayed, peer, input.piece(), &mut out);
                assert_eq!(client.is_some(), !out.is_empty());
                assert!(client.is_none_or(|client| client.is_connected
                    || Message::parse(&out).is_some()
                    || out[0] & 0xc0 == 0x40));
            }
            4 => {
                let passed = u64::from(input.short()) / 16;
                relay.now += Duration::from_secs(passed);
                relay.unix_s += passed;
                relay.server.on_timeout(relay.now);
                let _ = relay.server.take_ended();
            }
            5 if input.flag() => relay.server.remove(relay.clients[who]),
            6 if input.flag() => relay
                .quota
                .withdraw("ann", relay.unix_s, relay.unix_s + 600),
            _ => {
                let request = relay.request(who, &mut input);
                relay.receive(who, &request);
            }
        }
        let has = relay
            .clients
            .iter()
            .filter(|client| relay.server.has(**client))
            .count();
        assert_eq!(
            relay.quota.allocations(),
            has,
            "the quota counts what is there"
        );
        assert_eq!(relay.server.is_empty(), has == 0);
    }
    drop(relay.server);
    assert_eq!(relay.quota.allocations(), 0, "all room comes back");
}

fn feedback(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let config = Config {
        has_feedback: input.byte() & 3 != 0,
        ..Config::default()
    };
    let mut now = crate::target::epoch();
    let mut estimator = Estimator::new(config, now);
    while !input.is_empty() {
        match input.below(8) {
            0 | 1 => {
                let count = input.below(40);
                let size = 40 + usize::from(input.byte()) * 6;
                let mut batch = estimator.batch(now);
                (0..count).for_each(|_| batch.push(size));
                batch.finish();
            }
            2 => estimator.on_feedback(now, input.piece()),
            3 => {
                // All of the newest packets arrived, each so many quarters of a millisecond after the one before.
                let count = 1 + input.below(14);
                let first = estimator
                    .next_number()
                    .wrapping_sub(count as u16 + u16::from(input.byte() & 7));
                let mut message = first.to_be_bytes().to_vec();
                message.extend((count as u16).to_be_bytes());
                message.extend([input.byte(), input.byte(), input.byte(), 0]);
                message.extend((0x2000 | count as u16).to_be_bytes());
                message.extend(input.take(count));
                estimator.on_feedback(now, &message);
            }
            4 => estimator.on_remb(now, input.long()),
            5 => estimator.on_report(
                now,
                input.byte(),
                Some(Duration::from_millis(u64::from(input.short()))),
            ),
            6 => estimator.on_missing(now, input.word()),
            _ => {
                now += Duration::from_millis(u64::from(input.short()) / 8);
                estimator.set_desired(now, u64::from(input.word()) * 4);
                estimator.on_timeout(now);
                let due = estimator.probe_due(now);
                assert!(due <= 10 << 20, "a probe is bounded: {due}");
                let bytes = estimator.probe_packet_bytes(now);
                assert!(bytes <= 2_000);
            }
        }
        let estimate = estimator.estimate();
        assert!((config.min..=config.max).contains(&estimate), "{estimate}");
        assert!(
            (0.0..=1.0).contains(&estimator.loss())
                && (0.0..=1.0).contains(&estimator.usual_loss())
        );
        assert!(estimator.take_lost().len() <= restage_bwe::limits::LOST_MAX);
        let _ = (
            estimator.deadline(),
            estimator.round_trip(),
            estimator.sent_rate(now),
        );
    }
}

fn stun_seeds() -> Vec<Vec<u8>> {
    let mut check = Writer::new(Class::Request, method::BINDING, b"a transactio");
    check.push(attribute::USERNAME, b"ours:theirs");
    check.push(attribute::PRIORITY, &[0x6e, 0, 1, 0xff]);
    check.push(attribute::USE_CANDIDATE, &[]);
    check.push_address(
        attribute::XOR_MAPPED_ADDRESS,
        MEDIA.parse().expect("an address"),
    );
    vec![check.finish_for_ice(b"a password of others")]
}

fn frame_seeds() -> Vec<Vec<u8>> {
    let mut stream = vec![2, 0, 5, 0, 30];
    stream.extend(&stun_seeds()[0]);
    stream.extend([0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0]);
    vec![stream]
}

/// An allocation, a permission and a channel, and data both ways.
fn turn_seeds() -> Vec<Vec<u8>> {
    let first = [0, 7, 0, 0, 1, 0];
    let story = [
        &first[..],
        &first,
        &[0, 7, 0, 2, 8, 0],
        &[0, 7, 0, 3, 12, 1, 0],
        &[0, 1, 3, 1, 2, 3],
        &[0, 2, 2, 7, 7, 1],
        &[0, 3, 0, 0, 2, 9, 9],
        &[1, 7, 1, 0, 1, 0],
        &[0, 4, 0x30, 0],
        &[0, 7, 0, 1, 2, 0, 0, 0, 0],
    ];
    vec![story.concat()]
}

fn feedback_seeds() -> Vec<Vec<u8>> {
    let mut story = vec![1];
    for round in 0..12 {
        story.extend([
            0, 10, 100, 3, 9, 0, 0, 0, round, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 7, 3, 0, 0, 0, 9, 9,
        ]);
    }
    vec![
        story,
        vec![
            0, 0, 20, 90, 4, 0, 0, 0, 0, 0, 1, 1, 1, 5, 30, 0, 50, 6, 0, 0, 0, 40,
        ],
    ]
}
