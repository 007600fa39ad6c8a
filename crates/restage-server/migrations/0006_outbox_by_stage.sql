-- The webhook takes events stage by stage: each stage's next ones are found without passing those of another.
CREATE INDEX outbox_by_stage ON outbox (sink, stage, seq);
