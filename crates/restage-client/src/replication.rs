//! Showing a participant of one stage in another (Amazon IVS: participant replication).

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ivsrealtime::Client;
use aws_sdk_ivsrealtime::error::SdkError;
use aws_sdk_ivsrealtime::operation::start_participant_replication::{
    StartParticipantReplicationError, StartParticipantReplicationOutput,
};
use aws_sdk_ivsrealtime::operation::stop_participant_replication::{
    StopParticipantReplicationError, StopParticipantReplicationOutput,
};
use tokio::time::Instant;

/// The first wait before asking again whether the participant publishes; it doubles up to the longest wait.
const ASK_FIRST: Duration = Duration::from_millis(100);
const ASK_MAX: Duration = Duration::from_secs(2);

/// A participant and the two stages of a replication. Creating this value starts nothing.
///
/// ```no_run
/// # async fn run(client: aws_sdk_ivsrealtime::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use restage_client::replication::Replication;
///
/// let replication = Replication::new(
///     "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud",
///     "q7Rk2ZpLw0Xe",
///     "arn:aws:ivs:eu-west-1:111122223333:stage/Bz3mKq9WfA6j",
/// )
/// .reconnect_window_seconds(30)
/// .attribute("order", "1");
/// replication.start_within(&client, Duration::from_secs(10)).await?;
/// // …
/// replication.stop(&client).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    source_stage_arn: String,
    participant_id: String,
    destination_stage_arn: String,
    reconnect_window_s: Option<i32>,
    attributes: HashMap<String, String>,
}

impl Replication {
    /// Shows a participant that publishes to the source stage in the destination stage.
    #[must_use]
    pub fn new(
        source_stage_arn: impl Into<String>,
        participant_id: impl Into<String>,
        destination_stage_arn: impl Into<String>,
    ) -> Self {
        Self {
            source_stage_arn: source_stage_arn.into(),
            participant_id: participant_id.into(),
            destination_stage_arn: destination_stage_arn.into(),
            reconnect_window_s: None,
            attributes: HashMap::new(),
        }
    }

    /// How long the replica outlives its publisher's connection, 0 to 60 seconds; the service's default
    /// is 0.
    #[must_use]
    pub fn reconnect_window_seconds(mut self, seconds: i32) -> Self {
        self.reconnect_window_s = Some(seconds);
        self
    }

    /// Sets an attribute of the replica, which overrides the participant's own.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    /// Starts the replication (StartParticipantReplication).
    ///
    /// # Errors
    /// The operation's errors: `ConflictException` if the participant does not publish, or is already replicated
    /// there; `ResourceNotFoundException` for an unknown stage or participant; `ServiceQuotaExceededException` for
    /// too many destinations, or too many publishers there; and the others of [its
    /// reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_StartParticipantReplication.html).
    pub async fn start(
        &self,
        client: &Client,
    ) -> Result<StartParticipantReplicationOutput, SdkError<StartParticipantReplicationError>> {
        let attributes = (!self.attributes.is_empty()).then(|| self.attributes.clone());
        client
            .start_participant_replication()
            .source_stage_arn(&self.source_stage_arn)
            .participant_id(&self.participant_id)
            .destination_stage_arn(&self.destination_stage_arn)
            .set_reconnect_window_seconds(self.reconnect_window_s)
            .set_attributes(attributes)
            .send()
            .await
    }

