"""What `interlock doctor` and `interlock status` say of chosen decisions that people do not answer."""

from typing import Any

from interlock.operations.answers import read_unanswered, unanswered
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import LANE_PROGRESS
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec

NOW = 1_767_225_600_000_000
DAY = 86_400_000_000


def tally(way: str, settled: int, judged: int, at: int = NOW) -> dict[str, Any]:
    names = {"domain": "loan", "model_id": "credit", "model_version": "1", "way": way}
    return names | {"settled": settled, "judged": judged, "settled_before": at, "way_settled_before": at, "at": at}


def lane(missing: list[str], at: int = NOW, prediction: str = "approve") -> dict[str, Any]:
    names = {"domain": "loan", "model_id": "credit", "model_version": "1", "prediction": prediction}
    return names | {"missing": missing, "at": at}


def test_ways_of_which_too_little_is_answered_are_named_with_what_is_missing() -> None:
    found = unanswered([tally("audit", 100, 63), tally("async", 50, 45)], [], NOW)
    assert found == ["credit@1 in loan: 63 of 100 audits answered, 80 needed"]


def test_few_decisions_and_models_of_long_ago_are_not_named() -> None:
    long_ago = NOW - 31 * DAY
    assert unanswered([tally("audit", 19, 0), tally("sync", 100, 0, long_ago)], [lane(["x"], long_ago)], NOW) == []


def test_what_the_latest_lane_lacks_counts_before_the_counts_since_the_start() -> None:
    lately = ["2 of 40 audits answered, 32 needed"]
    assert unanswered([tally("audit", 1_000, 962)], [lane(lately), lane([], NOW - 1, "reject")], NOW) == [
        f"credit@1 in loan: {lately[0]}"
    ]
    assert unanswered([tally("audit", 3_000, 1_000)], [lane([])], NOW) == []


def test_where_no_verdict_has_come_for_a_day_the_counts_of_the_desk_tell() -> None:
    silent = unanswered([tally("audit", 100, 0)], [lane([], NOW - 2 * DAY)], NOW)
    assert silent == ["credit@1 in loan: 0 of 100 audits answered, 80 needed"]


def test_the_newest_record_of_a_key_counts_and_an_unreadable_one_is_left_out() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(topic.name, 1, topic.config()) for topic in (catalogue.TALLIES, LANE_PROGRESS)])
    producer = broker.producer("desk")
    producer.init_transactions(1)
    producer.begin_transaction()
    for settled in (100, 200):
        producer.produce(catalogue.TALLIES.name, wire.encode("Tally", tally("audit", settled, 63)), b"audit")
    producer.produce(catalogue.TALLIES.name, b"junk", b"async")
    producer.commit_transaction(1)
    assert read_unanswered(broker, NOW) == ["credit@1 in loan: 63 of 200 audits answered, 160 needed"]
