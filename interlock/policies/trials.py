"""Changes of policies that are tried beside the version in force: begun in shadow, given a share, promoted, withdrawn.

A candidate stands on a topic of its own, under the name of its policy, so that there is at most one for each. Whoever
began a trial and whoever promotes it answer for the version together.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError, UsageError
from interlock.policies import forecasts, publishing
from interlock.policies.honouring import check_people
from interlock.policies.observed import Observed
from interlock.policies.publishing import SamePersonError
from interlock.policies.requests import checked_record
from interlock.policy.load import parse
from interlock.policy.model import Publishing
from interlock.policy.stages import MAX_SHARE, Stage
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.schemas.times import moment
from interlock.streams.turns import Turn, turn

if TYPE_CHECKING:
    from interlock.schemas.signed_commands import Signer
    from interlock.streams.ports import Broker

Record = dict[str, Any]

_HOUR = 3_600_000_000

_TIMES = ("published_at", "started_at")


class NoCandidateError(InterlockError):
    """No change of the policy is being tried."""


class CandidateStandsError(InterlockError):
    """Another change of the policy is being tried."""


class TrialTooShortError(InterlockError):
    """The trial has not shown yet what it must. `missing`: what, in words."""

    def __init__(self, name: str, missing: list[str]) -> None:
        super().__init__(
            f"the trial of policy {name} is too short: {', '.join(missing)}; nothing was changed: let it go on, "
            f"`interlock policy candidate {name}` shows how far it is"
        )
        self.missing = missing


def candidates(broker: "Broker") -> dict[str, Record]:
    """The `PolicyCandidate` record of every trial that goes on, by policy. Raises KafkaException."""
    from interlock.streams.tables import newest

    def read(name: str, value: bytes) -> Record:
        record = wire.decode_plain("PolicyCandidate", value)
        check_key(name, record["name"])
        return record

    found = newest(broker, catalogue.POLICY_CANDIDATES.name, read)
    return {name: record for name, record in sorted(found.items()) if record["stage"] != Stage.WITHDRAWN.value}


def candidate(broker: "Broker", name: str) -> Record:
    """The candidate of a policy. Raises NoCandidateError and KafkaException."""
    found = candidates(broker).get(name)
    if found is None:
        raise NoCandidateError(f"no change of policy {name!r} is being tried; `interlock policy try FILE` begins")
    return found


def begin(
    broker: "Broker",
    source: str,
    base: str,
    by: str,
    note: str,
    now: int,
    *,
    forecast: str = "",
    roll_back_of: str = "",
    signer: "Signer | None" = None,
) -> Record:
    """Tries a change in shadow beside the version in force (`base`, "" for none), and returns its record.

    `forecast`: the JSON of a replay of the same text. Raises PolicyError, UsageError, StalePolicyError,
    UnchangedPolicyError, DomainTakenError, QueueTakenError, CandidateStandsError and TurnLostError; then nothing
    changes.
    """
    policy = parse(source, "policy")
    with turn(broker, publishing.TURN) as mine:
        version = checked_record(broker, policy, source, base, by, note)
        told = forecasts.kept(forecast, version["version"])
        stands = candidates(broker).get(policy.name)
        if stands is not None and not stale(publishing.published_policies(broker), stands):
            raise CandidateStandsError(
                f"policy {policy.name}: version {stands['version']} is being tried since "
                f"{moment(stands['published_at']):%Y-%m-%d %H:%M} UTC by {stands['published_by']}; nothing was "
                "changed: promote it, or withdraw it"
            )
        record = {name: version[name] for name in ("name", "version", "resolved", "source", "base_version")} | {
            "stage": Stage.SHADOW.value,
            "share": 0.0,
            "published_at": now,
            "published_by": by,
            "note": note,
            "signed_by": [by],
            "started_at": now,
            "forecast": told,
            "roll_back_of": roll_back_of,
        }
        _write(mine, policy.name, record, by, signer)
    return record


def give_share(
    broker: "Broker",
    name: str,
    version: str,
    share: float,
    by: str,
    now: int,
    observed: Observed,
    *,
    four_eyes: bool = False,
    signer: "Signer | None" = None,
) -> Record:
    """Lets a candidate decide a share of the decisions, 0 for none again, and returns its record.

    A larger share than before takes what a promotion takes: it decides about people. `version`: of the candidate that
    is meant. Raises as `promote` does, and UsageError.
    """
    if not 0 <= share <= MAX_SHARE:
        raise UsageError(
            f"the share is from 0 to {MAX_SHARE}, not {share:g}: with more it is no trial any more, promote it instead"
        )
    with turn(broker, publishing.TURN) as mine:
        found = _meant(broker, name, version)
        if share > found["share"]:
            _check_signature(broker, found, by, now, observed, four_eyes=four_eyes)
            check_people(broker, parse(found["source"], name), now)
        signed_by = list(dict.fromkeys([*found["signed_by"], by]))
        changed = {
            "stage": Stage.SHARE.value if share else Stage.SHADOW.value,
            "share": share,
            "started_at": now,
            "signed_by": signed_by,
        }
        record = found | changed
        _write(mine, name, record, by, signer)
    return record


def promote(
    broker: "Broker",
    name: str,
    version: str,
    by: str,
    note: str,
    now: int,
    observed: Observed,
    *,
    four_eyes: bool = False,
    signer: "Signer | None" = None,
) -> Record:
    """Puts a candidate in force, with what its trial has shown, and returns the `PolicyVersion` record.

    `version`: of the candidate that is meant. `four_eyes`: another person than the one who began the trial must sign,
    as also where the version in force demands two people. Raises NoCandidateError, StalePolicyError, SamePersonError,
    TrialTooShortError, DomainTakenError, QueueTakenError and TurnLostError; then nothing changes.
    """
    with turn(broker, publishing.TURN) as mine:
        found = _meant(broker, name, version)
        _check_signature(broker, found, by, now, observed, four_eyes=four_eyes)
        record = checked_record(
            broker,
            parse(found["source"], name),
            found["source"],
            found["base_version"],
            by,
            f"{found['note']}. {note}" if found["note"] and note else found["note"] or note,
            stage=found["stage"],
            signed_by=list(dict.fromkeys([*found["signed_by"], by])),
            forecast=found["forecast"],
            observed=json.dumps(observed.facts(now)),
            roll_back_of=found["roll_back_of"],
        )
        if record["version"] != version:
            raise InterlockError(
                f"the text of version {version} of policy {name} means something else to this release "
                f"({record['version']}); nothing was changed: withdraw it, and try it again"
            )
        value = wire.encode("PolicyVersion", record)
        mine.write(catalogue.POLICIES, name, value, publishing.signature(signer, by, catalogue.POLICIES, name, value))
        _write(mine, name, None, by, signer)
    return record


def withdraw(
    broker: "Broker", name: str, version: str, by: str, reason: str, now: int, *, signer: "Signer | None" = None
) -> Record:
    """Ends a trial without a promotion, and returns its last record, which says who and why.

    Raises NoCandidateError, UsageError where no reason is given, and TurnLostError.
    """
    if not reason.strip():
        raise UsageError("say why: the reason is what the next reader of the history has")
    with turn(broker, publishing.TURN) as mine:
        found = _meant(broker, name, version)
        record = found | {
            "stage": Stage.WITHDRAWN.value,
            "share": 0.0,
            "started_at": now,
            "signed_by": [by],
            "note": reason,
        }
        _write(mine, name, record, by, signer)
        _write(mine, name, None, by, signer)
    return record


def missing(demanded: Publishing, trial: Mapping[str, Any], observed: Observed, now: int) -> list[str]:
    """What the trial of a candidate has not shown yet, in words; empty if it may be promoted."""
    found = []
    elapsed = now - trial["published_at"]
    if demanded.shadow_for is not None and elapsed < demanded.shadow_for * 1_000_000:
        found.append(f"it ran {elapsed / _HOUR:.1f} h of {demanded.shadow_for / 3600:g} h")
    # Without a single decision it has shown nothing, whatever is demanded.
    wanted = max(1, demanded.shadow_decisions)
    if observed.decisions < wanted:
        found.append(f"it saw {observed.decisions:,} of {wanted:,} decisions")
    return found


def stale(published: Mapping[str, Mapping[str, Any]], trial: Mapping[str, Any]) -> bool:
    """Whether another version is in force than the one that a candidate was tried against: it decides nothing then,
    and must be tried again."""
    in_force = published.get(trial["name"])
    return bool(trial["base_version"] != ("" if in_force is None else in_force["version"]))


def forgotten(trials: Mapping[str, Mapping[str, Any]], now: int, days: float) -> dict[str, Mapping[str, Any]]:
    """Those of the candidates with which nobody has done anything for so many days, by policy."""
    return {name: trial for name, trial in trials.items() if now - trial["started_at"] > days * 24 * _HOUR}


def facts(trial: Mapping[str, Any]) -> Record:
    """A candidate without its text, with its forecast unpacked and its times readable."""
    shown = {name: value for name, value in trial.items() if name not in ("source", "resolved")}
    times = {name: moment(trial[name]).isoformat(timespec="seconds") for name in _TIMES}
    return {**shown, **times, "forecast": json.loads(trial["forecast"]) if trial["forecast"] else None}


def _write(mine: Turn, name: str, record: Record | None, by: str, signer: "Signer | None") -> None:
    value = None if record is None else wire.encode("PolicyCandidate", record)
    topic = catalogue.POLICY_CANDIDATES
    mine.write(topic, name, value, publishing.signature(signer, by, topic, name, value))


def _meant(broker: "Broker", name: str, version: str) -> Record:
    found = candidate(broker, name)
    if found["version"] != version:
        raise NoCandidateError(
            f"version {version} of policy {name} is not being tried any more, but {found['version']}: look at it first"
        )
    return found


def _check_signature(
    broker: "Broker", found: Record, by: str, now: int, observed: Observed, *, four_eyes: bool
) -> None:
    """Whether `by` may let a candidate decide, and whether it has been tried for long enough."""
    name, published = found["name"], publishing.published_policies(broker)
    in_force = published[name]["version"] if name in published else ""
    if in_force != found["base_version"]:
        raise publishing.StalePolicyError(name, found["base_version"], in_force)
    demanded = publishing.demands(published, name)
    if (four_eyes or demanded.four_eyes) and by == found["published_by"]:
        raise SamePersonError(f"{by} began the trial of policy {name}: another person must sign; nothing was changed")
    lacking = missing(demanded, found, observed, now)
    if lacking:
        raise TrialTooShortError(name, lacking)
