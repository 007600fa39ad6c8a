//! Answers to requests.

use restage_stun::attribute::{self, NONCE, REALM as REALM_ATTRIBUTE, UNKNOWN_ATTRIBUTES};
use restage_stun::{Class, Message, Writer};

use crate::REALM;
use crate::limits::UNKNOWN_ATTRIBUTES_MAX;

/// Codes of errors (RFC 8489 §14.8, RFC 8656 §19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BadRequest = 400,
    Unauthorized = 401,
    Forbidden = 403,
    UnknownAttribute = 420,
    AllocationMismatch = 437,
    StaleNonce = 438,
    FamilyNotSupported = 440,
    WrongCredentials = 441,
    TransportNotSupported = 442,
    FamilyMismatch = 443,
    QuotaReached = 486,
    InsufficientCapacity = 508,
}

impl Code {
    fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::AllocationMismatch => "Allocation Mismatch",
            Self::StaleNonce => "Stale Nonce",
            Self::FamilyNotSupported => "Address Family not Supported",
            Self::WrongCredentials => "Wrong Credentials",
            Self::TransportNotSupported => "Unsupported Transport Protocol",
            Self::FamilyMismatch => "Peer Address Family Mismatch",
            Self::QuotaReached => "Allocation Quota Reached",
            Self::InsufficientCapacity => "Insufficient Capacity",
        }
    }
}

/// A success with nothing in it yet.
pub(crate) fn success(request: &Message<'_>) -> Writer {
    Writer::new(Class::Success, request.method(), request.transaction())
}

/// An error for a user that is known, signed with its key.
pub(crate) fn error(request: &Message<'_>, code: Code, key: &[u8]) -> Vec<u8> {
    let mut writer = begin(request, code, code.reason());
    if code == Code::UnknownAttribute {
        let unknown = unknown_attributes(request);
        let numbers: Vec<u8> = unknown.flat_map(u16::to_be_bytes).collect();
        writer.push(UNKNOWN_ATTRIBUTES, &numbers);
    }
    writer.finish_signed(key)
}

/// An error for somebody who is not known. It has no reason, so that it is short.
pub(crate) fn unverified(request: &Message<'_>, code: Code) -> Vec<u8> {
    begin(request, code, "").finish()
}

/// Asks for credentials and this nonce.
pub(crate) fn challenge(request: &Message<'_>, code: Code, nonce: &str) -> Vec<u8> {
    let mut writer = begin(request, code, "");
    writer.push(REALM_ATTRIBUTE, REALM.as_bytes());
    writer.push(NONCE, nonce.as_bytes());
    writer.finish()
}

fn begin(request: &Message<'_>, code: Code, reason: &str) -> Writer {
    let mut writer = Writer::new(Class::Error, request.method(), request.transaction());
    writer.push_error(code as u16, reason);
    writer
}

/// Attributes of a request that must be understood and are not (RFC 8489 §6.3.1).
pub(crate) fn unknown_attributes<'a>(request: &Message<'a>) -> impl Iterator<Item = u16> + use<'a> {
    let unknown = request.attributes().map(|(kind, _)| kind).filter(|kind| {
        attribute::is_required(*kind)
            && !matches!(
                *kind,
                attribute::USERNAME
                    | REALM_ATTRIBUTE
                    | NONCE
                    | attribute::CHANNEL_NUMBER
                    | attribute::LIFETIME
                    | attribute::XOR_PEER_ADDRESS
                    | attribute::REQUESTED_ADDRESS_FAMILY
                    | attribute::EVEN_PORT
                    | attribute::REQUESTED_TRANSPORT
                    // Datagrams go nowhere but to this process, so none is fragmented.
                    | attribute::DONT_FRAGMENT
                    | attribute::RESERVATION_TOKEN
            )
    });
    unknown.take(UNKNOWN_ATTRIBUTES_MAX)
}
