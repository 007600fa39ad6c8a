//! The outer layer of restage: HTTP, WHIP and WHEP, the events WebSocket, access keys, settings, metrics, start and stop.

pub mod address_watch;
pub mod config;
pub mod data_dir;
pub mod descriptors;
pub mod doctor;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod panics;
pub mod public_key;
mod regular_file;
mod rtmp;
pub mod run_file;
pub mod secret_permissions;
pub mod server;
mod sync;
pub mod tls;
