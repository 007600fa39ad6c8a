//! Stages and participants as users name them, and the arguments of a command line without flags.

use std::collections::VecDeque;

use restage_api::Operation;
use serde_json::Value;

use crate::api::Api;
use crate::exit::{Exit, Failure};
use crate::paging;
use crate::table::printable;

/// Length of an id that the service makes, for example the last part of a stage's ARN.
const ID_LEN: usize = 12;
/// What every ARN begins with.
const ARN: &str = "arn:";
/// Most stages or participants that an error lists.
const LISTED_MAX: usize = 10;

/// Whether a text is an ARN and not a name.
pub(crate) fn is_arn(text: &str) -> bool {
    text.starts_with(ARN)
}

/// Whether a text looks like an id of the service.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The ARN of a stage that was named by its ARN, its name or its id.
pub(crate) async fn stage_arn(api: &Api, named: &str) -> anyhow::Result<String> {
    if is_arn(named) {
        return Ok(named.to_owned());
    }
    let stages = paging::all(api, api.call(Operation::ListStages).listing("stages")).await?;
    let found: Vec<&str> = stages
        .iter()
        .filter(|stage| is_called(stage, named))
        .filter_map(|stage| stage["arn"].as_str())
        .collect();
    match found.as_slice() {
        [arn] => Ok((*arn).to_owned()),
        [] => Err(Failure::new(
            Exit::Refused,
            format!("there is no stage {named:?} in {}", api.connection.region),
        )
        .advise("restage stages list shows the stages; stages are named by ARN, name or id")
        .into()),
        several => Err(
            Failure::usage(format!("{} stages are called {named:?}", several.len()))
                .advise(format!("name one by its ARN: {}", listed(several)))
                .into(),
        ),
    }
}

fn is_called(stage: &Value, named: &str) -> bool {
    let id = stage["arn"].as_str().and_then(|arn| arn.rsplit('/').next());
    stage["name"].as_str() == Some(named) || id == Some(named)
}

/// The ARNs of several stages, in order.
pub(crate) async fn stage_arns(api: &Api, named: &[String]) -> anyhow::Result<Vec<String>> {
    let mut arns = Vec::with_capacity(named.len());
    for named in named {
        arns.push(stage_arn(api, named).await?);
    }
    Ok(arns)
}

/// The id of a participant that was named by its id or, if exactly one such participant is connected, by its
/// user id. Any other text is returned unchanged, so that the service reports what is wrong with it.
pub(crate) async fn participant_id(
    api: &Api,
    stage_arn: &str,
    named: &str,
) -> anyhow::Result<String> {
    if is_id(named) {
        return Ok(named.to_owned());
    }
    let stage = api.stage(stage_arn).await;
    let stage = stage.map_err(|error| api.explain(error))?;
    let session = stage["activeSessionId"].as_str();
    let Some(session) = session.filter(|id| !id.is_empty()) else {
        return Ok(named.to_owned());
    };
    let call = api
        .call(Operation::ListParticipants)
        .set("stageArn", stage_arn)
        .set("sessionId", session)
        .set("filterByState", "CONNECTED")
        .listing("participants");
    let there = paging::all(api, call).await?;
    let people: Vec<(&str, &str)> = there
        .iter()
        .map(|one| {
            let text = |member: &str| one[member].as_str().unwrap_or_default();
            (text("participantId"), text("userId"))
        })
        .collect();
    match one_of(&people, named)? {
        Some(id) => Ok(id.to_owned()),
        None => Ok(named.to_owned()),
    }
}

/// A stage's ARN and a participant's id, from the names of both.
pub(crate) async fn participant_on(
    api: &Api,
    stage: &str,
    participant: &str,
) -> anyhow::Result<(String, String)> {
    let stage = stage_arn(api, stage).await?;
    let participant = participant_id(api, &stage, participant).await?;
    Ok((stage, participant))
}

