-- How many stages a participant is replicated into is counted in the index, whoever else has its id.
DROP INDEX replicas_out;
CREATE INDEX replicas_out ON replicas (participant, source_session) WHERE active = 1;
