//! AWS shared configuration: `~/.aws/config` and `~/.aws/credentials`, as far as a client of one
//! service needs them.
//!
//! The format is described at <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>. Keys,
//! Region and endpoints are read. Roles, SSO and external processes are left to the AWS CLI, which can
//! export its credentials.
//!
//! The parser of aws-runtime, which is linked, is not used: it reads files through a module it calls internal, and it
//! refuses a whole file for one line that it does not understand, while this module reads the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::Failure;

/// Longest file read. Real ones have a few kilobytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The service's name in `[services …]` sections.
const SERVICE: &str = "ivs_realtime";

/// The settings of a profile that are used here.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) access_key: Option<String>,
    pub(crate) secret_key: Option<String>,
    pub(crate) session_token: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    /// A file of certificates to trust.
    pub(crate) ca_bundle: Option<String>,
    /// A setting that fetches the keys from elsewhere, which is not supported.
    pub(crate) indirect: Option<&'static str>,
}

/// The contents of both files.
#[derive(Default)]
pub(crate) struct Profiles {
    config: Sections,
    credentials: Sections,
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

impl Profiles {
    /// Reads the files that `variable` and the home directory name. A missing file counts as empty.
    pub(crate) fn load(variable: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let path = |name: &str, file: &str| {
            variable(name)
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".aws").join(file)))
        };
        let read = |path: Option<PathBuf>| match path {
            Some(path) => read(&path),
            None => Ok(String::new()),
        };
        Ok(Self {
            config: parse(&read(path("AWS_CONFIG_FILE", "config"))?),
            credentials: parse(&read(path("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?),
        })
    }

    /// A profile by name; `None` if neither file has it.
    pub(crate) fn get(&self, name: &str) -> Option<Profile> {
        let in_config = match name {
            "default" => self
                .config
                .get("default")
                .or_else(|| self.config.get("profile default")),
            name => self.config.get(&format!("profile {name}")),
        };
        let in_credentials = self.credentials.get(name);
        if in_config.is_none() && in_credentials.is_none() {
            return None;
        }
        // For keys the credentials file takes precedence over the configuration file.
        let value = |key: &str| {
            let found = in_credentials.and_then(|section| section.get(key));
            let found = found.or_else(|| in_config.and_then(|section| section.get(key)));
            found.filter(|value| !value.is_empty()).cloned()
        };
        let services = value("services")
            .and_then(|services| self.config.get(&format!("services {services}")))
            .and_then(|section| section.get(&format!("{SERVICE}.endpoint_url")))
            .cloned();
        let indirect = [
            "role_arn",
            "sso_session",
            "sso_start_url",
            "credential_process",
        ]
        .into_iter()
        .find(|key| value(key).is_some());
        Some(Profile {
            access_key: value("aws_access_key_id"),
            secret_key: value("aws_secret_access_key"),
            session_token: value("aws_session_token"),
            region: value("region"),
            endpoint_url: services.or_else(|| value("endpoint_url")),
            ca_bundle: value("ca_bundle"),
            indirect,
        })
    }

    /// A profile that the user named, which must exist.
    pub(crate) fn require(&self, name: &str) -> anyhow::Result<Profile> {
        self.get(name).ok_or_else(|| {
            let known = self.names();
            let advice = match known.is_empty() {
                true => "aws configure --profile NAME makes one".to_owned(),
                false => format!("one of: {}", known.join(", ")),
            };
            Failure::usage(format!("there is no AWS profile {name:?}"))
                .advise(advice)
                .into()
        })
    }

    fn names(&self) -> Vec<&str> {
        let in_config = self.config.keys().filter_map(|section| {
            let name = section.strip_prefix("profile ");
            name.or_else(|| (section == "default").then_some("default"))
        });
        let mut names: Vec<&str> = in_config
            .chain(self.credentials.keys().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let problem = || format!("cannot read the AWS configuration in {}", path.display());
    match std::fs::metadata(path) {
        Ok(found) if found.len() > FILE_BYTES_MAX => {
            Err(Failure::usage("it is longer than 4 MiB")).with_context(problem)
        }
        Ok(found) if found.is_dir() => {
            Err(Failure::usage("it is a directory")).with_context(problem)
        }
        Ok(_) => std::fs::read_to_string(path).with_context(problem),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(problem),
    }
}

/// Sections with their settings; a section nested in another has the name `outer.inner`.
fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    let mut outer = String::new();
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = without_comment(line);
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            // `[ profile  dev ]` is the same as `[profile dev]`.
            let name: Vec<&str> = name.split_whitespace().collect();
            let name = name.join(" ");
            sections.entry(name.clone()).or_default();
            section = Some(name);
            outer.clear();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().to_owned());
        let name = match is_indented && !outer.is_empty() {
            true => format!("{outer}.{key}"),
            false => {
                outer = if value.is_empty() {
                    key.clone()
                } else {
                    String::new()
                };
                key
            }
        };
        if let Some(settings) = section.as_ref().and_then(|name| sections.get_mut(name)) {
            settings.insert(name, value);
        }
    }
    sections
}

