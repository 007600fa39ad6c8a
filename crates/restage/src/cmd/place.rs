//! Which database a command is about, for commands that work on it without the server.

use std::path::PathBuf;

use restage_server::config::{Secret, Settings};
use restage_server::data_dir::DataDir;
use restage_server::server::store_config;
use restage_server::store::StoreConfig;

/// Where the server keeps its rows; the same flags, environment and file as `serve` has.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct Place {
    /// Configuration file of the server
    #[arg(long, env = "RESTAGE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory of the server [default: data]
    #[arg(long, env = "RESTAGE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Database of the server, if it is not in the data directory: postgres://USER@HOST/DATABASE or
    /// sqlite:FILE
    #[arg(
        long,
        env = "RESTAGE_DATABASE",
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    database: Option<Secret>,
}

impl Place {
    /// The database itself.
    pub(crate) fn database(&self) -> anyhow::Result<StoreConfig> {
        let file = match &self.config {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        let flags = Settings {
            data_dir: self.data_dir.clone(),
            database: self.database.clone(),
            ..Settings::default()
        };
        let config = flags.or(file).resolve()?;
        let data = DataDir::at(&config.data_dir);
        Ok(store_config(&config, &data)?)
    }
}
