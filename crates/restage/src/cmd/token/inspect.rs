//! `restage token inspect`: the claims of a token, and all reasons why it would be refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use restage_api::Operation;
use restage_client::token::ParticipantToken;
use restage_core::{ISSUED_AHEAD_MAX_S, PublicKeyArn, StageArn};
use restage_node::token::{
    Endpoints, TokenError, Tokens, Unverified, is_connection_token, is_of_service,
};
use restage_server::data_dir::DataDir;
use restage_server::public_key::PublicKey;
use restage_store::system::clock;
use serde::Serialize;

use super::{connection, endpoints_of, in_region};
use crate::api::{Api, CallError};
use crate::output::{self, Format};
use crate::target::Target;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The token
    token: String,
    /// Check a self-signed token against this public key alone, without asking the server
    #[arg(long, value_name = "FILE")]
    pub(super) public_key: Option<PathBuf>,
    /// Sentences, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inspection {
    pub(super) claims: BTreeMap<&'static str, String>,
    /// Reasons why the server would refuse it; empty if no fault can be found.
    refused_because: Vec<String>,
    /// What was not checked.
    notes: Vec<String>,
}

impl Inspection {
    pub(super) fn refuse(&mut self, why: impl Into<String>) {
        self.refused_because.push(why.into());
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = args.token.trim();
    let mut found = Inspection::default();
    let is_connection = is_connection_token(text);
    if is_of_service(text) && !is_connection {
        let data_dir = args.target.data_dir_in(&|name| std::env::var(name).ok());
        check_own(&mut found, text, &data_dir)?;
        if args.public_key.is_some() {
            found.note(
                "--public-key was not looked at: the token is the service's own, not self-signed",
            );
        }
    } else if !is_connection {
        check_self_signed(&mut found, text, &args).await?;
    }
    match is_connection {
        true => connection::explain(&mut found, text, &args).await?,
        false => show_claims(&mut found, text),
    }
    print(&found, args.output)?;
    let good = found.refused_because.is_empty();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(found: &Inspection, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(found);
    }
    for (name, value) in &found.claims {
        output::line(&format!("{name:<14} {value}"))?;
    }
    for reason in &found.refused_because {
        output::line(&format!("refused        {reason}"))?;
    }
    if found.refused_because.is_empty() {
        output::line("accepted       nothing speaks against it")?;
    }
    for note in &found.notes {
        output::line(&format!("note           {note}"))?;
    }
    Ok(())
}

/// Checks a token of CreateParticipantToken or CreateStage.
fn check_own(found: &mut Inspection, text: &str, data_dir: &Path) -> anyhow::Result<()> {
    let data = DataDir::at(data_dir);
    let file = data.token_secret_file();
    if file.exists() {
        let secret = data.token_secret()?;
        // The server does not check the URLs of such a token.
        if let Err(error) = Tokens::new(&secret, Endpoints::of("")).read(text) {
            found.refuse(error.to_string());
        }
    } else {
        found.note(format!(
            "the signature was not checked: there is no {}",
            file.display()
        ));
    }
    Ok(())
}

/// Checks a token that names an imported key, or one that names no usable key.
async fn check_self_signed(found: &mut Inspection, text: &str, args: &Args) -> anyhow::Result<()> {
    let token = match Unverified::parse(text, None) {
        Ok(token) => token,
        Err(error) => {
            found.refuse(error.to_string());
            return Ok(());
        }
    };
    found.claims.insert("keyArn", token.key.to_string());
    let (point, endpoints) = if let Some(file) = &args.public_key {
        found.note("whether its key is imported and its URLs are the stage's, only the server knows: leave out --public-key to ask it");
        (Some(point_in(file)?), None)
    } else {
        let point = imported_point(found, &token.key, &args.target).await?;
        let stage = token.stage();
        let endpoints = match stage {
            Some(stage) => stage_endpoints(found, &stage, &args.target).await?,
            None => None,
        };
        (point, endpoints)
    };
    let token = Unverified::parse(text, endpoints.as_ref())?;
    for problem in token.problems() {
        found.refuse(problem.to_string());
    }
    if let Some(point) = point
        && token.verify(&point) == Err(TokenError::Signature)
    {
        found.refuse(TokenError::Signature.to_string());
    }
    Ok(())
}

/// Reads the public key from a file.
pub(super) fn point_in(file: &Path) -> anyhow::Result<String> {
    let pem = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the public key {}", file.display()))?;
    let key = PublicKey::from_pem(&pem)
        .map_err(|rule| anyhow::anyhow!("the public key in {} {rule}", file.display()))?;
    Ok(key.point)
}

/// Gets the imported public key from the server.
pub(super) async fn imported_point(
    found: &mut Inspection,
    key: &PublicKeyArn,
    target: &Target,
) -> anyhow::Result<Option<String>> {
    let api = Api::new(&in_region(target, &key.region))?;
    let call = api
        .call(Operation::GetPublicKey)
        .set("arn", key.to_string());
    match call.send().await {
        Ok(answer) => {
            let pem = answer["publicKey"]["publicKeyMaterial"].as_str();
            let key = PublicKey::from_pem(pem.unwrap_or_default())
                .map_err(|rule| anyhow::anyhow!("the public key the server has {rule}"))?;
            Ok(Some(key.point))
        }
        Err(error) => {
            unanswered(found, &api, "kid", "the signature was", error);
            Ok(None)
        }
    }
}

/// Gets the URLs that a token of this stage must contain from the server.
async fn stage_endpoints(
    found: &mut Inspection,
    stage: &StageArn,
    target: &Target,
) -> anyhow::Result<Option<Endpoints>> {
    let api = Api::new(&in_region(target, &stage.region))?;
    match endpoints_of(&api, stage).await {
        Ok(endpoints) => Ok(Some(endpoints)),
        Err(error) => {
            unanswered(found, &api, "resource", "the URLs were", error);
            Ok(None)
        }
    }
}

/// A refusal by the server is a fault of the token; without an answer, a note says what was not checked.
fn unanswered(found: &mut Inspection, api: &Api, claim: &str, unchecked: &str, error: CallError) {
    let is_answer = error.code().is_some();
    let why = api.explain(error);
    if is_answer {
        found.refuse(format!("{claim}: {why:#}"));
    } else {
        found.note(format!("{unchecked} not checked: {why:#}"));
    }
}

/// Shows the claims, as far as they can be read, and the faults that depend on time.
fn show_claims(found: &mut Inspection, text: &str) {
    let Ok(token) = ParticipantToken::decode(text) else {
        return;
    };
    let times = (
        token.issued_at().and_then(unix_seconds),
        token.expires_at().and_then(unix_seconds),
    );
    show_times(found, times);
    let allowed = token.capabilities();
    if !allowed.allow_publish && !allowed.allow_subscribe {
        found.note("it allows neither publishing nor subscribing, only the events socket");
    }
    found.note("whether it was revoked by DisconnectParticipant, or its stage deleted, only the server knows");
    show_rest(found, &token);
}

/// Shows when the token expires, and the faults that depend on time. The times are seconds since 1970.
pub(super) fn show_times(found: &mut Inspection, (issued, expires): (Option<i64>, Option<i64>)) {
    let now = clock::now().0 / 1_000_000;
    match expires {
        Some(at) if at <= now => found.refuse(format!("it expired {} ago", duration(now - at))),
        Some(at) => {
            found
                .claims
                .insert("expires", format!("in {}", duration(at - now)));
        }
        None => {}
    }
    if let Some(at) = issued.filter(|at| *at > now + i64::from(ISSUED_AHEAD_MAX_S)) {
        found.refuse(format!(
            "iat: it will be issued in {}; check the clock of who signs",
            duration(at - now)
        ));
    }
}

fn show_rest(found: &mut Inspection, token: &ParticipantToken) {
    let allowed = token.capabilities();
    let shown = |value: Option<&str>| {
        value
            .filter(|text| !text.is_empty())
            .unwrap_or("-")
            .to_owned()
    };
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
    found.claims.extend([
        ("participantId", shown(token.participant_id())),
        ("stageArn", shown(token.stage_arn())),
        ("userId", shown(token.user_id())),
        ("capabilities", shown(Some(&capabilities.join(" ")))),
        ("attributes", shown(Some(&attributes.join(" ")))),
    ]);
}

fn unix_seconds(time: std::time::SystemTime) -> Option<i64> {
    let elapsed = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(elapsed.as_secs()).ok()
}

/// A duration in its two largest units.
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
