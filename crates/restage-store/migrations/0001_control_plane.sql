-- The control plane: what restage-core calls rows, one table per kind.
--
-- One text for every engine: TEXT and BIGINT only, times in microseconds since the epoch, flags as 0 or 1,
-- maps as JSON. Ordered ids compare byte by byte everywhere: the collation named binary is built into
-- SQLite, and made before the migrations where it is not built in.
--
-- No foreign keys: a deleted stage disappears at once, what belonged to it is purged in bounded steps
-- (deleted_stages is the list of work), and every read asks whether the stage still exists.

CREATE TABLE stages (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    recording TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    active_session TEXT COLLATE "binary"
);
CREATE INDEX stages_listed ON stages (account, region, created_at, id);
CREATE INDEX stages_live ON stages (account, created_at, id) WHERE active_session IS NOT NULL;

-- How many stages an account has in a region, so that the limit costs one look-up.
CREATE TABLE stage_counts (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    stages BIGINT NOT NULL,
    PRIMARY KEY (account, region)
);

CREATE TABLE deleted_stages (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY
);

CREATE TABLE tokens (
    participant TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    stage TEXT COLLATE "binary" NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX tokens_of_stage ON tokens (stage);

CREATE TABLE stage_sessions (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    stage TEXT COLLATE "binary" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    idle_since BIGINT
);
CREATE INDEX stage_sessions_listed ON stage_sessions (stage, started_at, id);
CREATE INDEX stage_sessions_active ON stage_sessions (idle_since) WHERE ended_at IS NULL;

CREATE TABLE participants (
    session TEXT COLLATE "binary" NOT NULL,
    id TEXT COLLATE "binary" NOT NULL,
    stage TEXT COLLATE "binary" NOT NULL,
    user_id TEXT COLLATE "binary" NOT NULL,
    attributes TEXT NOT NULL,
    connected BIGINT NOT NULL,
    publishing BIGINT NOT NULL,
    published BIGINT NOT NULL,
    first_joined_at BIGINT NOT NULL,
    protocol TEXT NOT NULL,
    client TEXT NOT NULL,
    replication TEXT NOT NULL,
    replication_active BIGINT NOT NULL,
    source_stage TEXT COLLATE "binary",
    source_session TEXT COLLATE "binary",
    PRIMARY KEY (session, id)
);
CREATE INDEX participants_listed ON participants (session, first_joined_at, id);
CREATE INDEX participants_by_user ON participants (session, user_id, first_joined_at, id);
CREATE INDEX participants_by_state ON participants (session, connected, first_joined_at, id);
CREATE INDEX participants_by_published ON participants (session, published, first_joined_at, id);
CREATE INDEX participants_publishing ON participants (session, first_joined_at, id) WHERE publishing = 1;
CREATE INDEX participants_in_replication ON participants (session, id) WHERE replication_active = 1;

CREATE TABLE replicas (
    source_session TEXT COLLATE "binary" NOT NULL,
    participant TEXT COLLATE "binary" NOT NULL,
    destination_session TEXT COLLATE "binary" NOT NULL,
    source_stage TEXT COLLATE "binary" NOT NULL,
    destination_stage TEXT COLLATE "binary" NOT NULL,
    active BIGINT NOT NULL,
    attributes TEXT NOT NULL,
    reconnect_window_s BIGINT NOT NULL,
    window_ends_at BIGINT,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (source_session, participant, destination_session)
);
CREATE INDEX replicas_listed ON replicas (source_stage, participant, started_at, destination_session);
CREATE INDEX replicas_out ON replicas (participant) WHERE active = 1;
CREATE INDEX replicas_in ON replicas (destination_stage, participant) WHERE active = 1;
CREATE INDEX replicas_in_window ON replicas (window_ends_at) WHERE active = 1;

-- Open connections only; the rest is history.
CREATE TABLE connections (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    stage TEXT COLLATE "binary" NOT NULL,
    session TEXT COLLATE "binary" NOT NULL,
    participant TEXT COLLATE "binary" NOT NULL,
    kind TEXT NOT NULL,
    publisher TEXT COLLATE "binary",
    established BIGINT NOT NULL,
    opened_at BIGINT NOT NULL
);
CREATE INDEX connections_of_participant ON connections (session, participant);
CREATE INDEX connections_to_publisher ON connections (session, publisher) WHERE publisher IS NOT NULL;
-- For counting who holds a publisher's or a subscriber's place.
CREATE INDEX connections_publishing ON connections (session, participant) WHERE kind = 'PUBLISH';
CREATE INDEX connections_subscribing ON connections (session, participant) WHERE kind = 'SUBSCRIBE';

-- seq counts up within one participant's history in one session.
CREATE TABLE stage_events (
    session TEXT COLLATE "binary" NOT NULL,
    participant TEXT COLLATE "binary" NOT NULL,
    seq BIGINT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL,
    remote_participant TEXT COLLATE "binary",
    error TEXT,
    destination_stage TEXT COLLATE "binary",
    destination_session TEXT COLLATE "binary",
    replica BIGINT NOT NULL,
    PRIMARY KEY (session, participant, seq)
);

-- Small values of the deployment itself, such as the key of page tokens. Hexadecimal.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
