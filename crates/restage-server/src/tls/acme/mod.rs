//! A certificate from an authority, by ACME (RFC 8555): asked for when there is none, and renewed before it ends
//! (RFC 9773). The old one is served meanwhile. What is kept survives a restart, as do the pauses after failures.

mod client;
mod kept;
mod order;
mod schedule;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::RenewalInfo;
use restage_store::system::clock;
use tokio::time::{sleep, timeout};

use self::client::Client;
use self::kept::Kept;
use self::order::{Applicant, Issued, OrderFault, identifier};
use self::schedule::{Attempts, Failed, Window, ask_at, renew_at};
use super::TlsError;
use super::certificate::{Certificate, Facts};
use super::health::{Failure, Health};
use super::served::Served;
use crate::config::AcmeSettings;
use crate::data_dir::DataDir;

pub use self::client::SetupFault;

/// Time limit for a certificate.
const ORDER_MAX: Duration = Duration::from_secs(300);
/// How often in a row an order is made while the authority refuses its nonces. The library repeats each request by itself, too.
const NONCE_TRIES_MAX: u32 = 3;
/// Longest time between two looks at the clock, which may be set.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Keeps the certificate of a host.
pub(super) struct Keeper {
    applicant: Applicant,
    health: Arc<Health>,
    attempts: Attempts,
    /// The authority that has made the certificate which is served.
    made_by: Option<String>,
    /// When the authority wants the certificate to be renewed, if it has said so.
    window: Option<Window>,
    /// When it is asked about that again.
    ask_at_s: i64,
    /// Chooses the time within a window.
    draw: u32,
}

/// What `restage doctor` finds of an authority's certificate.
#[derive(Debug)]
pub struct Found {
    /// The certificate that is kept, if there is one.
    pub certificate: Option<Certificate>,
    /// Whether it was made by the authority that is configured now.
    pub is_of_authority: bool,
    /// The reason of the last failure and the time of the next try, since one succeeded.
    pub failure: Option<(String, i64)>,
}

/// What is kept for these settings in a data directory, which is only read.
pub fn find(settings: &AcmeSettings, data_dir: &Path) -> Found {
    let kept = Kept::at(data_dir);
    let found = kept.certificate();
    let host = settings.host.to_string();
    let attempts = kept.attempts(&settings.directory, &host, settings.ca_file.as_ref());
    Found {
        is_of_authority: found
            .as_ref()
            .is_some_and(|found| found.directory == settings.directory),
        certificate: found.map(|found| found.certificate),
        failure: attempts
            .has_failed()
            .then(|| (attempts.reason.clone(), attempts.again_at)),
    }
}

impl Keeper {
    /// Serves the certificate that is kept, if there is one for the host.
    ///
    /// # Errors
    /// The directory for what is kept cannot be created, or the client for the authority cannot.
    pub(super) fn new(
        settings: AcmeSettings,
        data: &DataDir,
        served: &Arc<Served>,
        health: &Arc<Health>,
    ) -> Result<Self, TlsError> {
        let kept = Kept::at(data.path()).open()?;
        let client = Client::new(settings.ca_file.as_ref())?;
        let host = settings.host.to_string();
        let mut attempts = kept.attempts(&settings.directory, &host, settings.ca_file.as_ref());
        attempts.starts(now_s());
        let found = kept.certificate();
        let found = found.filter(|found| found.certificate.covers(&host));
        let made_by = found.map(|found| {
            served.put(found.certificate);
            found.directory
        });
        let keeper = Self {
            applicant: Applicant {
                settings,
                client,
                kept,
                served: Arc::clone(served),
            },
            health: Arc::clone(health),
            attempts,
            made_by,
            window: None,
            ask_at_s: 0,
            draw: rand::random(),
        };
        // What an earlier process has found is true until it is tried again.
        if keeper.attempts.has_failed() {
            keeper.tell();
            keeper.tell_wait();
        }
        Ok(keeper)
    }

    /// Says, when the server starts, that a certificate which is needed now is asked for later only.
    fn tell_wait(&self) {
        let (attempts, now_s) = (&self.attempts, now_s());
        let is_needed = self.wanted_s() <= now_s;
        if let Some(because) = attempts.why_waits(now_s).filter(|_| is_needed) {
            let again = clock::iso(attempts.again_at);
            let host = &self.applicant.settings.host;
            let last = &attempts.reason;
            tracing::warn!(
                %host, again, because, last,
                "the authority is not asked for a certificate yet; changed settings for it are tried at once"
            );
            self.health.waits(because);
        }
    }

    /// Keeps the certificate for ever.
    pub(super) async fn run(mut self) {
        loop {
            let now_s = now_s();
            let due_s = self.due_s();
            if due_s <= now_s {
                self.renew().await;
                continue;
            }
            if self.ask_at_s <= now_s {
                self.ask().await;
                continue;
            }
            let next_s = due_s.min(self.ask_at_s) - now_s;
            sleep(LOOK_EVERY.min(Duration::from_secs(next_s.unsigned_abs()))).await;
        }
    }

