//! The server, keys and Region of a command: flags as in the AWS CLI.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use restage_client::Trust;
use restage_server::config::Config;
use restage_server::data_dir::existing_credentials;
use restage_server::run_file::RunFile;

use crate::exit::Failure;
use crate::profile::{Profile, Profiles};

/// The environment variables that name an endpoint, the more specific one first.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_IVS_REALTIME", "AWS_ENDPOINT_URL"];
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// The environment variable that names a file of certificates to trust, as for the AWS CLI.
const CA_BUNDLE_VARIABLE: &str = "AWS_CA_BUNDLE";
/// Longest bundle read; all public authorities together are about 200 kilobytes.
const CA_BUNDLE_BYTES_MAX: u64 = 16 << 20;
/// Any name works with restage; this is the default of AWS's own tools.
const REGION_DEFAULT: &str = "us-east-1";

/// Where the server is and who asks.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Target {
    /// Data directory of the server, for its address and credentials
    ///
    /// As a flag it takes precedence over the environment. [env: RESTAGE_DATA_DIR] [default: data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// URL of the API
    ///
    /// Without it: AWS_ENDPOINT_URL_IVS_REALTIME, AWS_ENDPOINT_URL, the profile's endpoint_url, the
    /// server that runs on the data directory.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// AWS profile to take credentials, region and endpoint from
    ///
    /// A profile without endpoint_url, named here, means Amazon IVS itself. [env: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The Region of the resources; with restage any name works
    ///
    /// Without it: AWS_REGION, AWS_DEFAULT_REGION, the profile's region, us-east-1.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// File with the certificates to trust for TLS, instead of the system's authorities
    ///
    /// Without it: AWS_CA_BUNDLE, the profile's ca_bundle.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_bundle: Option<PathBuf>,
    /// Trust any certificate: anybody in between can then read and change everything
    #[arg(long)]
    pub(crate) no_verify_ssl: bool,
}

/// Everything needed to call the API, with the source of each part for error messages.
#[derive(Clone)]
pub(crate) struct ApiAccess {
    pub(crate) data_dir: PathBuf,
    /// The server's URL; `None` means Amazon IVS in the Region.
    pub(crate) url: Option<String>,
    pub(crate) region: String,
    pub(crate) keys: Keys,
    /// The source of the keys, in words for the user.
    pub(crate) keys_from: String,
}

/// An access key with its secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
}

impl ApiAccess {
    /// The address in words for the user.
    pub(crate) fn shown(&self) -> String {
        match &self.url {
            Some(url) => url.clone(),
            None => format!("Amazon IVS in {}", self.region),
        }
    }
}

/// The source of an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Named,
    DataDir,
    Aws,
}

