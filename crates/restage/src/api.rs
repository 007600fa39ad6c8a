//! The API as a client of it: the AWS SDK, pointed at the server of a data directory.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::config::{BehaviorVersion, Credentials, Region};
use restage_server::config::Config;
use restage_server::data_dir::existing_credentials;
use restage_server::run_file::RunFile;

/// Where the server is.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Target {
    /// The server's data directory: where its credentials are
    #[arg(long, env = "RESTAGE_DATA_DIR", value_name = "DIR", default_value = "data")]
    pub(crate) data_dir: PathBuf,
    /// The server's URL [default: that of the server running on the data directory]
    #[arg(long, env = "AWS_ENDPOINT_URL_IVS_REALTIME", value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The region resources live in; any name works
    #[arg(long, env = "AWS_REGION", value_name = "REGION", default_value = "us-east-1")]
    pub(crate) region: String,
}

impl Target {
    /// The URL given, or that of the running server, or the default one.
    pub(crate) fn url(&self) -> String {
        self.endpoint_url
            .clone()
            .or_else(|| RunFile::read(&self.data_dir).map(|run| run.url))
            .unwrap_or_else(|| format!("http://{}", Config::default().http))
    }

    /// An SDK client with the data directory's credentials.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let keys = existing_credentials(&self.data_dir)?;
        let credentials = Credentials::new(keys.access_key, keys.secret_key, None, None, "restage");
        let config = aws_sdk_ivsrealtime::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(self.url())
            .credentials_provider(credentials)
            .build();
        Ok(Client::from_conf(config))
    }
}

/// A running server's console URL.
pub(crate) fn console_url(data_dir: &Path) -> Option<String> {
    RunFile::read(data_dir).map(|run| run.console)
}

/// A runtime for one command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// The service's own words about a failed call, and what to do when nobody answered.
pub(crate) fn explain<E>(
    target: &Target,
    error: aws_sdk_ivsrealtime::error::SdkError<E>,
) -> anyhow::Error
where
    E: aws_sdk_ivsrealtime::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.as_service_error() {
        Some(service) => anyhow::anyhow!(
            "{}: {}",
            service.code().unwrap_or("the server refused"),
            service.message().unwrap_or("no reason was given")
        ),
        None => anyhow::Error::new(error).context(format!(
            "no answer from {}; is the server running (restage serve)?",
            target.url()
        )),
    }
}
