"""What learning promises, on the running platform: real records, simulated people, figures from ClickHouse."""

from typing import Any

import pytest

from bench.proofs.employment import ALPHA
from bench.proofs.running import QUICK, Sizes, run

# As few decisions as a threshold can be certified with, and a gain be told from chance.
SMALL = Sizes(audited=800, certified=1_350, too_sure=300, certified_last=400, too_sure_last=400)

# The start of an instance of its own and some three thousand verdicts.
pytestmark = [pytest.mark.kafka, pytest.mark.warehouse, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def sizes(campaign: bool) -> Sizes:
    return QUICK if campaign else SMALL


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, sizes: Sizes) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("proof") / "instance", sizes, seed=1)


def test_the_override_rate_of_all_decisions_is_estimated_from_the_reviewed_ones(
    found: dict[str, Any], sizes: Sizes
) -> None:
    rates = found["rates"]
    assert rates["decisions"] == rates["covered_decisions"] == sizes.audited
    assert 0 < rates["reviewed_decisions"] < sizes.audited
    assert rates["answered_rate"] == 1
    for name in ("hajek", "aipw"):
        assert rates[name]["covers"]
        assert rates[name]["high"] < rates["naive"]["value"]
    assert rates["naive"]["low"] > rates["truth"]


def test_a_signed_threshold_keeps_its_promise_in_the_year_that_was_held_back(found: dict[str, Any]) -> None:
    certificates = found["certificates"]
    assert certificates["accepted"]
    for threshold in certificates["accepted"]:
        assert threshold["cases"] > 50
        assert threshold["error"] <= ALPHA
    # Nothing was automatic before, and nothing has revoked it.
    assert certificates["automatic"] == sum(threshold["cases"] for threshold in certificates["accepted"])
    assert set(certificates["states"].values()) == {"accepted"}


def test_what_the_router_uses_predicts_better_than_a_model_that_is_too_sure(
    found: dict[str, Any], sizes: Sizes
) -> None:
    calibration = found["calibration"]
    assert calibration["published"] > 0
    assert calibration["recalibrated"] == calibration["decisions"] == sizes.too_sure_last
    assert calibration["gain"] > 2 * calibration["gain_error"] > 0


def test_nothing_alarms_where_nothing_has_changed(found: dict[str, Any]) -> None:
    assert found["drift_alarms"] == []
