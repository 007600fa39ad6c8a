#![cfg_attr(
    all(feature = "aws", feature = "testcard"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "aws", feature = "testcard")),
    doc = "Pagination and media for Amazon IVS Real-Time and restage stages; see README.md."
)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "stage")]
mod close;
#[cfg(feature = "stage")]
mod error;
#[cfg(feature = "stage")]
pub mod events;
#[cfg(feature = "stage")]
mod frame;
#[cfg(feature = "stage")]
mod ice_server;
#[cfg(feature = "stage")]
mod packet;
pub mod paginate;
#[cfg(feature = "stage")]
mod peer;
#[cfg(feature = "stage")]
mod rejoin;
#[cfg(all(feature = "aws", feature = "stage"))]
pub mod replication;
#[cfg(feature = "stage")]
pub mod rtp;
#[cfg(feature = "stage")]
mod signal;
#[cfg(feature = "stage")]
mod standing;
#[cfg(feature = "testcard")]
pub mod testcard;
#[cfg(feature = "stage")]
pub mod token;
#[cfg(feature = "stage")]
mod trust;
#[cfg(feature = "stage")]
pub mod whep;
#[cfg(feature = "stage")]
pub mod whip;

#[cfg(feature = "testcard")]
pub use testcard::beep;
#[cfg(feature = "stage")]
pub use {
    close::CloseReason,
    error::{Error, first_line},
    events::{EventStream, EventsClose, StageEvent, StageParticipant, StageState},
    frame::{Codec, EncodedFrame, ReceivedFrame, TrackKind},
    ice_server::IceServer,
    peer::{ConnectionState, Stats, TrackStats},
    rejoin::Rejoin,
    signal::HttpClient,
    token::{Capabilities, ParticipantToken, TokenError},
    trust::Trust,
    whep::{SubscribeConfig, Subscriber},
    whip::{PublishConfig, Publisher},
};
