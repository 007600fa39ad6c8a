//! Connection tokens on the command line: signed, explained, revoked.

use std::process::ExitCode;

use anyhow::Context as _;
use restage_api::{Operation, Timestamp};
use restage_core::row::ConnectionTokenId;
use restage_core::{ConnectionTokenClaims, PublicKeyArn, StageArn};
use restage_node::token::{
    ConnectionGrant, Endpoints, Signing, TokenError, Unverified, is_connection_token,
};
use serde::Serialize;

use super::inspect::{self, Inspection};
use super::sign::{self, Times};
use super::{endpoints_of, in_region};
use crate::api::Api;
use crate::exit::{Exit, Failure};
use crate::note::note;
use crate::output::{self, Format};
use crate::target::Target;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed<'a> {
    connection_token_id: &'a str,
    token: &'a str,
    expiration_time: String,
    key_arn: String,
}

/// What of `restage token sign` applies to a connection token.
pub(super) struct Grant<'a> {
    pub(super) id: ConnectionTokenId,
    pub(super) key: &'a PublicKeyArn,
    pub(super) times: Times,
    pub(super) endpoints: &'a Endpoints,
}

/// Signs a connection token, checks it and prints it.
pub(super) fn sign(
    signing: &Signing,
    grant: &Grant<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let (issued_at, expires_at) = grant.times.as_micros();
    let given = ConnectionGrant {
        id: &grant.id,
        issued_at,
        expires_at,
    };
    let token = signing.sign_connection(grant.key, &given, grant.endpoints)?;
    let read = Unverified::parse_connection(&token, Some(grant.endpoints))?;
    sign::check(read.problems())?;
    match format {
        Format::Text => output::line(&token)?,
        Format::Json => output::json(&Signed {
            connection_token_id: grant.id.as_str(),
            token: &token,
            expiration_time: Timestamp::from_unix_seconds(grant.times.expires_at).to_string(),
            key_arn: grant.key.to_string(),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The URLs that connection tokens contain: those of any stage, because all have the same. `None` where there is no stage.
pub(super) async fn endpoints_of_any_stage(target: &Target) -> anyhow::Result<Option<Endpoints>> {
    let api = Api::new(target)?;
    let answer = api.answer(api.call(Operation::ListStages).set("maxResults", 1));
    let stages = answer.await?;
    let Some(arn) = stages["stages"][0]["arn"].as_str() else {
        return Ok(None);
    };
    let arn = StageArn::parse(arn).context("the server named a stage by no ARN")?;
    let endpoints = endpoints_of(&api, &arn).await;
    endpoints.map(Some).map_err(|error| api.explain(error))
}

/// Checks a connection token, and shows its claims.
pub(super) async fn explain(
    found: &mut Inspection,
    text: &str,
    args: &inspect::Args,
) -> anyhow::Result<()> {
    let token = match Unverified::parse_connection(text, None) {
        Ok(token) => token,
        Err(error) => {
            found.refuse(error.to_string());
            return Ok(());
        }
    };
    let key = token.key.clone();
    found.claims.insert("keyArn", key.to_string());
    found.claims.insert("account", key.account.clone());
    found.claims.insert("region", key.region.clone());
    let (point, endpoints) = match &args.public_key {
        Some(file) => {
            found.note("whether its key is imported and its URL is this server's, only the server knows: leave out --public-key to ask it");
            (Some(inspect::point_in(file)?), None)
        }
        None => {
            let point = inspect::imported_point(found, &key, &args.target).await?;
            (point, endpoints(found, &key, &args.target).await)
        }
    };
    let token = Unverified::parse_connection(text, endpoints.as_ref())?;
    for problem in token.problems() {
        found.refuse(problem.to_string());
    }
    if let Some(claims) = token.claims() {
        show(found, claims);
    }
    if let Some(point) = point
        && token.verify(&point) == Err(TokenError::Signature)
    {
        found.refuse(TokenError::Signature.to_string());
    }
    found.note(
        "a connection token: it permits nothing by itself, and goes beside a participant token",
    );
    found.note("whether it was revoked by RevokeConnectionToken, only the server knows");
    Ok(())
}

/// The URLs that the token must contain; a note where the server does not tell them.
async fn endpoints(
    found: &mut Inspection,
    key: &PublicKeyArn,
    target: &Target,
) -> Option<Endpoints> {
    let why = match endpoints_of_any_stage(&in_region(target, &key.region)).await {
        Ok(Some(endpoints)) => return Some(endpoints),
        Ok(None) => "no stage of its Region says what it must be".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    found.note(format!("the URL was not checked: {why}"));
    None
}

fn show(found: &mut Inspection, claims: &ConnectionTokenClaims) {
    let id = claims.id.to_string();
    found.claims.insert("connectionTokenId", id);
    let seconds = |time: restage_core::id::Time| time.0.div_euclid(1_000_000);
    let times = (
        Some(seconds(claims.issued_at)),
        Some(seconds(claims.expires_at)),
    );
    inspect::show_times(found, times);
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage token revoke c9Xk2ZpLw0Xe
  restage token revoke \"$CONNECTION_TOKEN\"")]
pub(crate) struct RevokeArgs {
    /// The id of the connection token (its jti), or the token
    #[arg(value_name = "ID|TOKEN")]
    token: String,
    #[command(flatten)]
    target: Target,
}

/// RevokeConnectionToken.
pub(super) async fn revoke(args: RevokeArgs) -> anyhow::Result<ExitCode> {
    let text = args.token.trim();
    let (id, target) = match text.contains('.') {
        false => (text.to_owned(), args.target),
        true => {
            let (id, key) = named_by(text)?;
            (id, in_region(&args.target, &key.region))
        }
    };
    let api = Api::new(&target)?;
    let call = api.call(Operation::RevokeConnectionToken);
    api.answer(call.set("tokenId", id.as_str())).await?;
    let region = &api.connection.region;
    note(&format!(
        "revoked in {region}; a token of another Region with this id stays good"
    ));
    output::line(&id)?;
    Ok(ExitCode::SUCCESS)
}

/// The id of a connection token, and the key that it names.
fn named_by(text: &str) -> anyhow::Result<(String, PublicKeyArn)> {
    let read = Unverified::parse_connection(text, None);
    let token = read.ok().filter(|_| is_connection_token(text));
    let claims = token.as_ref().and_then(Unverified::claims);
    claims
        .map(|claims| (claims.id.to_string(), claims.signer.clone()))
        .ok_or_else(|| {
            Failure::new(Exit::Usage, "this is not a connection token, nor the id of one")
                .advise("restage token inspect says what a token is; a participant is disconnected by restage participants disconnect")
                .into()
        })
}
