//! Where buckets are: what tells the bucket that a recording was begun in from another one of the same name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Backend, StorageSettings};

/// The place of an account's buckets. Credentials, addressing and encryption do not count: they may change while a recording waits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum BucketPlace {
    /// The default folder in the data directory, which may be moved together with what waits.
    DataDirectory,
    /// The subfolders of a folder, named as the settings name it.
    Folder {
        /// The folder.
        root: String,
    },
    /// A service that speaks S3, by its URL. Its region is no place of its own: requests are signed for it.
    Service {
        /// The URL, without a slash at its end.
        endpoint: String,
    },
    /// Amazon S3.
    Amazon {
        /// The region.
        region: String,
    },
}

impl BucketPlace {
    /// Where buckets of an account are, by the settings. `region` is that of the storage configuration.
    pub(crate) fn of(settings: &StorageSettings, account: &str, region: &str) -> Self {
        match settings.of_account(account) {
            Backend::Folder {
                makes_buckets: true,
                ..
            } => Self::DataDirectory,
            Backend::Folder { root, .. } => Self::Folder {
                root: root.display().to_string(),
            },
            Backend::S3(s3) => match &s3.endpoint {
                Some(endpoint) => Self::Service {
                    endpoint: endpoint.trim_end_matches('/').to_owned(),
                },
                None => Self::Amazon {
                    region: s3.region.as_deref().unwrap_or(region).to_owned(),
                },
            },
        }
    }
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDirectory => f.write_str("the folder recordings of the data directory"),
            Self::Folder { root } => write!(f, "the folder {root}"),
            Self::Service { endpoint } => f.write_str(endpoint),
            Self::Amazon { region } => write!(f, "Amazon S3 in {region}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::S3Settings;
    use super::*;

    fn place(backend: Backend) -> BucketPlace {
        BucketPlace::of(
            &StorageSettings::all(backend),
            "000000000000",
            "eu-central-1",
        )
    }

    #[test]
    fn a_place_is_what_the_settings_name_and_nothing_that_only_says_how_it_is_reached() {
        let folder = |root: &str, makes_buckets| {
            place(Backend::Folder {
                root: root.into(),
                makes_buckets,
            })
        };
        assert_eq!(
            folder("a/recordings", true),
            folder("/b/recordings", true),
            "a data directory may be moved"
        );
        assert_ne!(folder("/srv", false), folder("/mnt", false));
        assert_ne!(folder("/srv", false), folder("/srv", true));
        let service = |endpoint: &str, region: Option<&str>, path_style| {
            place(Backend::S3(S3Settings {
                endpoint: Some(endpoint.to_owned()),
                region: region.map(str::to_owned),
                path_style,
                ..S3Settings::default()
            }))
        };
        let one = service("https://a.example.org", None, true);
        assert_eq!(one, service("https://a.example.org/", Some("x"), false));
        assert_ne!(one, service("https://b.example.org", None, true));
        let amazon = |region: Option<&str>| {
            place(Backend::S3(S3Settings {
                region: region.map(str::to_owned),
                ..S3Settings::default()
            }))
        };
        assert_eq!(amazon(None), amazon(Some("eu-central-1")));
        assert_ne!(amazon(None), amazon(Some("us-east-1")));
    }
}
