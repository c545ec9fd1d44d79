"""What the router does with a version of a policy that is tried beside the one in force."""

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import resolved, version
from interlock.processors.router.candidates import in_share
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import wire
from interlock.schemas.columns import Engine
from tests.processors.router.messages import NOW, Sent, sent

KEY = bytes(range(16))

_TEXT = """
name: lending
audit: {{rate: {rate}}}
domains:
  loans:
    models: [m]
    outcomes: [approve, reject]
    lanes: {{approve: {{auto: {auto}}}}}
    queue: {queue}
{more}
"""


def _policy(auto: float = 0.95, rate: float = 0.25, queue: str = "underwriting", more: str = "") -> Policy:
    return parse(_TEXT.format(auto=auto, rate=rate, queue=queue, more=more), "lending")


LIVE = _policy()
BOLD = _policy(auto=0.5, rate=0.0, queue="fast")
SURE: dict[str, Any] = {"confidence": 0.99}
UNSURE: dict[str, Any] = {"confidence": 0.7}


def _published(policy: Policy, named: str = "") -> bytes:
    record = {
        "name": policy.name,
        "version": named or version(policy),
        "resolved": resolved(policy),
        "source": "",
        "published_at": NOW,
        "published_by": "ann",
    }
    return wire.encode("PolicyVersion", record)


def _candidate(policy: Policy = BOLD, *, share: float = 0.0, base: str | None = None, **fields: Any) -> bytes:
    record = {
        "name": policy.name,
        "version": version(policy),
        "resolved": resolved(policy),
        "source": "",
        "base_version": version(LIVE) if base is None else base,
        "stage": "share" if share else "shadow",
        "share": share,
        "published_at": NOW,
        "published_by": "ann",
        "started_at": NOW,
        **fields,
    }
    return wire.encode("PolicyCandidate", record)


def _router(*tables: tuple[str, str, bytes | None], live: Policy | None = LIVE, engine: Engine = "pyruhvro") -> Router:
    state = RouterState()
    if live is not None:
        state.apply("policies", live.name.encode(), _published(live))
    for topic, key, value in tables:
        state.apply(topic, key.encode(), value)
    return Router(state, RouterSettings(KEY, 1.0, engine))


def _route(router: Router, *messages: Sent) -> dict[str, dict[str, Any]]:
    """The routed decisions by id, without the copies for review."""
    outputs = router.process(messages, NOW)
    found: dict[str, dict[str, Any]] = {}
    for topic, value in zip(outputs.topics, outputs.values, strict=True):
        if topic != "dead-letter":
            record = wire.decode("RoutedDecision", value)
            found.setdefault(record["decision"]["decision_id"], {"topic": topic, **record})
    return found


def _trial(record: dict[str, Any]) -> tuple[str, str, str]:
    return record["candidate_version"], record["candidate_route"], record["live_route"]


TRIED = ("policies.candidates", "lending", _candidate())


def test_without_a_candidate_nothing_is_told_of_one() -> None:
    record = _route(_router(), sent(**SURE))["d-1"]
    assert _trial(record) == ("", "", "")


def test_in_shadow_the_policy_in_force_decides_as_if_there_was_no_candidate_and_both_routes_are_told() -> None:
    messages = [sent(f"d-{number}", **(SURE if number % 2 else UNSURE)) for number in range(40)]
    alone, beside = _route(_router(), *messages), _route(_router(TRIED), *messages)
    told = Counter(_trial(record) for record in beside.values())
    assert told == {(version(BOLD), "auto", "auto"): 20, (version(BOLD), "auto", "sync"): 20}
    trial = ("candidate_version", "candidate_route", "live_route")
    assert [{**record, **dict.fromkeys(trial, "")} for record in beside.values()] == [*alone.values()]


