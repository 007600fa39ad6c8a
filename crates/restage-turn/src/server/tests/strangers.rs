//! What strangers, other participants and forged messages get.

use super::*;

#[test]
fn nobody_uses_the_allocation_of_another() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    let relayed = world.allocate(&mut phone).unwrap();
    world.permit(&mut phone, MEDIA).unwrap();
    // The same address, as another participant.
    let mut thief = world.phone(5_000, "q");
    assert_eq!(world.refresh(&mut thief, 0), Err(441));
    assert_eq!(world.bind(&mut thief, 0x4001, MEDIA), Err(441));
    // The same participant from another address.
    let mut other = world.phone(5_001, "p");
    assert_eq!(world.refresh(&mut other, 0), Err(437));
    assert_eq!(world.sends(&other, MEDIA), None);
    // The nonce of another address.
    other.nonce = phone.nonce.clone();
    let id = world.transaction();
    let stolen = signed(&other, method::REFRESH, &id, &[]);
    let Outcome::Reply(answer) = world.server.receive(world.at, other.client, &stolen) else {
        panic!("an answer");
    };
    assert_eq!(code(&answer), Some(438));
    assert_eq!(world.sends(&phone, MEDIA), Some(relayed));
}

#[test]
fn wrong_credentials_get_nothing() {
    let mut world = World::new();
    let right = world.phone(5_000, "p");
    let other = Credentials::new(b"another secret");
    let expired = world.credentials.issue("p", world.at.unix_s);
    let long = world
        .credentials
        .issue(&"x".repeat(USERNAME_BYTES_MAX), u64::MAX);
    for (credential, error) in [
        (other.issue("p", u64::MAX), 401),
        (long, 401),
        (expired, 441),
        (
            Credential {
                username: "p".into(),
                ..right.credential.clone()
            },
            401,
        ),
    ] {
        let mut phone = Phone {
            credential,
            ..right.clone()
        };
        assert_eq!(
            world.allocate(&mut phone),
            Err(error),
            "{:?}",
            phone.credential
        );
    }
    assert_eq!(world.quota.allocations(), 0);
}

#[test]
fn a_disconnected_participant_is_heard_no_more() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    let mut other = world.phone(5_001, "q");
    let relayed = world.allocate(&mut phone).unwrap();
    world.permit(&mut phone, MEDIA).unwrap();
    let others = world.allocate(&mut other).unwrap();
    world.permit(&mut other, MEDIA).unwrap();
    world.quota.withdraw("p", world.at.unix_s, u64::MAX);
    assert_eq!(world.sends(&phone, MEDIA), None);
    assert_eq!(world.hears(relayed, MEDIA), None);
    assert_eq!(world.allocate(&mut phone), Err(441));
    assert_eq!(world.sends(&other, MEDIA), Some(others));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.server.take_ended(), [relayed]);
}

#[test]
fn shares_are_bounded() {
    let mut world = World::new();
    let mut last = Ok(address(MEDIA));
    for number in 0..=ALLOCATIONS_PER_PARTICIPANT_MAX as u16 {
        let mut phone = world.phone(5_000 + number, "p");
        last = world.allocate(&mut phone);
    }
    assert_eq!(last, Err(486));
    let mut phone = world.phone(9_000, "q");
    world.allocate(&mut phone).unwrap();
    assert_eq!(
        world.quota.allocations(),
        ALLOCATIONS_PER_PARTICIPANT_MAX + 1
    );
}

#[test]
fn strangers_get_at_most_three_times_what_they_send_and_leave_nothing_behind() {
    let mut world = World::new();
    let mut seen = Vec::new();
    for method in 0..0x20 {
        for length in (0..=64).step_by(4) {
            let id = world.transaction();
            let mut bytes = Writer::new(Class::Request, method, &id).finish();
            // Attributes that nobody must understand.
            for _ in 0..length / 4 {
                bytes.extend([0x80, 0x22, 0, 0]);
            }
            let attributes = (bytes.len() - HEADER_BYTES) as u16;
            bytes[2..4].copy_from_slice(&attributes.to_be_bytes());
            if let Outcome::Reply(answer) = world.server.receive(world.at, client(1), &bytes) {
                assert!(answer.len() <= UNVERIFIED_FACTOR_MAX * bytes.len());
                seen.extend(code(&answer));
            }
        }
    }
    assert!(
        seen.contains(&401),
        "even the smallest request is challenged"
    );
    assert!(world.server.is_empty() && world.quota.allocations() == 0);
}

