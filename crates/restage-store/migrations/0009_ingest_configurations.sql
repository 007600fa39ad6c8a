-- Ingest configurations: stream keys, the participants that publish with them, and the stage that they publish to. Keys are
-- here as they are, because their owners ask for them.

CREATE TABLE ingest_configurations (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    stage TEXT COLLATE "binary",
    user_id TEXT NOT NULL,
    attributes TEXT NOT NULL,
    protocol TEXT NOT NULL,
    insecure BIGINT NOT NULL,
    participant TEXT COLLATE "binary" NOT NULL,
    stream_key TEXT NOT NULL,
    -- The two streams of a redundant ingest: all four or none.
    first_participant TEXT COLLATE "binary",
    first_key TEXT,
    second_participant TEXT COLLATE "binary",
    second_key TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX ingest_configurations_listed ON ingest_configurations (account, region, created_at, id);
CREATE INDEX ingest_configurations_of_stage ON ingest_configurations (stage, created_at, id) WHERE stage IS NOT NULL;

-- The ingest configuration that a participant publishes by. Of a redundant one also whether it is the virtual participant,
-- and which participants belong to it.
ALTER TABLE participants ADD COLUMN ingest TEXT COLLATE "binary";
ALTER TABLE participants ADD COLUMN is_virtual BIGINT NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN ingest_virtual TEXT COLLATE "binary";
ALTER TABLE participants ADD COLUMN ingest_first TEXT COLLATE "binary";
ALTER TABLE participants ADD COLUMN ingest_second TEXT COLLATE "binary";
CREATE INDEX participants_publishers ON participants (session, id) WHERE publishing = 1 AND is_virtual = 0;
