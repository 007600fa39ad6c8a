//! The database for commands that use it without the server.

use std::path::{Path, PathBuf};

use restage_node::Secret;
use restage_server::config::{Config, Settings};
use restage_server::data_dir::DataDir;
use restage_server::server::store_config;
use restage_store::StoreConfig;

use crate::exit::{Exit, Failure};

/// Where the server stores its rows: the same flags, environment and file as for `serve`.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseArgs {
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

impl DatabaseArgs {
    /// The database, which must exist.
    pub(crate) fn database(&self) -> anyhow::Result<StoreConfig> {
        let config = self.config()?;
        let data = DataDir::at(&config.data_dir);
        if config.database.is_none() && !data.database().exists() {
            let message = format!("there is no database {}", data.database().display());
            return Err(Failure::new(Exit::Failure, message)
                .advise("name the server's data directory with --data-dir, or its settings with --config")
                .into());
        }
        Ok(store_config(&config, &data)?)
    }

    /// The database, which may be new; a missing data directory is created.
    pub(crate) fn new_database(&self) -> anyhow::Result<StoreConfig> {
        let config = self.config()?;
        let data = match config.database {
            Some(_) => DataDir::at(&config.data_dir),
            None => DataDir::open(&config.data_dir)?,
        };
        Ok(store_config(&config, &data)?)
    }

    fn config(&self) -> anyhow::Result<Config> {
        let flags = Settings {
            data_dir: self.data_dir.clone(),
            database: self.database.clone(),
            ..Settings::default()
        };
        resolve(flags, self.config.as_deref())
    }
}

/// The part of the server's configuration, from flags and file, that says where its data is.
/// Secrets that only the server gets, from its environment, are not needed.
pub(crate) fn resolve(flags: Settings, file: Option<&Path>) -> anyhow::Result<Config> {
    let file = match file {
        Some(path) => Settings::read(path)?,
        None => Settings::default(),
    };
    let file = Settings {
        webhook_url: None,
        webhook_secret: None,
        ..file
    };
    Ok(flags.or(file).resolve()?)
}
