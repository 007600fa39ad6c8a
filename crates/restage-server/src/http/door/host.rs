//! Checks of a request's Host and Origin headers.
//!
//! Any web page can make a browser send requests to this machine. By DNS rebinding it can do so under a name of its
//! own and read the answers. The browser reveals both: the name is in `Host`, the page in `Origin`. Resources that
//! need no credentials are therefore answered only under this server's own names.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri, Version};

/// The names of this server.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    /// The names in lower case, without a port.
    names: Vec<String>,
    /// The public URL's scheme, host and port.
    public_origin: String,
    /// Whether every IP address is accepted, because the server listens on all. An IP address cannot be rebound by DNS.
    any_address: bool,
}

impl Hosts {
    /// The names of a server that listens at these addresses and is reached by a URL.
    pub(crate) fn new(bound: &[IpAddr], public_url: &str) -> Self {
        let mut names = vec!["localhost".to_owned()];
        for address in bound.iter().filter(|address| !address.is_unspecified()) {
            names.push(address.to_canonical().to_string());
        }
        let public = public_url.parse::<Uri>().ok();
        let host = public.as_ref().and_then(Uri::host).map(bare);
        names.extend(host);
        let scheme_end = public_url.find("://").map_or(0, |at| at + 3);
        let path = public_url[scheme_end..].find('/');
        let end = path.map_or(public_url.len(), |at| scheme_end + at);
        Self {
            names,
            public_origin: public_url[..end].to_ascii_lowercase(),
            any_address: bound.iter().any(IpAddr::is_unspecified),
        }
    }

    /// Whether the Host header names this server. A request without Host (HTTP/1.0) does not come from a browser.
    pub(crate) fn are_meant(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(HOST) else {
            return true;
        };
        let Some(authority) = authority(host.as_bytes()) else {
            return false;
        };
        let name = bare(authority.host());
        match name.parse::<IpAddr>() {
            Ok(address) if self.any_address || address.to_canonical().is_loopback() => true,
            Ok(address) => self.names.contains(&address.to_canonical().to_string()),
            Err(_) => self.names.contains(&name) || name.ends_with(".localhost"),
        }
    }

    /// Whether the request comes from no page, or from a page of this server.
    pub(crate) fn are_asking(&self, headers: &HeaderMap) -> bool {
        headers.get_all(ORIGIN).iter().all(|origin| {
            let Ok(origin) = origin.to_str().map(str::to_ascii_lowercase) else {
                return false;
            };
            if origin == self.public_origin {
                return true;
            }
            let asked = origin.split_once("://").map(|(_, asked)| asked);
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            asked.is_some() && asked == host.map(str::to_ascii_lowercase).as_deref()
        })
    }
}

/// The fault in a request's Host header, as a sentence (RFC 9112 §3.2).
pub(crate) fn fault(headers: &HeaderMap, url: &Uri, version: Version) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        return (version >= Version::HTTP_11).then_some(
            "the request has no Host header; send the host and port that the URL names",
        );
    };
    if hosts.next().is_some() {
        return Some("the request has more than one Host header; send one");
    }
    let of_url = url.authority()?;
    let agrees = authority(host.as_bytes()).is_some_and(|host| {
        let usual = if url.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
        bare(host.host()) == bare(of_url.host()) && port(&host) == port(of_url)
    });
    (!agrees).then_some("the Host header names another host than the request's URL; send the same")
}

fn authority(text: &[u8]) -> Option<Authority> {
    let authority = Authority::try_from(text).ok()?;
    (!authority.as_str().contains('@')).then_some(authority)
}

