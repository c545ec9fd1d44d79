"""What `interlock doctor` says of chosen decisions that people do not answer."""

from typing import Any

from interlock.operations.answers import read_tallies, unanswered
from interlock.schemas import catalogue, wire
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec

NOW = 1_767_225_600_000_000
DAY = 86_400_000_000


def tally(way: str, settled: int, judged: int, at: int = NOW) -> dict[str, Any]:
    names = {"domain": "loan", "model_id": "credit", "model_version": "1", "way": way}
    return names | {"settled": settled, "judged": judged, "settled_before": at, "way_settled_before": at, "at": at}


def test_ways_of_which_too_little_is_answered_are_named_with_what_is_missing() -> None:
    found = unanswered([tally("audit", 100, 63), tally("async", 50, 45)], NOW)
    assert found == ["credit@1 in loan: 63 of 100 audits answered, 80 needed"]


def test_few_decisions_and_models_of_long_ago_are_not_named() -> None:
    assert unanswered([tally("audit", 19, 0), tally("sync", 100, 0, NOW - 31 * DAY)], NOW) == []


def test_the_newest_record_of_a_key_counts_and_an_unreadable_one_is_left_out() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(catalogue.TALLIES.name, 1, catalogue.TALLIES.config())])
    producer = broker.producer("desk")
    producer.init_transactions(1)
    producer.begin_transaction()
    for settled in (100, 200):
        producer.produce(catalogue.TALLIES.name, wire.encode("Tally", tally("audit", settled, 63)), b"audit")
    producer.produce(catalogue.TALLIES.name, b"junk", b"async")
    producer.commit_transaction(1)
    assert [(record["settled"], record["judged"]) for record in read_tallies(broker)] == [(200, 63)]
