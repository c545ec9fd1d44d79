"""False slices where decisions were reviewed with different probabilities, and how often a true one is found there."""

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.learning.arrays import Bools, Floats
from interlock.learning.slices import Features, find

# By name: share of decisions that take effect by themselves, their audit rate, override rate of the doubtful and of the
# audited. Where audits are few, a small slice often has none by chance, and looks as bad as the doubtful alone.
DESIGNS = {
    "60/40, audits 5 %": (0.4, 0.05, 0.25, 0.046),
    "30/70, audits 2 %": (0.7, 0.02, 0.25, 0.02),
    "20/80, audits 5 %": (0.8, 0.05, 0.30, 0.15),
}


def drawn(design: str, seed: int, planted: bool = False, rows: int = 2000) -> tuple[Features, Bools, Floats]:
    """Reviewed decisions with eight features of four values, their overrides and π. Features say nothing, but if
    `planted`: where f0 = 0, a quarter of all, people override twice as often."""
    automatic, audited, doubtful_rate, audit_rate = DESIGNS[design]
    rng = np.random.default_rng(seed)
    seen = automatic * audited
    audit = rng.random(rows) < seen / (seen + 1 - automatic)
    values = rng.integers(0, 4, (rows, 8))
    rate = np.where(audit, audit_rate, doubtful_rate) * np.where(planted & (values[:, 0] == 0), 2, 1)
    features = {f"f{index}": column for index, column in enumerate(values.T)}
    return features, rng.random(rows) < rate, np.where(audit, audited, 1.0)


def false_slices(runs: int) -> dict[str, float]:
    """Share of runs in which some slice of meaningless features stands out, by design."""
    return {design: _share(design, runs, planted=False) for design in DESIGNS}


def found_slices(runs: int) -> dict[str, float]:
    """Share of runs in which the planted slice stands out, by design."""
    return {design: _share(design, runs, planted=True) for design in DESIGNS}


def _share(design: str, runs: int, *, planted: bool) -> float:
    found = 0
    for seed in range(runs):
        slices = find(*drawn(design, seed, planted), min_support=11, level=0.05)
        found += any(group.conditions == (("f0", "0"),) for group in slices) if planted else bool(slices)
    return found / runs


GATES = {
    "false slices, features that say nothing, level .05": Gate(
        false_slices,
        200,
        tuple(
            Promise(design, at_most=0.05, before=before)
            for design, before in zip(DESIGNS, (0.14, 0.35, 0.04), strict=True)
        ),
        quick=10,
    ),
    "planted slice found, overridden twice as often": Gate(found_slices, 100, quick=10),
}
