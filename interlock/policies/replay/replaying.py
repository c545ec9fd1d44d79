"""Runs a candidate policy on history in ClickHouse."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from interlock.encryption.keys import KeyStore
from interlock.errors import InterlockError, UsageError
from interlock.policies.replay.breaches import breaches
from interlock.policies.replay.forecast import Errors, Key, Strata, queue_forecasts
from interlock.policies.replay.known_errors import InTruth, KnownErrors, known_errors
from interlock.policies.replay.matrix import SHADOW, Fate, Tally
from interlock.policies.replay.query import History, forced_reasons, policy_reasons
from interlock.policies.replay.reading import ALL, Reader
from interlock.policies.replay.result import Replay
from interlock.policies.replay.staffing import staffing
from interlock.policy.kinds import Kinds
from interlock.policy.model import Policy
from interlock.policy.routing import ExtraRoute, Treatment
from interlock.policy.version import version
from interlock.policy.vocabulary import Route
from interlock.schemas.reasons import AMBIGUOUS_DOMAIN, HALTED

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

# How a decision came to a person, or could have come. Before the audit coin fell in post_approval nobody had to look at
# such a decision, so nothing is known of it.
WAY = (
    "multiIf(route != 'auto', toString(route), workflow = 'post_approval' AND NOT audit AND propensity = 1, "
    "'post_approval', 'audit')"
)

# Nobody was certain to see it.
UNSEEN = ("audit", "post_approval")

_GROUPS = {
    "forced": forced_reasons(),
    "shadowed": "is_shadow",
    "old_route": "toString(route)",
    "old_reasons": policy_reasons(),
    "old_version": "toString(policy_version)",
    "old_queue": "toString(queue)",
    "way": WAY,
    "hour": "toStartOfHour(kafka_timestamp)",
}

_GROUPED = {"forced": forced_reasons(), "shadowed": "is_shadow", "way": WAY}

_JUDGED_GROUPS = {
    "forced": forced_reasons(),
    "way": WAY,
    "was_overridden": "overridden",
    "pi": "verdict_propensity",
}


class NothingToReplayError(InterlockError):
    """No decision of the candidate's domains was routed in the range, or none can be opened: nothing to compare."""


def replay(client: "Client", policy: Policy, since: datetime, until: datetime, keys: KeyStore | None = None) -> Replay:
    """What `policy` would have done with the decisions from `since` on and before `until`.

    Only the domains of the candidate and of the version of it in force are looked at: each domain has one policy.
    `client`: of a user who may change settings, as the analyst of the embedded engine may not; nothing is written.
    `keys` open what is sealed, where the candidate asks for it. Raises UsageError, NothingToReplayError,
    SealedHistoryError, and ClickHouseError.
    """
    if since >= until:
        raise UsageError(f"the range ends at {_said(until)}, not after its beginning at {_said(since)}")
    kinds = Kinds(policy)
    history = History(domains_in_question(client, policy), _millis(since), _millis(until), _uncalibrated(client))
    reader = Reader(client, kinds, history, keys)
    treatments = Treatments(kinds)
    tally, strata = Tally(), Strata()
    for group in reader.groups(_GROUPS):
        forced, shadowed, route, reasons, routed_by, queue, way, hour = group.values
        old = Fate(SHADOW if shadowed else route, reasons)
        tally.versions[routed_by] += group.decisions
        if AMBIGUOUS_DOMAIN in forced:
            tally.ambiguous += group.decisions
            tally.add(old, old, group.decisions, group.example)
            tally.add_reviews(hour, queue, group.reviews, queue, group.reviews)
            continue
        treatment = treatments.of(group.key, forced)
        tally.add(old, fate(treatment), group.decisions, group.example)
        review = expected_review(treatment)
        tally.add_reviews(hour, queue, group.reviews, treatment.queue, group.decisions * review)
        if review:
            certain, chance = (group.decisions, 0.0) if review == 1 else (0, group.decisions * review)
            tally.add_arrivals(treatment.queue, str(treatment.priority), hour, certain, chance)
        strata.add(_alike(ALL, kinds.lane_of(group.key).name, SHADOW if shadowed else way, treatment), group.decisions)
    unreadable = reader.unreadable
    if not tally.decisions:
        raise NothingToReplayError(_nothing(client, history, since, until, unreadable))
    if any(domain.groups for domain in policy.domains.values()):
        for group in reader.groups(_GROUPED, of_groups=True):
            forced, shadowed, way = group.values
            if group.of_group != ALL and AMBIGUOUS_DOMAIN not in forced:
                key = _alike(
                    group.of_group,
                    kinds.lane_of(group.key).name,
                    SHADOW if shadowed else way,
                    treatments.of(group.key, forced),
                )
                strata.add(key, group.decisions)
    for group in reader.groups(_JUDGED_GROUPS, of_groups=True, judged=True):
        forced, way, overridden, propensity = group.values
        if AMBIGUOUS_DOMAIN not in forced:
            key = _alike(group.of_group, kinds.lane_of(group.key).name, way, treatments.of(group.key, forced))
            strata.judge(key, group.decisions, propensity, overridden)
    errors = strata.errors()
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
        unreadable=unreadable,
        versions=dict(tally.versions.most_common()),
        matrix=tally.matrix,
        rules=tally.rules,
        examples=tally.examples,
        reviews=tally.reviews,
        queues=queue_forecasts(tally.reviews, max(since, tally.first_hour), until),
        errors=errors,
        errors_in_truth=_in_truth(client, history.domains, errors),
        overrides=strata.overrides(),
        breaches=breaches(policy, tally.arrivals, staffing(client, since, until), history.until * 1000),
    )


