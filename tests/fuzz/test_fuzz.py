"""Generated messages on every topic: no role stops, nothing is lost, and dead letters keep what was sent."""

import json
from collections import Counter
from functools import cache
from io import BytesIO
from random import Random
from typing import Any

import fastavro
import pytest

from interlock.schemas import avro_schemas, catalogue, wire
from interlock.schemas.dead_letters import is_by_reference
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.headers import headers_of
from tests.fuzz.messages import Messages
from tests.fuzz.pipeline import Pipeline

ROUNDS, MESSAGES_A_ROUND = 10, 1_000
QUICK_SEEDS, CAMPAIGN_SEEDS = 1, 100

# What KIP-1034 adds to the original headers.
ERROR_HEADERS = 6


def run(seed: int) -> Pipeline:
    """A pipeline that has worked through the messages of a seed."""
    pipeline = Pipeline()
    messages = Messages(Random(seed), pipeline.topology.now)
    for number in range(ROUNDS):
        pipeline.send([messages.next() for _ in range(MESSAGES_A_ROUND)])
        pipeline.work()
        if number % 3 == 2:
            pipeline.restart()
            pipeline.heal()
    pipeline.topology.run()
    pipeline.store()
    return pipeline


def assert_each_decision_has_one_route_or_dead_letter(pipeline: Pipeline) -> None:
    decisions = pipeline.topology.messages(catalogue.DECISIONS.name)
    dead: Counter[tuple[int, int]] = Counter()
    routed: Counter[bytes | None] = Counter()
    for topic, message in pipeline.routed_and_dead():
        if topic == catalogue.DEAD_LETTER.name:
            what = read_error_headers(headers_of(message))
            dead[int(what["partition"]), int(what["offset"])] += 1
        elif topic != catalogue.REVIEWS_ASYNC.name or _route(message.value()) != "auto":  # else: a copy for review
            routed[message.key()] += 1
    assert max(dead.values(), default=0) <= 1
    places = {(message.partition(), message.offset()) for message in decisions}
    assert dead.keys() <= places
    # What came again unchanged has one route all the same; with other content it is a dead letter.
    assert routed == Counter({m.key() for m in decisions if (m.partition(), m.offset()) not in dead})
    assert routed.total() > len(decisions) / 2


def assert_dead_letters_keep_what_was_sent(pipeline: Pipeline) -> None:
    sources = {
        (topic.name, message.partition(), message.offset()): message
        for topic in catalogue.TOPICS
        for message in pipeline.topology.messages(topic.name)
    }
    made = 0
    for letter in pipeline.topology.messages(catalogue.DEAD_LETTER.name):
        if (letter.partition(), letter.offset()) in pipeline.foreign:
            continue
        made += 1
        headers = headers_of(letter)
        what = read_error_headers(headers)
        if (what["topic"], what["offset"]) == (catalogue.TASKS.name, "-1"):
            continue  # of a task that was decided long ago the desk does not know the place
        source = sources[what["topic"], int(what["partition"]), int(what["offset"])]
        if is_by_reference(what["exception"], letter.value()):
            continue
        assert (letter.key(), letter.value()) == (source.key(), source.value())
        original = [(name, value or b"") for name, value in headers_of(source)]
        assert [(name, value or b"") for name, value in headers[:-ERROR_HEADERS]] == original
    assert made > 100


def _route(value: bytes | None) -> str:
    """The route in a routed decision whose rest may be damaged: the router has written only what comes first."""
    assert value is not None
    stream = BytesIO(value[wire.HEADER_LENGTH :])
    return str(wire.read_record(stream, _envelope_schema())["route"])


@cache
def _envelope_schema() -> Any:
    document = avro_schemas.without_logical_types(json.loads(avro_schemas.text("RoutedDecision")))
    return fastavro.parse_schema({**document, "fields": document["fields"][:-1]})


@pytest.mark.timeout(7200)
def test_no_message_stops_a_role_or_is_lost(campaign: bool) -> None:
    for seed in range(CAMPAIGN_SEEDS if campaign else QUICK_SEEDS):
        print(f"seed {seed}", flush=True)
        pipeline = run(seed)
        assert_each_decision_has_one_route_or_dead_letter(pipeline)
        assert_dead_letters_keep_what_was_sent(pipeline)
        assert pipeline.executed
        pipeline.close()
