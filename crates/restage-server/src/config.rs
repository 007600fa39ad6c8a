//! Settings. A flag wins over the environment, the environment over the file, and the file over the default.
//!
//! Every setting is a flag of `restage serve`, an environment variable `RESTAGE_*` and a line in
//! `restage.toml`. [`Settings`] has them as `Option`s, so that a flag's default does not override a value
//! from the file; [`Config`] is what results.

mod access_key;
mod addresses;
mod channel;
mod limits;
mod network;
mod public_url;
mod settings;
mod storage;
#[cfg(test)]
mod tests;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use restage_core::{Limits, Rates};
use restage_node::Secret;
use restage_node::channels::Channels;
use restage_node::outbox::{Sinks, Webhook};
use restage_store::SqliteSync;

use crate::keys::is_account;

pub use self::access_key::AccessKey;
pub use self::addresses::LOCAL_CANDIDATES_MAX;
pub use self::channel::Channel;
pub use self::network::{Network, NetworkError};
pub use self::public_url::port as port_of_url;
pub use self::settings::{Auth, LimitSet, LogFormat, ProfileMatch, Settings, VideoCodec};
pub use self::storage::{S3, StorageConfig, StorageFault, Unusable};
pub use self::tls::{
    AcmeChallenge, AcmeSettings, Host, LETS_ENCRYPT, TlsFault, TlsFiles, TlsMode, TlsSource,
};

/// Refusals after which an event becomes a dead letter; the attempts take more than half an hour.
const WEBHOOK_ATTEMPTS: u32 = 16;
/// Stages whose events are posted at the same time.
const WEBHOOK_LANES: u16 = 64;
const WEBHOOK_LANES_MAX: u16 = 1_024;

/// Connections of one client address. Enough for a house or an office behind one address, and few enough that twenty
/// such addresses leave room for others.
const CONNECTIONS_PER_ADDRESS: u32 = 1_000;

/// Most HTTP listeners.
pub const HTTP_MAX: usize = 8;

/// Most media threads.
pub const WORKERS_MAX: u16 = 256;

/// A fault in the settings. What remedies it is in the sentence, or in [`advice`](Self::advice).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfigError {
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration file {path} is not valid: {source}")]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("rtmps = {0} needs a certificate, and the settings name none")]
    RtmpsWithoutTls(SocketAddr),
    #[error("account-id must be 12 digits, not {0:?}")]
    AccountId(String),
    #[error("public-url {0}; clients are told URLs that begin with it")]
    PublicUrl(&'static str),
    #[error("cannot list this host's addresses ({0})")]
    Addresses(std::io::Error),
    #[error("media-ip {0} cannot be offered to clients: {1}")]
    MediaIp(IpAddr, &'static str),
    #[error("no address to offer for media was found")]
    NoAddress,
    #[error(
        "otlp-endpoint must start with http://, not {0:?}; a collector on this host does the encryption"
    )]
    OtlpEndpoint(String),
    #[error("access-keys, {key}: {reason}")]
    AccessKey { key: String, reason: String },
    #[error("channel, entry {entry}: {reason}")]
    Channel { entry: usize, reason: String },
    #[error("channel may have at most {0} entries")]
    Channels(usize),
    #[error("session-idle-seconds must be at least 1")]
    SessionIdle,
    #[error("webhook-url and webhook-secret go together: events are sent signed or not at all")]
    HalfWebhook,
    #[error("webhook-attempts must be at least 1")]
    WebhookAttempts,
    #[error("webhook-lanes must be 1 to {WEBHOOK_LANES_MAX}")]
    WebhookLanes,
    #[error(
        "auth is none and http is {0}, beyond loopback: whoever reaches it could call every operation"
    )]
    ExposedWithoutAuth(SocketAddr),
    #[error("http may be given {HTTP_MAX} times, and each address once")]
    Http,
    #[error(transparent)]
    Storage(#[from] StorageFault),
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error("workers must be 1 to {WORKERS_MAX}, and the media port leave room for a port of each")]
    Workers,
}

impl ConfigError {
    /// What to do about it, if the sentence does not say it.
    pub const fn advice(&self) -> Option<&'static str> {
        match self {
            Self::RtmpsWithoutTls(_) => Some("--tls-cert and --tls-key, or --tls auto"),
            Self::Addresses(_) | Self::NoAddress => Some("--media-ip"),
            Self::ExposedWithoutAuth(_) => Some(
                "leave auth at verify, listen on loopback, or set expose-without-auth if that is what you want",
            ),
            _ => None,
        }
    }

    /// Whether this machine is at fault, and not what the settings say.
    pub const fn is_of_machine(&self) -> bool {
        matches!(self, Self::Addresses(_) | Self::NoAddress)
    }
}

