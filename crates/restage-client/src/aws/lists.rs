//! The ten lists of the SDK: what each takes, gives and fails with.

use aws_sdk_ivsrealtime::{Client, operation, types};

use super::{BodyTap, CallFuture, ListInput, Paginated};
use crate::paginate::PageRequest;

/// One entry for each list: module of the operation, its builder, input, output and error; field
/// of the list in the output, its item type, and its name on the wire; and the setters for what
/// the input has besides `next_token` and `max_results`.
macro_rules! paginated {
    ($($(#[$doc:meta])* $module:ident: $builder:ident, $input:ident, $output:ident, $error:ident,
       $list:ident: $item:ident, $wire:literal, [$($set:ident: $field:ident),*];)+) => { $(
        $(#[$doc])*
        impl Paginated for operation::$module::builders::$builder {
            type Output = operation::$module::$output;
            type Item = types::$item;
            type Error = operation::$module::$error;
            const LIST: &'static str = $wire;

            fn own_token(&self) -> Option<String> {
                self.get_next_token().clone()
            }

            fn own_page_size(&self) -> Option<i32> {
                *self.get_max_results()
            }

            fn for_page(self, request: PageRequest) -> Self {
                let page_size = request.page_size.or_else(|| self.own_page_size());
                self.set_next_token(request.token).set_max_results(page_size)
            }

            fn call(self, tap: Option<BodyTap>) -> CallFuture<Self::Output, Self::Error> {
                match tap {
                    None => Box::pin(self.send()),
                    Some(tap) => Box::pin(self.customize().interceptor(tap).send()),
                }
            }

            fn items(output: &mut Self::Output) -> &mut Vec<Self::Item> {
                &mut output.$list
            }

            fn next_token(output: &Self::Output) -> Option<&str> {
                output.next_token()
            }
        }

        impl ListInput for operation::$module::$input {
            type Builder = operation::$module::builders::$builder;

            fn into_builder(self, client: &Client) -> Self::Builder {
                client
                    .$module()
                    $(.$set(self.$field))*
                    .set_next_token(self.next_token)
                    .set_max_results(self.max_results)
            }
        }
    )+ };
}

paginated! {
    /// The compositions of an account, of one stage or with one encoder configuration if
    /// filtered.
    ///
    /// Takes `filterByStageArn`, `filterByEncoderConfigurationArn` (optional), `nextToken` and
    /// `maxResults` (1 to 100).
    ///
    /// Gives `compositions`, a list of [`types::CompositionSummary`] (`arn`, `stageArn`,
    /// `destinations`, `state`, `tags`, `startTime`, `endTime`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, `InternalServerException`,
    /// `ServiceQuotaExceededException`, `ConflictException`, and whatever any operation fails
    /// with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListCompositions.html);
    /// botocore has no paginator for it.
    list_compositions: ListCompositionsFluentBuilder, ListCompositionsInput, ListCompositionsOutput,
        ListCompositionsError,
        compositions: CompositionSummary, "compositions",
        [set_filter_by_stage_arn: filter_by_stage_arn, set_filter_by_encoder_configuration_arn:
         filter_by_encoder_configuration_arn];

    /// The encoder configurations of an account.
    ///
    /// Takes `nextToken` and `maxResults` (1 to 100).
    ///
    /// Gives `encoderConfigurations`, a list of [`types::EncoderConfigurationSummary`] (`arn`,
    /// `name`, `tags`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, `InternalServerException`,
    /// `ServiceQuotaExceededException`, `ConflictException`, and whatever any operation fails
    /// with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListEncoderConfigurations.html);
    /// botocore has no paginator for it.
    list_encoder_configurations: ListEncoderConfigurationsFluentBuilder,
        ListEncoderConfigurationsInput, ListEncoderConfigurationsOutput,
        ListEncoderConfigurationsError,
        encoder_configurations: EncoderConfigurationSummary, "encoderConfigurations",
        [];

    /// The ingest configurations of an account, of one stage or in one state if filtered.
    ///
    /// Takes `filterByStageArn`, `filterByState` (optional), `nextToken` and `maxResults` (1 to
    /// 100).
    ///
    /// Gives `ingestConfigurations`, a list of [`types::IngestConfigurationSummary`] (`name`,
    /// `arn`, `ingestProtocol`, `stageArn`, `participantId`, `state`, `userId`,
    /// `redundantIngest`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, and whatever any operation fails with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListIngestConfigurations.html),
    /// paginator `list_ingest_configurations` of botocore.
    list_ingest_configurations: ListIngestConfigurationsFluentBuilder,
        ListIngestConfigurationsInput, ListIngestConfigurationsOutput,
        ListIngestConfigurationsError,
        ingest_configurations: IngestConfigurationSummary, "ingestConfigurations",
        [set_filter_by_stage_arn: filter_by_stage_arn, set_filter_by_state: filter_by_state];

    /// What happened to a participant during a stage session.
    ///
    /// Takes `stageArn`, `sessionId`, `participantId` (required), `nextToken` and `maxResults` (1
    /// to 100).
    ///
    /// Gives `events`, a list of [`types::Event`] (`name`, `participantId`, `eventTime`,
    /// `remoteParticipantId`, `errorCode`, `destinationStageArn`, `destinationSessionId`,
    /// `replica`, `previousToken`, `newToken`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, and whatever any operation fails with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListParticipantEvents.html);
    /// botocore has no paginator for it.
    list_participant_events: ListParticipantEventsFluentBuilder, ListParticipantEventsInput,
        ListParticipantEventsOutput, ListParticipantEventsError,
        events: Event, "events",
        [set_stage_arn: stage_arn, set_session_id: session_id, set_participant_id: participant_id];

    /// The stages a participant is replicated to.
    ///
    /// Takes `sourceStageArn`, `participantId` (required), `nextToken` and `maxResults` (1 to
    /// 50).
    ///
    /// Gives `replicas`, a list of [`types::ParticipantReplica`] (`sourceStageArn`,
    /// `participantId`, `sourceSessionId`, `destinationStageArn`, `destinationSessionId`,
    /// `replicationState`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, and whatever any operation fails with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListParticipantReplicas.html),
    /// paginator `list_participant_replicas` of botocore.
    list_participant_replicas: ListParticipantReplicasFluentBuilder, ListParticipantReplicasInput,
        ListParticipantReplicasOutput, ListParticipantReplicasError,
        replicas: ParticipantReplica, "replicas",
        [set_source_stage_arn: source_stage_arn, set_participant_id: participant_id];

    /// Who is or was in a stage session; the service takes one filter at a time.
    ///
    /// Takes `stageArn`, `sessionId` (required), `filterByUserId`, `filterByPublished`,
    /// `filterByState`, `filterByRecordingState` (optional), `nextToken` and `maxResults` (1 to
    /// 100).
    ///
    /// Gives `participants`, a list of [`types::ParticipantSummary`] (`participantId`, `userId`,
    /// `state`, `firstJoinTime`, `published`, `recordingState`, `replicationType`,
    /// `replicationState`, `sourceStageArn`, `sourceSessionId`, `redundantIngest`,
    /// `ingestConfigurationArn`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, and whatever any operation fails with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListParticipants.html);
    /// botocore has no paginator for it.
    list_participants: ListParticipantsFluentBuilder, ListParticipantsInput, ListParticipantsOutput,
        ListParticipantsError,
        participants: ParticipantSummary, "participants",
        [set_stage_arn: stage_arn, set_session_id: session_id, set_filter_by_user_id:
         filter_by_user_id, set_filter_by_published: filter_by_published, set_filter_by_state:
         filter_by_state, set_filter_by_recording_state: filter_by_recording_state];

    /// The public keys imported into an account.
    ///
    /// Takes `nextToken` and `maxResults` (1 to 100).
    ///
    /// Gives `publicKeys`, a list of [`types::PublicKeySummary`] (`arn`, `name`, `tags`), and
    /// `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, and whatever any operation fails with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListPublicKeys.html),
    /// paginator `list_public_keys` of botocore.
    list_public_keys: ListPublicKeysFluentBuilder, ListPublicKeysInput, ListPublicKeysOutput,
        ListPublicKeysError,
        public_keys: PublicKeySummary, "publicKeys",
        [];

    /// The sessions of a stage.
    ///
    /// Takes `stageArn` (required), `nextToken` and `maxResults` (1 to 100).
    ///
    /// Gives `stageSessions`, a list of [`types::StageSessionSummary`] (`sessionId`, `startTime`,
    /// `endTime`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, and whatever any operation fails with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListStageSessions.html);
    /// botocore has no paginator for it.
    list_stage_sessions: ListStageSessionsFluentBuilder, ListStageSessionsInput,
        ListStageSessionsOutput, ListStageSessionsError,
        stage_sessions: StageSessionSummary, "stageSessions",
        [set_stage_arn: stage_arn];

    /// The stages of an account.
    ///
    /// Takes `nextToken` and `maxResults` (1 to 100).
    ///
    /// Gives `stages`, a list of [`types::StageSummary`] (`arn`, `name`, `activeSessionId`,
    /// `tags`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, `ConflictException`, and whatever any
    /// operation fails with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListStages.html);
    /// botocore has no paginator for it.
    list_stages: ListStagesFluentBuilder, ListStagesInput, ListStagesOutput, ListStagesError,
        stages: StageSummary, "stages",
        [];

    /// The storage configurations of an account.
    ///
    /// Takes `nextToken` and `maxResults` (1 to 100).
    ///
    /// Gives `storageConfigurations`, a list of [`types::StorageConfigurationSummary`] (`arn`,
    /// `name`, `s3`, `tags`), and `nextToken`.
    ///
    /// # Errors
    /// `ValidationException`, `AccessDeniedException`, `InternalServerException`,
    /// `ServiceQuotaExceededException`, `ConflictException`, and whatever any operation fails
    /// with.
    ///
    /// Source: [the API reference](https://docs.aws.amazon.com/ivs/latest/RealTimeAPIReference/API_ListStorageConfigurations.html);
    /// botocore has no paginator for it.
    list_storage_configurations: ListStorageConfigurationsFluentBuilder,
        ListStorageConfigurationsInput, ListStorageConfigurationsOutput,
        ListStorageConfigurationsError,
        storage_configurations: StorageConfigurationSummary, "storageConfigurations",
        [];
}

#[cfg(test)]
mod tests {
    use aws_sdk_ivsrealtime::config::BehaviorVersion;
    use aws_sdk_ivsrealtime::{Config, types};

    use super::*;

    fn client() -> Client {
        let config = Config::builder().behavior_version(BehaviorVersion::latest());
        Client::from_conf(config.build())
    }

    /// Whether a fluent builder has everything that the input it was made of has.
    macro_rules! assert_kept {
        ($module:ident: $input:ident { $($set:ident: $value:expr),* $(,)? }) => {
            let input = operation::$module::$input::builder()
                $(.$set($value))*
                .next_token("t")
                .max_results(7)
                .build()
                .unwrap();
            let builder = input.clone().into_builder(&client());
            assert_eq!(builder.as_input().clone().build().unwrap(), input);
            assert_eq!(builder.own_token().as_deref(), Some("t"));
            assert_eq!(builder.own_page_size(), Some(7));
        };
    }

    #[test]
    fn inputs_keep_every_member() {
        assert_kept!(list_compositions: ListCompositionsInput {
            filter_by_stage_arn: "a",
            filter_by_encoder_configuration_arn: "b",
        });
        assert_kept!(list_encoder_configurations: ListEncoderConfigurationsInput {});
        assert_kept!(list_ingest_configurations: ListIngestConfigurationsInput {
            filter_by_stage_arn: "a",
            filter_by_state: types::IngestConfigurationState::Active,
        });
        assert_kept!(list_participant_events: ListParticipantEventsInput {
            stage_arn: "a",
            session_id: "b",
            participant_id: "c",
        });
        assert_kept!(list_participant_replicas: ListParticipantReplicasInput {
            source_stage_arn: "a",
            participant_id: "b",
        });
        assert_kept!(list_participants: ListParticipantsInput {
            stage_arn: "a",
            session_id: "b",
            filter_by_user_id: "c",
            filter_by_published: true,
            filter_by_state: types::ParticipantState::Connected,
            filter_by_recording_state: types::ParticipantRecordingFilterByRecordingState::Active,
        });
        assert_kept!(list_public_keys: ListPublicKeysInput {});
        assert_kept!(list_stage_sessions: ListStageSessionsInput { stage_arn: "a" });
        assert_kept!(list_stages: ListStagesInput {});
        assert_kept!(list_storage_configurations: ListStorageConfigurationsInput {});
    }
}
