"""Alerts to people, over a channel of apprise that ends at a server on this machine."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.executors import MemorySeen
from interlock.executors.digests import Digests, Note, joined
from interlock.executors.notify import STALE_SECONDS, Notifier, send
from interlock.schemas import catalogue
from interlock.streams.clock import ManualClock
from interlock.streams.dispatch.deliveries import PermanentError
from interlock.streams.memory import InlineExecutor, MemoryBroker
from tests.interlock.executors.executor_world import Receiver, memory, put, receiving

# apprise loads every plugin at its first use, and one of them a module that Python 3.13 no longer has.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


class World:
    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.clock = ManualClock()
        self.broker: MemoryBroker = memory(self.clock)
        self.seen = MemorySeen()

    def url(self, name: str) -> str:
        return f"json://{self.receiver.address}/{name}"

    def reviewer(self, name: str, contact: str | None, **fields: Any) -> None:
        record = {"id": name, "name": name, "contact": contact, **fields} if contact is not None else None
        put(self.broker, catalogue.REVIEWERS, name, record)

    def alert(self, alert_id: str, *to: str, **fields: Any) -> None:
        record = {
            "alert_id": alert_id,
            "kind": "sla_breach",
            "severity": "warning",
            "to": list(to),
            "task_id": "t",
            "queue": "q",
            "message": "late",
            "at": datetime.fromtimestamp(self.clock.now() / 1e6, UTC),
            **fields,
        }
        put(self.broker, catalogue.ALERTS, alert_id, record)

    def notifier(self, window_seconds: float = 0.0, **options: Any) -> Notifier:
        """By default each alert goes by itself."""
        return Notifier(
            self.broker.process(),
            "notifier",
            [self.url("operators")],
            seen=self.seen,
            clock=self.clock,
            pool=InlineExecutor(),
            digests=Digests(window_seconds),
            **options,
        )

    def settle(self, notifier: Notifier, seconds: float = 0.0) -> None:
        for _ in range(12):
            notifier.step()
            self.clock.advance(seconds / 12)

    def told(self) -> list[tuple[str, str]]:
        """Channel and text of what came."""
        bodies = [json.loads(body) for _, body in self.receiver.received]
        return [(path, body["message"]) for path, body in zip(self.receiver.paths, bodies, strict=True)]


@pytest.fixture
def world(receiver: Receiver) -> World:
    return World(receiver)


def test_an_alert_reaches_those_it_names_and_says_what_it_is_about(world: World) -> None:
    world.reviewer("ada", world.url("ada"))
    world.reviewer("bob", world.url("bob"))
    world.reviewer("eve", world.url("eve"))
    world.alert("1", "ada", "bob")
    world.settle(world.notifier())
    assert sorted(world.told()) == [("/ada", "late"), ("/bob", "late")]
    assert json.loads(world.receiver.received[0][1])["title"] == "warning: sla breach (q · t)"


def test_an_alert_to_nobody_reaches_the_operators(world: World) -> None:
    world.alert("1", message="unreadable")
    world.settle(world.notifier())
    assert world.told() == [("/operators", "unreadable")]


@pytest.mark.parametrize(
    ("severity", "told"), [("info", []), ("warning", ["/operators"]), ("critical", ["/operators"])]
)
def test_what_reaches_none_of_those_it_names_reaches_the_operators_unless_it_is_mere_information(
    world: World, severity: str, told: list[str]
) -> None:
    world.reviewer("ada", "")
    world.alert("1", "ada", severity=severity)
    world.settle(world.notifier())
    assert [channel for channel, _ in world.told()] == told


def test_an_alert_is_told_once_however_often_it_is_read_and_once_to_a_channel_that_two_share(world: World) -> None:
    world.reviewer("ada", world.url("team"))
    world.reviewer("bob", world.url("team"))
    world.alert("1", "ada", "bob")
    world.alert("1", "ada", "bob")
    world.settle(world.notifier())
    assert world.told() == [("/team", "late")]


def test_a_contact_that_changes_or_goes_counts_at_once(world: World) -> None:
    world.reviewer("ada", world.url("old"))
    notifier = world.notifier()
    world.reviewer("ada", world.url("new"))
    world.alert("1", "ada")
    world.settle(notifier)
    world.reviewer("ada", None)
    world.alert("2", "ada")
    world.settle(notifier)
    assert [channel for channel, _ in world.told()] == ["/new", "/operators"]


def test_a_contact_of_a_kind_that_is_not_allowed_is_never_opened_and_operators_are_told_instead(world: World) -> None:
    world.reviewer("ada", world.url("ada"))
    world.alert("1", "ada")
    world.settle(world.notifier(contact_schemes=["mailto"]))
    assert world.told() == [("/operators", "late")]


def test_a_reviewer_that_cannot_be_used_leaves_the_contact_before_in_force(world: World) -> None:
    world.reviewer("ada", world.url("ada"))
    notifier = world.notifier()
    put(world.broker, catalogue.REVIEWERS, "ada", {"id": "eve", "name": "eve", "contact": world.url("eve")})
    world.alert("1", "ada")
    world.settle(notifier)
    assert [channel for channel, _ in world.told()] == ["/ada"]


def test_a_failing_channel_is_tried_again_by_itself_and_the_others_are_told_once(world: World) -> None:
    world.reviewer("ada", world.url("ada"))
    world.reviewer("bob", world.url("bob"))
    world.receiver.failing = {"/ada": 2}
    world.alert("1", "ada", "bob")
    world.alert("2", "bob")
    notifier = world.notifier()
    world.settle(notifier)
    assert [channel for channel, _ in world.told()] == ["/ada", "/bob", "/bob"]
    world.settle(notifier, seconds=30)
    assert [channel for channel, _ in world.told()] == ["/ada", "/bob", "/bob", "/ada", "/ada"]
    world.settle(notifier, seconds=600)
    assert len(world.told()) == 5


def test_a_channel_that_never_works_is_given_up_and_logged_without_its_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "interlock")
    world.reviewer("ada", "json://user:hidden-password@127.0.0.1:1/")
    world.alert("1", "ada")
    notifier = world.notifier()
    for _ in range(20):
        world.settle(notifier, seconds=60)
    notifier.close()
    assert any("is given up" in line and "ada" in line for line in caplog.messages)
    assert "hidden-password" not in caplog.text
    assert world.told() == []
    second = world.notifier()
    world.settle(second, seconds=60)
    assert sum("is given up" in line for line in caplog.messages) == 1


def test_stale_alerts_are_not_sent_any_more(world: World) -> None:
    world.alert("1")
    world.clock.advance(STALE_SECONDS + 1)
    world.alert("2")
    world.settle(world.notifier())
    assert len(world.told()) == 1


def test_a_contact_that_is_no_url_is_refused_by_name() -> None:
    with pytest.raises(PermanentError, match="the contact of ada is not"):
        send(Note("nonsense", "ada", "info", "t", "b"))


# Digests. The clock begins on Thursday, 2026-01-01, at midnight.

OFFICE = [{"day": day, "start": 9 * 60, "end": 17 * 60} for day in range(5)]


def pass_time(world: World, notifier: Notifier, hours: float) -> None:
    for _ in range(4):
        world.settle(notifier, seconds=hours * 3600 / 4)


def titles(world: World) -> list[tuple[str, str]]:
    bodies = [json.loads(body) for _, body in world.receiver.received]
    return [(path, body["title"]) for path, body in zip(world.receiver.paths, bodies, strict=True)]


def test_what_comes_within_five_minutes_goes_in_one_message_to_each_channel(world: World) -> None:
    world.reviewer("ada", world.url("ada"))
    world.reviewer("bob", world.url("bob"))
    notifier = world.notifier(window_seconds=300)
    world.alert("1", "ada", "bob", message="first")
    world.settle(notifier, seconds=200)
    world.alert("2", "ada", message="second")
    world.settle(notifier, seconds=90)
    assert world.told() == []
    world.settle(notifier, seconds=30)
    assert sorted(titles(world)) == [("/ada", "2 alerts, up to warning"), ("/bob", "warning: sla breach (q · t)")]
    text = dict(world.told())["/ada"]
    assert text == "warning: sla breach (q · t)\nfirst\n\nwarning: sla breach (q · t)\nsecond"
    world.settle(notifier, seconds=3600)
    assert len(world.told()) == 2


def test_fifty_breaches_overnight_are_one_message_when_work_begins_and_a_critical_one_is_told_at_once(
    world: World,
) -> None:
    world.reviewer("ada", world.url("ada"), hours=OFFICE)
    notifier = world.notifier(window_seconds=300)
    for number in range(50):
        world.alert(f"b{number}", "ada", message=f"late {number}")
    world.alert("urgent", "ada", severity="critical", message="now")
    pass_time(world, notifier, 8.9)
    assert world.told() == [("/ada", "now")]
    pass_time(world, notifier, 0.2)
    assert titles(world)[1:] == [("/ada", "50 alerts, up to warning")]


@pytest.mark.parametrize("kind", ["assigned_sync", "nobody_on_duty", "lease_expiring"])
def test_what_would_be_over_by_the_morning_is_told_at_once(world: World, kind: str) -> None:
    world.reviewer("ada", world.url("ada"), hours=OFFICE)
    world.alert("1", "ada", severity="info", kind=kind)
    world.settle(world.notifier(window_seconds=300))
    assert len(world.told()) == 1


def test_quiet_hours_end_with_a_weekend_but_not_with_a_long_holiday(world: World) -> None:
    world.clock.advance(2 * 86_400)  # Saturday
    month = world.clock.now() + 30 * 86_400 * 1_000_000
    off = [
        {"start": datetime.fromtimestamp(world.clock.now() / 1e6, UTC), "end": datetime.fromtimestamp(month / 1e6, UTC)}
    ]
    world.reviewer("ada", world.url("ada"), hours=OFFICE)
    world.reviewer("bob", world.url("bob"), time_off=off)
    notifier = world.notifier(window_seconds=300)
    world.alert("1", "ada", "bob")
    pass_time(world, notifier, 56)
    assert world.told() == []
    pass_time(world, notifier, 2)
    assert [channel for channel, _ in world.told()] == ["/ada"]
    pass_time(world, notifier, 40)
    assert [channel for channel, _ in world.told()] == ["/ada", "/bob"]


def test_what_is_held_back_survives_a_restart_and_what_was_sent_is_not_sent_again(world: World) -> None:
    world.reviewer("ada", world.url("ada"), hours=OFFICE)
    world.reviewer("bob", world.url("bob"))
    notifier = world.notifier(window_seconds=300)
    world.alert("1", "ada", "bob", message="first")
    world.alert("2", "ada", message="second")
    pass_time(world, notifier, 1)
    assert [channel for channel, _ in world.told()] == ["/bob"]
    notifier.close()
    second = world.notifier(window_seconds=300)
    pass_time(world, second, 8.2)
    assert [channel for channel, _ in world.told()] == ["/bob", "/ada"]
    assert titles(world)[1] == ("/ada", "2 alerts, up to warning")
    second.close()
    third = world.notifier(window_seconds=300)
    pass_time(world, third, 1)
    assert len(world.told()) == 2


def test_a_digest_whose_channel_fails_is_tried_again_whole_with_what_came_meanwhile(world: World) -> None:
    world.reviewer("ada", world.url("ada"))
    world.receiver.failing = {"/ada": 1}
    notifier = world.notifier(window_seconds=300)
    world.alert("1", "ada", message="first")
    world.alert("2", "ada", message="second")
    world.settle(notifier, seconds=330)
    world.settle(notifier, seconds=60)
    assert [title for _, title in titles(world)] == ["2 alerts, up to warning"] * 2


def test_a_digest_that_can_never_be_sent_is_given_up_as_a_whole(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "interlock")
    world.reviewer("ada", "nonsense")
    notifier = world.notifier(window_seconds=300)
    world.alert("1", "ada")
    world.alert("2", "ada")
    world.settle(notifier, seconds=400)
    assert sum("is given up" in line for line in caplog.messages) == 2


def test_a_digest_says_the_most_severe_first_and_counts_what_is_too_much_to_list() -> None:
    notes = [Note("u", "ada", "info", f"t{number}", "m") for number in range(60)]
    digest = joined([*notes, Note("u", "ada", "warning", "worst", "m")])
    assert digest.title == "61 alerts, up to warning"
    assert digest.body.startswith("worst\nm\n\nt0\nm")
    assert "… and 11 more" in digest.body
