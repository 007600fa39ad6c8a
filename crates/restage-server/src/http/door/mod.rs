//! Limits for unauthenticated clients: the number of connections in total and per client, the memory for bodies, and
//! the host names under which the server answers.

mod address;
mod host;
mod phase;
mod room;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use restage_core::rate::{Buckets, Rate};
use restage_store::system::clock;

use super::content::Bodies;
use super::listener::Connection;
use crate::config::Network;

pub(crate) use address::{Client, ClientKey, Proxies, Slot, Slots};
pub(crate) use host::Hosts;
#[cfg(test)]
pub(crate) use room::{HANDSHAKE_MAX, HEAD_MAX};
pub(crate) use room::{Notes, Room, Seated};

/// Events sockets of one client address: a tenth of all.
const SOCKETS_PER_ADDRESS_MAX: u32 = 10_000;
/// Descriptors for a separate listener for metrics.
const METRICS_DESCRIPTORS: u64 = 128;
/// How often one client address may present tokens with a wrong signature. Verifying one costs half a millisecond.
const WRONG_SIGNATURES: Rate = Rate {
    per_second: 5,
    burst: 50,
};

/// The limits of the HTTP listeners, which share them.
#[derive(Debug)]
pub struct Door {
    room: Arc<Room>,
    proxies: Proxies,
    connections: Arc<Slots>,
    sockets: Arc<Slots>,
    hosts: Hosts,
    bodies: Bodies,
    wrong_signatures: Mutex<Buckets<ClientKey>>,
}

/// Settings of a door.
#[derive(Clone, Debug)]
pub struct DoorSettings<'a> {
    /// Number of files and sockets that the process may have open.
    pub descriptors: u64,
    /// The trusted proxies.
    pub trusted_proxies: &'a [Network],
    /// Connections that one client address may have; 0 means no limit.
    pub connections_per_address: u32,
    /// The addresses of the listeners.
    pub bound: &'a [IpAddr],
    /// The URL at which clients reach the server.
    pub public_url: &'a str,
}

/// Why a request is not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unfit {
    /// Its Host header is invalid; the sentence says why.
    Host(&'static str),
    /// Its client has as many requests under way as it may have connections.
    TooMany,
}

impl Unfit {
    /// The reason as a sentence.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Host(message) => message,
            Self::TooMany => {
                "this address has as many requests under way as one may have; wait for their answers"
            }
        }
    }
}

impl Door {
    /// A door with these settings.
    pub fn new(settings: &DoorSettings<'_>) -> Arc<Self> {
        Arc::new(Self {
            room: Room::new(settings.descriptors),
            proxies: Proxies::new(settings.trusted_proxies.to_vec()),
            connections: Slots::new(settings.connections_per_address),
            sockets: Slots::new(SOCKETS_PER_ADDRESS_MAX),
            hosts: Hosts::new(settings.bound, settings.public_url),
            bodies: Bodies::default(),
            wrong_signatures: Mutex::default(),
        })
    }

    /// The door of a separate listener for metrics, which gets few requests.
    pub(crate) fn for_metrics() -> Arc<Self> {
        Self::new(&DoorSettings {
            descriptors: METRICS_DESCRIPTORS,
            trusted_proxies: &[],
            connections_per_address: 0,
            bound: &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            public_url: "",
        })
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    pub(crate) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Counts connections by client, and requests by client where a proxy sends those of many over one connection.
    pub(crate) fn connections(&self) -> &Arc<Slots> {
        &self.connections
    }

    /// Counts events sockets by client.
    pub(super) fn sockets(&self) -> &Arc<Slots> {
        &self.sockets
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    pub(super) fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// The highest number of events sockets, at most `most`.
    pub(super) fn sockets_max(&self, most: usize) -> usize {
        self.room.sockets_max(most)
    }

    /// Checks the head of a request and attaches the client to it. A proxy's connection carries requests of many
    /// clients, so each of these requests takes a place of its client.
    pub(super) fn look<B>(&self, request: &mut Request<B>) -> Result<Option<Slot>, Unfit> {
        if let Some(fault) = host::fault(request.headers(), request.uri(), request.version()) {
            return Err(Unfit::Host(fault));
        }
        let Some(connection) = request.extensions().get::<Connection>() else {
            return Ok(None);
        };
        let address = connection.address;
        let client = self.proxies.client_of_request(address, request.headers());
        request.extensions_mut().insert(client);
        if !self.proxies.trusts(address) {
            return Ok(None);
        }
        let place = self.connections.take(client);
        place.map(Some).ok_or(Unfit::TooMany)
    }

    /// Whether a client may present another token whose signature has not been verified yet.
    pub(super) fn may_try_signature(&self, client: Option<Client>) -> bool {
        let Some(key) = client.and_then(|client| client.key) else {
            return true;
        };
        let wrong = self
            .wrong_signatures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        wrong.has(&key, WRONG_SIGNATURES, clock::steady())
    }

    /// Records that a client presented a token with a wrong signature.
    pub(super) fn note_wrong_signature(&self, client: Option<Client>) {
        let Some(key) = client.and_then(|client| client.key) else {
            return;
        };
        let mut wrong = self
            .wrong_signatures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        wrong.take(key, WRONG_SIGNATURES, clock::steady());
    }
}
