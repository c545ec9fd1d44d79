"""The fields that a person changes are JSON: compared as JSON, and taken only as every reader can read them."""

import pytest

from tests.processors.desk.desk_world import DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", queues=["underwriting"])
    world.hire("lee", role="lead")
    return world


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"amount":80,"term":12}', '{"term":12,"amount":80}'),
        ('{"amount":80}', '{ "amount" : 80.0 }'),
        ('{"amount":80}', '{"amount":8e1}'),
        ('{"a":{"x":[1,2],"y":null}}', '{"a":{"y":null,"x":[1.0,2]}}'),
        ('{"name":"é"}', '{"name":"\\u00e9"}'),
        ('{"zero":0}', '{"zero":-0.0}'),
    ],
)
def test_two_people_who_mean_the_same_fields_agree_however_they_write_them(
    world: DeskWorld, first: str, second: str
) -> None:
    world.arrive("q1", reasons=("big",))
    world.decide("ann", "modify", modifications=first)
    assert world.decide("bob", "modify", modifications=second)["message"] == "decided: approve"
    assert world.last("resolutions")["decided_by"] == ["ann", "bob"]
    assert world.last("actions")["modifications"] == second


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"amount":80}', '{"amount":80.5}'),
        ('{"amount":80}', '{"amount":"80"}'),
        ('{"member":true}', '{"member":1}'),
        ('{"list":[1,2]}', '{"list":[2,1]}'),
        ('{"id":9007199254740993}', '{"id":9007199254740992.0}'),
        ('{"amount":80}', '{"amount":80,"term":null}'),
    ],
)
def test_two_people_who_mean_other_fields_differ(world: DeskWorld, first: str, second: str) -> None:
    world.arrive("q1", reasons=("big",))
    world.decide("ann", "modify", modifications=first)
    assert "decided differently" in world.decide("bob", "modify", modifications=second)["message"]


def test_what_holds_already_in_other_words_is_no_override(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "modify", modifications='{"amount":80,"term":12}')
    given = {"payload_hash": "hash of d1", "verdict": "modify", "reason_code": "income", "reason_text": "a slip"}
    reply = world.command("override", "lee", task_id="d1", modifications='{"term": 12.0, "amount": 80}', **given)
    assert (reply["code"], world.task("d1").version) == ("invalid", 1)
    assert world.command("override", "lee", task_id="d1", modifications='{"amount": 81}', **given)["accepted"]


@pytest.mark.parametrize(
    ("modifications", "why"),
    [
        ('{"amount":NaN}', "NaN is no JSON|write null"),
        ('{"amount":-Infinity}', "write null"),
        ('{"amount":1e999}', "beyond what a double can hold"),
        ('{"name":"\\ud800"}', "half of a surrogate pair"),
        ('{"\\udfff":1}', "half of a surrogate pair"),
        ('{"a":' + "[" * 20 + "]" * 20 + "}", "nested deeper than 20 levels"),
        ('{"amount":80,"amount":8000}', "'amount' twice"),
        ('{"a":{"b":1,"b":2}}', "'b' twice"),
    ],
)
def test_fields_that_some_reader_cannot_read_are_refused_by_name(
    world: DeskWorld, modifications: str, why: str
) -> None:
    world.arrive("d1")
    reply = world.decide("ann", "modify", modifications=modifications)
    assert reply["code"] == "invalid"
    assert any(words in reply["message"] for words in why.split("|"))
    assert (world.task("d1").state, world.task("d1").version) == ("leased", 0)


def test_twenty_levels_are_taken(world: DeskWorld) -> None:
    world.arrive("d1")
    assert world.decide("ann", "modify", modifications='{"a":' + "[" * 19 + "]" * 19 + "}")["accepted"]
