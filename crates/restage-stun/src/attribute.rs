//! Numbers of attributes. Those below 0x8000 must be understood by whoever gets a request with them (RFC 8489 §14).

/// `<receiver's ufrag>:<sender's ufrag>` in ICE, the user's name elsewhere (RFC 8489 §14.3).
pub const USERNAME: u16 = 0x0006;
/// HMAC-SHA1 over what precedes it (RFC 8489 §14.5).
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// Code and reason of an error (RFC 8489 §14.8).
pub const ERROR_CODE: u16 = 0x0009;
/// Attributes of the request that are not understood (RFC 8489 §14.13).
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// The number of a channel (RFC 8656 §18.1).
pub const CHANNEL_NUMBER: u16 = 0x000c;
/// Seconds (RFC 8656 §18.2).
pub const LIFETIME: u16 = 0x000d;
/// The peer of a permission, a channel or a datagram (RFC 8656 §18.3).
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
/// A datagram (RFC 8656 §18.4).
pub const DATA: u16 = 0x0013;
/// Realm of long-term credentials (RFC 8489 §14.9).
pub const REALM: u16 = 0x0014;
/// Nonce of long-term credentials (RFC 8489 §14.10).
pub const NONCE: u16 = 0x0015;
/// The address that a TURN server has allocated (RFC 8656 §18.5).
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
/// The family of the address that is asked for (RFC 8656 §18.6).
pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
/// Asks for an even port (RFC 8656 §18.7).
pub const EVEN_PORT: u16 = 0x0018;
/// The protocol between TURN server and peer (RFC 8656 §18.8).
pub const REQUESTED_TRANSPORT: u16 = 0x0019;
/// Forbids fragmentation (RFC 8656 §18.9).
pub const DONT_FRAGMENT: u16 = 0x001a;
/// HMAC-SHA256 over what precedes it (RFC 8489 §14.6).
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
/// The algorithm that made the password's key (RFC 8489 §14.12).
pub const PASSWORD_ALGORITHM: u16 = 0x001d;
/// The user's name as a hash (RFC 8489 §14.4).
pub const USERHASH: u16 = 0x001e;
/// The address from which a request came (RFC 8489 §14.2).
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Names a reserved port (RFC 8656 §18.10).
pub const RESERVATION_TOKEN: u16 = 0x0022;
/// Priority of the sender's candidate (RFC 8445 §7.1.1).
pub const PRIORITY: u16 = 0x0024;
/// The controlling end nominates the pair (RFC 8445 §7.1.2).
pub const USE_CANDIDATE: u16 = 0x0025;
/// A checksum over the message (RFC 8489 §14.7).
pub const FINGERPRINT: u16 = 0x8028;
/// The sender is the controlled end (RFC 8445 §7.1.3).
pub const ICE_CONTROLLED: u16 = 0x8029;

/// Whether whoever gets a request with this attribute must understand it.
pub fn is_required(kind: u16) -> bool {
    kind < 0x8000
}
