//! TLS in the listener: which certificate is served, where it comes from, and how it is exchanged.
//!
//! A certificate comes from two files that somebody else keeps ([`files`]), or from an authority by ACME ([`acme`]). In
//! both cases [`Served`] has the newest one, and connections that begin get that.

mod acme;
mod certificate;
mod files;
mod health;
mod probe;
mod served;
#[cfg(test)]
pub(crate) mod testing;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use restage_node::supervise::Parts;
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Host, TlsSource};
use crate::data_dir::{DataDir, DataDirError};

pub use self::acme::{Found, SetupFault, find};
pub use self::certificate::{Certificate, CertificateFault, Facts};
pub use self::files::{FilesFault, read as read_files};
pub use self::health::{Health, Standing};
pub use self::probe::{answered, shown};
pub use self::served::Served;

/// What clients may speak over TLS, by preference (RFC 7301): HTTP, but not HTTP/2; TURN (RFC 7443); and challenges of an
/// authority.
const PROTOCOLS: [&[u8]; 3] = [b"http/1.1", b"stun.turn", served::ACME_TLS];

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TlsError {
    #[error(transparent)]
    Files(#[from] FilesFault),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Acme(#[from] SetupFault),
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// The TLS of all listeners.
pub struct Tls {
    acceptor: TlsAcceptor,
    served: Arc<Served>,
    health: Arc<Health>,
    handshakes: Handshakes,
}

/// How many TLS handshakes ended how.
#[derive(Debug, Default)]
struct Handshakes {
    finished: AtomicU64,
    refused: AtomicU64,
    unfinished: AtomicU64,
}

/// Where the server's certificate comes from, while it runs.
enum Keeper {
    Files(files::Files),
    Acme(Box<acme::Keeper>),
}

impl Tls {
    /// Prepares TLS with the certificate that is there already, and starts the part of the server that exchanges it. `host` is
    /// that of the public URL, if one is set: a certificate for another one is reported.
    ///
    /// # Errors
    /// Files that cannot be used, or a setting of ACME that cannot.
    pub fn start(
        source: &TlsSource,
        host: Option<&Host>,
        data: &DataDir,
        parts: &mut Parts,
    ) -> Result<Arc<Self>, TlsError> {
        let served = Arc::<Served>::default();
        let health = Arc::new(Health::of(host.map(Host::to_string)));
        let keeper = match source {
            TlsSource::Files(paths) => {
                let (files, certificate) = files::Files::open(paths.clone())?;
                health.looks_at(&certificate);
                served.put(certificate);
                Keeper::Files(files)
            }
            TlsSource::Acme(settings) => {
                let keeper = acme::Keeper::new(settings.clone(), data, &served, &health)?;
                Keeper::Acme(Box::new(keeper))
            }
        };
        let tls = Self::serving(Arc::clone(&served), Arc::clone(&health))?;
        match keeper {
            Keeper::Files(files) => {
                parts.spawn("reloading the certificate", files.follow(served, health));
            }
            Keeper::Acme(keeper) => parts.spawn("renewing the certificate", keeper.run()),
        }
        Ok(Arc::new(tls))
    }

    /// Serves what `served` has.
    fn serving(served: Arc<Served>, health: Arc<Health>) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(certificate::provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&served) as _);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            served,
            health,
            handshakes: Handshakes::default(),
        })
    }

    /// Serves one certificate, for tests.
    #[cfg(test)]
    pub(crate) fn of(certificate: Certificate) -> Arc<Self> {
        let served = Arc::<Served>::default();
        served.put(certificate);
        Arc::new(Self::serving(served, Arc::default()).unwrap())
    }

    /// The handshake of a connection. It has no time limit of its own.
    ///
    /// # Errors
    /// The client does not speak TLS 1.2 or newer, or does not accept the certificate; or it is an authority that has
    /// seen the answer to its challenge.
    pub(crate) async fn handshake<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = self.acceptor.accept(stream).await;
        let counter = match shaken {
            Ok(_) => &self.handshakes.finished,
            Err(_) => &self.handshakes.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let stream = shaken?;
        match stream.get_ref().1.alpn_protocol() {
            Some(served::ACME_TLS) => Err(io::Error::other("a challenge over TLS was answered")),
            _ => Ok(stream),
        }
    }

    /// Counts a handshake that the server ended, because it took too long or its place was needed.
    pub(crate) fn note_unfinished(&self) {
        self.handshakes.unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// How many handshakes have finished, were refused by one of the two sides, and were ended unfinished.
    pub fn handshakes(&self) -> [u64; 3] {
        let Handshakes {
            finished,
            refused,
            unfinished,
        } = &self.handshakes;
        [finished, refused, unfinished].map(|count| count.load(Ordering::Relaxed))
    }

    /// What new connections are served with.
    pub fn served(&self) -> &Arc<Served> {
        &self.served
    }

    /// How the certificate stands at this time, in seconds since the epoch.
    pub fn standing(&self, now_s: i64) -> Standing {
        Standing::of(self.served.facts().as_ref(), &self.health, now_s)
    }
}
