//! Where a stream is pushed to.

use std::fmt;

use reqwest::Url;
use restage_rtmp::PushName;

/// Ports of RTMP and RTMPS, where a URL names none.
const PORT_PLAIN: u16 = 1935;
const PORT_TLS: u16 = 443;

/// An RTMP or RTMPS server and the name under which a stream is published there. Neither `Debug` nor `Display` shows the stream key, or what a
/// URL has after a question mark.
#[derive(Clone, PartialEq, Eq)]
pub struct PushTarget {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    pub(super) name: PushName,
    shown: String,
}

impl PushTarget {
    /// Reads `rtmp://host[:port]/app[/..]` or `rtmps://..`. The port is 1935 or 443 where there is none.
    ///
    /// # Errors
    /// A clause that says what is wrong; it does not repeat the key.
    pub fn parse(url: &str, stream_key: &str) -> Result<Self, String> {
        let parsed =
            Url::parse(url.trim()).map_err(|error| format!("the URL cannot be read: {error}"))?;
        let is_tls = match parsed.scheme() {
            "rtmp" => false,
            "rtmps" => true,
            _ => return Err("the URL must begin with rtmp:// or rtmps://".to_owned()),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("the URL must have no user and no password".to_owned());
        }
        if parsed.fragment().is_some() {
            return Err("the URL must have no part after a #".to_owned());
        }
        let shown_host = parsed.host_str().filter(|host| !host.is_empty());
        let shown_host = shown_host.ok_or_else(|| "the URL has no host".to_owned())?;
        let port = parsed
            .port()
            .unwrap_or(if is_tls { PORT_TLS } else { PORT_PLAIN });
        let path = parsed.path().trim_matches('/');
        if path.is_empty() {
            return Err("the URL must have the name of an application: rtmp://host/app".to_owned());
        }
        let app = match parsed.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let server = format!("{}://{shown_host}:{port}", parsed.scheme());
        let name = PushName::new(&app, &format!("{server}/{app}"), stream_key)?;
        Ok(Self {
            host: shown_host.trim_matches(['[', ']']).to_owned(),
            port,
            is_tls,
            name,
            shown: format!("{server}/{path}"),
        })
    }
}

impl fmt::Display for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushTarget({}, ..)", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (url, host, port, is_tls, shown) in [
            (
                "rtmp://live.example/app",
                "live.example",
                1935,
                false,
                "rtmp://live.example:1935/app",
            ),
            (
                "rtmps://live.example/app/",
                "live.example",
                443,
                true,
                "rtmps://live.example:443/app",
            ),
            ("rtmp://[::1]:5/a/b", "::1", 5, false, "rtmp://[::1]:5/a/b"),
            (
                "rtmp://10.0.0.1:1/a?token=x",
                "10.0.0.1",
                1,
                false,
                "rtmp://10.0.0.1:1/a",
            ),
        ] {
            let target = PushTarget::parse(url, "sk_secret").unwrap();
            assert_eq!(
                (target.host.as_str(), target.port, target.is_tls),
                (host, port, is_tls)
            );
            assert_eq!(target.to_string(), shown);
            let debug = format!("{target:?}");
            assert!(
                !debug.contains("sk_secret") && !debug.contains("token"),
                "{debug}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_the_key() {
        for (url, key) in [
            ("http://host/app", "sk_secret"),
            ("rtmp://host", "sk_secret"),
            ("rtmp:///app", "sk_secret"),
            ("rtmp://user:pw@host/app", "sk_secret"),
            ("rtmp://host/app#x", "sk_secret"),
            ("rtmp://host:99999/app", "sk_secret"),
            ("live.example/app", "sk_secret"),
            ("rtmp://host/app", ""),
            ("rtmp://host/app", "sk_secret\n"),
        ] {
            let error = PushTarget::parse(url, key).unwrap_err();
            assert!(!error.contains("sk_secret"), "{error}");
        }
    }
}
