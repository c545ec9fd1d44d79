-- A request for retraining tells how much of what was chosen for people it knows.
ALTER TABLE retraining_requests
    ADD COLUMN IF NOT EXISTS answered Array(Tuple(way String, settled Int64, judged Int64)) COMMENT 'Over the span that kind names, by way to a person: decisions that nobody waits for any more, and how many of them a person has judged; empty: not told';
