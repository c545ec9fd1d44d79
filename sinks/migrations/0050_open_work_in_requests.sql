-- A change is told of before all is judged that came before: what is open counts as right.
ALTER TABLE outcomes
    ADD COLUMN IF NOT EXISTS open_audits Nullable(Int64) COMMENT 'How many audits of the model version are still waited for after this verdict, in all domains. NULL: not told' AFTER way_settled_before,
    ADD COLUMN IF NOT EXISTS open_reviews Nullable(Int64) COMMENT 'The same of the tasks that routing has sent to people' AFTER open_audits;

ALTER TABLE retraining_requests
    ADD COLUMN IF NOT EXISTS open_since_change Nullable(Int64) COMMENT 'Decisions that are not judged yet and count as right in rate_since_change, and as both in its ends; null: there is no change, or not told' AFTER slices_since_change;
