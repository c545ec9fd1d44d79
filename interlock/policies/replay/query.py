"""The SQL of a replay: history grouped by the kind that a candidate makes of each decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from interlock.learning.recalibration_limits import LIFT_FLOOR, MAX_INTERCEPT, MAX_SLOPE
from interlock.policy.attribute_groups import clickhouse_group
from interlock.policy.attributes import CLICKHOUSE_SETTINGS, clickhouse_projection
from interlock.policy.conditions.clickhouse import text_literal
from interlock.policy.kinds import Kinds
from interlock.policy.kinds_clickhouse import kind_columns
from interlock.policy.model import Policy
from interlock.policy.vocabulary import ROUTING_COLUMNS
from interlock.processors.router.calibration import EPSILON
from interlock.schemas.reasons import AMBIGUOUS_DOMAIN, PIPELINE_REASONS, ReasonKind
from interlock.sinks.sealed_columns import FACTS_COLUMN, KEY_COLUMN

# A policy as large as policies may be has conditions of 60,000 characters, several times as many in SQL; the limits of
# ClickHouse are for queries that people write.
SETTINGS = (
    f"{CLICKHOUSE_SETTINGS}, max_query_size = 16777216, max_ast_elements = 1000000, "
    "max_expanded_ast_elements = 4000000, max_ast_depth = 10000"
)

# What of a record a replay passes on besides the routing columns.
_CHOSEN = ("kafka_timestamp", "route", "reasons", "policy_version", "queue", "workflow", "audit", "propensity")

# Whether a person had to judge it.
_REVIEWED = "NOT is_shadow AND (audit OR route != 'auto')"

# Of a group of decisions.
AGGREGATES = {"decisions": "count()", "reviews": f"countIf({_REVIEWED})", "example": "min(decision_id)"}

# Rows with their facts in plain columns, rows with sealed ones or with none left, or both.
Rows = Literal["all", "plain", "sealed"]

_OF_ROWS: dict[Rows, str] = {"all": "", "plain": f" AND {KEY_COLUMN} = ''", "sealed": f" AND {KEY_COLUMN} != ''"}

# What is known of a decision that a person judged.
_VERDICT = ("overridden", "verdict_propensity")

# As the views have it: a verdict that stands for more than a million decisions says nothing about any of them.
SMALLEST_PROPENSITY = 0.000001

_CALIBRATIONS = f"""(
    SELECT key, kafka_timestamp AS since, model_id, model_version, intercept, slope
    FROM calibration_models
    WHERE error = '' AND (tombstone OR (key = concat(model_id, '@', model_version) AND isFinite(intercept)
        AND slope > 0 AND slope <= {MAX_SLOPE!r} AND abs(intercept) <= {MAX_INTERCEPT!r}))
)"""


@dataclass(frozen=True)
class History:
    """Which decisions are replayed: those of `domains` that Kafka took from `since` on and before `until`, in
    milliseconds since the epoch. `uncalibrated`: the policy versions that compared the model's own confidence."""

    domains: Sequence[str]
    since: int
    until: int
    uncalibrated: Sequence[str] = ()
    rows: Rows = "all"

    @property
    def condition(self) -> str:
        """SQL over the columns of both tables of routed decisions. What cannot be read has no route."""
        domains = ", ".join(map(text_literal, self.domains))
        moments = f"fromUnixTimestamp64Milli({self.since}) AND kafka_timestamp < fromUnixTimestamp64Milli({self.until})"
        return f"domain IN ({domains}) AND route != '' AND kafka_timestamp >= {moments}{_OF_ROWS[self.rows]}"


def kinds_in_history(
    kinds: Kinds, history: History, groups: Mapping[str, str], aggregates: Mapping[str, str], *, judged: bool = False
) -> str:
    """SELECT of the columns of `kind_columns`, then `groups`, then `aggregates`, one row for each combination of the
    first two. Both are SQL by name, over the columns of history.

    `judged`: only of decisions that took effect or waited and that a person judged, with the columns `overridden` and
    `verdict_propensity` beside the others.
    """
    columns = {**kind_columns(kinds), **groups, **aggregates}
    listed = ",\n    ".join(f"{sql} AS {name}" for name, sql in columns.items())
    keys = ", ".join([*kind_columns(kinds), *groups])
    return f"SELECT\n    {listed}\nFROM ({_typed(kinds, history, judged)})\nGROUP BY {keys}\nSETTINGS {SETTINGS}"


def sealed_rows(kinds: Kinds, history: History, said: Mapping[str, str], *, judged: bool) -> str:
    """SELECT of each decision with what opens its facts, whether a person saw it, and `said`, SQL by name.

    `judged`: as in `kinds_in_history`. The columns of facts are empty.
    """
    columns = ", ".join([*ROUTING_COLUMNS, "is_shadow", KEY_COLUMN, FACTS_COLUMN])
    listed = ", ".join(f"{sql} AS {name}" for name, sql in {"reviews": f"toUInt8({_REVIEWED})", **said}.items())
    return f"SELECT {columns}, {listed}\nFROM ({_rows(kinds, history, judged)})\nSETTINGS {SETTINGS}"


def forced_reasons() -> str:
    """SQL of the reasons for which the router, and not a policy, sent the decision to a person."""
    codes = [
        (entry.code, entry.is_prefix)
        for entry in PIPELINE_REASONS
        if entry.kind in (ReasonKind.CONTROL, ReasonKind.IMPLAUSIBLE) or entry.code == AMBIGUOUS_DOMAIN
    ]
    return _filtered(codes)


def policy_reasons() -> str:
    """SQL of the reasons of the record without those that sampling added after the policy."""
    codes = [(entry.code, entry.is_prefix) for entry in PIPELINE_REASONS if entry.kind is ReasonKind.SAMPLING]
    return _filtered(codes, "NOT ")


