"""What learning promises, on the running platform: real records, simulated people, figures from ClickHouse.

The quick form shows that every step of the proof works. Its samples are too small for the statistics, which
`test_employment_proof.py` shows on the same records in memory.
"""

from pathlib import Path
from typing import Any

import pytest

from bench.proofs.employment import ALPHA
from bench.proofs.platform import RunningInstance
from bench.proofs.running import FULL, QUICK, Sizes, prove, run

# In the campaign an instance starts for it, and some ten thousand verdicts are given.
pytestmark = [pytest.mark.kafka, pytest.mark.warehouse, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def figures(campaign: bool, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if campaign:
        return run(tmp_path_factory.mktemp("proof") / "instance", FULL, seed=1)
    directory: Path = request.getfixturevalue("local_instance").directory
    return prove(RunningInstance(directory, {}), QUICK, seed=1)


@pytest.fixture(scope="module")
def sizes(campaign: bool) -> Sizes:
    return FULL if campaign else QUICK


def test_error_rates_of_all_decisions_are_estimated_though_people_err_and_leave_work_open(
    figures: dict[str, Any], sizes: Sizes, campaign: bool
) -> None:
    rates = figures["rates"]
    assert rates["decisions"] == rates["covered_decisions"] == sizes.audited
    assert 0 < rates["reviewed_decisions"] < sizes.audited
    assert 0.8 < rates["answered_rate"] < 1
    assert rates["truth_as_judged"] < rates["truth"]
    items = rates["gold_items"]
    assert 0 < items["found"] <= items["wrong"]
    assert 0 < items["left"] == items["right"]
    for name in ("hajek", "aipw"):
        assert rates[name]["low"] < rates[name]["high"]
        # In so few decisions there are not enough gold items to tell.
        assert (rates[f"{name}_in_truth"] is not None) is campaign
    if campaign:
        for name in ("hajek", "aipw"):
            assert rates[name]["covers"]
            assert rates[f"{name}_in_truth"]["covers"]
        assert rates["naive"]["low"] > rates["truth"]


def test_a_signed_threshold_keeps_its_promise_in_the_year_that_was_held_back(
    figures: dict[str, Any], campaign: bool
) -> None:
    certificates = figures["certificates"]
    # With too few verdicts for a threshold none is proposed, and nothing is automatic.
    assert bool(certificates["accepted"]) is campaign
    for threshold in certificates["accepted"]:
        assert threshold["cases"] > 50
        assert threshold["error"] <= ALPHA
    # Nothing was automatic before, and nothing has revoked it.
    assert certificates["automatic"] == sum(threshold["cases"] for threshold in certificates["accepted"])
    assert set(certificates["states"].values()) == ({"accepted"} if campaign else set())


def test_what_the_router_uses_predicts_better_than_a_model_that_is_too_sure(
    figures: dict[str, Any], sizes: Sizes, campaign: bool
) -> None:
    calibration = figures["calibration"]
    assert calibration["published"] > 0
    assert calibration["recalibrated"] == calibration["decisions"] == sizes.too_sure_last
    assert calibration["gain_error"] > 0
    if campaign:
        assert calibration["gain"] > 2 * calibration["gain_error"]


def test_nothing_alarms_and_nothing_is_halted_where_nothing_has_changed(figures: dict[str, Any]) -> None:
    assert figures["drift_alarms"] == []
    assert figures["halts"] == []
