"""Runs a candidate policy on history in ClickHouse."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError, UsageError
from interlock.policies.replay.breaches import breaches
from interlock.policies.replay.forecast import Key, Strata, queue_forecasts
from interlock.policies.replay.matrix import SHADOW, Fate, Tally
from interlock.policies.replay.query import (
    History,
    forced_reasons,
    groups_of_decision,
    kinds_in_history,
    policy_reasons,
)
from interlock.policies.replay.result import Replay
from interlock.policies.replay.staffing import staffing
from interlock.policy.conditions.ast import columns_in
from interlock.policy.kinds import Kinds
from interlock.policy.kinds_clickhouse import key_of, kind_columns
from interlock.policy.model import Policy
from interlock.policy.routing import ExtraRoute, Treatment
from interlock.policy.version import version
from interlock.policy.vocabulary import Route
from interlock.schemas.reasons import AMBIGUOUS_DOMAIN, HALTED
from interlock.sinks.sealed_columns import COLUMNS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# Kinds that are remembered, some 500 bytes each; as in the router, only rules that match at random have more.
_CACHE_SIZE = 50_000

_POLICIES = """
SELECT key, argMax(domains, kafka_timestamp), argMax(tombstone, kafka_timestamp)
FROM (
    SELECT key, tombstone, kafka_timestamp, JSONExtractKeys(resolved, 'domains') AS domains
    FROM policies WHERE error = ''
)
GROUP BY key
"""

_UNCALIBRATED = """
SELECT DISTINCT version
FROM (
    SELECT version, resolved, error, tombstone FROM policies
    UNION ALL SELECT version, resolved, error, tombstone FROM policy_candidates
)
WHERE error = '' AND NOT tombstone AND NOT JSONExtractBool(resolved, 'calibration', 'use')
ORDER BY version
"""

_RANGE = """
SELECT count(), min(kafka_timestamp), max(kafka_timestamp) FROM routed_decisions
WHERE NOT review_copy AND route != '' AND domain IN {domains:Array(String)}
"""

_SEALED = "SELECT count() FROM routed_decisions WHERE {condition} AND sealed_facts != ''"

# How a decision came to a person, or could have come.
_WAY = "multiIf(route != 'auto', toString(route), workflow = 'post_approval', 'post_approval', 'audit')"

# The group of all decisions.
_ALL = ("", "")

# Nobody was certain to see it.
_UNSEEN = "audit"

_GROUPS = {
    "forced": forced_reasons(),
    "shadowed": "is_shadow",
    "old_route": "toString(route)",
    "old_reasons": policy_reasons(),
    "old_version": "toString(policy_version)",
    "old_queue": "toString(queue)",
    "way": _WAY,
    "hour": "toStartOfHour(kafka_timestamp)",
}

_AGGREGATES = {
    "decisions": "count()",
    "reviews": "countIf(NOT is_shadow AND (audit OR propensity = 1))",
    "example": "min(decision_id)",
}


_GROUPED = {"forced": forced_reasons(), "shadowed": "is_shadow", "way": _WAY}

_JUDGED_GROUPS = {
    "forced": forced_reasons(),
    "way": _WAY,
    "was_overridden": "overridden",
    "pi": "verdict_propensity",
}


class SealedHistoryError(InterlockError):
    """Rules cannot be tried on rows whose facts ClickHouse cannot read."""


class NothingToReplayError(InterlockError):
    """No decision of the candidate's domains was routed in the range: there is nothing to compare."""


def replay(client: "Client", policy: Policy, since: datetime, until: datetime) -> Replay:
    """What `policy` would have done with the decisions from `since` on and before `until`.

    Only the domains of the candidate and of the version of it in force are looked at: each domain has one policy.
    `client`: of a user who may change settings, as the analyst of the embedded engine may not; nothing is written.
    Raises UsageError, NothingToReplayError, and ClickHouseError.
    """
    if since >= until:
        raise UsageError(f"the range ends at {_said(until)}, not after its beginning at {_said(since)}")
    kinds = Kinds(policy)
    history = History(domains_in_question(client, policy), _millis(since), _millis(until), _uncalibrated(client))
    _check_readable(client, kinds, history)
    treatments = Treatments(kinds)
    tally, strata = Tally(), Strata()
    width = len(kind_columns(kinds))
    for row in _stream(client, kinds_in_history(kinds, history, _GROUPS, _AGGREGATES)):
        forced, shadowed, route, reasons, routed_by, queue, way, hour, decisions, reviews, example = row[width:]
        old = Fate(SHADOW if shadowed else route, tuple(reasons))
        tally.versions[routed_by] += decisions
        if AMBIGUOUS_DOMAIN in forced:
            tally.ambiguous += decisions
            tally.add(old, old, decisions, example)
            tally.add_reviews(_utc(hour), queue, reviews, queue, reviews)
            continue
        treatment = treatments.of(row[:width], forced)
        tally.add(old, fate(treatment), decisions, example)
        review = expected_review(treatment)
        tally.add_reviews(_utc(hour), queue, reviews, treatment.queue, decisions * review)
        if review:
            certain, chance = (decisions, 0.0) if review == 1 else (0, decisions * review)
            tally.add_arrivals(treatment.queue, str(treatment.priority), _utc(hour), certain, chance)
        strata.add(_alike(_ALL, kinds.lanes[row[0]].name, SHADOW if shadowed else way, treatment), decisions)
    if not tally.decisions:
        raise NothingToReplayError(_nothing(client, history, since, until))
    of_group = {"of_group": groups_of_decision(policy)}
    if any(domain.groups for domain in policy.domains.values()):
        for row in _stream(client, kinds_in_history(kinds, history, _GROUPED | of_group, {"decisions": "count()"})):
            forced, shadowed, way, group, decisions = row[width:]
            if tuple(group) != _ALL and AMBIGUOUS_DOMAIN not in forced:
                treatment = treatments.of(row[:width], forced)
                strata.add(_alike(group, kinds.lanes[row[0]].name, SHADOW if shadowed else way, treatment), decisions)
    query = kinds_in_history(kinds, history, _JUDGED_GROUPS | of_group, {"verdicts": "count()"}, judged=True)
    for row in _stream(client, query):
        forced, way, overridden, propensity, group, verdicts = row[width:]
        if AMBIGUOUS_DOMAIN not in forced:
            key = _alike(group, kinds.lanes[row[0]].name, way, treatments.of(row[:width], forced))
            strata.judge(key, verdicts, propensity, overridden)
    return Replay(
        policy=policy.name,
        version=version(policy),
        since=since,
        until=until,
        domains=tuple(history.domains),
        decisions=tally.decisions,
        rerouted=tally.rerouted,
        other_reasons=tally.other_reasons,
        ambiguous=tally.ambiguous,
        versions=dict(tally.versions.most_common()),
        matrix=tally.matrix,
        rules=tally.rules,
        examples=tally.examples,
        reviews=tally.reviews,
        queues=queue_forecasts(tally.reviews, max(since, tally.first_hour), until),
        errors=strata.errors(),
        overrides=strata.overrides(),
        breaches=breaches(policy, tally.arrivals, staffing(client, since, until), history.until * 1000),
    )


