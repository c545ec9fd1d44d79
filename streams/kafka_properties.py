"""What users may set of Kafka's clients: their properties win over ours, or are refused by name with the reason.

Properties are librdkafka's. They come from the setting INTERLOCK_KAFKA__PROPERTIES, or from `properties=` of a client.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from interlock.errors import UsageError
from interlock.schemas.catalogue import MAX_RECORD_BYTES

# Where a person looks for what is wrong.
SOURCE = "INTERLOCK_KAFKA__PROPERTIES, or properties= of the client"

# librdkafka has two names for these, and its errors only the second one.
_ALIASES = {
    "acks": "request.required.acks",
    "bootstrap.servers": "metadata.broker.list",
    "compression.type": "compression.codec",
    "delivery.timeout.ms": "message.timeout.ms",
    "linger.ms": "queue.buffering.max.ms",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "retries": "message.send.max.retries",
    "sasl.mechanism": "sasl.mechanisms",
}
_FIRST_NAMES = {second: first for first, second in _ALIASES.items()}

_COMMITS = "offsets are committed with what was made of the records, in one transaction or after it"
_GROUPS = "it decides how soon a dead member is replaced, which every role needs in its own way"


class _Fixed(NamedTuple):
    """Why a property may not be set; `holds`: what it is anyway, and may therefore be said."""

    reason: str
    holds: tuple[str, ...] = ()


# What the guarantees of the pipeline depend on.
_FIXED: Mapping[str, _Fixed] = {
    "acks": _Fixed("what is acknowledged must outlive a broker", ("all", "-1")),
    "auto.commit.interval.ms": _Fixed(_COMMITS),
    "auto.offset.reset": _Fixed(
        "a new group begins with the oldest record, and where offsets were lost no decision is skipped", ("earliest",)
    ),
    "bootstrap.servers": _Fixed(
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS, or bootstrap_servers= of the client, names the brokers"
    ),
    "delivery.report.only.error": _Fixed("each role must be told of its records what it waits for"),
    "delivery.timeout.ms": _Fixed("delivery_seconds= of the client says how long a decision may be under way"),
    "enable.auto.commit": _Fixed(_COMMITS, ("false",)),
    "enable.auto.offset.store": _Fixed(_COMMITS),
    "enable.gapless.guarantee": _Fixed("the roles decide what follows from an error that no retry can mend"),
    "enable.idempotence": _Fixed("without it a retry writes a record twice, or behind a later one", ("true",)),
    "enable.partition.eof": _Fixed("readers ask for the end of a partition where they need it"),
    "group.id": _Fixed("every role has its own group; that of an executor is an argument of Executor"),
    "group.instance.id": _Fixed("INTERLOCK_INSTANCE_ID tells the members of a group apart"),
    "group.protocol": _Fixed("INTERLOCK_KAFKA__GROUP_PROTOCOL says which one"),
    "group.remote.assignor": _Fixed(_GROUPS),
    "heartbeat.interval.ms": _Fixed(_GROUPS),
    "isolation.level": _Fixed("aborted records must not be read, or decisions are counted twice", ("read_committed",)),
    "max.poll.interval.ms": _Fixed(_GROUPS),
    "message.max.bytes": _Fixed(
        f"the topics take records of {MAX_RECORD_BYTES} bytes, and the roles write records that large",
        (str(MAX_RECORD_BYTES),),
    ),
    "partition.assignment.strategy": _Fixed(_GROUPS),
    # The second one differs only for records without a key, and all of ours have one.
    "partitioner": _Fixed(
        "records of one key must meet in one partition, whoever writes them: all clients use that of Java",
        ("murmur2_random", "murmur2"),
    ),
    "session.timeout.ms": _Fixed(_GROUPS),
    "transaction.timeout.ms": _Fixed("it must be longer than a commit may take, which the roles know"),
    "transactional.id": _Fixed("every instance has its own, by which its successor fences it (INTERLOCK_INSTANCE_ID)"),
}


class PropertyError(UsageError):
    """A property of Kafka's clients does not exist, has no such value, or may not be set."""


def name_known_best(name: str) -> str:
    """Of the two names that librdkafka has for some properties, the one that people use."""
    return _FIRST_NAMES.get(name, name)


def checked(properties: Mapping[str, str]) -> dict[str, str]:
    """`properties`, without what holds anyway. Raises PropertyError for one that may not be set."""
    taken = {}
    for name, value in properties.items():
        fixed = _FIXED.get(name_known_best(name))
        if fixed is None:
            taken[name] = value
        elif value.lower() not in fixed.holds:
            what = f"can only be {' or '.join(fixed.holds)}" if fixed.holds else "may not be set"
            raise PropertyError(f"the Kafka property {name} {what}: {fixed.reason}. Remove it from {SOURCE}")
    return taken


def combined(ours: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Our properties with those of a user, which win under either name that librdkafka has for them."""
    wins = {name_known_best(name) for name in given}
    return {**{name: value for name, value in ours.items() if name_known_best(name) not in wins}, **given}


def wrong_property(error: KafkaException, given: Mapping[str, str]) -> PropertyError | None:
    """What a client that could not be made says of the properties of a user; None if it was for another reason."""
    problem = error.args[0]
    if problem.code() != problem._INVALID_ARG:
        return None
    text = problem.str().removeprefix("Failed to create admin client: ").rstrip(".")
    for name in given:
        text = text.replace(f'"{_ALIASES.get(name, name)}"', f'"{name}"')
    if '"' not in text and "ssl." in text:
        text += _location(text, given)
    return PropertyError(f"wrong Kafka property: {text}. Correct it in {SOURCE}")


def _location(text: str, given: Mapping[str, str]) -> str:
    """librdkafka names the property of a file that it cannot read and not the file."""
    named = [f"{name} is {value}" for name, value in given.items() if name in text and name.endswith(".location")]
    return f" ({', '.join(named)})" if named else ""
