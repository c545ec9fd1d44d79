"""What learning promises, proved on real data through the real router, desk and learning: figures and plots."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.proofs import car_loan as car_loan_proof
from bench.proofs import employment as employment_proof
from bench.proofs import plots as learning_plots
from examples import car_loan

# Decisions for one estimate of the override rate.
BLOCK = 1_000

# Audit keys under which coverage is measured.
AUDIT_KEYS = 400


def run(
    seed: int = 1,
    *,
    quick: bool = False,
    repeats: int = 3,
    plots: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """All figures; `repeats`: seeds for estimates and certificates; certificates after the first rest on few labels."""
    sizes = employment_proof.QUICK if quick else employment_proof.FULL
    again = employment_proof.QUICK
    rates, certified = [], []
    for number in range(seed, seed + max(1, repeats)):
        first = number == seed
        say(f"employment, seed {number}: override rates")
        rates.append(employment_proof.rates(number, sizes, BLOCK))
        say(f"employment, seed {number}: certificates")
        certified.append(employment_proof.certificates(number, sizes if first else again))
    say("employment: coverage under many audit keys")
    covered = employment_proof.coverage(seed, sizes, AUDIT_KEYS)
    say("employment: calibration")
    overconfident = employment_proof.calibration(seed, sizes, overconfident=True)
    calibrated = employment_proof.calibration(seed, sizes, overconfident=False)
    say("car loans: drift")
    span = car_loan_proof.QUICK if quick else car_loan_proof.FULL
    loans = car_loan_proof.run(span, seed) | {"confidence_alarms": list(car_loan_proof.confidence_alarms())}
    if plots is not None:
        _draw(plots, rates[0], overconfident, certified[0], loans)
    return {
        "rates": {"first": rates[0]["all"], "coverage": covered, **_coverage(rates)},
        "certificates": [_short(result) for result in certified],
        "calibration": {"too_sure": _short(overconfident), "as_it_is": _short(calibrated)},
        "car_loan": loans,
    }


def _coverage(rates: list[dict[str, Any]]) -> dict[str, Any]:
    """How often intervals held the truth: of whole runs, and of blocks within them."""
    blocks = [block for run in rates for block in run["blocks"]]
    covered: dict[str, Any] = {"runs": len(rates), "blocks": len(blocks)}
    for name in ("naive", "hajek", "aipw"):
        covered[name] = {
            "runs_covered": sum(run["all"][name]["covers"] for run in rates),
            "blocks_covered": sum(block[name]["covers"] for block in blocks),
        }
    return covered


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures without those that only plots need."""
    kept = {name: value for name, value in figures.items() if not name.startswith("bins")}
    if "accepted" in kept:
        kept["accepted"] = [
            {name: value for name, value in threshold.items() if name != "curve"} for threshold in kept["accepted"]
        ]
    return kept


def _draw(
    directory: Path,
    rates: dict[str, Any],
    overconfident: dict[str, Any],
    certified: dict[str, Any],
    loans: dict[str, Any],
) -> None:
    charts = {
        "learning-estimates": learning_plots.estimates(rates, BLOCK),
        "learning-reliability": learning_plots.reliability(overconfident),
        "learning-drift": learning_plots.drift(car_loan_proof.time_series(), loans, car_loan.CHANGE),
    }
    thresholds = [accepted for accepted in certified["accepted"] if accepted["prediction"] == "not_employed"]
    if thresholds:
        charts["learning-threshold"] = learning_plots.threshold(thresholds[0], certified["alpha"], certified["delta"])
    for name, text in charts.items():
        (directory / f"{name}.svg").write_text(text)
