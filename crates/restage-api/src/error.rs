//! Errors as a client sees them: a code, a status, a message.
//!
//! The code is in the header `x-amzn-ErrorType`. The body has the message twice: as
//! `exceptionMessage`, the member of the service model, and as `message`, which the generic part of the SDKs shows to
//! people.

use serde::Serialize;

/// Headers of every answer, including errors. The service model has them on each error and
/// on the answers of the replication operations; browsers need the first two.
///
/// The strict-transport-security header has no `includeSubDomains`, unlike the service's own value, because other
/// subdomains of the host may belong to another owner.
pub const RESPONSE_HEADERS: &[(&str, &str)] = &[
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        "Content-Length, Content-Type, Date, ETag, Link, Location, Retry-After, x-amzn-errortype, \
         x-amzn-requestid",
    ),
    ("Cache-Control", "no-store, no-cache"),
    (
        "Content-Security-Policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("Strict-Transport-Security", "max-age=47304000"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
];

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $make:ident;)*) => {
        /// The kind of a refusal. The first seven are in the service model; the others are
        /// AWS's common errors, which every SDK knows.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of `x-amzn-ErrorType`, by which SDKs choose the exception.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }
        }

        impl ApiError {
            $(
                $(#[$doc])*
                pub fn $make(message: impl Into<String>) -> Self {
                    Self { code: ErrorCode::$variant, message: message.into() }
                }
            )*
        }
    };
}

codes! {
    /// A member of the request breaks a rule; the message names both.
    Validation = "ValidationException", 400, validation;
    /// The resource belongs to another account, or the key lacks the permission.
    AccessDenied = "AccessDeniedException", 403, access_denied;
    /// The account is not verified yet. Restage never returns it, but it is in the service model.
    PendingVerification = "PendingVerification", 403, pending_verification;
    /// The stage, session, participant or replica does not exist.
    ResourceNotFound = "ResourceNotFoundException", 404, resource_not_found;
    /// The resource's state does not allow the operation.
    Conflict = "ConflictException", 409, conflict;
    /// A limit of the deployment is reached.
    ServiceQuotaExceeded = "ServiceQuotaExceededException", 402, service_quota_exceeded;
    /// The server failed.
    InternalServer = "InternalServerException", 500, internal_server;
    /// Too many requests; SDKs wait and retry.
    Throttling = "ThrottlingException", 429, throttling;
    /// The server is starting or stopping; SDKs wait and retry.
    ServiceUnavailable = "ServiceUnavailableException", 503, service_unavailable;
    /// Method and path name no operation.
    UnknownOperation = "UnknownOperationException", 404, unknown_operation;
    /// The body is not a JSON object.
    Serialization = "SerializationException", 400, serialization;
    /// The body is larger than any valid request.
    RequestEntityTooLarge = "RequestEntityTooLargeException", 413, request_entity_too_large;
    /// The request did not arrive completely in time; SDKs retry.
    RequestTimeout = "RequestTimeoutException", 408, request_timeout;
    /// The request is not signed.
    MissingAuthenticationToken =
        "MissingAuthenticationTokenException", 403, missing_authentication_token;
    /// The access key is unknown.
    UnrecognizedClient = "UnrecognizedClientException", 403, unrecognized_client;
    /// The signature is wrong, too old, or for another service.
    InvalidSignature = "InvalidSignatureException", 403, invalid_signature;
    /// The `Authorization` header is malformed.
    IncompleteSignature = "IncompleteSignatureException", 403, incomplete_signature;
}

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct ApiError {
    /// The kind, with its header value and status.
    pub code: ErrorCode,
    /// A message for the caller that names the member and the rule. Never contains a secret.
    pub message: String,
}

impl ApiError {
    /// The response body.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            exception_message: &'a str,
            message: &'a str,
        }
        let body = Body {
            exception_message: &self.message,
            message: &self.message,
        };
        crate::json::to_json(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_errors_have_the_statuses_of_the_model() {
        let expected = [
            ("ValidationException", 400),
            ("AccessDeniedException", 403),
            ("PendingVerification", 403),
            ("ResourceNotFoundException", 404),
            ("ConflictException", 409),
            ("ServiceQuotaExceededException", 402),
            ("InternalServerException", 500),
        ];
        for (code, expected) in ErrorCode::ALL.iter().zip(expected) {
            assert_eq!((code.name(), code.status()), expected);
        }
    }

    #[test]
    fn body_has_the_sentence_under_both_names() {
        let error = ApiError::validation("name must be \"short\"");
        assert_eq!(
            error.to_json(),
            r#"{"exceptionMessage":"name must be \"short\"","message":"name must be \"short\""}"#
        );
        assert_eq!(
            error.to_string(),
            "ValidationException: name must be \"short\""
        );
    }

    #[test]
    fn seven_headers_and_the_ones_clients_read_are_exposed() {
        assert_eq!(RESPONSE_HEADERS.len(), 7);
        let (_, exposed) = RESPONSE_HEADERS[1];
        let exposed: Vec<_> = exposed.split(", ").collect();
        for name in [
            "x-amzn-requestid",
            "x-amzn-errortype",
            "Location",
            "ETag",
            "Date",
        ] {
            assert!(exposed.contains(&name), "{name}");
        }
    }
}
