import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom
from statsmodels.stats.weightstats import DescrStatsW

from interlock.learning.estimates import Estimate, Target, aipw, hajek, horvitz_thompson, naive, rogan_gladen
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Four decisions always reviewed; of sixteen confident ones, audited with probability ¼, five were.
REVIEWED = np.arange(20) < 9
OVERRIDDEN = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0] + [0] * 11)
PROPENSITY = np.where(np.arange(20) < 4, 1.0, 0.25)
PREDICTED = np.where(np.arange(20) < 4, 0.4, 0.02)


@st.composite
def samples(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Overridden, reviewed, propensity, predicted; something is reviewed."""
    rows = st.tuples(st.booleans(), st.booleans(), st.floats(0.01, 1), st.floats(0, 1))
    columns = zip(*draw(st.lists(rows, min_size=2, max_size=60)), strict=True)
    y, r, pi, f = (np.array(column, dtype=float) for column in columns)
    # What is certain to be reviewed was.
    r[pi == 1] = 1
    r[0] = 1
    return y, r, pi, f


def test_the_estimators_give_the_reference_values() -> None:
    assert naive(OVERRIDDEN, REVIEWED).value == pytest.approx(0.444444, abs=1e-6)
    estimate = horvitz_thompson(OVERRIDDEN, REVIEWED, PROPENSITY)
    assert (estimate.value, estimate.variance) == pytest.approx((0.35, 0.03), abs=1e-12)
    ratio = hajek(OVERRIDDEN, REVIEWED, PROPENSITY)
    assert (ratio.value, ratio.variance) == pytest.approx((0.291667, 0.0175420), abs=1e-6)
    assert aipw(OVERRIDDEN, REVIEWED, PROPENSITY, PREDICTED).value == pytest.approx(0.346, abs=1e-12)


def test_hajek_is_the_weighted_mean_of_statsmodels() -> None:
    oracle = DescrStatsW(OVERRIDDEN[REVIEWED], 1 / PROPENSITY[REVIEWED])
    assert hajek(OVERRIDDEN, REVIEWED, PROPENSITY).value == pytest.approx(oracle.mean)


def test_every_estimate_says_which_population_it_speaks_of() -> None:
    assert naive(OVERRIDDEN, REVIEWED).target == "the reviewed decisions only"
    assert hajek(OVERRIDDEN, REVIEWED, PROPENSITY).target == "all of these decisions"
    process = hajek(OVERRIDDEN, REVIEWED, PROPENSITY, Target.PROCESS)
    assert process.target == "all decisions of this kind, these and others like them"
    assert (process.decisions, process.reviewed) == (20, 9)


@settings(max_examples=100, deadline=None)
@given(samples())
def test_every_estimate_is_finite_and_within_its_interval(sample: tuple[np.ndarray, ...]) -> None:
    y, r, pi, f = sample
    for target in (Target.THESE, Target.PROCESS):
        for estimate in (
            horvitz_thompson(y, r, pi, target),
            hajek(y, r, pi, target),
            aipw(y, r, pi, f, target),
            naive(y, r),
        ):
            assert np.isfinite([estimate.value, estimate.variance]).all()
            assert estimate.variance >= 0
            assert 0 <= estimate.low <= np.clip(estimate.value, 0, 1) + 1e-9
            assert np.clip(estimate.value, 0, 1) - 1e-9 <= estimate.high <= 1


@settings(max_examples=60, deadline=None)
@given(samples())
def test_predicting_nothing_makes_aipw_horvitz_thompson(sample: tuple[np.ndarray, ...]) -> None:
    y, r, pi, _ = sample
    for target in (Target.THESE, Target.PROCESS):
        augmented, plain = aipw(y, r, pi, np.zeros(len(y)), target), horvitz_thompson(y, r, pi, target)
        assert (augmented.value, augmented.variance, augmented.high) == pytest.approx(
            (plain.value, plain.variance, plain.high)
        )


def test_with_equal_propensities_hajek_is_the_naive_rate() -> None:
    estimate = hajek(OVERRIDDEN, REVIEWED, np.full(20, 0.3))
    assert estimate.value == pytest.approx(naive(OVERRIDDEN, REVIEWED).value)


def test_a_prediction_that_is_right_narrows_the_interval() -> None:
    rng = np.random.default_rng(1)
    risk = rng.beta(0.3, 1, 4000)
    y = rng.random(4000) < risk
    r = rng.random(4000) < 0.2
    pi = np.full(4000, 0.2)
    informed, plain = aipw(y, r, pi, risk), horvitz_thompson(y, r, pi)
    assert informed.high - informed.low < 0.8 * (plain.high - plain.low)


def test_when_everything_was_reviewed_these_decisions_are_known_exactly_and_others_are_not() -> None:
    y = np.arange(100) < 30
    these = horvitz_thompson(y, np.ones(100), np.ones(100))
    assert (these.low, these.value, these.high) == pytest.approx((0.3, 0.3, 0.3))
    process = horvitz_thompson(y, np.ones(100), np.ones(100), Target.PROCESS)
    assert process.low < 0.25
    assert process.high > 0.35


def test_audits_without_an_override_do_not_prove_that_there_is_none() -> None:
    r = np.arange(1000) < 50
    estimate = horvitz_thompson(np.zeros(1000), r, np.full(1000, 0.05))
    assert estimate.value == 0
    # The most wrong ones of 1,000 of which 50 drawn without replacement show none as often as 2.5 % of the time.
    most = max(count for count in range(100) if hypergeom.pmf(0, 1000, count, 50) >= 0.025)
    assert estimate.high == pytest.approx(most / 1000, abs=0.0005)


def test_of_other_decisions_audits_without_an_override_say_what_clopper_and_pearson_say() -> None:
    r = np.arange(1000) < 50
    estimate = horvitz_thompson(np.zeros(1000), r, np.full(1000, 0.05), Target.PROCESS)
    assert estimate.high == pytest.approx(1 - 0.025 ** (1 / 50), abs=1e-9)


def test_many_errors_in_one_stratum_do_not_make_the_few_of_another_surer() -> None:
    """600 reviewed, 400 with 20 audits, none overridden: one review that is open changes next to nothing."""
    pi = np.where(np.arange(1000) < 600, 1.0, 0.05)
    y = np.arange(1000) < 150
    everything = np.arange(1000) < 620
    all_but_one = everything & (np.arange(1000) != 599)
    for estimator in (horvitz_thompson, hajek):
        closed = estimator(y, everything, pi)
        opened = estimator(y, all_but_one, pi, answered=np.where(pi == 1, 599 / 600, 1.0))
        assert (opened.low, opened.high) == pytest.approx((closed.low, closed.high), abs=2 / 1000)
        assert closed.high > 0.2


def test_where_some_are_not_answered_the_interval_holds_what_they_may_be() -> None:
    y, pi = np.arange(1000) < 200, np.ones(1000)
    answered = np.arange(1000) % 10 > 0
    estimate = horvitz_thompson(y, answered, pi, answered=0.9)
    assert estimate.value == pytest.approx(0.2)
    assert estimate.low < 0.18  # the hundred that are not answered have no error
    assert estimate.high > 0.22  # or err twice as often as the others


def test_nothing_is_said_where_most_was_not_answered_unless_it_hardly_matters() -> None:
    y, r, pi = np.arange(1000) % 5 == 0, np.arange(1000) % 3 == 0, np.ones(1000)
    with pytest.raises(InsufficientDataError, match=r"33%.*50% are needed") as refused:
        horvitz_thompson(y, r, pi, answered=1 / 3)
    assert refused.value.reason is Reason.NOT_ANSWERED
    share = np.where(np.arange(1000) < 30, 1 / 3, 1.0)
    seen = (np.arange(1000) >= 30) | r
    little = horvitz_thompson(y, seen, pi, answered=share)
    assert little.low < little.value < little.high
    # Of thirty twenty are open, and may all be wrong.
    assert little.high > (194 + 20) / 1000


@pytest.mark.parametrize("share", [0.0, np.nan, 1.1])
def test_a_share_of_answers_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        horvitz_thompson(OVERRIDDEN, REVIEWED, PROPENSITY, answered=share)
    assert refused.value.reason is Reason.NOT_ANSWERED


def test_what_was_never_audited_may_be_anything() -> None:
    pi = np.where(np.arange(20) < 10, 1.0, 0.05)
    estimate = horvitz_thompson(np.arange(20) < 3, np.arange(20) < 10, pi)
    assert (estimate.low, estimate.high) == pytest.approx((3 / 20, 13 / 20))


def test_outcomes_of_decisions_without_review_are_never_read() -> None:
    unread = np.where(REVIEWED, OVERRIDDEN, np.nan)
    assert hajek(unread, REVIEWED, PROPENSITY) == hajek(OVERRIDDEN, REVIEWED, PROPENSITY)


def test_hajek_needs_no_rows_of_decisions_without_review() -> None:
    only = hajek(OVERRIDDEN[:9], REVIEWED[:9], PROPENSITY[:9])
    assert only.value == hajek(OVERRIDDEN, REVIEWED, PROPENSITY).value


@pytest.mark.parametrize("bad", [0.0, np.nan, -0.1, 1.5])
def test_a_propensity_that_is_zero_or_missing_is_refused_counted_and_located(bad: float) -> None:
    propensity = PROPENSITY.copy()
    propensity[7] = bad
    with pytest.raises(InsufficientDataError, match=r"1 of 20 propensities .* element 7") as refused:
        horvitz_thompson(OVERRIDDEN, REVIEWED, propensity)
    assert refused.value.reason is Reason.BAD_PROPENSITY


@pytest.mark.parametrize(
    ("overridden", "reviewed", "propensity", "reason"),
    [
        ([0, 1], [0, 0], [0.5, 0.5], Reason.NO_DATA),
        ([], [], [], Reason.NO_DATA),
        ([1], [1], [1.0], Reason.TOO_FEW_LABELS),
        ([0, 1, 1], [1, 1], [0.5, 0.5], Reason.LENGTHS_DIFFER),
        ([0, 1], [1, 1], [0.5], Reason.LENGTHS_DIFFER),
        ([0, np.nan], [1, 1], [0.5, 0.5], Reason.NOT_BINARY),
        ([0, 1], [1, 2], [0.5, 0.5], Reason.NOT_BINARY),
    ],
)
def test_samples_that_tell_nothing_are_refused_by_name(
    overridden: list[float], reviewed: list[float], propensity: list[float], reason: Reason
) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        horvitz_thompson(overridden, reviewed, propensity)
    assert refused.value.reason is reason


def test_predictions_of_another_number_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="predicted has 3 elements where 20") as refused:
        aipw(OVERRIDDEN, REVIEWED, PROPENSITY, [0.1, 0.2, 0.3])
    assert refused.value.reason is Reason.LENGTHS_DIFFER


def observed(value: float = 0.2, low: float = 0.15, high: float = 0.26) -> Estimate:
    return Estimate("Hájek", Target.THESE, value, 0.0008, low, high, 1000, 200)


def test_rogan_gladen_gives_the_reference_value_and_corrects_the_interval_alike() -> None:
    corrected = rogan_gladen(observed(), 0.9, 0.95)
    assert corrected.value == pytest.approx(0.176471, abs=1e-6)
    assert (corrected.low, corrected.high) == pytest.approx((0.10 / 0.85, 0.21 / 0.85))
    assert corrected.variance == pytest.approx(0.0008 / 0.85**2)


def test_flawless_reviewers_need_no_correction() -> None:
    corrected = rogan_gladen(observed(), 1.0, 1.0)
    assert (corrected.value, corrected.low, corrected.high) == pytest.approx((0.2, 0.15, 0.26))
    assert "reviewers' errors" in corrected.method


def test_reviewers_whose_quality_is_uncertain_widen_the_interval() -> None:
    sure, unsure = rogan_gladen(observed(), 0.9, 0.95), rogan_gladen(observed(), 0.9, 0.95, 0.003, 0.0006)
    assert unsure.low < sure.low
    assert unsure.high > sure.high


def test_fewer_overrides_than_reviewers_make_by_mistake_are_a_rate_of_zero() -> None:
    corrected = rogan_gladen(observed(0.02, 0.01, 0.08), 0.9, 0.95)
    assert (corrected.value, corrected.low) == (0.0, 0.0)
    assert corrected.high == pytest.approx(0.03 / 0.85)


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.5, 0.5), (0.3, 0.6)])
def test_reviewers_no_better_than_chance_are_refused(sensitivity: float, specificity: float) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        rogan_gladen(observed(), sensitivity, specificity)
    assert refused.value.reason is Reason.UNINFORMATIVE_REVIEW
