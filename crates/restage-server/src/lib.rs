//! The edge of restage: HTTP, WHIP and WHEP, the events WebSocket, the store, the media workers.

pub mod clock;
pub mod config;
pub mod control;
pub mod data_dir;
pub mod descriptors;
pub mod doctor;
pub mod exposed;
pub mod files;
pub mod http;
pub mod ids;
pub mod keys;
pub mod media;
pub mod metrics;
pub mod outbox;
pub mod panics;
pub mod public_key;
mod retention;
pub mod run_file;
mod seldom;
pub mod server;
pub mod store;
pub mod supervise;
pub mod token;
