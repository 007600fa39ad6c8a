-- migration sha384 adb1cff093fae514d364e15afb4a7e0d50e5534e0d0a6ed24897a0ed1472730bafe01461894579c8b9563b733d343ef3
-- What a restage of schema 11 may have left: as schema 10, with a connection token that was revoked and one that is in use.

INSERT INTO stages (id, account, region, name, tags, recording, created_at, active_session) VALUES
    ('SourceStage1', '000000000000', 'eu-west-1', 'lobby', '{"team":"a"}',
        '{"storageConfigurationArn":"","mediaTypes":["AUDIO_VIDEO"],"thumbnailConfiguration":{"recordingMode":"DISABLED","storage":["SEQUENTIAL"],"targetIntervalSeconds":60},"recordingReconnectWindowSeconds":0,"hlsConfiguration":{"targetSegmentDurationSeconds":6},"recordParticipantReplicas":true}',
        1000, 'st-source0000001'),
    ('Destination1', '000000000000', 'eu-west-1', '', '{}', '{}', 2000, NULL),
    ('OtherAccount', '111122223333', 'us-east-1', 'x', '{}', '{}', 3000, NULL);
INSERT INTO stage_counts (account, region, stages, publishers, subscriptions) VALUES
    ('000000000000', 'eu-west-1', 2, 1, 1), ('111122223333', 'us-east-1', 1, 0, 0);
INSERT INTO deleted_stages (id) VALUES ('DeletedStage');
INSERT INTO tokens (participant, stage, expires_at, revoked_at) VALUES
    ('annAnnAnnAnn', 'SourceStage1', 9000000000000000, NULL),
    ('bobBobBobBob', 'SourceStage1', 9000000000000000, 5000),
    ('goneGoneGone', 'DeletedStage', 9000000000000000, NULL);
INSERT INTO stage_sessions (id, stage, started_at, ended_at, idle_since, subscribers) VALUES
    ('st-source0000001', 'SourceStage1', 3000, NULL, NULL, 1),
    ('st-destination01', 'Destination1', 4000, 6000, 5500, 0);
INSERT INTO participants (session, id, stage, user_id, attributes, connected, publishing, published,
    first_joined_at, protocol, client, replication, replication_active, source_stage, source_session) VALUES
    ('st-source0000001', 'annAnnAnnAnn', 'SourceStage1', 'Ann Ünïcode', '{"role":"host"}', 1, 1, 1,
        3000, 'WHIP', '{"browser_name":"Chrome"}', 'SOURCE', 0, NULL, NULL),
    ('st-source0000001', 'bobBobBobBob', 'SourceStage1', '', '{}', 0, 0, 0,
        3500, 'UNKNOWN', '{}', 'NONE', 0, NULL, NULL),
    ('st-destination01', 'annAnnAnnAnn', 'Destination1', 'Ann Ünïcode', '{"role":"guest"}', 0, 0, 1,
        4000, 'WHIP', '{"browser_name":"Chrome"}', 'REPLICA', 0, 'SourceStage1', 'st-source0000001');
INSERT INTO replicas (source_session, participant, destination_session, source_stage, destination_stage,
    active, attributes, reconnect_window_s, window_ends_at, started_at) VALUES
    ('st-source0000001', 'annAnnAnnAnn', 'st-destination01', 'SourceStage1', 'Destination1',
        0, '{"role":"guest"}', 30, NULL, 4000);
INSERT INTO connections (id, stage, session, participant, kind, publisher, established, opened_at) VALUES
    ('connection1', 'SourceStage1', 'st-source0000001', 'annAnnAnnAnn', 'PUBLISH', NULL, 1, 3000);
INSERT INTO stage_events (session, participant, seq, name, at, remote_participant, error,
    destination_stage, destination_session, replica) VALUES
    ('st-source0000001', 'annAnnAnnAnn', 1, 'JOINED', 3000, NULL, NULL, NULL, NULL, 0),
    ('st-source0000001', 'annAnnAnnAnn', 2, 'PUBLISH_STARTED', 3100, NULL, NULL, NULL, NULL, 0),
    ('st-source0000001', 'annAnnAnnAnn', 3, 'REPLICATION_STARTED', 4000, NULL, NULL,
        'Destination1', 'st-destination01', 0),
    ('st-source0000001', 'bobBobBobBob', 1, 'SUBSCRIBE_ERROR', 3500, 'annAnnAnnAnn', 'QUOTA_EXCEEDED',
        NULL, NULL, 0),
    ('st-destination01', 'annAnnAnnAnn', 1, 'PUBLISH_STARTED', 4000, NULL, NULL, NULL, NULL, 1);
INSERT INTO meta (name, value) VALUES ('page-token-key', '00ff');
INSERT INTO public_keys (id, account, region, name, tags, material, fingerprint, point, created_at) VALUES
    ('publicKey001', '000000000000', 'eu-west-1', 'ours', '{"team":"a"}', 'PEM', '00:11', '04aabb', 2500);
INSERT INTO tokens (stage, participant, expires_at, revoked_at, allow_publish, allow_subscribe) VALUES
    ('SourceStage1', 'chosen-outside', 9000000000000000, NULL, 1, 0),
    ('Destination1', 'chosen-outside', 9000000000000000, 4500, 0, 1);
