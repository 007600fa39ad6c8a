//! Which addresses media is offered at.

use std::net::IpAddr;

use super::{Config, ConfigError};

/// Link-local addresses need a scope, which a candidate cannot carry.
fn is_offerable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0) != 0xfe80,
    }
}
