//! Requests: who asks, and what is done.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use restage_stun::attribute::{
    CHANNEL_NUMBER, EVEN_PORT, LIFETIME, NONCE, REALM as REALM_ATTRIBUTE, REQUESTED_ADDRESS_FAMILY,
    REQUESTED_TRANSPORT, RESERVATION_TOKEN, USERNAME, XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS,
};
use restage_stun::{Message, method, read_xor_address};

use super::{Client, Outcome, Server, Time, unverified};
use crate::allocation::{Allocation, Full};
use crate::limits::{LIFETIME_DEFAULT, LIFETIME_MAX};
use crate::quota::Refusal;
use crate::reply::{self, Code, unknown_attributes};
use crate::{REALM, channel_data, credentials, nonce};

/// UDP's protocol number, the only one that may be asked for (RFC 8656 §18.8).
const UDP: u8 = 17;
/// The reserve bit of EVEN-PORT (RFC 8656 §18.7).
const RESERVES_NEXT: u8 = 0x80;

/// Who has sent a request.
struct User<'a> {
    name: &'a str,
    participant: &'a str,
    /// Whether new allocations may be made.
    is_current: bool,
    key: [u8; 16],
}

impl Server {
    pub(super) fn on_request<'a>(
        &mut self,
        at: Time,
        client: Client,
        request: &Message<'_>,
    ) -> Outcome<'a> {
        let user = match self.authenticate(at, client, request) {
            Ok(user) => user,
            Err(answer) => return unverified(request, answer),
        };
        if unknown_attributes(request).next().is_some() {
            let error = reply::error(request, Code::UnknownAttribute, &user.key);
            return Outcome::Reply(error);
        }
        let done = match request.method() {
            method::ALLOCATE => self.allocate(at, client, request, &user),
            method::REFRESH => self.refresh(at, client, request, &user),
            method::CREATE_PERMISSION => self.permit(at, client, request, &user),
            method::CHANNEL_BIND => self.bind(at, client, request, &user),
            _ => Err(Code::BadRequest),
        };
        let answer = done.unwrap_or_else(|code| reply::error(request, code, &user.key));
        Outcome::Reply(answer)
    }

    /// The long-term mechanism (RFC 8489 §9.2.4). The nonce is looked at first, because that costs least.
    fn authenticate<'a>(
        &self,
        at: Time,
        client: Client,
        request: &Message<'a>,
    ) -> Result<User<'a>, Vec<u8>> {
        let nonces = self.credentials.nonces();
        let challenge = |code| {
            let fresh = nonce::make(nonces, client.address, at.unix_s);
            reply::challenge(request, code, &fresh)
        };
        if !request.has_integrity() {
            return Err(challenge(Code::Unauthorized));
        }
        let (Some(name), Some(realm), Some(nonce)) = (
            request.get_text(USERNAME),
            request.get_text(REALM_ATTRIBUTE),
            request.get(NONCE),
        ) else {
            return Err(reply::unverified(request, Code::BadRequest));
        };
        if !nonce::is_valid(nonces, client.address, at.unix_s, nonce) {
            return Err(challenge(Code::StaleNonce));
        }
        let Some((expires_s, participant)) = credentials::parts(name).filter(|_| realm == REALM)
        else {
            return Err(challenge(Code::Unauthorized));
        };
        let key = self.credentials.key(name);
        if !request.is_authentic(&key) {
            return Err(challenge(Code::Unauthorized));
        }
        Ok(User {
            name,
            participant,
            is_current: at.unix_s < expires_s,
            key,
        })
    }

    fn allocate(
        &mut self,
        at: Time,
        client: Client,
        request: &Message<'_>,
        user: &User<'_>,
    ) -> Result<Vec<u8>, Code> {
        if let Some(known) = self.living(at.now, client) {
            // The answer to the same request was lost.
            return if known.transaction == *request.transaction() {
                let lifetime = known.expires_at.saturating_duration_since(at.now);
                Ok(allocated(request, client, known.relayed(), lifetime, user))
            } else {
                Err(Code::AllocationMismatch)
            };
        }
        match request.get(REQUESTED_TRANSPORT) {
            Some([UDP, ..]) => {}
            Some(_) => return Err(Code::TransportNotSupported),
            None => return Err(Code::BadRequest),
        }
        let reserves = matches!(request.get(EVEN_PORT), Some([bits]) if bits & RESERVES_NEXT != 0);
        if reserves || request.get(RESERVATION_TOKEN).is_some() {
            return Err(Code::InsufficientCapacity);
        }
        let is_v6 = match request.get(REQUESTED_ADDRESS_FAMILY) {
            // IPv4 is the default; a server without an IPv4 address would be unreachable by it.
            None => !self.peers.has_family(false),
            Some([1, ..]) => false,
            Some([2, ..]) => true,
            Some(_) => return Err(Code::FamilyNotSupported),
        };
        if !self.peers.has_family(is_v6) {
            return Err(Code::FamilyNotSupported);
        }
        if !user.is_current {
            return Err(Code::WrongCredentials);
        }
        let lifetime = lifetime(request).max(LIFETIME_DEFAULT);
        let ticket = self
            .quota
            .take(client.address.ip(), user.participant, is_v6);
        let ticket = ticket.map_err(|refusal| match refusal {
            Refusal::Quota => Code::QuotaReached,
            Refusal::Capacity => Code::InsufficientCapacity,
            Refusal::Withdrawn => Code::WrongCredentials,
        })?;
        let relayed = ticket.relayed;
        let expires_at = at.now + lifetime;
        let transaction = *request.transaction();
        let allocation = Allocation::new(ticket, user.name, transaction, expires_at);
        self.clients.insert(relayed, client);
        self.allocations.insert(client, allocation);
        Ok(allocated(request, client, relayed, lifetime, user))
    }

    /// The client's allocation, if this user has made it.
    fn own(&mut self, at: Time, client: Client, user: &User<'_>) -> Result<&mut Allocation, Code> {
        let known = self.living(at.now, client);
        let known = known.ok_or(Code::AllocationMismatch)?;
        if *known.username == *user.name {
            Ok(known)
        } else {
            Err(Code::WrongCredentials)
        }
    }

    fn refresh(
        &mut self,
        at: Time,
        client: Client,
        request: &Message<'_>,
        user: &User<'_>,
    ) -> Result<Vec<u8>, Code> {
        let allocation = self.own(at, client, user)?;
        let is_v6 = match request.get(REQUESTED_ADDRESS_FAMILY) {
            None => allocation.relayed().is_ipv6(),
            Some([family, ..]) => *family == 2,
            Some([]) => return Err(Code::BadRequest),
        };
        if is_v6 != allocation.relayed().is_ipv6() {
            return Err(Code::FamilyMismatch);
        }
        let granted = match lifetime(request) {
            Duration::ZERO => {
                self.remove(client);
                Duration::ZERO
            }
            wanted => {
                let granted = wanted.max(LIFETIME_DEFAULT);
                allocation.expires_at = at.now + granted;
                granted
            }
        };
        let mut answer = reply::success(request);
        answer.push(LIFETIME, &(granted.as_secs() as u32).to_be_bytes());
        Ok(answer.finish_signed(&user.key))
    }

    fn permit(
        &mut self,
        at: Time,
        client: Client,
        request: &Message<'_>,
        user: &User<'_>,
    ) -> Result<Vec<u8>, Code> {
        let peers: Option<Vec<SocketAddr>> = request
            .attributes()
            .filter(|(kind, _)| *kind == XOR_PEER_ADDRESS)
            .map(|(_, value)| read_xor_address(value, request.transaction()))
            .collect();
        let peers = peers.filter(|all| !all.is_empty());
        let own_peers = std::sync::Arc::clone(&self.peers);
        let allocation = self.own(at, client, user)?;
        let peers = peers.ok_or(Code::BadRequest)?;
        let mut ips: Vec<IpAddr> = Vec::new();
        for peer in peers {
            check(allocation, peer, own_peers.has_ip(peer.ip()))?;
            if !ips.contains(&peer.ip()) {
                ips.push(peer.ip());
            }
        }
        allocation.permit(at.now, &ips).map_err(Code::from)?;
        Ok(reply::success(request).finish_signed(&user.key))
    }

    fn bind(
        &mut self,
        at: Time,
        client: Client,
        request: &Message<'_>,
        user: &User<'_>,
    ) -> Result<Vec<u8>, Code> {
        let own_peers = std::sync::Arc::clone(&self.peers);
        let allocation = self.own(at, client, user)?;
        let peer = request.get(XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| read_xor_address(value, request.transaction()));
        let number = match request.get(CHANNEL_NUMBER) {
            Some([high, low, ..]) => u16::from_be_bytes([*high, *low]),
            _ => return Err(Code::BadRequest),
        };
        let peer = peer.filter(|_| channel_data::is_channel(number));
        let peer = peer.ok_or(Code::BadRequest)?;
        check(allocation, peer, own_peers.has(peer))?;
        allocation.bind(at.now, number, peer).map_err(Code::from)?;
        Ok(reply::success(request).finish_signed(&user.key))
    }
}

