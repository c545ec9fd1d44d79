"""Messages that could not be read: look at them, send them again, give them up."""

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException

from interlock.api.backend import Backend
from interlock.api.pages import decoded, encoded, foreign
from interlock.api.problems import Problem, not_found
from interlock.errors import InterlockError
from interlock.operations import dead_letters as operations
from interlock.operations.letters import TOPIC, Letter, letter_of, read_letter
from interlock.schemas import wire
from interlock.schemas.times import moment
from interlock.streams.latest import latest
from interlock.streams.ports import Message
from interlock.streams.turns import FENCED

log = structlog.get_logger()

# Of a message as text: more than a screen shows. The bytes are given whole.
_MAX_TEXT = 100_000

# Of the dead letters that a replay refuses, so many are told one by one.
_MAX_REFUSED = 20

_COUNTS = """
SELECT reason, source_topic, sum(records) AS letters, max(minute) AS latest
FROM dead_letters_by_minute
GROUP BY reason, source_topic
ORDER BY letters DESC, reason, source_topic
"""


def letter_rows(backend: Backend, reason: str, cursor: str, limit: int) -> dict[str, Any]:
    """A page, newest first; it may be short where few have that reason. Raises Problem and KafkaException."""

    def row(message: Message) -> dict[str, Any] | None:
        letter = letter_of(message)
        if reason and letter.reason != reason:
            return None
        return {**letter.facts(), "at": moment(message.timestamp()[1] * 1000)}

    rows, following = latest(backend.broker, TOPIC, row, limit, places(cursor))
    return {"dead_letters": rows, "next": None if following is None else encoded([*following.items()])}


def places(cursor: str) -> dict[int, int] | None:
    """Where a page of a log begins, None for the end of the log. Raises Problem."""
    pairs = decoded(cursor)
    if pairs is None:
        return None
    try:
        found = dict(pairs)
    except (TypeError, ValueError):
        raise foreign() from None
    if not all(type(number) is int and 0 <= number < 2**63 for pair in found.items() for number in pair):
        raise foreign()
    return found


def letter_counts(backend: Backend) -> dict[str, Any]:
    """How many there have been by reason and topic. `unavailable`: why ClickHouse cannot tell."""
    try:
        with backend.clickhouse() as client:
            return {"counts": [dict(row) for row in client.query(_COUNTS).named_results()], "unavailable": ""}
    except (ClickHouseError, InterlockError, OSError) as error:
        return {"counts": None, "unavailable": str(error).strip().splitlines()[0]}


def letter_facts(backend: Backend, name: str) -> dict[str, Any]:
    """One with its headers and original bytes, and as a decision if it is one. Raises Problem and KafkaException."""
    letter = _found(backend, name)
    text = (letter.value or b"").decode(errors="backslashreplace")
    return {
        **letter.facts(),
        "headers": [{"name": key, "value": value} for key, value in letter.header_facts()],
        "key_base64": _base64(letter.key),
        "value_text": text[:_MAX_TEXT],
        "value_text_is_whole": len(text) <= _MAX_TEXT,
        "value_base64": _base64(letter.value),
        "decision": _decision(letter.value),
    }


def replay(backend: Backend, person: str, letters: Sequence[str] | None, reason: str) -> dict[str, Any]:
    """Sends `letters` again, or all that were not yet (with `reason`: those).

    Raises Problem, InterlockError and KafkaException; of named ones either all are sent or none.
    """
    refused: Counter[str] = Counter()
    sentences: list[str] = []

    def refuse(sentence: str) -> None:
        refused["all"] += 1
        if refused["all"] <= _MAX_REFUSED:
            sentences.append(sentence)

    named = None if letters is None else _places_of(backend, letters)
    try:
        count = operations.replay(backend.broker, named, reason or None, on_refused=refuse)
    except KafkaException as error:
        raise _unless_fenced(error) from error
    log.info("dead letters sent again", person=person, letters=letters or "all", reason=reason, count=count)
    return {"replayed": count, "refused": refused["all"], "refusals": sentences}


def discard(backend: Backend, person: str, letters: Sequence[str]) -> dict[str, Any]:
    """Gives up dead letters of executors. Raises as `replay` does."""
    try:
        count = operations.discard(backend.broker, _places_of(backend, letters))
    except KafkaException as error:
        raise _unless_fenced(error) from error
    log.info("dead letters given up", person=person, letters=letters, count=count)
    return {"discarded": count}


def _unless_fenced(error: KafkaException) -> Exception:
    """One replay at a time: a second one ends the first, which sends nothing twice."""
    if error.args[0].code() not in FENCED:
        return error
    return Problem(409, "changed-meanwhile", "somebody else began to replay dead letters; this replay was ended")


def _places_of(backend: Backend, letters: Sequence[str]) -> list[tuple[int, int]]:
    return [(letter.partition, letter.offset) for letter in (_found(backend, name) for name in letters)]


def _found(backend: Backend, name: str) -> Letter:
    partition, _, offset = name.partition(":")
    # Kafka's numbers have 19 digits at most.
    if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (partition, offset)):
        raise Problem(422, "invalid", f"{name!r} names no dead letter: write PARTITION:OFFSET as listed")
    letter = read_letter(backend.broker, int(partition), int(offset))
    if letter is None:
        raise not_found("dead-letter", name)
    return letter


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _decision(value: bytes | None) -> dict[str, Any] | None:
    for schema in ("Decision", "RoutedDecision"):
        try:
            record = wire.decode(schema, value)
        except ValueError:
            continue
        return record if schema == "Decision" else record["decision"]
    return None
