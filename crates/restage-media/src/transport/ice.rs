//! ICE-lite (RFC 8445 §2.5): answers the client's checks, learns its addresses from them, and selects the path of
//! media.
//!
//! A check proves who sent it, but not where it came from, because its source can be forged. So media follows a
//! client to another address only after that path is proven: by a check of this end that was answered from there, or
//! by a DTLS handshake whose flights went there. Until then at most [`AMPLIFICATION_MAX`] times as much is sent as
//! came from there.

use std::time::{Duration, Instant};

use super::secrets::Secrets;
use super::stun::{self, Kind, Message, Transaction};
use crate::io::datagrams::{Path, Remote};
use crate::limits::{
    ADDRESSES_PER_PEER_MAX, AMPLIFICATION_MAX, CHECK_RESEND, CHECKS_MAX,
    NOMINATED_ROUTE_SILENCE_MIN, PEER_ROUTE_SILENCE_MIN, SAME_PRIORITY_SILENCE_MIN,
};
use crate::sdp::offer::IceCredentials;

/// PRIORITY in checks of this end: that of a peer-reflexive candidate (RFC 8445 §5.1.2.1).
const CHECK_PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;

/// The route between one address of the client and one of ours.
#[derive(Debug)]
struct Route {
    path: Path,
    /// The PRIORITY of its checks.
    priority: u32,
    /// Whether its latest check had USE-CANDIDATE.
    is_nominated: bool,
    is_proven: bool,
    /// The ICE session of its latest check.
    generation: u32,
    last_seen_at: Instant,
    /// Bytes that may still be sent there before it is proven.
    credit: usize,
    check: Option<Check>,
}

/// A check of this end that was not answered yet.
#[derive(Debug)]
struct Check {
    transaction: Transaction,
    tries: u32,
    resend_at: Instant,
}

/// A STUN message for the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) path: Path,
    pub(crate) bytes: Vec<u8>,
}

/// The result for a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is not from the client.
    Refused,
    /// It is from the client; its answer to our check will show whether the source is true.
    Taken,
    /// The client has received data at the source address.
    Proven,
}

/// This end of a client's ICE session.
#[derive(Debug)]
pub(crate) struct Ice {
    local: IceCredentials,
    remote: IceCredentials,
    tie_breaker: u64,
    generation: u32,
    routes: Vec<Route>,
    /// The path of media.
    selected: Option<Path>,
    /// A path that the client claims while the selected one is silent, until it is proven.
    trial: Option<Path>,
    /// Whether checks arrived that were signed with another password.
    pub(crate) has_forgeries: bool,
    replies: Vec<Reply>,
}

impl Ice {
    pub(crate) fn new(
        local: IceCredentials,
        remote: IceCredentials,
        secrets: &mut Secrets,
    ) -> Self {
        Self {
            local,
            remote,
            tie_breaker: u64::from_be_bytes(secrets.draw()),
            generation: 0,
            routes: Vec::new(),
            selected: None,
            trial: None,
            has_forgeries: false,
            replies: Vec::new(),
        }
    }

    pub(crate) fn local(&self) -> &IceCredentials {
        &self.local
    }

    /// Begins another ICE session with the client (RFC 8445 §2.4). Media keeps its path until there is a route of the
    /// new session.
    pub(crate) fn restart(&mut self, local: IceCredentials, remote: IceCredentials) {
        self.local = local;
        self.remote = remote;
        self.generation += 1;
        self.routes.iter_mut().for_each(|route| route.check = None);
    }

    /// Whether a check of the client has arrived.
    pub(crate) fn is_reached(&self) -> bool {
        !self.routes.is_empty()
    }

    /// The path of datagrams to the client.
    pub(crate) fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// A path that the client claims while the selected one is silent, if it is not proven yet. As much as
    /// [`may_try`](Self::may_try) allows may be sent there.
    pub(crate) fn trial(&self) -> Option<Path> {
        self.trial
    }

    /// Reserves the bytes of a datagram on the path on trial; false if the bound is reached.
    pub(crate) fn may_try(&mut self, bytes: usize) -> bool {
        let trial = self.trial;
        let mut routes = self.routes.iter_mut();
        let Some(route) = routes.find(|route| Some(route.path) == trial) else {
            return false;
        };
        route.may_send(bytes)
    }

    /// Whether the client is known to receive on the selected path.
    pub(crate) fn is_proven(&self) -> bool {
        self.route(self.selected)
            .is_some_and(|route| route.is_proven)
    }