impl From<Full> for Code {
    fn from(full: Full) -> Self {
        match full {
            Full::Conflict => Self::BadRequest,
            Full::Capacity => Self::InsufficientCapacity,
        }
    }
}

/// Whether an allocation may have this peer.
fn check(allocation: &Allocation, peer: SocketAddr, is_own: bool) -> Result<(), Code> {
    if peer.is_ipv6() != allocation.relayed().is_ipv6() {
        return Err(Code::FamilyMismatch);
    }
    if is_own { Ok(()) } else { Err(Code::Forbidden) }
}

/// The lifetime that is asked for, at most the longest.
fn lifetime(request: &Message<'_>) -> Duration {
    let wanted = request.get_u32(LIFETIME).map(u64::from);
    wanted
        .map_or(LIFETIME_DEFAULT, Duration::from_secs)
        .min(LIFETIME_MAX)
}

fn allocated(
    request: &Message<'_>,
    client: Client,
    relayed: SocketAddr,
    lifetime: Duration,
    user: &User<'_>,
) -> Vec<u8> {
    let mut answer = reply::success(request);
    answer.push_address(XOR_RELAYED_ADDRESS, relayed);
    answer.push(LIFETIME, &(lifetime.as_secs() as u32).to_be_bytes());
    answer.push_address(XOR_MAPPED_ADDRESS, client.address);
    answer.finish_signed(&user.key)
}