/// The settings with defaults filled in.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Config {
    pub data_dir: PathBuf,
    /// `None` means a SQLite file in the data directory.
    pub database: Option<Secret>,
    /// The addresses of the HTTP listeners: at least one.
    pub http: Vec<SocketAddr>,
    /// Where the certificate of the HTTP listeners comes from; `None` serves no TLS.
    pub tls: Option<TlsSource>,
    pub media_port: u16,
    pub workers: u16,
    /// Addresses offered for media; if empty, the server finds them when it starts.
    pub media_ip: Vec<IpAddr>,
    /// TCP port offered for media; 0 offers none, `None` the port of an HTTP listener at the same address.
    pub media_tcp_port: Option<u16>,
    /// Whether media is relayed (TURN).
    pub turn: bool,
    /// Which viewers get H.264 of a higher profile than they offer.
    pub h264_profile_match: ProfileMatch,
    /// The URL at which clients reach the server, without a trailing slash; `None` means `http://<http>`, with TLS
    /// `https://<http>`.
    pub public_url: Option<String>,
    pub account_id: String,
    pub auth: Auth,
    /// Whether HTTP may listen beyond loopback although signatures are not verified.
    pub expose_without_auth: bool,
    /// Proxies whose statement about the client's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// Connections that one client address may have; 0 means no limit.
    pub connections_per_address: u32,
    pub limits: Limits,
    pub rates: Rates,
    /// The access keys in the configuration file.
    pub access_keys: Vec<AccessKey>,
    pub session_idle_s: u32,
    /// Where events are sent.
    pub sinks: Sinks,
    /// Size of the answer cache in megabytes; 0 turns it off.
    pub answers_mb: u32,
    /// What a commit to SQLite waits for.
    pub sqlite_sync: SqliteSync,
    /// Whether to start although data is lost or damaged.
    pub accept_data_loss: bool,
    /// Whether to start although the spool is missing in which recordings wait, and let them fail.
    pub accept_spool_loss: bool,
    /// Whether pictures are decoded where the decoder cannot be locked in.
    pub thumbnails_without_sandbox: bool,
    /// Days to keep history; 0 keeps it without limit.
    pub retention_days: u32,
    /// Where recordings go.
    pub storage: StorageConfig,
    /// Where compositions may be sent.
    pub channels: Channels,
    /// Address at which RTMP is served.
    pub rtmp: Option<SocketAddr>,
    /// Address at which RTMPS is served, with the TLS of `tls`.
    pub rtmps: Option<SocketAddr>,
    /// Address of a separate listener for metrics.
    pub metrics: Option<SocketAddr>,
    /// URL of the trace collector, without a trailing slash; `None` sends no traces.
    pub otlp_endpoint: Option<String>,
    pub log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            database: None,
            http: vec![SocketAddr::from(([127, 0, 0, 1], 4080))],
            tls: None,
            media_port: 4081,
            workers: 1,
            media_ip: Vec::new(),
            media_tcp_port: None,
            turn: false,
            h264_profile_match: ProfileMatch::Lenient,
            public_url: None,
            account_id: "000000000000".to_owned(),
            auth: Auth::Verify,
            expose_without_auth: false,
            trusted_proxies: Vec::new(),
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            limits: Limits::OPEN,
            rates: Rates::OPEN,
            access_keys: Vec::new(),
            session_idle_s: 300,
            sinks: Sinks::default(),
            answers_mb: 16,
            sqlite_sync: SqliteSync::Full,
            accept_data_loss: false,
            accept_spool_loss: false,
            thumbnails_without_sandbox: false,
            retention_days: 60,
            storage: StorageConfig::default(),
            channels: Channels::default(),
            rtmp: None,
            rtmps: None,
            metrics: None,
            otlp_endpoint: None,
            log_format: LogFormat::Text,
        }
    }
}

impl Settings {
    /// The sinks for events.
    fn sinks(&self) -> Result<Sinks, ConfigError> {
        let attempts = self.webhook_attempts.unwrap_or(WEBHOOK_ATTEMPTS);
        if attempts == 0 {
            return Err(ConfigError::WebhookAttempts);
        }
        let lanes = self.webhook_lanes.unwrap_or(WEBHOOK_LANES);
        if !(1..=WEBHOOK_LANES_MAX).contains(&lanes) {
            return Err(ConfigError::WebhookLanes);
        }
        let webhook = match (self.webhook_url.clone(), self.webhook_secret.clone()) {
            (Some(url), Some(secret)) => Some(Webhook {
                url,
                secret,
                attempts,
                lanes,
            }),
            (None, None) => None,
            _ => return Err(ConfigError::HalfWebhook),
        };
        Ok(Sinks {
            webhook,
            file: self.events_file.clone(),
            extra: self.events_extra.unwrap_or(false),
        })
    }

