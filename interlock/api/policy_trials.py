"""What owners do with a change of a policy that is tried: begin, look, give it a share, promote, withdraw."""

import json
from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.api.backend import Backend
from interlock.api.policies import differences, listed, parsed
from interlock.api.preconditions import check_match
from interlock.api.problems import Problem, not_found
from interlock.errors import InterlockError
from interlock.operations.retention import check_retention
from interlock.policies import forecasts, publishing, trials
from interlock.policies.observed import Observed, observe
from interlock.policy.load import parse
from interlock.policy.version import from_resolved
from interlock.schemas.times import moment

Facts = dict[str, Any]


def begin(
    backend: Backend, person: str, name: str, source: str, note: str, forecast: Facts | None, if_match: str | None
) -> Facts:
    """Tries a text in shadow. Raises Problem, InterlockError and KafkaException."""
    policy = parsed(source)
    if policy.name != name:
        raise Problem(422, "wrong-name", f"the text is of policy {policy.name!r}, not of {name!r}")
    record = publishing.published_policies(backend.broker).get(name)
    base = "" if record is None else record["version"]
    check_match(if_match, base, f"policy {name}")
    told = json.dumps(forecast) if forecast else ""
    return trials.facts(
        trials.begin(
            backend.broker, source, base, person, note, backend.now(), forecast=told, signer=backend.platform.signer
        )
    )


def candidate(backend: Backend, name: str) -> Facts:
    """What is tried, what it has shown, and what is missing. Raises Problem and KafkaException."""
    found = _found(backend, name)
    published = publishing.published_policies(backend.broker)
    demanded = publishing.demands(published, name)
    four_eyes = demanded.four_eyes or backend.platform.settings.api.four_eyes
    now = backend.now()
    facts = {
        **trials.facts(found),
        "source": found["source"],
        "changes": _changes(published.get(name), found),
        "stale": trials.stale(published, found),
        "four_eyes": four_eyes,
        "observed": None,
        "missing": None,
        "unavailable": "",
    }
    try:
        seen = _observed(backend, found)
    except (ClickHouseError, InterlockError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        return {**facts, "unavailable": f"what it has shown is not known: {reason}"}
    shown = seen.facts(now)
    return {
        **facts,
        "observed": shown,
        "rerouted": forecasts.compared(facts["forecast"], shown),
        "missing": trials.missing(demanded, found, seen, now),
    }


def give_share(backend: Backend, person: str, name: str, share: float, if_match: str | None) -> Facts:
    """Lets it decide a share. Raises Problem, InterlockError, ClickHouseError and KafkaException."""
    found = _matching(backend, name, if_match)
    # To take a share back must be possible while ClickHouse is away.
    seen = _observed(backend, found) if share > found["share"] else Observed(found["published_at"])
    if share > found["share"]:
        check_retention(backend.platform, parse(found["source"], name))
    record = trials.give_share(
        backend.broker,
        name,
        found["version"],
        share,
        person,
        backend.now(),
        seen,
        four_eyes=_four_eyes(backend),
        signer=backend.platform.signer,
    )
    return trials.facts(record)


def promote(backend: Backend, person: str, name: str, note: str, if_match: str | None) -> Facts:
    """Puts it in force. Raises Problem, InterlockError, ClickHouseError and KafkaException."""
    found = _matching(backend, name, if_match)
    check_retention(backend.platform, parse(found["source"], name))
    record = trials.promote(
        backend.broker,
        name,
        found["version"],
        person,
        note,
        backend.now(),
        _observed(backend, found),
        four_eyes=_four_eyes(backend),
        signer=backend.platform.signer,
    )
    return listed(record | {"published_at": moment(record["published_at"])})


def withdraw(backend: Backend, person: str, name: str, note: str, if_match: str | None) -> Facts:
    """Ends the trial. Raises Problem, InterlockError and KafkaException."""
    found = _matching(backend, name, if_match)
    return trials.facts(
        trials.withdraw(
            backend.broker, name, found["version"], person, note, backend.now(), signer=backend.platform.signer
        )
    )


def _matching(backend: Backend, name: str, if_match: str | None) -> Mapping[str, Any]:
    found = _found(backend, name)
    check_match(if_match, found["version"], f"the trial of policy {name}")
    return found


def _found(backend: Backend, name: str) -> Mapping[str, Any]:
    found = trials.candidates(backend.broker).get(name)
    if found is None:
        raise not_found("candidate", name)
    return found


def _changes(in_force: Mapping[str, Any] | None, found: Mapping[str, Any]) -> list[Facts] | None:
    """What the change means; None where no version is in force, or another release wrote one of both."""
    if in_force is None:
        return None
    try:
        return differences(from_resolved(in_force["resolved"]), from_resolved(found["resolved"]))
    except ValueError:
        return None


def _observed(backend: Backend, found: Mapping[str, Any]) -> Observed:
    with backend.clickhouse() as client:
        return observe(client, found)


def _four_eyes(backend: Backend) -> bool:
    return backend.platform.settings.api.four_eyes
