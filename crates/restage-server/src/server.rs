//! Starts, supervises and stops the server.

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use restage_api::PageTokens;
use restage_core::row::{COMPOSITION_JOB, RECORDING_JOB};
use restage_node::composition::Compositions;
use restage_node::control::{Control, Failure, Rules, effect_queue, publish_limits};
use restage_node::jobs::Runners;
use restage_node::media::{
    Audience, Media, MediaSettings, MediaStartError, RelayCredentials, UdpReport,
};
use restage_node::outbox::{self, Senders, WebhookError};
use restage_node::recording::{Recordings, SpoolHome, SpoolHomeError};
use restage_node::retention;
use restage_node::supervise::{Ended, Parts, why};
use restage_node::thumbnails::{Sandbox, THIS_PROGRAM, Thumbnailer};
use restage_node::token::{Endpoints, IngestEndpoints, Tokens};
use restage_storage::{Buckets, RecordingReader, spool};
use restage_store::{Mark, Store, StoreConfig, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::address_watch::AddressWatch;
use crate::config::{Auth, Config, ConfigError, Host};
use crate::data_dir::{DataDir, DataDirError};
use crate::descriptors;
use crate::http::{
    self, Answers, AppState, ConsoleKey, Door, DoorSettings, IceServers, PathChecks,
    RecordingLinks, RecordingSeats, Secure, Throttle,
};
use crate::keys::{Derived, Holder, KeyFile, KeyFileError, KeyRing, Known, Permission};
use crate::metrics::Metrics;
use crate::rtmp;
use crate::secret_permissions::exposed;
use crate::tls::{Standing, Tls, TlsError};

/// Name under which the store keeps the page-token key. Every store that was ever served has one.
const PAGE_KEY: &str = "page-token-key";
/// Time limit for the store, when the server stops, to record that all sessions are closed and to end. A database
/// that does not answer does not delay the stop further: the next start closes what is open.
const STORE_STOP_MAX: Duration = Duration::from_secs(10);
/// Time limit for media workers to end after that.
const MEDIA_STOP_MAX: Duration = Duration::from_secs(5);
/// Minimum time that is left for closing the database.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Media(#[from] MediaStartError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Spool(#[from] SpoolHomeError),
    #[error("{0}")]
    Storage(String),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot listen on {address} for metrics: {source}")]
    ListenMetrics {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot listen on {address} for RTMP: {source}")]
    ListenRtmp {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("could not close what the last run left open: {0}")]
    Recover(#[from] Failure),
    #[error("the page-token key in the store is damaged; restore the database from a backup")]
    PageKey,
    #[error("cannot write {path}: {source}; check its owner and permissions")]
    Mark {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl StartError {
    /// What to do about it, if the sentence does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Config(error) => error.advice(),
            Self::Listen { source, .. } => Some(listen_advice(source)),
            Self::ListenMetrics { .. } => Some("another --metrics"),
            Self::ListenRtmp { .. } => Some("another --rtmp or --rtmps"),
            _ => None,
        }
    }

    /// Whether the settings or the environment say what cannot be; otherwise something failed on this machine.
    pub const fn is_of_settings(&self) -> bool {
        match self {
            Self::Config(error) => !error.is_of_machine(),
            Self::DataDir(DataDirError::HalfCredentials)
            | Self::Webhook(WebhookError::Url | WebhookError::Secret) => true,
            _ => false,
        }
    }
}

/// What helps when an address cannot be listened on.
fn listen_advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "another --http; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE (systemd: \
             AmbientCapabilities)"
        }
        _ => "another --http",
    }
}

/// Why a running server ended by itself.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RunError {
    #[error(transparent)]
    Store(StoreError),
    #[error("media is not served any more: {0}")]
    Media(String),
    #[error(
        "a part of the server ended ({part}: {reason}), which is a defect in restage; start it again"
    )]
    Part { part: &'static str, reason: String },
}

impl From<Ended> for RunError {
    fn from(Ended { part, reason }: Ended) -> Self {
        Self::Part { part, reason }
    }
}

/// A server that accepts traffic.
pub struct Server {
    listeners: Vec<TcpListener>,
    control: Control,
    state: AppState,
    parts: Parts,
    addresses: Vec<SocketAddr>,
    public_url: String,
    candidates: Vec<SocketAddr>,
    audience: Audience,
    metrics: Option<TcpListener>,
    ingest: Vec<rtmp::Listener>,
}

