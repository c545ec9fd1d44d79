"""What went wrong, what people were told, and what the outside world had to do."""

from interlock.sinks.questions.model import LIMIT, SETTLED, Question, days, matches, names, text
from interlock.sinks.sealed_columns import OPENING

_SINCE = "now64(3) - toIntervalDay({days:UInt32})"

# The latest row of a key holds; only the newest log of the topic does.
_SEQUENCES = """(
    SELECT group, decision_id, arrayJoin(actions) AS action, at
    FROM
    (
        SELECT
            key,
            argMax(action_sequences.group, kafka_offset) AS group,
            argMax(action_sequences.decision_id, kafka_offset) AS decision_id,
            argMax(action_sequences.actions, kafka_offset) AS actions,
            argMax(action_sequences.at, kafka_offset) AS at,
            argMax(tombstone, kafka_offset) AS gone
        FROM action_sequences
        WHERE error = '' AND kafka_stream = (SELECT argMax(kafka_stream, kafka_timestamp) FROM action_sequences)
        GROUP BY key
    )
    WHERE NOT gone
)"""

QUESTIONS = (
    Question(
        "alerts_by_kind",
        "Alerts of the last days",
        "What people were told within so many days",
        f"""SELECT kind, severity, count() AS alerts, max(at) AS latest
FROM alerts
WHERE error = '' AND kafka_timestamp > {_SINCE}
GROUP BY kind, severity
ORDER BY latest DESC, kind, severity
LIMIT 1000""",
        names("kind severity alerts latest"),
        (days(7),),
        "alerts",
    ),
    Question(
        "alerts",
        "Alerts",
        "What people were told within so many days, the latest first; nobody named: the operators",
        f"""SELECT at, kind, severity, task_id, queue, message, to, alert_id, {OPENING}
FROM alerts
WHERE error = '' AND kafka_timestamp > {_SINCE} AND {matches("kind", "severity")}
ORDER BY at DESC, alert_id
LIMIT {{limit:UInt32}}""",
        names("at kind severity task_id queue message to alert_id"),
        (text("kind", "Only this kind."), text("severity", "Only this severity."), days(7), LIMIT),
        seals="alerts",
    ),
    Question(
        "dead_letters_by_reason",
        "Dead letters by reason",
        "Messages that could not be read, and actions that could not be carried out, within so many days",
        f"""SELECT reason, source_topic, count() AS letters, max(kafka_timestamp) AS latest
FROM dead_letters
WHERE kafka_timestamp > {_SINCE}
GROUP BY reason, source_topic
ORDER BY letters DESC, reason, source_topic
LIMIT 1000""",
        names("reason source_topic letters latest"),
        (days(30),),
        "dead_letters",
    ),
    Question(
        "dead_letters",
        "Dead letters",
        "Messages that could not be read, and actions that could not be carried out, the latest first",
        f"""SELECT
    kafka_timestamp AS at, reason, message, source_topic, source_partition, source_offset,
    toValidUTF8(ifNull(original_key, '')) AS key, kafka_partition, kafka_offset, original_key, {OPENING}
FROM dead_letters
WHERE kafka_timestamp > {_SINCE} AND {matches("reason", "source_topic")}
ORDER BY kafka_timestamp DESC, kafka_partition, kafka_offset
LIMIT {{limit:UInt32}}""",
        names("at reason message source_topic source_partition source_offset key kafka_partition kafka_offset"),
        (text("reason", "Only this reason."), text("source_topic", "Only from this topic."), days(30), LIMIT),
        seals="dead_letters",
    ),
    Question(
        "actions_by_kind",
        "What the outside world had to do",
        "Actions that followed from the words of people and policies within so many days",
        f"""SELECT kind, domain, count() AS actions, max(at) AS latest
FROM actions
WHERE error = '' AND kafka_timestamp > {_SINCE}
GROUP BY kind, domain
ORDER BY domain, kind
LIMIT 1000""",
        names("kind domain actions latest"),
        (days(7),),
        "actions",
    ),
    Question(
        "actions",
        "Actions",
        "Actions within so many days, the latest first, but for decisions that are open now",
        f"""SELECT at, action_id, decision_id, domain, kind, version, outcome, reason_code
FROM actions
WHERE error = '' AND kafka_timestamp > {_SINCE} AND {matches("kind", "domain")} AND {SETTLED}
ORDER BY at DESC, action_id
LIMIT {{limit:UInt32}}""",
        names("at action_id decision_id domain kind version outcome reason_code"),
        (text("kind", "Only this kind."), text("domain", "Only this domain."), days(7), LIMIT),
    ),
    Question(
        "undelivered",
        "What executors could not deliver",
        "Actions that webhooks and other executors put into dead-letter, by executor group and by how each stands",
        f"""SELECT group, action.kind AS kind, action.state AS state, count() AS actions, max(at) AS latest
FROM {_SEQUENCES}
GROUP BY group, kind, state
ORDER BY group, kind, state
LIMIT 1000""",
        names("group kind state actions latest"),
        (),
        "undelivered_actions",
    ),
    Question(
        "undelivered_actions",
        "Actions that were not delivered",
        "Actions in dead-letter; in_doubt: an attempt may have taken effect although it failed",
        f"""SELECT
    group, decision_id, action.action_id AS action_id, action.kind AS kind, action.version AS version,
    action.state AS state, action.in_doubt AS in_doubt, at
FROM {_SEQUENCES}
WHERE {matches("group", "kind", "state")}
ORDER BY at DESC, action_id
LIMIT {{limit:UInt32}}""",
        names("group decision_id action_id kind version state in_doubt at"),
        (
            text("group", "Only this executor group."),
            text("kind", "Only this kind."),
            text("state", "Only those that stand so."),
            LIMIT,
        ),
    ),
)
