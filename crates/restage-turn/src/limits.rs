//! Every bound of the relay. The comment of each says what happens when it is reached.

use std::time::Duration;

/// Allocations of all servers that share a [`Quota`](crate::Quota). One more is refused with 508.
pub const ALLOCATIONS_MAX: usize = 10_000;
/// Allocations of one participant. One more is refused with 486. A browser makes one for each URL and each of its
/// network interfaces, in each of its connections, and keeps one of them.
pub const ALLOCATIONS_PER_PARTICIPANT_MAX: usize = 96;
/// Allocations of one client address, or of one /64 of IPv6. One more is refused with 486.
pub const ALLOCATIONS_PER_ADDRESS_MAX: usize = 1_000;
/// Shortest and default lifetime of an allocation (RFC 8656 §3.2).
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(600);
/// Longest lifetime of an allocation. Clients that ask for more get this.
pub const LIFETIME_MAX: Duration = Duration::from_secs(3_600);
/// Lifetime of a permission (RFC 8656 §9).
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// Permissions of one allocation. One more is refused with 508. A server with more addresses than this is not reached
/// at the others through one allocation.
pub const PERMISSIONS_MAX: usize = 32;
/// Lifetime of a channel (RFC 8656 §12).
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// Channels of one allocation. One more is refused with 508.
pub const CHANNELS_MAX: usize = 32;
/// How long a nonce is accepted. An older one is refused with 438, and the client repeats its request with the new one.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(3_600);
/// Longest name of a user in bytes. A longer one is refused with 401.
pub const USERNAME_BYTES_MAX: usize = 128;
/// Participants whose credentials were withdrawn before they expired. One more pushes out the oldest, whose credentials
/// are then accepted again until they expire.
pub const WITHDRAWN_MAX: usize = 10_000;
/// The longest answer to a request that is not authenticated, as a multiple of the request: a forged source address
/// gains little by it. A longer one is not sent.
pub const UNVERIFIED_FACTOR_MAX: usize = 3;
/// Longest datagram in a message to or from a client.
pub const PAYLOAD_BYTES_MAX: usize = 2_000;
/// Longest message of a client in bytes on a connection. A longer one ends it.
pub const MESSAGE_BYTES_MAX: usize = 4_096;
/// Unknown attributes that an answer lists; the others are left out.
pub const UNKNOWN_ATTRIBUTES_MAX: usize = 16;

const _: () = assert!(PAYLOAD_BYTES_MAX + 64 < MESSAGE_BYTES_MAX);
