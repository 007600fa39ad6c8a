-- Jobs: work that goes on beside the rules and outlives the process that does it.
--
-- due_at, by the steady clock of the process that wrote it: when a job that waits is started, or when the lease of one
-- that runs ends. A job that has ended has none. owner and started_at belong to the lease, result to what has ended.
CREATE TABLE jobs (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    stage TEXT COLLATE "binary" NOT NULL,
    session TEXT COLLATE "binary",
    participant TEXT COLLATE "binary",
    spec TEXT NOT NULL,
    state TEXT NOT NULL,
    owner TEXT COLLATE "binary",
    started_at BIGINT,
    due_at BIGINT,
    generation BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    stop_requested BIGINT NOT NULL,
    result TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX jobs_due ON jobs (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_live ON jobs (stage) WHERE ended_at IS NULL;
CREATE INDEX jobs_ended_of_stage ON jobs (stage) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
