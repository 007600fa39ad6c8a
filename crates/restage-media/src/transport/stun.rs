//! STUN Binding messages as ICE uses them (RFC 8445 §7).
//!
//! The transaction ids of our checks must be unpredictable: the remote end knows the password that signs its answers,
//! so only the id proves that it has received the check.

use std::net::SocketAddr;

pub(crate) use restage_stun::Transaction;
use restage_stun::attribute::{
    ICE_CONTROLLED, PRIORITY, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS,
};
use restage_stun::{Class, Writer, method};

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Success,
    Error,
}

/// A Binding message.
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) transaction: Transaction,
    /// Length of the datagram in bytes.
    pub(crate) length: usize,
    pub(super) username: Option<&'a str>,
    pub(crate) priority: Option<u32>,
    pub(crate) use_candidate: bool,
    /// Whether the sender believes that it is the controlled end.
    pub(crate) is_controlled: bool,
    pub(super) whole: restage_stun::Message<'a>,
}

impl<'a> Message<'a> {
    /// `None` for anything but a well-formed Binding request or answer.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let whole = restage_stun::Message::parse(bytes)?;
        let kind = match (whole.method(), whole.class()) {
            (method::BINDING, Class::Request) => Kind::Request,
            (method::BINDING, Class::Success) => Kind::Success,
            (method::BINDING, Class::Error) => Kind::Error,
            _ => return None,
        };
        let mut message = Self {
            kind,
            transaction: *whole.transaction(),
            length: bytes.len(),
            username: None,
            priority: None,
            use_candidate: false,
            is_controlled: false,
            whole,
        };
        for (kind, value) in whole.attributes() {
            match kind {
                USERNAME => message.username = std::str::from_utf8(value).ok(),
                PRIORITY => message.priority = Some(u32::from_be_bytes(value.try_into().ok()?)),
                USE_CANDIDATE => message.use_candidate = true,
                ICE_CONTROLLED => message.is_controlled = true,
                _ => {}
            }
        }
        Some(message)
    }

    /// The part of USERNAME before the colon (RFC 8445 §7.2.2): the receiver's name fragment.
    pub(crate) fn receiver_ufrag(&self) -> Option<&'a str> {
        self.username?.split_once(':').map(|(receiver, _)| receiver)
    }

    /// Whether MESSAGE-INTEGRITY is present and made with this password.
    pub(crate) fn is_authentic(&self, password: &str) -> bool {
        self.whole.is_authentic(password.as_bytes())
    }
}

/// A Binding request from the controlled end, `username` being `<remote ufrag>:<local ufrag>`.
pub(crate) fn request(
    transaction: &Transaction,
    username: &str,
    priority: u32,
    tie_breaker: u64,
    password: &str,
) -> Vec<u8> {
    let mut message = Writer::new(Class::Request, method::BINDING, transaction);
    message.push(USERNAME, username.as_bytes());
    message.push(PRIORITY, &priority.to_be_bytes());
    message.push(ICE_CONTROLLED, &tie_breaker.to_be_bytes());
    message.finish_for_ice(password.as_bytes())
}

/// The answer to a request from `source`.
pub(crate) fn success(transaction: &Transaction, source: SocketAddr, password: &str) -> Vec<u8> {
    let mut message = Writer::new(Class::Success, method::BINDING, transaction);
    message.push_address(XOR_MAPPED_ADDRESS, source);
    message.finish_for_ice(password.as_bytes())
}

/// The answer to a request of an end that believes to be controlled, which this end always is (RFC 8445 §7.3.1.1).
pub(crate) fn role_conflict(transaction: &Transaction, password: &str) -> Vec<u8> {
    let mut message = Writer::new(Class::Error, method::BINDING, transaction);
    message.push_error(487, "Role Conflict");
    message.finish_for_ice(password.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Transaction = *b"twelve bytes";

    #[test]
    fn what_is_written_can_be_read() {
        let bytes = request(&ID, "theirs:ours", 7, 9, "a password of this length");
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_authentic("a password of this length"));
        assert!(message.is_controlled && !message.use_candidate);
        assert_eq!(message.receiver_ufrag(), Some("theirs"));
        assert_eq!((message.priority, message.transaction), (Some(7), ID));
        for source in ["192.0.2.1:32853", "[2001:db8::1]:32853"] {
            let bytes = success(&ID, source.parse().unwrap(), "pw");
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.kind, Kind::Success);
            assert!(message.is_authentic("pw"));
        }
        let bytes = role_conflict(&ID, "pw");
        assert_eq!(Message::parse(&bytes).unwrap().kind, Kind::Error);
    }

    #[test]
    fn messages_of_other_methods_are_not_of_ice() {
        for method in [method::ALLOCATE, method::SEND] {
            for class in [Class::Request, Class::Indication] {
                let bytes = Writer::new(class, method, &ID).finish();
                assert!(Message::parse(&bytes).is_none());
            }
        }
        let indication = Writer::new(Class::Indication, method::BINDING, &ID).finish();
        assert!(Message::parse(&indication).is_none());
    }
}
