"""How the reviewed decisions behind a number are listed."""

from interlock.sinks.questions.model import SETTLED, names

CASE_COLUMNS = names(
    "at decision_id domain model_id model_version prediction confidence outcome overridden verdict reason_code "
    "propensity blind kind"
)
CASES = f"""SELECT
    at, decision_id, domain, model_id, model_version, prediction, confidence, outcome, overridden, verdict, reason_code,
    propensity, blind, kind
FROM outcomes
WHERE outcomes.reviewed AND {SETTLED}"""
LATEST = "ORDER BY at DESC, decision_id\nLIMIT {limit:UInt32}"
