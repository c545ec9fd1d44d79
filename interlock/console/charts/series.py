"""What changes over time: lines or areas on one axis, and lines without any for a cell of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from interlock.console.charts.figure import (
    WIDTH,
    Cell,
    Chart,
    Scale,
    circle,
    clean,
    finite,
    label,
    line,
    no_data,
    path,
    picture,
    rectangle,
    room_for,
)
from interlock.console.charts.ticks import above, short, ticks, time_ticks
from interlock.console.text import UNKNOWN, instant, moment, number, zone_of
from interlock.schemas import times

_HEIGHT, _BOTTOM, _TOP, _RIGHT = 200, 26, 10, 12

# The classes of charts.css that tell lines apart; more of them in one chart cannot be told apart.
_STYLES = 6

Point = tuple[datetime, float]


@dataclass(frozen=True)
class Line:
    """Points in the order of time; a value that is no number is a gap. `area`: filled down to zero."""

    name: str
    points: Sequence[Point]
    area: bool = False


def series(title: str, lines: Sequence[Line], *, unit: str = "", zone: str = "") -> Chart:
    """Lines over time from zero up, or from the lowest value if one is negative.

    `zone`: of its times; UTC if it is empty or unknown.
    """
    # Times of one series may come with and without a zone (ClickHouse): compared in UTC.
    shown = [Line(one.name, [(instant(at), value) for at, value in one.points], one.area) for one in lines[:_STYLES]]
    columns = ("Time", *(clean(one.name) + (f" ({clean(unit)})" if unit else "") for one in shown))
    known = [(at, value) for one in shown for at, value in one.points if finite(value)]
    if not known:
        return no_data(title, columns)
    first, last = min(at for at, _ in known), max(at for at, _ in known)
    low, high = min(0.0, *(value for _, value in known)), above(max(value for _, value in known))
    low = -above(-low) if low < 0 else 0.0
    high = max(high, 0.0) if low < 0 else high
    texts = [(tick, short(tick)) for tick in ticks(low, high)]
    left = room_for([text for _, text in texts], 24, 90) + 10
    legend = 22 if len(shown) > 1 or unit else 0
    up = Scale(low, high, legend + _TOP + _HEIGHT, legend + _TOP)
    across = Scale(0, max((last - first).total_seconds(), 1e-6), left, WIDTH - _RIGHT)
    shapes = [*_legend(shown, unit)] if legend else []
    for tick, text in texts:
        shapes.append(line(left, up.at(tick), WIDTH - _RIGHT, up.at(tick), css="chart-grid"))
        shapes.append(label(left - 6, up.at(tick) + 4, text, css="chart-small chart-end"))
    chosen = zone_of(zone) or UTC
    shapes.append(label(0, up.start + 18, zone if chosen is not UTC else "UTC", css="chart-small", most=6))
    for at, text in time_ticks(_local(first, chosen), _local(last, chosen)):
        x = across.at((at - first).total_seconds())
        if x < left + 20:
            continue  # there stands the zone
        shapes.append(line(x, up.start, x, up.start + 4, css="chart-axis"))
        css = "chart-small chart-end" if x > WIDTH - 30 else "chart-small chart-middle"
        shapes.append(label(x, up.start + 18, text, css=css))
    shapes.append(line(left, up.at(0.0), WIDTH - _RIGHT, up.at(0.0), css="chart-axis"))
    for index, one in enumerate(shown):
        for run in _runs(one.points):
            places = [(across.at((at - first).total_seconds()), up.at(value)) for at, value in run]
            if one.area:
                shapes.append(path(places, css=f"chart-area chart-s{index}", closed_at=up.at(0.0)))
            if len(places) == 1:
                shapes.append(circle(*places[0], 3, css=f"chart-point chart-s{index}"))
            else:
                shapes.append(path(places, css=f"chart-line chart-s{index}"))
    description = (
        f"{', '.join(clean(one.name) for one in shown)} from {_plain(first)} to {_plain(last)} UTC; "
        f"between {short(min(value for _, value in known))} and {short(max(value for _, value in known))}."
    )
    height = legend + _TOP + _HEIGHT + _BOTTOM
    return Chart(picture(title, description, height, shapes), columns, _rows(shown, zone))


def sparkline(title: str, values: Sequence[float]) -> Chart:
    """A line without axes. Its table has the values by their number, the latest last."""
    columns = ("Place", "Value")
    usable = [(index, value) for index, value in enumerate(values) if finite(value)]
    if not usable:
        return Chart(Markup('<span class="note">no data yet</span>'), columns, ())
    across = Scale(0, max(1, len(values) - 1), 8, WIDTH - 8)
    up = Scale(min(value for _, value in usable), max(value for _, value in usable), 116, 12)
    places = [(across.at(index), up.at(value)) for index, value in usable]
    shape = path(places, css="chart-line") if len(places) > 1 else circle(*places[0], 12, css="chart-point")
    description = f"{len(usable)} values, the latest {short(usable[-1][1])}."
    rows = tuple((str(index + 1), number(value)) for index, value in usable)
    return Chart(picture(title, description, 128, [shape], css="chart-spark"), columns, rows)


def _legend(lines: Sequence[Line], unit: str) -> list[Markup]:
    shapes: list[Markup] = []
    room = (WIDTH - 90) / max(1, len(lines))
    for index, one in enumerate(lines):
        x = index * room
        css = f"chart-line chart-s{index}"
        shapes.append(
            rectangle(x, 5, 14, 10, css=f"chart-key chart-s{index}") if one.area else line(x, 10, x + 22, 10, css=css)
        )
        shapes.append(label(x + 28, 14, one.name, css="chart-small", most=max(4, int((room - 34) / 6.2))))
    if unit:
        shapes.append(label(WIDTH - _RIGHT, 14, unit, css="chart-small chart-end", most=14))
    return shapes


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points without gaps between them."""
    runs: list[list[Point]] = [[]]
    for at, value in points:
        if finite(value):
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _rows(lines: Sequence[Line], zone: str) -> tuple[tuple[Cell, ...], ...]:
    values = [dict(one.points) for one in lines]
    all_times = sorted({at for one in values for at in one})
    return tuple((moment(at, zone), *(number(one[at]) if at in one else UNKNOWN for one in values)) for at in all_times)


def _local(at: datetime, zone: tzinfo) -> datetime:
    """Outside of the calendar in other zones it stays in UTC; no real instant is."""
    inside = times.FIRST + timedelta(days=2) < at < times.LAST - timedelta(days=2)
    return at.astimezone(zone) if inside else at


def _plain(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes")