def _in_truth(client: "Client", domains: Sequence[str], errors: Sequence[Errors]) -> InTruth | None:
    """Of the errors of all groups. People of several domains err differently: what is known of them is not mixed."""
    passing = next((of.candidate for of in errors if not of.attribute), None)
    if passing is None or not passing.judged or not passing.population:
        return None
    people = known_errors(client).get(domains[0], KnownErrors()) if len(domains) == 1 else KnownErrors()
    value, low, high = (min(1.0, number / passing.population) for number in (passing.value, passing.low, passing.high))
    found = people.in_truth(value, low, high, round(passing.population), passing.judged)
    return found.times(passing.population)


class Treatments:
    """The treatments of the kinds that a query gives, each derived once."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._known: dict[tuple[int, tuple[str, ...]], Treatment] = {}

    def of(self, kind: int, forced: tuple[str, ...]) -> Treatment:
        """`kind`: the key of one. `forced`: reasons outside the policy, which hold for it as well."""
        key = kind, forced
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
    """The probability that a person must judge a decision of this treatment. In post_approval people may look at all of
    them, and must at those that are audited."""
    if treatment.shadow:
        return 0.0
    return 1.0 if treatment.route is not Route.AUTO else treatment.audit_rate


def _alike(group: Sequence[str], lane: str, way: str, treatment: Treatment) -> Key:
    review = expected_review(treatment)
    passes = treatment.route is Route.AUTO and not treatment.shadow and review < 1
    return Key((group[0], group[1]), lane, way, way in UNSEEN, passes, review)


def domains_in_question(client: "Client", policy: Policy) -> list[str]:
    """The domains of a candidate, and those that it drops: a person would decide them, as nobody else owns them."""
    in_force = {key: set(domains) for key, domains, gone in client.query(_POLICIES).result_rows if not gone}
    dropped = in_force.get(policy.name, set()) - policy.domains.keys()
    return sorted(policy.domains.keys() | dropped)


def _extra(reason: str) -> ExtraRoute:
    """What the router added: a kill switch asks for async, an implausible value for manual."""
    return reason, Route.ASYNC if reason.startswith(HALTED) else Route.MANUAL


def _uncalibrated(client: "Client") -> list[str]:
    return [version for (version,) in client.query(_UNCALIBRATED).result_rows]


def _nothing(client: "Client", history: History, since: datetime, until: datetime, unreadable: int) -> str:
    if unreadable:
        return (
            f"all {unreadable:,} decisions from {_said(since)} to {_said(until)} are sealed under keys that are gone, "
            "and the candidate's rules or groups ask for what is sealed: there is nothing to replay"
        )
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
