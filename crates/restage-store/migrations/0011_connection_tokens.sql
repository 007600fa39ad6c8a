-- Connection tokens: which of them were revoked, and which connections were opened with one.
--
-- An id of a connection token is unique in its account and Region only. A connection has that of its stage.
CREATE TABLE revoked_connection_tokens (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    id TEXT COLLATE "binary" NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (account, region, id)
);
CREATE INDEX revoked_connection_tokens_by_age ON revoked_connection_tokens (revoked_at);

ALTER TABLE connections ADD COLUMN connection_token TEXT COLLATE "binary";
CREATE INDEX connections_by_token ON connections (connection_token) WHERE connection_token IS NOT NULL;
