use super::*;
use crate::io::Protocol;
use crate::util::test::epoch;
use std::time::Instant;

const REMOTE_PWD: &str = "theirs-theirs-theirs-theirs";

fn credentials(ufrag: &str, pwd: &str) -> IceCredentials {
    IceCredentials::parse(ufrag, pwd).unwrap()
}

/// A session with the client's side.
struct Pair {
    ice: Ice,
    secrets: Secrets,
    now: Instant,
}

fn path(port: u16) -> Path {
    Path {
        source: "192.0.2.1:4081".parse().unwrap(),
        destination: format!("198.51.100.1:{port}").parse().unwrap(),
        protocol: Protocol::Udp,
    }
}

impl Pair {
    fn new() -> Self {
        let mut secrets = Secrets::new(b"test");
        let ice = Ice::new(
            secrets.ice_credentials(),
            credentials("them", REMOTE_PWD),
            &mut secrets,
        );
        Self {
            ice,
            secrets,
            now: epoch(),
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.ice.on_timeout(self.now);
    }

    /// A check of the client, as bytes. The kind of role attribute is this end's, so it is changed by the caller's
    /// flags.
    fn check(&mut self, port: u16, priority: u32, nominates: bool) -> Outcome {
        let message = Message {
            priority: Some(priority),
            ..self.request(nominates)
        };
        self.ice
            .receive(self.now, path(port), &message, false, &mut self.secrets)
    }

    fn request(&self, nominates: bool) -> Message<'static> {
        let pwd = self.ice.local.pwd.clone();
        let bytes = stun::request(b"0123456789ab", "us:them", 1, 1, &pwd);
        let mut message = Message::parse(Box::leak(bytes.into_boxed_slice())).unwrap();
        message.is_controlled = false;
        message.length = 100;
        message.use_candidate = nominates;
        message
    }

    /// Checks of this end among what it sends.
    fn checks(&mut self) -> Vec<(Path, Transaction)> {
        let replies = self.ice.take_replies();
        let checks = replies.iter().filter_map(|reply| {
            let message = Message::parse(&reply.bytes)?;
            (message.kind == Kind::Request).then_some((reply.path, message.transaction))
        });
        checks.collect()
    }

    fn answer(&mut self, path: Path, transaction: &Transaction) -> Outcome {
        let bytes = stun::success(transaction, path.source, REMOTE_PWD);
        let message = Message::parse(&bytes).unwrap();
        self.ice
            .receive(self.now, path, &message, false, &mut self.secrets)
    }

    /// The state after a handshake over this port.
    fn connected(port: u16) -> Self {
        let mut pair = Self::new();
        pair.check(port, 9, true);
        pair.ice.prove(path(port));
        pair.checks();
        pair
    }
}

#[test]
fn a_check_without_priority_or_role_is_answered() {
    let mut pair = Pair::new();
    let message = Message {
        priority: None,
        ..pair.request(false)
    };
    let outcome = pair
        .ice
        .receive(pair.now, path(1), &message, false, &mut pair.secrets);
    assert_eq!(outcome, Outcome::Taken);
    let replies = pair.ice.take_replies();
    assert_eq!(replies.len(), 1);
    assert_eq!(
        Message::parse(&replies[0].bytes).unwrap().kind,
        Kind::Success
    );
    assert_eq!(pair.ice.selected(), Some(path(1)));
}

#[test]
fn an_end_that_believes_itself_controlled_is_told_so() {
    let mut pair = Pair::new();
    let message = Message {
        is_controlled: true,
        ..pair.request(false)
    };
    pair.ice
        .receive(pair.now, path(1), &message, false, &mut pair.secrets);
    let replies = pair.ice.take_replies();
    assert_eq!(Message::parse(&replies[0].bytes).unwrap().kind, Kind::Error);
    assert_eq!(pair.ice.selected(), None);
}

#[test]
fn a_check_with_another_password_changes_nothing_but_is_remembered() {
    let mut pair = Pair::new();
    let bytes = stun::request(b"0123456789ab", "us:them", 1, 1, "another password, longer");
    let message = Message::parse(&bytes).unwrap();
    let outcome = pair
        .ice
        .receive(pair.now, path(1), &message, false, &mut pair.secrets);
    assert_eq!(outcome, Outcome::Refused);
    assert!(pair.ice.has_forgeries && !pair.ice.is_reached());
    assert!(pair.ice.take_replies().is_empty());
}

