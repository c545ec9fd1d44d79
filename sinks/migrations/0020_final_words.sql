-- A resolution is final when nobody can override it any more; it is then said once more, as the next version.
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS final_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the latest resolution becomes final unless somebody overrides it; NULL: it is final, or there is none';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS closed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When it was done last; NULL: it is open, or an earlier version wrote it';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS source LowCardinality(String) COMMENT 'Of the latest resolution, as in resolutions; empty before the first, and where an earlier version wrote it';

ALTER TABLE resolutions COMMENT COLUMN final 'False as long as somebody may override it: until override_until. Only an appeal changes what is final';
