-- Why an open task waits, for whom, and who keeps out of it: the latest state of a task had none of it.
CREATE OR REPLACE VIEW tasks_now
(
    task_id String COMMENT 'The decision_id; of gold items an id of their own, made like it',
    decision_id String COMMENT 'The decision to be judged',
    kind String COMMENT 'review, audit, post_approval, gold, appeal or override (one that a second lead answers)',
    state String COMMENT 'waiting, assigned (pushed to somebody who has not begun), leased, snoozed or done',
    event String COMMENT 'What made this record: arrived, taken_over, repeated, assigned, unassigned, claimed, extended, released, expired, lease_warned, submitted, resolved, escalated, reassigned, snoozed, woken, warned, breached, overridden, appealed, window_closed, timed_out, rescheduled, de_escalated, opened_up, nobody_can_decide, somebody_can_decide, not_judged, duties_kept (a policy demands less; it keeps what it was routed with)',
    actor String COMMENT 'Who caused it; desk for the desk''s own clock',
    at DateTime64(6, 'UTC') COMMENT 'When, by the desk''s clock',
    command_id String COMMENT 'The command that caused it, or empty',
    queue String COMMENT 'Where it waits',
    priority String COMMENT 'critical, high, medium or low',
    route String COMMENT 'As the router gave it',
    workflow String COMMENT 'As the router gave it',
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that decided',
    model_version String COMMENT 'Its version',
    prediction String COMMENT 'What the model proposes. Do not show it while blind is true',
    confidence Float64 COMMENT 'Calibrated confidence. Do not show it while blind is true',
    raw_confidence Float64 COMMENT 'The model''s own',
    propensity Float64 COMMENT 'Probability with which the pipeline sent this decision to a person',
    amount Nullable(Float64) COMMENT 'Money at stake',
    impact Float64 COMMENT '0 to 1: rank of the amount among the queue''s latest arrivals, or the producer''s word for it',
    compliance_review Bool COMMENT 'The law demands a person',
    policy_version String COMMENT 'Policy that routed it',
    deadline_policy String COMMENT 'Policy whose service level gave the deadline',
    routed_at DateTime64(6, 'UTC') COMMENT 'The router''s clock',
    arrived_at DateTime64(6, 'UTC') COMMENT 'When the desk took it over',
    due_from DateTime64(6, 'UTC') COMMENT 'Where the service level begins to count: arrival, or the appeal',
    deadline DateTime64(6, 'UTC') COMMENT 'Until when it must be decided',
    warned Bool COMMENT 'The warning for this deadline was given',
    breached Bool COMMENT 'The deadline passed, and was told once',
    raised_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When a missed deadline last raised its priority (on_breach: raise_priority): the present deadline counts from then; null: never',
    stuck Bool COMMENT 'Nobody on the roster may decide it, and an alert has said so',
    score Float64 COMMENT '0.4 impact + 0.2 (1 - confidence) + 0.1 compliance; the order `score` adds 0.3 for waiting time',
    blind Bool COMMENT 'The AI''s answer is withheld until the verdict',
    caller_until Nullable(DateTime64(6, 'UTC')) COMMENT 'sync: until when the caller waits, as the header interlock-caller-seconds of its decision says; null where it does not say',
    caller_left Bool COMMENT 'sync: its caller does not wait any more, and the policy''s on_timeout was applied',
    gold_outcome String COMMENT 'kind gold: the right answer, which the reviewer must not see; empty elsewhere',
    quorum Int32 COMMENT 'How many different people must agree',
    options Array(String) COMMENT 'hybrid: the outcomes to choose from, best first',
    qualifications Array(String) COMMENT 'What a reviewer must have',
    excluded Array(String) COMMENT 'People who must not get it: they skipped it, or decided it before',
    skipped Array(String) COMMENT 'Those of `excluded` who passed it on with a reason, the first one first: where nobody else is left it comes to them again',
    assigned_to String COMMENT 'Named person, or empty',
    assigned_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Pushed tasks: when it is given to somebody else unless begun',
    lease_holder String COMMENT 'Who holds it, or empty',
    lease_epoch Int64 COMMENT 'Increases with every new lease, never decreases',
    lease_since Nullable(DateTime64(6, 'UTC')) COMMENT 'When the present lease began: the handling clock',
    lease_until Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ends',
    lease_warned Bool COMMENT 'Its holder was warned',
    snoozed_until Nullable(DateTime64(6, 'UTC')) COMMENT 'When it comes back',
    escalation Int32 COMMENT 'How often it went up',
    with_team Bool COMMENT 'It went up, and the team may decide it as well as the leads; false where only leads may',
    escalation_note String COMMENT 'What was said then',
    round Int32 COMMENT '0, and one more with every appeal',
    statement String COMMENT 'appeal: what the person concerned says',
    parties Array(String) COMMENT 'Everybody who filed an appeal, or in whose name one was filed: they judge it no more',
    appeals Int32 COMMENT 'How many appeals were filed',
    verdicts Array(Tuple(reviewer String, verdict String, outcome String, reason_code String, reason_text String, modifications String, at DateTime64(6, 'UTC'), round Int32)) COMMENT 'Every verdict so far, oldest first',
    version Int32 COMMENT 'Of the latest resolution; 0 before the first',
    outcome String COMMENT 'Of the latest resolution; empty before the first',
    decided_by String COMMENT 'Of the latest resolution; empty before the first',
    decided_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Of the latest resolution',
    override_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Until when an override rolls the present effect back',
    payload_hash String COMMENT 'First 32 hex digits of the SHA-256 of the routed decision''s bytes',
    topic String COMMENT 'Topic of the routed decision: readers fetch the payload by its place',
    partition Int32 COMMENT 'Its partition',
    offset Int64 COMMENT 'Its offset',
    is_open Bool COMMENT 'Neither done nor forgotten by the desk',
    overdue Bool COMMENT 'Open, and its deadline has passed',
    open_seconds Nullable(Float64) COMMENT 'Seconds since the service level began to count; null where it is not open',
    kafka_offset UInt64 COMMENT 'Offset of the record in reviews.tasks'
)
AS
WITH
    (SELECT argMax(kafka_stream, kafka_timestamp) FROM tasks) AS present_log,
    state != 'done' AND kafka_offset >= forgotten_before AS opened
