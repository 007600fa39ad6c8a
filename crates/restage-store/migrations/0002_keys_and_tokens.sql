-- Public keys, and what their owners' tokens need: identities that are chosen outside are one stage's own,
-- so the stage is part of a token's key.

CREATE TABLE public_keys (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    material TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    point TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX public_keys_listed ON public_keys (account, region, created_at, id);
CREATE UNIQUE INDEX public_keys_by_point ON public_keys (account, region, point);

-- allow_publish and allow_subscribe: what the latest self-signed token allows; NULL where restage made the
-- token.
CREATE TABLE stage_tokens (
    stage TEXT COLLATE "binary" NOT NULL,
    participant TEXT COLLATE "binary" NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    allow_publish BIGINT,
    allow_subscribe BIGINT,
    PRIMARY KEY (stage, participant)
);
INSERT INTO stage_tokens (stage, participant, expires_at, revoked_at)
    SELECT stage, participant, expires_at, revoked_at FROM tokens;
DROP TABLE tokens;
ALTER TABLE stage_tokens RENAME TO tokens;

-- What an exchange of tokens changed, as JSON.
ALTER TABLE stage_events ADD COLUMN exchange TEXT;
