"""Finding decisions, and what the story of one rests on: how it was routed, what held, what had to be done."""

from interlock.sinks.questions.model import LIMIT, SUBJECT_KEY, Question, matches, names, of_subject, text
from interlock.sinks.sealed_columns import OPENING

_DECISION = text("decision_id", "The decision.", None)

# Words are joined to at most so many decisions where an outcome is searched for; who searches further back says when.
_SEARCHED = 100_000


def _instant(name: str) -> str:
    return f"parseDateTime64BestEffortOrNull({{{name}:String}}, 3, 'UTC')"


QUESTIONS = (
    Question(
        "decision_search",
        "Decisions",
        "Decisions as they were routed, the latest first; the route, what the AI said, and what holds are told once "
        f"nobody judges them. Where an outcome is given, of the latest {_SEARCHED:,} that match otherwise",
        f"""WITH
    found AS
    (
        SELECT kafka_timestamp, decision_id, domain, model_id, model_version, route, prediction
        FROM routed_decisions
        WHERE NOT review_copy AND error = '' AND startsWith(decision_id, {{decision_id:String}})
            AND {of_subject()} AND {matches("domain", "model_id")}
            AND ({{since:String}} = '' OR kafka_timestamp >= {_instant("since")})
            AND ({{until:String}} = '' OR kafka_timestamp < {_instant("until")})
            AND ({{before:String}} = '' OR kafka_timestamp < {_instant("before")}
                OR (kafka_timestamp = {_instant("before")} AND decision_id > {{before_id:String}}))
        ORDER BY kafka_timestamp DESC, decision_id
        LIMIT if({{outcome:String}} = '', {{limit:UInt32}}, {_SEARCHED})
    ),
    words AS
    (
        SELECT
            decision_id, argMax(toString(resolutions.outcome), version) AS word,
            argMax(toString(resolutions.source), version) AS origin
        FROM resolutions
        WHERE error = '' AND NOT tombstone AND decision_id IN (SELECT decision_id FROM found)
        GROUP BY decision_id
    )
SELECT
    found.kafka_timestamp AS at, decision_id, domain, model_id, model_version,
    decision_id IN (SELECT decision_id FROM tasks_now WHERE is_open) AS is_open,
    if(is_open, '', toString(found.route)) AS route,
    if(is_open, '', toString(found.prediction)) AS prediction,
    multiIf(is_open, '', word != '', word, found.route = 'auto', toString(found.prediction), '') AS outcome,
    multiIf(is_open, '', word != '', origin, found.route = 'auto', 'auto', '') AS source
FROM found
LEFT JOIN words USING (decision_id)
WHERE {{outcome:String}} = '' OR outcome = {{outcome:String}}
ORDER BY at DESC, decision_id
LIMIT {{limit:UInt32}}""",
        names("at decision_id domain model_id model_version is_open route prediction outcome source"),
        (
            text("decision_id", "Only ids that begin so."),
            text("subject_id", "Only about this subject."),
            SUBJECT_KEY,
            text("domain", "Only this domain."),
            text("model_id", "Only this model."),
            text("outcome", "Only where this holds."),
            text("since", "Routed from then on, in ISO 8601."),
            text("until", "Routed before then, in ISO 8601."),
            text("before", "Only what the list shows behind this time; with before_id, the place where it goes on."),
            text("before_id", "The last decision that was shown."),
            LIMIT,
        ),
    ),
    Question(
        "decision_routing",
        "How a decision was routed",
        "Every record of the router on one decision; review_copy: one that took effect and was sent to people as well",
        """SELECT
    routed_at, route, review_copy, reasons, model_id, model_version, prediction, confidence,
    calibrated_confidence, policy_version, calibration_version, workflow, priority, queue, propensity, override_until,
    notices
FROM routed_decisions
WHERE error = '' AND decision_id = {decision_id:String}
ORDER BY routed_at, kafka_timestamp, kafka_offset
LIMIT 1000""",
        names(
            "routed_at route review_copy reasons model_id model_version prediction confidence calibrated_confidence "
            "policy_version calibration_version workflow priority queue propensity override_until notices"
        ),
        (_DECISION,),
    ),
    Question(
        "decision_resolutions",
        "What has held for a decision",
        "Every version of the resolution of one decision; the last one holds",
        """SELECT
    version, outcome, prediction, source, verdict, decided_by, decided_at, reason_code, reason_text, modifications,
    final, override_until, policy_version, decision_id, """
        + OPENING
        + """
FROM resolutions
WHERE error = '' AND NOT tombstone AND decision_id = {decision_id:String}
ORDER BY version, kafka_timestamp
LIMIT 1000""",
        names(
            "version outcome prediction source verdict decided_by decided_at reason_code reason_text modifications "
            "final override_until policy_version"
        ),
        (_DECISION,),
        seals="resolutions",
    ),
    Question(
        "decision_actions",
        "What had to be done because of a decision",
        "Every action that followed from one decision; executors carry them out",
        """SELECT at, kind, version, outcome, notices, modifications, reason_code, action_id, language,
    text, decision_id, """
        + OPENING
        + """
FROM actions
WHERE error = '' AND decision_id = {decision_id:String}
ORDER BY at, action_id
LIMIT 1000""",
        names("at kind version outcome notices modifications reason_code action_id language text"),
        (_DECISION,),
        seals="actions",
    ),
)
