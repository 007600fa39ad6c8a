//! Checks of a PostgreSQL database.

use restage_store::{Look, StoreConfig, StoreError, look};

use super::{Finding, Verdict, finding};
use crate::config::Config;

/// The oldest PostgreSQL that the store is tested with.
const POSTGRES_MAJOR_MIN: u32 = 13;

/// Checks the database if it is PostgreSQL; SQLite is covered by the check of the data directory. No sentence contains
/// the password.
pub async fn examine_database(config: &Config) -> Option<Finding> {
    let address = config.database.as_ref()?;
    let failed = |error: StoreError| finding("database", Verdict::Fail, error.to_string());
    let store = match StoreConfig::from_address(address.reveal()) {
        Ok(store) => store,
        Err(error) => return Some(failed(error)),
    };
    match look(&store).await {
        Ok(look) => look.map(|look| database_finding(&store.name(), &look)),
        Err(error) => {
            let advice = "check that it runs and is reachable from here, and the user, the password (PGPASSWORD or \
                          PGPASSFILE) and sslmode of --database";
            let sentence = format!("{error}; {advice}.");
            Some(finding("database", Verdict::Fail, sentence))
        }
    }
}

fn database_finding(name: &str, look: &Look) -> Finding {
    let Look {
        server,
        schema,
        known,
    } = look;
    let major = server.split(['.', ' ']).next().unwrap_or_default();
    if major
        .parse()
        .is_ok_and(|major: u32| major < POSTGRES_MAJOR_MIN)
    {
        return finding(
            "database",
            Verdict::Fail,
            format!(
                "{name} is PostgreSQL {server}; restage needs {POSTGRES_MAJOR_MIN} or newer: upgrade it."
            ),
        );
    }
    let (verdict, schema) = match schema {
        None => (
            Verdict::Ok,
            "is empty; the first start makes the tables".to_owned(),
        ),
        Some(found) if found > known => (
            Verdict::Fail,
            format!(
                "has schema {found} of a newer restage, this one knows {known}; use that version, or restore a backup"
            ),
        ),
        Some(found) if found < known => (
            Verdict::Ok,
            format!(
                "has schema {found}; the next start brings it to {known}: run restage db backup before"
            ),
        ),
        Some(found) => (Verdict::Ok, format!("has schema {found}, as this restage")),
    };
    let sentence = format!("{name} answers: PostgreSQL {server}; it {schema}.");
    finding("database", verdict, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_judged_by_its_versions() {
        let judge = |server: &str, schema| {
            let look = Look {
                server: server.to_owned(),
                schema,
                known: 4,
            };
            let found = database_finding("postgres://ann@db/rs", &look);
            (found.verdict, found.sentence)
        };
        assert_eq!(judge("16.4 (Debian 16.4-1)", Some(4)).0, Verdict::Ok);
        for (server, schema, verdict, word) in [
            ("12.9", Some(4), Verdict::Fail, "13 or newer"),
            ("17.0", Some(5), Verdict::Fail, "newer restage"),
            ("17.0", Some(3), Verdict::Ok, "backup"),
            ("17.0", None, Verdict::Ok, "first start"),
        ] {
            let (found, sentence) = judge(server, schema);
            assert_eq!(found, verdict, "{sentence}");
            assert!(sentence.contains(word), "{sentence}");
        }
    }

    #[tokio::test]
    async fn a_database_that_is_away_fails_without_its_password() {
        let config = Config {
            database: Some("postgres://ann:hunter2@127.0.0.1:1/rs".into()),
            ..Config::default()
        };
        let found = examine_database(&config).await.unwrap();
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(!found.sentence.contains("hunter2"), "{}", found.sentence);
        assert!(found.sentence.contains("127.0.0.1"), "{}", found.sentence);
        assert!(found.sentence.contains("PGPASSWORD"), "{}", found.sentence);
        let own = Config::default();
        assert_eq!(examine_database(&own).await, None);
    }
}