class Treatments:
    """The treatments of the kinds that a query gives, each derived once."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._known: dict[tuple[int, tuple[str, ...]], Treatment] = {}

    def of(self, kind: Any, forced: Any) -> Treatment:
        """`kind`: values of `kind_columns`. `forced`: reasons outside the policy, which hold for it as well."""
        key = key_of(self._kinds, kind), tuple(forced)
        treatment = self._known.get(key)
        if treatment is None:
            if len(self._known) >= _CACHE_SIZE:
                self._known.clear()
            treatment = self._known[key] = self._kinds.treatment(key[0], [_extra(reason) for reason in forced])
        return treatment


def fate(treatment: Treatment) -> Fate:
    """Where rows of a treatment go."""
    return Fate(SHADOW if treatment.shadow else treatment.route.label, treatment.reasons)


def expected_review(treatment: Treatment) -> float:
    """The probability that a decision of this treatment becomes a task."""
    if treatment.shadow:
        return 0.0
    certain = treatment.route is not Route.AUTO or treatment.override_seconds is not None
    return 1.0 if certain else treatment.audit_rate


def _alike(group: Sequence[str], lane: str, way: str, treatment: Treatment) -> Key:
    review = expected_review(treatment)
    passes = treatment.route is Route.AUTO and not treatment.shadow and review < 1
    return Key((group[0], group[1]), lane, way, way == _UNSEEN, passes, review)


def domains_in_question(client: "Client", policy: Policy) -> list[str]:
    """The domains of a candidate, and those that it drops: a person would decide them, as nobody else owns them."""
    in_force = {key: set(domains) for key, domains, gone in client.query(_POLICIES).result_rows if not gone}
    dropped = in_force.get(policy.name, set()) - policy.domains.keys()
    return sorted(policy.domains.keys() | dropped)


def _extra(reason: str) -> ExtraRoute:
    """What the router added: a kill switch asks for async, an implausible value for manual."""
    return reason, Route.ASYNC if reason.startswith(HALTED) else Route.MANUAL


def _check_readable(client: "Client", kinds: Kinds, history: History) -> None:
    """Raises SealedHistoryError where rules would find nothing in sealed columns and the answer would be wrong."""
    groups = {group for domain in kinds.policy.domains.values() for group in domain.groups}
    used = groups.union(*(columns_in(condition) for condition, _ in kinds.conditions))
    hidden = used & (kinds.policy.attribute_types().keys() | set(COLUMNS["routed_decisions"].facts))
    if not hidden:
        return
    ((count,),) = client.query(_SEALED.format(condition=history.condition)).result_rows
    if count:
        raise SealedHistoryError(
            f"{count:,} decisions of the range are sealed under keys of their subjects, and the candidate's rules or "
            f"groups use {', '.join(sorted(hidden))}, which ClickHouse cannot read there: the answer would be wrong"
        )


def _uncalibrated(client: "Client") -> list[str]:
    return [version for (version,) in client.query(_UNCALIBRATED).result_rows]


def _stream(client: "Client", query: str) -> Iterator[Any]:
    with client.query_rows_stream(query) as rows:
        yield from rows


def _nothing(client: "Client", history: History, since: datetime, until: datetime) -> str:
    ((count, first, last),) = client.query(_RANGE, parameters={"domains": list(history.domains)}).result_rows
    named = ", ".join(history.domains)
    said = f"no decision of {named} was routed from {_said(since)} to {_said(until)}: there is nothing to replay"
    if not count:
        return f"{said}. ClickHouse has none of any time; a name may be wrong, or the sink is not running"
    return f"{said}. ClickHouse has {count:,} from {_said(_utc(first))} to {_said(_utc(last))}"


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _said(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
