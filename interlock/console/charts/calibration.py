"""Calibration: how often people agreed with answers of a confidence, against what the confidence promises."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.console.charts.figure import Chart, Scale, circle, finite, label, line, no_data, picture
from interlock.console.text import number, percent

_LEFT, _TOP, _SIDE = 60, 10, 300
_BOTTOM = 44


@dataclass(frozen=True)
class Bin:
    """Shares of 1. `confidence`: the mean in the bin; `observed` with `low` and `high`: an estimate and its interval.

    `count`: the decisions behind it.
    """

    confidence: float
    observed: float
    low: float
    high: float
    count: int


def calibration_plot(title: str, bins: Sequence[Bin]) -> Chart:
    """Points with intervals around the diagonal, on which a calibrated model lies."""
    columns = ("Confidence", "Agreed", "Interval", "Decisions")
    usable = [one for one in bins if finite(one.confidence) and finite(one.observed)]
    if not usable:
        return no_data(title, columns)
    across = Scale(0, 1, _LEFT, _LEFT + _SIDE)
    up = Scale(0, 1, _TOP + _SIDE, _TOP)
    shapes = []
    for step in range(6):
        share = step / 5
        shapes.append(line(across.at(share), up.at(0), across.at(share), up.at(1), css="chart-grid"))
        shapes.append(line(across.at(0), up.at(share), across.at(1), up.at(share), css="chart-grid"))
        text = f"{share * 100:.0f} %"
        shapes.append(label(across.at(share), up.at(0) + 16, text, css="chart-small chart-middle"))
        shapes.append(label(_LEFT - 6, up.at(share) + 4, text, css="chart-small chart-end"))
    shapes.append(line(across.at(0), up.at(0), across.at(1), up.at(1), css="chart-diagonal"))
    for one in usable:
        x = across.at(one.confidence)
        if finite(one.low) and finite(one.high):
            shapes.append(line(x, up.at(one.low), x, up.at(one.high), css="chart-whisker"))
            for end in (one.low, one.high):
                shapes.append(line(x - 4, up.at(end), x + 4, up.at(end), css="chart-whisker"))
        tip = f"confidence {percent(one.confidence)}, agreed {percent(one.observed)}, {one.count:,} decisions"
        shapes.append(circle(x, up.at(one.observed), 4.5, css="chart-dot", tip=tip))
    shapes.append(label(_LEFT + _SIDE / 2, _TOP + _SIDE + 36, "confidence", css="chart-text chart-middle"))
    side = _LEFT + _SIDE + 24
    notes = ("dots: people agreed", "bars: their intervals", "dashed: calibrated", "below it: too confident")
    for index, note in enumerate(notes):
        shapes.append(label(side, _TOP + 20 + index * 20, note, css="chart-small"))
    outside = sum(
        1 for one in usable if finite(one.low) and finite(one.high) and not one.low <= one.confidence <= one.high
    )
    description = (
        f"{len(usable)} bins of confidence. In {outside} of them the interval does not contain the confidence, "
        "so that the model says too much or too little there."
    )
    rows = tuple((percent(one.confidence), percent(one.observed), _interval(one), number(one.count)) for one in usable)
    return Chart(picture(title, description, _TOP + _SIDE + _BOTTOM, shapes), columns, rows)


def _interval(one: Bin) -> str:
    return f"{percent(one.low)} to {percent(one.high)}" if finite(one.low) and finite(one.high) else "not known"
