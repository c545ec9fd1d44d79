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
    sampler.apply(b"lending", published(ACTIVE))
    return sampler


def _pool(results: list[tuple[str, dict[str, Any], bytes]]) -> list[Candidate]:
    parsed = [candidate(Sent(b"", value, [("traceparent", b"t")])) for topic, _, value in results if "auto" in topic]
    return [candidate_ for candidate_ in parsed if candidate_ is not None]


def test_without_active_learning_nothing_is_left_to_the_sampler() -> None:
    results = routed(stream(500, np.random.default_rng(1), amount=1.0))
    assert not _pool(results)
    assert any(record["audit"] for _, record, _ in results)


def test_the_router_leaves_the_pool_unaudited_and_audits_the_rest_as_ever() -> None:
    results = routed(stream(5000, np.random.default_rng(2), amount=1.0), ACTIVE)
    automatic = [record for topic, record, _ in results if topic == catalogue.AUTO_APPROVED.name]
    pool = [record for record in automatic if ACTIVE_POOL in record["reasons"]]
    rest = [record for record in automatic if ACTIVE_POOL not in record["reasons"]]
    assert not any(record["audit"] for record in pool)
    assert {record["propensity"] for record in automatic} == {RATE}
    # four standard deviations
    assert abs(len(pool) - 2000) < 4 * (5000 * 0.4 * 0.6) ** 0.5
    audited = sum(record["audit"] for record in rest)
    assert abs(audited - RATE * len(rest)) < 4 * (len(rest) * RATE * (1 - RATE)) ** 0.5
    copies = [record for topic, record, _ in results if topic == catalogue.REVIEWS_ASYNC.name]
    assert len(copies) == audited


def test_the_pool_of_a_decision_does_not_depend_on_its_batch() -> None:
    messages = stream(400, np.random.default_rng(3), amount=1.0)
    whole = {value for _, _, value in routed(messages, ACTIVE)}
    parts = {value for cut in (messages[:150], messages[150:]) for _, _, value in routed(cut, ACTIVE)}
    assert parts == whole


def test_a_picked_decision_comes_as_an_audit_with_its_own_bytes_headers_and_propensity() -> None:
    pool = _pool(routed(stream(300, np.random.default_rng(4), amount=1.0), ACTIVE))
    sampled = _sampler().sample(pool, NOW, NOW + HOUR)
    outputs = records(sampled)
    assert outputs.count == len(sampled)
    assert set(outputs.topics) == {catalogue.REVIEWS_ASYNC.name}
    assert outputs.headers == [[("traceparent", b"t")]] * len(sampled)
    for sample, key, value in zip(sampled, outputs.keys, outputs.values, strict=True):
        before, after = (wire.decode("RoutedDecision", v) for v in (sample.candidate.message.value(), value))
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"audit", "propensity", "reasons"}
        assert (after["audit"], after["propensity"]) == (True, sample.propensity)
        assert after["reasons"] == [*before["reasons"], sample.reason]
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
        sampled = sampler.sample([pool[i] for i in part], start, start + HOUR)
        extra += sum(sample.reason != "picked:audit" for sample in sampled)
    assert extra == 240
    # After a week without a round it does not send a week's worth at once.
    assert Counter(sample.reason for sample in sampler.sample(pool, NOW, NOW + 7 * DAY))["picked:chance"] == 24


def test_the_greedy_part_prefers_the_doubtful_and_every_propensity_is_at_least_the_audit_rate() -> None:
    pool = _pool(routed(stream(2000, np.random.default_rng(6), amount=1.0), ACTIVE))
    sampled = _sampler().sample(pool, NOW, NOW + 4 * HOUR)
    greedy = [sample for sample in sampled if sample.reason == "picked:greedy"]
    assert len(greedy) == 36  # of a budget of 40 a tenth is drawn by chance
    assert {sample.propensity for sample in greedy} == {1.0}
    assert (
        np.mean([sample.candidate.confidence for sample in greedy])
        < np.mean([sample.confidence for sample in pool]) - 0.01
    )
    others = {sample.propensity for sample in sampled if sample.reason != "picked:greedy"}
    expected = 1 - (1 - RATE) * (1 - 4 / (len(pool) - 36))
    assert sorted(others) == [pytest.approx(expected)]
    assert expected > RATE


def test_a_policy_may_set_how_much_doubt_counts_and_how_much_chance_draws() -> None:
    pool = _pool(routed(stream(2000, np.random.default_rng(6), amount=1.0), ACTIVE))

    def picked(active: str) -> list[Candidate]:
        policy = POLICY.replace("rate: 0.1", f"rate: 0.1, active: {{budget_per_day: 240, pool: 0.4, {active}}}")
        sampler = Sampler(KEY)
        sampler.apply(b"lending", published(parse(policy, "lending")))
        sampled = sampler.sample(pool, NOW, NOW + 4 * HOUR)
        return [sample.candidate for sample in sampled if sample.reason == "picked:greedy"]

    as_written = [
        sample.candidate for sample in _sampler().sample(pool, NOW, NOW + 4 * HOUR) if sample.reason == "picked:greedy"
    ]
    assert picked("uncertainty: 0.6, explore: 0.1") == as_written
    doubtful = sorted(candidate.confidence for candidate in pool)[:20]
    assert sorted(candidate.confidence for candidate in picked("uncertainty: 1, explore: 0.5")) == doubtful
    assert sorted(candidate.confidence for candidate in picked("uncertainty: 0, explore: 0.5")) != doubtful


