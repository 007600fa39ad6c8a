//! The relay's URLs and a client's credential, as `Link` headers of WHIP and WHEP (RFC 9725 §4.6).

use std::net::{IpAddr, SocketAddr};

use http::header::LINK;
use http::{HeaderMap, HeaderValue, Uri};
use restage_node::media::RelayCredential;
use serde_json::{Value, json};

/// The port of `https`, if a URL names none.
const HTTPS_PORT: u16 = 443;

/// The URLs of the relay (RFC 7065), the fastest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceServers {
    udp: Option<String>,
    others: Vec<String>,
}

/// When a client is told of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Because it asks, before its offer.
    Before,
    /// With the answer to its offer. The relay is not named there over UDP, which would help nobody: its address is one
    /// of those at which the server takes media. And libwebrtc gives all that comes from there to its TURN client, so
    /// that no check without the relay succeeds.
    WithAnswer,
}

impl IceServers {
    /// The relay at the media port of this address, at this TCP address, and, with TLS, at the public URL.
    pub fn new(udp: Option<SocketAddr>, tcp: Option<SocketAddr>, secure_url: Option<&str>) -> Self {
        let udp = udp.map(|address| format!("turn:{address}?transport=udp"));
        let tcp = tcp.map(|address| format!("turn:{address}?transport=tcp"));
        let tls = secure_url.and_then(|url| {
            let uri: Uri = url.parse().ok()?;
            let port = uri.port_u16().unwrap_or(HTTPS_PORT);
            Some(format!(
                "turns:{}:{port}?transport=tcp",
                bracketed(uri.host()?)
            ))
        });
        Self {
            udp,
            others: [tcp, tls].into_iter().flatten().collect(),
        }
    }

    /// The URLs that a client is told.
    fn urls(&self, told: Told) -> impl Iterator<Item = &String> {
        let udp = self.udp.iter().filter(move |_| told == Told::Before);
        udp.chain(&self.others)
    }

    /// The same as a list of `RTCIceServer` (WebRTC §4.2.4).
    pub(super) fn list(&self, told: Told, credential: &RelayCredential) -> Value {
        let urls: Vec<&String> = self.urls(told).collect();
        if urls.is_empty() {
            return json!([]);
        }
        json!([{ "urls": urls, "username": credential.username, "credential": credential.password }])
    }

    /// Adds a `Link` header for each URL.
    pub(super) fn tell(&self, told: Told, credential: &RelayCredential, headers: &mut HeaderMap) {
        for url in self.urls(told) {
            let RelayCredential { username, password } = credential;
            let value = format!(
                "<{url}>; rel=\"ice-server\"; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                quoted(username),
                quoted(password)
            );
            // A name with control characters, which a self-signed token may have, gets no relay.
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                headers.append(LINK, value);
            }
        }
    }
}

/// An IPv6 address without the brackets of URLs gets them.
fn bracketed(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.to_owned(),
    }
}

/// The inside of a quoted string (RFC 9110 §5.6.4).
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(username: &str) -> RelayCredential {
        RelayCredential {
            username: username.to_owned(),
            password: "cGFzcw==".to_owned(),
        }
    }

    #[test]
    fn each_way_to_the_relay_has_a_url() {
        let udp = Some("203.0.113.7:4081".parse().unwrap());
        let tcp = Some("[2001:db8::7]:443".parse().unwrap());
        for (public_url, tls) in [
            (
                "https://video.example.org",
                "turns:video.example.org:443?transport=tcp",
            ),
            (
                "https://video.example.org:8443/a",
                "turns:video.example.org:8443?transport=tcp",
            ),
            (
                "https://[2001:db8::7]",
                "turns:[2001:db8::7]:443?transport=tcp",
            ),
        ] {
            let servers = IceServers::new(udp, tcp, Some(public_url));
            let all = [
                "turn:203.0.113.7:4081?transport=udp",
                "turn:[2001:db8::7]:443?transport=tcp",
                tls,
            ];
            assert_eq!(servers.urls(Told::Before).collect::<Vec<_>>(), all);
            let with_answer: Vec<_> = servers.urls(Told::WithAnswer).collect();
            assert_eq!(with_answer, all[1..]);
        }
        let none = IceServers::new(None, None, None);
        assert_eq!(none.urls(Told::Before).count(), 0);
    }

    #[test]
    fn a_link_has_the_form_of_the_standard() {
        let servers = IceServers::new(Some("192.0.2.1:1".parse().unwrap()), None, None);
        let mut headers = HeaderMap::new();
        servers.tell(Told::Before, &credential("7:a\"b"), &mut headers);
        assert_eq!(
            headers[LINK],
            "<turn:192.0.2.1:1?transport=udp>; rel=\"ice-server\"; username=\"7:a\\\"b\"; \
             credential=\"cGFzcw==\"; credential-type=\"password\""
        );
        assert!(headers[LINK].is_sensitive());
        let mut headers = HeaderMap::new();
        servers.tell(Told::Before, &credential("7:a\nb"), &mut headers);
        assert!(headers.is_empty());
    }
}
