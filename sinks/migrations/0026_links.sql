-- Hash chains (docs/audit-trail.md). Rows of before have zeros. No codec: digests cannot be compressed.

ALTER TABLE action_retries ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE action_sequences ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE actions ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE alerts ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE calibration_models ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE calibration_reports ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE command_replies ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE commands ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE controls ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE decisions ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE drift_signals ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE outcomes ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE policies ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE presence ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE proposals ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE resolutions ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE retraining_requests ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE reviewers ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE routed_decisions ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE schema_versions ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE shadow_decisions ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';

ALTER TABLE training_examples ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';
