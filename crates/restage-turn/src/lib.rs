//! TURN (RFC 8656) for clients whose network lets them reach one port of this server and nothing else.
//!
//! The only peer of this relay is the server itself: permissions and channels are granted for its own media addresses
//! and refused for all others. So there are no relay ports, and nobody can use it to reach a third party. The address
//! that an allocation gets exists nowhere but between this crate and the media plane; it only tells clients apart.
//!
//! This crate knows no sockets, no clock and no random numbers. Messages and the time come in as arguments
//! ([`Server::receive`]), datagrams of clients and answers come out ([`Outcome`]), and datagrams to clients are put
//! into messages by [`Server::wrap`].
//!
//! - [`Credentials`] makes the names and passwords of participants and verifies them.
//! - [`Quota`] bounds the allocations of all [`Server`]s together and ends those of a participant.
//! - [`Server`] has the allocations of the clients of one socket, or of one connection.
//! - [`limits`] has every bound.

mod allocation;
mod channel_data;
mod credentials;
pub mod limits;
mod nonce;
mod peers;
mod quota;
mod relayed;
mod reply;
mod server;

pub use channel_data::{Frame, frame};
pub use credentials::{Credential, Credentials, REALM};
pub use peers::Peers;
pub use quota::Quota;
pub use server::{Client, Outcome, Server, Time, is_for_relay};
