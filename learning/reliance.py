"""How people rely on an AI's answer, from verdicts on cases whose truth is known.

Appropriate reliance (Schemmer et al. 2023) has two sides, both measured where a person thinks first and then sees the
answer: to take over a right answer after a wrong first opinion, and to keep a right opinion against a wrong answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from interlock.learning.bounds import anytime, wilson

# With fewer cases the interval of a share is wider than half of all that is possible, and says nothing of a person.
FEW = 12

AI_FIRST, DECIDE_FIRST = "ai-first", "decide-first"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict in the experiment. `right`: the known truth, empty where it is not known. `shown`: the AI's answer, or
    the wrong one in its place (`seeded`). `first`: the opinion before it was shown, empty without one. `seconds`: from
    claim to verdict, None where unknown."""

    arm: str
    right: str
    shown: str
    first: str
    outcome: str
    seeded: bool
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval (Wilson 1927); `estimate`: None where there are too few cases to say."""

    count: int
    of: int
    estimate: float | None
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Difference:
    """decide-first against ai-first with its 95 % interval: of shares, or of times as a ratio. None: too few to say."""

    estimate: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Reliance:
    """`relative_ai_reliance`: of wrong first opinions against a right answer, how many were given up for it.
    `relative_self_reliance`: of right first opinions against a wrong answer, how many were kept. `detection`: of wrong
    answers put in place of the AI's, how many were not taken over. `over_reliance`: of wrong answers, how many were;
    `under_reliance`: of right answers, how many were refused. `accuracy_*`: of cases with a known truth, how many were
    judged right. `accuracy_effect`, `time_effect`: decide-first minus, and over, ai-first."""

    judgements: int
    known: int
    relative_ai_reliance: Share
    relative_self_reliance: Share
    detection: Share
    over_reliance: Share
    under_reliance: Share
    accuracy_ai_first: Share
    accuracy_decide_first: Share
    accuracy_effect: Difference
    time_effect: Difference


def reliance(judgements: Iterable[Judgement]) -> Reliance:
    """The report of some verdicts of the experiment."""
    every = list(judgements)
    known = [one for one in every if one.right]
    thought = [one for one in known if one.first]
    good, bad = ([one for one in known if (one.shown == one.right) is right] for right in (True, False))
    arms = {arm: [one for one in known if one.arm == arm] for arm in (AI_FIRST, DECIDE_FIRST)}
    times = {arm: [one.seconds for one in every if one.arm == arm and one.seconds] for arm in arms}
    shares = [share([one.outcome == one.right for one in arms[arm]]) for arm in (AI_FIRST, DECIDE_FIRST)]
    return Reliance(
        judgements=len(every),
        known=len(known),
        relative_ai_reliance=share(
            [one.outcome == one.right for one in thought if one.shown == one.right != one.first]
        ),
        relative_self_reliance=share(
            [one.outcome == one.right for one in thought if one.first == one.right != one.shown]
        ),
        detection=share([one.outcome != one.shown for one in bad if one.seeded]),
        over_reliance=share([one.outcome == one.shown for one in bad]),
        under_reliance=share([one.outcome != one.shown for one in good]),
        accuracy_ai_first=shares[0],
        accuracy_decide_first=shares[1],
        accuracy_effect=share_difference(shares[1], shares[0]),
        time_effect=time_ratio(times[DECIDE_FIRST], times[AI_FIRST]),
    )


def share(hits: Sequence[bool]) -> Share:
    """The share of True."""
    count, of = sum(hits), len(hits)
    lower, upper = wilson(count, of)
    return Share(count, of, count / of if of >= FEW else None, lower, upper)


def share_difference(one: Share, other: Share) -> Difference:
    """The difference of two independent shares with the hybrid score interval (Newcombe 1998, method 10)."""
    if one.estimate is None or other.estimate is None:
        return Difference(None, None, None)
    difference = one.estimate - other.estimate
    below = sqrt((one.estimate - one.lower) ** 2 + (other.upper - other.estimate) ** 2)
    above = sqrt((one.upper - one.estimate) ** 2 + (other.estimate - other.lower) ** 2)
    return Difference(difference, difference - below, difference + above)


def time_ratio(seconds: Sequence[float], others: Sequence[float]) -> Difference:
    """The ratio of two geometric means: handling times are skewed, and their logarithms hardly (Welch's interval)."""
    from scipy.stats import t

    if min(len(seconds), len(others)) < FEW:
        return Difference(None, None, None)
    logs = [np.log(np.asarray(each, dtype=float)) for each in (seconds, others)]
    parts = [float(each.var(ddof=1)) / len(each) for each in logs]
    middle, error = float(logs[0].mean() - logs[1].mean()), sqrt(sum(parts))
    if error == 0:
        return Difference(exp(middle), exp(middle), exp(middle))
    freedom = error**4 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, logs, strict=True))
    half = float(t.ppf(0.975, freedom)) * error
    return Difference(exp(middle), exp(middle - half), exp(middle + half))


def too_few_overrides(overrides: int, verdicts: int, errors: int, checked: int, alpha: float = 0.05) -> bool:
    """Whether somebody overrides the AI less often than it errs, beyond doubt, however often one looks.

    `overrides` of `verdicts` by a person who saw the answer; `errors` of `checked` answers whose truth is known. The
    greatest override rate that is still possible lies below the smallest possible error rate: both are bounds of
    confidence sequences at 1 − alpha/2, so that somebody whose rate is no lower is ever named with probability alpha.
    """
    return anytime(overrides, verdicts, alpha / 2)[1] < anytime(errors, checked, alpha / 2)[0]