def groups_of_decision(policy: Policy) -> str:
    """SQL of pairs of an attribute and its value: every group of the decision, and one of empty texts for all."""
    parts = ["[('', '')]"]
    for name, domain in sorted(policy.domains.items()):
        if domain.groups:
            pairs = ", ".join(
                f"({text_literal(group)}, {clickhouse_group(_value_of(group), cuts)})"
                for group, cuts in domain.group_cuts.items()
            )
            parts.append(f"if(domain = {text_literal(name)}, [{pairs}], CAST([], 'Array(Tuple(String, String))'))")
    return f"arrayJoin(arrayConcat({', '.join(parts)}))"


def _value_of(attribute: str) -> str:
    key = text_literal(attribute)
    # The last entry of a key, as everywhere else; empty where there is none.
    return f"arrayLast((value, name) -> name = {key}, mapValues(attribute_texts), mapKeys(attribute_texts))"


def attributes_of_decision() -> str:
    """SQL of the attributes of a routed decision, as a map of strings."""
    return "attributes"


def _filtered(codes: Sequence[tuple[str, bool]], negation: str = "") -> str:
    whole = ", ".join(text_literal(code) for code, is_prefix in codes if not is_prefix)
    tests = [f"reason IN ({whole})"]
    tests += [f"startsWith(reason, {text_literal(code)})" for code, is_prefix in codes if is_prefix]
    return f"arrayFilter(reason -> {negation}({' OR '.join(tests)}), arrayMap(code -> toString(code), reasons))"


def _typed(kinds: Kinds, history: History, judged: bool) -> str:
    """The rows of history as conditions expect them: typed attributes, and as `confidence` what lanes compare."""
    projection = clickhouse_projection(kinds.policy, "attribute_texts")
    return f"SELECT *{', ' + projection if projection else ''} FROM ({_rows(kinds, history, judged)})"


def _rows(kinds: Kinds, history: History, judged: bool) -> str:
    routing = ", ".join(
        "r.confidence AS raw_confidence" if name == "raw_confidence" else f"r.{name} AS {name}"
        for name in ROUTING_COLUMNS
        if name != "confidence"
    )
    passed = (*_CHOSEN, KEY_COLUMN, FACTS_COLUMN, "attribute_texts", "is_shadow", *(_VERDICT if judged else ()))
    chosen = ", ".join(f"r.{name} AS {name}" for name in passed)
    source = f"({_judged(history) if judged else _records(history)}) AS r"
    if not kinds.policy.calibration.use:
        confidence = "r.confidence"
    elif not history.uncalibrated:
        confidence = "r.calibrated_confidence"
    else:
        versions = ", ".join(map(text_literal, history.uncalibrated))
        confidence = f"if(r.policy_version IN ({versions}), {_calibrated()}, r.calibrated_confidence)"
        source += (
            f"\nASOF LEFT JOIN {_CALIBRATIONS} AS c"
            "\nON concat(r.model_id, '@', r.model_version) = c.key AND r.kafka_timestamp >= c.since"
        )
    return f"SELECT {routing}, {confidence} AS confidence, {chosen}\nFROM {source}"


def _records(history: History) -> str:
    """Every decision once; those of challengers, which had no effect, too."""
    return (
        f"SELECT {_stored()}, false AS is_shadow FROM routed_decisions "
        f"WHERE NOT review_copy AND {history.condition}\nUNION ALL\n"
        f"SELECT {_stored()}, true AS is_shadow FROM shadow_decisions WHERE {history.condition}"
    )


def _judged(history: History) -> str:
    """Decisions with a person's first word on them, which comes after they were routed."""
    domains = ", ".join(map(text_literal, history.domains))
    return (
        f"SELECT {_stored()}, false AS is_shadow, overridden, verdict_propensity FROM routed_decisions INNER JOIN ("
        "SELECT domain AS verdict_domain, decision_id AS verdict_on, any(outcomes.overridden) AS overridden, "
        "any(outcomes.propensity) AS verdict_propensity FROM outcomes "
        f"WHERE reviewed AND (route != 'auto' OR audit) AND propensity >= {SMALLEST_PROPENSITY!r} "
        f"AND domain IN ({domains}) "
        f"AND kafka_timestamp >= fromUnixTimestamp64Milli({history.since}) GROUP BY verdict_domain, verdict_on"
        f") AS verdicts ON domain = verdict_domain AND decision_id = verdict_on "
        f"WHERE NOT review_copy AND {history.condition}"
    )


def _stored() -> str:
    stored = [name for name in ROUTING_COLUMNS if name != "raw_confidence"]
    columns = ", ".join([*stored, "calibrated_confidence", KEY_COLUMN, FACTS_COLUMN, *_CHOSEN])
    return f"{columns}, {attributes_of_decision()} AS attribute_texts"


def _calibrated() -> str:
    """As `processors/router/calibration.py` does; the logarithm of ClickHouse may differ in the last bit."""
    clipped = f"least(greatest(r.confidence, {EPSILON!r}), 1 - {EPSILON!r})"
    fitted = f"1 / (1 + exp(-(c.intercept + c.slope * log({clipped} / (1 - {clipped})))))"
    lifted = f"if(c.intercept > 0 AND r.confidence < {LIFT_FLOOR!r}, least({fitted}, {LIFT_FLOOR!r}), {fitted})"
    applies = "c.slope > 0 AND c.model_id = r.model_id AND c.model_version = r.model_version"
    return f"if({applies} AND r.confidence >= 0 AND r.confidence <= 1, {lifted}, r.confidence)"
