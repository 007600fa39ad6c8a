//! `restage token sign`: a self-signed participant token or a connection token, checked before it is printed.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use restage_api::{Operation, Timestamp};
use restage_core::id::{ParticipantId, Time};
use restage_core::limits::ISSUED_AHEAD_MAX_S;
use restage_core::row::{Attributes, Capabilities, ConnectionTokenId};
use restage_core::{PublicKeyArn, StageArn};
use restage_node::token::{Endpoints, Grant, Signing, TokenError, Unverified};
use restage_server::public_key::PublicKey;
use restage_store::system::{clock, ids};
use serde::Serialize;

use super::{connection, endpoints_of, in_region};
use crate::api::Api;
use crate::cmd::participants::STAGE;
use crate::exit::{Exit, Failure};
use crate::join::Capability;
use crate::naming::{self, Words};
use crate::output::{self, Format};
use crate::paging;
use crate::pair::pair;
use crate::target::Target;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage token sign lobby --private-key key.pem --user-id ann
  restage token sign --connection --private-key key.pem --duration 40320")]
pub(crate) struct Args {
    /// The private key, P-384 in PEM (openssl ecparam -name secp384r1 -genkey -noout)
    #[arg(long, value_name = "FILE")]
    private_key: PathBuf,
    /// The imported public key, `kid` of the token [default: the matching key, from the server]
    #[arg(long, value_name = "ARN")]
    key_arn: Option<String>,
    /// Sign a connection token, which goes beside participant tokens of any stages; a stage only says which URL it has
    #[arg(long, conflicts_with_all = ["participant_id", "user_id", "attributes", "capabilities", "whip_url"])]
    connection: bool,
    /// The id of a connection token, `jti`: up to 64 letters, digits, - and _ [default: a new one]
    #[arg(long, value_name = "ID", requires = "connection")]
    token_id: Option<String>,
    /// The stage, in place of its flag
    #[arg(value_name = "STAGE")]
    word: Option<String>,
    /// The stage it is for, by ARN, name or id
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
    /// The id of the participant, `jti`: up to 64 letters, digits, - and _ [default: a new one]
    #[arg(long, value_name = "ID")]
    participant_id: Option<String>,
    /// A user id of your choice, visible to everyone in the stage
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    user_id: String,
    /// An attribute, visible to everyone in the stage; repeatable
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// What it allows [default: both]
    #[arg(
        long,
        value_name = "PUBLISH|SUBSCRIBE",
        value_delimiter = ',',
        ignore_case = true
    )]
    capabilities: Option<Vec<Capability>>,
    /// How long the token can be used to join, in minutes: at most 20160, of a connection token 40320
    #[arg(long, value_name = "MINUTES", default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=40320))]
    duration: u32,
    /// Expiry in seconds since 1970, instead of --duration
    #[arg(long, value_name = "SECONDS", conflicts_with = "duration")]
    expires_at: Option<i64>,
    /// When it was issued, in seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS")]
    issued_at: Option<i64>,
    /// The stage's WHIP endpoint [default: from the server]
    #[arg(long, value_name = "URL", requires = "events_url")]
    whip_url: Option<String>,
    /// The stage's events endpoint [default: from the server]
    #[arg(long, value_name = "URL")]
    events_url: Option<String>,
    /// Output: the token alone, or JSON with all details
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed<'a> {
    participant_id: &'a str,
    token: &'a str,
    expiration_time: String,
    key_arn: String,
}

/// When a token was issued and when it expires, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
}

impl Times {
    fn of(args: &Args) -> Self {
        let issued_at = args.issued_at.unwrap_or_else(|| clock::now().0 / 1_000_000);
        let duration = i64::from(args.duration) * 60;
        let expires_at = args.expires_at;
        Self {
            issued_at,
            expires_at: expires_at.unwrap_or_else(|| issued_at.saturating_add(duration)),
        }
    }

    /// Refuses times with which the server takes no token now.
    fn check(self, now: i64) -> anyhow::Result<()> {
        let ahead_max = i64::from(ISSUED_AHEAD_MAX_S);
        let why = if self.issued_at.saturating_sub(now) > ahead_max {
            format!("iat must be at most {ahead_max} seconds from now")
        } else if self.expires_at <= now {
            "exp must be later than now".to_owned()
        } else {
            return Ok(());
        };
        Err(Failure::usage(format!("the server would refuse it: {why}")).into())
    }

    pub(super) const fn as_micros(self) -> (Time, Time) {
        (
            Time(self.issued_at.saturating_mul(1_000_000)),
            Time(self.expires_at.saturating_mul(1_000_000)),
        )
    }
}

