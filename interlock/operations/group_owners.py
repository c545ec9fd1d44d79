"""Which member of a consumer group is assigned what, asked in a process of its own.

librdkafka has one request for it, and that may abort the process when the coordinator goes away (issue 4605) or never
return (issue 5511): seen at both on a busy machine.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from interlock.streams.ports import Partition

# By group and partition the member that is assigned it; a group that is missing could not be described.
Owners = Mapping[str, Mapping[Partition, str]]

Properties = Mapping[str, str | int | float | bool]

# Starting Python takes a second on a busy machine, the answer some milliseconds.
_TIMEOUT_SECONDS = 20.0


def group_owners(properties: Properties, groups: Collection[str]) -> Owners:
    """Who is assigned what in `groups`; nothing where it cannot be found out now. `properties`: librdkafka's."""
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
        described: dict[str, list[tuple[str, int, str]]] = json.loads(answer.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return {}
    return {
        group: {(topic, partition): owner for topic, partition, owner in places} for group, places in described.items()
    }


def _described(properties: dict[str, Any], groups: list[str]) -> dict[str, list[tuple[str, int, str]]]:
    """As (topic, partition, owner). Raises KafkaException."""
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({**properties, "log_level": 0})
    found = {}
    answers = admin.describe_consumer_groups(groups, request_timeout=_TIMEOUT_SECONDS)
    for group, answer in answers.items():
        try:
            found[group] = _places(answer.result().members)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise
            found[group] = []  # nobody has joined it yet
    return found


def _places(members: Sequence[Any]) -> list[tuple[str, int, str]]:
    return [
        (place.topic, place.partition, f"{member.client_id} ({member.host})")
        for member in members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
    ]


if __name__ == "__main__":
    print(json.dumps(_described(**json.load(sys.stdin))))
