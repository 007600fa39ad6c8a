//! The channels to which compositions can be sent: RTMP servers, by the ARN that stands for them in the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Secret;

/// An RTMP server and the key to publish there.
#[derive(Clone, Debug)]
pub struct Channel {
    /// `rtmp://` or `rtmps://`, without the key.
    pub url: String,
    /// The key.
    pub stream_key: Secret,
}

/// The channels that the settings name, by ARN. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Channels(Arc<BTreeMap<String, Channel>>);

impl Channels {
    /// The channel with this ARN.
    pub fn get(&self, arn: &str) -> Option<&Channel> {
        self.0.get(arn)
    }
}

impl FromIterator<(String, Channel)> for Channels {
    fn from_iter<I: IntoIterator<Item = (String, Channel)>>(channels: I) -> Self {
        Self(Arc::new(channels.into_iter().collect()))
    }
}
