"""Replay: a policy on history in ClickHouse, by the rule text, the lanes and the controls of the stream."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from interlock.cli.policy_replay import replay as command
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.errors import UsageError
from interlock.platform import connection
from interlock.policies.replay import NothingToReplayError, Replay, replay
from interlock.policy.conditions.contradictions import contradiction
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.vocabulary import ROUTING_COLUMNS
from tests.policy.strategies import COLUMNS, conditions, policies
from tests.processors.router.messages import NOW, decision
from tests.sinks.migrated import clear
from tests.sinks.replay_world import Pipeline, Stored, random_decisions, window

MINUTE = 60_000_000
ATTRIBUTES = {name: str(kind) for name, kind in COLUMNS.items() if name not in ROUTING_COLUMNS}

Range = tuple[datetime, datetime]


@pytest.fixture(scope="module")
def stored(reused: Client) -> Iterator[Stored]:
    """One history for the whole file: tests take windows of time of their own."""
    yield Stored(reused)
    clear(reused)


days = count(1)


def _new_time() -> int:
    """A time in microseconds, in a day that no other test uses."""
    return NOW + next(days) * 24 * 60 * MINUTE


def _readable(text: str) -> bool:
    """Whether a condition may stand in a policy: one that never holds may not."""
    return contradiction(parse_condition(text, COLUMNS)) is None


@st.composite
def rich_policies(draw: st.DrawFn) -> Policy:
    """Policies with rules over every kind of attribute, safe rules, challengers, packs and a pool."""
    written: dict[str, Any] = draw(policies())
    domains = written.setdefault("domains", {})
    if not domains:
        domains["a"] = {"models": ["m"], "outcomes": ["yes", "no"], "lanes": {"yes": {}}, "shadow": ["m@2"]}
    written["queues"] = {}
    for domain in domains.values():
        domain["attributes"] = ATTRIBUTES
    texts = draw(st.lists(conditions().filter(_readable), min_size=1, max_size=6))
    routes = st.sampled_from(["async", "sync", "manual"])
    written["rules"] = [{"id": f"rule-{i}", "when": text, "route": draw(routes)} for i, text in enumerate(texts)]
    safe = draw(st.lists(conditions().filter(_readable), max_size=3))
    written["safe_rules"] = [
        {"id": f"safe-{i}", "when": text, "domain": name, "prediction": domains[name]["outcomes"][0]}
        for i, text in enumerate(safe)
        for name in [draw(st.sampled_from(sorted(domains)))]
    ]
    if written.get("audit", {}).get("rate") and draw(st.booleans()):
        written["audit"]["active"] = {"budget_per_day": 10, "pool": 0.5}
    try:
        return parse(json.dumps(written, ensure_ascii=False), "random")
    except PolicyError:  # two of the many parts contradict each other
        return parse(
            json.dumps({**written, "packs": [], "safe_rules": [], "priority": []}, ensure_ascii=False), "random"
        )


def _unchanged(result: Replay, written: list[tuple[str, dict[str, Any]]], policy: Policy) -> None:
    assert [cell for cell in result.matrix if cell.old != cell.new] == [], result.examples
    assert (result.rerouted, result.other_reasons) == (0, 0)
    assert result.decisions == sum(record["decision"]["domain"] in policy.domains for _, record in _once(written))


def _once(written: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Without the second records of decisions that take effect and are reviewed as well."""
    return [(topic, record) for topic, record in written if topic != "reviews.async" or record["route"] != "auto"]


@pytest.fixture
def sealing(stored: Stored, keys: SqliteKeyStore) -> Iterator[None]:
    """Everything is stored sealed until the test ends."""
    stored.keys = keys
    yield
    stored.keys = None


def _replayed_as_it_was_live(stored: Stored, policy: Policy, seed: int, size: int) -> None:
    """Three batches of `size` decisions under changing controls and calibrations, and the replay of their policy."""
    at = _new_time()
    pipeline = Pipeline(stored)
    pipeline.publish(policy, at)
    written = pipeline.route(random_decisions(policy, size, seed, f"{at}-1", at), at)
    pipeline.calibrate("m", "1", 0.7, 1.3, at + MINUTE)
    pipeline.calibrate("a", "2", -0.5, 0.6, at + MINUTE)
    pipeline.halt(f"domain:{min(policy.domains)}", True, at + MINUTE)
    pipeline.halt("model:m@2", True, at + MINUTE)
    written += pipeline.route(random_decisions(policy, size, seed + 1, f"{at}-2", at), at + 2 * MINUTE)
    pipeline.calibrate("m", "1", -0.2, 0.9, at + 3 * MINUTE)
    pipeline.halt("model:m@2", False, at + 3 * MINUTE)
    written += pipeline.route(random_decisions(policy, size, seed + 2, f"{at}-3", at), at + 4 * MINUTE)
    pipeline.flush()
    result = replay(stored.client, policy, *window(at), stored.keys)
    _unchanged(result, written, policy)
    assert result.unreadable == 0


