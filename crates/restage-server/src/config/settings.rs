//! The settings as flags, environment variables and lines of `restage.toml` give them: each may be absent.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use restage_node::Secret;
use restage_store::SqliteSync;
use serde::{Deserialize, Deserializer, Serialize};

use super::{AccessKey, AcmeChallenge, Channel, ConfigError, Network, S3, TlsMode};

/// Whether API requests must carry a valid signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Verify SigV4 (the default).
    Verify,
    /// Accept any request; the region is still read from the credential scope when there is one.
    None,
}

/// The set of limits in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitSet {
    /// Generous limits, for self-hosting.
    Open,
    /// The limits of Amazon IVS.
    Aws,
}

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Which viewers get H.264 of a higher profile than they offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileMatch {
    /// Viewers that offer only Baseline also get Main and High, because most can decode them.
    Lenient,
    /// Viewers get only profiles that they offer to decode.
    Strict,
}

impl From<ProfileMatch> for restage_media::H264ProfileMatch {
    fn from(setting: ProfileMatch) -> Self {
        match setting {
            ProfileMatch::Lenient => Self::Lenient,
            ProfileMatch::Strict => Self::Strict,
        }
    }
}

/// A codec of pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum VideoCodec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
}

impl From<VideoCodec> for restage_core::VideoCodec {
    fn from(setting: VideoCodec) -> Self {
        match setting {
            VideoCodec::H264 => Self::H264,
            VideoCodec::H265 => Self::H265,
            VideoCodec::Vp8 => Self::Vp8,
            VideoCodec::Vp9 => Self::Vp9,
            VideoCodec::Av1 => Self::Av1,
        }
    }
}

