"""What was chosen for people and not answered: nothing is concluded, and it is said what is missing."""

from typing import Any

import numpy as np
import pytest

from interlock.learning.answered import Answered
from interlock.processors.answered import LATELY, AnsweredWays, TallyTable
from interlock.processors.events import Event
from interlock.processors.feedback.answered_since import Told, answered_since
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import RetrainingTerms, Sample, Sums
from interlock.schemas import catalogue, wire
from tests.processors.feedback.feedback_world import START, outcome

AUDIT = 0.05
HOUR = 3_600_000_000
TALLY: dict[str, Any] = {
    **{"domain": "loan", "model_id": "credit", "model_version": "1", "way": "audit", "settled": 40, "judged": 0},
    **dict.fromkeys(("settled_before", "way_settled_before", "at"), START),
}


class Desk:
    """Half of the decisions take effect, of which 3 % are wrong, and half are reviewed, of which 21 % are: together
    12 %, where 15 % are allowed. `audits` and `reviews`: shares that people answer."""

    def __init__(self, audits: float, reviews: float, seed: int = 0) -> None:
        self.answered = {"audit": audits, "async": reviews}
        self.counts = {"audit": [0, 0], "async": [0, 0]}
        self._rng = np.random.default_rng(seed)
        self.number = 0

    def outcomes(self, decisions: int) -> list[dict[str, Any]]:
        made = [self._outcome() for _ in range(decisions)]
        return [one for one in made if one is not None]

    def _outcome(self) -> dict[str, Any] | None:
        self.number += 1
        auto = self._rng.random() < 0.5
        wrong = bool(self._rng.random() < (0.03 if auto else 0.21))
        if auto and self._rng.random() >= AUDIT:
            return None
        way = "audit" if auto else "async"
        self.counts[way][0] += 1
        if self._rng.random() >= self.answered[way]:
            return None
        self.counts[way][1] += 1
        settled, judged = self.counts[way]
        told: dict[str, Any] = {"way_settled": settled, "way_judged": judged}
        if auto:
            told |= {"kind": "audit", "audit": True, "route": "auto", "propensity": AUDIT}
        return outcome(self.number, overridden=wrong, **told)


def learn(feedback: Feedback, outcomes: list[dict[str, Any]]) -> list[Event]:
    return [event for one in outcomes for event in feedback.process(one, None)]


def requests(events: list[Event]) -> int:
    return sum(event.topic is catalogue.RETRAINING_REQUESTS for event in events)


def told(events: list[Event]) -> list[str]:
    alerts = [event.record for event in events if event.topic is catalogue.ALERTS]
    return [alert["message"] for alert in alerts if alert and alert["kind"] == "answers_missing"]


@pytest.mark.parametrize(("audits", "reviews"), [(0.1, 1.0), (0.3, 1.0), (1.0, 0.6)])
def test_where_too_much_is_open_nothing_is_requested_and_it_is_said_once_what_is_missing(
    audits: float, reviews: float
) -> None:
    events = learn(Feedback(), Desk(audits, reviews).outcomes(4_000))
    assert requests(events) == 0
    (message,) = told(events)
    assert ("audits answered" in message) == (audits < 1)
    assert ("async reviews answered" in message) == (reviews < 1)
    assert "needed" in message


def test_without_the_demand_the_unanswered_audits_of_a_good_model_have_it_retrained() -> None:
    careless = Feedback(RetrainingTerms(min_answered=0.0))
    assert requests(learn(careless, Desk(0.1, 1.0).outcomes(4_000))) > 0


def test_a_desk_that_answers_everything_hears_nothing() -> None:
    events = learn(Feedback(), Desk(1.0, 1.0).outcomes(4_000))
    assert (requests(events), told(events)) == (0, [])


def test_once_enough_is_answered_learning_goes_on_and_what_is_missing_later_is_said_again() -> None:
    desk, feedback = Desk(0.5, 1.0), Feedback()
    assert len(told(learn(feedback, desk.outcomes(2_000)))) == 1
    desk.counts["audit"][1] = desk.counts["audit"][0]  # the late ones come in
    desk.answered["audit"] = 1.0
    assert told(learn(feedback, desk.outcomes(2_000))) == []
    desk.answered["audit"] = 0.2
    assert len(told(learn(feedback, desk.outcomes(8_000)))) == 1


