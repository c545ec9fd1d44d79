-- Hash chains, as in 0026 (docs/audit-trail.md).

ALTER TABLE policy_candidates ADD COLUMN IF NOT EXISTS link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition; zeros: inserted before the audit trail was kept';