/// The flags of `restage serve`, each also an environment variable and a line in the file.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Directory for the database, the credentials and the token key [default: data]
    #[arg(long, env = "RESTAGE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Database: postgres://USER@HOST/DATABASE or sqlite:FILE. A password is better in RESTAGE_DATABASE, the configuration file or PGPASSWORD than in a flag [default: restage.db in the data directory]
    #[arg(
        long,
        env = "RESTAGE_DATABASE",
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    pub database: Option<Secret>,
    /// Address of an HTTP listener: API, WHIP, WHEP, events, console; repeatable [default: 127.0.0.1:4080]
    #[arg(long, env = "RESTAGE_HTTP", value_name = "ADDR", value_delimiter = ',')]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_more"
    )]
    pub http: Vec<SocketAddr>,
    /// Certificate chain (PEM) with which the HTTP listeners serve TLS; read again when it changes [default: no TLS]
    #[arg(long, env = "RESTAGE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of that certificate
    #[arg(long, env = "RESTAGE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Get a certificate for the host of --public-url from an authority, by ACME, and renew it [default: off]
    #[arg(long, env = "RESTAGE_TLS", value_enum)]
    pub tls: Option<TlsMode>,
    /// Consent to the terms of the ACME authority, which --tls auto needs [default: false]
    #[arg(
        long,
        env = "RESTAGE_ACME_ACCEPT_TERMS",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub acme_accept_terms: Option<bool>,
    /// Directory of the ACME authority [default: Let's Encrypt]
    #[arg(long, env = "RESTAGE_ACME_DIRECTORY", value_name = "URL")]
    pub acme_directory: Option<String>,
    /// Root certificates (PEM) by which the ACME authority itself is known, for an authority of your own [default: the system's]
    #[arg(long, env = "RESTAGE_ACME_CA_FILE", value_name = "FILE")]
    pub acme_ca_file: Option<PathBuf>,
    /// Where the ACME authority writes to if something is wrong [default: nowhere]
    #[arg(long, env = "RESTAGE_ACME_EMAIL", value_name = "ADDRESS")]
    pub acme_email: Option<String>,
    /// How the ACME authority checks the host; setting it says that the port is forwarded to this server [default: tls-alpn-01 with a listener on port 443, http-01 with one on port 80]
    #[arg(long, env = "RESTAGE_ACME_CHALLENGE", value_enum)]
    pub acme_challenge: Option<AcmeChallenge>,
    /// Kind of certificate, as the ACME authority names it [default: shortlived for an address, else the authority's]
    #[arg(long, env = "RESTAGE_ACME_PROFILE", value_name = "NAME")]
    pub acme_profile: Option<String>,
    /// UDP port for media [default: 4081]
    #[arg(long, env = "RESTAGE_MEDIA_PORT", value_name = "PORT")]
    pub media_port: Option<u16>,
    /// Media threads, each with a UDP port of its own: the media port and those after it [default: 1]
    #[arg(long, env = "RESTAGE_WORKERS", value_name = "N")]
    pub workers: Option<u16>,
    /// Address offered to clients for media; repeatable [default: this host's addresses, for clients on this host only while HTTP is on loopback]
    #[arg(
        long,
        env = "RESTAGE_MEDIA_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media_ip: Vec<IpAddr>,
    /// TCP port offered for media besides UDP, at which an HTTP listener is reached; 0: none [default: the port of the HTTP listener at the same address]
    #[arg(long, env = "RESTAGE_MEDIA_TCP_PORT", value_name = "PORT")]
    pub media_tcp_port: Option<u16>,
    /// Relay media through the media ports and the HTTP listeners (TURN) for clients that get it in no other way [default: true with TLS, else false]
    #[arg(
        long,
        env = "RESTAGE_TURN",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub turn: Option<bool>,
    /// Whether viewers that offer only a lower H.264 profile than the publisher's get the stream all the same [default: lenient]
    #[arg(long, env = "RESTAGE_H264_PROFILE_MATCH", value_enum)]
    pub h264_profile_match: Option<ProfileMatch>,
    /// The URL at which clients reach the HTTP listeners; tokens and stage endpoints contain it. If it has a path, the proxy in front removes it [default: http://ADDR, with TLS https://ADDR]
    #[arg(long, env = "RESTAGE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Account of the key in the data directory's credentials file: 12 digits [default: 000000000000]
    #[arg(long, env = "RESTAGE_ACCOUNT_ID", value_name = "ID")]
    pub account_id: Option<String>,
    /// Verify API signatures, or accept any request [default: verify]
    #[arg(long, env = "RESTAGE_AUTH", value_enum)]
    pub auth: Option<Auth>,
    /// Allow HTTP beyond loopback with --auth none: anybody who reaches it may call every operation [default: false]
    #[arg(
        long,
        env = "RESTAGE_EXPOSE_WITHOUT_AUTH",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub expose_without_auth: Option<bool>,
    /// Networks of proxies whose reports about client addresses are trusted, by X-Forwarded-For or PROXY protocol version 2; repeatable [default: none]
    #[arg(
        long,
        env = "RESTAGE_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Network>,
    /// HTTP connections that one client address may have; IPv6 addresses are counted by their /64; 0: no limit [default: 1000]
    #[arg(long, env = "RESTAGE_CONNECTIONS_PER_ADDRESS", value_name = "COUNT")]
    pub connections_per_address: Option<u32>,
    /// Limits: generous, or those of Amazon IVS [default: open]
    #[arg(long, env = "RESTAGE_LIMITS", value_enum)]
    pub limits: Option<LimitSet>,
    /// Stages per account and region [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_STAGES", value_name = "COUNT")]
    pub limit_stages: Option<u32>,
    /// Public keys per account and region [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_PUBLIC_KEYS", value_name = "COUNT")]
    pub limit_public_keys: Option<u32>,
    /// Encoder configurations per account and region [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_LIMIT_ENCODER_CONFIGURATIONS",
        value_name = "COUNT"
    )]
    pub limit_encoder_configurations: Option<u32>,
    /// Storage configurations per account and region [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_LIMIT_STORAGE_CONFIGURATIONS",
        value_name = "COUNT"
    )]
    pub limit_storage_configurations: Option<u32>,
    /// Ingest configurations per account and region [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_LIMIT_INGEST_CONFIGURATIONS",
        value_name = "COUNT"
    )]
    pub limit_ingest_configurations: Option<u32>,
    /// Compositions per account and region that have not ended [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_COMPOSITIONS", value_name = "COUNT")]
    pub limit_compositions: Option<u32>,
    /// Compositions per stage that have not ended [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_LIMIT_COMPOSITIONS_PER_STAGE",
        value_name = "COUNT"
    )]
    pub limit_compositions_per_stage: Option<u32>,
    /// Publishers per stage, replicas included [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_PUBLISHERS_PER_STAGE", value_name = "COUNT")]
    pub limit_publishers_per_stage: Option<u32>,
    /// Participants with a subscription, per stage [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_LIMIT_SUBSCRIBERS_PER_STAGE",
        value_name = "COUNT"
    )]
    pub limit_subscribers_per_stage: Option<u32>,
    /// Concurrent replications of a participant [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_LIMIT_REPLICATIONS_PER_PARTICIPANT",
        value_name = "COUNT"
    )]
    pub limit_replications_per_participant: Option<u32>,
    /// Concurrent publishers per account and region, replicas included [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_PUBLISHERS", value_name = "COUNT")]
    pub limit_publishers: Option<u32>,
    /// Concurrent subscriptions (pairs of a publisher and a subscriber) per account and region [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_SUBSCRIPTIONS", value_name = "COUNT")]
    pub limit_subscriptions: Option<u32>,
    /// Longest duration of one publishing or subscribing connection, in seconds; 0: no limit [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_CONNECTION_SECONDS", value_name = "SECONDS")]
    pub limit_connection_seconds: Option<u32>,
    /// Bits per second that a participant may publish, all layers together; 0: no limit [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_PUBLISH_BITRATE", value_name = "BITS")]
    pub limit_publish_bitrate: Option<u32>,
    /// Bits per second that a participant may receive, all subscriptions together; 0: no limit [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_DOWNLOAD_BITRATE", value_name = "BITS")]
    pub limit_download_bitrate: Option<u32>,
    /// Largest published picture, as lines of a 16:9 picture: 720 is 1280x720; 0: no limit [default: as --limits says]
    #[arg(long, env = "RESTAGE_LIMIT_PUBLISH_RESOLUTION", value_name = "LINES")]
    pub limit_publish_resolution: Option<u32>,
    /// Codec in which pictures may be published; repeatable; others are left out of answers to publishers [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_LIMIT_PUBLISH_CODECS",
        value_enum,
        value_name = "CODEC",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limit_publish_codecs: Vec<VideoCodec>,
    /// Calls of CreateParticipantToken per second, per account and region; 0: no limit [default: as --limits says]
    #[arg(
        long,
        env = "RESTAGE_RATE_CREATE_PARTICIPANT_TOKEN",
        value_name = "CALLS"
    )]
    pub rate_create_participant_token: Option<u32>,
    /// Calls of each operation about tags per second, per account and region; 0: no limit [default: as --limits says]
    #[arg(long, env = "RESTAGE_RATE_TAGS", value_name = "CALLS")]
    pub rate_tags: Option<u32>,
    /// Calls of each operation about public keys per second, per account and region; 0: no limit [default: as --limits says]
    #[arg(long, env = "RESTAGE_RATE_PUBLIC_KEYS", value_name = "CALLS")]
    pub rate_public_keys: Option<u32>,
    /// Calls of each other operation per second, per account and region; 0: no limit [default: as --limits says]
    #[arg(long, env = "RESTAGE_RATE_OTHERS", value_name = "CALLS")]
    pub rate_others: Option<u32>,
    /// Access keys in addition to those in the data directory; only in the file.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_keys: Vec<AccessKey>,
    /// A stage session ends when nobody has published for this many seconds [default: 300]
    #[arg(long, env = "RESTAGE_SESSION_IDLE_SECONDS", value_name = "SECONDS")]
    pub session_idle_seconds: Option<u32>,
    /// Address at which encoders publish by RTMP, such as 0.0.0.0:1935; for ingest configurations that permit it [default: none]
    #[arg(long, env = "RESTAGE_RTMP", value_name = "ADDR")]
    pub rtmp: Option<SocketAddr>,
    /// Address at which encoders publish by RTMPS, such as 0.0.0.0:443; it needs TLS [default: none]
    #[arg(long, env = "RESTAGE_RTMPS", value_name = "ADDR")]
    pub rtmps: Option<SocketAddr>,
    /// Address of a listener for /metrics alone [default: on the HTTP listener while that is on loopback, else none]
    #[arg(long, env = "RESTAGE_METRICS", value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Collector for traces (OTLP over HTTP), such as http://127.0.0.1:4318 [default: none]
    #[arg(long, env = "RESTAGE_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Post events to this URL [default: none]
    #[arg(
        long,
        env = "RESTAGE_WEBHOOK_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub webhook_url: Option<Secret>,
    /// Secret for signatures of webhook events: 16 bytes or more, or whsec_ and base64. Better in RESTAGE_WEBHOOK_SECRET or the configuration file than in a flag
    #[arg(
        long,
        env = "RESTAGE_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub webhook_secret: Option<Secret>,
    /// Number of refusals by the webhook after which an event becomes a dead letter [default: 16]
    #[arg(long, env = "RESTAGE_WEBHOOK_ATTEMPTS", value_name = "COUNT")]
    pub webhook_attempts: Option<u32>,
    /// Stages whose events are posted at the same time, 1 to 1024; those of one stage are posted one after the other [default: 64]
    #[arg(long, env = "RESTAGE_WEBHOOK_LANES", value_name = "COUNT")]
    pub webhook_lanes: Option<u16>,
    /// Append events to this file, one JSON object per line [default: none]
    #[arg(long, env = "RESTAGE_EVENTS_FILE", value_name = "FILE")]
    pub events_file: Option<PathBuf>,
    /// Also send events that Amazon IVS does not have: joins, subscriptions, sessions [default: false]
    #[arg(
        long,
        env = "RESTAGE_EVENTS_EXTRA",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub events_extra: Option<bool>,
    /// Size of the answer cache in megabytes; an answer is reused until its rows change; 0 turns the cache off [default: 16]
    #[arg(long, env = "RESTAGE_ANSWERS_MB", value_name = "MB")]
    pub answers_mb: Option<u32>,
    /// What a commit to SQLite waits for: the disk, or only the system, where a power cut may lose the last calls [default: full]
    #[arg(long, env = "RESTAGE_SQLITE_SYNC", value_enum)]
    pub sqlite_sync: Option<SqliteSync>,
    /// Start although the database was lost or is damaged, and report what is missing; use it for one start only [default: false]
    #[arg(
        long,
        env = "RESTAGE_ACCEPT_DATA_LOSS",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub accept_data_loss: Option<bool>,
    /// Start although the spool is missing in which recordings wait, and let them fail; use it for one start only [default: false]
    #[arg(
        long,
        env = "RESTAGE_ACCEPT_SPOOL_LOSS",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub accept_spool_loss: Option<bool>,
    /// Let recordings go on whose buckets were in another place when they began; use it for one start only [default: false]
    #[arg(
        long,
        env = "RESTAGE_ACCEPT_MOVED_BUCKETS",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub accept_moved_buckets: Option<bool>,
    /// Decode pictures for thumbnails even where the kernel cannot lock the decoder in (Landlock, seccomp) [default: false]
    #[arg(
        long,
        env = "RESTAGE_THUMBNAILS_WITHOUT_SANDBOX",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub thumbnails_without_sandbox: Option<bool>,
    /// Remove sessions, participants, events and stopped replicas this many days after their end; 0 keeps them [default: 60]
    #[arg(long, env = "RESTAGE_RETENTION_DAYS", value_name = "DAYS")]
    pub retention_days: Option<u32>,
    /// Folder whose subfolders are the buckets of recordings; none is made [default: recordings in the data directory, where buckets are made]
    #[arg(long, env = "RESTAGE_STORAGE_ROOT", value_name = "DIR")]
    pub storage_root: Option<PathBuf>,
    /// Buckets of S3 and of what speaks it; only in the file.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub s3: Vec<S3>,
    /// Channels to which compositions may be sent, each with its RTMP server; only in the file.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channel: Vec<Channel>,
    /// Megabytes of recordings that may wait on this machine for their buckets; a recording that finds no room ends [default: 16384]
    #[arg(long, env = "RESTAGE_SPOOL_MB", value_name = "MB")]
    pub spool_mb: Option<u32>,
    /// Megabytes of one recording that may wait for its bucket [default: 4096, and no more than --spool-mb]
    #[arg(long, env = "RESTAGE_SPOOL_RECORDING_MB", value_name = "MB")]
    pub spool_recording_mb: Option<u32>,
    /// Days that a recording may wait for its bucket; then it is given up; 0: no limit [default: 7]
    #[arg(long, env = "RESTAGE_SPOOL_DAYS", value_name = "DAYS")]
    pub spool_days: Option<u32>,
    /// Format of log lines: for people or for programs [default: text]
    #[arg(long, env = "RESTAGE_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