@pytest.mark.parametrize("demanded", [True, False])
def test_after_a_long_time_in_which_all_was_answered_open_audits_are_taken_for_a_change_only_without_the_demand(
    demanded: bool,
) -> None:
    # Of 300 audits all are answered, and of 60 then 6: nine tenths of all.
    desk, tallies = Desk(1.0, 1.0), TallyTable()
    feedback = Feedback(RetrainingTerms(run_length=2_000, min_answered=0.8 if demanded else 0.0), tallies)
    assert requests(learn(feedback, desk.outcomes(12_000))) == 0
    desk.answered["audit"] = 0.1
    events = []
    for _ in range(12):
        verdicts = desk.outcomes(200)
        tallies.apply(wire.encode("Tally", TALLY | {"settled": desk.counts["audit"][0]}))
        events += learn(feedback, verdicts)
    assert bool(requests(events)) is not demanded
    assert ["audits answered" in message for message in told(events)] == [True] * demanded


def test_a_way_that_falls_silent_is_missing_by_what_the_tallies_tell() -> None:
    audit, review = ("loan", "audit"), ("loan", "async")
    before = [Told(audit, 40, 40, AUDIT)] + [Told(review, n, n, 1.0) for n in range(100)]
    since = [Told(review, n, n, 1.0) for n in range(100, 200)]

    def missing(told: list[Told], audits: Answered) -> tuple[str, ...]:
        return answered_since(before, told, {audit: audits, review: Answered(200, 200)}).missing(0.8)

    assert missing(since, Answered(40, 40)) == ()
    assert missing(since, Answered(70, 40)) == ("0 of 30 audits answered, 24 needed",)
    assert missing([*since, Told(audit, 70, 41, AUDIT)], Answered(0, 0)) == ("1 of 30 audits answered, 24 needed",)
    assert answered_since([None], [None], {}).missing(0.8) == ()


def observed(ways: AnsweredWays, outcomes: list[dict[str, Any]]) -> int:
    for one in outcomes:
        ways.observe(one, one["at"])
    return int(outcomes[-1]["at"])


def test_ten_thousand_answers_of_ten_thousand_do_not_hide_that_none_of_the_next_five_hundred_is_given() -> None:
    desk, tallies = Desk(1.0, 1.0), TallyTable()
    desk.counts["audit"] = [10_000, 10_000]
    ways = AnsweredWays(tallies, "credit@1")
    now = observed(ways, desk.outcomes(6_000))
    settled = desk.counts["audit"][0]
    tallies.apply(wire.encode("Tally", TALLY | {"settled": settled + 500, "judged": settled, "at": now}))
    assert ways.missing(0.8, now) == ()
    (missing,) = ways.missing_lately(0.8, now)
    assert missing.endswith(f" audits answered, {np.ceil(0.8 * int(missing.split()[2])):.0f} needed")


def test_what_the_desk_tells_later_says_nothing_about_before() -> None:
    desk, tallies = Desk(1.0, 1.0), TallyTable()
    ways = AnsweredWays(tallies, "credit@1")
    now = observed(ways, desk.outcomes(1_000))
    tallies.apply(wire.encode("Tally", TALLY | {"settled": 10_000, "at": now + 1}))
    assert ways.missing(0.8, now) == ()
    assert ways.missing(0.8, now + 1) != ()


def test_a_way_that_is_used_no_more_holds_nothing_up_whatever_was_left_open_on_it() -> None:
    desk = Desk(0.5, 1.0)
    ways = AnsweredWays(TallyTable(), "credit@1")
    assert ways.missing_lately(0.8, observed(ways, desk.outcomes(4_000)))
    reviewed = [one for one in desk.outcomes(2 * LATELY + 1_000) if not one["audit"]]
    assert ways.missing_lately(0.8, observed(ways, reviewed)) == ()


@pytest.mark.parametrize("bad", [True, False])
def test_a_backlog_of_long_ago_is_left_behind_once_all_is_answered_lately(bad: bool) -> None:
    desk, feedback = Desk(1.0, 1.0), Feedback()
    desk.counts["audit"] = [2_000, 0]
    assert len(told(learn(feedback, desk.outcomes(1_000)))) == 1
    learned = 0
    alerts: list[dict[str, Any] | None] = []
    while not alerts:
        outcomes = desk.outcomes(500)
        learned += len(outcomes)
        alerts = [event.record for event in learn(feedback, outcomes) if event.topic is catalogue.ALERTS]
    (anew,) = alerts
    assert anew is not None
    assert ("asked anew" in anew["message"], anew["severity"]) == (True, "info")
    assert learned <= LATELY + 100
    later = desk.outcomes(4_000)
    if bad:
        later = [one | {"outcome": "reject", "overridden": True} if one["at"] % 3 else one for one in later]
    made = [event.record for event in learn(feedback, later) if event.topic is catalogue.RETRAINING_REQUESTS]
    assert bool(made) is bad


