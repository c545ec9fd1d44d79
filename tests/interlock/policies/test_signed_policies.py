"""Policies and candidates that a gateway signs: the router believes nobody else, and says whom it did not believe."""

from pathlib import Path
from typing import Any

import pytest

from interlock.operations.doctor import _signatures
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.policies import publishing, requests, signing, trials
from interlock.processors.events import Event
from interlock.processors.router.authority import PolicyAuthority
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.schemas.signed_commands import Signer
from interlock.services.router_runner import TABLES, signed_only
from interlock.streams.clock import ManualClock
from interlock.streams.tables import TableReader
from tests.interlock.policies.trial_world import HOUR, NOW, Owner, seen, text

KEY = bytes(range(32))
CONSOLE = Signer("console", KEY)
POLICIES, CANDIDATES = catalogue.POLICIES, catalogue.POLICY_CANDIDATES


class Watched:
    """A router beside an owner whose first version was signed; `alerts` is what it says."""

    def __init__(self, signers: dict[str, bytes] | None = None) -> None:
        self.owner = Owner(text())
        self.broker: Any = self.owner.broker
        self.alerts: list[Event] = []
        self.state = RouterState()
        authority = PolicyAuthority({"console": KEY} if signers is None else signers)
        self.take = signed_only(self.state, authority, self.alerts.extend, ManualClock())
        self.tables = TableReader(self.broker, TABLES)
        self.publish(text(0.91))

    def publish(self, source: str) -> None:
        requests.publish_source(self.broker, source, self.owner.version, "ann", "changed", signer=CONSOLE)

    def look(self) -> list[str]:
        """What is said about what has come since, as kinds of alerts."""
        before = len(self.alerts)
        for record in self.tables.poll():
            self.take(record)
        return [str((event.record or {})["kind"]) for event in self.alerts[before:]]

    @property
    def in_force(self) -> str:
        return self.state.policies["lending"].version if "lending" in self.state.policies else ""


def _everything_signed(watched: Watched) -> None:
    broker, version = watched.broker, watched.owner.version
    tried = trials.begin(broker, text(0.8), version, "ann", "fewer", NOW, signer=CONSOLE)["version"]
    trials.give_share(broker, "lending", tried, 0.2, "ben", NOW + HOUR, seen(10), signer=CONSOLE)
    assert watched.look() == []
    assert watched.state.candidates["lending"].share == 0.2
    trials.promote(broker, "lending", tried, "ben", "", NOW + HOUR, seen(10), signer=CONSOLE)
    assert watched.look() == []
    assert (watched.in_force, watched.state.candidates) == (tried, {})
    other = trials.begin(broker, text(0.7), tried, "ann", "fewer", NOW, signer=CONSOLE)["version"]
    trials.withdraw(broker, "lending", other, "ben", "too many", NOW + HOUR, signer=CONSOLE)
    asked = requests.request_policy(broker, text(0.6), tried, "ann", "less", NOW)
    signing.accept(broker, asked, "ben", "", NOW, signer=CONSOLE)
    assert watched.look() == []
    assert (watched.in_force, watched.state.candidates) == (watched.owner.version, {})


def test_every_command_of_a_trial_is_signed_and_then_takes_effect() -> None:
    watched = Watched()
    assert watched.look() == ["policy_not_signed"], "the first version was published without a key"
    _everything_signed(watched)


def test_without_signers_everything_takes_effect_as_ever() -> None:
    watched = Watched({})
    trials.begin(watched.broker, text(0.8), watched.owner.version, "ann", "fewer", NOW)
    assert watched.look() == []
    assert (watched.in_force, set(watched.state.candidates)) == (watched.owner.version, {"lending"})


@pytest.mark.parametrize("signer", [None, Signer("console", bytes(32)), Signer("nobody", KEY)], ids=str)
def test_who_has_not_the_key_neither_tries_nor_promotes_nor_withdraws_and_people_are_told(
    signer: Signer | None,
) -> None:
    watched = Watched()
    version = watched.owner.version
    tried = trials.begin(watched.broker, text(0.8), version, "ann", "fewer", NOW, signer=CONSOLE)["version"]
    watched.look()
    trials.give_share(watched.broker, "lending", tried, 0.5, "eve", NOW + HOUR, seen(10), signer=signer)
    assert watched.look() == ["policy_not_signed"]
    assert watched.state.candidates["lending"].share == 0
    trials.withdraw(watched.broker, "lending", tried, "eve", "none of your business", NOW + HOUR, signer=signer)
    assert watched.look() == ["policy_not_signed"] * 2, "the last record, and its tombstone"
    assert set(watched.state.candidates) == {"lending"}
    requests.publish_source(watched.broker, text(0.5), version, "eve", "", signer=signer)
    assert watched.look() == ["policy_not_signed"]
    assert watched.in_force == version
    (*_, last) = watched.alerts
    assert last.record is not None
    assert wire.encode("Alert", last.record)
    assert (last.record["severity"], last.record["to"]) == ("critical", [])
    assert "about policy lending" in last.record["message"]


def _written(watched: Watched, topic: catalogue.Topic) -> Any:
    return TableReader(watched.broker, [topic.name]).read_all()[-1]


def test_a_signature_holds_for_its_record_and_place_alone() -> None:
    watched = Watched()
    watched.look()
    record, version = _written(watched, POLICIES), watched.in_force
    changed = record.value().replace(b"ann", b"eve")
    assert changed != record.value()
    publishing.send(watched.broker, POLICIES, "lending", changed, record.headers())
    publishing.send(watched.broker, POLICIES, "landing", record.value(), record.headers())
    publishing.send(watched.broker, CANDIDATES, "lending", record.value(), record.headers())
    assert watched.look() == ["policy_not_signed"] * 3
    assert (watched.in_force, set(watched.state.policies), watched.state.candidates) == (version, {"lending"}, {})


def test_a_recorded_version_that_is_sent_again_does_not_come_back_into_force(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    watched.look()
    old = _written(watched, POLICIES)
    later = publishing.now() + 2 * HOUR
    monkeypatch.setattr(publishing, "now", lambda: later)
    watched.publish(text(0.99))
    watched.look()
    version = watched.in_force
    publishing.send(watched.broker, POLICIES, "lending", old.value(), old.headers())
    assert watched.look() == ["policy_not_signed"]
    assert watched.in_force == version
    assert "sent a recorded one again" in (watched.alerts[-1].record or {})["message"]


def test_the_doctor_says_that_nothing_is_signed_and_what_routers_with_signers_would_leave_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(text())
    monkeypatch.setattr(Platform, "serving_kafka", lambda _: owner.broker)

    def finding() -> tuple[str, str]:
        found = _signatures(Platform(Settings(data_dir=tmp_path)))
        return found.state, found.finding

    state, told = finding()
    assert (state, "nothing signs them" in told) == ("ok", True)
    monkeypatch.setenv("INTERLOCK_SIGNING__KEY", "5f" * 16 + "9f86d081884c7d659a2feaa0c55ad015")
    state, told = finding()
    assert (state, told.startswith("lending: in force or tried, and not signed")) == ("warning", True)
    requests.publish_source(owner.broker, text(0.8), owner.version, "ann", "", signer=CONSOLE)
    assert finding() == ("ok", "this process signs policies as console")