impl Server {
    /// Opens everything and starts the background tasks. [`Server::run`] serves traffic.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let descriptors = descriptors::raise();
        let data = DataDir::open(&config.data_dir)?;
        let mark = Mark::new(data.database_mark(), data.is_used());
        let keys = key_ring(&data, config)?;
        let (listeners, addresses) = listen(&config.http)?;
        let metrics = match config.metrics {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .map_err(|source| StartError::ListenMetrics { address, source })?,
            ),
            None => None,
        };
        let rtmp_listener = listen_for_encoders(config.rtmp)?;
        let rtmps_listener = listen_for_encoders(config.rtmps)?;
        let places = config.media_places()?;
        let tcp = config.tcp_candidates(&places, &addresses);
        let token_secret = data.token_secret()?;
        let (media, events) = Media::start(MediaSettings {
            places: places.clone(),
            port: config.media_port,
            workers: config.workers,
            seed: rand::random(),
            limits: publish_limits(&config.limits),
            profiles: config.h264_profile_match.into(),
            tcp: tcp.clone(),
            relay: config.turn.then(|| RelayCredentials::new(&token_secret)),
        })?;
        let senders = Senders::new(&config.sinks)?;
        for unusable in config.storage.unusable() {
            if unusable.is_fatal {
                return Err(StartError::Storage(unusable.sentence));
            }
            tracing::warn!("{}", unusable.sentence);
        }
        // Before a database is opened that another server on this directory uses.
        let spool = spool::lock(&data.spool()).map_err(SpoolHomeError::from)?;
        let database = store_config(config, &data)?
            .with_outbox(config.sinks.outbox_config())
            .syncing(config.sqlite_sync)
            .accepting_loss(config.accept_data_loss);
        mark.check_file(&database)?;
        let (room, sink, effects) = effect_queue();
        let store = Store::open(&database, sink).await?;
        if let Err(error) = mark.check(&store, &database, PAGE_KEY).await {
            // Closes the database, so that no file of it remains beside a database that is put back.
            store.close().await;
            return Err(error.into());
        }
        for open in exposed(config) {
            tracing::warn!("{open}");
        }
        let reached = addresses.iter().find(|address| !address.ip().is_loopback());
        if let (Auth::None, Some(address)) = (config.auth, reached) {
            tracing::warn!(
                "whoever reaches {address} may call every operation: auth is none, and expose-without-auth is set"
            );
        }
        let is_local = reached.is_none();
        let public_url = config
            .public_url
            .clone()
            .unwrap_or_else(|| default_url(&addresses, places.addresses[0], config.tls.is_some()));
        let endpoints = Endpoints::of(&public_url);
        let ingest_endpoints = IngestEndpoints {
            rtmp: rtmp_listener
                .as_ref()
                .and_then(|it| rtmp::endpoint(&public_url, it, false)),
            rtmps: rtmps_listener
                .as_ref()
                .and_then(|it| rtmp::endpoint(&public_url, it, true)),
        };
        // Before any key is created, so that an interrupted start leaves nothing that looks like a lost database.
        let pages = page_tokens(&store, &mark, &data, &database).await?;
        data.keep_token_secret(&token_secret)?;
        let tokens = Tokens::new(&token_secret, endpoints.clone());
        let rules = Rules {
            limits: config.limits.clone(),
            session_idle_s: config.session_idle_s,
            profiles: config.h264_profile_match.into(),
        };
        let door = Door::new(&DoorSettings {
            descriptors,
            trusted_proxies: &config.trusted_proxies,
            connections_per_address: config.connections_per_address,
            bound: &addresses.iter().map(SocketAddr::ip).collect::<Vec<_>>(),
            public_url: &public_url,
        });
        let sandbox = match config.thumbnails_without_sandbox {
            true => Sandbox::Optional,
            false => Sandbox::Required,
        };
        let thumbnailer = Thumbnailer::new(THIS_PROGRAM, sandbox);
        let buckets = Buckets::new(config.storage.settings(&data.recordings()));
        let recordings = Recordings::new(buckets, thumbnailer, rand::random());
        let home = SpoolHome {
            path: data.spool(),
            mark: data.spool_mark(),
            bounds: config.storage.spool,
            accepts_loss: config.accept_spool_loss,
        };
        if let Err(error) = recordings.open(&store, home, spool).await {
            store.close().await;
            return Err(error.into());
        }
        let compositions = Compositions::new(
            recordings.clone(),
            config.channels.clone(),
            THIS_PROGRAM,
            sandbox,
        );
        let control = Control::new(
            (store, room),
            media.clone(),
            tokens,
            rules,
            Runners::default()
                .with(RECORDING_JOB, recordings.clone())
                .with(COMPOSITION_JOB, compositions.clone()),
        );
        recordings.attach(&control);
        compositions.attach(&control);
        let mut parts = Parts::default();
        senders.run(control.store(), &mut parts);
        let (store, days) = (control.store().clone(), config.retention_days);
        parts.restarting("removing old history", move || {
            retention::run(store.clone(), days)
        });
        control.run(effects, events, &mut parts).await?;
        recordings.serve(&mut parts);
        let base_path = base_path(&public_url);
        let secure = match &config.tls {
            Some(source) => {
                let host = config.public_url.as_deref().and_then(Host::of_url);
                let tls = Tls::start(source, host.as_ref(), &data, &mut parts)?;
                Some(Secure::new(tls, &public_url, &base_path))
            }
            None => None,
        };
        let tls = secure.as_ref().map(Secure::tls);
        let connections = rtmp::Connections::default();
        let counters = rtmp::Counters::default();
        let encoders = [(rtmp_listener, None), (rtmps_listener, tls.cloned())];
        let ingest = encoders.into_iter().filter_map(|(socket, tls)| {
            Some(rtmp::Listener {
                socket: socket?,
                tls,
                control: control.clone(),
                limits: rtmp::rules(&config.limits),
                connections: connections.clone(),
                counters: counters.clone(),
            })
        });
        let ingest = ingest.collect();
        let address_watch = Arc::new(AddressWatch::new(places.addresses.clone()));
        if config.finds_media_places() {
            let (watch, config) = (Arc::clone(&address_watch), config.clone());
            parts.restarting("watching the addresses", move || {
                Arc::clone(&watch).run(config.clone())
            });
        }
        let candidates = media.candidates();
        let ice_servers = match config.turn {
            true => IceServers::new(
                candidates.first().copied(),
                tcp.first().copied(),
                Some(&*public_url).filter(|_| secure.is_some()),
            ),
            false => IceServers::default(),
        };
        let state = AppState {
            control: control.clone(),
            ice_servers,
            pages,
            keys: (config.auth == Auth::Verify).then_some(keys),
            answers: Answers::new(u64::from(config.answers_mb) * 1_000_000),
            throttle: Throttle::new(config.rates),
            account: config.account_id.clone(),
            config: Arc::new(config.clone()),
            base_path,
            endpoints,
            ingest_endpoints,
            console_key: ConsoleKey::new(data.console_key()?),
            path_checks: PathChecks::default(),
            address_watch,
            reader: RecordingReader::new(recordings.spool_slot(), recordings.buckets().clone()),
            links: RecordingLinks::new(&token_secret, &public_url),
            seats: Arc::new(RecordingSeats::default()),
            metrics: Metrics::of(
                &control,
                &recordings,
                &counters,
                secure.as_ref().map(Secure::tls),
            ),
            recordings,
            compositions,
            shows_metrics: config.metrics.is_none() && is_local,
            secure,
            sockets: http::socket_room(&door),
            door,
        };
        Ok(Self {
            listeners,
            control,
            state,
            parts,
            addresses,
            public_url,
            candidates,
            audience: places.audience,
            metrics,
            ingest,
        })
    }

    /// The addresses of the HTTP listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses that are offered for media, whatever the port.
    pub fn media_addresses(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = Vec::new();
        for candidate in &self.candidates {
            if !all.contains(&candidate.ip()) {
                all.push(candidate.ip());
            }
        }
        all
    }

    /// What is wrong with the certificate, as a sentence without its full stop.
    pub fn certificate_fault(&self) -> Option<String> {
        match self.state.secure.as_ref()?.standing() {
            Standing::Good => None,
            Standing::Ageing(sentence) | Standing::Bad(sentence) => Some(sentence),
        }
    }

    /// Whether the HTTP listeners serve TLS.
    pub fn has_tls(&self) -> bool {
        self.state.secure.is_some()
    }

    /// The URL for clients.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Where programs on this machine reach the server, if that is not the URL for clients. `None` also with TLS, whose certificate is for
    /// the name in that URL.
    pub fn local_url(&self) -> Option<String> {
        let rank = |address: &&SocketAddr| !address.ip().is_loopback();
        let address = self.addresses.iter().min_by_key(rank)?;
        let url = format!("http://{}", on_this_machine(*address));
        (!self.has_tls() && url != self.public_url).then_some(url)
    }

    /// The console's URL with its key; only for a terminal.
    pub fn console_url(&self) -> String {
        format!(
            "{}/console/#key={}",
            self.public_url,
            self.state.console_key.reveal()
        )
    }

    /// The candidates offered to clients.
    pub fn media(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// The sources from which media is accepted.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// The number of media workers.
    pub fn workers(&self) -> usize {
        self.control.media().ports().len()
    }

    /// Features of the media socket.
    pub fn udp(&self) -> UdpReport {
        self.control.media().report()
    }

    /// Serves until `shutdown` resolves, then drains: no new requests, sockets closed with a reason,
    /// peers notified, stage sessions ended in the store.
    ///
    /// # Errors
    /// [`RunError`] when the server ended by itself: the database is lost, or a vital part has ended. Everything that
    /// can be closed has been closed.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), RunError> {
        let Self {
            listeners,
            control,
            state,
            mut parts,
            metrics,
            ingest,
            ..
        } = self;
        let (stop, stopped) = watch::channel(());
        let state = Arc::new(state);
        if let Some(listener) = metrics {
            let at = listener
                .local_addr()
                .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |at| at.ip());
            let router = http::metrics_router(Arc::clone(&state), at);
            let shared = http::Shared {
                service: TowerToHyperService::new(router),
                // A door of its own, so that a crowded HTTP listener does not affect metrics, and a stop does not wait
                // for them.
                door: Door::for_metrics(),
                tls: None,
                media: None,
            };
            let serving = http::serve(listener, shared, std::future::pending());
            parts.spawn("the listener for metrics", serving);
        }
        let shared = http::Shared {
            door: Arc::clone(&state.door),
            tls: state.secure.as_ref().map(Secure::tls).cloned(),
            media: Some(control.media().clone()),
            service: http::Front::of(state),
        };
        let mut serving = JoinSet::new();
        for listener in listeners {
            let mut stopped = stopped.clone();
            serving.spawn(http::serve(listener, shared.clone(), async move {
                // The error says that the sender is gone, which is the sign to stop.
                stopped.changed().await.ok();
            }));
        }
        drop(shared);
        for listener in ingest {
            let mut stopped = stopped.clone();
            serving.spawn(listener.serve(async move {
                stopped.changed().await.ok();
            }));
        }
        let outcome = tokio::select! {
            biased;
            () = shutdown => Ok(()),
            error = control.store().lost() => Err(RunError::Store(error)),
            reason = control.media().failed() => Err(RunError::Media(reason)),
            ended = parts.ended() => Err(RunError::from(ended)),
            Some(ended) = serving.join_next() => Err(RunError::Part {
                part: "a listener",
                reason: ended.map_or_else(why, |()| "it returned".to_owned()),
            }),
        };
        match &outcome {
            Ok(()) => tracing::info!("stopping"),
            Err(error) => tracing::error!(%error, "stopping: the server cannot go on"),
        }
        drop(stop);
        let deadline = Instant::now() + STORE_STOP_MAX;
        if timeout_at(deadline + MEDIA_STOP_MAX, control.stop(deadline))
            .await
            .is_err()
        {
            tracing::error!("the media plane did not stop in time");
        }
        if timeout_at(deadline, outbox::flush(control.store()))
            .await
            .is_err()
        {
            tracing::warn!("events that wait are sent after the next start");
        }
        while serving.join_next().await.is_some() {}
        parts.shutdown().await;
        let closing = control.store().clone().close();
        if timeout_at(deadline.max(Instant::now() + CLOSE_MAX), closing)
            .await
            .is_err()
        {
            tracing::error!("the database did not answer while the server stopped");
        }
        outcome
    }
}