def test_a_share_is_decided_by_the_candidate_on_all_its_terms() -> None:
    router = _router(("policies.candidates", "lending", _candidate(share=0.25)))
    records = _route(router, *(sent(f"d-{number}", **UNSURE) for number in range(2000)))
    by_candidate = [record for record in records.values() if record["policy_version"] == version(BOLD)]
    others = [record for record in records.values() if record["policy_version"] == version(LIVE)]
    assert len(by_candidate) + len(others) == 2000
    # four standard deviations around the share
    assert abs(len(by_candidate) - 500) < 4 * math.sqrt(2000 * 0.25 * 0.75)
    assert {(*_trial(record), record["route"], record["queue"], record["topic"]) for record in by_candidate} == {
        (version(BOLD), "auto", "sync", "auto", "fast", "decisions.auto-approved")
    }
    assert {(*_trial(record), record["route"], record["queue"], record["topic"]) for record in others} == {
        (version(BOLD), "auto", "sync", "sync", "underwriting", "reviews.sync")
    }


def test_the_audits_of_a_share_have_the_rate_of_the_candidate_and_do_not_depend_on_its_coin() -> None:
    router = _router(("policies.candidates", "lending", _candidate(_policy(rate=0.5, auto=0.9), share=0.5)))
    records = _route(router, *(sent(f"d-{number}", **SURE) for number in range(4000)))
    for named, rate in ((version(LIVE), 0.25), (version(_policy(rate=0.5, auto=0.9)), 0.5)):
        arm = [record for record in records.values() if record["policy_version"] == named]
        audits = sum(record["audit"] for record in arm)
        assert abs(audits - rate * len(arm)) < 4 * math.sqrt(len(arm) * rate * (1 - rate))
        assert {record["propensity"] for record in arm} == {rate}


def test_a_larger_share_keeps_every_decision_of_a_smaller_one() -> None:
    ids = pa.array([f"d-{number}" for number in range(5000)])
    arms = [in_share(ids, KEY, share) for share in (0.01, 0.1, 0.3, 0.5)]
    for smaller, larger in pairwise(arms):
        assert (larger | ~smaller).all()
        assert smaller.sum() < larger.sum()
    assert (in_share(ids, bytes(16), 0.3) != arms[2]).any()


def test_beside_another_version_than_its_base_a_candidate_is_compared_and_decides_nothing() -> None:
    router = _router(("policies.candidates", "lending", _candidate(share=0.5, base="0123456789abcdef")))
    records = _route(router, *(sent(f"d-{number}", **UNSURE) for number in range(100)))
    assert {record["policy_version"] for record in records.values()} == {version(LIVE)}
    assert {_trial(record) for record in records.values()} == {(version(BOLD), "auto", "sync")}


def test_a_share_ends_with_the_batch_in_which_another_version_is_in_force() -> None:
    state = RouterState()
    state.apply("policies", b"lending", _published(LIVE))
    state.apply("policies.candidates", b"lending", _candidate(share=0.5))
    router = Router(state, RouterSettings(KEY, 1.0))
    before = _route(router, *(sent(f"a-{number}", **UNSURE) for number in range(100)))
    careful = _policy(auto=0.999)
    state.apply("policies", b"lending", _published(careful))
    after = _route(router, *(sent(f"b-{number}", **UNSURE) for number in range(100)))
    assert {record["policy_version"] for record in before.values()} == {version(LIVE), version(BOLD)}
    assert {record["policy_version"] for record in after.values()} == {version(careful)}


def test_the_kill_switch_holds_for_the_candidate_too() -> None:
    halt = {"scope": "all", "halted": True, "reason": "test", "set_by": "ann", "set_at": NOW}
    router = _router(
        ("policies.candidates", "lending", _candidate(share=0.5)), ("controls", "all", wire.encode("Control", halt))
    )
    records = _route(router, *(sent(f"d-{number}", **SURE) for number in range(50)))
    assert {record["topic"] for record in records.values()} == {"reviews.async"}
    assert {_trial(record)[1:] for record in records.values()} == {("async", "async")}


def test_a_policy_that_is_not_in_force_yet_can_be_tried_on_a_domain_that_nobody_owns() -> None:
    router = _router(("policies.candidates", "lending", _candidate(base="")), live=None)
    record = _route(router, sent(**SURE))["d-1"]
    assert (record["policy_version"], record["route"]) == ("", "manual")
    assert _trial(record) == (version(BOLD), "auto", "manual")


