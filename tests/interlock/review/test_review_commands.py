"""The reviewers' commands against a running desk, as they would be typed."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from interlock.cli import checklist, queues, review_options
from interlock.cli.app import app
from interlock.errors import InterlockError
from interlock.platform import connection
from interlock.policies.publishing import send
from interlock.review.desk_client import DeskClient
from interlock.schemas import catalogue, wire
from interlock.schemas.times import moment
from interlock.streams.clock import SystemClock
from tests.interlock.review.review_world import World, decision


class Terminal:
    """Types commands; says what they print."""

    def __init__(self, world: World) -> None:
        self.world = world

    def type(self, *words: str) -> str:
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def json(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json").splitlines()[-1])

    def refused(self, *words: str) -> str:
        with pytest.raises(InterlockError) as raised:
            CliRunner().invoke(app, words, catch_exceptions=False)
        return str(raised.value)


@pytest.fixture
def terminal(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(connection.Platform, "serving_kafka", lambda _: world.broker)
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("INTERLOCK_REVIEWER", raising=False)
    return Terminal(world)


@pytest.fixture
def ann(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Ann, a lead on duty, at her terminal."""
    terminal.type("reviewers", "add", "ann", "--name", "Ann Lee", "--lead")
    terminal.type("reviewers", "on-duty", "ann")
    monkeypatch.setenv("INTERLOCK_REVIEWER", "ann")
    return terminal


