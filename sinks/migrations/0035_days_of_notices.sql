-- Within how many days from the decision its subject must have been told, as a pack of the policy demands.

ALTER TABLE routed_decisions
    ADD COLUMN IF NOT EXISTS notify_within_days Int32 COMMENT 'Within how many days from created_at the subject must have been told, above any service level; 0: no limit, or not told' AFTER evidence_opened;

ALTER TABLE shadow_decisions
    ADD COLUMN IF NOT EXISTS notify_within_days Int32 COMMENT 'Within how many days from created_at the subject would have had to be told; 0: no limit, or not told' AFTER evidence_opened;

ALTER TABLE tasks
    ADD COLUMN IF NOT EXISTS routed_notify_within_days Int32 COMMENT 'Within how many days from created_at its subject must have been told of the first outcome, as it was routed; 0: no limit, or not told' AFTER routed_evidence_opened,
    ADD COLUMN IF NOT EXISTS created_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the decision was made, by the producer''s clock and not after it was routed, UTC; NULL: it took effect at once, or not told' AFTER routed_notify_within_days;
