"""A trial that nobody promotes or withdraws: people are told once, and once more when it has ended."""

from typing import Any

import pytest

from interlock.operations.doctor import _policies
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.policies import trials
from interlock.services.forgotten_trials import ForgottenTrials, told_before
from tests.interlock.policies.trial_world import HOUR, NOW, Owner, seen, text

DAY = 24 * HOUR


def _kinds(watch: ForgottenTrials, now: int) -> list[Any]:
    return [(event.record or {})["kind"] for event in watch.step(now)]


def test_a_trial_without_a_command_for_so_many_days_is_told_of_once_and_again_when_it_has_ended() -> None:
    owner = Owner(text())
    version = owner.begin(text(0.8))["version"]
    watch = ForgottenTrials(owner.broker, 14, told_before(owner.broker))
    assert _kinds(watch, NOW + 14 * DAY) == []
    (event,) = watch.step(NOW + 15 * DAY)
    message = (event.record or {})["message"]
    assert message.startswith(f"Version {version} of policy lending, tried by ann, runs in shadow since 2026-01-01")
    assert _kinds(watch, NOW + 16 * DAY) == []
    again = ForgottenTrials(owner.broker, 14, told_before(owner.broker))
    assert _kinds(again, NOW + 17 * DAY) == [], "it was told before the restart"
    trials.withdraw(owner.broker, "lending", version, "ben", "forgotten", NOW + 18 * DAY)
    assert _kinds(again, NOW + 18 * DAY) == ["trial_ended"]
    assert _kinds(again, NOW + 19 * DAY) == []
    later = ForgottenTrials(owner.broker, 14, told_before(owner.broker))
    assert _kinds(later, NOW + 20 * DAY) == []


def test_whoever_gives_it_a_share_begins_the_days_anew_and_a_promotion_ends_them() -> None:
    owner = Owner(text())
    owner.begin(text(0.8))
    watch = ForgottenTrials(owner.broker, 14, set())
    assert _kinds(watch, NOW + 15 * DAY) == ["trial_forgotten"]
    owner.share(0.1, seen(10), now=NOW + 15 * DAY)
    assert _kinds(watch, NOW + 16 * DAY) == ["trial_ended"]
    assert _kinds(watch, NOW + 30 * DAY) == ["trial_forgotten"]
    owner.promote(seen(10), now=NOW + 30 * DAY)
    assert _kinds(watch, NOW + 31 * DAY) == ["trial_ended"]


def test_the_doctor_warns_of_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(text())
    monkeypatch.setattr(Platform, "serving_kafka", lambda _: owner.broker)
    owner.begin(text(0.8))  # on the first day of 2026
    monkeypatch.setenv("INTERLOCK_WATCH__TRIAL_DAYS", "1")
    found = _policies(Platform(Settings(data_dir=tmp_path)))
    assert (found.state, "nobody has promoted or withdrawn that of lending" in found.finding) == ("warning", True)
    monkeypatch.setenv("INTERLOCK_WATCH__TRIAL_DAYS", "1000000")
    assert _policies(Platform(Settings(data_dir=tmp_path))).state == "ok"
