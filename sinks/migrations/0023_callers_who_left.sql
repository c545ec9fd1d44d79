-- Until when a caller waits, and whether it still does.
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS caller_until Nullable(DateTime64(6, 'UTC')) COMMENT 'sync: until when the caller waits, as the header interlock-caller-seconds of its decision says; null where it does not say';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS caller_left Bool COMMENT 'sync: its caller does not wait any more, and the policy''s on_timeout was applied';