def test_a_request_tells_of_how_much_of_what_was_chosen_it_knows_since_the_change_that_it_speaks_of() -> None:
    desk, feedback = Desk(1.0, 1.0), Feedback(RetrainingTerms(run_length=2_000))
    assert requests(learn(feedback, desk.outcomes(8_000))) == 0
    desk.answered["async"] = 0.9
    worse = [one | {"outcome": "reject"} if number % 3 else one for number, one in enumerate(desk.outcomes(2_000))]
    request = next(event.record for event in learn(feedback, worse) if event.topic is catalogue.RETRAINING_REQUESTS)
    assert request is not None
    assert request["kind"] == "change"
    shares = {each["way"]: each["judged"] / each["settled"] for each in request["answered"]}
    assert shares == {"audit": 1.0, "async": pytest.approx(0.9, abs=0.05)}
    async_, audit = request["answered"]
    assert async_["settled"] < 1_000
    assert f"they have answered {async_['judged']} of {async_['settled']} async reviews, " in request["reason"]
    assert f"{audit['judged']} of {audit['settled']} audits. " in request["reason"]


def test_audits_that_nobody_ever_did_are_known_from_the_tallies_of_the_desk() -> None:
    tallies = TallyTable()
    tallies.apply(wire.encode("Tally", TALLY))
    reviewed = [one for one in Desk(0.0, 1.0).outcomes(2_000) if not one["audit"]]
    (message,) = told(learn(Feedback(tallies=tallies), reviewed))
    assert "0 of 40 audits answered, 32 needed" in message


def test_a_way_that_makes_up_next_to_nothing_holds_nothing_up() -> None:
    desk = Desk(1.0, 1.0)
    few = [outcome(10**5 + number, route="sync", way_settled=4, way_judged=1) for number in range(1)]
    events = learn(Feedback(), [*desk.outcomes(1_000), *few, *desk.outcomes(3_000)])
    assert told(events) == []


def test_verdicts_of_before_the_desk_counted_hold_nothing_up() -> None:
    events = learn(Feedback(), [outcome(number) for number in range(300)])
    assert told(events) == []


def test_the_last_verdicts_of_a_model_count_once_the_desk_tells_that_what_came_before_is_late() -> None:
    tallies = TallyTable()
    feedback = Feedback(RetrainingTerms(limit=0.05), tallies)
    verdicts = [outcome(number, overridden=number % 2 == 0, settled_before=START - HOUR) for number in range(300)]
    assert requests(learn(feedback, verdicts)) == 0
    now = verdicts[-1]["at"] + HOUR
    assert feedback.tick(now) == []
    tallies.apply(wire.encode("Tally", TALLY | {"settled": 0, "settled_before": now}))
    assert requests(feedback.tick(now)) == 1
    assert feedback.tick(now) == []


def test_the_last_verdicts_of_a_model_count_after_the_longest_wait_though_nobody_tells_anything() -> None:
    feedback = Feedback(RetrainingTerms(limit=0.05, longest_wait=24 * HOUR))
    verdicts = [outcome(number, overridden=number % 2 == 0, settled_before=START - HOUR) for number in range(300)]
    learn(feedback, verdicts)
    assert feedback.tick(START + 23 * HOUR) == []
    assert requests(feedback.tick(START + 25 * HOUR)) == 1


def test_verdicts_stand_for_the_unanswered_decisions_of_their_own_way_in_the_rate_that_is_told() -> None:
    def sample(way: str, judged: int, settled: int, *, overridden: bool) -> Sample:
        propensity = 0.5 if way == "audit" else 1.0
        return Sample(overridden, propensity, {}, 0, Told(("loan", way), settled, judged, propensity))

    reviews = [sample("async", number, number, overridden=number <= 10) for number in range(1, 41)]
    audits = [sample("audit", number, 2 * number, overridden=False) for number in range(1, 11)]
    # 40 reviewed decisions; 20 audits of which 10 were answered stand for 40 decisions, not for 20.
    assert Sums([*reviews, *audits], from_start=True).rate == pytest.approx(10 / 80)