#[test]
fn media_moves_when_the_client_has_answered_from_its_new_address() {
    let mut pair = Pair::connected(1);
    pair.wait(1_500);
    assert_eq!(pair.check(2, 9, true), Outcome::Taken);
    assert_eq!(pair.ice.selected(), Some(path(1)), "not proven yet");
    let checks = pair.checks();
    let [(to, transaction)] = &checks[..] else {
        panic!("one check: {checks:?}")
    };
    assert_eq!(*to, path(2));
    assert_eq!(pair.answer(path(2), transaction), Outcome::Proven);
    assert_eq!(pair.ice.selected(), Some(path(2)));
    assert!(pair.ice.is_proven());
}

#[test]
fn an_answer_from_elsewhere_or_to_another_check_or_unsigned_proves_nothing() {
    let mut pair = Pair::connected(1);
    pair.wait(1_500);
    pair.check(2, 9, true);
    let (_, transaction) = pair.checks()[0];
    assert_eq!(pair.answer(path(3), &transaction), Outcome::Refused);
    assert_eq!(pair.answer(path(2), b"guessed!!!!!"), Outcome::Refused);
    let bytes = stun::success(&transaction, path(2).source, "not the client's password");
    let message = Message::parse(&bytes).unwrap();
    let outcome = pair
        .ice
        .receive(pair.now, path(2), &message, false, &mut pair.secrets);
    assert_eq!(outcome, Outcome::Refused);
    assert_eq!(pair.ice.selected(), Some(path(1)));
}

#[test]
fn what_goes_to_an_unproven_address_is_bounded_by_what_came_from_it() {
    let mut pair = Pair::connected(1);
    let (mut received, mut sent) = (0, 0);
    for _ in 0..50 {
        pair.wait(100);
        pair.check(2, 9, true);
        received += 100;
        sent += pair
            .ice
            .take_replies()
            .iter()
            .filter(|reply| reply.path == path(2))
            .map(|reply| reply.bytes.len())
            .sum::<usize>();
    }
    pair.wait(10_000);
    let rest = pair.ice.take_replies();
    sent += rest.iter().map(|reply| reply.bytes.len()).sum::<usize>();
    // The answers to the checks themselves, which are shorter, are additional.
    assert!(
        sent <= received * AMPLIFICATION_MAX + received,
        "{sent} {received}"
    );
    assert_eq!(pair.ice.selected(), Some(path(1)));
}

#[test]
fn the_handshake_too_stays_within_the_bound() {
    let mut pair = Pair::new();
    pair.check(1, 9, true);
    let answer: usize = pair
        .ice
        .take_replies()
        .iter()
        .map(|reply| reply.bytes.len())
        .sum();
    assert!(
        !pair.ice.may_send(301 - answer),
        "300 for the 100 that came"
    );
    assert!(pair.ice.may_send(300 - answer));
    pair.ice.on_datagram(path(1), 100);
    assert!(pair.ice.may_send(300));
    pair.ice.prove(path(1));
    assert!(pair.ice.may_send(100_000));
}

#[test]
fn a_client_that_does_not_answer_checks_is_sent_what_the_bound_allows() {
    let mut pair = Pair::connected(1);
    pair.check(2, 9, true);
    assert_eq!(pair.ice.trial(), None, "the first address lives");
    pair.wait(1_500);
    pair.check(2, 9, true);
    assert_eq!(pair.ice.trial(), Some(path(2)));
    assert!(pair.ice.may_try(100));
    assert!(!pair.ice.may_try(10_000));
    pair.check(1, 9, true);
    assert_eq!(pair.ice.trial(), None, "the first address lives after all");
    assert!(!pair.ice.may_try(1));
}

#[test]
fn two_nominated_routes_do_not_take_turns() {
    let mut pair = Pair::connected(1);
    pair.check(2, 9, true);
    let (_, transaction) = pair.checks()[0];
    pair.answer(path(2), &transaction);
    let first = pair.ice.selected();
    for _ in 0..100 {
        pair.wait(2_000);
        pair.check(1, 9, true);
        pair.wait(20);
        pair.check(2, 9, true);
        assert_eq!(pair.ice.selected(), first);
    }
}