/// The participant that a text names, among pairs of (id, user id). `Ok(None)` if none matches.
pub(crate) fn one_of<'a>(
    people: &[(&'a str, &'a str)],
    named: &str,
) -> anyhow::Result<Option<&'a str>> {
    if let Some((id, _)) = people.iter().find(|(id, _)| *id == named) {
        return Ok(Some(id));
    }
    let mut found: Vec<&str> = people
        .iter()
        .filter(|(_, user)| *user == named)
        .map(|(id, _)| *id)
        .collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(id)),
        several => Err(Failure::usage(format!(
            "{} participants have the user id {named:?}",
            several.len()
        ))
        .advise(format!("name one by its id: {}", listed(several)))
        .into()),
    }
}

fn listed(names: &[&str]) -> String {
    let mut shown = names[..names.len().min(LISTED_MAX)].join(", ");
    if names.len() > LISTED_MAX {
        shown.push_str(&format!(" and {} more", names.len() - LISTED_MAX));
    }
    printable(&shown)
}

/// The arguments of a command line without flags. Each one fills the first place that no flag has filled.
pub(crate) struct Words(VecDeque<String>);

impl Words {
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self(words.into())
    }

    /// The value of a flag, else the next argument.
    pub(crate) fn take(&mut self, flag: Option<String>) -> Option<String> {
        flag.or_else(|| self.0.pop_front())
    }

    /// The same for a required value. `what` is `("the stage", "--stage")`.
    pub(crate) fn require(
        &mut self,
        flag: Option<String>,
        (what, name): (&str, &str),
    ) -> anyhow::Result<String> {
        self.take(flag).ok_or_else(|| {
            Failure::usage(format!("{what} is missing"))
                .advise(format!(
                    "give it as a word, or with {name}; --help shows examples"
                ))
                .into()
        })
    }

    /// The same for several values: a flag's values, else all remaining arguments, at least one.
    pub(crate) fn require_all(
        &mut self,
        flag: Vec<String>,
        what: (&str, &str),
    ) -> anyhow::Result<Vec<String>> {
        if !flag.is_empty() {
            return Ok(flag);
        }
        let first = self.require(None, what)?;
        Ok(std::iter::once(first).chain(self.0.drain(..)).collect())
    }

    /// Checks that no argument is left.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        match self.0.front() {
            None => Ok(()),
            Some(word) => Err(Failure::usage(format!("{word:?} is one word too many"))
                .advise("--help shows what the command takes")
                .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stage_is_called_by_its_name_and_by_its_id() {
        let stage = json!({"arn": "arn:aws:ivs:us-east-1:000000000000:stage/Ab3dEf6hIj9k", "name": "lobby"});
        assert!(is_called(&stage, "lobby") && is_called(&stage, "Ab3dEf6hIj9k"));
        assert!(!is_called(&stage, "lob") && !is_called(&stage, "LOBBY") && !is_called(&stage, ""));
        assert!(!is_called(&json!({}), ""));
    }

    #[test]
    fn a_participant_is_named_by_id_before_user_id() {
        let people = [
            ("a", "ann"),
            ("b", "ben"),
            ("c", "ben"),
            ("ben", "x"),
            ("d", "dan"),
            ("d", "dan"),
        ];
        let named = |named| one_of(&people, named).unwrap();
        assert_eq!(named("ann"), Some("a"));
        assert_eq!(named("ben"), Some("ben"));
        assert_eq!(
            named("dan"),
            Some("d"),
            "a replica has the id of its source"
        );
        assert_eq!(named("eve"), None);
        let error = one_of(&people[..3], "ben").unwrap_err();
        assert!(error.to_string().starts_with("2 participants"), "{error}");
    }

    #[test]
    fn words_go_where_no_flag_was() {
        let words = |text: &str| Words::new(text.split_whitespace().map(str::to_owned).collect());
        let what = ("the stage", "--stage");
        let mut both = words("main ann");
        assert_eq!(both.require(None, what).unwrap(), "main");
        assert_eq!(both.require(None, what).unwrap(), "ann");
        both.end().unwrap();
        let mut one = words("ann");
        assert_eq!(one.require(Some("main".to_owned()), what).unwrap(), "main");
        assert_eq!(one.require(None, what).unwrap(), "ann");
        assert!(one.require(None, what).is_err());
        assert!(words("x").end().is_err());
        assert_eq!(
            words("a b").require_all(Vec::new(), what).unwrap(),
            ["a", "b"]
        );
        assert!(words("").require_all(Vec::new(), what).is_err());
    }
}
