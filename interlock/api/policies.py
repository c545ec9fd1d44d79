"""What owners do with policies: read, check, compare, publish, go back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from interlock.api.backend import Backend
from interlock.api.policy_history import find_version
from interlock.api.preconditions import check_match
from interlock.api.problems import Problem, not_found
from interlock.operations.retention import check_retention
from interlock.policies import publishing, requests
from interlock.policies.publishing import published_policies
from interlock.policies.signing import facts as proposal_facts
from interlock.policy.diff import diff
from interlock.policy.errors import Diagnostic, PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved, version
from interlock.processors.proposals.record import POLICY
from interlock.schemas.times import moment

Record = Mapping[str, Any]

# What diagnostics call the text.
_TEXT = "policy"

_LISTED = ("name", "version", "published_at", "published_by", "note")


def policy_rows(backend: Backend) -> list[dict[str, Any]]:
    """The policies in force, by name. Raises KafkaException."""
    return [listed(record) for record in published_policies(backend.broker).values()]


def listed(record: Record) -> dict[str, Any]:
    """A row of a list."""
    return {**{name: record[name] for name in _LISTED}, "domains": _domains(record)}


def in_force(backend: Backend, name: str) -> Record:
    """The `PolicyVersion` record. Raises Problem and KafkaException."""
    record = published_policies(backend.broker).get(name)
    if record is None:
        raise not_found("policy", name)
    return record


def policy_facts(record: Record) -> dict[str, Any]:
    """A version with its text, and what it means with everything written out."""
    return {**listed(record), "source": record["source"], "resolved": json.loads(record["resolved"])}


def check_source(source: str) -> dict[str, Any]:
    """Whether a text is a policy, and every problem in it by line."""
    try:
        policy = parse(source, _TEXT)
    except PolicyError as error:
        return {"valid": False, "name": None, "version": None, "problems": problems(error)}
    return {"valid": True, "name": policy.name, "version": version(policy), "problems": []}


def diff_source(backend: Backend, source: str) -> dict[str, Any]:
    """What a text changes in the policy in force of the same name. Raises Problem and KafkaException."""
    policy = parsed(source)
    record = published_policies(backend.broker).get(policy.name)
    return {
        "name": policy.name,
        "version": version(policy),
        "in_force": None if record is None else record["version"],
        "changes": [] if record is None else differences(from_resolved(record["resolved"]), policy),
    }


def differences(old: Policy, new: Policy) -> list[dict[str, Any]]:
    """Every difference in meaning; `text` says it on one line."""
    return [{**asdict(change), "text": str(change)} for change in diff(old, new)]


def publish(
    backend: Backend,
    person: str,
    name: str,
    source: str,
    note: str,
    if_match: str | None,
    second_person: str = "",
    *,
    roll_back_of: str = "",
) -> dict[str, Any]:
    """Puts a text in force, or asks for it where two people are needed.

    `state`: published, with `policy`; or waiting, with `proposal`. Raises Problem, InterlockError and KafkaException;
    then nothing changed.
    """
    policy = parsed(source)
    if policy.name != name:
        raise Problem(422, "wrong-name", f"the text is of policy {policy.name!r}, not of {name!r}")
    record = published_policies(backend.broker).get(name)
    base = "" if record is None else record["version"]
    check_match(if_match, base, f"policy {name}")
    check_retention(backend.platform, policy)
    demanded = publishing.demands({} if record is None else {name: record}, name)
    if not (backend.platform.settings.api.four_eyes or demanded.four_eyes):
        published = requests.publish_source(
            backend.broker, source, base, person, note, roll_back_of=roll_back_of, signer=backend.platform.signer
        )
        return {"state": "published", "policy": listed(published | {"published_at": moment(published["published_at"])})}
    if second_person == person:
        raise Problem(409, "same-person", "the second person is you: name another one, or none")
    proposal = requests.request_policy(
        backend.broker, source, base, person, note, backend.now(), second_person, roll_back_of=roll_back_of
    )
    return {"state": "waiting", "proposal": without_source(proposal_facts(proposal))}


def roll_back(
    backend: Backend,
    person: str,
    name: str,
    to: str,
    note: str,
    if_match: str | None,
    second_person: str = "",
) -> dict[str, Any]:
    """Publishes the text of an earlier version, as `publish` does."""
    source = find_version(backend, name, to)["source"]
    why = f"back to version {to}: {note}"
    return publish(backend, person, name, source, why, if_match, second_person, roll_back_of=to)


def without_source(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a proposal without the whole text of a policy, for lists."""
    if facts["kind"] != POLICY:
        return facts
    return {**facts, "change": {key: value for key, value in facts["change"].items() if key != "source"}}


def problems(error: PolicyError) -> list[dict[str, Any]]:
    """For a person who edits the text."""
    return [_problem(problem) for problem in error.problems]


def _problem(problem: Diagnostic) -> dict[str, Any]:
    return {
        "line": problem.line,
        "field": problem.field,
        "message": problem.message,
        "hint": problem.suggestion,
    }


def parsed(source: str) -> Policy:
    """The policy of a text. Raises Problem with every line that is wrong."""
    try:
        return parse(source, _TEXT)
    except PolicyError as error:
        found = problems(error)
        detail = f"the policy is not valid; nothing was changed: line {found[0]['line']}: {found[0]['message']}"
        raise Problem(422, "invalid-policy", detail, problems=found) from error


def _domains(record: Record) -> list[str]:
    try:
        return sorted(json.loads(record["resolved"])["domains"])
    except (ValueError, LookupError, TypeError):  # written by somebody else; the routers refuse it as well
        return []
