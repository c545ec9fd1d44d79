-- Whether tasks are pushed to a person on duty: the desk stops when the person has not begun one in time.

ALTER TABLE presence
    ADD COLUMN IF NOT EXISTS paused_since Nullable(DateTime64(6, 'UTC')) COMMENT 'On duty: since when nothing is pushed to the person, who missed a pushed task; NULL while tasks are pushed',
    ADD COLUMN IF NOT EXISTS pause_reason String COMMENT 'Which task that was, in words; empty while tasks are pushed';
