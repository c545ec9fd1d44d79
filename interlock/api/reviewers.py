"""The roster: who decides, who is on duty, and what each has at hand."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from interlock.api.backend import Backend
from interlock.api.preconditions import check_match
from interlock.api.problems import Problem, not_found
from interlock.platform.printing import visible_json
from interlock.review.roster import Person
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.streams.ports import Headers
from interlock.streams.tables import newest
from interlock.streams.turns import turn

Record = dict[str, Any]

# The header of a `Reviewer` record that says who wrote it.
BY_HEADER = "interlock.by"


def reviewer_rows(backend: Backend) -> list[dict[str, Any]]:
    """Everybody, by id."""
    return _rows(backend, backend.board.reviewers)


def reviewer_facts(backend: Backend, name: str) -> tuple[dict[str, Any], str]:
    """One person, and the version of the record for ETags. Raises Problem."""
    record = backend.board.reviewers.get(name)
    if record is None:
        raise not_found("reviewer", name)
    (row,) = _rows(backend, {name: record})
    return row, version_of(record)


def _rows(backend: Backend, people: Mapping[str, Record]) -> list[dict[str, Any]]:
    held = backend.board.open_tasks(wanted=lambda task: task.holder in people)
    load = Counter((task.holder, task.state == "leased") for task in held)
    on_duty, paused = backend.board.on_duty, backend.board.paused
    return [
        {
            **shown(record),
            "on_duty": name in on_duty,
            "paused_since": paused[name]["paused_since"] if name in paused else None,
            "pause_reason": paused[name]["pause_reason"] if name in paused else "",
            "leased": load[name, True],
            "assigned": load[name, False],
        }
        for name, record in people.items()
    ]


def shown(record: Record) -> dict[str, Any]:
    """A `Reviewer` record as others may see it: of the contact, which may hold a password, only which kind it is."""
    scheme, _, rest = record["contact"].partition("://")
    return {**record, "contact": f"{scheme}://…" if rest else ""}


def version_of(record: Record) -> str:
    """Without the contact, which nobody can have seen."""
    return hashlib.sha256(visible_json({**record, "contact": ""}).encode()).hexdigest()[:16]


def put(backend: Backend, person: str, entered: Person, if_match: str | None, *, keep_contact: bool) -> tuple[Any, str]:
    """Enters a person, or replaces what is known of one; `keep_contact`: but for the contact.

    Raises Problem, InterlockError and KafkaException; then nothing changed.
    """
    with turn(backend.broker, "roster") as mine:
        roster = _read(backend)
        before = roster.get(entered.id)
        _check(before, entered.id, if_match)
        if entered.manager and entered.manager not in roster:
            raise Problem(422, "invalid", f"manager: there is no reviewer {entered.manager!r}")
        record = entered.to_record()
        if keep_contact and before is not None:
            record["contact"] = before["contact"]
        value = wire.encode("Reviewer", record)
        mine.write(catalogue.REVIEWERS, entered.id, value, _by(person))
    stored = wire.decode("Reviewer", value)
    return shown(stored), version_of(stored)


def remove(backend: Backend, person: str, name: str, if_match: str | None) -> None:
    """Removes a person; what they hold returns to its queue. Raises as `put` does."""
    with turn(backend.broker, "roster") as mine:
        before = _read(backend).get(name)
        if before is None:
            raise not_found("reviewer", name)
        _check(before, name, if_match)
        mine.write(catalogue.REVIEWERS, name, None, _by(person))


def _check(before: Record | None, name: str, if_match: str | None) -> None:
    check_match(if_match, "" if before is None else version_of(before), f"reviewer {name}")


def _read(backend: Backend) -> dict[str, Record]:
    """The roster as Kafka has it at this moment: the board may be some moments behind."""

    def read(name: str, value: bytes) -> Record:
        record = wire.decode("Reviewer", value)
        check_key(name, record["id"])
        return record

    return newest(backend.broker, catalogue.REVIEWERS.name, read)


def _by(person: str) -> Headers:
    return [(BY_HEADER, person.encode())]
