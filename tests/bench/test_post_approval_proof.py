"""In post_approval the audits tell how often the model errs, whatever people look at or object to."""

from typing import Any

import pytest

from bench.proofs import post_approval


@pytest.fixture(scope="module")
def lived(campaign: bool) -> list[dict[str, Any]]:
    if not campaign:
        return [post_approval.life(1, 500, 0.91)]
    # The model errs in 10, 3 and 1 % of these.
    return [post_approval.life(1, 3_000, confidence) for confidence in (0.75, 0.91, 0.95)]


def test_audits_hold_the_truth_for_feedback_and_for_calibration(lived: list[dict[str, Any]]) -> None:
    for life in lived:
        for learner in ("feedback", "calibration"):
            seen = life[learner]
            assert seen["of"] >= 0.03 * life["effective"]
            assert seen["low"] <= life["truth"] <= seen["high"]


def test_objections_ask_for_no_retraining(lived: list[dict[str, Any]]) -> None:
    for life in lived:
        assert life["objections"] > 0
        assert life["looks"] > 0
        assert life["requests"] == 0
