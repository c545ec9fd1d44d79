-- Service levels and the notices of every outcome travel with the decision like the rest of what it demands of people.
ALTER TABLE routed_decisions
    ADD COLUMN IF NOT EXISTS service_levels LowCardinality(String) COMMENT 'Within how many seconds of its working time a task must be decided, by priority, as JSON; empty: not told, or no policy has the domain' AFTER calendar,
    ADD COLUMN IF NOT EXISTS outcome_notices LowCardinality(String) COMMENT 'Which notices are due to the subject if people decide for an outcome, as JSON; empty: none, or not told' AFTER service_levels;

ALTER TABLE shadow_decisions
    ADD COLUMN IF NOT EXISTS service_levels LowCardinality(String) COMMENT 'Within how many seconds of its working time a task would have had to be decided, by priority, as JSON; empty: not told, or no policy has the domain' AFTER calendar,
    ADD COLUMN IF NOT EXISTS outcome_notices LowCardinality(String) COMMENT 'Which notices would have been due to the subject for an outcome, as JSON; empty: none, or not told' AFTER service_levels;

ALTER TABLE tasks
    ADD COLUMN IF NOT EXISTS routed_service_levels LowCardinality(String) COMMENT 'The seconds by priority it was routed with, as JSON: of them and those of the policy in force the earlier deadline counts; empty: not told' AFTER routed_calendar,
    ADD COLUMN IF NOT EXISTS routed_notices LowCardinality(String) COMMENT 'The notices by outcome it was routed with, as JSON; they count where the policy in force has none for the outcome; empty: none, or not told' AFTER routed_service_levels;

ALTER TABLE tasks
    COMMENT COLUMN routed_calendar 'The working time it was routed with, as JSON; it counts besides that of the policy in force, and alone where no policy describes the queue any more. Empty: always';