#[test]
fn nomination_and_priority_decide_at_once() {
    let mut pair = Pair::connected(1);
    for (port, priority) in [(2, 10), (3, 11)] {
        pair.check(port, priority, true);
        let (_, transaction) = pair.checks()[0];
        pair.answer(path(port), &transaction);
        assert_eq!(pair.ice.selected(), Some(path(port)));
    }
    // The client nominates another one instead.
    pair.check(3, 11, false);
    pair.check(1, 9, true);
    assert_eq!(pair.ice.selected(), Some(path(1)));
}

#[test]
fn the_only_route_that_lives_is_taken_without_a_nomination() {
    let mut pair = Pair::connected(1);
    pair.check(2, 9, false);
    let (_, transaction) = pair.checks()[0];
    pair.answer(path(2), &transaction);
    pair.wait(1_000);
    pair.check(2, 9, false);
    assert_eq!(pair.ice.selected(), Some(path(1)));
    pair.wait(2_500);
    pair.check(2, 9, false);
    assert_eq!(pair.ice.selected(), Some(path(2)));
    // The first path works again.
    pair.check(1, 9, true);
    assert_eq!(pair.ice.selected(), Some(path(1)));
}

#[test]
fn a_client_that_nominates_no_more_is_followed_at_its_first_proven_check() {
    let mut pair = Pair::connected(1);
    pair.check(1, 9, false);
    pair.wait(1_000);
    pair.check(2, 9, false);
    let (_, transaction) = pair.checks()[0];
    pair.answer(path(2), &transaction);
    assert_eq!(pair.ice.selected(), Some(path(2)));
}

#[test]
fn reports_from_a_proven_route_move_media_once_the_other_is_silent() {
    let mut pair = Pair::connected(1);
    pair.check(1, 9, false);
    pair.check(2, 9, false);
    let (_, transaction) = pair.checks()[0];
    pair.answer(path(2), &transaction);
    assert_eq!(pair.ice.selected(), Some(path(1)));
    pair.wait(600);
    pair.ice.on_verified(pair.now, path(2));
    assert_eq!(pair.ice.selected(), Some(path(2)));
}

#[test]
fn routes_are_bounded_and_the_selected_one_stays() {
    let mut pair = Pair::connected(1);
    for port in 2..200 {
        pair.wait(1);
        pair.check(port, 1, false);
        assert!(pair.ice.routes.len() <= ADDRESSES_PER_PEER_MAX);
    }
    assert_eq!(pair.ice.selected(), Some(path(1)));
    assert!(pair.ice.is_proven());
}

#[test]
fn checks_are_sent_again_and_given_up() {
    let mut pair = Pair::connected(1);
    pair.check(2, 9, false);
    let mut count = pair.checks().len();
    while let Some(at) = pair.ice.deadline() {
        pair.now = at;
        pair.ice.on_timeout(at);
        count += pair.checks().len();
        assert!(count <= CHECKS_MAX as usize);
    }
    assert!(count >= 1);
    pair.check(2, 9, false);
    assert_eq!(pair.checks().len(), 1, "the next check begins anew");
}

#[test]
fn after_a_restart_the_new_session_wins_and_the_old_password_is_void() {
    let mut pair = Pair::connected(1);
    let former = pair.request(true);
    pair.ice.restart(
        pair.secrets.ice_credentials(),
        credentials("them2", REMOTE_PWD),
    );
    let outcome = pair
        .ice
        .receive(pair.now, path(1), &former, false, &mut pair.secrets);
    assert_eq!(outcome, Outcome::Refused);
    assert_eq!(
        pair.ice.selected(),
        Some(path(1)),
        "media goes on meanwhile"
    );
    pair.check(2, 1, false);
    let (_, transaction) = pair.checks()[0];
    pair.answer(path(2), &transaction);
    assert_eq!(pair.ice.selected(), Some(path(2)));
}

#[test]
fn an_address_that_became_anothers_must_be_proven_again_by_whichever_of_ours() {
    let mut pair = Pair::connected(1);
    let other = Path {
        source: "192.0.2.2:4081".parse().unwrap(),
        ..path(1)
    };
    let message = pair.request(true);
    pair.ice
        .receive(pair.now, other, &message, false, &mut pair.secrets);
    pair.ice.prove(other);
    pair.ice.disprove(path(1).remote());
    assert!(pair.ice.routes.iter().all(|route| !route.is_proven));
    pair.ice.disprove(path(1).remote());
    assert!(!pair.ice.is_proven());
    assert_eq!(pair.check(1, 9, true), Outcome::Taken);
}
