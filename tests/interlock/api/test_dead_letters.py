"""Dead letters over HTTP."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client as ClickHouse

from interlock.schemas import catalogue, wire
from interlock.schemas.error_headers import with_error_headers
from tests.interlock.api.api_world import World, raw, refusal
from tests.interlock.review.review_world import decision

PATH = "/v1/dead-letters"


def bury(
    api: World,
    key: str,
    value: bytes = b"\x00rubbish",
    reason: str = "malformed-avro",
    step: str = "router",
    topic: str = catalogue.DECISIONS.name,
) -> None:
    """Writes one dead letter."""
    headers = with_error_headers(
        [("traceparent", b"00-1")], reason=reason, message="it is", topic=topic, partition=0, offset=7, step=step
    )
    producer = api.broker.producer(None)
    producer.produce(catalogue.DEAD_LETTER.name, value, key.encode(), 0, headers=headers)
    producer.flush(5)


def names(api: World, reason: str) -> list[str]:
    return [row["key"] for row in api.get(PATH, reason=reason).json()["dead_letters"]]


def test_dead_letters_come_newest_first_in_pages_and_by_reason(api: World) -> None:
    for number in range(5):
        bury(api, f"d-{number}", reason="unknown-schema" if number == 2 else "malformed-avro")
    first = api.get(PATH, limit=3).json()
    assert [row["key"] for row in first["dead_letters"]] == ["d-4", "d-3", "d-2"]
    rest = api.get(PATH, limit=3, cursor=first["next"]).json()
    assert ([row["key"] for row in rest["dead_letters"]], rest["next"]) == (["d-1", "d-0"], None)
    assert names(api, reason="unknown-schema") == ["d-2"]
    assert names(api, reason="nonsense") == []


@pytest.mark.parametrize("cursor", ["!", "e30", "WzFd", "W1siYSIsMV1d", "MQ=="])
def test_a_foreign_cursor_is_refused(api: World, cursor: str) -> None:
    assert refusal(api.get(PATH, cursor=cursor)) == (422, "invalid")


def test_one_is_shown_with_headers_and_bytes_and_as_the_decision_it_is(api: World) -> None:
    value = wire.encode("Decision", decision("d-1"))
    bury(api, "d-1", value, "implausible")
    bury(api, "d-2", b"<script>\xff")
    readable = api.get(f"{PATH}/0:0").json()
    assert readable["decision"]["decision_id"] == "d-1"
    assert raw(readable["value_base64"]) == value
    assert readable["headers"] == [{"name": "traceparent", "value": "00-1"}]
    unreadable = api.get(f"{PATH}/0:1").json()
    assert (unreadable["decision"], unreadable["value_text"]) == (None, "<script>\\xff")
    assert (raw(unreadable["key_base64"]), unreadable["step"]) == (b"d-2", "router")


@pytest.mark.parametrize(("name", "expected"), [("0:9", (404, "unknown-dead-letter")), ("x", (422, "invalid"))])
def test_an_unknown_one_is_not_found_and_nothing_is_sent(api: World, name: str, expected: tuple[int, str]) -> None:
    bury(api, "d-1")
    assert refusal(api.get(f"{PATH}/{name}")) == expected
    assert refusal(api.post(f"{PATH}/replay", {"letters": ["0:0", name]})) == expected
    assert refusal(api.post(f"{PATH}/discard", {"letters": [name]})) == expected
    assert api.values(catalogue.DECISIONS) == []


def test_named_ones_are_sent_again_to_the_step_that_gave_up_on_them(api: World) -> None:
    bury(api, "d-1", b"one")
    bury(api, "d-2", b"two")
    assert api.post(f"{PATH}/replay", {"letters": ["0:1"]}).json()["replayed"] == 1
    assert api.values(catalogue.DECISIONS) == [("d-2", b"two")]


def test_all_of_a_reason_are_sent_once_and_what_goes_nowhere_is_told(api: World) -> None:
    bury(api, "d-1", b"one", "unknown-schema")
    bury(api, "d-2", b"two")
    bury(api, "d-3", b"three", "unknown-schema", step="nobody")
    wanted = {"all": True, "reason": "unknown-schema"}
    answered = api.post(f"{PATH}/replay", wanted).json()
    assert (answered["replayed"], answered["refused"]) == (1, 1)
    assert "dead letter 0:2" in answered["refusals"][0]
    assert api.post(f"{PATH}/replay", wanted).json()["replayed"] == 0
    assert api.values(catalogue.DECISIONS) == [("d-1", b"one")]


@pytest.mark.parametrize(
    "body", [{}, {"letters": []}, {"letters": ["0:0"], "all": True}, {"letters": ["0:0"], "reason": "x"}, {"every": 1}]
)
def test_a_replay_names_letters_or_says_all(api: World, body: dict[str, object]) -> None:
    bury(api, "d-1")
    assert refusal(api.post(f"{PATH}/replay", body)) == (422, "invalid")
    assert api.values(catalogue.DECISIONS) == []


def test_only_those_of_executors_can_be_given_up(api: World) -> None:
    bury(api, "d-1")
    bury(api, "d-2", b"two", "http-400", step="interlock-webhooks", topic=catalogue.ACTIONS.name)
    assert refusal(api.post(f"{PATH}/discard", {"letters": ["0:0"]})) == (409, "refused")
    assert api.post(f"{PATH}/discard", {"letters": ["0:1"]}).json() == {"discarded": 1}
    assert [key for key, _ in api.values(catalogue.ACTIONS_RETRY)] == ["d-2"]


def test_counts_say_that_clickhouse_is_away(api: World) -> None:
    answered = api.get(f"{PATH}/counts").json()
    assert answered["counts"] is None
    assert answered["unavailable"]


@pytest.mark.warehouse
def test_counts_by_reason_come_from_clickhouse(tmp_path: Path, own: ClickHouse) -> None:
    columns = ["kafka_stream", "kafka_topic", "kafka_offset", "kafka_timestamp", "reason", "source_topic"]
    rows = [["s", "dead-letter", offset, 0, reason, "decisions"] for offset, reason in enumerate(("a", "b", "b"))]
    own.insert("dead_letters", rows, column_names=columns)
    world = World(tmp_path, own)
    try:
        counts = world.get(f"{PATH}/counts").json()["counts"]
        assert [(row["reason"], row["letters"]) for row in counts] == [("b", 2), ("a", 1)]
    finally:
        world.close()


def test_who_may_only_look_sends_nothing(api: World) -> None:
    bury(api, "d-1")
    api.scopes["eve"] = frozenset({"dead-letters:read"})
    assert refusal(api.post(f"{PATH}/replay", {"all": True}, "eve")) == (403, "missing-scope")
    assert refusal(api.post(f"{PATH}/discard", {"letters": ["0:0"]}, "eve")) == (403, "missing-scope")
    assert api.values(catalogue.DECISIONS) == []
