-- What the desk notes so that no task waits for nobody, and how far a missed deadline has moved a task forward.
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS with_team Bool COMMENT 'It went up, and the team may decide it as well as the leads; false where only leads may' AFTER escalation;

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS skipped Array(String) COMMENT 'Those of `excluded` who passed it on with a reason, the first one first: where nobody else is left it comes to them again' AFTER excluded;

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS raised_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When a missed deadline last raised its priority (on_breach: raise_priority): the present deadline counts from then; null: never' AFTER breached;

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS stuck Bool COMMENT 'Nobody on the roster may decide it, and an alert has said so' AFTER raised_at;