def test_a_task_is_claimed_shown_and_approved(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.world.arrive(decision("d-2"))
    shown = ann.json("review", "next")
    assert (shown["task_id"], shown["lease_holder"]) == ("d-1", "ann")
    assert "1 more wait in underwriting" in shown["why_first"]
    reply = ann.json("review", "approve", "d-1", "-m", "nothing against it", "--next")
    assert (reply["code"], reply["next"]["task_id"]) == ("ok", "d-2")
    assert (
        ann.json("review", "reject", "d-2", "-r", "income", "-m", "pays", "--outcome", "approve", "--next")["next"]
        is None
    )
    assert ann.json("review", "list") == []


def test_the_screen_shows_the_case_and_its_time(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    shown = ann.type("review", "next")
    for words in ("d-1", "Large loans are signed by a person", "reject with confidence 0.62", "due in 23 h", "term"):
        assert words in shown


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    console = Console(width=80, color_system=None)
    for module in (queues, checklist, review_options):
        monkeypatch.setattr(module, "console", console)


@pytest.mark.usefixtures("narrow")
def test_on_80_columns_nothing_is_cut_off(ann: Terminal) -> None:
    for number in range(3):
        ann.world.arrive(decision(f"d-{number}"))
    task = ann.type("review", "next")
    for words in ("medium, due in 23 h", "queue underwriting", "ann holds it for another", "until "):
        assert words in task
    queue = ann.type("queues")
    for words in ("waiting  assigned  leased  snoozed  overdue  due soon  oldest", "3 medium"):
        assert words in queue
    answers = ann.type("checklist")
    assert "What to do: send input, explanation and alternatives with every decision" in answers
    for printed in (task, queue, answers):
        assert "…" not in printed
        assert max(map(cell_len, printed.splitlines())) <= 80


def test_what_producers_write_is_shown_as_it_is_and_not_as_markup(ann: Terminal) -> None:
    odd = "[/bold] 100 % [red]safe"
    alternatives = [{"option": "approve", "confidence": 0.25, "pros": [odd], "cons": [odd]}]
    ann.world.arrive(decision("d[/x]", alternatives=alternatives, subject_id=odd))
    assert "d[/x]" in ann.type("review", "list")
    shown = ann.type("review", "next")
    assert shown.count(odd) == 3


def test_a_verdict_without_a_look_is_refused(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    refusal = ann.refused("review", "approve", "d-1", "-m", "sure")
    assert "look at it first, `interlock review show d-1`" in refusal


def test_who_has_judged_a_task_is_told_so_and_not_to_look_at_it(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.type("review", "next")
    ann.type("review", "approve", "d-1", "-m", "sure")
    assert "ann has judged d-1 already: reject at 2" in ann.refused("review", "approve", "d-1", "-m", "sure")


def test_a_task_that_two_must_sign_says_so_before_and_after_the_first_signature(ann: Terminal) -> None:
    ann.type("reviewers", "add", "bob")
    ann.type("reviewers", "on-duty", "bob")
    ann.world.arrive(decision("d-1", amount=90_000.0), reasons=["very-large"])
    assert "2 people must agree before a verdict holds; 0 of 2 have judged it" in ann.type("review", "next")
    assert "somebody else must agree" in ann.type("review", "approve", "d-1", "-m", "sure")
    assert "somebody else must judge it too" in ann.refused("review", "approve", "d-1", "-m", "sure")
    assert "1 of 2 have judged it" in ann.type("review", "next", "--as", "bob")
    ann.world.arrive(decision("d-2"))
    assert "people must agree" not in ann.type("review", "show", "d-2")


@pytest.fixture
def tokyo() -> Iterator[None]:
    """A machine in Japan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_the_end_of_a_lease_is_told_by_the_clock_on_the_wall_and_in_utc_to_programs(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    assert "JST" in ann.type("review", "next")
    assert "JST" in ann.type("review", "extend", "d-1")
    assert ann.json("review", "extend", "d-1")["lease_until"].endswith("+00:00")


def test_a_task_that_was_pushed_or_given_does_not_claim_to_come_by_deadline(ann: Terminal) -> None:
    for name in ("d-1", "d-2"):
        ann.world.arrive(decision(name))
    ann.world.arrive(decision("d-3"), "sync")
    assert "assigned, start in " in ann.type("review", "list", "--mine")
    (assigned,) = ann.json("review", "list", "--mine")
    assert 0 < assigned["start_seconds"] <= 60
    pushed = ann.json("review", "next")
    assert pushed["task_id"] == "d-3"
    given = "pushed to you because its caller waits and you were the least loaded of those who may judge it; due in "
    assert pushed["why_first"].startswith(given)
    ann.type("reviewers", "add", "bob")
    ann.type("reviewers", "on-duty", "bob")
    ann.type("review", "reassign", "d-2", "bob")
    given = ann.json("review", "next", "--as", "bob")
    assert (given["task_id"], given["why_first"].partition(";")[0]) == ("d-2", "ann gave it to you")
    assert "goes by deadline" in ann.json("review", "next")["why_first"]


def test_looking_is_not_holding(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.type("review", "show", "d-1")
    assert "`interlock review next --task d-1`" in ann.refused("review", "approve", "d-1", "-m", "sure")


def test_a_verdict_is_about_the_lease_under_which_the_task_was_shown(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.json("review", "next")
    # Meanwhile, at another terminal, she gives it back and takes it again.
    with DeskClient(ann.world.broker, "ann") as elsewhere:
        elsewhere.release("d-1", 1)
        elsewhere.claim("d-1")
    assert "[wrong-epoch]" in ann.refused("review", "approve", "d-1", "-m", "sure")
    ann.type("review", "show", "d-1")
    assert ann.json("review", "approve", "d-1", "-m", "sure")["accepted"]


def test_a_repeated_verdict_is_known_by_its_command_id(ann: Terminal, tmp_path: Path) -> None:
    ann.world.arrive(decision("d-1"))
    ann.json("review", "next")
    (remembered,) = (tmp_path / "view-receipts").iterdir()
    content = remembered.read_text()
    first = ann.json("review", "approve", "d-1", "-m", "sure", "--command-id", "c-1")
    assert not remembered.exists()
    remembered.write_text(content)  # as if the first answer had not arrived
    assert ann.json("review", "approve", "d-1", "-m", "sure", "--command-id", "c-1") == first


def test_a_blind_task_shows_no_answer_anywhere(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"), "auto", "reviews.async", audit=True)
    listed = json.dumps(ann.json("review", "list"))
    shown = json.dumps(ann.json("review", "next", "--reveal"))
    screen = ann.type("review", "show", "d-1", "--reveal")
    assert "withheld" in screen
    for told in (listed, shown, screen):
        assert not any(word in told for word in ("0.75", "0.62", "arrears", "audit", "adverse_action", "c-1"))
    assert ann.json("review", "choose", "d-1", "approve", "-r", "other", "-m", "pays")["accepted"]


def test_a_manual_case_is_revealed_on_request(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"), "manual")
    assert ann.json("review", "next")["ai"] is None
    assert ann.json("review", "show", "d-1", "--reveal")["ai"]["prediction"] == "reject"


def test_a_task_is_extended_modified_and_overridden(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.json("review", "next")
    assert ann.json("review", "extend", "d-1")["lease_until"]
    changes = ("--change", "amount=8000", "--change", "note=as agreed")
    assert ann.json("review", "modify", "d-1", *changes, "-r", "income", "-m", "less")["accepted"]
    refusal = ann.refused("review", "override", "d-1", "approve", "-r", "history", "-m", "mended")
    assert "ann has judged d-1 already: reject at" in refusal
    assert "look at it first" in refusal
    ann.type("review", "show", "d-1")
    assert ann.json("review", "override", "d-1", "approve", "-r", "history", "-m", "mended")["accepted"]
    assert ann.json("review", "gold", "d-1", "approve")["accepted"]
    assert ann.json("review", "appeal", "d-1", "-m", "not mine")["accepted"]


def test_a_task_is_put_aside_handed_on_and_given_back(ann: Terminal) -> None:
    ann.type("reviewers", "add", "bob")
    ann.type("reviewers", "on-duty", "bob")
    for name in ("d-1", "d-2", "d-3", "d-4"):
        ann.world.arrive(decision(name))
    for _ in range(3):
        ann.json("review", "next")
    assert "say how long" in ann.refused("review", "snooze", "d-1", "-m", "waiting")
    assert "comes back" in ann.json("review", "snooze", "d-1", "--for", "2h", "-m", "waiting")["message"]
    assert ann.json("review", "escalate", "d-2", "-m", "forged?")["accepted"]
    assert "leads only" in ann.type("review", "list")
    assert "leads only" in ann.type("review", "show", "d-2")
    given_back = ann.json("review", "de-escalate", "d-2", "-m", "genuine")
    assert given_back["message"] == "d-2 is back with its team"
    assert ann.json("review", "release", "d-3", "-r", "other", "-m", "knows him")["accepted"]
    assert ann.json("review", "reassign", "d-4", "bob")["accepted"]
    assert [task["task_id"] for task in ann.json("review", "list", "--mine", "--as", "bob")] == ["d-4"]


def test_what_a_halted_model_did_by_itself_is_listed_and_sent_to_people(ann: Terminal) -> None:
    hour = 3_600_000_000
    for name, left in (("d-1", 2 * hour), ("d-2", hour)):
        until = SystemClock().now() + left
        ann.world.arrive(decision(name), "auto", "reviews.async", audit=True, override_until=until)
    ann.world.arrive(decision("other", model_id="n"), "auto", "reviews.async", audit=True, override_until=until)
    ann.world.arrive(decision("waits"))
    assert ann.json("review", "recall", "model:m") == {"decisions": ["d-2", "d-1"], "recalled": 0}
    assert "say why" in ann.refused("review", "recall", "model:m", "--yes")
    recalled = ann.json("review", "recall", "model:m", "-m", "it drifts", "--yes")
    assert recalled == {"decisions": ["d-2", "d-1"], "recalled": 2, "codes": {"ok": 2}}
    shown = ann.type("review", "show", "d-1")
    assert "it drifts" in shown
    assert "It took effect without a person and was recalled" in shown
    assert ann.json("review", "recall", "model:m")["decisions"] == []
    assert "1 decision;" in ann.type("review", "recall", "all")


def test_who_says_no_name_is_asked_for_one(terminal: Terminal) -> None:
    assert "--as ID" in terminal.refused("review", "next")
    assert "--as ID" in terminal.refused("review", "list", "--mine")


def test_an_unknown_task_is_named(ann: Terminal) -> None:
    assert "no task 'd-9'" in ann.refused("review", "show", "d-9")


def test_a_change_must_name_a_field(ann: Terminal) -> None:
    refusal = ann.refused("review", "modify", "d-1", "--change", "8000", "-r", "income", "-m", "less")
    assert "write FIELD=VALUE" in refusal


def test_queues_show_what_waits_and_what_is_held(ann: Terminal) -> None:
    assert ann.json("queues") == []
    for name in ("d-1", "d-2", "d-3"):
        ann.world.arrive(decision(name))
    ann.json("review", "next")
    (queue,) = ann.json("queues")
    assert (queue["queue"], queue["open"], queue["waiting"], queue["leased"]) == ("underwriting", 3, 2, 1)
    assert queue["by_priority"] == {"medium": 3}
    assert "3 medium" in ann.type("queues")


ROSTER = "reviewers:\n  - {id: ann, role: lead, capacity: 2}\n  - {id: bob, manager: ann, queues: [underwriting]}\n"


def test_what_nobody_may_decide_is_listed_until_somebody_may(terminal: Terminal) -> None:
    terminal.world.arrive(decision("d-1"))
    (stuck,) = terminal.json("review", "list", "--stuck")
    assert (stuck["task_id"], stuck["stuck"]) == ("d-1", True)
    terminal.type("reviewers", "add", "ann")
    terminal.type("reviewers", "on-duty", "ann")
    assert terminal.json("review", "list", "--stuck") == []
    assert len(terminal.json("review", "list")) == 1


def test_a_roster_is_set_listed_and_pruned(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("reviewers", "add", "old")
    file = tmp_path / "roster.yaml"
    file.write_text(ROSTER)
    assert terminal.json("reviewers", "set", str(file)) == {"entered": ["ann", "bob"], "removed": []}
    assert terminal.json("reviewers", "set", str(file), "--prune")["removed"] == ["old"]
    ann, bob = terminal.json("reviewers", "list")
    assert (ann["role"], ann["capacity"], ann["on_duty"]) == ("lead", 2, False)
    assert (bob["manager"], bob["queues"]) == ("ann", ["underwriting"])
    terminal.type("reviewers", "on-duty", "bob")
    assert terminal.json("reviewers", "list")[1]["on_duty"]
    terminal.type("reviewers", "off-duty", "bob")
    assert not terminal.json("reviewers", "list")[1]["on_duty"]
    terminal.type("reviewers", "remove", "bob")
    assert [reviewer["id"] for reviewer in terminal.json("reviewers", "list")] == ["ann"]
    assert "no reviewer 'bob'" in terminal.refused("reviewers", "remove", "bob")


def test_a_wrong_roster_changes_nothing_and_needs_no_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path))
    file = tmp_path / "roster.yaml"
    file.write_text("reviewers:\n  - {id: ann, capacity: none}\n")
    with pytest.raises(InterlockError, match=r"roster\.yaml:2: reviewers\.0\.capacity"):
        CliRunner().invoke(app, ["reviewers", "set", str(file)], catch_exceptions=False)


def test_a_person_who_is_not_entered_is_told_how_to_be(terminal: Terminal) -> None:
    refusal = terminal.refused("reviewers", "on-duty", "zoe")
    assert "[unknown-reviewer]" in refusal
    assert "`interlock reviewers add zoe`" in refusal


def test_who_goes_on_duty_is_told_how_long_a_pushed_task_may_wait(terminal: Terminal) -> None:
    terminal.type("reviewers", "add", "zoe")
    assert "60 s to start a task pushed to you" in terminal.type("reviewers", "on-duty", "zoe").replace("\n", " ")


def test_who_gets_no_pushed_tasks_is_listed_with_the_reason_and_what_ends_it(terminal: Terminal) -> None:
    terminal.type("reviewers", "add", "bob")
    since, reason = moment(1_780_000_000_000_000), "d-1 was to be started by 20:26 UTC and nothing was"
    record = {"reviewer": "bob", "on_duty": True, "since": since, "paused_since": since, "pause_reason": reason}
    send(terminal.world.broker, catalogue.PRESENCE, "bob", wire.encode("Presence", record))
    assert f"Nothing is pushed to bob: {reason}" in terminal.type("reviewers", "list")
    assert "interlock reviewers on-duty bob" in terminal.type("reviewers", "list")
    (row,) = terminal.json("reviewers", "list")
    assert (row["paused_since"], row["pause_reason"]) == (since.isoformat(), reason)


def test_a_person_entered_again_keeps_the_name_unless_another_is_given(terminal: Terminal) -> None:
    terminal.type("reviewers", "add", "bob", "--name", "Bob Ray")
    terminal.type("reviewers", "add", "bob", "--capacity", "3")
    (bob,) = terminal.json("reviewers", "list")
    assert (bob["name"], bob["capacity"]) == ("Bob Ray", 3)
    terminal.type("reviewers", "add", "bob", "--name", "Robert")
    assert terminal.json("reviewers", "list")[0]["name"] == "Robert"


def test_the_checklist_answers_eight_questions_also_without_clickhouse(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.json("review", "next")
    ann.json("review", "approve", "d-1", "-m", "sure")
    found = ann.json("checklist")
    assert len(found) == 8
    by_question = {answer["question"]: answer for answer in found}
    feedback = by_question["Do corrections flow back into the models?"]
    assert feedback["verdict"] == "partly"
    tracked = by_question["Are review rate, approval rate and service level compliance tracked?"]
    assert (tracked["verdict"], "no ClickHouse to talk to" in tracked["evidence"]) == ("no", True)
    assert "Is there a path for urgent reviews?" in ann.type("checklist")


def test_simulated_reviewers_work_until_told_to_stop(ann: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.cli.simulate._stop_on_signals", lambda _: None)
    for number in range(12):
        ann.world.arrive(decision(f"d-{number}"))
    words = ("simulate-reviewers", "--reviewers", "3", "--speedup", "1000000")
    found = ann.json(*words, "--decisions", "5")
    assert found["decided"] == 5
    assert [person["reviewer"] for person in found["reviewers"]] == ["sim-01", "sim-02", "sim-03"]
    assert ann.json(*words, "--until-idle", "0.5")["decided"] == 7
    assert "0 decided" in ann.type(*words, "--seconds", "0.1")
