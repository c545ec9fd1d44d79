-- How much of what was chosen for people is answered, as the desk counted it when it took the verdict.
ALTER TABLE outcomes
    ADD COLUMN IF NOT EXISTS way_settled Nullable(Int64) COMMENT 'Of the decisions of this domain, model version and way to a person (audit, or the route) that were ever chosen: how many are not waited for any more, because they were judged, are past their deadline, or ended without a person. NULL: not told' AFTER settled_before,
    ADD COLUMN IF NOT EXISTS way_judged Nullable(Int64) COMMENT 'How many of them a person has judged, in time or late; over a span of time the share that was answered is the difference of this over that of way_settled. NULL: not told' AFTER way_settled,
    ADD COLUMN IF NOT EXISTS way_settled_before Nullable(DateTime64(6, 'UTC')) COMMENT 'As settled_before, of the tasks that came in this domain and way alone. NULL: not told' AFTER way_judged;

ALTER TABLE training_examples
    ADD COLUMN IF NOT EXISTS way_settled Nullable(Int64) COMMENT 'As in outcomes' AFTER settled_before,
    ADD COLUMN IF NOT EXISTS way_judged Nullable(Int64) COMMENT 'As in outcomes' AFTER way_settled,
    ADD COLUMN IF NOT EXISTS way_settled_before Nullable(DateTime64(6, 'UTC')) COMMENT 'As in outcomes' AFTER way_judged;
