"""Estimates with intervals, one row each: a corrected rate and, hollow, the naive one that one would have read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from interlock.console.charts.figure import (
    WIDTH,
    Chart,
    Scale,
    circle,
    clean,
    finite,
    fitting,
    label,
    line,
    no_data,
    picture,
    room_for,
)
from interlock.console.charts.ticks import short, ticks
from interlock.console.text import number, percent

_ROW = 30


@dataclass(frozen=True)
class Estimate:
    """`value` with its interval; `naive` is None where there is no other number. `count`: what it rests on."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    naive: float | None = None
    count: int | None = None


def intervals(title: str, estimates: Sequence[Estimate], *, shares: bool = True) -> Chart:
    """Dots with error bars. `shares`: values are shares of 1 and are written as percentages."""
    columns = ("Of", "Corrected", "Interval", "Naive", "Rests on")
    write: Callable[[float | None], str | Markup] = percent if shares else number
    places = [
        value
        for one in estimates
        for value in (one.value, one.low, one.high, one.naive)
        if value is not None and finite(value)
    ]
    if not places:
        return no_data(title, columns)
    names = [one.name for one in estimates]
    left = room_for(names, 80, WIDTH * 0.4)
    low, high = min(0.0, *places), max(places)
    scale = Scale(low, high if high > low else low + 1, left + 16, WIDTH - 28)
    height = len(estimates) * _ROW + 32
    shapes = []
    for tick in ticks(scale.low, scale.high):
        x = scale.at(tick)
        shapes.append(line(x, 0, x, height - 26, css="chart-grid"))
        text = f"{tick * 100:.4g} %" if shares else short(tick)
        shapes.append(label(x, height - 10, text, css="chart-small chart-middle"))
    for index, one in enumerate(estimates):
        y = index * _ROW + _ROW / 2
        shapes.append(label(0, y + 4, one.name, most=fitting(left)))
        if one.low is not None and one.high is not None and finite(one.low) and finite(one.high):
            shapes.append(line(scale.at(one.low), y, scale.at(one.high), y, css="chart-whisker"))
            for end in (one.low, one.high):
                shapes.append(line(scale.at(end), y - 5, scale.at(end), y + 5, css="chart-whisker"))
        if one.value is None:
            shapes.append(label(left + 16, y + 4, "not known", css="chart-small"))
        if one.naive is not None and finite(one.naive):
            shapes.append(circle(scale.at(one.naive), y, 4.5, css="chart-hollow", tip=f"naive {write(one.naive)}"))
        if one.value is not None and finite(one.value):
            shapes.append(circle(scale.at(one.value), y, 4.5, css="chart-dot", tip=f"corrected {write(one.value)}"))
    rows = tuple(
        (clean(one.name), write(one.value), _interval(one, write), write(one.naive), number(one.count))
        for one in estimates
    )
    description = (
        f"{len(estimates)} estimates. Filled dots with bars: corrected, with their intervals. Hollow dots: naive."
    )
    return Chart(picture(title, description, height, shapes), columns, rows)


def _interval(one: Estimate, write: Callable[[float | None], str | Markup]) -> str:
    if one.low is None or one.high is None or not (finite(one.low) and finite(one.high)):
        return "not known"
    return f"{write(one.low)} to {write(one.high)}"
