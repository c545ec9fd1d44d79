"""Whether people answer what is chosen for them, by what the desk counts and by what the lanes' progress lacks."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from interlock.learning.answered import Answered, missing
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker
from interlock.streams.tables import TableReader

_DAY = 86_400_000_000

# Of a model version that has had no work for a month nobody can mend anything.
_RECENT = 30 * _DAY

# With fewer decisions of a way a share says little.
_FEWEST = 20


def unanswered(tallies: Iterable[dict[str, Any]], lanes: Iterable[dict[str, Any]], now: int) -> list[str]:
    """A line for each domain and model version with ways of which too little is answered. `tallies` and `lanes`: the
    newest record of each key; `now` in microseconds since the epoch.

    What progress says counts, because it knows of a good past that hides open work and of a backlog of long ago. It is
    written with verdicts only: where the desk has told more for a day, its counts since the start are taken.
    """
    ways: dict[str, dict[str, Answered]] = {}
    told_at: dict[str, int] = {}
    for tally in tallies:
        if tally["at"] > now - _RECENT and tally["settled"] >= _FEWEST:
            name = _name(tally)
            ways.setdefault(name, {})[tally["way"]] = Answered(tally["settled"], tally["judged"])
            told_at[name] = max(tally["at"], told_at.get(name, 0))
    found = {name: list(missing(known)) for name, known in ways.items()}
    for lane in sorted(lanes, key=lambda lane: lane["at"]):
        if lane["at"] > max(now - _RECENT, told_at.get(_name(lane), 0) - _DAY):
            found[_name(lane)] = list(lane["missing"])
    return [f"{name}: {', '.join(found[name])}" for name in sorted(found) if found[name]]


def read_unanswered(broker: Broker, now: int) -> list[str]:
    """The same of what Kafka holds. Raises KafkaException."""
    tallies = _newest(broker, catalogue.TALLIES.name, "Tally")
    return unanswered(tallies, _newest(broker, catalogue.LANE_PROGRESS.name, "LaneProgress"), now)


def _name(record: dict[str, Any]) -> str:
    return f"{record['model_id']}@{record['model_version']} in {record['domain']}"


def _newest(broker: Broker, topic: str, schema: str) -> list[dict[str, Any]]:
    """The newest record of every key that can be read."""
    newest = {}
    with closing(TableReader(broker, [topic], once=True)) as reader:
        for message in reader.read_all():
            newest[message.key()] = message.value()
    records = []
    for value in newest.values():
        try:
            records.append(wire.decode_plain(schema, value))
        except wire.WireError:
            continue  # the role that writes it tells of it
    return records
