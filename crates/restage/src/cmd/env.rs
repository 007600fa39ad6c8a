//! `restage env`: for `eval "$(restage env)"`.

use std::process::ExitCode;

use crate::output::{self, Format};
use crate::target::Target;

/// Prints the environment variables by which AWS SDKs and the AWS CLI use the server.
///
/// Use it as eval "$(restage env)". It uses the server of the data directory and ignores the AWS variables of the
/// environment; with --profile it uses that profile.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Shell exports, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let connection = args.target.connect_to_own()?;
    let keys = &connection.keys;
    let mut pairs = vec![
        ("AWS_ACCESS_KEY_ID", keys.access_key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_key.as_str()),
        ("AWS_REGION", connection.region.as_str()),
        // boto3 and the AWS CLI v1 read only this name.
        ("AWS_DEFAULT_REGION", connection.region.as_str()),
    ];
    if let Some(url) = &connection.url {
        pairs.push(("AWS_ENDPOINT_URL_IVS_REALTIME", url));
    }
    if let Some(token) = &keys.session_token {
        pairs.push(("AWS_SESSION_TOKEN", token));
    }
    match args.output {
        Format::Text => {
            for (name, value) in pairs {
                output::line(&format!("export {name}={}", quoted(value)))?;
            }
            // A session token left in the environment would not match these keys.
            output::line(match keys.session_token {
                Some(_) => "unset AWS_PROFILE",
                None => "unset AWS_SESSION_TOKEN AWS_PROFILE",
            })?;
        }
        Format::Json => {
            output::json(
                &pairs
                    .into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>(),
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Quotes a text for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:+=@%".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_shell() {
        assert_eq!(quoted("http://127.0.0.1:4080"), "http://127.0.0.1:4080");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
