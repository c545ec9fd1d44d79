"""Feature importance: what spoke for an answer to the right of zero, what spoke against it to the left."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.console.charts.figure import (
    WIDTH,
    Chart,
    Scale,
    clean,
    finite,
    fitting,
    label,
    line,
    no_data,
    picture,
    rectangle,
    room_for,
)
from interlock.console.text import number

_ROW = 24
_NUMBER_WIDTH = 70

# More than fits on a screen beside the case; the table has them all.
_MOST = 20


@dataclass(frozen=True)
class Feature:
    """`weight`: positive speaks for the answer. `value`: what the input had, as a text."""

    name: str
    weight: float
    value: str = ""


def bars(title: str, features: Sequence[Feature]) -> Chart:
    """Bars from the heaviest down; a weight that is no number is in the table alone."""
    columns = ("Feature", "Value", "Weight", "Speaks")
    usable = [feature for feature in features if finite(feature.weight)]
    if not usable:
        return no_data(title, columns)
    ordered = sorted(usable, key=lambda feature: -abs(feature.weight))
    shown = ordered[:_MOST]
    names = [_label(feature) for feature in shown]
    left = room_for(names, 80, WIDTH * 0.42)
    low = min(0.0, *(feature.weight for feature in shown))
    high = max(0.0, *(feature.weight for feature in shown))
    # Room for numbers beyond both ends.
    scale = Scale(low, high, left + (_NUMBER_WIDTH if low < 0 else 12), WIDTH - (_NUMBER_WIDTH if high > 0 else 12))
    zero = scale.at(0.0)
    shapes = []
    for index, (feature, name) in enumerate(zip(shown, names, strict=True)):
        top = index * _ROW + 4
        end = scale.at(feature.weight)
        speaks_for = feature.weight >= 0
        shapes.append(label(0, top + 13, name, most=fitting(left)))
        shapes.append(
            rectangle(
                min(zero, end),
                top + 2,
                max(1.0, abs(end - zero)),
                _ROW - 8,
                css="chart-for" if speaks_for else "chart-against",
                tip=f"{name}: {_signed(feature.weight)}",
            )
        )
        css = "chart-small" if speaks_for else "chart-small chart-end"
        shapes.append(label(end + (5 if speaks_for else -5), top + 13, _signed(feature.weight), css=css))
    height = len(shown) * _ROW + 8
    shapes.append(line(zero, 0, zero, height, css="chart-axis"))
    heaviest = shown[0]
    description = (
        f"{len(ordered)} features; the heaviest is {clean(heaviest.name)} with {_signed(heaviest.weight)}. "
        "Right of the line: speaks for the answer; left: against it."
    )
    rest = [feature for feature in features if not finite(feature.weight)]
    rows = tuple(
        (clean(feature.name), clean(feature.value), _signed(feature.weight), _speaks(feature.weight))
        for feature in [*ordered, *rest]
    )
    return Chart(picture(title, description, height, shapes), columns, rows)


def _label(feature: Feature) -> str:
    return f"{feature.name} = {feature.value}" if feature.value else feature.name


def _signed(weight: float) -> str:
    if not finite(weight):
        return "not known"
    text = str(number(float(f"{weight:.3g}")))
    return f"+{text}" if weight > 0 else text


def _speaks(weight: float) -> str:
    if not finite(weight):
        return "not known"
    return "for" if weight > 0 else "against" if weight < 0 else "neither"
