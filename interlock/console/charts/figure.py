"""What charts share: the picture with its table, shapes as text, and places on a scale."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from markupsafe import Markup

from interlock.platform.printing import visible_line

# Units of the viewBox; the page scales it.
WIDTH = 560

# Twelve pixels of a system font are about so wide; a name that is longer would run into the bars.
_CHARACTER = 6.6

# XML has neither control characters nor the two non-characters; the rest of what hides is escaped by `visible_line`.
_NOT_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Cell = str | Markup


@dataclass(frozen=True)
class Chart:
    """A picture and the table with the same numbers; `rows` is empty where there is no data."""

    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def clean(text: str) -> str:
    """Text that is visible and may stand in XML."""
    return _NOT_XML.sub("\ufffd", visible_line(text))


def picture(
    title: str, description: str, height: float, shapes: Sequence[Markup], *, css: str = "", width: float = WIDTH
) -> Markup:
    """An <svg> that a screen reader reads as one image with a title and a description."""
    # An id must be unique on the page, and the same in every rendering.
    summary = sha256((title + "\0" + description + "\0" + "".join(shapes)).encode(errors="replace")).hexdigest()[:10]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t{0} d{0}" class="{1}" '
        'viewBox="0 0 {2} {3}"><title id="t{0}">{4}</title><desc id="d{0}">{5}</desc>{6}</svg>'
    ).format(
        summary,
        css or "chart-svg",
        place(width),
        place(height),
        clean(title),
        clean(description),
        Markup("").join(shapes),
    )


def no_data(title: str, columns: tuple[str, ...]) -> Chart:
    """What stands where nothing is known yet."""
    words = label(WIDTH / 2, 40, "no data yet", css="chart-small chart-middle")
    frame = rectangle(0.5, 0.5, WIDTH - 1, 71, css="chart-empty")
    return Chart(picture(title, "No data yet.", 72, [frame, words]), columns, ())


def finite(value: float | None) -> bool:
    """A number that has a place."""
    return value is not None and math.isfinite(value)


def place(value: float) -> str:
    """A coordinate; a hundredth of a unit is less than a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def label(x: float, y: float, text: str, *, css: str = "chart-text", most: int = 200) -> Markup:
    """Text that begins at the point, or ends or centres there by its class; cut to `most` characters."""
    shown = clean(text)
    cut = f"{shown[: most - 1]}…" if len(shown) > most else shown
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(css, place(x), place(y), cut)


def line(x1: float, y1: float, x2: float, y2: float, *, css: str) -> Markup:
    """A straight line."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        css, place(x1), place(y1), place(x2), place(y2)
    )


def rectangle(x: float, y: float, width: float, height: float, *, css: str, tip: str = "") -> Markup:
    """`tip`: shown when a pointer rests on it."""
    inside = Markup("<title>{}</title>").format(clean(tip)) if tip else Markup("")
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        css, place(x), place(y), place(max(0.0, width)), place(max(0.0, height)), inside
    )


def circle(x: float, y: float, radius: float, *, css: str, tip: str = "") -> Markup:
    """A dot."""
    inside = Markup("<title>{}</title>").format(clean(tip)) if tip else Markup("")
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}">{}</circle>').format(
        css, place(x), place(y), place(radius), inside
    )


def path(points: Sequence[tuple[float, float]], *, css: str, closed_at: float | None = None) -> Markup:
    """A line through the points; with `closed_at` the area between it and that height."""
    steps = " ".join(f"{'L' if index else 'M'}{place(x)} {place(y)}" for index, (x, y) in enumerate(points))
    if closed_at is not None and points:
        steps += f" L{place(points[-1][0])} {place(closed_at)} L{place(points[0][0])} {place(closed_at)} Z"
    return Markup('<path class="{}" d="{}"/>').format(css, steps)


def room_for(texts: Sequence[str], least: float, most: float) -> float:
    """Width that the longest of the texts needs, within the limits."""
    return min(most, max([least, *(len(clean(text)) * _CHARACTER for text in texts)]))


def fitting(width: float) -> int:
    """How many characters fit into a width."""
    return max(4, int(width / _CHARACTER))


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` on a line from `start` to `end`; what lies outside is put at its end."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value. Halves, because the difference of two huge floats is an infinity."""
        half = self.high / 2 - self.low / 2
        share = (value / 2 - self.low / 2) / half if half > 0 else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)
