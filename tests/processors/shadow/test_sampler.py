"""Active learning: what the sampler sends to people, and that no estimate is fooled by it."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from interlock.learning.estimates import horvitz_thompson
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.processors.sampling.candidate import Candidate, candidate
from interlock.processors.sampling.sampler import DAY, Sampled, Sampler, records
from interlock.schemas import catalogue, wire
from interlock.schemas.reasons import ACTIVE_POOL
from tests.processors.router.messages import NOW, Sent
from tests.processors.shadow.shadow_world import KEY, POLICY, published, routed, stream

ACTIVE = parse(POLICY.replace("rate: 0.1", "rate: 0.1, active: {budget_per_day: 240, pool: 0.4}"), "lending")
HOUR = DAY // 24
RATE = 0.1


def _sampler(key: bytes = KEY) -> Sampler:
    sampler = Sampler(key)
    sampler.follow(b"lending", published(ACTIVE))
    return sampler


def _pool(results: list[tuple[str, dict[str, Any], bytes]]) -> list[Candidate]:
    found = [candidate(Sent(b"", value, [("traceparent", b"t")])) for topic, _, value in results if "auto" in topic]
    return [one for one in found if one is not None]


def test_without_active_learning_nothing_is_left_to_the_sampler() -> None:
    results = routed(stream(500, np.random.default_rng(1), amount=1.0))
    assert not _pool(results)
    assert any(one["audit"] for _, one, _ in results)


def test_the_router_leaves_the_pool_unaudited_and_audits_the_rest_as_ever() -> None:
    results = routed(stream(5000, np.random.default_rng(2), amount=1.0), ACTIVE)
    automatic = [one for topic, one, _ in results if topic == catalogue.AUTO_APPROVED.name]
    pool = [one for one in automatic if ACTIVE_POOL in one["reasons"]]
    rest = [one for one in automatic if ACTIVE_POOL not in one["reasons"]]
    assert not any(one["audit"] for one in pool)
    assert {one["propensity"] for one in automatic} == {RATE}
    # four standard deviations
    assert abs(len(pool) - 2000) < 4 * (5000 * 0.4 * 0.6) ** 0.5
    audited = sum(one["audit"] for one in rest)
    assert abs(audited - RATE * len(rest)) < 4 * (len(rest) * RATE * (1 - RATE)) ** 0.5
    copies = [one for topic, one, _ in results if topic == catalogue.REVIEWS_ASYNC.name]
    assert len(copies) == audited


def test_the_pool_of_a_decision_does_not_depend_on_its_batch() -> None:
    messages = stream(400, np.random.default_rng(3), amount=1.0)
    whole = {value for _, _, value in routed(messages, ACTIVE)}
    parts = {value for cut in (messages[:150], messages[150:]) for _, _, value in routed(cut, ACTIVE)}
    assert parts == whole


def test_a_picked_decision_comes_as_an_audit_with_its_own_bytes_headers_and_propensity() -> None:
    pool = _pool(routed(stream(300, np.random.default_rng(4), amount=1.0), ACTIVE))
    picked = _sampler().pick(pool, NOW, NOW + HOUR)
    made = records(picked)
    assert made.count == len(picked)
    assert set(made.topics) == {catalogue.REVIEWS_ASYNC.name}
    assert made.headers == [[("traceparent", b"t")]] * len(picked)
    for one, key, value in zip(picked, made.keys, made.values, strict=True):
        before, after = (wire.decode("RoutedDecision", v) for v in (one.candidate.message.value(), value))
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"audit", "propensity", "reasons"}
        assert (after["audit"], after["propensity"]) == (True, one.propensity)
        assert after["reasons"] == [*before["reasons"], one.how]
        assert key == after["decision"]["decision_id"].encode()
        body = wire.encode("Decision", before["decision"])[wire.HEADER_LENGTH :]
        assert value is not None
        assert value.endswith(body)


def test_a_days_budget_is_spent_whole_however_the_day_is_cut_into_rounds() -> None:
    pool = _pool(routed(stream(3000, np.random.default_rng(5), amount=1.0), ACTIVE))
    parts = np.array_split(np.arange(len(pool)), 24)
    sampler, extra = _sampler(), 0
    for number, part in enumerate(parts):
        start = NOW + number * HOUR
        picked = sampler.pick([pool[i] for i in part], start, start + HOUR)
        extra += sum(one.how != "picked:audit" for one in picked)
    assert extra == 240
    # After a week without a round it does not send a week's worth at once.
    assert Counter(one.how for one in sampler.pick(pool, NOW, NOW + 7 * DAY))["picked:chance"] == 24


def test_the_greedy_part_prefers_the_doubtful_and_every_propensity_is_at_least_the_audit_rate() -> None:
    pool = _pool(routed(stream(2000, np.random.default_rng(6), amount=1.0), ACTIVE))
    picked = _sampler().pick(pool, NOW, NOW + 4 * HOUR)
    greedy = [one for one in picked if one.how == "picked:greedy"]
    assert len(greedy) == 36  # of a budget of 40 a tenth is drawn by chance
    assert {one.propensity for one in greedy} == {1.0}
    assert np.mean([one.candidate.confidence for one in greedy]) < np.mean([one.confidence for one in pool]) - 0.01
    others = {one.propensity for one in picked if one.how != "picked:greedy"}
    expected = 1 - (1 - RATE) * (1 - 4 / (len(pool) - 36))
    assert sorted(others) == [pytest.approx(expected)]
    assert expected > RATE


def test_without_vectors_or_with_broken_ones_uncertainty_alone_decides() -> None:
    rng = np.random.default_rng(7)
    broken: list[list[list[float]]] = [[[]] * 200, [[1.0]] * 199 + [[1.0, 2.0]], [[float("nan")]] * 200]
    for vectors in broken:
        messages = stream(200, rng, amount=1.0)
        pool = _pool(routed(messages, ACTIVE))
        pool = [_with_vector(one, tuple(vectors[-1 - i])) for i, one in enumerate(pool)]
        picked = _sampler().pick(pool, NOW, NOW + 2 * HOUR)
        greedy = {one.candidate.decision_id for one in picked if one.how == "picked:greedy"}
        doubtful = sorted(pool, key=lambda one: one.confidence)[: len(greedy)]
        assert greedy == {one.decision_id for one in doubtful}


def _with_vector(one: Candidate, vector: tuple[float, ...]) -> Candidate:
    return Candidate(
        one.decision_id, one.domain, one.model, one.routed_at, one.rate, one.confidence, vector, one.message
    )


def test_the_same_pool_is_picked_from_alike_in_any_order() -> None:
    pool = _pool(routed(stream(800, np.random.default_rng(8), amount=1.0), ACTIVE))
    first = _sampler().pick(pool, NOW, NOW + HOUR)
    assert _sampler().pick(pool[::-1], NOW, NOW + HOUR) == first
    assert _sampler().pick([*pool, *pool], NOW, NOW + HOUR) == first


def test_when_active_learning_is_switched_off_what_is_in_the_pool_is_still_audited() -> None:
    pool = _pool(routed(stream(4000, np.random.default_rng(9), amount=1.0), ACTIVE))
    sampler = _sampler()
    sampler.follow(b"lending", published(parse(POLICY, "lending")))
    picked = sampler.pick(pool, NOW, NOW + HOUR)
    assert {one.how for one in picked} == {"picked:audit"}
    assert [one.propensity for one in picked] == pytest.approx([RATE] * len(picked))
    assert abs(len(picked) - RATE * len(pool)) < 4 * (len(pool) * RATE * (1 - RATE)) ** 0.5
    sampler.follow(b"lending", None)
    assert sampler.pick(pool, NOW, NOW + HOUR) == picked


def test_active_learning_without_audits_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"audit\.active: active learning needs audits"):
        parse(POLICY.replace("rate: 0.1", "rate: 0, active: {budget_per_day: 5}"), "p")


def test_estimates_with_the_logged_propensities_are_unbiased_and_without_them_they_are_not() -> None:
    """150 keys instead of 150 streams: the coins are all that chance decides. Errors gather where confidence is low,
    which is where the greedy part looks."""
    rng = np.random.default_rng(10)
    messages = stream(400, rng, amount=1.0)
    confidence = np.array([wire.decode("Decision", one.record_value)["confidence"] for one in messages])
    wrong = rng.random(400) < 4 * (1 - confidence)
    place = {f"d-{i:05}": i for i in range(400)}
    estimates, naive, covered = [], [], 0
    for _ in range(150):
        key = rng.bytes(16)
        results = routed(messages, ACTIVE, key)
        picked: list[Sampled] = _sampler(key).pick(_pool(results), NOW, NOW + 3 * HOUR)
        seen = {one["decision"]["decision_id"]: one["propensity"] for topic, one, _ in results if "reviews" in topic}
        seen |= {one.candidate.decision_id: one.propensity for one in picked}
        pi = np.full(400, RATE)  # as `decisions.auto-approved` has it
        reviewed = np.zeros(400, dtype=bool)
        for decision_id, propensity in seen.items():
            reviewed[place[decision_id]], pi[place[decision_id]] = True, propensity
        found = horvitz_thompson(wrong, reviewed, pi)
        estimates.append(found.value)
        naive.append(wrong[reviewed].mean())
        covered += found.low <= wrong.mean() <= found.high
    error = np.std(estimates) / 150**0.5
    assert abs(np.mean(estimates) - wrong.mean()) < 4 * error
    assert np.mean(naive) - wrong.mean() > 8 * np.std(naive) / 150**0.5
    assert covered / 150 > 0.95 - 4 * (0.95 * 0.05 / 150) ** 0.5
