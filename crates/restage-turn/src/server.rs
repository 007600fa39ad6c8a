//! The allocations of the clients of one socket, or of one connection.

mod requests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use restage_stun::attribute::{DATA, USERNAME, XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS};
use restage_stun::{Class, Message, Transaction, Writer, method, read_xor_address};

use crate::allocation::Allocation;
use crate::limits::{PAYLOAD_BYTES_MAX, UNVERIFIED_FACTOR_MAX};
use crate::reply;
use crate::{Credentials, Peers, Quota, channel_data};

/// The time, by the two clocks that matter here.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// For lifetimes of allocations, permissions and channels.
    pub now: Instant,
    /// Seconds since 1970, for credentials and nonces.
    pub unix_s: u64,
}

/// What identifies a client (RFC 8656 §2.1): its address, the server's, and the protocol between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client {
    /// The client's address.
    pub address: SocketAddr,
    /// The server's address to which it has sent.
    pub local: SocketAddr,
    /// Whether messages go over a connection: TCP, or TLS.
    pub is_connected: bool,
}

/// What follows from a client's message.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Nothing.
    Nothing,
    /// Send this to the client.
    Reply(Vec<u8>),
    /// The client sends this datagram to a media address of the server.
    Deliver {
        /// The allocated address, from which it comes.
        relayed: SocketAddr,
        /// The media address.
        peer: SocketAddr,
        /// The datagram.
        payload: &'a [u8],
    },
}

/// The allocations of the clients of one socket or connection. Its size is bounded by the [`Quota`].
#[derive(Debug)]
pub struct Server {
    credentials: Credentials,
    quota: Arc<Quota>,
    peers: Arc<Peers>,
    allocations: HashMap<Client, Allocation>,
    clients: HashMap<SocketAddr, Client>,
    /// Allocated addresses that are gone.
    ended: Vec<SocketAddr>,
}

impl Server {
    /// A server without allocations.
    pub fn new(credentials: Credentials, quota: Arc<Quota>, peers: Arc<Peers>) -> Self {
        Self {
            credentials,
            quota,
            peers,
            allocations: HashMap::new(),
            clients: HashMap::new(),
            ended: Vec::new(),
        }
    }

