-- Compositions: a stage's participants in one picture, and its destinations.
--
-- They outlive their stages, and are removed some minutes after their end. is_open and is_final follow from state: STARTING and
-- ACTIVE are open, STOPPED and FAILED final. layout and destinations are JSON. What statements ask of destinations is also in
-- columns: the channel that is in use, the storage configuration, and the encoder configuration of each destination.
-- idle_since, lives_until and gone_at are of the steady clock of the process that wrote them.
CREATE TABLE compositions (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    stage TEXT COLLATE "binary" NOT NULL,
    layout TEXT NOT NULL,
    destinations TEXT NOT NULL,
    channel TEXT COLLATE "binary",
    storage TEXT COLLATE "binary",
    first_encoder TEXT COLLATE "binary",
    second_encoder TEXT COLLATE "binary",
    tags TEXT NOT NULL,
    token TEXT COLLATE "binary",
    fingerprint TEXT,
    state TEXT NOT NULL,
    is_open BIGINT NOT NULL,
    is_final BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    failure_code TEXT,
    failure_reason TEXT,
    idle_since BIGINT,
    lives_until BIGINT NOT NULL,
    gone_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX compositions_listed ON compositions (account, region, created_at, id);
CREATE INDEX compositions_of_stage ON compositions (account, region, stage, created_at, id);
CREATE INDEX compositions_by_token ON compositions (account, region, token) WHERE token IS NOT NULL;
CREATE INDEX compositions_open ON compositions (is_open, id);
CREATE INDEX compositions_final ON compositions (is_final, id);
CREATE INDEX compositions_live ON compositions (account, region) WHERE is_final = 0;
CREATE INDEX compositions_live_of_stage ON compositions (stage) WHERE is_final = 0;
CREATE INDEX compositions_live_of_channel ON compositions (account, region, channel) WHERE is_final = 0;
CREATE INDEX compositions_live_of_storage ON compositions (storage) WHERE is_final = 0;
CREATE INDEX compositions_live_of_first_encoder ON compositions (first_encoder) WHERE is_final = 0;
CREATE INDEX compositions_live_of_second_encoder ON compositions (second_encoder) WHERE is_final = 0;