def test_without_vectors_or_with_broken_ones_uncertainty_alone_decides() -> None:
    rng = np.random.default_rng(7)
    broken: list[list[list[float]]] = [[[]] * 200, [[1.0]] * 199 + [[1.0, 2.0]], [[float("nan")]] * 200]
    for vectors in broken:
        messages = stream(200, rng, amount=1.0)
        pool = _pool(routed(messages, ACTIVE))
        pool = [_with_vector(sample, tuple(vectors[-1 - i])) for i, sample in enumerate(pool)]
        sampled = _sampler().sample(pool, NOW, NOW + 2 * HOUR)
        greedy = {sample.candidate.decision_id for sample in sampled if sample.reason == "picked:greedy"}
        doubtful = sorted(pool, key=lambda sample: sample.confidence)[: len(greedy)]
        assert greedy == {sample.decision_id for sample in doubtful}


def _with_vector(sample: Candidate, vector: tuple[float, ...]) -> Candidate:
    return Candidate(
        sample.decision_id,
        sample.domain,
        sample.model,
        sample.routed_at,
        sample.rate,
        sample.confidence,
        vector,
        sample.message,
    )


def test_the_same_pool_is_picked_from_alike_in_any_order() -> None:
    pool = _pool(routed(stream(800, np.random.default_rng(8), amount=1.0), ACTIVE))
    first = _sampler().sample(pool, NOW, NOW + HOUR)
    assert _sampler().sample(pool[::-1], NOW, NOW + HOUR) == first
    assert _sampler().sample([*pool, *pool], NOW, NOW + HOUR) == first


def test_when_active_learning_is_switched_off_what_is_in_the_pool_is_still_audited() -> None:
    pool = _pool(routed(stream(4000, np.random.default_rng(9), amount=1.0), ACTIVE))
    sampler = _sampler()
    sampler.apply(b"lending", published(parse(POLICY, "lending")))
    sampled = sampler.sample(pool, NOW, NOW + HOUR)
    assert {sample.reason for sample in sampled} == {"picked:audit"}
    assert [sample.propensity for sample in sampled] == pytest.approx([RATE] * len(sampled))
    assert abs(len(sampled) - RATE * len(pool)) < 4 * (len(pool) * RATE * (1 - RATE)) ** 0.5
    sampler.apply(b"lending", None)
    assert sampler.sample(pool, NOW, NOW + HOUR) == sampled


def test_a_policy_under_another_name_than_its_own_is_not_sampled_by() -> None:
    sampler = Sampler(KEY)
    sampler.apply(b"other", published(ACTIVE))
    pool = _pool(routed(stream(400, np.random.default_rng(9), amount=1.0), ACTIVE))
    assert {sample.reason for sample in sampler.sample(pool, NOW, NOW + HOUR)} == {"picked:audit"}


def test_active_learning_without_audits_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"audit\.active: active learning needs audits"):
        parse(POLICY.replace("rate: 0.1", "rate: 0, active: {budget_per_day: 5}"), "p")


def test_estimates_with_the_logged_propensities_are_unbiased_and_without_them_they_are_not() -> None:
    """150 keys instead of 150 streams: the coins are all that chance decides. Errors gather where confidence is low,
    which is where the greedy part looks."""
    rng = np.random.default_rng(10)
    messages = stream(400, rng, amount=1.0)
    confidence = np.array([wire.decode("Decision", message.record_value)["confidence"] for message in messages])
    wrong = rng.random(400) < 4 * (1 - confidence)
    row = {f"d-{i:05}": i for i in range(400)}
    estimates, naive, covered = [], [], 0
    for _ in range(150):
        key = rng.bytes(16)
        results = routed(messages, ACTIVE, key)
        sampled: list[Sampled] = _sampler(key).sample(_pool(results), NOW, NOW + 3 * HOUR)
        seen = {
            record["decision"]["decision_id"]: record["propensity"]
            for topic, record, _ in results
            if "reviews" in topic
        }
        seen |= {sample.candidate.decision_id: sample.propensity for sample in sampled}
        pi = np.full(400, RATE)  # as `decisions.auto-approved` has it
        reviewed = np.zeros(400, dtype=bool)
        for decision_id, propensity in seen.items():
            reviewed[row[decision_id]], pi[row[decision_id]] = True, propensity
        estimate = horvitz_thompson(wrong, reviewed, pi)
        estimates.append(estimate.value)
        naive.append(wrong[reviewed].mean())
        covered += estimate.low <= wrong.mean() <= estimate.high
    error = np.std(estimates) / 150**0.5
    assert abs(np.mean(estimates) - wrong.mean()) < 4 * error
    assert np.mean(naive) - wrong.mean() > 8 * np.std(naive) / 150**0.5
    assert covered / 150 > 0.95 - 4 * (0.95 * 0.05 / 150) ** 0.5
