"""When retraining is asked for, and what is told of errors that follow a pattern."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.learning.retraining import assess_override_rate
from interlock.platform.settings import FeedbackSettings
from interlock.processors.events import Event
from interlock.processors.feedback import martingale
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import RetrainingTerms
from interlock.processors.feedback.patterns import columns, text
from interlock.processors.learning_terms import LearningTerms
from interlock.schemas import catalogue, wire
from tests.processors.desk.desk_records import policy_record
from tests.processors.desk.desk_world import POLICY
from tests.processors.feedback.feedback_world import outcome, payload, stream


def fold(outcomes: list[dict[str, Any]], terms: RetrainingTerms | None = None, **attributes: str) -> list[Event]:
    feedback = Feedback(terms)
    return [event for outcome in outcomes for event in feedback.process(outcome, payload(**attributes))]


def requests(events: list[Event]) -> list[dict[str, Any]]:
    return [e.record for e in events if e.topic is catalogue.RETRAINING_REQUESTS and e.record is not None]


def alerts(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [
        e.record for e in events if e.topic is catalogue.ALERTS and e.record is not None and e.record["kind"] == kind
    ]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.05, 0.25, 1.0])), min_size=1, max_size=200))
def test_the_running_judgement_is_that_of_all_outcomes_at_once(outcomes: list[tuple[bool, float]]) -> None:
    running = martingale.BettingMartingale(0.15, 0.05)
    after = None
    for number, (overridden, propensity) in enumerate(outcomes, 1):
        running.add(float(overridden), 0.05 / propensity)
        if running.exceeded and after is None:
            after = number
    whole = assess_override_rate([x for x, _ in outcomes], [pi for _, pi in outcomes], 0.05, 0.15)
    assert after == whole.after
    assert whole.lower - 0.005 <= running.lower <= whole.lower + 1e-9


def test_a_backlog_whose_overrides_are_judged_first_asks_for_nothing_that_the_whole_does_not() -> None:
    came = stream(1_000, 0.1, seed=3, audit=1.0)
    judged = sorted(came, key=lambda outcome: not outcome["overridden"])
    known = []
    for index, judged_outcome in enumerate(judged):
        waiting = [other["arrived_at"] for other in judged[index + 1 :]]
        known.append(judged_outcome | {"settled_before": min(waiting, default=came[-1]["at"])})
    terms = RetrainingTerms(smallest_propensity=1.0)
    assert requests(fold(judged, terms))
    assert requests(fold(known, terms)) == []
    # Every example is made at once all the same.
    assert sum(e.topic is catalogue.TRAINING_EXAMPLES for e in fold(known[:500], terms)) == 500


def test_retraining_is_asked_for_when_people_override_too_much_of_everything() -> None:
    events = fold(stream(2000, 0.4, seed=1))
    made_requests = requests(events)
    assert made_requests
    first = made_requests[0]
    assert first["override_rate_lower"] >= 0.15
    assert first["override_rate_lower"] < 0.4 < first["override_rate_upper"]
    assert first["limit"] == 0.15
    assert first["first_example"] == "d000000#1"
    assert first["request_id"] == f"credit@1#{first['last_example']}"
    assert "interlock export training-examples --model credit@1" in first["reason"]
    assert [alert["alert_id"] for alert in alerts(events, "retraining")] == [
        f"retraining/{o['request_id']}" for o in made_requests
    ]


def test_it_is_asked_for_again_after_as_many_outcomes_as_agreed_and_only_if_it_goes_on() -> None:
    terms = RetrainingTerms(renew=500)
    bad = stream(2000, 0.5, seed=2)
    asked = [request["reviewed"] for request in requests(fold(bad, terms))]
    assert asked[1] - asked[0] == 500
    better = bad[: asked[0]] + [
        earlier | {"outcome": "approve", "overridden": False, "verdict": "approve"} for earlier in bad[asked[0] :]
    ]
    assert len(requests(fold(better, terms))) == 1


def test_after_a_long_good_time_a_change_is_found_with_its_time_rate_and_slices_since() -> None:
    rng = np.random.default_rng(11)
    feedback = Feedback(RetrainingTerms(smallest_propensity=1.0))
    events: list[Event] = []
    good = 3_000
    for number in range(good + 600):
        region = str(rng.choice(["n", "s"]))
        rate = 0.1 if number < good else 0.5 if region == "n" else 0.15
        overridden = bool(rng.random() < rate)
        events += feedback.process(outcome(number, overridden=overridden), payload(region=region))
    first = requests(events)[0]
    assert first["kind"] == "change"
    assert good + 100 <= first["reviewed"] <= good + 400
    since = first["reviewed_since_change"]
    assert first["changed_at"] == outcome(first["reviewed"] - since)["arrived_at"]
    assert abs(first["reviewed"] - since - good) < 100
    assert first["rate_since_change_lower"] < 0.325 < first["rate_since_change_upper"]
    assert first["override_rate_estimate"] < 0.15 < first["rate_since_change"]
    assert "region = n" in [group["pattern"] for group in first["slices_since_change"]]
    assert first["reason"].startswith("Since about 2026-01-01 00:4")
    assert "region = n: " in first["reason"]
    wire.encode("RetrainingRequest", first)


def test_a_model_that_was_never_good_is_told_of_all_its_decisions_and_recovery_ends_the_requests() -> None:
    bad = stream(1_500, 0.5, seed=2)
    assert {request["kind"] for request in requests(fold(bad))} == {"start"}
    better = bad + [outcome(number, overridden=number % 10 == 0) for number in range(1_500, 6_000)]
    assert requests(fold(better))[-1]["reviewed"] < 2_600


def test_many_overrides_among_the_doubtful_alone_are_no_reason() -> None:
    # A third of what is reviewed with certainty is overridden, and hardly anything of the nineteen times as many that
    # are audited: 3 % in all, 20 % among the reviewed.
    rng = np.random.default_rng(3)
    outcomes = [
        outcome(number, overridden=bool(rng.random() < 0.35))
        if number % 2
        else outcome(number, overridden=bool(rng.random() < 0.01), propensity=0.05)
        for number in range(3000)
    ]
    naive = np.mean([outcome["overridden"] for outcome in outcomes])
    assert naive > 0.15
    assert requests(fold(outcomes)) == []


@pytest.mark.parametrize("rate", [0.10, 0.15])
def test_under_the_limit_it_is_hardly_ever_asked_for_however_often_one_looks(rate: float) -> None:
    runs = 40
    wrong = sum(
        bool(requests(fold(stream(800, rate, seed), RetrainingTerms(every=25, min_support=10**6))))
        for seed in range(runs)
    )
    assert wrong / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


def test_a_pattern_of_errors_is_told_once_and_named_in_the_request() -> None:
    rng = np.random.default_rng(5)
    feedback = Feedback()
    events = []
    for number in range(3000):
        facts = {"purpose": str(rng.choice(["car", "house", "trip"])), "region": str(rng.choice(["n", "s"]))}
        planted = facts == {"purpose": "car", "region": "n"}
        verdict = outcome(number, overridden=bool(rng.random() < (0.9 if planted else 0.12)))
        events += feedback.process(verdict, payload(**facts))
    reported = [
        alert for alert in alerts(events, "systematic_error") if "purpose = car AND region = n:" in alert["message"]
    ]
    assert len(reported) == 1
    last = requests(events)[-1]
    assert last["slices"][0]["pattern"] == "purpose = car AND region = n"
    assert last["slices"][0]["support"] > 10
    assert last["slices"][0]["lift"] > 2
    assert last["slices"][0]["q_value"] <= 0.05
    for event in events:
        assert event.topic.schema is not None
        assert event.record is not None
        wire.encode(event.topic.schema, event.record)


def test_overrides_that_follow_no_pattern_raise_no_alarm_over_all_looks() -> None:
    rng = np.random.default_rng(6)
    wrong = 0
    runs = 20
    for _ in range(runs):
        feedback = Feedback()
        events = []
        for number in range(1000):
            facts = {name: str(rng.integers(4)) for name in "abcd"}
            events += feedback.process(outcome(number, overridden=bool(rng.random() < 0.1)), payload(**facts))
        wrong += bool(alerts(events, "systematic_error"))
    assert wrong / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("overridden", [True, False])
def test_a_single_class_gives_an_honest_answer(overridden: bool) -> None:
    events = fold([outcome(n, overridden=overridden) for n in range(1000)], purpose="car")
    made_requests = requests(events)
    assert bool(made_requests) is overridden
    assert alerts(events, "systematic_error") == []
    for request in made_requests:
        assert request["slices"] == []
        assert 0.15 <= request["override_rate_lower"] < 1
        assert request["override_rate_upper"] == 1


def test_a_decision_judged_again_with_another_answer_counts_once_and_is_said() -> None:
    bad = [outcome(number, overridden=True) for number in range(500)]
    again = [outcome(number, overridden=False, outcome_id=f"d{number:06d}#2") for number in range(3)]
    events = fold(bad[:50] + again + bad[50:])
    request = requests(events)[0]
    assert request["reviewed"] == request["reviewed_override_rate"] * request["reviewed"]
    assert "3 decisions were judged again with another outcome" in request["reason"]
    # The later word is what a model is trained on all the same.
    assert len([e for e in events if e.topic is catalogue.TRAINING_EXAMPLES and e.key == "d000000"]) == 2


def test_a_propensity_below_the_least_so_far_starts_the_bounds_again_and_is_told_once() -> None:
    outcomes = [outcome(number, overridden=True, propensity=0.01 if number > 350 else 1.0) for number in range(700)]
    events = fold(outcomes)
    told, *_ = [alert for alert in alerts(events, "retraining") if "asked anew" in alert["message"]]
    assert "propensity 0.01" in told["message"]
    assert told["severity"] == "info"
    # What the request rests on came since then.
    assert requests(events)[-1]["reviewed"] == 600 - 351


def test_with_two_percent_of_audits_retraining_works_and_a_good_model_is_left_alone() -> None:
    policies = LearningTerms()
    policy = policy_record(POLICY.replace("name: bank", "name: bank\naudit: {rate: 0.02}"))
    policies.apply(policy.key_bytes, policy.value_bytes)

    def learned(rate: float) -> list[Event]:
        feedback = Feedback(policies=policies)
        outcomes = stream(3_000, rate, seed=5, audit=0.02)
        return [event for one in outcomes for event in feedback.process(one, None)]

    bad = learned(0.3)
    assert requests(bad)
    assert not [alert for alert in alerts(bad, "retraining") if "asked anew" in alert["message"]]
    assert requests(learned(0.1)) == []


def test_versions_of_a_model_are_judged_apart() -> None:
    both = [outcome(n, overridden=n % 2 == 0, model_version=str(1 + n % 2)) for n in range(1000)]
    assert {request["model_version"] for request in requests(fold(both))} == {"1"}


def test_settings_have_the_same_defaults_as_the_terms() -> None:
    terms = {name: value for name, value in vars(RetrainingTerms()).items() if hasattr(FeedbackSettings(), name)}
    assert {name: getattr(FeedbackSettings(), name) for name in terms} == terms
    assert {
        "min_support",
        "alpha",
        "level",
        "run_length",
        "every",
        "renew",
        "window",
    } <= terms.keys()


def test_the_same_outcomes_give_the_same_bytes() -> None:
    def written() -> list[tuple[str, bytes]]:
        events = fold(stream(800, 0.4, seed=7), purpose="car")
        return [(e.key, wire.encode(e.topic.schema or "", e.record or {})) for e in events]

    assert written() == written()


def test_numbers_with_many_values_become_quarters_and_words_stay_words() -> None:
    cases = [{"amount": str(n), "kind": "a" if n % 2 else "b"} for n in range(40)] + [{"kind": "a"}]
    table = columns(cases)
    assert len(set(table["amount"])) == 5
    assert table["amount"][-1] == "missing"
    assert set(table["kind"]) == {"a", "b"}
    assert text([("amount", "[1, 2)"), ("kind", "a")]) == "amount in [1, 2) AND kind = a"


def test_no_request_holds_a_number_that_is_none() -> None:
    for seed in range(5):
        for request in requests(fold(stream(600, 0.6, seed), purpose="car")):
            kept = wire.decode_plain("RetrainingRequest", wire.encode("RetrainingRequest", request))
            numbers = [value for value in kept.values() if isinstance(value, float)]
            numbers += [value for part in kept["slices"] for value in part.values() if isinstance(value, float)]
            assert all(math.isfinite(value) for value in numbers)


def reviewed_while_audits_wait(rate: float, *, told: bool) -> list[Event]:
    """Everything counts up to a moment at which ten audits come that nobody has done yet."""
    rng = np.random.default_rng(8)
    good = [outcome(number, overridden=bool(rng.random() < 0.05)) for number in range(500)]
    waiting = {
        "settled_before": good[-1]["at"],
        "open_audits": 10 if told else None,
        "open_reviews": 3 if told else None,
    }
    later = [outcome(number, overridden=bool(rng.random() < rate), **waiting) for number in range(600, 2_100)]
    return fold(good + later, RetrainingTerms(smallest_propensity=0.5, longest_wait=10**12))


def test_a_change_that_is_certain_even_if_all_that_is_open_is_right_is_told_of_before_it_is_judged() -> None:
    first, *later = requests(reviewed_while_audits_wait(0.5, told=True))
    assert first["kind"] == "change"
    assert first["reviewed_since_change"] < 600
    assert first["open_since_change"] == 13
    assert "10 audits and 3 reviews that are still open count as right in it" in first["reason"]
    share = first["rate_since_change"]
    assert first["rate_since_change_lower"] < share < 0.5 < first["rate_since_change_upper"]
    numbers = [first["request_id"], *(request["request_id"] for request in later)]
    verdicts = [int(name.split("#d")[1][:6]) for name in numbers]
    assert np.diff(verdicts).min() >= 500
    wire.encode("RetrainingRequest", first)


def test_without_word_of_what_is_open_or_with_a_good_model_verdicts_wait_for_those_on_earlier_decisions() -> None:
    assert requests(reviewed_while_audits_wait(0.5, told=False)) == []
    assert requests(reviewed_while_audits_wait(0.1, told=True)) == []
