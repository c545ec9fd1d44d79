-- The notices to people whom decisions are about, as they were sent.
ALTER TABLE actions
    ADD COLUMN IF NOT EXISTS corrects Int32 COMMENT 'notify, notice: version of the resolution whose notices it replaces or takes back, with all later ones; 0: none' AFTER offset,
    ADD COLUMN IF NOT EXISTS language LowCardinality(String) COMMENT 'notice: of the text, such as en' AFTER corrects,
    ADD COLUMN IF NOT EXISTS text String CODEC(ZSTD(1)) COMMENT 'notice: what was sent to the subject, as it was' AFTER language,
    ADD COLUMN IF NOT EXISTS written_under LowCardinality(String) COMMENT 'notice: the version of the policy whose words it has' AFTER text;

ALTER TABLE actions
    COMMENT COLUMN action_id 'decision_id/version/kind, and for a notice /name: the same in every replay',
    COMMENT COLUMN kind 'execute, roll_back, notify or notice',
    COMMENT COLUMN notices 'notify: what the subject must be told; notice: the name of this one, with :withdrawn at its end where it is taken back';
