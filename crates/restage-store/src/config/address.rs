//! The address of a database, as an operator writes it.

use std::fmt;
use std::path::{Path, PathBuf};

use sqlx::any::AnyConnectOptions;

use crate::error::StoreError;

/// Parameters that a PostgreSQL address may have. Others are refused by name, because the driver would ignore a
/// misspelt `password` and log its value.
const POSTGRES_PARAMETERS: [&str; 14] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "ssl-mode",
    "statement-cache-capacity",
    "user",
];

/// A database: a SQLite file, or a PostgreSQL database by its URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// A PostgreSQL URL. It may contain a password, so it is never printed whole.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl {
    text: String,
    /// User, host, port and database.
    name: String,
}

impl Address {
    /// Parses `sqlite:PATH`, a plain path, or `postgres://…` with the parameters of libpq's URLs.
    pub(crate) fn parse(address: &str) -> Result<Self, StoreError> {
        let unusable = |reason: String| Err(StoreError::Address { reason });
        let path = match address.split_once(':') {
            Some(("sqlite", path)) => path.strip_prefix("//").unwrap_or(path),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                return PostgresUrl::parse(address).map(Self::Postgres);
            }
            Some((scheme, rest)) if rest.starts_with("//") => {
                return unusable(format!(
                    "there is no support for {scheme}; give postgres://… or sqlite:PATH"
                ));
            }
            _ => address,
        };
        if path.is_empty() {
            return unusable("it names no file".to_owned());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    /// A name for messages: everything that helps to find the database, and no secret.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => url.name.clone(),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl PostgresUrl {
    fn parse(url: &str) -> Result<Self, StoreError> {
        let unusable = |reason: String| StoreError::Address { reason };
        // The message must not contain the URL, which may have a password.
        let options: AnyConnectOptions = url.parse().map_err(|_| {
            unusable("it is not a URL of the form postgres://USER@HOST/DATABASE".into())
        })?;
        for (name, _) in options.database_url.query_pairs() {
            let is_option = name.starts_with("options[") && name.ends_with(']');
            if !is_option && !POSTGRES_PARAMETERS.contains(&&*name) {
                return Err(unusable(format!(
                    "the parameter {name:?} is not one of {}",
                    POSTGRES_PARAMETERS.join(", ")
                )));
            }
        }
        let url_parts = &options.database_url;
        let user = match url_parts.username() {
            "" => String::new(),
            user => format!("{user}@"),
        };
        let host = url_parts.host_str().unwrap_or_default();
        let port = url_parts
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        Ok(Self {
            text: url.to_owned(),
            name: format!("postgres://{user}{host}{port}{}", url_parts.path()),
        })
    }

    /// The driver's connect options.
    pub(crate) fn options(&self) -> Result<AnyConnectOptions, StoreError> {
        self.text.parse().map_err(|_| StoreError::Address {
            reason: "it is not a URL".to_owned(),
        })
    }
}

impl Address {
    /// The database file, if the engine has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_without_its_password() {
        let named = [
            (
                "postgres://ann:hunter2@db.example/rs",
                "postgres://ann@db.example/rs",
            ),
            (
                "postgresql://ann:hunter2@db:5433/rs?sslmode=require",
                "postgres://ann@db:5433/rs",
            ),
            (
                "postgres://db/rs?user=ann&password=hunter2",
                "postgres://db/rs",
            ),
            ("postgres:///rs?host=/run/postgresql", "postgres:///rs"),
        ];
        for (address, name) in named {
            let address = Address::parse(address).unwrap();
            assert_eq!(address.name(), name);
            assert_eq!(format!("{address:?}"), name);
        }
    }

    #[test]
    fn what_an_address_may_not_be_is_said_without_it() {
        let refused = [
            ("mysql://ann:hunter2@db/rs", "no support for mysql"),
            ("postgres://ann:hunter2@[db/rs", "of the form"),
            ("postgres://db/rs?pasword=hunter2", "\"pasword\""),
            ("postgres://ann:hun?ter2@db/rs", "of the form"),
            ("sqlite:", "names no file"),
            ("", "names no file"),
        ];
        for (address, reason) in refused {
            let error = Address::parse(address).unwrap_err().to_string();
            assert!(error.contains(reason), "{address}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn files_are_named_with_or_without_a_scheme() {
        for address in ["sqlite:/d/r.db", "sqlite:///d/r.db", "/d/r.db"] {
            let parsed = Address::parse(address).unwrap();
            assert_eq!(parsed, Address::Sqlite("/d/r.db".into()));
        }
    }
}
