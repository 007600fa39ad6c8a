//! TLS of RTMPS: the server's certificate must be one that the system trusts, for the host of the URL.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Which certificates are trusted.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// Those that the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others. They are read when a connection begins, so that new
    /// ones count.
    System,
    /// A configuration that is there already.
    #[cfg(test)]
    Only(Arc<ClientConfig>),
}

impl Trust {
    /// The configuration of a connection. It reads files.
    ///
    /// # Errors
    /// What is wrong with the system's certificates.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        match self {
            Self::System => {
                let made = tokio::task::spawn_blocking(of_system).await;
                made.map_err(|error| error.to_string())?
            }
            #[cfg(test)]
            Self::Only(config) => Ok(Arc::clone(config)),
        }
    }
}

fn of_system() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.and_then(|builder| builder.with_platform_verifier());
    match builder {
        Ok(builder) => Ok(Arc::new(builder.with_no_client_auth())),
        Err(error) => Err(format!("the system's certificates cannot be used: {error}")),
    }
}
