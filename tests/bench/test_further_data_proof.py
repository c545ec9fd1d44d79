"""On real data that nothing was tuned on, intervals hold the truth where the naive rate does not; certificates too."""

from typing import Any

import pytest

from bench.proofs import further
from bench.proofs.further_data import SOURCES, Source, scored

_BY_NAME = {source.name: source for source in SOURCES}

# Two that are read and fitted within a second; all of them in the campaign.
_QUICK = ("spam7", "breast_cancer")


@pytest.fixture(scope="module")
def sources(campaign: bool) -> list[Source]:
    return list(SOURCES) if campaign else [_BY_NAME[name] for name in _QUICK]


def test_corrected_intervals_hold_the_truth_and_the_naive_one_does_not(sources: list[Source], campaign: bool) -> None:
    keys = 200 if campaign else 40
    for source in sources:
        covered: dict[str, Any] = further.coverage(source, keys)["covered"]
        assert covered.pop("naive") <= 0.05, source.name
        for method, share in covered.items():
            # Three standard errors of the promised 93 %.
            assert share >= 0.93 - 3 * (0.93 * 0.07 / keys) ** 0.5, (source.name, method)


def test_certificates_are_broken_no_more_often_than_promised(sources: list[Source], campaign: bool) -> None:
    streams = 50 if campaign else 2
    for source in sources:
        for audited in (False, True):
            figures = further.certified(scored(source), streams, audited=audited)
            # The risk is a tenth for each of two lanes.
            assert figures["broken"] <= 0.2 * streams + 3 * (0.2 * 0.8 * streams) ** 0.5, source.name
