"""Who is in a consumer group, and which member is assigned what, asked in a process of its own.

librdkafka has one request for it, and that may abort the process when the coordinator goes away (issue 4605) or never
return (issue 5511): seen at both on a busy machine.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from interlock.errors import UnavailableError
from interlock.streams.ports import Partition

# By group and partition the member that is assigned it; a group that is missing could not be described.
Owners = Mapping[str, Mapping[Partition, str]]

# What a member is assigned, as (topic, partition, owner).
_Member = list[tuple[str, int, str]]

Properties = Mapping[str, str | int | float | bool]

# Starting Python takes a second on a busy machine, the answer some milliseconds.
_TIMEOUT_SECONDS = 20.0


def group_owners(properties: Properties, groups: Collection[str]) -> Owners:
    """Who is assigned what in `groups`; nothing where it cannot be found out now. `properties`: librdkafka's."""
    return {
        group: {(topic, partition): owner for places in members for topic, partition, owner in places}
        for group, members in _asked(properties, groups).items()
    }


def count_members(properties: Properties, group: str) -> int:
    """How many members the group has now; 0 if there is no such group. Raises UnavailableError where it cannot be found
    out."""
    if (members := _asked(properties, [group]).get(group)) is None:
        raise UnavailableError(f"Kafka does not tell who is in group {group}: try again")
    return len(members)


def _asked(properties: Properties, groups: Collection[str]) -> dict[str, list[_Member]]:
    """The members of each group; nothing where it cannot be found out now."""
    question = json.dumps({"properties": dict(properties), "groups": sorted(groups)})
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=question,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=True,
        )
        described: dict[str, list[_Member]] = json.loads(answer.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return {}
    return described


def _described(properties: dict[str, Any], groups: list[str]) -> dict[str, list[_Member]]:
    """Raises KafkaException."""
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({**properties, "log_level": 0})
    found = {}
    answers = admin.describe_consumer_groups(groups, request_timeout=_TIMEOUT_SECONDS)
    for group, answer in answers.items():
        try:
            found[group] = [_places(member) for member in answer.result().members]
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise
            found[group] = []  # nobody has joined it yet
    return found


def _places(member: Any) -> _Member:
    owner = f"{member.client_id} ({member.host})"
    assigned = member.assignment.topic_partitions if member.assignment is not None else ()
    return [(place.topic, place.partition, owner) for place in assigned]


if __name__ == "__main__":
    print(json.dumps(_described(**json.load(sys.stdin))))
