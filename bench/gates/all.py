"""Every statistical gate in its full form. The tests run short forms of them."""

from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

from bench.gates import calibration as learning_gates
from bench.gates import certification as certification_gates
from interlock.learning.calibration import IDENTITY, LogOdds

_MISSED_NAMES = ("anytime", "Clopper-Pearson at every look")
_REQUEST_NAMES = ("share of runs", "by the raw rate of the last 100", "median reviews until then")
_GATE_NAMES = ("deployed", "excess loss of none", "of always", "of the gate")

# Enough for two digits of a coverage; together some minutes.
GATES: dict[str, tuple[Callable[[int], Any], int]] = {
    "intervals under selection": (learning_gates.estimator_coverage, 3000),
    "intervals where overrides are rare": (learning_gates.rare_override_coverage, 1000),
    "interval ever missed the truth": (lambda runs: _named(_MISSED_NAMES, learning_gates.ever_miscovered(runs)), 2000),
    "weighted betting interval ever missed": (learning_gates.betting_miscovered, 1000),
    "retraining asked for at .15": (
        lambda runs: _named(_REQUEST_NAMES, learning_gates.retraining_requests(runs, 0.15)),
        1000,
    ),
    "retraining asked for at .20": (
        lambda runs: _named(_REQUEST_NAMES, learning_gates.retraining_requests(runs, 0.20)),
        200,
    ),
    "log-loss by calibration, 200 labels": (learning_gates.calibration_losses, 100),
    "gate on a calibrated model": (
        lambda runs: _named(_GATE_NAMES, learning_gates.identity_gate(runs, 200, IDENTITY)),
        200,
    ),
    "gate on an overconfident model": (
        lambda runs: _named(_GATE_NAMES, learning_gates.identity_gate(runs, 500, LogOdds(0.0, 0.5))),
        50,
    ),
    "log-loss under drift": (learning_gates.drifted_stream, 10),
    "accuracy of the confident": (learning_gates.confident_accuracy, 100),
    **certification_gates.GATES,
}


def run(scale: float = 1.0, say: Callable[[str], None] = lambda _: None) -> dict[str, dict[str, Any]]:
    """The figures of each gate by its name; `scale` multiplies the number of runs."""
    figures = {}
    for name, (gate, runs) in GATES.items():
        figures[name] = _flat(gate(max(1, round(scale * runs))))
        say(f"{name}: {_shown(figures[name])}")
    return figures


def _named(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def _flat(value: Any) -> dict[str, Any]:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if not isinstance(value, dict):
        return {"share": value}
    return {
        f"{key} {name}".strip(): figure
        for key, inner in value.items()
        for name, figure in (_flat(inner).items() if is_dataclass(inner) else [("", inner)])
    }


def _shown(figures: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()
    )