/// Looks up an environment variable, in the process or in a test.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Target {
    /// Resolves server, keys and Region. Precedence: flag, environment, profile, the server's data directory. An
    /// address from a data directory is used with that directory's credentials, because other keys
    /// cannot be valid there.
    pub(crate) fn connect(&self) -> anyhow::Result<ApiAccess> {
        self.connect_in(&variable)
    }

    fn connect_in(&self, variable: Variables<'_>) -> anyhow::Result<ApiAccess> {
        let profiles = Profiles::load(variable)?;
        let profile = self.profile_in(&profiles, variable)?;
        let data_dir = self.data_dir_in(variable);
        let (url, origin) = self.address(&profile, &data_dir, variable);
        let region = self
            .region
            .clone()
            .or_else(|| first(variable, &REGION_VARIABLES))
            .or_else(|| profile.region.clone())
            .unwrap_or_else(|| REGION_DEFAULT.to_owned());
        let (keys, keys_from) =
            self.keys(&profile, &data_dir, (url.as_deref(), origin), variable)?;
        Ok(ApiAccess {
            data_dir,
            url,
            region,
            keys,
            keys_from,
        })
    }

    /// The server of the data directory, whatever AWS configuration exists: for `restage env`,
    /// which replaces that configuration.
    pub(crate) fn connect_to_own(&self) -> anyhow::Result<ApiAccess> {
        if self.profile.is_some() {
            return self.connect();
        }
        let data_dir = self.data_dir_in(&variable);
        let url = self
            .endpoint_url
            .clone()
            .or_else(|| RunFile::read(&data_dir).map(|run| run.url))
            .or_else(|| first(&variable, &ENDPOINT_VARIABLES))
            .unwrap_or_else(default_url);
        let region = self
            .region
            .clone()
            .or_else(|| first(&variable, &REGION_VARIABLES));
        Ok(ApiAccess {
            url: Some(url),
            region: region.unwrap_or_else(|| REGION_DEFAULT.to_owned()),
            keys: own_keys(&data_dir)?,
            keys_from: shown_dir(&data_dir),
            data_dir,
        })
    }

    /// The certificates to trust for the API, WHIP, WHEP and the events socket.
    pub(crate) fn trust(&self) -> anyhow::Result<Trust> {
        self.trust_in(&variable)
    }

    fn trust_in(&self, variable: Variables<'_>) -> anyhow::Result<Trust> {
        if self.no_verify_ssl {
            return Ok(Trust::unverified()?);
        }
        let given = |path: &PathBuf, name: &str| (path.clone(), name.to_owned());
        let from_flag = self
            .ca_bundle
            .as_ref()
            .map(|path| given(path, "--ca-bundle"));
        let from_environment = || {
            let path = variable(CA_BUNDLE_VARIABLE)?;
            Some((PathBuf::from(path), CA_BUNDLE_VARIABLE.to_owned()))
        };
        let from_profile = || -> anyhow::Result<Option<(PathBuf, String)>> {
            let profiles = Profiles::load(variable)?;
            let profile = match &self.profile {
                Some(name) => profiles.require(name)?,
                // A token needs no profile, so a missing profile is no error here.
                None => {
                    let name = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
                    profiles.get(&name).unwrap_or_default()
                }
            };
            let path = profile.ca_bundle.map(PathBuf::from);
            Ok(path.map(|path| (path, "the profile's ca_bundle".to_owned())))
        };
        let found = match from_flag.or_else(from_environment) {
            Some(found) => Some(found),
            None => from_profile()?,
        };
        let Some((path, origin)) = found else {
            return Ok(Trust::system());
        };
        let problem = |why: String| {
            let what = format!(
                "{origin} names {}, which cannot be used: {why}",
                path.display()
            );
            Failure::usage(what).advise("name a file with certificates in PEM")
        };
        let pem = read_bundle(&path).map_err(|error| problem(error.to_string()))?;
        Ok(Trust::bundle(&pem).map_err(|error| problem(error.to_string()))?)
    }

    pub(crate) fn data_dir_in(&self, variable: Variables<'_>) -> PathBuf {
        self.data_dir
            .clone()
            .or_else(|| variable("RESTAGE_DATA_DIR").map(PathBuf::from))
            .unwrap_or_else(|| Config::default().data_dir)
    }

    /// The profile that was named, which must exist, or the default one, which need not.
    fn profile_in(&self, profiles: &Profiles, variable: Variables<'_>) -> anyhow::Result<Profile> {
        match self.profile.clone().or_else(|| variable("AWS_PROFILE")) {
            Some(name) => profiles.require(&name),
            None => Ok(profiles.get("default").unwrap_or_default()),
        }
    }

    fn address(
        &self,
        profile: &Profile,
        data_dir: &Path,
        variable: Variables<'_>,
    ) -> (Option<String>, Origin) {
        if let Some(url) = &self.endpoint_url {
            return (Some(url.clone()), Origin::Named);
        }
        let here = |run: RunFile| run.local.unwrap_or(run.url);
        let own = || RunFile::read(data_dir).map_or_else(default_url, here);
        if self.data_dir.is_some() {
            return (Some(own()), Origin::DataDir);
        }
        let named = first(variable, &ENDPOINT_VARIABLES).or_else(|| profile.endpoint_url.clone());
        match named {
            Some(url) => (Some(url), Origin::Named),
            // Only a profile that is named on the command line may lead to Amazon IVS.
            None if self.profile.is_some() => (None, Origin::Aws),
            None => (Some(own()), Origin::DataDir),
        }
    }

    fn keys(
        &self,
        profile: &Profile,
        data_dir: &Path,
        (url, origin): (Option<&str>, Origin),
        variable: Variables<'_>,
    ) -> anyhow::Result<(Keys, String)> {
        let from_profile = || {
            let name = self.profile.clone().or_else(|| variable("AWS_PROFILE"));
            let name = name.unwrap_or_else(|| "default".to_owned());
            profile_keys(profile).map(|keys| (keys, format!("the AWS profile {name:?}")))
        };
        if let Some(name) = &self.profile {
            return from_profile().ok_or_else(|| no_keys(name, profile));
        }
        let own = || own_keys(data_dir).map(|keys| (keys, shown_dir(data_dir)));
        let from_environment = || Some((environment_keys(variable)?, "the environment".to_owned()));
        if self.data_dir.is_some() || origin == Origin::DataDir {
            // A server that got its keys from its environment stores none in the directory.
            return own().or_else(|error| from_environment().ok_or(error));
        }
        if let Some(found) = from_environment() {
            return Ok(found);
        }
        let is_own_server =
            RunFile::read(data_dir).is_some_and(|run| Some(run.url.as_str()) == url);
        if is_own_server && let Ok(found) = own() {
            return Ok(found);
        }
        match from_profile() {
            Some(found) => Ok(found),
            None => own(),
        }
    }
}

fn read_bundle(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(CA_BUNDLE_BYTES_MAX).read_to_end(&mut pem)?;
    Ok(pem)
}

/// An environment variable of the process, if it is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn first(variable: Variables<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| variable(name))
}

fn default_url() -> String {
    format!("http://{}", Config::default().http[0])
}

fn shown_dir(data_dir: &Path) -> String {
    format!("the data directory {}", data_dir.display())
}

fn environment_keys(variable: Variables<'_>) -> Option<Keys> {
    Some(Keys {
        access_key: variable("AWS_ACCESS_KEY_ID")?,
        secret_key: variable("AWS_SECRET_ACCESS_KEY")?,
        session_token: variable("AWS_SESSION_TOKEN"),
    })
}

fn profile_keys(profile: &Profile) -> Option<Keys> {
    Some(Keys {
        access_key: profile.access_key.clone()?,
        secret_key: profile.secret_key.clone()?,
        session_token: profile.session_token.clone(),
    })
}

fn own_keys(data_dir: &Path) -> anyhow::Result<Keys> {
    let keys = existing_credentials(data_dir).map_err(|error| {
        let advice = "restage serve, or --data-dir, --profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        Failure::usage(error.to_string()).advise(advice)
    })?;
    Ok(Keys {
        access_key: keys.access_key,
        secret_key: keys.secret_key,
        session_token: None,
    })
}

fn no_keys(name: &str, profile: &Profile) -> anyhow::Error {
    match profile.indirect {
        Some(setting) => Failure::usage(format!(
            "the AWS profile {name:?} gets its keys through {setting}, which restage does not do"
        ))
        .advise(format!(
            "eval \"$(aws configure export-credentials --profile {name} --format env)\", and --endpoint-url \
             instead of --profile"
        )),
        None => Failure::usage(format!(
            "the AWS profile {name:?} has no aws_access_key_id and aws_secret_access_key"
        ))
        .advise(format!("aws configure --profile {name}")),
    }
    .into()
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
