//! Channels: the ARNs to which compositions may be sent, each with its RTMP server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use restage_core::ChannelArn;
use restage_node::Secret;
use restage_node::channels::{Channel as Server, Channels};
use restage_node::push::PushTarget;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Settings};
use crate::keys::is_account;

/// Most channels of a configuration.
const CHANNELS_MAX: usize = 10_000;
/// Longest URL of a server, in bytes.
const URL_LEN_MAX: usize = 2_048;
/// Longest stream key, in bytes.
const STREAM_KEY_LEN_MAX: usize = 1_024;

/// A channel, and the server that it stands for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Channel {
    /// The name by which StartComposition knows it: `arn:aws:ivs:<Region>:<account>:channel/<id>`, whose last part is one's own
    /// choice.
    pub arn: String,
    /// `rtmp://` or `rtmps://`, a host, perhaps a port, and the name of an application.
    pub url: String,
    /// The key by which the server takes the stream.
    pub stream_key: Option<Secret>,
    /// A file that contains only the key.
    pub stream_key_file: Option<PathBuf>,
}

impl Settings {
    /// The channels, with their keys.
    pub(super) fn channels(&self) -> Result<Channels, ConfigError> {
        if self.channel.len() > CHANNELS_MAX {
            return Err(ConfigError::Channels(CHANNELS_MAX));
        }
        let mut channels = BTreeMap::new();
        for (index, entry) in self.channel.iter().enumerate() {
            let refuse = |reason: String| ConfigError::Channel {
                // The ARN may be what is wrong.
                entry: index + 1,
                reason,
            };
            let arn = entry.arn().map_err(refuse)?;
            let server = entry.server().map_err(refuse)?;
            if channels.insert(arn, server).is_some() {
                let reason = "arn is that of another entry: leave one out".to_owned();
                return Err(refuse(reason));
            }
        }
        Ok(channels.into())
    }
}

impl Channel {
    fn arn(&self) -> Result<ChannelArn, String> {
        let arn = ChannelArn::parse(&self.arn).filter(|arn| is_account(&arn.account));
        arn.ok_or_else(|| {
            "arn must be arn:aws:ivs:<Region>:<account of 12 digits>:channel/<id of letters, digits and hyphens>"
                .to_owned()
        })
    }

    fn server(&self) -> Result<Server, String> {
        if self.url.len() > URL_LEN_MAX {
            return Err(format!("url must have at most {URL_LEN_MAX} bytes"));
        }
        let stream_key = match (&self.stream_key, &self.stream_key_file) {
            (Some(key), None) => key.clone(),
            (None, Some(path)) => read(path)?,
            _ => return Err("either stream-key or stream-key-file must be there".to_owned()),
        };
        let key = stream_key.reveal();
        if key.is_empty() || key.len() > STREAM_KEY_LEN_MAX || key.contains(char::is_control) {
            return Err(format!(
                "the stream key must be 1 to {STREAM_KEY_LEN_MAX} bytes without control characters"
            ));
        }
        // It may contain a secret, and the sentence does not repeat it.
        PushTarget::parse(&self.url, key).map_err(|error| format!("url: {error}"))?;
        Ok(Server {
            url: self.url.clone(),
            stream_key,
        })
    }
}

fn read(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("stream-key-file: cannot read {shown}: {error}"))?;
    Ok(text.trim().into())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const ARN: &str = "arn:aws:ivs:eu-west-1:111122223333:channel/youtube";

    fn resolve(text: &str) -> Result<Config, ConfigError> {
        toml::from_str::<Settings>(text).unwrap().resolve()
    }

    fn entry(arn: &str, url: &str, rest: &str) -> String {
        format!("[[channel]]\narn = {arn:?}\nurl = {url:?}\n{rest}\n")
    }

    #[test]
    fn a_channel_has_a_server_and_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "from-file\n").unwrap();
        let two = [
            entry(
                ARN,
                "rtmps://a.example.org:443/live2",
                "stream-key = \"abcd\"",
            ),
            entry(
                "arn:aws:ivs:eu-west-1:111122223333:channel/own-1",
                "rtmp://[::1]:1935/app/inst?a=b",
                &format!("stream-key-file = {path:?}"),
            ),
        ];
        let channels = resolve(&two.concat()).unwrap().channels;
        assert_eq!(channels.len(), 2);
        let of = |arn: &str| channels.get(&ChannelArn::parse(arn).unwrap()).unwrap();
        assert_eq!(of(ARN).url, "rtmps://a.example.org:443/live2");
        assert_eq!(of(ARN).stream_key.reveal(), "abcd");
        let own = of("arn:aws:ivs:eu-west-1:111122223333:channel/own-1");
        assert_eq!(own.stream_key.reveal(), "from-file");
        assert!(!format!("{channels:?}").contains("abcd"));
        assert!(resolve("").unwrap().channels.is_empty());
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_entry_and_the_member() {
        let key = "stream-key = \"hunter2\"";
        let good = "rtmp://h/app";
        let wrong_url = |url: &str| entry(ARN, url, key);
        for (text, words) in [
            (entry("stage/a", good, key), "entry 1: arn must be"),
            (
                entry("arn:aws:ivs:eu-west-1:1:channel/a", good, key),
                "12 digits",
            ),
            (
                entry("arn:aws:ivs:eu-west-1:111122223333:stage/a", good, key),
                "entry 1: arn must be",
            ),
            (wrong_url("https://h/app"), "begin with rtmp://"),
            (wrong_url("h/app"), "url: the URL cannot be read"),
            (wrong_url("rtmp://h"), "name of an application"),
            (wrong_url("rtmp://h/"), "name of an application"),
            (wrong_url("rtmp://me:hunter2@h/app"), "no user"),
            (wrong_url("rtmp://h/app#hunter2"), "after a #"),
            (
                wrong_url("rtmp://h:99999/app"),
                "url: the URL cannot be read",
            ),
            (entry(ARN, good, ""), "either stream-key or"),
            (
                entry(ARN, good, "stream-key = \"a\"\nstream-key-file = \"b\""),
                "either stream-key or",
            ),
            (entry(ARN, good, "stream-key = \"\""), "1 to 1024 bytes"),
            (
                entry(ARN, good, "stream-key-file = \"/none/there\""),
                "cannot read /none/there",
            ),
            (
                entry(ARN, good, key) + &entry(ARN, good, key),
                "entry 2: arn is that of another",
            ),
        ] {
            let error = resolve(&text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