/// Refuses to print a token with faults.
pub(super) fn check(problems: &[TokenError]) -> anyhow::Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let why = format!("the server would refuse it: {}", problems.join("; "));
    Err(Failure::usage(why).into())
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let pem = std::fs::read_to_string(&args.private_key)
        .with_context(|| format!("cannot read the private key {}", args.private_key.display()))?;
    let signing = Signing::from_pem(&pem)
        .with_context(|| format!("cannot sign with {}", args.private_key.display()))?;
    let times = Times::of(&args);
    times.check(clock::now().0 / 1_000_000)?;
    let mut words = Words::new(args.word.clone().into_iter().collect());
    if args.connection {
        let named = words.take(args.stage.clone());
        words.end()?;
        return connection(&args, &signing, times, named).await;
    }
    let named = words.require(args.stage, STAGE)?;
    words.end()?;
    if args.whip_url.is_none() && args.events_url.is_some() {
        return Err(Failure::usage("--events-url needs --whip-url beside it").into());
    }
    let arn = match naming::is_arn(&named) {
        true => named,
        false => naming::stage_arn(&Api::new(&args.target)?, &named).await?,
    };
    let stage =
        StageArn::parse(&arn).context("--stage must be a stage ARN or the name of a stage")?;
    let target = in_region(&args.target, &stage.region);
    let key = match &args.key_arn {
        Some(text) => {
            PublicKeyArn::parse(text).context("--key-arn must be the ARN of a public key")?
        }
        None => imported_key(&target, &signing.point()).await?,
    };
    let endpoints = match (&args.whip_url, &args.events_url) {
        (Some(whip), Some(events)) => Endpoints {
            whip: whip.clone(),
            events: events.clone(),
        },
        _ => {
            let api = Api::new(&target)?;
            let given = endpoints_of(&api, &stage).await;
            given.map_err(|error| api.explain(error))?
        }
    };

    let participant = args
        .participant_id
        .map_or_else(ids::participant, ParticipantId::new);
    let (issued_at, expires_at) = times.as_micros();
    let attributes: Attributes = args.attributes.into_iter().collect();
    let allows = |capability| {
        args.capabilities
            .as_ref()
            .is_none_or(|given| given.contains(&capability))
    };
    let grant = Grant {
        participant: &participant,
        stage: &stage,
        user_id: &args.user_id,
        attributes: &attributes,
        capabilities: Capabilities {
            publish: allows(Capability::Publish),
            subscribe: allows(Capability::Subscribe),
        },
        issued_at,
        expires_at,
    };
    let token = signing.sign(&key, &grant, &endpoints)?;
    let read = Unverified::parse(&token, Some(&endpoints))?;
    check(read.problems())?;
    match args.output {
        Format::Text => output::line(&token)?,
        Format::Json => output::json(&Signed {
            participant_id: participant.as_str(),
            token: &token,
            expiration_time: Timestamp::from_unix_seconds(times.expires_at).to_string(),
            key_arn: key.to_string(),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Signs a connection token. A stage, if one is named, says which Region and URL it is for.
async fn connection(
    args: &Args,
    signing: &Signing,
    times: Times,
    named: Option<String>,
) -> anyhow::Result<ExitCode> {
    let stage = match named {
        Some(named) => {
            let arn = naming::stage_arn(&Api::new(&args.target)?, &named).await?;
            let arn = StageArn::parse(&arn);
            Some(arn.context("--stage must be a stage ARN or the name of a stage")?)
        }
        None => None,
    };
    let target = match &stage {
        Some(stage) => in_region(&args.target, &stage.region),
        None => args.target.clone(),
    };
    let key = match &args.key_arn {
        Some(text) => {
            PublicKeyArn::parse(text).context("--key-arn must be the ARN of a public key")?
        }
        None => imported_key(&target, &signing.point()).await?,
    };
    let endpoints = match (&args.events_url, &stage) {
        (Some(events), _) => Some(Endpoints {
            whip: String::new(),
            events: events.clone(),
        }),
        (None, Some(stage)) => {
            let api = Api::new(&target)?;
            let given = endpoints_of(&api, stage).await;
            Some(given.map_err(|error| api.explain(error))?)
        }
        (None, None) => {
            connection::endpoints_of_any_stage(&in_region(&target, &key.region)).await?
        }
    };
    let Some(endpoints) = endpoints else {
        let message = format!("no stage of {} says which events URL it has", key.region);
        let failure = Failure::new(Exit::Failure, message);
        return Err(failure
            .advise("create a stage, or give --events-url")
            .into());
    };
    let id = args.token_id.as_deref();
    let grant = connection::Grant {
        id: id.map_or_else(
            || ids::participant().as_str().into(),
            ConnectionTokenId::new,
        ),
        key: &key,
        times,
        endpoints: &endpoints,
    };
    connection::sign(signing, &grant, args.output)
}

/// The imported key whose public key belongs to this private key.
async fn imported_key(target: &Target, point: &str) -> anyhow::Result<PublicKeyArn> {
    let api = Api::new(target)?;
    let call = api.call(Operation::ListPublicKeys).listing("publicKeys");
    for key in paging::all(&api, call).await? {
        let arn = key["arn"].as_str().unwrap_or_default();
        if point_of(&api, arn).await? == point {
            return PublicKeyArn::parse(arn).context("the server named a key by no ARN");
        }
    }
    let message = format!(
        "the public half of this key is not imported in {}",
        api.connection.region
    );
    Err(Failure::new(Exit::Failure, message)
        .advise("import it (aws ivs-realtime import-public-key), or name the key with --key-arn")
        .into())
}

async fn point_of(api: &Api, arn: &str) -> anyhow::Result<String> {
    let answer = api.answer(api.call(Operation::GetPublicKey).set("arn", arn));
    let answer = answer.await?;
    let pem = answer["publicKey"]["publicKeyMaterial"].as_str();
    let key = PublicKey::from_pem(pem.unwrap_or_default());
    Ok(key
        .map_err(|rule| anyhow::anyhow!("the public key {arn} {rule}"))?
        .point)
}
