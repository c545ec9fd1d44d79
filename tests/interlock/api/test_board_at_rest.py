"""What the board asks Kafka while nobody looks at it."""

from interlock.api import live_board
from interlock.api.live_board import LiveBoard
from interlock.schemas import catalogue
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec


def test_the_board_asks_seldom_whether_kafka_answers_while_nobody_wants_to_know() -> None:
    broker = MemoryBroker(SystemClock(), waits=True)
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
    board = LiveBoard(broker)
    try:
        assert board._probe_seconds() == live_board._PROBE_SECONDS
        board._wanted_at -= live_board._WANTED_SECONDS
        assert board._probe_seconds() == live_board._SELDOM_SECONDS
        assert not board.problem  # somebody wants to know
        assert board._probe_seconds() == live_board._PROBE_SECONDS
    finally:
        board.close()
