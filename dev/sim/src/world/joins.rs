//! Clients join, leave, and come back.

use std::net::SocketAddr;
use std::time::Duration;

use restage_core::id::ConnectionId;
use restage_core::row::ConnectionKind;
use restage_core::{Claims, Command, PublicationKey};

use super::World;
use super::event::Event;
use crate::client::{CHECK_EVERY, Client, Habit, State};
use crate::network::Line;

/// Time that a client waits before it joins again.
const RETRY: Duration = Duration::from_millis(400);
/// Time that it waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

impl World {
    /// Another client, which joins at once.
    pub(crate) fn add_client(
        &mut self,
        kind: ConnectionKind,
        claims: Claims,
        habit: Habit,
    ) -> usize {
        let number = self.clients.len();
        let client = Client::new(number, kind, claims, habit, self.base, self.now);
        self.clients.push(client);
        let mut line = Line::draw(&self.plan, &mut self.network);
        if self.is_calm {
            line.heal();
        }
        self.lines.push(line);
        number
    }

    pub(super) fn next_address(&mut self) -> SocketAddr {
        self.addresses += 1;
        SocketAddr::from(([198, 51, 100, 7], 10_000 + self.addresses))
    }

    /// Does what a client does by itself from time to time.
    pub(super) fn look_after(&mut self, number: usize) {
        self.clients[number].check_at = self.now + CHECK_EVERY;
        if self.clients[number].is_gone {
            return;
        }
        match self.clients[number].state.clone() {
            State::Left => self.clients[number].check_at = Duration::MAX,
            State::Away(at) if at <= self.now => self.join(number),
            State::Away(at) => self.clients[number].check_at = at,
            State::Joining(since) if self.now >= since + ANSWER_MAX => self.retry(number),
            State::Joining(_) => {}
            State::Joined(connection) => {
                let line = &self.lines[number];
                if self.now >= line.cut_until {
                    let delay = line.delay();
                    self.later(delay, Event::Check(number, connection));
                }
            }
        }
    }

    pub(super) fn join(&mut self, number: usize) {
        let address = self.next_address();
        self.feeds += 1;
        let feed = self.feeds;
        let offer = self.clients[number].offer(self.now, address, feed);
        let delay = self.lines[number].delay();
        self.later(delay, Event::Join(number, feed, address, offer));
    }

    pub(super) fn take_join(
        &mut self,
        number: usize,
        feed: u64,
        address: SocketAddr,
        offer: String,
    ) {
        if !self.server.is_up {
            let delay = self.lines[number].delay();
            self.later(delay, Event::Joined(number, feed, None));
            return;
        }
        self.server.now = self.now;
        let client = &self.clients[number];
        let (kind, claims) = (client.kind.clone(), client.claims.clone());
        self.server
            .join((number, feed), kind, claims, offer, address);
    }

    pub(super) fn take_answer(
        &mut self,
        number: usize,
        feed: u64,
        outcome: Option<Result<(ConnectionId, String), String>>,
    ) {
        let client = &self.clients[number];
        let waits = matches!(client.state, State::Joining(_)) && client.feed == feed;
        if !waits || client.is_gone {
            // It has given up, or is gone: the server learns that by itself, or by its goodbye.
            if let Some(Ok((connection, _))) = outcome {
                let delay = self.lines[number].delay();
                self.later(delay, Event::Leave(connection));
            }
            return;
        }
        match outcome {
            Some(Ok((connection, answer))) => {
                let Self {
                    clients, habits, ..
                } = self;
                clients[number].accept(self.now, &answer, habits);
                clients[number].state = State::Joined(connection.clone());
                if clients[number].publishes() {
                    let feed = clients[number].feed;
                    let session = self.server.store.world.connections.get(&connection);
                    if let Some(row) = session {
                        let key = PublicationKey {
                            session: row.session.clone(),
                            participant: row.participant.clone(),
                        };
                        self.server.auditor.feeds(feed, key);
                    }
                }
                self.drain_client(number);
            }
            Some(Err(reason)) => {
                self.clients[number].refusal = reason;
                // Refused: whoever is told no does not ask at once again.
                self.clients[number].hang_up(self.now, false);
                self.clients[number].state = State::Away(self.now + 4 * RETRY);
                self.clients[number].check_at = self.now + 4 * RETRY;
            }
            None => self.retry(number),
        }
    }

    pub(super) fn retry(&mut self, number: usize) {
        let at = self.now + RETRY;
        self.clients[number].hang_up(self.now, false);
        self.clients[number].state = State::Away(at);
        self.clients[number].check_at = at;
    }

    /// A client learns that its connection is no more.
    pub(super) fn lose(&mut self, number: usize, connection: &ConnectionId) {
        if self.clients[number].state == State::Joined(connection.clone()) {
            self.retry(number);
        }
    }

    /// A client leaves for good.
    pub(crate) fn leave(&mut self, number: usize, says_so: bool) {
        let state = std::mem::replace(&mut self.clients[number].state, State::Left);
        self.clients[number].hang_up(self.now, says_so);
        if !says_so {
            self.server.coverage.reach("client vanished");
        }
        if says_so {
            self.drain_client(number);
            if let State::Joined(connection) = state {
                let delay = self.lines[number].delay();
                self.later(delay, Event::Leave(connection));
            }
        }
        self.clients[number].is_gone = true;
    }

    /// Somebody calls the API. The number of the call, under which the answer comes.
    pub(crate) fn call(&mut self, command: Command) -> u64 {
        self.calls += 1;
        let call = self.calls;
        self.later(
            Duration::from_millis(1),
            Event::Call(call, Box::new(command)),
        );
        call
    }
}