    /// Processes a request whose USERNAME names this session, or an answer. `path` leads back to its source;
    /// `is_anothers` says that another client is known to be there.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        path: Path,
        message: &Message<'_>,
        is_anothers: bool,
        secrets: &mut Secrets,
    ) -> Outcome {
        match message.kind {
            Kind::Request => self.on_request(now, path, message, is_anothers, secrets),
            Kind::Success => self.on_success(now, path, message),
            // The client may refuse the check because it has forgotten the session: the route stays unproven.
            Kind::Error => Outcome::Refused,
        }
    }

    /// A datagram that is not STUN came from there.
    pub(crate) fn on_datagram(&mut self, path: Path, bytes: usize) {
        if let Some(route) = self.routes.iter_mut().find(|route| route.path == path) {
            route.credit = route.credit.saturating_add(bytes * AMPLIFICATION_MAX);
        }
    }

    /// Verified media or reports of the client came from there.
    pub(crate) fn on_verified(&mut self, now: Instant, path: Path) {
        let Some(index) = self.routes.iter().position(|route| route.path == path) else {
            return;
        };
        self.routes[index].last_seen_at = now;
        if self.selected == Some(path) {
            self.trial = None;
        } else {
            self.select(index);
        }
    }

    /// The client has answered data that was sent on this path.
    pub(crate) fn prove(&mut self, path: Path) {
        if let Some(route) = self.routes.iter_mut().find(|route| route.path == path) {
            route.is_proven = true;
            route.check = None;
        }
    }

    /// The address belongs, or may soon belong, to another client, so it must be proven again.
    pub(crate) fn disprove(&mut self, remote: Remote) {
        let routes = self.routes.iter_mut();
        for route in routes.filter(|route| route.path.remote() == remote) {
            route.is_proven = false;
            route.check = None;
        }
    }

    /// Nothing that is sent to the address arrives any more: the connection that carried it has ended. The selected path
    /// remains until the client proves another one, but nothing is sent there.
    pub(crate) fn end_path(&mut self, remote: Remote) {
        self.disprove(remote);
        let (selected, trial) = (self.selected, self.trial);
        self.routes
            .retain(|route| route.path.remote() != remote || Some(route.path) == selected);
        let ended = self.routes.iter_mut();
        for route in ended.filter(|route| route.path.remote() == remote) {
            route.credit = 0;
            route.is_nominated = false;
        }
        self.trial = trial.filter(|path| path.remote() != remote);
    }

    /// Reserves the bytes of a datagram on the selected path. False: it must not be sent, because the path is not
    /// proven and the bound is reached.
    pub(crate) fn may_send(&mut self, bytes: usize) -> bool {
        let selected = self.selected;
        let mut routes = self.routes.iter_mut();
        let Some(route) = routes.find(|route| Some(route.path) == selected) else {
            return false;
        };
        route.may_send(bytes)
    }

    /// When [`on_timeout`](Self::on_timeout) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let checks = self.routes.iter().filter_map(|route| route.check.as_ref());
        checks.map(|check| check.resend_at).min()
    }

    /// Repeats checks that were not answered.
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        for index in 0..self.routes.len() {
            let Some(check) = &mut self.routes[index].check else {
                continue;
            };
            if now < check.resend_at {
                continue;
            }
            if check.tries >= CHECKS_MAX {
                self.routes[index].check = None;
                continue;
            }
            check.tries += 1;
            check.resend_at = now + CHECK_RESEND;
            self.send_check(index);
        }
    }

    /// Messages to send.
    pub(crate) fn take_replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.replies)
    }

    fn on_request(
        &mut self,
        now: Instant,
        path: Path,
        message: &Message<'_>,
        is_anothers: bool,
        secrets: &mut Secrets,
    ) -> Outcome {
        if !message.is_authentic(&self.local.pwd) {
            self.has_forgeries = true;
            return Outcome::Refused;
        }
        let transaction = &message.transaction;
        if message.is_controlled {
            let bytes = stun::role_conflict(transaction, &self.local.pwd);
            self.replies.push(Reply { path, bytes });
            return Outcome::Taken;
        }
        let reply = stun::success(transaction, path.destination, &self.local.pwd);
        let sent = reply.len();
        self.replies.push(Reply { path, bytes: reply });
        let index = self.place(now, path);
        let route = &mut self.routes[index];
        route.priority = message.priority.unwrap_or_default();
        route.is_nominated = message.use_candidate;
        route.generation = self.generation;
        route.last_seen_at = now;
        let earned = route
            .credit
            .saturating_add(message.length * AMPLIFICATION_MAX);
        route.credit = earned.saturating_sub(sent);
        let is_proven = route.is_proven;
        // The first path needs no check, because the handshake proves it.
        let is_first = self.selected.is_none_or(|selected| selected == path) && !is_anothers;
        if !is_proven && route.check.is_none() && !is_first {
            self.begin_check(now, index, secrets);
        }
        self.select(index);
        self.consider_trial(index);
        if is_proven {
            Outcome::Proven
        } else {
            Outcome::Taken
        }
    }

    fn on_success(&mut self, now: Instant, path: Path, message: &Message<'_>) -> Outcome {
        let is_answered = |route: &Route| {
            let check = route.check.as_ref();
            route.path == path
                && check.is_some_and(|check| check.transaction == message.transaction)
        };
        let found = self.routes.iter().position(is_answered);
        let Some(index) = found.filter(|_| message.is_authentic(&self.remote.pwd)) else {
            return Outcome::Refused;
        };
        let route = &mut self.routes[index];
        route.last_seen_at = now;
        route.is_proven = true;
        route.check = None;
        self.select(index);
        self.trial = None;
        Outcome::Proven
    }

    /// Checks the selected path too, for a client that has changed its path during the handshake.
    pub(crate) fn check_selected(&mut self, now: Instant, secrets: &mut Secrets) {
        let selected = self.selected;
        let found = self
            .routes
            .iter()
            .position(|route| Some(route.path) == selected);
        if let Some(index) = found.filter(|index| {
            let route = &self.routes[*index];
            !route.is_proven && route.check.is_none()
        }) {
            self.begin_check(now, index, secrets);
        }
    }

    fn begin_check(&mut self, now: Instant, index: usize, secrets: &mut Secrets) {
        self.routes[index].check = Some(Check {
            transaction: secrets.draw(),
            tries: 1,
            resend_at: now + CHECK_RESEND,
        });
        self.send_check(index);
    }

    fn send_check(&mut self, index: usize) {
        let username = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        let route = &mut self.routes[index];
        let Some(check) = &route.check else {
            return;
        };
        let (transaction, pwd) = (&check.transaction, &self.remote.pwd);
        let bytes = stun::request(
            transaction,
            &username,
            CHECK_PRIORITY,
            self.tie_breaker,
            pwd,
        );
        if route.may_send(bytes.len()) {
            let path = route.path;
            self.replies.push(Reply { path, bytes });
        }
    }

    fn route(&self, path: Option<Path>) -> Option<&Route> {
        self.routes.iter().find(|route| Some(route.path) == path)
    }

    /// The index of this path's route; a new one replaces the route that is silent for longest.
    fn place(&mut self, now: Instant, path: Path) -> usize {
        if let Some(index) = self.routes.iter().position(|route| route.path == path) {
            return index;
        }
        if self.routes.len() >= ADDRESSES_PER_PEER_MAX {
            let selected = self.selected;
            let others = self.routes.iter().enumerate();
            let others = others.filter(|(_, route)| Some(route.path) != selected);
            if let Some((oldest, _)) = others.min_by_key(|(_, route)| route.last_seen_at) {
                self.routes.swap_remove(oldest);
            }
        }
        self.routes.push(Route {
            path,
            priority: 0,
            is_nominated: false,
            is_proven: false,
            generation: self.generation,
            last_seen_at: now,
            credit: 0,
            check: None,
        });
        self.routes.len() - 1
    }

    /// Tries a nominated route that is not proven, but only while the selected one is silent.
    fn consider_trial(&mut self, index: usize) {
        let route = &self.routes[index];
        let Some(current) = self.route(self.selected) else {
            return;
        };
        if current.path == route.path {
            self.trial = None;
        } else if current.is_proven && !route.is_proven && route.is_nominated {
            let silence = route
                .last_seen_at
                .saturating_duration_since(current.last_seen_at);
            self.trial = (silence >= SAME_PRIORITY_SILENCE_MIN).then_some(route.path);
        }
    }

    /// Selects this route if it is better than the present one.
    fn select(&mut self, index: usize) {
        let route = &self.routes[index];
        let is_better = match self.route(self.selected) {
            None => true,
            Some(current) => route.path != current.path && route.is_better_than(current),
        };
        if is_better {
            self.selected = Some(route.path);
        }
    }
}