# A campaign of a million decisions on a busy machine.
@pytest.mark.timeout(7_200)
def test_the_policy_that_was_live_reproduces_every_route_and_reason(stored: Stored, campaign: bool) -> None:
    """A million decisions in the campaign."""
    examples, size = (40, 8_400) if campaign else (6, 300)

    _reproduces(stored, examples, size)


# The same, of rows that ClickHouse cannot read.
@pytest.mark.timeout(7_200)
@pytest.mark.usefixtures("sealing")
def test_what_is_sealed_is_replayed_as_exactly(stored: Stored, campaign: bool) -> None:
    _reproduces(stored, *((12, 8_400) if campaign else (3, 200)))


def _reproduces(stored: Stored, examples: int, size: int) -> None:
    @given(rich_policies(), st.integers(0, 2**32))
    @settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def reproduces(policy: Policy, seed: int) -> None:
        _replayed_as_it_was_live(stored, policy, seed, size)

    reproduces()


SOURCE = """
name: lending
audit: {rate: 0.5}
domains:
  loans:
    models: [m]
    shadow: [m@2]
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.9, async: 0.5, sync: 0.2}}
    attributes: {age: int}
    queue: underwriting
rules:
  - {id: large, when: amount > 1000, route: sync}
"""
LENDING = parse(SOURCE, "lending")


def _loan(number: int, confidence: float, **fields: Any) -> dict[str, Any]:
    return decision(f"d-{number}", domain="loans", confidence=confidence, **{"amount": 10.0, **fields})


@pytest.fixture(scope="module")
def loans(stored: Stored) -> Range:
    """The range in which LENDING routed: 4 sure ones, 3 of .85, 2 large ones, 1 of a challenger, 1 unknown model."""
    at = _new_time()
    pipeline = Pipeline(stored)
    pipeline.publish(LENDING, at)
    pipeline.route([_loan(number, 0.95, created_at=at) for number in range(4)], at)
    pipeline.route([_loan(number, 0.85, created_at=at) for number in range(4, 7)], at)
    pipeline.route([_loan(number, 0.95, amount=5000.0, created_at=at) for number in range(7, 9)], at)
    pipeline.route([_loan(9, 0.95, model_version="2", created_at=at)], at)
    pipeline.route([_loan(10, 0.95, model_id="n", created_at=at)], at)
    pipeline.flush()
    return window(at)


def _replay(stored: Stored, loans: Range, *changes: tuple[str, str]) -> Replay:
    source = SOURCE
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    return replay(stored.client, parse(source, "candidate"), *loans)


def _cells(result: Replay) -> dict[tuple[str, str], int]:
    return {(cell.old, cell.new): cell.decisions for cell in result.matrix}


def test_a_lower_threshold_moves_the_decisions_in_between_and_names_the_lane_as_responsible(
    stored: Stored, loans: Range
) -> None:
    result = _replay(stored, loans, ("auto: 0.9", "auto: 0.8"))
    assert _cells(result) == {
        ("auto", "auto"): 4,
        ("async", "auto"): 3,
        ("sync", "sync"): 2,
        ("shadow", "shadow"): 1,
        ("manual", "manual"): 1,
    }
    assert (result.decisions, result.rerouted, result.other_reasons) == (11, 3, 0)
    assert [(effect.reason, effect.added, effect.removed) for effect in result.rules] == [
        ("lane:loans/approve:async", 0, 3),
        ("lane:loans/approve:auto", 3, 0),
    ]
    (example,) = result.examples
    assert example.decision_id in {"d-4", "d-5", "d-6"}
    assert (example.old.reasons, example.new.reasons) == (("lane:loans/approve:async",), ("lane:loans/approve:auto",))