    /// Takes one message of a client: STUN or ChannelData. Anything else is ignored.
    pub fn receive<'a>(&mut self, at: Time, client: Client, bytes: &'a [u8]) -> Outcome<'a> {
        if let Some((channel, payload)) = channel_data::read(bytes) {
            return self.on_channel_data(at, client, channel, payload);
        }
        let Some(message) = Message::parse(bytes) else {
            return Outcome::Nothing;
        };
        match (message.class(), message.method()) {
            (Class::Request, method::BINDING) => {
                let mut answer = reply::success(&message);
                answer.push_address(XOR_MAPPED_ADDRESS, client.address);
                unverified(&message, answer.finish())
            }
            (Class::Request, _) => self.on_request(at, client, &message),
            (Class::Indication, method::SEND) => self.on_send(at, client, &message),
            _ => Outcome::Nothing,
        }
    }

    /// Appends the message for the client that has this allocated address: ChannelData where the peer has a channel, else
    /// a Data indication. `None`: there is no such allocation, or it does not permit the peer; nothing is appended.
    pub fn wrap(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Client> {
        let client = *self.clients.get(&relayed)?;
        let allocation = self.allocations.get(&client)?;
        if allocation.is_over(now) || payload.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
        if let Some(channel) = allocation.channel_of(now, peer) {
            channel_data::write(out, channel, payload, client.is_connected);
            return Some(client);
        }
        if !allocation.is_permitted(now, peer.ip()) {
            return None;
        }
        // Nobody answers it, so the id need not be unpredictable.
        let transaction: Transaction = *b"restage-data";
        let mut data = Writer::new(Class::Indication, method::DATA, &transaction);
        data.push_address(XOR_PEER_ADDRESS, peer);
        data.push(DATA, payload);
        out.extend(data.finish());
        Some(client)
    }

    /// Removes what has expired or was ended. To be called about once a second.
    pub fn on_timeout(&mut self, now: Instant) {
        let over = self.allocations.iter();
        let over = over.filter(|(_, allocation)| allocation.is_over(now));
        let over: Vec<Client> = over.map(|(client, _)| *client).collect();
        for client in over {
            self.remove(client);
        }
    }

    /// Removes the allocation of a client, for example because its connection has ended.
    pub fn remove(&mut self, client: Client) {
        if let Some(allocation) = self.allocations.remove(&client) {
            self.clients.remove(&allocation.relayed());
            self.ended.push(allocation.relayed());
        }
    }

    /// Whether the client has an allocation.
    pub fn has(&self, client: Client) -> bool {
        self.allocations.contains_key(&client)
    }

    /// Whether there is no allocation.
    pub fn is_empty(&self) -> bool {
        self.allocations.is_empty()
    }

    /// Allocated addresses that are gone since the last call.
    pub fn take_ended(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.ended)
    }

    fn on_channel_data<'a>(
        &mut self,
        at: Time,
        client: Client,
        channel: u16,
        payload: &'a [u8],
    ) -> Outcome<'a> {
        let Some(allocation) = self.living(at.now, client) else {
            return Outcome::Nothing;
        };
        let Some(peer) = allocation.peer_of(at.now, channel) else {
            return Outcome::Nothing;
        };
        deliver(allocation.relayed(), peer, payload)
    }

    fn on_send<'a>(&mut self, at: Time, client: Client, message: &Message<'a>) -> Outcome<'a> {
        let Some(allocation) = self.living(at.now, client) else {
            return Outcome::Nothing;
        };
        let peer = message.get(XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| read_xor_address(value, message.transaction()));
        let (Some(peer), Some(payload)) = (peer, message.get(DATA)) else {
            return Outcome::Nothing;
        };
        let relayed = allocation.relayed();
        let is_permitted = allocation.is_permitted(at.now, peer.ip());
        if is_permitted && self.peers.has(peer) {
            deliver(relayed, peer, payload)
        } else {
            Outcome::Nothing
        }
    }

    /// The client's allocation, unless it is over.
    fn living(&mut self, now: Instant, client: Client) -> Option<&mut Allocation> {
        if self.allocations.get(&client)?.is_over(now) {
            self.remove(client);
        }
        self.allocations.get_mut(&client)
    }
}

fn deliver(relayed: SocketAddr, peer: SocketAddr, payload: &[u8]) -> Outcome<'_> {
    if payload.is_empty() || payload.len() > PAYLOAD_BYTES_MAX {
        return Outcome::Nothing;
    }
    Outcome::Deliver {
        relayed,
        peer,
        payload,
    }
}

/// The answer to a request that nothing authenticates, unless it is too long.
fn unverified<'a>(request: &Message<'_>, answer: Vec<u8>) -> Outcome<'a> {
    if answer.len() > request.length() * UNVERIFIED_FACTOR_MAX {
        return Outcome::Nothing;
    }
    Outcome::Reply(answer)
}

/// Whether a datagram on a port that also serves ICE is for the relay: ChannelData, a message with a method of TURN, or
/// a Binding request without USERNAME, which no ICE check is.
pub fn is_for_relay(bytes: &[u8]) -> bool {
    match bytes {
        [first @ 0x40..=0x7f, second, ..] => {
            channel_data::is_channel(u16::from_be_bytes([*first, *second]))
        }
        // Types of requests and of the Send indication.
        [0, 0x03 | 0x04 | 0x08 | 0x09 | 0x16, ..] => true,
        [0, 0x01, ..] => {
            Message::parse(bytes).is_some_and(|message| message.get(USERNAME).is_none())
        }
        _ => false,
    }
}
