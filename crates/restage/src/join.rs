//! What `publish`, `watch` and `events tail` have in common: joining a stage, reconnecting, leaving
//! it.

use std::future::Future;
use std::io::Read as _;
use std::time::Duration;

use anyhow::Context as _;
use restage_api::Operation;
use restage_client::{CloseReason, Error, HttpClient, ParticipantToken, Rejoin, Trust};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::api::{Api, CERTIFICATE};
use crate::exit::{Exit, Failure};
use crate::naming;
use crate::pair::pair;
use crate::target::{Target, variable};

/// Longest token read from standard input.
const TOKEN_BYTES_MAX: u64 = 16 << 10;

/// What a token can allow, by its name in the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Capability {
    Publish,
    Subscribe,
}

impl Capability {
    /// Its name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::Subscribe => "SUBSCRIBE",
        }
    }
}

/// How to get into a stage: with a token, or by asking the API for one.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "join", multiple = false)]
pub(crate) struct Join {
    /// A participant token; - reads it from standard input, so that no process list shows it
    ///
    /// Without it and without a stage: RESTAGE_TOKEN.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// A stage, by ARN, name or id, for which a token is created through the API
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
}

/// Who one is on the stage, for tokens that are made.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Identity {
    /// A user id of your choice, visible to everyone on the stage
    #[arg(long, value_name = "ID", conflicts_with = "token")]
    user_id: Option<String>,
    /// An attribute, visible to everyone on the stage; repeatable
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair, conflicts_with = "token")]
    attributes: Vec<(String, String)>,
}

impl Join {
    /// Whether a token or a stage is given: by a flag, or by the environment.
    pub(crate) fn is_given(&self) -> bool {
        self.token.is_some() || self.stage.is_some() || variable("RESTAGE_TOKEN").is_some()
    }

    /// Takes a stage that was given as an argument without a flag.
    pub(crate) fn take_stage(&mut self, word: String) -> anyhow::Result<()> {
        if self.stage.is_some() || self.token.is_some() {
            return Err(Failure::usage(format!(
                "{word:?} is a stage, and --stage or --token is there already"
            ))
            .into());
        }
        self.stage = Some(word);
        Ok(())
    }

    /// The same with the stage's ARN in place of its name.
    pub(crate) async fn resolved(self, target: &Target) -> anyhow::Result<Self> {
        let stage = match self.stage {
            Some(named) if !naming::is_arn(&named) => {
                Some(naming::stage_arn(&Api::new(target)?, &named).await?)
            }
            stage => stage,
        };
        Ok(Self { stage, ..self })
    }

    /// The stage, if one was named.
    pub(crate) fn stage(&self) -> Option<&str> {
        self.stage.as_deref()
    }

    /// The given token, or a new one.
    pub(crate) async fn token(
        &self,
        target: &Target,
        identity: &Identity,
        capability: Capability,
    ) -> anyhow::Result<ParticipantToken> {
        // Read here and not by clap, because clap would report a conflict between --stage and a token left in the
        // environment.
        let from_environment = || variable("RESTAGE_TOKEN").filter(|_| self.stage.is_none());
        let token = self.token.clone().or_else(from_environment);
        let is_described = identity.user_id.is_some() || !identity.attributes.is_empty();
        if token.is_some() && is_described {
            return Err(Failure::usage(
                "--user-id and --attribute are for a token that is made, and there is one",
            )
            .advise("--stage makes one")
            .into());
        }
        match (token, &self.stage) {
            (Some(token), _) if token == "-" => {
                let mut text = String::new();
                std::io::stdin()
                    .take(TOKEN_BYTES_MAX)
                    .read_to_string(&mut text)
                    .context("cannot read a token from standard input")?;
                decode(&text)
            }
            (Some(token), _) => decode(&token),
            (None, Some(arn)) => mint(target, arn, identity, capability).await,
            (None, None) => Err(
                Failure::usage("give --token or --stage, or set RESTAGE_TOKEN")
                    .advise("restage stages list shows the stages")
                    .into(),
            ),
        }
    }
}

fn decode(text: &str) -> anyhow::Result<ParticipantToken> {
    ParticipantToken::decode(text).map_err(|error| {
        Failure::usage(format!("this is not a participant token: {error}"))
            .advise("restage token create STAGE makes one")
            .into()
    })
}