#[test]
fn a_small_allocate_request_is_answered() {
    let mut world = World::new();
    let id = world.transaction();
    let bytes = Writer::new(Class::Request, method::ALLOCATE, &id).finish();
    assert_eq!(bytes.len(), HEADER_BYTES);
    let Outcome::Reply(answer) = world.server.receive(world.at, client(1), &bytes) else {
        panic!("it is not told how to authenticate");
    };
    assert_eq!((code(&answer), answer.len()), (Some(401), 60));
}

#[test]
fn no_bytes_panic_and_none_open_anything() {
    let mut world = World::new();
    let mut phone = world.phone(5_000, "p");
    world.allocate(&mut phone).unwrap();
    world.bind(&mut phone, 0x4001, MEDIA).unwrap();
    let id = *b"twelve bytes";
    let value = restage_stun::write_xor_address(address(MEDIA), &id);
    let seeds = [
        signed(
            &phone,
            method::CHANNEL_BIND,
            &id,
            &[(XOR_PEER_ADDRESS, value.clone())],
        ),
        signed(
            &phone,
            method::ALLOCATE,
            &id,
            &[(REQUESTED_TRANSPORT, UDP.to_vec())],
        ),
        signed(&phone, method::REFRESH, &id, &[(LIFETIME, vec![0; 4])]),
        {
            let mut send = Writer::new(Class::Indication, method::SEND, &id);
            send.push(XOR_PEER_ADDRESS, &value).push(DATA, b"x");
            send.finish()
        },
        b"\x40\x01\x00\x02hi".to_vec(),
    ];
    for seed in &seeds {
        for place in 0..seed.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = seed.clone();
                bytes[place] ^= flip;
                let outcome = world.server.receive(world.at, phone.client, &bytes);
                if let Outcome::Deliver { peer, .. } = outcome {
                    assert_eq!(peer, address(MEDIA));
                }
                is_for_relay(&bytes);
            }
            world.server.receive(world.at, phone.client, &seed[..place]);
            is_for_relay(&seed[..place]);
        }
    }
    assert_eq!(world.quota.allocations(), 1);
}

#[test]
fn what_is_for_ice_stays_with_ice() {
    let id = *b"twelve bytes";
    let plain = Writer::new(Class::Request, method::BINDING, &id).finish();
    let mut check = Writer::new(Class::Request, method::BINDING, &id);
    check.push(USERNAME, b"us:them");
    let check = check.finish_for_ice(b"pw");
    let answer = Writer::new(Class::Success, method::BINDING, &id).finish();
    let allocate = Writer::new(Class::Request, method::ALLOCATE, &id).finish();
    let send = Writer::new(Class::Indication, method::SEND, &id).finish();
    for (bytes, is_ours) in [
        (&plain[..], true),
        (&check, false),
        (&answer, false),
        (&allocate, true),
        (&send, true),
        (b"\x40\x01\x00\x00", true),
        (b"\x7f\xff\x00\x00", true),
        (b"\x80\x01\x00\x00", false),
        (b"\x16\xfe\xfd", false),
        (b"\x80\x60", false),
        (b"\x40", false),
        (b"", false),
    ] {
        assert_eq!(is_for_relay(bytes), is_ours, "{bytes:x?}");
    }
    let mut world = World::new();
    let Outcome::Reply(answer) = world.server.receive(world.at, client(7), &plain) else {
        panic!("a plain Binding request is answered");
    };
    let message = Message::parse(&answer).unwrap();
    let mapped = message.get(XOR_MAPPED_ADDRESS).unwrap();
    assert_eq!(read_xor_address(mapped, &id), Some(client(7).address));
}
