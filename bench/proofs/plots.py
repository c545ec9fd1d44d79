"""The plots of docs/learning.md, from the figures of the proofs."""

from typing import Any

from bench.proofs.svg_chart import BLACK, BLUE, GREEN, GREY, ORANGE, Chart


def estimates(rates: dict[str, Any], block: int) -> str:
    """The override rate over time: of the reviewed, corrected, and the truth."""
    blocks = rates["blocks"]
    chart = Chart(
        "Override rate of all decisions, as told from the reviewed ones",
        f"decisions so far (thousands); one point for each {block:,}, with its 95 % interval",
        "share overridden",
        x_range=(0, len(blocks) * block),
        y_range=(0.05, 0.35),
        x_ticks=[at * 1000 for at in range(0, len(blocks) * block // 1000 + 1, 2)],
        y_ticks=[0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35],
        x_text=lambda at: f"{at / 1000:.0f}",
        y_text=_percent,
    )
    centres = [(number + 0.5) * block for number in range(len(blocks))]
    chart.line([(x, estimate["truth"]) for x, estimate in zip(centres, blocks, strict=True)], BLACK, "truth")
    for name, colour, label, marker, shift in (
        ("naive", ORANGE, "among reviewed decisions (naive)", "square", -0.12),
        ("hajek", BLUE, "corrected by 1/π (Hájek)", "circle", 0.12),
    ):
        points = [
            (x + shift * block, estimate[name]["value"], estimate[name]["low"], estimate[name]["high"])
            for x, estimate in zip(centres, blocks, strict=True)
        ]
        chart.intervals(points, colour, label, marker)
    return chart.text()


def reliability(calibration: dict[str, Any]) -> str:
    """Accuracy by confidence on the last year: the model's own confidence, and what the router used."""
    chart = Chart(
        "Confidence against accuracy in 2017, for a model that is far too sure",
        "mean confidence of the bin",
        "share of predictions that were right",
        x_range=(0.48, 1.01),
        y_range=(0.38, 1.01),
        x_ticks=[0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        y_ticks=[0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        x_text=_percent,
        y_text=_percent,
    )
    chart.line([(0.4, 0.4), (1, 1)], GREY, "perfect calibration", dash="5 4")
    for name, colour, label, marker in (
        ("raw", ORANGE, "the model's own", "square"),
        ("used", BLUE, "recalibrated by the router", "circle"),
    ):
        bins = calibration[f"bins_{name}"]
        points = [
            (
                bucket["mean_confidence"],
                bucket["accuracy"],
                bucket["mean_confidence"] + bucket["gap_low"],
                bucket["mean_confidence"] + bucket["gap_high"],
            )
            for bucket in bins
        ]
        chart.line([(x, y) for x, y, *_ in points], colour, width=1.2)
        chart.intervals(points, colour, label, marker)
    return chart.text()


def threshold(lane: dict[str, Any], alpha: float, delta: float) -> str:
    """What each threshold would let through in the last year, and the one that had been certified before."""
    curve = lane["curve"]
    chart = Chart(
        f"Errors of automatic “{lane['prediction']}” decisions in 2017, by threshold",
        "confidence from which a decision is automatic",
        "share of them that is wrong",
        x_range=(0.60, 0.99),
        y_range=(0, 0.14),
        x_ticks=[0.6, 0.7, 0.8, 0.9],
        y_ticks=[0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14],
        x_text=lambda at: f"{at:.2f}",
        y_text=_percent,
    )
    chart.band([(point["threshold"], point["low"], point["high"]) for point in curve], BLUE, "95 % interval")
    chart.line([(point["threshold"], point["error"]) for point in curve], BLUE, "truth in 2017")
    chart.line([(0.6, alpha), (0.99, alpha)], ORANGE, f"promised: at most {alpha:.0%} (risk {delta:.0%})", dash="7 4")
    chart.upright(lane["threshold"], GREEN, f"certified on 2015–2016: {lane['threshold']:g}")
    return chart.text()


def drift(series: list[dict[str, float]], proof: dict[str, Any], change: int) -> str:
    """The car-loan stream with its alarms."""
    chart = Chart(
        "Car loans: share of errors, and when the pipeline noticed",
        "decisions (thousands); one point for each 1,000",
        "share of predictions that were wrong",
        x_range=(0, 100_000),
        y_range=(0.02, 0.12),
        x_ticks=list(range(0, 100_001, 10_000)),
        y_ticks=[0.02, 0.04, 0.06, 0.08, 0.10, 0.12],
        x_text=lambda at: f"{at / 1000:.0f}",
        y_text=_percent,
    )
    chart.line([(point["row"], point["wrong"]) for point in series], BLACK, "wrong", width=1.5)
    chart.line([(0, proof["limit"]), (100_000, proof["limit"])], GREY, f"limit {proof['limit']:.1%}", dash="2 3")
    chart.upright(change, GREY, "inputs change", dash="8 4")
    rows = {kind: next((event["row"] for event in proof["events"] if event["kind"] == kind), None) for kind in _ALARMS}
    for kind, (colour, label) in _ALARMS.items():
        at = rows[kind]
        if at is not None:
            chart.upright(at, colour, f"{label} ({at:,})", dash="")
    return chart.text()


_ALARMS = {
    "confidence": (BLUE, "confidence alarm"),
    "overrides": (ORANGE, "override alarm"),
}


def _percent(share: float) -> str:
    return f"{share:.0%}"