    /// Starts the replication as soon as the participant publishes, which is a moment after a publisher has
    /// joined. Repeats the call for up to `patience` while the service does not know the participant or answers
    /// that it does not publish.
    ///
    /// # Errors
    /// As [`Replication::start`]; after that time, the last error of the service.
    pub async fn start_within(
        &self,
        client: &Client,
        patience: Duration,
    ) -> Result<StartParticipantReplicationOutput, SdkError<StartParticipantReplicationError>> {
        let begun_at = Instant::now();
        let mut wait = ASK_FIRST;
        loop {
            let started = self.start(client).await;
            let is_early = match &started {
                Ok(_) => false,
                Err(error) => error.as_service_error().is_some_and(is_early),
            };
            if !is_early || begun_at.elapsed() + wait > patience {
                return started;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(ASK_MAX);
        }
    }

    /// Stops the replication (StopParticipantReplication).
    ///
    /// # Errors
    /// The operation's errors: `ResourceNotFoundException` if there is no such replication, and the others of [its
    /// reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_StopParticipantReplication.html).
    pub async fn stop(
        &self,
        client: &Client,
    ) -> Result<StopParticipantReplicationOutput, SdkError<StopParticipantReplicationError>> {
        client
            .stop_participant_replication()
            .source_stage_arn(&self.source_stage_arn)
            .participant_id(&self.participant_id)
            .destination_stage_arn(&self.destination_stage_arn)
            .send()
            .await
    }
}

/// Whether a refusal may only mean that the participant does not publish yet.
fn is_early(error: &StartParticipantReplicationError) -> bool {
    error.is_conflict_exception() || error.is_resource_not_found_exception()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_ivsrealtime::Config;
    use aws_sdk_ivsrealtime::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_ivsrealtime::error::ProvideErrorMetadata as _;
    use aws_smithy_http_client::test_util::infallible_client_fn;
    use serde_json::{Value, json};

    use super::*;

    const SOURCE: &str = "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud";
    const DESTINATION: &str = "arn:aws:ivs:eu-west-1:111122223333:stage/Bz3mKq9WfA6j";

    type Requests = Arc<Mutex<Vec<(String, Value)>>>;

    /// A service that answers with these refusals one after the other, and then with success.
    fn service(refusals: &'static [(u16, &'static str)]) -> (Client, Requests) {
        let requests = Requests::default();
        let seen = Arc::clone(&requests);
        let http = infallible_client_fn(move |request: http::Request<_>| {
            let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let mut seen = seen.lock().unwrap();
            seen.push((request.uri().path().to_owned(), body));
            match refusals.get(seen.len() - 1) {
                Some((status, code)) => http::Response::builder()
                    .status(*status)
                    .header("x-amzn-errortype", *code)
                    .body(r#"{"exceptionMessage":"no"}"#)
                    .unwrap(),
                None => http::Response::new("{}"),
            }
        });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(http);
        (Client::from_conf(config.build()), requests)
    }

    fn replication() -> Replication {
        Replication::new(SOURCE, "q7Rk2ZpLw0Xe", DESTINATION)
    }

    #[tokio::test]
    async fn a_publisher_who_is_not_there_yet_is_waited_for() {
        let early: &[(u16, &str)] = &[
            (404, "ResourceNotFoundException"),
            (409, "ConflictException"),
        ];
        let (client, requests) = service(early);
        let replication = replication()
            .reconnect_window_seconds(30)
            .attribute("order", "1");
        let patience = Duration::from_secs(10);
        replication.start_within(&client, patience).await.unwrap();
        replication.stop(&client).await.unwrap();
        let route = json!({
            "sourceStageArn": SOURCE, "participantId": "q7Rk2ZpLw0Xe",
            "destinationStageArn": DESTINATION,
        });
        let mut start = route.clone();
        start["reconnectWindowSeconds"] = 30.into();
        start["attributes"] = json!({"order": "1"});
        let start = ("/StartParticipantReplication".to_owned(), start);
        let stop = ("/StopParticipantReplication".to_owned(), route);
        let expected = [start.clone(), start.clone(), start, stop];
        assert_eq!(requests.lock().unwrap()[..], expected);
    }

    #[tokio::test]
    async fn patience_has_an_end() {
        let (client, requests) = service(&[(409, "ConflictException"); 100]);
        let begun_at = Instant::now();
        let patience = Duration::from_secs(1);
        let outcome = replication().start_within(&client, patience).await;
        assert_eq!(outcome.unwrap_err().code(), Some("ConflictException"));
        let taken = begun_at.elapsed();
        // The waits between the four requests are 0.1, 0.2 and 0.4 seconds; another 0.8 would be too long.
        assert_eq!(requests.lock().unwrap().len(), 4);
        assert!(taken >= Duration::from_millis(700), "{taken:?}");
    }

    #[tokio::test]
    async fn another_refusal_is_final() {
        let (client, requests) = service(&[(402, "ServiceQuotaExceededException")]);
        let outcome = replication().start_within(&client, Duration::MAX).await;
        assert!(matches!(outcome, Err(SdkError::ServiceError(_))));
        assert_eq!(requests.lock().unwrap().len(), 1);
    }
}
