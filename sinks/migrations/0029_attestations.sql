-- Meaningful involvement: what a pack has reviewers declare, and that they opened the evidence.
ALTER TABLE routed_decisions
    ADD COLUMN IF NOT EXISTS attestations Array(String) COMMENT 'What whoever gives a verdict must declare' AFTER outcome_notices,
    ADD COLUMN IF NOT EXISTS evidence_opened Bool COMMENT 'Whoever gives a verdict must have opened the evidence before' AFTER attestations;

ALTER TABLE shadow_decisions
    ADD COLUMN IF NOT EXISTS attestations Array(String) COMMENT 'What whoever gave a verdict would have had to declare' AFTER outcome_notices,
    ADD COLUMN IF NOT EXISTS evidence_opened Bool COMMENT 'Whoever gave a verdict would have had to open the evidence before' AFTER attestations;

ALTER TABLE tasks
    ADD COLUMN IF NOT EXISTS routed_attestations Array(String) COMMENT 'What whoever gives a verdict had to declare when it was routed: no later policy takes it away' AFTER routed_notices,
    ADD COLUMN IF NOT EXISTS routed_evidence_opened Bool COMMENT 'Whoever gives a verdict had to open the evidence when it was routed' AFTER routed_attestations,
    ADD COLUMN IF NOT EXISTS evidence_opened Array(Tuple(reviewer String, at DateTime64(6, 'UTC'))) COMMENT 'Who has opened the evidence, and when first' AFTER routed_evidence_opened;

ALTER TABLE commands
    ADD COLUMN IF NOT EXISTS attestations Array(String) COMMENT 'submit, override: the sentences that the person declares to be true' AFTER on_behalf_of;

ALTER TABLE outcomes
    ADD COLUMN IF NOT EXISTS attestations Array(String) COMMENT 'What the reviewer declared with the verdict: the sentences that were due' AFTER settled_before,
    ADD COLUMN IF NOT EXISTS evidence_opened_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the reviewer first opened the evidence; NULL: nobody told of it' AFTER attestations;
