//! The operations of the service that restage has.

use std::fmt;

use crate::error::ApiError;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// An operation of the service (API version 2020-07-14). Each is `POST /<name>`, except for
        /// those about tags, which are methods of `/tags/<ARN>`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name as it stands in the path and in page tokens.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    CreateStage,
    GetStage,
    ListStages,
    UpdateStage,
    DeleteStage,
    CreateParticipantToken,
    DisconnectParticipant,
    ListStageSessions,
    GetStageSession,
    ListParticipants,
    GetParticipant,
    ListParticipantEvents,
    StartParticipantReplication,
    StopParticipantReplication,
    ListParticipantReplicas,
    ImportPublicKey,
    GetPublicKey,
    ListPublicKeys,
    DeletePublicKey,
    TagResource,
    UntagResource,
    ListTagsForResource,
}

/// What the path of an operation about tags starts with; the rest is the ARN.
pub(crate) const TAGS_PATH: &str = "/tags/";

impl Operation {
    /// The operation a request line names. `path` is the path alone, without a query. `None` stands
    /// for operations of the service that restage does not have as well as for anything else; the
    /// answer to both is [`Operation::unknown`].
    pub fn resolve(method: &str, path: &str) -> Option<Self> {
        if path.starts_with(TAGS_PATH) {
            return match method {
                "POST" => Some(Self::TagResource),
                "DELETE" => Some(Self::UntagResource),
                "GET" => Some(Self::ListTagsForResource),
                _ => None,
            };
        }
        if method != "POST" {
            return None;
        }
        let name = path.strip_prefix('/')?;
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.name() == name && !operation.is_about_tags())
    }

    const fn is_about_tags(self) -> bool {
        matches!(
            self,
            Self::TagResource | Self::UntagResource | Self::ListTagsForResource
        )
    }

    /// The error for a request that names no operation. Neither method nor path is repeated in it,
    /// since both are the peer's text of any length.
    pub fn unknown() -> ApiError {
        ApiError::unknown_operation(
            "The method and path name no operation of this server. An operation is a POST to its \
             own name, such as /ListStages; operations of the service that are not built yet are \
             refused in the same way.",
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_own_name_only() {
        assert_eq!(Operation::ALL.len(), 22);
        for &operation in Operation::ALL {
            let path = format!("/{operation}");
            if operation.is_about_tags() {
                assert_eq!(Operation::resolve("POST", &path), None);
                continue;
            }
            assert_eq!(Operation::resolve("POST", &path), Some(operation));
            assert_eq!(Operation::resolve("GET", &path), None);
            assert_eq!(Operation::resolve("post", &path), None);
            assert_eq!(Operation::resolve("POST", &path[1..]), None);
            assert_eq!(Operation::resolve("POST", &format!("{path}/")), None);
            assert_eq!(Operation::resolve("POST", &format!("/{path}")), None);
            assert_eq!(Operation::resolve("POST", &path.to_lowercase()), None);
        }
    }

    #[test]
    fn tags_are_a_path_with_three_methods() {
        for path in [
            "/tags/arn%3Aaws%3Aivs%3Aeu-west-1%3A111122223333%3Astage%2FhT5vN1cGy8Ud",
            "/tags/arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud",
            "/tags/",
        ] {
            for (method, operation) in [
                ("POST", Some(Operation::TagResource)),
                ("DELETE", Some(Operation::UntagResource)),
                ("GET", Some(Operation::ListTagsForResource)),
                ("PUT", None),
                ("get", None),
            ] {
                assert_eq!(
                    Operation::resolve(method, path),
                    operation,
                    "{method} {path}"
                );
            }
        }
    }

    #[test]
    fn operations_that_are_not_here_are_unknown() {
        for path in [
            "",
            "/",
            "/ListCompositions",
            "/tags",
            "/Tags/arn%3Aaws",
            "/CreateStage?x",
        ] {
            assert_eq!(Operation::resolve("POST", path), None, "{path}");
        }
        let error = Operation::unknown();
        assert_eq!(
            (error.code.name(), error.code.status()),
            ("UnknownOperationException", 404)
        );
    }
}
