"""What learning promises, shown on real data through the real router, desk and learning: figures and plots."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.proofs import car_loan as car_loan_proof
from bench.proofs import employment as employment_proof
from bench.proofs import plots as learning_plots
from examples import car_loan

# Decisions for one estimate of the override rate.
BLOCK = 1_000

# Audit keys under which coverage is counted.
COINS = 400


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
    covered = employment_proof.coverage(seed, sizes, COINS)
    say("employment: calibration")
    loud = employment_proof.calibration(seed, sizes, loud=True)
    calm = employment_proof.calibration(seed, sizes, loud=False)
    say("car loans: drift")
    span = car_loan_proof.QUICK if quick else car_loan_proof.FULL
    loans = car_loan_proof.run(span, seed) | {"confidence_alarms": car_loan_proof.confidence_alarms()}
    if plots is not None:
        _draw(plots, rates[0], loud, certified[0], loans)
    return {
        "rates": {"first": rates[0]["all"], "coverage": covered, **_coverage(rates)},
        "certificates": [_short(one) for one in certified],
        "calibration": {"too_sure": _short(loud), "as_it_is": _short(calm)},
        "car_loan": loans,
    }


def _coverage(rates: list[dict[str, Any]]) -> dict[str, Any]:
    """How often intervals held the truth: of whole runs, and of blocks within them."""
    blocks = [block for one in rates for block in one["blocks"]]
    found: dict[str, Any] = {"runs": len(rates), "blocks": len(blocks)}
    for name in ("naive", "hajek", "aipw"):
        found[name] = {
            "runs_covered": sum(one["all"][name]["covers"] for one in rates),
            "blocks_covered": sum(one[name]["covers"] for one in blocks),
        }
    return found


def _short(found: dict[str, Any]) -> dict[str, Any]:
    """Without what only plots need."""
    kept = {name: value for name, value in found.items() if not name.startswith("bins")}
    if "accepted" in kept:
        kept["accepted"] = [{k: v for k, v in one.items() if k != "curve"} for one in kept["accepted"]]
    return kept


def _draw(
    directory: Path, rates: dict[str, Any], loud: dict[str, Any], certified: dict[str, Any], loans: dict[str, Any]
) -> None:
    drawn = {
        "learning-estimates": learning_plots.estimates(rates, BLOCK),
        "learning-reliability": learning_plots.reliability(loud),
        "learning-drift": learning_plots.drift(car_loan_proof.course(), loans, car_loan.CHANGE),
    }
    lanes = [one for one in certified["accepted"] if one["prediction"] == "not_employed"]
    if lanes:
        drawn["learning-threshold"] = learning_plots.threshold(lanes[0], certified["alpha"], certified["delta"])
    for name, text in drawn.items():
        (directory / f"{name}.svg").write_text(text)
