//! The permission of an access key.

use std::collections::BTreeSet;
use std::fmt;

use restage_api::Action;

/// The operations that an access key may call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Every operation.
    Full,
    /// Operations that change nothing: Get… and List….
    ReadOnly,
    /// Only these operations.
    Only(BTreeSet<Action>),
}

/// The text is not a permission.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "permission must be full, read-only, or names of operations with commas between them, not {0:?}"
)]
pub struct PermissionError(String);

const FULL: &str = "full";
const READ_ONLY: &str = "read-only";

impl Permission {
    /// Parses `full`, `read-only`, or names of operations separated by commas.
    ///
    /// # Errors
    /// [`PermissionError`] with the word that is none of these.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        match text.trim() {
            FULL => return Ok(Self::Full),
            READ_ONLY => return Ok(Self::ReadOnly),
            _ => {}
        }
        let named = |word: &str| {
            Action::built()
                .find(|action| action.name() == word.trim())
                .ok_or_else(|| PermissionError(word.trim().to_owned()))
        };
        text.split(',')
            .map(named)
            .collect::<Result<_, _>>()
            .map(Self::Only)
    }

    /// Whether it includes an action.
    pub fn allows(&self, action: Action) -> bool {
        match self {
            Self::Full => true,
            Self::ReadOnly => is_read(action),
            Self::Only(actions) => actions.contains(&action),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(FULL),
            Self::ReadOnly => f.write_str(READ_ONLY),
            Self::Only(actions) => {
                let names: Vec<&str> = actions.iter().map(|one| one.name()).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// Whether it only reads: the service names such operations Get… or List…, and so are restage's own named.
fn is_read(action: Action) -> bool {
    action.name().starts_with("Get") || action.name().starts_with("List")
}

#[cfg(test)]
mod tests {
    use restage_api::{Extension, Operation};

    use super::*;

    #[test]
    fn permissions_are_read_back_as_they_are_written() {
        for text in [
            "full",
            "read-only",
            "CreateParticipantToken,GetStage",
            "GetStage,PauseRecording",
        ] {
            let written = Permission::parse(text).unwrap().to_string();
            assert_eq!(
                Permission::parse(&written),
                Permission::parse(text),
                "{text}"
            );
        }
        let spaced = Permission::parse(" GetStage , ListStages ").unwrap();
        assert_eq!(spaced.to_string(), "GetStage,ListStages");
    }

    #[test]
    fn what_is_no_permission_is_named() {
        for (text, word) in [
            ("", "\"\""),
            ("all", "all"),
            ("getstage", "getstage"),
            ("GetStage,", "\"\""),
            ("GetStage,RevokeParticipant", "RevokeParticipant"),
        ] {
            let error = Permission::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn each_covers_what_it_says() {
        let only = Permission::parse("CreateStage").unwrap();
        for action in Action::built() {
            assert!(Permission::Full.allows(action));
            assert_eq!(only.allows(action), action == Operation::CreateStage.into());
        }
        let reads = Action::built().filter(|one| Permission::ReadOnly.allows(*one));
        assert_eq!(reads.count(), 22);
        for (action, is_allowed) in [
            (Operation::ListTagsForResource.into(), true),
            (Operation::TagResource.into(), false),
            (Extension::GetRecordingUrl.into(), true),
            (Extension::PauseRecording.into(), false),
        ] {
            assert_eq!(Permission::ReadOnly.allows(action), is_allowed, "{action}");
        }
    }
}
