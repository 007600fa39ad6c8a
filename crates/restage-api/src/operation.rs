//! The operations of the service, which of them are built, restage's own beside them, and the trait of their requests.

mod action;
mod table;

use std::fmt;

use serde::Serialize;

use crate::error::ApiError;

pub use self::action::{Action, Extension};
pub use self::table::Operation;

/// The input of one operation, parsed from its body. (The operations about tags also read a path and a query: see
/// [`TagResourceRequest`](crate::shape::TagResourceRequest).)
pub trait Request: Sized {
    /// The operation whose input it is.
    const OPERATION: Operation;

    /// The operation's answer.
    type Response: Serialize;

    /// Parses a body and checks every constraint that does not depend on a resource.
    ///
    /// # Errors
    /// `SerializationException` or `RequestEntityTooLargeException` for the body as a whole,
    /// `ValidationException` for a member.
    fn parse(body: &[u8]) -> Result<Self, ApiError>;
}

/// A request that names one resource by its ARN, as `arn`.
pub trait ByArn: Request {
    /// The ARN, of the kind that the operation is about.
    fn arn(&self) -> &str;
}

/// A request for a page of a list.
pub trait Paged: Request {
    /// The token of the page, `None` for the first, and how many entries it may have.
    fn page(&self) -> (Option<&str>, u32);
}

/// The answer of operations without output members, such as DeleteStage: `{}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct EmptyResponse {}

/// Prefix of the paths of operations about tags; the rest is the ARN.
pub(crate) const TAGS_PATH: &str = "/tags/";

impl Operation {
    /// The operations that restage implements. All others are answered as unknown.
    pub const BUILT: &'static [Self] = &[
        Self::CreateStage,
        Self::GetStage,
        Self::ListStages,
        Self::UpdateStage,
        Self::DeleteStage,
        Self::CreateParticipantToken,
        Self::RevokeConnectionToken,
        Self::DisconnectParticipant,
        Self::ListStageSessions,
        Self::GetStageSession,
        Self::ListParticipants,
        Self::GetParticipant,
        Self::ListParticipantEvents,
        Self::StartParticipantReplication,
        Self::StopParticipantReplication,
        Self::ListParticipantReplicas,
        Self::ImportPublicKey,
        Self::GetPublicKey,
        Self::ListPublicKeys,
        Self::DeletePublicKey,
        Self::CreateEncoderConfiguration,
        Self::GetEncoderConfiguration,
        Self::ListEncoderConfigurations,
        Self::DeleteEncoderConfiguration,
        Self::CreateStorageConfiguration,
        Self::GetStorageConfiguration,
        Self::ListStorageConfigurations,
        Self::DeleteStorageConfiguration,
        Self::CreateIngestConfiguration,
        Self::GetIngestConfiguration,
        Self::ListIngestConfigurations,
        Self::UpdateIngestConfiguration,
        Self::DeleteIngestConfiguration,
        Self::StartComposition,
        Self::GetComposition,
        Self::ListCompositions,
        Self::StopComposition,
        Self::TagResource,
        Self::UntagResource,
        Self::ListTagsForResource,
    ];

    /// The operation of a request line. `path` is the path without a query. `None`
    /// for operations that are not implemented as well as for anything else; the
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
        Self::BUILT
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

    /// The error for a request that names no operation. It does not repeat method or path,
    /// because both may be of any length.
    pub fn unknown() -> ApiError {
        ApiError::unknown_operation(
            "The method and path name no operation of this server. An operation is a POST to its \
             own name, such as /ListStages. Operations that the service got after this server was made \
             are refused in the same way.",
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
        assert_eq!(Operation::BUILT.len(), 40);
        for &operation in Operation::BUILT {
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
    fn every_operation_has_the_route_of_its_name() {
        assert_eq!(Operation::ALL.len(), 40);
        for &operation in Operation::ALL {
            let (method, path) = operation.route();
            match operation.is_about_tags() {
                true => assert_eq!(path, format!("{TAGS_PATH}{{resourceArn}}")),
                false => assert_eq!((method, path), ("POST", &*format!("/{operation}"))),
            }
            let is_built = Operation::BUILT.contains(&operation);
            let resolved = Operation::resolve(method, path);
            assert_eq!(resolved, is_built.then_some(operation), "{operation}");
        }
    }

    #[test]
    fn operations_that_are_not_here_are_unknown() {
        let others = Operation::ALL.iter();
        let others = others.filter(|operation| !Operation::BUILT.contains(operation));
        let mut count = 0;
        for operation in others {
            let path = format!("/{operation}");
            for method in ["POST", "GET", "PUT", "DELETE"] {
                assert_eq!(Operation::resolve(method, &path), None, "{method} {path}");
            }
            count += 1;
        }
        assert_eq!(count, Operation::ALL.len() - Operation::BUILT.len());
        for path in ["", "/", "/tags", "/Tags/arn%3Aaws", "/CreateStage?x"] {
            assert_eq!(Operation::resolve("POST", path), None, "{path}");
        }
        let error = Operation::unknown();
        assert_eq!(
            (error.code.name(), error.code.status()),
            ("UnknownOperationException", 404)
        );
    }
}