impl Route {
    fn may_send(&mut self, bytes: usize) -> bool {
        if self.is_proven {
            return true;
        }
        let rest = self.credit.checked_sub(bytes);
        self.credit = rest.unwrap_or(self.credit);
        rest.is_some()
    }

    /// Nomination decides (RFC 8445 §8.1.1), and priority if a client nominates several. A silent route gives way: at
    /// once to a route with the same priority that replaced it, as behind a NAT that has chosen another port.
    fn is_better_than(&self, current: &Self) -> bool {
        if self.is_proven != current.is_proven {
            return self.is_proven;
        }
        if !self.is_proven {
            // Before the handshake is complete, only nomination counts.
            return self.is_nominated && !current.is_nominated;
        }
        if self.generation != current.generation {
            return self.generation > current.generation;
        }
        let silence = self
            .last_seen_at
            .saturating_duration_since(current.last_seen_at);
        let needed = match (self.is_nominated, current.is_nominated) {
            (true, false) => Duration::ZERO,
            (true, true) if self.priority > current.priority => Duration::ZERO,
            (true, true) if self.priority == current.priority => SAME_PRIORITY_SILENCE_MIN,
            (true, true) => NOMINATED_ROUTE_SILENCE_MIN,
            // Some clients nominate once and then send checks without a nomination.
            (false, false) if self.priority == current.priority => SAME_PRIORITY_SILENCE_MIN,
            (false, _) => PEER_ROUTE_SILENCE_MIN,
        };
        silence >= needed
    }
}

#[cfg(test)]
#[path = "ice_tests.rs"]
mod tests;
