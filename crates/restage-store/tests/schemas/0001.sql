-- migration sha384 9adc7777151335baac0f75c740ae758f73ad897e572cfe632aae733ad001e8b4a9f8b46c1992b372e70df99fc16ba2cb
-- What a restage of schema 1 may have left: two stages, a replication that was stopped, one that was cut
-- off by a crash, tokens of every kind, and a stage whose rows wait to be purged.

INSERT INTO stages (id, account, region, name, tags, recording, created_at, active_session) VALUES
    ('SourceStage1', '000000000000', 'eu-west-1', 'lobby', '{"team":"a"}', '{}', 1000, 'st-source0000001'),
    ('Destination1', '000000000000', 'eu-west-1', '', '{}', '{}', 2000, NULL),
    ('OtherAccount', '111122223333', 'us-east-1', 'x', '{}', '{}', 3000, NULL);
INSERT INTO stage_counts (account, region, stages) VALUES
    ('000000000000', 'eu-west-1', 2), ('111122223333', 'us-east-1', 1);
INSERT INTO deleted_stages (id) VALUES ('DeletedStage');
INSERT INTO tokens (participant, stage, expires_at, revoked_at) VALUES
    ('annAnnAnnAnn', 'SourceStage1', 9000000000000000, NULL),
    ('bobBobBobBob', 'SourceStage1', 9000000000000000, 5000),
    ('goneGoneGone', 'DeletedStage', 9000000000000000, NULL);
INSERT INTO stage_sessions (id, stage, started_at, ended_at, idle_since) VALUES
    ('st-source0000001', 'SourceStage1', 3000, NULL, NULL),
    ('st-destination01', 'Destination1', 4000, 6000, 5500);
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
