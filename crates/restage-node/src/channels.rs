//! The channels of the configuration: RTMP servers under the names of channels. A channel is another service's resource; here
//! its ARN stands for a server and a key, so that a composition can be sent anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use restage_core::ChannelArn;

use crate::Secret;

/// The server that a channel stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    /// `rtmp://` or `rtmps://`, a host, perhaps a port, and the name of an application.
    pub url: String,
    /// The name to publish by, which is a secret.
    pub stream_key: Secret,
}

/// Channels by ARN. Clones share them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Channels(Arc<BTreeMap<ChannelArn, Channel>>);

impl Channels {
    /// The channel with this ARN, if the configuration names it.
    pub fn get(&self, arn: &ChannelArn) -> Option<&Channel> {
        self.0.get(arn)
    }

    /// The ARNs of the channels of an account in a Region, in their order.
    pub fn of<'a>(
        &'a self,
        account: &'a str,
        region: &'a str,
    ) -> impl Iterator<Item = &'a ChannelArn> {
        let all = self.0.keys();
        all.filter(move |arn| arn.account == account && arn.region == region)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<BTreeMap<ChannelArn, Channel>> for Channels {
    fn from(channels: BTreeMap<ChannelArn, Channel>) -> Self {
        Self(Arc::new(channels))
    }
}