INSERT INTO stage_events (session, participant, seq, name, at, remote_participant, error,
    destination_stage, destination_session, replica, exchange) VALUES
    ('st-source0000001', 'bobBobBobBob', 2, 'TOKEN_EXCHANGED', 3600, NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO connections (id, stage, session, participant, kind, publisher, established, opened_at) VALUES
    ('connection2', 'SourceStage1', 'st-source0000001', 'bobBobBobBob', 'SUBSCRIBE', 'annAnnAnnAnn', 1, 3500);
INSERT INTO outbox (sink, seq, id, stage, at, body, attempts) VALUES
    ('file', 7, 'event-7', 'SourceStage1', 3600, '{}', 0);
INSERT INTO dead_letters (sink, seq, id, stage, at, body, attempts, failed_at, reason) VALUES
    ('webhook', 6, 'event-6', 'SourceStage1', 3500, '{}', 16, 3550, 'answered 500');
INSERT INTO jobs (id, kind, stage, session, participant, spec, state, owner, started_at, due_at, generation, attempts,
    stop_requested, result, created_at, ended_at) VALUES
    ('jobRunning1', 'test', 'SourceStage1', 'st-source0000001', 'annAnnAnnAnn', '{"to":"a"}', 'RUNNING', 'run1', 3200, 63200,
        2, 1, 1, NULL, 3100, NULL),
    ('jobPending1', 'test', 'SourceStage1', NULL, NULL, '{}', 'PENDING', NULL, NULL, 4000, 1, 1, 0, NULL, 3100, NULL),
    ('jobDone0001', 'test', 'Destination1', NULL, NULL, '{}', 'DONE', NULL, NULL, NULL, 1, 0, 0, '{"parts":3}', 3100, 3300),
    ('jobFailed01', 'test', 'Destination1', NULL, NULL, '{}', 'FAILED', NULL, NULL, NULL, 8, 8, 0, 'no space', 3100, 3300);
INSERT INTO encoder_configurations (id, account, region, name, tags, video, created_at) VALUES
    ('encoderConf1', '000000000000', 'eu-west-1', 'ours', '{}',
        '{"width":1280,"height":720,"framerate":30.0,"bitrate":2500000}', 2600);
INSERT INTO storage_configurations (id, account, region, name, tags, bucket, created_at) VALUES
    ('storageConf1', '000000000000', 'eu-west-1', 'ours', '{}', 'my-vods', 2700);
INSERT INTO recordings (id, account, region, stage, session, participant, source, storage, bucket, prefix, settings, state,
    is_open, is_final, paused, publication_session, publication_participant, window_ends_at, started_at, ended_at,
    duration_ms, message, failure_code, failure_reason, created_at) VALUES
    ('recordingDone000000001', '000000000000', 'eu-west-1', 'Destination1', 'st-destination01', 'annAnnAnnAnn',
        'SourceStage1', 'storageConf1', 'my-vods', 'Destination1/st-destination01/annAnnAnnAnn/1970-01-01T00-00-00Z', '{}',
        'STOPPED', 0, 1, 0, NULL, NULL, NULL, 4000, 5500, 1, NULL, NULL, NULL, 4000);
INSERT INTO ingest_configurations (id, account, region, name, tags, stage, user_id, attributes, protocol, insecure, participant,
    stream_key, first_participant, first_key, second_participant, second_key, created_at) VALUES
    ('ingestConf01', '000000000000', 'eu-west-1', 'ours', '{}', 'SourceStage1', 'obs', '{"role":"host"}', 'RTMPS', 0,
        'obsObsObsObs', 'rt_000000000000_eu-west-1_ingestConf01_secret', NULL, NULL, NULL, NULL, 2800),
    ('ingestConf02', '000000000000', 'eu-west-1', '', '{}', NULL, '', '{}', 'RTMP', 1,
        'twoTwoTwoTwo', 'rt_000000000000_eu-west-1_ingestConf02_secret', 'twoTwoTwoTw1',
        'rt_000000000000_eu-west-1_ingestConf02_first', 'twoTwoTwoTw2',
        'rt_000000000000_eu-west-1_ingestConf02_second', 2900);
INSERT INTO participants (session, id, stage, user_id, attributes, connected, publishing, published, first_joined_at, protocol,
    client, replication, replication_active, source_stage, source_session, ingest, is_virtual, ingest_virtual, ingest_first,
    ingest_second) VALUES
    ('st-source0000001', 'obsObsObsObs', 'SourceStage1', 'obs', '{"role":"host"}', 0, 0, 1, 3600, 'RTMPS', '{}', 'NONE', 0,
        NULL, NULL, 'ingestConf01', 0, NULL, NULL, NULL);
INSERT INTO compositions (id, account, region, stage, layout, destinations, channel, storage, first_encoder, second_encoder,
    tags, token, fingerprint, state, is_open, is_final, started_at, ended_at, failure_code, failure_reason, idle_since,
    lives_until, gone_at, created_at) VALUES
    ('composition1', '000000000000', 'eu-west-1', 'SourceStage1',
        '{"grid":{"featuredAttribute":"","omitStoppedVideo":false,"aspectRatio":"VIDEO","fillMode":null,"gap":2,"orderAttribute":""}}',
        '[{"id":"destination1","name":"","channel":"channel00001","encoderConfiguration":"encoderConf1","video":"{}","state":"STOPPED","startedAt":4100,"endedAt":5600,"durationMs":null,"failure":null},{"id":"destination2","name":"","s3":{"storage":"storageConf1","bucket":"my-vods","prefix":"SourceStage1/composition1","segmentS":6,"thumbnails":null},"encoderConfiguration":null,"video":"{}","state":"STOPPED","startedAt":4100,"endedAt":5600,"durationMs":1,"failure":null}]',
        NULL, 'storageConf1', 'encoderConf1', NULL, '{}', NULL, NULL, 'STOPPED', 0, 1, 4100, 5600, NULL, NULL, NULL,
        86404000, 305600, 4000);
INSERT INTO revoked_connection_tokens (account, region, id, revoked_at) VALUES
    ('000000000000', 'eu-west-1', 'conn-revoked0001', 5000);
UPDATE connections SET connection_token = 'conn-token000001' WHERE id = (SELECT MIN(id) FROM connections);
