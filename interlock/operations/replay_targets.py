"""Where a dead letter is sent again: only to the step that gave up on it, by a topic that this step reads.

Whoever may write to `dead-letter` chooses its headers: they must not make an operator write to any topic at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from interlock.errors import InterlockError
from interlock.operations.letters import Letter
from interlock.schemas import catalogue
from interlock.schemas.copy_headers import TASK_HEADER, with_replay_header
from interlock.schemas.error_headers import without_error_headers
from interlock.schemas.retry_headers import Order, Retry, with_retry_headers
from interlock.streams.ports import Headers

_INPUTS: Mapping[str, frozenset[str]] = {
    "router": frozenset({catalogue.DECISIONS.name}),
    "desk": frozenset(
        topic.name
        for topic in (catalogue.REVIEWS_ASYNC, catalogue.REVIEWS_SYNC, catalogue.REVIEWS_MANUAL, catalogue.COMMANDS)
    ),
    "feedback": frozenset({catalogue.OUTCOMES.name}),
    "calibration": frozenset(
        topic.name for topic in (catalogue.TRAINING_EXAMPLES, catalogue.DRIFT_SIGNALS, catalogue.RETRAINING_REQUESTS)
    ),
}

# Only executor groups make dead letters of these.
_EXECUTED = frozenset({catalogue.AUTO_APPROVED.name, catalogue.ACTIONS.name})

TARGETS = (*(catalogue.BY_NAME[name] for names in _INPUTS.values() for name in sorted(names)), catalogue.ACTIONS_RETRY)
"""Every topic to which a dead letter may be sent again."""

# What feedback says of outcomes that it can read.
_UNUSABLE = frozenset({"bad-confidence", "bad-propensity"})

_ROUTED = frozenset(topic.name for topic in catalogue.ROUTE_TOPICS)

# Longer numbers than Kafka has, which int() would take long for.
_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Target:
    """`partition` -1: that of the key."""

    topic: str
    partition: int
    headers: Headers


def target_of(letter: Letter, order: Order, partitions: Callable[[str], int]) -> Target:
    """Raises InterlockError for a dead letter that no step of Interlock can have written, that would only be counted
    again, or that cannot be discarded.

    `partitions`: how many a topic has.
    """
    what, step = letter.what, letter.step
    if letter.is_by_reference and order == "retry":
        raise InterlockError(f"dead letter {letter.name} holds no copy of its message ({what.get('message', '')})")
    topic = what.get("topic", "")
    original = without_error_headers(letter.headers)
    if topic in _EXECUTED:
        return _to_executors(letter, topic, step, order, partitions)
    if order == "discard":
        raise InterlockError(
            f"dead letter {letter.name} is one of {step or 'nobody'}, from topic {topic}: only those of executors are "
            f"waited for and can be discarded; any other is left where it is"
        )
    if topic not in _INPUTS.get(step, frozenset()):
        raise InterlockError(
            f"dead letter {letter.name} says that {step or 'nobody'} read it from topic {topic or 'nowhere'}, which it "
            f"does not: it was not written by Interlock, and is not sent"
        )
    if topic == catalogue.OUTCOMES.name and letter.reason in _UNUSABLE:
        raise InterlockError(
            f"dead letter {letter.name} is an outcome that was read and counted, but nothing may be learned from it "
            f"({letter.reason}): sent again it would be counted twice, and is not sent"
        )
    if any(name == TASK_HEADER for name, _ in original):
        raise InterlockError(
            f"dead letter {letter.name} says how people had decided a case, and the desk does not believe it; it is "
            f"not sent: `interlock review appeal` writes what ClickHouse has"
        )
    headers: Headers = [*original]
    if topic in _ROUTED:
        # Its decision was counted when it was routed.
        headers = [*with_replay_header(original, letter.name)]
    return Target(topic, -1, headers)


def _to_executors(letter: Letter, topic: str, group: str, order: Order, partitions: Callable[[str], int]) -> Target:
    what = letter.what
    numbers = [what.get(name, "") for name in ("partition", "offset")]
    if not group or not all(text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS for text in numbers):
        raise InterlockError(
            f"dead letter {letter.name} does not say which executor group read it, and where on topic {topic}: it was "
            f"not written by Interlock, and is not sent"
        )
    partition, offset = map(int, numbers)
    retry = catalogue.ACTIONS_RETRY.name
    count = partitions(retry)
    if partition >= count:
        raise InterlockError(
            f"dead letter {letter.name} comes from {topic}[{partition}], but topic {retry} has {count} partitions: all "
            f"topics of executors need the same number"
        )
    headers = with_retry_headers(without_error_headers(letter.headers), Retry(group, topic, partition, offset, order))
    return Target(retry, partition, headers)
