//! Finds secret files that other users of this machine can read or write.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Config, TlsSource};

/// Files of the data directory that contain secrets: credentials, keys, an authority's account, and the database, which has the key of page
/// tokens and perhaps waiting events.
const SECRETS: [&str; 8] = [
    "credentials",
    "tokens.key",
    "console.key",
    "access-keys.key",
    "access-keys.toml",
    "restage.db",
    "tls/account.json",
    "tls/certificate.pem",
];
/// Permission bits of users that are neither the owner nor in the group.
const OTHERS: u32 = 0o007;
const OTHERS_ENTER: u32 = 0o001;

/// A secret that other users can access; as a sentence it says how to mend that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exposed {
    /// The file or directory whose permissions to change.
    pub path: PathBuf,
    what: String,
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(
            f,
            "every user of this machine may use {path}, which holds {}: close it with `chmod o= {path}`",
            self.what
        )
    }
}

/// The configured secrets that every user can access. Access by a group is accepted, because secrets are often handed
/// to a service that way.
pub fn exposed(config: &Config) -> Vec<Exposed> {
    let data = &config.data_dir;
    let open_inside = SECRETS
        .iter()
        .filter(|name| is_open(&data.join(name)))
        .copied()
        .collect::<Vec<_>>();
    let directory = (!open_inside.is_empty()).then(|| Exposed {
        path: data.clone(),
        what: open_inside.join(", "),
    });
    let keys = config
        .access_keys
        .iter()
        .filter(|key| is_open(&key.secret_file))
        .map(|key| Exposed {
            path: key.secret_file.clone(),
            what: format!("the secret of access key {}", key.access_key_id),
        });
    let tls_key = match &config.tls {
        Some(TlsSource::Files(files)) => is_open(&files.key).then(|| Exposed {
            path: files.key.clone(),
            what: "the key of the certificate".to_owned(),
        }),
        _ => None,
    };
    directory.into_iter().chain(keys).chain(tls_key).collect()
}

/// Whether every user can read or write the file, and enter every directory above it.
fn is_open(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let allows = |path: &Path, bits: u32| {
        path.metadata()
            .is_ok_and(|metadata| metadata.mode() & bits != 0)
    };
    allows(&path, OTHERS)
        && path
            .ancestors()
            .skip(1)
            .all(|above| allows(above, OTHERS_ENTER))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{AccessKey, Settings};

    fn allow(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn config(data: &Path, secret: &Path) -> Config {
        let settings = Settings {
            data_dir: Some(data.to_owned()),
            access_keys: vec![AccessKey {
                account_id: "111122223333".into(),
                access_key_id: "AKIACI".into(),
                secret_file: secret.to_owned(),
                permission: "full".into(),
            }],
            ..Settings::default()
        };
        settings.resolve().unwrap()
    }

    #[test]
    fn a_secret_file_for_everybody_is_named_with_what_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        allow(dir.path(), 0o755);
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "s3cret").unwrap();
        let config = config(&dir.path().join("data"), &secret);
        for (mode, is_exposed) in [
            (0o600, false),
            (0o640, false),
            (0o644, true),
            (0o604, true),
            (0o602, true),
        ] {
            allow(&secret, mode);
            assert_eq!(!exposed(&config).is_empty(), is_exposed, "{mode:o}");
        }
        let found = exposed(&config)[0].to_string();
        assert!(found.contains("AKIACI"), "{found}");
        let command = format!("chmod o= {}", secret.display());
        assert!(found.contains(&command) && !found.contains("s3cret"));
        // Other users cannot reach files in a closed directory.
        allow(dir.path(), 0o700);
        assert_eq!(exposed(&config), []);
        allow(dir.path(), 0o710);
        assert_eq!(exposed(&config), []);
    }

    #[test]
    fn the_key_of_a_certificate_is_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        allow(dir.path(), 0o755);
        let key = dir.path().join("key.pem");
        std::fs::write(&key, "key").unwrap();
        let settings = Settings {
            data_dir: Some(dir.path().join("data")),
            tls_cert: Some(dir.path().join("cert.pem")),
            tls_key: Some(key.clone()),
            ..Settings::default()
        };
        let config = settings.resolve().unwrap();
        allow(&key, 0o640);
        assert_eq!(exposed(&config), []);
        allow(&key, 0o644);
        assert_eq!(exposed(&config)[0].path, key);
    }

    #[test]
    fn a_data_directory_for_everybody_is_named_when_secrets_in_it_are() {
        let dir = tempfile::tempdir().unwrap();
        allow(dir.path(), 0o755);
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        allow(&data, 0o755);
        let config = config(&data, &dir.path().join("none"));
        std::fs::write(data.join("restage.lock"), "").unwrap();
        allow(&data.join("restage.lock"), 0o644);
        assert_eq!(exposed(&config), []);
        std::fs::write(data.join("restage.db"), "").unwrap();
        allow(&data.join("restage.db"), 0o644);
        let found = exposed(&config);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, data);
        assert!(found[0].to_string().contains("restage.db"));
        allow(&data, 0o750);
        assert_eq!(exposed(&config), []);
    }
}