/// A host in the form for comparison: lower case, without brackets, without the final dot.
fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_this_servers_names_are_answered_to() {
        let local = Hosts::new(&["127.0.0.1".parse().unwrap()], "http://127.0.0.1:4080");
        let lan = Hosts::new(
            &["192.0.2.7".parse().unwrap()],
            "https://Video.example.org/live",
        );
        let any = Hosts::new(&["0.0.0.0".parse().unwrap()], "http://restage:4080");
        for (host, is_local, is_lan, is_any) in [
            ("127.0.0.1:4080", true, true, true),
            ("127.3.2.1", true, true, true),
            ("LOCALHOST:9", true, true, true),
            ("localhost.", true, true, true),
            ("a.localhost", true, true, true),
            ("[::1]:4080", true, true, true),
            ("[::ffff:127.0.0.1]", true, true, true),
            ("192.0.2.7:1", false, true, true),
            ("198.51.100.1", false, false, true),
            ("video.example.org", false, true, false),
            ("restage:4080", false, false, true),
            ("rebound.attacker.example", false, false, false),
            ("localhost.attacker.example", false, false, false),
            ("127.0.0.1.attacker.example", false, false, false),
            ("127.0.0.1@attacker.example", false, false, false),
            ("", false, false, false),
            ("a b", false, false, false),
        ] {
            let given = headers(&[(HOST, host)]);
            let found = [&local, &lan, &any].map(|hosts| hosts.are_meant(&given));
            assert_eq!(found, [is_local, is_lan, is_any], "{host:?}");
        }
        assert!(local.are_meant(&HeaderMap::new()));
    }

    #[test]
    fn only_this_servers_pages_ask() {
        let hosts = Hosts::new(
            &["127.0.0.1".parse().unwrap()],
            "https://video.example.org/live",
        );
        for (host, origins, is_own) in [
            ("127.0.0.1:4080", &[][..], true),
            ("127.0.0.1:4080", &["http://127.0.0.1:4080"], true),
            ("localhost:4080", &["http://localhost:4080"], true),
            ("127.0.0.1:4080", &["https://video.example.org"], true),
            ("127.0.0.1:4080", &["http://localhost:4080"], false),
            ("127.0.0.1:4080", &["http://127.0.0.1:3000"], false),
            ("127.0.0.1:4080", &["https://attacker.example"], false),
            (
                "127.0.0.1:4080",
                &["https://video.example.org.attacker.example"],
                false,
            ),
            ("127.0.0.1:4080", &["null"], false),
            ("127.0.0.1:4080", &[""], false),
            (
                "127.0.0.1:4080",
                &["http://127.0.0.1:4080", "https://attacker.example"],
                false,
            ),
        ] {
            let mut given = headers(&[(HOST, host)]);
            for origin in origins {
                given.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            assert_eq!(hosts.are_asking(&given), is_own, "{host} {origins:?}");
        }
    }

    #[test]
    fn there_is_one_host_and_it_is_the_urls() {
        let found = |version, url: &str, hosts: &[&str]| {
            let all: Vec<_> = hosts.iter().map(|host| (HOST, *host)).collect();
            fault(&headers(&all), &url.parse().unwrap(), version).is_some()
        };
        for (version, url, hosts, is_wrong) in [
            (Version::HTTP_11, "/", &["a"][..], false),
            (Version::HTTP_11, "/", &[], true),
            (Version::HTTP_10, "/", &[], false),
            (Version::HTTP_11, "/", &["a", "a"], true),
            (Version::HTTP_10, "/", &["a", "b"], true),
            (Version::HTTP_11, "http://a/", &["A"], false),
            (Version::HTTP_11, "http://a/", &["a:80"], false),
            (Version::HTTP_11, "https://a:443/", &["a"], false),
            (Version::HTTP_11, "https://a/", &["a:80"], true),
            (Version::HTTP_11, "http://a:4080/", &["a:4080"], false),
            (Version::HTTP_11, "http://a:4080/", &["a"], true),
            (Version::HTTP_11, "http://a/", &["b"], true),
            (Version::HTTP_11, "http://a/", &[""], true),
        ] {
            assert_eq!(found(version, url, hosts), is_wrong, "{url} {hosts:?}");
        }
    }
}