def test_a_rule_that_is_left_out_is_named_with_the_decisions_that_it_had_sent_to_people(
    stored: Stored, loans: Range
) -> None:
    result = _replay(stored, loans, ("  - {id: large, when: amount > 1000, route: sync}", "  []"))
    assert _cells(result)["sync", "auto"] == 2
    assert [(effect.reason, effect.added, effect.removed) for effect in result.rules] == [("large", 0, 2)]


def test_reviews_are_counted_by_queue_and_hour_with_the_audits_that_are_to_be_expected(
    stored: Stored, loans: Range
) -> None:
    result = _replay(stored, loans, ("queue: underwriting", "queue: elsewhere"), ("rate: 0.5", "rate: 0.25"))
    by_queue = {hours.queue: (hours.hour, hours.old, hours.new) for hours in result.reviews}
    hour = loans[0].replace(minute=0, second=0, microsecond=0)
    assert by_queue["elsewhere"] == (hour, 0, 6 + 4 * 0.25)  # three async, two large, one of an unknown model
    assert by_queue["underwriting"][0] == hour
    assert 6 <= by_queue["underwriting"][1] <= 10  # as the audit coin fell


def test_a_challenger_that_is_admitted_and_a_domain_that_is_dropped_show_in_the_matrix(
    stored: Stored, loans: Range
) -> None:
    assert _cells(_replay(stored, loans, ("    shadow: [m@2]\n", "")))["shadow", "auto"] == 1
    dropped = _cells(_replay(stored, loans, ("  loans:", "  mortgages:")))
    assert dropped == {
        ("auto", "manual"): 4,
        ("async", "manual"): 3,
        ("sync", "manual"): 2,
        ("shadow", "manual"): 1,
        ("manual", "manual"): 1,
    }


def test_an_empty_range_is_said_with_the_times_from_which_there_are_decisions(stored: Stored, loans: Range) -> None:
    later = loans[1] + timedelta(days=3000)
    with pytest.raises(NothingToReplayError, match=r"no decision of loans was routed from .* ClickHouse has 10 from 2"):
        replay(stored.client, LENDING, later, later + timedelta(hours=1))
    with pytest.raises(NothingToReplayError, match="ClickHouse has none of any time"):
        _replay(stored, (later, later + timedelta(hours=1)), ("name: lending", "name: x"), ("  loans:", "  nothing:"))
    with pytest.raises(UsageError, match="not after its beginning"):
        replay(stored.client, LENDING, later, later)


def test_where_the_policy_of_the_time_did_not_calibrate_the_candidate_does_as_the_router_would_have(
    stored: Stored,
) -> None:
    at = _new_time()
    routed, twin = Pipeline(stored), Pipeline(stored)
    raw = parse(SOURCE + "calibration: {use: false}\n", "raw")
    routed.publish(raw, at)
    twin.publish_unseen(LENDING, at)
    for model, intercept, slope in (("m", 0.9, 1.4), ("n", -0.9, 0.5)):
        routed.calibrate(model, "1", intercept, slope, at)
        twin.calibrate(model, "1", intercept, slope, at)
    decisions = random_decisions(raw, 500, 7, f"{at}", at)
    routed.route(decisions, at + MINUTE)
    expected = Counter(
        "shadow" if topic == "decisions.shadow" else record["route"]
        for topic, record in _once(twin.route(decisions, at + MINUTE))
        if record["decision"]["domain"] == "loans"
    )
    routed.flush()
    found: Counter[str] = Counter()
    for cell in replay(stored.client, LENDING, *window(at)).matrix:
        found[cell.new] += cell.decisions
    assert found == expected


def test_the_command_prints_the_matrix_the_reasons_and_the_forecast_or_all_of_it_as_json(
    stored: Stored,
    loans: Range,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "candidate.yaml"
    file.write_text(SOURCE.replace("auto: 0.9", "auto: 0.8"))
    monkeypatch.setattr(
        connection, "connect", lambda _: SimpleNamespace(clickhouse=lambda: stored.client, keys_to_read=None)
    )
    since, until = (moment.isoformat() for moment in loans)
    command(str(file), since, until)
    printed = " ".join(capsys.readouterr().out.split())
    for part in ("async auto 3", "lane:loans/approve:auto 3 0", "Errors that take effect", "underwriting"):
        assert part in printed
    command(str(file), since, until, json=True)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["decisions"], facts["rerouted"]) == (11, 3)
    assert facts["errors"][0]["candidate"]["judged"] == 0
