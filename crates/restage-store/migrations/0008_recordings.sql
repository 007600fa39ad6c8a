-- Recordings of participants, and where they go.

CREATE TABLE storage_configurations (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    bucket TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX storage_configurations_listed ON storage_configurations (account, region, created_at, id);

-- The storage configuration that a stage records with, and its bucket. The column recording has the other settings, as JSON.
ALTER TABLE stages ADD COLUMN storage TEXT COLLATE "binary";
ALTER TABLE stages ADD COLUMN bucket TEXT;
CREATE INDEX stages_of_storage ON stages (storage) WHERE storage IS NOT NULL;

-- The newest recording of a participant, and when it was asked for.
ALTER TABLE participants ADD COLUMN recording TEXT COLLATE "binary";
ALTER TABLE participants ADD COLUMN recorded_since BIGINT;
CREATE INDEX participants_recorded ON participants (session, first_joined_at, id) WHERE recording IS NOT NULL;

-- They outlive their stages. is_open and is_final follow from state: STARTING and ACTIVE are open, STOPPED and FAILED final.
-- window_ends_at is of the steady clock of the process that wrote it.
CREATE TABLE recordings (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    stage TEXT COLLATE "binary" NOT NULL,
    session TEXT COLLATE "binary" NOT NULL,
    participant TEXT COLLATE "binary" NOT NULL,
    source TEXT COLLATE "binary",
    storage TEXT COLLATE "binary" NOT NULL,
    bucket TEXT NOT NULL,
    prefix TEXT NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    is_open BIGINT NOT NULL,
    is_final BIGINT NOT NULL,
    paused BIGINT NOT NULL,
    publication_session TEXT COLLATE "binary",
    publication_participant TEXT COLLATE "binary",
    window_ends_at BIGINT,
    started_at BIGINT,
    ended_at BIGINT,
    duration_ms BIGINT,
    message TEXT,
    failure_code TEXT,
    failure_reason TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX recordings_listed ON recordings (account, region, created_at, id);
CREATE INDEX recordings_of_stage ON recordings (account, region, stage, created_at, id);
CREATE INDEX recordings_of_participant ON recordings (account, region, participant, created_at, id);
CREATE INDEX recordings_open ON recordings (participant) WHERE is_open = 1;
CREATE INDEX recordings_open_of_stage ON recordings (stage) WHERE is_open = 1;
CREATE INDEX recordings_open_of_source ON recordings (source) WHERE is_open = 1;
CREATE INDEX recordings_waiting ON recordings (window_ends_at, id) WHERE is_open = 1;
CREATE INDEX recordings_unfinished ON recordings (stage) WHERE is_final = 0;
CREATE INDEX recordings_unfinished_of_storage ON recordings (storage) WHERE is_final = 0;
CREATE INDEX recordings_final ON recordings (ended_at) WHERE is_final = 1;