    /// Fills in the defaults and checks the settings.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let default = Config::default();
        let (limits, rates) = (self.limits(), self.rates());
        let sinks = self.sinks()?;
        let http = match self.http.is_empty() {
            true => default.http,
            false => self.http.clone(),
        };
        let public_url = plain_url(self.public_url.clone());
        if let Some(url) = &public_url
            && let Err(rule) = public_url::check(url)
        {
            return Err(ConfigError::PublicUrl(rule));
        }
        addresses::check_media_ip(&self.media_ip)?;
        let tls = self.tls(&http, public_url.as_deref())?;
        let has_tls = tls.is_some();
        let storage = self.storage()?;
        let channels = self.channels()?;
        let config = Config {
            data_dir: self.data_dir.unwrap_or(default.data_dir),
            database: self.database,
            http,
            tls,
            media_port: self.media_port.unwrap_or(default.media_port),
            workers: self.workers.unwrap_or(default.workers),
            media_ip: self.media_ip,
            media_tcp_port: self.media_tcp_port,
            turn: self.turn.unwrap_or(has_tls),
            h264_profile_match: self
                .h264_profile_match
                .unwrap_or(default.h264_profile_match),
            public_url,
            account_id: self.account_id.unwrap_or(default.account_id),
            auth: self.auth.unwrap_or(default.auth),
            expose_without_auth: self
                .expose_without_auth
                .unwrap_or(default.expose_without_auth),
            trusted_proxies: self.trusted_proxies,
            connections_per_address: self
                .connections_per_address
                .unwrap_or(default.connections_per_address),
            limits,
            rates,
            access_keys: self.access_keys,
            session_idle_s: self.session_idle_seconds.unwrap_or(default.session_idle_s),
            sinks,
            answers_mb: self.answers_mb.unwrap_or(default.answers_mb),
            sqlite_sync: self.sqlite_sync.unwrap_or(default.sqlite_sync),
            accept_data_loss: self.accept_data_loss.unwrap_or(default.accept_data_loss),
            accept_spool_loss: self.accept_spool_loss.unwrap_or(default.accept_spool_loss),
            thumbnails_without_sandbox: self
                .thumbnails_without_sandbox
                .unwrap_or(default.thumbnails_without_sandbox),
            retention_days: self.retention_days.unwrap_or(default.retention_days),
            storage,
            channels,
            rtmp: self.rtmp,
            rtmps: self.rtmps,
            metrics: self.metrics,
            otlp_endpoint: plain_url(self.otlp_endpoint),
            log_format: self.log_format.unwrap_or(default.log_format),
        };
        if !is_account(&config.account_id) {
            return Err(ConfigError::AccountId(config.account_id));
        }
        for key in &config.access_keys {
            key.check()?;
        }
        if config.http.len() > HTTP_MAX || has_twins(&config.http) {
            return Err(ConfigError::Http);
        }
        if let (Some(address), None) = (config.rtmps, &config.tls) {
            return Err(ConfigError::RtmpsWithoutTls(address));
        }
        if let Some(exposed) = config.http.iter().find(|http| !http.ip().is_loopback())
            && config.auth == Auth::None
            && !config.expose_without_auth
        {
            return Err(ConfigError::ExposedWithoutAuth(*exposed));
        }
        if let Some(url) = &config.otlp_endpoint
            && !url.starts_with("http://")
        {
            return Err(ConfigError::OtlpEndpoint(url.clone()));
        }
        if config.session_idle_s == 0 {
            return Err(ConfigError::SessionIdle);
        }
        let last_port = u32::from(config.media_port) + u32::from(config.workers);
        if !(1..=WORKERS_MAX).contains(&config.workers) || last_port > 1 << 16 {
            return Err(ConfigError::Workers);
        }
        Ok(config)
    }
}

/// Whether an address with a port occurs twice. Port 0 stands for any that is free.
fn has_twins(http: &[SocketAddr]) -> bool {
    let named = |at: usize| http[..at].contains(&http[at]) && http[at].port() != 0;
    (0..http.len()).any(named)
}

/// Removes a trailing slash; an empty URL counts as absent.
fn plain_url(url: Option<String>) -> Option<String> {
    url.filter(|url| !url.is_empty())
        .map(|url| url.trim_end_matches('/').to_owned())
}