fn without_comment(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return "";
    }
    let comment = [" #", " ;", "\t#", "\t;"]
        .into_iter()
        .filter_map(|mark| line.find(mark))
        .min();
    comment.map_or(line, |at| &line[..at]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        Profiles {
            config: parse(config),
            credentials: parse(credentials),
        }
    }

    #[test]
    fn keys_region_and_endpoints_are_read() {
        let read = profiles(
            "[default]\nregion=eu-west-1 ; near\n\n[ profile  dev ]\nregion = us-west-2\n\
             endpoint_url = https://all.example.test\nservices = local\n\
             aws_access_key_id = FROMCONFIG\n[services local]\ns3 =\n  endpoint_url = http://s3\n\
             ivs_realtime = \n  # mine\n  endpoint_url = http://127.0.0.1:4080\n",
            "[default]\naws_access_key_id=A\naws_secret_access_key = B#c==\n[dev]\n\
             aws_access_key_id=C\naws_secret_access_key=D\naws_session_token=E\n",
        );
        let default = read.get("default").unwrap();
        assert_eq!(default.region.as_deref(), Some("eu-west-1"));
        assert_eq!(default.secret_key.as_deref(), Some("B#c=="));
        assert_eq!(default.endpoint_url, None);
        let dev = read.get("dev").unwrap();
        assert_eq!(dev.access_key.as_deref(), Some("C"));
        assert_eq!(dev.session_token.as_deref(), Some("E"));
        assert_eq!(dev.endpoint_url.as_deref(), Some("http://127.0.0.1:4080"));
        assert!(read.get("other").is_none());
        assert_eq!(read.names(), ["default", "dev"]);
    }

    #[test]
    fn an_endpoint_for_all_services_is_the_second_choice() {
        let read = profiles(
            "[profile a]\nendpoint_url = http://x\nservices = gone\n",
            "",
        );
        assert_eq!(
            read.get("a").unwrap().endpoint_url.as_deref(),
            Some("http://x")
        );
    }

    #[test]
    fn keys_from_elsewhere_are_recognised() {
        for key in [
            "role_arn",
            "sso_session",
            "sso_start_url",
            "credential_process",
        ] {
            let read = profiles(&format!("[profile a]\n{key} = x\n"), "");
            assert_eq!(read.get("a").unwrap().indirect, Some(key));
        }
    }

    #[test]
    fn nothing_in_a_file_is_a_panic() {
        for text in [
            "",
            "[",
            "]",
            "[]",
            "=",
            "a=b",
            "[a",
            "[a]\n=\n = \n x",
            "\u{feff}[a]\n#",
            "[é]\nü=ö",
        ] {
            let read = profiles(text, text);
            let _ = read.get("a");
            let _ = read.names();
        }
    }

    #[test]
    fn a_missing_profile_names_those_there_are() {
        let read = profiles("[profile b]\n", "[a]\n");
        let error = read.require("c").err().unwrap();
        assert_eq!(error.to_string(), "there is no AWS profile \"c\"");
    }
}
