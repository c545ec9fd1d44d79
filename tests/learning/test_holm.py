"""Corrected p-values are those of a reference."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from interlock.learning.holm import holm


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_holm_equals_statsmodels(count: int) -> None:
    p = np.random.default_rng(count).random(count) ** 4
    p[::5] = p[0]  # ties
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
