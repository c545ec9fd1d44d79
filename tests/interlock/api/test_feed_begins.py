"""What happens while a server starts is in its feed: a stream that goes on there misses nothing."""

import pytest

from interlock.api import feed
from interlock.api.live_board import LiveBoard
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec


def on_duty(broker: Broker, person: str) -> None:
    producer = broker.producer(None)
    record = {"reviewer": person, "on_duty": True, "since": 0}
    producer.produce(catalogue.PRESENCE.name, wire.encode("Presence", record), person.encode())
    producer.flush()


def test_what_came_between_the_beginning_of_the_feed_and_the_first_look_is_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = MemoryBroker(SystemClock(), waits=True)
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
    on_duty(broker, "earlier")

    class Feed(feed.Feed):
        def __init__(self, broker: Broker) -> None:
            super().__init__(broker)
            on_duty(broker, "meanwhile")

    monkeypatch.setattr(feed, "Feed", Feed)
    place = feed.Feed(broker).place  # "meanwhile" has come twice now; this reader has seen neither
    board = LiveBoard(broker)
    try:
        changes = board.feed.since(place)
        assert changes is not None
        assert [change.facts["id"] for change in changes] == ["meanwhile", "meanwhile"]
        (older,) = board.feed.since((0,) * len(feed.TOPICS))[:1]  # type: ignore[index]
        assert older.facts["id"] == "earlier"
    finally:
        board.close()