/// Listens at all addresses.
fn listen(wanted: &[SocketAddr]) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), StartError> {
    let has_ipv4 = |port| {
        let mut others = wanted.iter();
        others.any(|other| other.is_ipv4() && other.port() == port)
    };
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for address in wanted.iter().copied() {
        let refused = |source| StartError::Listen { address, source };
        let listener = http::listen(address, has_ipv4(address.port())).map_err(refused)?;
        addresses.push(listener.local_addr().map_err(refused)?);
        listeners.push(listener);
    }
    Ok((listeners, addresses))
}

/// Listens for encoders.
fn listen_for_encoders(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let refused = |source| StartError::ListenRtmp { address, source };
    rtmp::listen(address).map(Some).map_err(refused)
}

/// The URL for clients if none is configured: of the listener that others reach, with TLS at the usual port if one
/// listens there.
fn default_url(addresses: &[SocketAddr], media: IpAddr, has_tls: bool) -> String {
    let (scheme, usual) = if has_tls {
        ("https", 443)
    } else {
        ("http", 80)
    };
    let rank = |address: &&SocketAddr| (address.ip().is_loopback(), address.port() != usual);
    let first = addresses.iter().min_by_key(rank).copied();
    let first = first.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], usual)));
    let ip = match first.ip().is_unspecified() {
        true => media,
        false => first.ip(),
    };
    format!("{scheme}://{}", SocketAddr::new(ip, first.port()))
}

