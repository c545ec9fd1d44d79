"""Folds on a real broker: what Faust and aiokafka do there by themselves."""

import threading
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from confluent_kafka import KafkaException

from interlock.streams.faust_app import JOIN_SECONDS, Membership
from interlock.streams.folding import FoldSettings, run_fold
from interlock.streams.kafka import KafkaBroker
from tests.streams.conformance import Environment, consume_until

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka


def test_a_fold_that_its_group_does_not_let_in_ends_and_says_why(kafka: "EmbeddedKafka") -> None:
    broker = KafkaBroker(kafka.bootstrap_servers, group_protocol="classic")
    topic, group = Environment(broker, lambda _: None, lambda *_: None).topic(partitions=1), f"group-{uuid4()}"
    with closing(broker.consumer(group)) as stranger:
        stranger.subscribe([topic])
        consume_until(lambda: bool(stranger.assignment()), stranger)
        # Its protocol is not Faust's. aiokafka then waits for somebody to take notice of the error, which Faust does
        # not: without a look at its membership the fold would stand still for good, whatever becomes of the stranger.
        with pytest.raises(KafkaException, match=f"no member of group {group}: .*InconsistentGroupProtocol"):
            run_fold(FoldSettings(group, topic, kafka.bootstrap_servers), broker, lambda _: [], threading.Event())


def test_a_member_that_does_not_get_in_is_in_trouble_after_longer_than_any_rebalance_takes() -> None:
    membership = Membership(_not_connected(), "topic")
    assert membership.trouble(100.0, working=False) is None
    assert membership.trouble(100.0 + JOIN_SECONDS, working=False) is None
    told = membership.trouble(101.0 + JOIN_SECONDS, working=False)
    assert told == f"it has tried to join for {JOIN_SECONDS + 1:.0f} s"


def test_a_member_that_processes_a_record_for_long_is_in_no_trouble() -> None:
    membership = Membership(_not_connected(), "topic")
    assert membership.trouble(100.0, working=True) is None
    assert membership.trouble(101.0 + JOIN_SECONDS, working=True) is None
    assert membership.trouble(101.0 + 2 * JOIN_SECONDS, working=False) is None
    assert membership.trouble(102.0 + 2 * JOIN_SECONDS, working=False) is not None


def _not_connected() -> Any:
    return SimpleNamespace(consumer=SimpleNamespace(_thread=SimpleNamespace(_consumer=None)))