    /// When to ask for a certificate.
    fn due_s(&self) -> i64 {
        self.wanted_s().max(self.attempts.again_at)
    }

    /// From when on another certificate is wanted, whether or not the authority may be asked.
    fn wanted_s(&self) -> i64 {
        let is_current = self.made_by.as_ref() == Some(&self.applicant.settings.directory);
        match self.applicant.served.facts() {
            Some(facts) if is_current => renew_at(&facts, self.window, self.draw),
            _ => i64::MIN,
        }
    }

    /// Asks for a certificate, and serves and keeps it.
    async fn renew(&mut self) {
        let settings = &self.applicant.settings;
        tracing::info!(host = %settings.host, directory = settings.directory, "asking for a certificate");
        // Whatever an earlier request was told, such as one about the time to renew.
        self.applicant.client.take_heard();
        let facts = self.applicant.served.facts();
        let is_current = self.made_by.as_ref() == Some(&settings.directory);
        let replaced = facts.and_then(|facts| facts.id).filter(|_| is_current);
        let applying = async {
            for _ in 1..NONCE_TRIES_MAX {
                match self.applicant.apply(replaced.as_ref()).await {
                    Err(fault) if fault.is_of_nonce() => {}
                    applied => return applied,
                }
            }
            self.applicant.apply(replaced.as_ref()).await
        };
        let applied = timeout(ORDER_MAX, applying).await;
        match applied.unwrap_or(Err(OrderFault::Late(ORDER_MAX.as_secs()))) {
            Ok(issued) => self.take(issued),
            Err(fault) => self.fail(&fault),
        }
    }

    /// Keeps and serves a new certificate.
    fn take(&mut self, issued: Issued) {
        let Applicant {
            settings,
            kept,
            served,
            ..
        } = &self.applicant;
        if let Err(error) = kept.keep_certificate(&settings.directory, &issued.chain, &issued.key) {
            // Each start asks for another one, and authorities give only a few for the same host.
            tracing::error!(%error, "the new certificate is served and could not be kept");
        }
        let facts = issued.certificate.facts();
        let (names, ends) = (facts.names_shown(), clock::iso(facts.ends_s));
        tracing::info!(names, ends, "new connections get a new certificate");
        self.attempts.succeeds(now_s(), facts);
        kept.forget_attempts();
        served.put(issued.certificate);
        self.made_by = Some(settings.directory.clone());
        self.health.is_well();
        (self.window, self.ask_at_s, self.draw) = (None, 0, rand::random());
    }

    /// Keeps and tells a failure.
    fn fail(&mut self, fault: &OrderFault) {
        let heard = self.applicant.client.take_heard();
        let failed = Failed {
            reason: &fault.to_string(),
            outline: &fault.outline(),
            is_counted: heard.is_asked,
            wait_s: heard.wait_s,
        };
        self.attempts.fails(now_s(), failed, rand::random());
        let reason = failed.reason;
        let again = clock::iso(self.attempts.again_at);
        tracing::error!(reason, again, "no certificate from the authority");
        if let Err(error) = self.applicant.kept.keep_attempts(&self.attempts) {
            tracing::warn!(%error, "the failure could not be kept: after a restart it is tried again at once");
        }
        self.tell();
    }

    /// Tells everybody who asks that the last try failed.
    fn tell(&self) {
        self.health.fails(Failure {
            reason: self.attempts.outline.clone(),
            again_s: Some(self.attempts.again_at),
            because: None,
        });
    }

    /// Asks the authority when it wants the certificate to be renewed.
    async fn ask(&mut self) {
        let asked = match self.applicant.served.facts() {
            Some(Facts { id: Some(id), .. }) => self.ask_about(&id).await,
            _ => Err(instant_acme::Error::Unsupported("certificates without an id").into()),
        };
        match asked {
            Ok((window, wait)) => {
                if self.window != Some(window) {
                    (self.window, self.draw) = (Some(window), rand::random());
                }
                let wait_s = i64::try_from(wait.as_secs()).ok();
                self.ask_at_s = ask_at(now_s(), wait_s);
            }
            Err(error) => {
                tracing::debug!(%error, "the authority does not say when to renew the certificate");
                self.ask_at_s = ask_at(now_s(), None);
            }
        }
    }

    async fn ask_about(
        &self,
        id: &super::certificate::Id,
    ) -> Result<(Window, Duration), OrderFault> {
        let asking = async {
            let account = self.applicant.account().await?;
            Ok::<_, OrderFault>(account.renewal_info(&identifier(id)).await?)
        };
        let late = || OrderFault::Late(ORDER_MAX.as_secs());
        let (
            RenewalInfo {
                suggested_window, ..
            },
            wait,
        ) = timeout(ORDER_MAX, asking).await.map_err(|_| late())??;
        let window = Window {
            begins_s: suggested_window.start.unix_timestamp(),
            ends_s: suggested_window.end.unix_timestamp(),
        };
        Ok((window, wait))
    }
}

/// The time, in seconds since the epoch.
fn now_s() -> i64 {
    clock::now().0.div_euclid(1_000_000)
}