/// Creates a token through the API.
pub(crate) async fn mint(
    target: &Target,
    stage: &str,
    identity: &Identity,
    capability: Capability,
) -> anyhow::Result<ParticipantToken> {
    let api = Api::new(target)?;
    let stage_arn = naming::stage_arn(&api, stage).await?;
    let call = api
        .call(Operation::CreateParticipantToken)
        .set("stageArn", stage_arn)
        .set_some("userId", identity.user_id.as_deref())
        .set_pairs("attributes", &identity.attributes)
        .set("capabilities", vec![capability.name()]);
    let issued = api.answer(call).await?;
    let token = issued["participantToken"]["token"].as_str();
    decode(token.context("the service answered without a token")?)
}

/// Converts an error of the stage client to an error for the user with its exit code.
pub(crate) fn failure(error: Error) -> anyhow::Error {
    let message = error.to_string();
    let failure = match error {
        Error::Url { .. } | Error::Token(_) | Error::Trust(_) => Failure::usage(message),
        Error::Refused {
            status: 401 | 403, ..
        } => Failure::new(Exit::Refused, message)
            .advise("restage token inspect TOKEN says why; restage token create makes a new one"),
        Error::Refused { status: 404, .. } => {
            Failure::new(Exit::Refused, message).advise("restage events tail shows who publishes")
        }
        Error::Refused { .. }
        | Error::NotNegotiated(_)
        | Error::Closed(CloseReason::Remote | CloseReason::Ended { .. }) => {
            Failure::new(Exit::Refused, message)
        }
        Error::Http { .. } | Error::Events(_) if message.contains("certificate") => {
            Failure::new(Exit::NoAnswer, message).advise(CERTIFICATE)
        }
        Error::Http { .. } => Failure::new(Exit::NoAnswer, message)
            .advise("restage serve starts a server; the address is part of the token"),
        Error::ConnectTimeout(_) | Error::Closed(_) => Failure::new(Exit::NoAnswer, message)
            .advise("restage doctor, on the server, checks the media port and its addresses"),
        Error::Redirect { .. } | Error::Answer(_) | Error::Events(_) => {
            Failure::new(Exit::NoAnswer, message)
        }
        _ => Failure::new(Exit::Failure, message),
    };
    failure.into()
}

/// The error for a connection that the server ended on purpose.
pub(crate) fn ended(reason: &CloseReason) -> anyhow::Error {
    let advice = match reason {
        CloseReason::Ended { code, .. } if code == "REPLACED" => {
            "two programs with one token take each other's place; make a token for each"
        }
        CloseReason::Ended { code, .. } if code == "PARTICIPANT_DISCONNECTED" => {
            "restage token create makes a new token"
        }
        _ => {
            "restage events tail shows whether the stage is there; another publisher with the same token takes its place"
        }
    };
    Failure::new(
        Exit::Refused,
        format!("the server ended the connection: {reason}"),
    )
    .advise(advice)
    .into()
}

/// Longest wait at the end until servers know that connections have ended.
const HANG_UP_MAX: Duration = Duration::from_secs(6);

/// The HTTP client and trusted certificates of this program.
pub(crate) struct Caller {
    pub(crate) http: HttpClient,
    pub(crate) trust: Trust,
}

impl Caller {
    pub(crate) fn new(target: &Target) -> anyhow::Result<Self> {
        let trust = target.trust()?;
        let http = HttpClient::trusting(&trust).map_err(failure)?;
        Ok(Self { http, trust })
    }

    /// Waits until the server has ended every connection that was dropped, so that a command never leaves a session
    /// behind on the stage.
    pub(crate) async fn hang_up(&self) {
        let ended = self.http.hung_up();
        tokio::time::timeout(HANG_UP_MAX, ended).await.ok();
    }
}

/// How long to try to come back.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Reconnect {
    /// How long to try to reconnect after a lost connection, in seconds; 0 ends at once
    #[arg(
        long = "reconnect",
        value_name = "SECONDS",
        default_value_t = 60,
        allow_negative_numbers = true
    )]
    window_s: u64,
}

