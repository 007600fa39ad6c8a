//! `restage token`: make a participant token through the API, or explain one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use aws_sdk_ivsrealtime::types::ParticipantTokenCapability;
use restage_client::token::ParticipantToken;
use restage_server::clock;
use restage_server::data_dir::DataDir;
use restage_server::token::Tokens;
use serde::Serialize;

use crate::api::{self, Api};
use crate::cmd::pair;
use crate::output::{self, Format};
use crate::target::Target;

/// Make participant tokens, or explain one.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a participant token through the API and print it
    Create(CreateArgs),
    /// Say what a token allows, and why the server would refuse it
    Inspect(InspectArgs),
}

#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    target: Target,
    /// The stage it is for
    #[arg(long, value_name = "ARN")]
    stage_arn: String,
    /// A label of yours, seen by everyone in the stage
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// An attribute, seen by everyone in the stage; repeatable
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// What it allows [default: both]
    #[arg(long, value_name = "PUBLISH|SUBSCRIBE", value_delimiter = ',')]
    capabilities: Vec<String>,
    /// How long it can be used to join, in minutes [default: 720]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..=20160))]
    duration: Option<i32>,
    /// The token alone, or JSON with everything about it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// The token
    token: String,
    /// The server's data directory, to check the signature
    #[arg(
        long,
        env = "RESTAGE_DATA_DIR",
        value_name = "DIR",
        default_value = "data"
    )]
    data_dir: PathBuf,
    /// Sentences, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(args) => api::runtime()?.block_on(create(args)),
        Command::Inspect(args) => inspect(&args),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    participant_id: &'a str,
    token: &'a str,
    expiration_time: Option<String>,
}

async fn create(args: CreateArgs) -> anyhow::Result<ExitCode> {
    let capabilities: Vec<_> = args
        .capabilities
        .iter()
        .map(|name| ParticipantTokenCapability::from(name.to_uppercase().as_str()))
        .collect();
    let attributes: std::collections::HashMap<_, _> = args.attributes.into_iter().collect();
    let api = Api::new(&args.target)?;
    let issued = api
        .client
        .create_participant_token()
        .stage_arn(&args.stage_arn)
        .set_user_id(args.user_id)
        .set_attributes((!attributes.is_empty()).then_some(attributes))
        .set_capabilities((!capabilities.is_empty()).then_some(capabilities))
        .set_duration(args.duration)
        .send()
        .await
        .map_err(|error| api.explain(error))?;
    let token = issued
        .participant_token()
        .context("the server answered without a token")?;
    let text = token.token().unwrap_or_default();
    match args.output {
        Format::Text => output::line(text)?,
        Format::Json => output::json(&Created {
            participant_id: token.participant_id().unwrap_or_default(),
            token: text,
            expiration_time: token.expiration_time().map(ToString::to_string),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspection {
    claims: BTreeMap<&'static str, String>,
    /// Why the server would refuse it; empty if nothing is wrong that can be seen from here.
    refused_because: Vec<String>,
    /// What was not looked at.
    notes: Vec<String>,
}

fn inspect(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let text = args.token.trim();
    let inspection = match ParticipantToken::decode(text) {
        Ok(token) => look_at(text, &token, &args.data_dir)?,
        Err(error) => Inspection {
            claims: BTreeMap::new(),
            refused_because: vec![format!("it is not a participant token: {error}")],
            notes: Vec::new(),
        },
    };
    match args.output {
        Format::Json => output::json(&inspection)?,
        Format::Text => {
            for (name, value) in &inspection.claims {
                output::line(&format!("{name:<14} {value}"))?;
            }
            for reason in &inspection.refused_because {
                output::line(&format!("refused        {reason}"))?;
            }
            if inspection.refused_because.is_empty() {
                output::line("accepted       nothing speaks against it")?;
            }
            for note in &inspection.notes {
                output::line(&format!("note           {note}"))?;
            }
        }
    }
    let good = inspection.refused_because.is_empty();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn look_at(
    text: &str,
    token: &ParticipantToken,
    data_dir: &std::path::Path,
) -> anyhow::Result<Inspection> {
    let mut refused_because = Vec::new();
    let mut notes = Vec::new();
    if data_dir.join("token-key.pem").exists() {
        let pem = DataDir::open(data_dir)?.token_key_pem()?;
        if let Err(error) = Tokens::new(&pem, "", "")?.verify(text) {
            refused_because.push(error.to_string());
        }
    } else {
        notes.push(format!(
            "the signature was not checked: there is no token-key.pem in {}",
            data_dir.display()
        ));
    }
    let now = clock::now().0 / 1_000_000;
    let expires = token.expires_at().and_then(unix_seconds);
    match expires {
        Some(at) if at <= now => {
            refused_because.push(format!("it expired {} ago", duration(now - at)));
        }
        Some(_) => {}
        None => refused_because.push("it has no exp claim".to_owned()),
    }
    let allowed = token.capabilities();
    if !allowed.allow_publish && !allowed.allow_subscribe {
        refused_because.push("it allows neither publishing nor subscribing".to_owned());
    }
    notes.push("whether it was revoked by DisconnectParticipant, or its stage deleted, only the server knows".to_owned());
    let shown = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let capabilities: Vec<&str> = [
        ("PUBLISH", allowed.allow_publish),
        ("SUBSCRIBE", allowed.allow_subscribe),
    ]
    .into_iter()
    .filter_map(|(name, given)| given.then_some(name))
    .collect();
    let attributes: Vec<String> = token
        .attributes()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut claims = BTreeMap::from([
        ("participantId", shown(token.participant_id())),
        ("stageArn", shown(token.stage_arn())),
        ("userId", shown(token.user_id())),
        ("capabilities", capabilities.join(" ")),
        ("attributes", attributes.join(" ")),
    ]);
    if let Some(at) = expires.filter(|at| *at > now) {
        claims.insert("expires", format!("in {}", duration(at - now)));
    }
    Ok(Inspection {
        claims,
        refused_because,
        notes,
    })
}

fn unix_seconds(time: std::time::SystemTime) -> Option<i64> {
    let elapsed = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(elapsed.as_secs()).ok()
}

/// The two largest units, which is all a person wants.
fn duration(seconds: i64) -> String {
    match seconds {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} min {} s", s / 60, s % 60),
        s if s < 86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        s => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(43_200), "12 h 0 min");
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}
