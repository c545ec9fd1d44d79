-- How often a case was appealed, which review an appeal took the place of, and what the subject was told.
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS appeals Int32 COMMENT 'How many appeals were filed';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS measures LowCardinality(String) COMMENT 'appeal: audit or post_approval if it took the place of such a review before anybody had judged: its verdict is counted as that one''s. Empty otherwise';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS notices Array(LowCardinality(String)) COMMENT 'What the subject was told of the version that was carried out';