impl Reconnect {
    /// Reconnects, and reports it. `None` if the user ended the command meanwhile. `may_pass` selects further
    /// errors after which another attempt may succeed.
    pub(crate) async fn again<T, F>(
        self,
        why: &str,
        stop: &mut Stop,
        note: impl Fn(&str),
        may_pass: fn(&Error) -> bool,
        mut connect: impl FnMut() -> F,
    ) -> anyhow::Result<Option<T>>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let lost = || Failure::new(Exit::NoAnswer, format!("the connection is lost: {why}"));
        if self.window_s == 0 {
            return Err(lost().into());
        }
        note(&format!(
            "lost: {why}; trying to come back for {} s",
            self.window_s
        ));
        let ends_at = Instant::now() + Duration::from_secs(self.window_s);
        let mut waits = Rejoin::new();
        for attempt in 1_u32.. {
            let outcome = tokio::select! {
                outcome = connect() => outcome,
                () = stop.wait() => return Ok(None),
            };
            match outcome {
                Ok(connected) => {
                    note(&format!("back after {attempt} attempts"));
                    return Ok(Some(connected));
                }
                Err(error) if !error.is_passing() && !may_pass(&error) => {
                    return Err(failure(error)).context("the way back is closed");
                }
                Err(error) => note(&format!("attempt {attempt} failed: {error}")),
            }
            let wait = waits.next_wait();
            if Instant::now() + wait >= ends_at {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.wait() => return Ok(None),
            }
        }
        Err(lost()
            .advise("a longer --reconnect, or restage serve if the server is down")
            .into())
    }
}

/// Stores the newest resumption secret, which is needed to reconnect after the token has expired.
pub(crate) fn keep(newest: &mut Option<String>, given: Option<&str>) {
    if let Some(secret) = given {
        *newest = Some(secret.to_owned());
    }
}

/// The end of a command: Ctrl-C, SIGTERM, a closed terminal, or a time limit.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    at: Option<Instant>,
}

impl Stop {
    /// Must be called within a runtime.
    pub(crate) fn new(after: Option<Duration>) -> anyhow::Result<Self> {
        let problem = "cannot listen for signals";
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context(problem)?,
            terminate: signal(SignalKind::terminate()).context(problem)?,
            hang_up: signal(SignalKind::hangup()).context(problem)?,
            at: after.map(|after| Instant::now() + after),
        })
    }

    /// Waits for the end. Dropping the future loses nothing.
    pub(crate) async fn wait(&mut self) {
        let at = self.at;
        let timer = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            () = timer => {}
        }
    }
}

/// Parses seconds as a user writes them.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let rule = || "write a number of seconds above 0, 2.5 for example".to_owned();
    let seconds: f64 = text.parse().map_err(|_| rule())?;
    if !(seconds > 0.0 && seconds <= 1e9) {
        return Err(rule());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_above_zero() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2_500)));
        for text in ["0", "-1", "x", "", "inf", "NaN", "1e10"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_removal_is_told_in_the_servers_words() {
        let told = |code: &str| {
            let reason = CloseReason::Ended {
                code: code.to_owned(),
                message: "the stage was deleted".to_owned(),
            };
            format!("{:#}", ended(&reason))
        };
        for code in ["STAGE_DELETED", "REPLACED", "PARTICIPANT_DISCONNECTED"] {
            let told = told(code);
            assert!(
                told.contains("ended the connection: the stage was deleted"),
                "{told}"
            );
        }
    }

    #[tokio::test]
    async fn coming_back_ends_with_success_refusal_or_time() {
        let never = |_: &Error| false;
        let mut stop = Stop::new(None).unwrap();
        let lost = || Error::Closed(CloseReason::Lost);
        let mut outcomes = vec![Ok(7), Err(lost()), Err(lost())];
        let window = Reconnect { window_s: 60 };
        let connect = || std::future::ready(outcomes.pop().unwrap());
        let back = window.again("x", &mut stop, |_| {}, never, connect).await;
        assert_eq!(back.unwrap(), Some(7));
        let refused = || {
            let error = Error::Refused {
                status: 403,
                code: None,
                message: "no".to_owned(),
            };
            std::future::ready(Err::<(), _>(error))
        };
        let error = window
            .again("x", &mut stop, |_| {}, never, refused)
            .await
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("the way back is closed"),
            "{error:#}"
        );
        let short = Reconnect { window_s: 1 };
        let error = short
            .again(
                "the cable",
                &mut stop,
                |_| {},
                never,
                || std::future::ready(Err::<(), _>(lost())),
            )
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("the cable"), "{error:#}");
        let at_once = Reconnect { window_s: 0 };
        let pending = || std::future::pending::<Result<(), Error>>();
        assert!(
            at_once
                .again("x", &mut stop, |_| {}, never, pending)
                .await
                .is_err()
        );
    }
}
