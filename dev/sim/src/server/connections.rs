//! Connections: from the offer of a client to the end of its peer.

use std::net::SocketAddr;

use restage_core::command::Claims;
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::row::{Client, ConnectionKind, Protocol};
use restage_core::{Command, PublicationKey};
use restage_media::{Control, Download, InletId, PeerId, PublicationId, WorkerId};

use super::media::News;
use super::{Live, Out, Reach, Server, Then};

impl Server {
    /// A client joins with its offer.
    pub(crate) fn join(
        &mut self,
        (client, feed): (usize, u64),
        kind: ConnectionKind,
        claims: Claims,
        offer: String,
        address: SocketAddr,
    ) {
        let worker = WorkerId(self.dice.below(self.workers.len()) as u16);
        let peer = PeerId(self.fresh());
        let types = offer.clone();
        let control = match &kind {
            ConnectionKind::Publish => Control::OpenPublisher { peer, offer },
            _ => {
                let receiver = (claims.stage.id.clone(), claims.participant.clone());
                let download = self.downloads.entry(receiver);
                let download = download.or_insert_with(|| Download::unlimited().into());
                Control::OpenSubscriber {
                    peer,
                    offer,
                    download: Some(download.clone()),
                    wish: Default::default(),
                }
            }
        };
        self.control(worker, control);
        let answer = match self.answers.remove(&peer) {
            Some(Ok(answer)) => answer,
            Some(Err(reason)) => {
                let outcome = Err(reason);
                self.out.push(Out::Joined {
                    client,
                    feed,
                    outcome,
                });
                return;
            }
            None => panic!("an offer is neither answered nor refused"),
        };
        let connection = ConnectionId::new(format!("c{}", self.fresh()));
        self.auditor.opened(&connection, address, &types);
        let live = Live {
            stage: claims.stage.id.clone(),
            participant: claims.participant.clone(),
            worker,
            reach: Reach::Peer(peer),
            publication: None,
            is_connected: false,
            address: Some(address),
        };
        self.live.insert(connection.clone(), live);
        self.peers.insert(peer, connection.clone());
        let command = Command::OpenConnection {
            connection: connection.clone(),
            kind,
            claims,
            resumes: None,
            protocol: Protocol::Whip,
            client: Client::default(),
            connection_token: None,
        };
        let then = Then::Join {
            client,
            feed,
            connection,
            answer,
        };
        self.submit("", command, then);
    }

    /// A client has left.
    pub(crate) fn leave(&mut self, connection: &ConnectionId) {
        if let Some((stage, participant)) = self.let_go(connection) {
            let command = Command::ConnectionClosed {
                connection: connection.clone(),
                stage,
                participant,
            };
            self.submit("", command, Then::Nothing);
        }
    }

    /// Ends the peer of a connection.
    pub(super) fn let_go(&mut self, connection: &ConnectionId) -> Option<(StageId, ParticipantId)> {
        let live = self.live.remove(connection)?;
        match live.reach {
            Reach::Peer(peer) => {
                self.peers.remove(&peer);
                self.control(live.worker, Control::Close { peer });
                self.forget(peer);
            }
            Reach::Inlet(inlet, feed) => {
                self.close_inlet(inlet, live.worker, feed);
                self.forget(feeder_of(inlet));
            }
        }
        self.auditor.closed(connection, live.address);
        Some((live.stage, live.participant))
    }

    pub(super) fn forget(&mut self, peer: PeerId) {
        if let Some(publication) = self.routes.leave(peer) {
            self.settle(publication);
        }
    }

    pub(super) fn attach(
        &mut self,
        connection: &ConnectionId,
        key: &PublicationKey,
        publishes: bool,
    ) {
        let fresh = PublicationId(self.made + 1);
        let Some(live) = self.live.get_mut(connection) else {
            return;
        };
        self.made += 1;
        let publication = *self.publications.entry(key.clone()).or_insert(fresh);
        live.publication = Some(publication);
        let (reach, worker) = (live.reach, live.worker);
        let row = self.store.world.connections.get(connection);
        if row.is_some_and(|row| row.session != key.session) {
            self.coverage.reach("replica watched");
        }
        self.auditor.attached(connection, key);
        match (reach, publishes) {
            (Reach::Peer(peer), true) => {
                self.routes.publish(worker, peer, publication);
                self.control(worker, Control::Publish { peer, publication });
            }
            (Reach::Peer(peer), false) => {
                self.routes.subscribe(worker, peer, publication);
                self.control(worker, Control::Subscribe { peer, publication });
            }
            (Reach::Inlet(inlet, feed), _) => {
                self.routes.publish(worker, feeder_of(inlet), publication);
                self.open_inlet(feed, inlet, worker, publication);
            }
        }
        self.settle(publication);
        if publishes {
            self.retap(publication);
        }
    }

    /// Workers relay the publication to those that need it.
    pub(super) fn settle(&mut self, publication: PublicationId) {
        for duty in self.routes.duties(publication) {
            if duty.is_fed_elsewhere {
                self.control(duty.worker, Control::Yield { publication });
            }
            let relay = Control::Relay {
                publication,
                to: duty.to,
            };
            self.control(duty.worker, relay);
        }
    }

    /// Turns a report of the media side into a command.
    pub(super) fn report(&mut self, news: News) {
        let (peer, is_over) = match news {
            News::Connected(peer) => (peer, false),
            News::Gone(peer) => (peer, true),
        };
        let Some(connection) = self.peers.get(&peer).cloned() else {
            return;
        };
        let command = if is_over {
            self.peers.remove(&peer);
            let Some(live) = self.live.remove(&connection) else {
                return;
            };
            self.auditor.closed(&connection, live.address);
            self.forget(peer);
            Command::ConnectionClosed {
                connection,
                stage: live.stage,
                participant: live.participant,
            }
        } else {
            self.established(connection);
            return;
        };
        self.submit("", command, Then::Nothing);
    }

    /// Media of a connection is up.
    pub(super) fn established(&mut self, connection: ConnectionId) {
        let Some(live) = self.live.get_mut(&connection) else {
            return;
        };
        live.is_connected = true;
        let command = Command::ConnectionEstablished {
            stage: live.stage.clone(),
            participant: live.participant.clone(),
            connection,
        };
        self.submit("", command, Then::Nothing);
    }
}

/// The peer that stands for an inlet in the table of routes: numbers are given out once.
fn feeder_of(inlet: InletId) -> PeerId {
    PeerId(inlet.0)
}
