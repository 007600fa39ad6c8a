-- Events on their way to whoever listens, and what keeps history from growing for ever.

-- One row per event and sink; it goes when the sink has the event. seq orders them. body is the whole event.
CREATE TABLE outbox (
    sink TEXT COLLATE "binary" NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT NOT NULL,
    stage TEXT COLLATE "binary" NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (sink, seq)
);

-- Events a sink would not take.
CREATE TABLE dead_letters (
    sink TEXT COLLATE "binary" NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT NOT NULL,
    stage TEXT COLLATE "binary" NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (sink, seq)
);
CREATE INDEX dead_letters_by_age ON dead_letters (failed_at);

-- What retention looks for.
CREATE INDEX stage_sessions_ended ON stage_sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX stage_sessions_lasting ON stage_sessions (started_at, id) WHERE ended_at IS NULL;
CREATE INDEX tokens_expired ON tokens (expires_at);

-- Two source sessions may begin a replication into the same session in the same microsecond.
DROP INDEX replicas_listed;
CREATE INDEX replicas_listed
    ON replicas (source_stage, participant, started_at, destination_session, source_session);
