//! The URLs of this server in stages and tokens.

/// The URLs in stages and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Endpoints {
    pub whip: String,
    pub events: String,
}

/// The URLs by which encoders reach this server, as stages name them. A URL is there only while a listener of its protocol
/// is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestEndpoints {
    /// `rtmp://HOST[:PORT]/app/`
    pub rtmp: Option<String>,
    /// `rtmps://HOST:PORT/app/`
    pub rtmps: Option<String>,
}

impl Endpoints {
    /// The endpoints below a public URL, which has no trailing slash.
    pub fn of(public_url: &str) -> Self {
        let socket = public_url.replacen("http", "ws", 1);
        Self {
            whip: format!("{public_url}/whip"),
            events: format!("{socket}/events"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_follow_the_public_url() {
        let endpoints = Endpoints::of("https://video.example.org");
        assert_eq!(endpoints.whip, "https://video.example.org/whip");
        assert_eq!(endpoints.events, "wss://video.example.org/events");
    }
}
