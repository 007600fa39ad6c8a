-- Encoder configurations: what the video of a composition is encoded as. video is JSON.

CREATE TABLE encoder_configurations (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    video TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX encoder_configurations_listed ON encoder_configurations (account, region, created_at, id);
