-- Numbers that are kept, so that no join counts those who joined before it: who watches in a session, and how
-- many places are taken in an account's region.

ALTER TABLE stage_sessions ADD COLUMN subscribers BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stage_counts ADD COLUMN publishers BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stage_counts ADD COLUMN subscriptions BIGINT NOT NULL DEFAULT 0;

UPDATE stage_sessions SET subscribers =
    (SELECT COUNT(DISTINCT c.participant) FROM connections c
     WHERE c.session = stage_sessions.id AND c.kind = 'SUBSCRIBE')
    WHERE ended_at IS NULL;
UPDATE stage_counts SET subscriptions =
    (SELECT COUNT(*) FROM connections c JOIN stages s ON s.id = c.stage
     WHERE s.account = stage_counts.account AND s.region = stage_counts.region AND c.kind = 'SUBSCRIBE');
UPDATE stage_counts SET publishers =
    (SELECT COUNT(*) FROM (
        SELECT p.session, p.id FROM participants p JOIN stages s ON s.id = p.stage
            WHERE p.publishing = 1 AND s.account = stage_counts.account AND s.region = stage_counts.region
        UNION SELECT p.session, p.id FROM participants p JOIN stages s ON s.id = p.stage
            WHERE p.replication_active = 1 AND p.replication = 'REPLICA'
                AND s.account = stage_counts.account AND s.region = stage_counts.region
        UNION SELECT c.session, c.participant FROM connections c JOIN stages s ON s.id = c.stage
            WHERE c.kind = 'PUBLISH' AND s.account = stage_counts.account
                AND s.region = stage_counts.region) AS places);

-- What has lasted too long.
CREATE INDEX connections_by_age ON connections (opened_at, id) WHERE kind <> 'EVENTS';
