"""Feature importance: what spoke for an answer to the right of zero, what spoke against it to the left."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

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

_ROW, _TALL_ROW = 24, 44
_BAR = 16
_NUMBER_WIDTH = 70

# Below it names and numbers would leave no room for bars between them.
_NARROW = 420

# More than fits on a screen beside the case; the table has them all.
_MOST = 20


@dataclass(frozen=True)
class Feature:
    """`weight`: positive speaks for the answer. `value`: what the input had, as a text."""

    name: str
    weight: float
    value: str = ""


def bars(title: str, features: Sequence[Feature], *, width: float = WIDTH) -> Chart:
    """Bars from the heaviest down; a weight that is no number is in the table alone.

    `width`: pixels that the picture gets on the page. A narrow one has its names above the bars.
    """
    columns = ("Feature", "Value", "Weight", "Speaks")
    usable = [feature for feature in features if finite(feature.weight)]
    if not usable:
        return no_data(title, columns)
    ordered = sorted(usable, key=lambda feature: -abs(feature.weight))
    shapes, height = (_above if width < _NARROW else _beside)(ordered[:_MOST], width)
    heaviest = ordered[0]
    description = (
        f"{len(ordered)} features; the heaviest is {clean(heaviest.name)} with {_signed(heaviest.weight)}. "
        "Right of the line: speaks for the answer; left: against it."
    )
    rest = [feature for feature in features if not finite(feature.weight)]
    rows = tuple(
        (clean(feature.name), clean(feature.value), _signed(feature.weight), _speaks(feature.weight))
        for feature in [*ordered, *rest]
    )
    css = "chart-svg chart-narrow" if width < _NARROW else ""
    return Chart(picture(title, description, height, shapes, css=css, width=width), columns, rows)


def _beside(shown: Sequence[Feature], width: float) -> tuple[list[Markup], float]:
    """Names to the left of their bars, numbers at the ends of them."""
    left = room_for([_label(feature) for feature in shown], 80, width * 0.42)
    low, high = _range(shown)
    # Room for numbers beyond both ends.
    scale = Scale(low, high, left + (_NUMBER_WIDTH if low < 0 else 12), width - (_NUMBER_WIDTH if high > 0 else 12))
    shapes = []
    for index, feature in enumerate(shown):
        top = index * _ROW + 4
        end = scale.at(feature.weight)
        shapes.append(label(0, top + 13, _label(feature), most=fitting(left)))
        shapes.append(_bar(feature, scale, top + 2))
        speaks_for = feature.weight >= 0
        css = "chart-small" if speaks_for else "chart-small chart-end"
        shapes.append(label(end + (5 if speaks_for else -5), top + 13, _signed(feature.weight), css=css))
    height = len(shown) * _ROW + 8
    return [*shapes, line(scale.at(0.0), 0, scale.at(0.0), height, css="chart-axis")], height


def _above(shown: Sequence[Feature], width: float) -> tuple[list[Markup], float]:
    """Names above their bars, with the numbers at the right."""
    scale = Scale(*_range(shown), 1, width - 1)
    shapes = []
    for index, feature in enumerate(shown):
        top = index * _TALL_ROW
        shapes.append(label(0, top + 13, _label(feature), most=fitting(width - _NUMBER_WIDTH)))
        shapes.append(label(width, top + 13, _signed(feature.weight), css="chart-text chart-end"))
        shapes.append(_bar(feature, scale, top + 19))
        zero = scale.at(0.0)
        shapes.append(line(zero, top + 17, zero, top + 21 + _BAR, css="chart-axis"))
    return shapes, len(shown) * _TALL_ROW


def _bar(feature: Feature, scale: Scale, top: float) -> Markup:
    zero, end = scale.at(0.0), scale.at(feature.weight)
    return rectangle(
        min(zero, end),
        top,
        max(1.0, abs(end - zero)),
        _BAR,
        css="chart-for" if feature.weight >= 0 else "chart-against",
        tip=f"{_label(feature)}: {_signed(feature.weight)}",
    )


def _range(shown: Sequence[Feature]) -> tuple[float, float]:
    weights = [feature.weight for feature in shown]
    return min(0.0, *weights), max(0.0, *weights)


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
