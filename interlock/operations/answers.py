"""Whether people answer what is chosen for them, by what the desk counts."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from interlock.learning.answered import Answered, missing
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker
from interlock.streams.tables import TableReader

# Of a model version that has had no work for a month nobody can mend anything.
_RECENT = 30 * 86_400_000_000

# With fewer decisions of a way a share says little.
_FEWEST = 20


def unanswered(tallies: Iterable[dict[str, Any]], now: int) -> list[str]:
    """A line for each domain and model version with ways of which too little is answered. `tallies`: the newest record
    of each key; `now` in microseconds since the epoch."""
    ways: dict[str, dict[str, Answered]] = {}
    for tally in tallies:
        if tally["at"] > now - _RECENT and tally["settled"] >= _FEWEST:
            name = f"{tally['model_id']}@{tally['model_version']} in {tally['domain']}"
            ways.setdefault(name, {})[tally["way"]] = Answered(tally["settled"], tally["judged"])
    told = {name: missing(found) for name, found in ways.items()}
    return [f"{name}: {', '.join(told[name])}" for name in sorted(told) if told[name]]


def read_tallies(broker: Broker) -> list[dict[str, Any]]:
    """The newest record of every key that can be read. Raises KafkaException."""
    newest = {}
    with closing(TableReader(broker, [catalogue.TALLIES.name])) as reader:
        for message in reader.read_all():
            newest[message.key()] = message.value()
    records = []
    for value in newest.values():
        try:
            records.append(wire.decode_plain("Tally", value))
        except wire.WireError:
            continue  # the desk tells of it
    return records