/// An address that leads to a listener from the same machine.
fn on_this_machine(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// The database that is configured, or the one in the data directory.
pub fn store_config(config: &Config, data: &DataDir) -> Result<StoreConfig, StoreError> {
    match &config.database {
        Some(address) => StoreConfig::from_address(address.reveal()),
        None => Ok(StoreConfig::sqlite(data.database())),
    }
}

/// The keys of the data directory, of the configuration, and of the file that `restage keys` writes.
fn key_ring(data: &DataDir, config: &Config) -> Result<KeyRing, StartError> {
    let mut fixed = vec![Known {
        credentials: data.credentials()?,
        holder: Holder {
            account: config.account_id.clone(),
            permission: Permission::Full,
        },
        ends_at: None,
        derived: Derived::default(),
    }];
    for key in &config.access_keys {
        fixed.push(key.open()?);
    }
    Ok(KeyRing::new(fixed, KeyFile::of(&config.data_dir))?)
}

async fn page_tokens(
    store: &Store,
    mark: &Mark,
    data: &DataDir,
    database: &StoreConfig,
) -> Result<PageTokens, StartError> {
    let fresh: [u8; 32] = rand::random();
    let key = store.meta_put_if_absent(PAGE_KEY, &fresh).await?;
    mark.write(&key, database)
        .map_err(|source| StartError::Mark {
            path: data.database_mark(),
            source,
        })?;
    let key: [u8; 32] = key.try_into().map_err(|_| StartError::PageKey)?;
    Ok(PageTokens::new(&key))
}

/// The path part of a URL, without a trailing slash.
fn base_path(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme
        .find('/')
        .map_or_else(String::new, |at| after_scheme[at..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_url_is_of_the_listener_that_others_reach() {
        let media = IpAddr::from([192, 0, 2, 7]);
        for (addresses, has_tls, url) in [
            (&["127.0.0.1:4080"][..], false, "http://127.0.0.1:4080"),
            (&["127.0.0.1:4080"], true, "https://127.0.0.1:4080"),
            (&["0.0.0.0:4080"], false, "http://192.0.2.7:4080"),
            (
                &["127.0.0.1:1", "0.0.0.0:80", "0.0.0.0:443"],
                true,
                "https://192.0.2.7:443",
            ),
            (&["0.0.0.0:443", "0.0.0.0:80"], false, "http://192.0.2.7:80"),
            (
                &["[::1]:1", "[2001:db8::1]:2"],
                true,
                "https://[2001:db8::1]:2",
            ),
        ] {
            let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(default_url(&addresses, media, has_tls), url);
        }
    }

    #[test]
    fn the_base_path_is_what_follows_the_host() {
        assert_eq!(base_path("http://127.0.0.1:4080"), "");
        assert_eq!(base_path("https://example.org/video"), "/video");
    }
}
