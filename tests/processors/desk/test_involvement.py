"""Where a pack asks for it, whoever decides has opened the evidence and declares what it wants to hear."""

from typing import Any

import pytest

from interlock.policy.load import parse
from interlock.policy.model import Pack, Policy
from interlock.policy.version import version
from tests.processors.desk.desk_world import POLICY, DeskWorld

SENTENCES = ("I can interpret the output", "I can change the decision")


def _demanding(sentences: tuple[str, ...] = SENTENCES, *, evidence: bool = True) -> Policy:
    pack = Pack(name="involved", attestations=sentences, evidence_opened=evidence)
    return parse(POLICY, "policy.yaml").model_copy(update={"packs": (pack,)})


def _publish(world: DeskWorld, policy: Policy) -> None:
    world.desk.state.set_policy(policy.name, policy, version(policy))
    world.wait(0)


@pytest.fixture
def world() -> DeskWorld:
    found = DeskWorld()
    _publish(found, _demanding())
    found.hire("ann", "bob")
    found.hire("lee", role="lead")
    return found


def _open(world: DeskWorld, lease: dict[str, Any], actor: str = "ann", **changed: Any) -> dict[str, Any]:
    given = {name: lease[name] for name in ("task_id", "epoch", "payload_hash")} | changed
    return world.command("open_evidence", actor, **given)


def test_a_verdict_before_the_evidence_was_opened_is_refused(world: DeskWorld) -> None:
    world.arrive()
    lease = world.claim("ann")
    refused = world.decide("ann", claimed=lease, attestations=SENTENCES)
    assert (refused["accepted"], refused["code"]) == (False, "evidence-not-opened")
    assert "interlock review evidence d1" in refused["message"]


def test_a_verdict_without_a_declaration_names_those_that_are_missing(world: DeskWorld) -> None:
    world.arrive()
    lease = world.claim("ann")
    _open(world, lease)
    refused = world.decide("ann", claimed=lease, attestations=SENTENCES[:1])
    assert (refused["accepted"], refused["code"]) == (False, "missing-attestation")
    assert SENTENCES[1] in refused["message"]
    assert SENTENCES[0] not in refused["message"]


def test_what_was_declared_and_when_the_evidence_was_opened_stands_in_the_outcome(world: DeskWorld) -> None:
    world.arrive()
    lease = world.claim("ann")
    _open(world, lease)
    opened = world.now
    world.wait(90_000_000)
    assert world.decide("ann", claimed=lease, attestations=[*SENTENCES, "and I like it"])["accepted"]
    outcome = world.last("reviews.outcomes")
    assert (outcome["attestations"], outcome["evidence_opened_at"]) == (list(SENTENCES), opened)


def test_the_evidence_is_opened_once_and_by_each_person(world: DeskWorld) -> None:
    world.arrive()
    lease = world.claim("ann")
    assert _open(world, lease)["accepted"]
    world.wait(60_000_000)
    assert "you have opened" in _open(world, lease)["message"]
    assert world.events("d1").count("evidence_opened") == 1
    world.command("release", "ann", task_id="d1", epoch=lease["epoch"])
    bobs = world.claim("bob")
    assert world.decide("bob", claimed=bobs, attestations=SENTENCES)["code"] == "evidence-not-opened"
    world.command("release", "bob", task_id="d1", epoch=bobs["epoch"])
    assert world.decide("ann", attestations=SENTENCES)["accepted"], "she has seen it already"


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"epoch": 7}, "wrong-epoch"), ({"payload_hash": "else"}, "stale-view"), ({"task_id": "d9"}, "unknown-task")],
)
def test_what_is_not_held_or_was_not_shown_is_not_opened(world: DeskWorld, changed: dict[str, Any], code: str) -> None:
    world.arrive()
    assert _open(world, world.claim("ann"), **changed)["code"] == code


def test_who_overrides_must_be_involved_too(world: DeskWorld) -> None:
    world.arrive()
    lease = world.claim("ann")
    _open(world, lease)
    world.decide("ann", claimed=lease, attestations=SENTENCES)
    said = {"task_id": "d1", "payload_hash": lease["payload_hash"], "verdict": "choose", "outcome": "reject"}
    said |= {"reason_code": "other", "reason_text": "because", "attestations": SENTENCES}
    assert world.command("override", "lee", **said)["code"] == "evidence-not-opened"
    assert _open(world, lease, "lee", epoch=0)["accepted"], "what is decided is held by nobody"
    assert world.command("override", "lee", **said | {"attestations": ()})["code"] == "missing-attestation"
    assert world.command("override", "lee", **said)["accepted"]


def test_a_later_policy_takes_no_declaration_away_and_may_add_one(world: DeskWorld) -> None:
    world.arrive("d1", quorum=1, attestations=SENTENCES[:1], evidence_opened=True)
    _publish(world, _demanding(SENTENCES[1:], evidence=False))
    assert "duties_kept" in world.events("d1")
    lease = world.claim("ann")
    assert world.decide("ann", claimed=lease, attestations=SENTENCES)["code"] == "evidence-not-opened"
    _open(world, lease)
    assert world.decide("ann", claimed=lease, attestations=SENTENCES[:1])["code"] == "missing-attestation"
    assert world.decide("ann", claimed=lease, attestations=SENTENCES)["accepted"]


def test_a_gold_item_asks_for_the_same_as_the_case_it_copies(world: DeskWorld) -> None:
    world.arrive("d1", quorum=1, attestations=SENTENCES, evidence_opened=True)
    lease = world.claim("ann")
    _open(world, lease)
    world.decide("ann", claimed=lease, attestations=SENTENCES)
    planted = world.command("gold", "lee", task_id="d1", outcome="reject")["task_id"]
    _publish(world, parse(POLICY, "policy.yaml"))
    lease = world.claim("bob", planted)
    assert world.decide("bob", claimed=lease, attestations=SENTENCES)["code"] == "evidence-not-opened"
    _open(world, lease, "bob")
    assert world.decide("bob", claimed=lease)["code"] == "missing-attestation"
