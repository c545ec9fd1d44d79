-- What a decision demands of the people who decide it, as the policy that routed it has it: it travels with the decision,
-- and a later policy takes none of it away.
ALTER TABLE routed_decisions
    ADD COLUMN IF NOT EXISTS quorum Int32 COMMENT 'How many different people must agree, should people decide it; 0: not told, by a router of before' AFTER notices,
    ADD COLUMN IF NOT EXISTS qualifications Array(LowCardinality(String)) COMMENT 'What each of them must have' AFTER quorum,
    ADD COLUMN IF NOT EXISTS outcomes Array(LowCardinality(String)) COMMENT 'What they may decide for; empty: anything' AFTER qualifications,
    ADD COLUMN IF NOT EXISTS calendar LowCardinality(String) COMMENT 'Working time in which its service level counts, as JSON; empty: always' AFTER outcomes;

ALTER TABLE shadow_decisions
    ADD COLUMN IF NOT EXISTS quorum Int32 COMMENT 'How many different people would have had to agree; 0: not told, by a router of before' AFTER notices,
    ADD COLUMN IF NOT EXISTS qualifications Array(LowCardinality(String)) COMMENT 'What each of them would have needed' AFTER quorum,
    ADD COLUMN IF NOT EXISTS outcomes Array(LowCardinality(String)) COMMENT 'What they could have decided for; empty: anything' AFTER qualifications,
    ADD COLUMN IF NOT EXISTS calendar LowCardinality(String) COMMENT 'Working time in which its service level would have counted, as JSON; empty: always' AFTER outcomes;

ALTER TABLE tasks
    ADD COLUMN IF NOT EXISTS reasons Array(LowCardinality(String)) COMMENT 'As the router gave them' AFTER qualifications,
    ADD COLUMN IF NOT EXISTS routed_queue LowCardinality(String) COMMENT 'The queue that the router gave; empty: not told' AFTER reasons,
    ADD COLUMN IF NOT EXISTS routed_qualifications Array(LowCardinality(String)) COMMENT 'What a reviewer had to have when it was routed: no later policy takes it away' AFTER routed_queue,
    ADD COLUMN IF NOT EXISTS routed_outcomes Array(LowCardinality(String)) COMMENT 'What could be decided for when it was routed; empty: anything' AFTER routed_qualifications,
    ADD COLUMN IF NOT EXISTS routed_calendar LowCardinality(String) COMMENT 'The working time it was routed with, as JSON; it counts where no policy describes the queue any more. Empty: always' AFTER routed_outcomes;

ALTER TABLE tasks
    COMMENT COLUMN qualifications 'What a reviewer must have: what the policy in force demands, and what it was routed with',
    COMMENT COLUMN event 'What made this record: arrived, taken_over, repeated, assigned, unassigned, claimed, extended, released, expired, lease_warned, submitted, resolved, escalated, reassigned, snoozed, woken, warned, breached, overridden, appealed, window_closed, timed_out, rescheduled, de_escalated, opened_up, nobody_can_decide, somebody_can_decide, not_judged, duties_kept (a policy demands less; it keeps what it was routed with)';
