//! Which addresses media is offered at.

use std::net::IpAddr;

use super::{Config, ConfigError};

impl Config {
    /// The addresses to offer for media, in order.
    ///
    /// Loopback when HTTP is on loopback, so that nothing is exposed that was not asked for.
    pub fn media_addresses(&self) -> Result<Vec<IpAddr>, ConfigError> {
        if !self.media_ip.is_empty() {
            return Ok(self.media_ip.clone());
        }
        if self.http.ip().is_loopback() {
            return Ok(vec![self.http.ip()]);
        }
        if !self.http.ip().is_unspecified() {
            return Ok(vec![self.http.ip()]);
        }
        let found: Vec<IpAddr> = if_addrs::get_if_addrs()
            .map_err(ConfigError::Addresses)?
            .into_iter()
            .map(|interface| interface.ip())
            .filter(|ip| !ip.is_loopback() && is_offerable(ip))
            .filter(|ip| self.http.is_ipv6() || ip.is_ipv4())
            .collect();
        if found.is_empty() {
            Err(ConfigError::NoAddress)
        } else {
            Ok(found)
        }
    }
}

/// Link-local addresses need a scope, which a candidate cannot carry.
fn is_offerable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0) != 0xfe80,
    }
}