SELECT
    task_id, decision_id, kind, state, event, actor, at, command_id, queue, priority, route, workflow, domain,
    model_id, model_version, prediction, confidence, raw_confidence, propensity, amount, impact, compliance_review,
    policy_version, deadline_policy, routed_at, arrived_at, due_from, deadline, warned, breached, raised_at, stuck, score, blind,
    caller_until, caller_left,
    gold_outcome, quorum, options, qualifications, excluded, skipped, assigned_to, assigned_until, lease_holder, lease_epoch,
    lease_since, lease_until, lease_warned, snoozed_until, escalation, with_team, escalation_note, round, statement,
    parties, appeals, verdicts,
    version, outcome, decided_by, decided_at, override_until, payload_hash, topic, partition, offset,
    opened AS is_open,
    opened AND now64(6, 'UTC') > deadline AS overdue,
    if(opened, (toUnixTimestamp64Micro(now64(6, 'UTC')) - toUnixTimestamp64Micro(due_from)) / 1000000, NULL) AS open_seconds,
    kafka_offset
FROM
(
    SELECT * FROM tasks
    WHERE kafka_stream = present_log AND error = '' AND NOT tombstone
        AND kafka_offset IN
        (
            SELECT max(kafka_offset) FROM tasks
            WHERE kafka_stream = present_log AND error = '' AND NOT tombstone GROUP BY key
        )
) AS latest
LEFT JOIN
(
    SELECT key, max(kafka_offset) + 1 AS forgotten_before FROM tasks WHERE kafka_stream = present_log AND tombstone GROUP BY key
) AS forgotten USING (key)
COMMENT 'The latest state of every task, done ones and gold items too: WHERE is_open AND kind != ''gold'' is what waits for people';