impl Settings {
    /// Reads a `restage.toml`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Fills settings that are absent here from `lower`, the source with the next lower precedence.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(lower.data_dir),
            database: self.database.or(lower.database),
            http: if self.http.is_empty() {
                lower.http
            } else {
                self.http
            },
            tls_cert: self.tls_cert.or(lower.tls_cert),
            tls_key: self.tls_key.or(lower.tls_key),
            tls: self.tls.or(lower.tls),
            acme_accept_terms: self.acme_accept_terms.or(lower.acme_accept_terms),
            acme_directory: self.acme_directory.or(lower.acme_directory),
            acme_ca_file: self.acme_ca_file.or(lower.acme_ca_file),
            acme_email: self.acme_email.or(lower.acme_email),
            acme_challenge: self.acme_challenge.or(lower.acme_challenge),
            acme_profile: self.acme_profile.or(lower.acme_profile),
            media_port: self.media_port.or(lower.media_port),
            workers: self.workers.or(lower.workers),
            media_ip: if self.media_ip.is_empty() {
                lower.media_ip
            } else {
                self.media_ip
            },
            media_tcp_port: self.media_tcp_port.or(lower.media_tcp_port),
            turn: self.turn.or(lower.turn),
            h264_profile_match: self.h264_profile_match.or(lower.h264_profile_match),
            public_url: self.public_url.or(lower.public_url),
            account_id: self.account_id.or(lower.account_id),
            auth: self.auth.or(lower.auth),
            expose_without_auth: self.expose_without_auth.or(lower.expose_without_auth),
            trusted_proxies: if self.trusted_proxies.is_empty() {
                lower.trusted_proxies
            } else {
                self.trusted_proxies
            },
            connections_per_address: self
                .connections_per_address
                .or(lower.connections_per_address),
            limits: self.limits.or(lower.limits),
            limit_stages: self.limit_stages.or(lower.limit_stages),
            limit_public_keys: self.limit_public_keys.or(lower.limit_public_keys),
            limit_encoder_configurations: self
                .limit_encoder_configurations
                .or(lower.limit_encoder_configurations),
            limit_storage_configurations: self
                .limit_storage_configurations
                .or(lower.limit_storage_configurations),
            limit_ingest_configurations: self
                .limit_ingest_configurations
                .or(lower.limit_ingest_configurations),
            limit_compositions: self.limit_compositions.or(lower.limit_compositions),
            limit_compositions_per_stage: self
                .limit_compositions_per_stage
                .or(lower.limit_compositions_per_stage),
            limit_publishers_per_stage: self
                .limit_publishers_per_stage
                .or(lower.limit_publishers_per_stage),
            limit_subscribers_per_stage: self
                .limit_subscribers_per_stage
                .or(lower.limit_subscribers_per_stage),
            limit_replications_per_participant: self
                .limit_replications_per_participant
                .or(lower.limit_replications_per_participant),
            limit_publishers: self.limit_publishers.or(lower.limit_publishers),
            limit_subscriptions: self.limit_subscriptions.or(lower.limit_subscriptions),
            limit_connection_seconds: self
                .limit_connection_seconds
                .or(lower.limit_connection_seconds),
            limit_publish_bitrate: self.limit_publish_bitrate.or(lower.limit_publish_bitrate),
            limit_download_bitrate: self.limit_download_bitrate.or(lower.limit_download_bitrate),
            limit_publish_resolution: self
                .limit_publish_resolution
                .or(lower.limit_publish_resolution),
            limit_publish_codecs: if self.limit_publish_codecs.is_empty() {
                lower.limit_publish_codecs
            } else {
                self.limit_publish_codecs
            },
            rate_create_participant_token: self
                .rate_create_participant_token
                .or(lower.rate_create_participant_token),
            rate_tags: self.rate_tags.or(lower.rate_tags),
            rate_public_keys: self.rate_public_keys.or(lower.rate_public_keys),
            rate_others: self.rate_others.or(lower.rate_others),
            access_keys: if self.access_keys.is_empty() {
                lower.access_keys
            } else {
                self.access_keys
            },
            session_idle_seconds: self.session_idle_seconds.or(lower.session_idle_seconds),
            webhook_url: self.webhook_url.or(lower.webhook_url),
            webhook_secret: self.webhook_secret.or(lower.webhook_secret),
            webhook_attempts: self.webhook_attempts.or(lower.webhook_attempts),
            webhook_lanes: self.webhook_lanes.or(lower.webhook_lanes),
            events_file: self.events_file.or(lower.events_file),
            events_extra: self.events_extra.or(lower.events_extra),
            answers_mb: self.answers_mb.or(lower.answers_mb),
            sqlite_sync: self.sqlite_sync.or(lower.sqlite_sync),
            accept_data_loss: self.accept_data_loss.or(lower.accept_data_loss),
            accept_spool_loss: self.accept_spool_loss.or(lower.accept_spool_loss),
            accept_moved_buckets: self.accept_moved_buckets.or(lower.accept_moved_buckets),
            thumbnails_without_sandbox: self
                .thumbnails_without_sandbox
                .or(lower.thumbnails_without_sandbox),
            retention_days: self.retention_days.or(lower.retention_days),
            storage_root: self.storage_root.or(lower.storage_root),
            s3: if self.s3.is_empty() {
                lower.s3
            } else {
                self.s3
            },
            channel: if self.channel.is_empty() {
                lower.channel
            } else {
                self.channel
            },
            spool_mb: self.spool_mb.or(lower.spool_mb),
            spool_recording_mb: self.spool_recording_mb.or(lower.spool_recording_mb),
            spool_days: self.spool_days.or(lower.spool_days),
            rtmp: self.rtmp.or(lower.rtmp),
            rtmps: self.rtmps.or(lower.rtmps),
            metrics: self.metrics.or(lower.metrics),
            otlp_endpoint: self.otlp_endpoint.or(lower.otlp_endpoint),
            log_format: self.log_format.or(lower.log_format),
        }
    }
}

/// One address, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "an address such as \"127.0.0.1:4080\", or a list of them"
    )]
    enum Addresses {
        One(SocketAddr),
        Some(Vec<SocketAddr>),
    }
    Ok(match Addresses::deserialize(deserializer)? {
        Addresses::One(one) => vec![one],
        Addresses::Some(some) => some,
    })
}