def test_a_candidate_says_nothing_of_the_domain_of_another_policy_or_of_two() -> None:
    other = parse(_TEXT.format(auto=0.9, rate=0, queue="q", more="").replace("lending", "other"), "other")
    candidate = ("policies.candidates", "other", _candidate(other, base=""))
    assert _trial(_route(_router(candidate), sent(**SURE))["d-1"]) == ("", "", "")
    both = _router(TRIED, ("policies", "other", _published(other)))
    assert _trial(_route(both, sent(**SURE))["d-1"]) == ("", "", "")


def test_a_model_that_would_be_a_challenger_under_the_candidate_would_have_no_effect() -> None:
    challenger = parse(
        "name: lending\ndomains: {loans: {models: [n], shadow: [m@1], outcomes: [approve, reject]}}", "lending"
    )
    record = _route(_router(("policies.candidates", "lending", _candidate(challenger))), sent(**SURE))["d-1"]
    assert _trial(record) == (version(challenger), "shadow", "auto")
    assert record["topic"] == "decisions.auto-approved"


def test_a_candidate_may_decline_calibration_for_the_decisions_of_its_share() -> None:
    parameters = {"version": "c1", "intercept": 0.0, "slope": 0.5, "labels": 500, "fitted_at": NOW}
    calibration = wire.encode("CalibrationModel", {"model_id": "m", "model_version": "1", **parameters})
    raw = _policy(more="calibration: {use: false}")
    router = _router(
        ("policies.candidates", "lending", _candidate(raw, share=0.5)),
        ("calibration.models", "m@1", calibration),
    )
    records = _route(router, *(sent(f"d-{number}", **SURE) for number in range(100)))
    told = {
        (record["policy_version"], record["calibration_version"], record["calibrated_confidence"] == 0.99)
        for record in records.values()
    }
    assert told == {(version(raw), "", True), (version(LIVE), "c1", False)}


@pytest.mark.parametrize(
    "value",
    [
        b"damaged",
        _candidate(share=0.7),
        _candidate(stage="half"),
        _candidate(name="other"),
        _candidate(resolved="{}"),
    ],
    ids=["damaged", "too large a share", "no stage", "of another policy", "no policy"],
)
def test_a_candidate_that_makes_no_sense_is_not_tried(value: bytes) -> None:
    record = _route(_router(TRIED, ("policies.candidates", "lending", value)), sent(**SURE))["d-1"]
    assert _trial(record) == ("", "", "")
    assert record["route"] == "auto"


def test_a_tombstone_ends_the_trial() -> None:
    record = _route(_router(TRIED, ("policies.candidates", "lending", None)), sent(**SURE))["d-1"]
    assert _trial(record) == ("", "", "")


def test_decisions_name_the_version_under_which_a_policy_was_published_whatever_this_release_would_call_it() -> None:
    router = _router(("policies", "lending", _published(LIVE, named="of-last-year")))
    assert _route(router, sent(**SURE))["d-1"]["policy_version"] == "of-last-year"


@settings(max_examples=40, deadline=None)
@given(
    confidences=st.lists(st.sampled_from([0.3, 0.55, 0.7, 0.9, 0.99]), min_size=1, max_size=30),
    cuts=st.lists(st.integers(1, 29), max_size=4),
    share=st.sampled_from([0.0, 0.1, 0.5]),
    engine=st.sampled_from(["pyruhvro", "fastavro"]),
    domains=st.sampled_from([("loans",), ("loans", "unknown")]),
)
def test_beside_a_candidate_the_output_is_byte_identical_however_the_input_is_cut_and_whoever_reads_it(
    confidences: list[float], cuts: list[int], share: float, engine: Engine, domains: tuple[str, ...]
) -> None:
    messages = [
        sent(f"d-{number}", confidence=confidence, domain=domains[number % len(domains)])
        for number, confidence in enumerate(confidences)
    ]
    tried = ("policies.candidates", "lending", _candidate(share=share))
    whole = _values(_router(tried), messages)
    bounds = sorted({0, *(cut for cut in cuts if cut < len(messages)), len(messages)})
    router = _router(tried, engine=engine)
    parts = [value for begin, end in pairwise(bounds) for value in _values(router, messages[begin:end])]
    assert sorted(parts) == sorted(whole)


def _values(router: Router, messages: list[Sent]) -> list[tuple[str, bytes]]:
    outputs = router.process(messages, NOW)
    return [(topic, value or b"") for topic, value in zip(outputs.topics, outputs.values, strict=True)]
