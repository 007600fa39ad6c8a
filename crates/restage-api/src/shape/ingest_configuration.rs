//! Rules of ingest configurations that are no member's own (API reference, CreateIngestConfiguration).

use super::{CreateIngestConfigurationRequest, IngestProtocol};
use crate::error::ApiError;
use crate::read::fail;

impl CreateIngestConfigurationRequest {
    /// RTMP is not encrypted, so it must be allowed.
    pub(crate) fn checked(self) -> Result<Self, ApiError> {
        if self.ingest_protocol == IngestProtocol::Rtmp && !self.insecure_ingest {
            let rule = "must be true if ingestProtocol is RTMP, because that is not encrypted";
            return Err(fail("insecureIngest", rule));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Request as _;

    #[test]
    fn rtmp_needs_insecure_ingest() {
        let parse = |body: &str| CreateIngestConfigurationRequest::parse(body.as_bytes());
        for body in [
            r#"{"ingestProtocol": "RTMP"}"#,
            r#"{"ingestProtocol": "RTMP", "insecureIngest": false}"#,
        ] {
            let error = parse(body).unwrap_err();
            assert!(
                error.message.starts_with("insecureIngest must be true"),
                "{error:?}"
            );
        }
        for body in [
            r#"{"ingestProtocol": "RTMP", "insecureIngest": true}"#,
            r#"{"ingestProtocol": "RTMPS"}"#,
            r#"{"ingestProtocol": "RTMPS", "insecureIngest": true}"#,
        ] {
            assert!(parse(body).is_ok(), "{body}");
        }
    }
}
