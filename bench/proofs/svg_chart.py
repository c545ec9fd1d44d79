"""Small line charts as SVG. Colours are those of Okabe and Ito, which people with any colour vision can distinguish."""

from collections.abc import Callable, Sequence
from html import escape

BLACK, ORANGE, BLUE, GREEN, GREY = "#222222", "#D55E00", "#0072B2", "#009E73", "#8a8a8a"

Point = tuple[float, float]
Interval = tuple[float, float, float, float]  # x, y, low, high

_WIDTH, _HEIGHT = 760, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 84, 58


class Chart:
    """One plot with a title, labelled axes and a legend below the title. Everything is clipped to the axes."""

    def __init__(
        self,
        title: str,
        x: str,
        y: str,
        *,
        x_range: Point,
        y_range: Point,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        x_text: Callable[[float], str],
        y_text: Callable[[float], str],
    ) -> None:
        self._x_range, self._y_range = x_range, y_range
        self._legend: list[tuple[str, str, str, str]] = []
        self._inside: list[str] = []
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        self._frame = [
            f'<text x="{_LEFT}" y="30" font-size="17" font-weight="600">{escape(title)}</text>',
            *(
                f'<line x1="{_LEFT}" x2="{right}" y1="{self._y(at):.1f}" y2="{self._y(at):.1f}" stroke="#e4e4e4"/>'
                f'<text x="{_LEFT - 8}" y="{self._y(at) + 4:.1f}" text-anchor="end">{escape(y_text(at))}</text>'
                for at in y_ticks
            ),
            *(
                f'<line x1="{self._x(at):.1f}" x2="{self._x(at):.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="#444"/>'
                f'<text x="{self._x(at):.1f}" y="{bottom + 20}" text-anchor="middle">{escape(x_text(at))}</text>'
                for at in x_ticks
            ),
            f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#444"/>',
            f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x)}</text>',
            f'<text transform="translate(18 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
            f"{escape(y)}</text>",
        ]

    def line(self, points: Sequence[Point], colour: str, label: str = "", *, dash: str = "", width: float = 2) -> None:
        """A line through the points; `dash` as in SVG."""
        path = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in points)
        self._inside.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-dasharray="{dash}"/>'
        )
        self._add_to_legend(label, colour, dash, "line")

    def band(self, edges: Sequence[tuple[float, float, float]], colour: str, label: str = "") -> None:
        """The area between low and high: (x, low, high)."""
        upper = [f"{self._x(x):.1f},{self._y(high):.1f}" for x, _, high in edges]
        lower = [f"{self._x(x):.1f},{self._y(low):.1f}" for x, low, _ in reversed(edges)]
        self._inside.append(f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" fill-opacity="0.18"/>')
        self._add_to_legend(label, colour, "", "band")

    def intervals(self, points: Sequence[Interval], colour: str, label: str, marker: str = "circle") -> None:
        """Points with whiskers; the marker (circle or square) distinguishes series without colour."""
        for x, y, low, high in points:
            centre_x, centre_y = self._x(x), self._y(y)
            self._inside.append(
                f'<line x1="{centre_x:.1f}" x2="{centre_x:.1f}" y1="{self._y(low):.1f}" y2="{self._y(high):.1f}" '
                f'stroke="{colour}" stroke-width="1.6"/>{_marker(marker, centre_x, centre_y, colour)}'
            )
        self._add_to_legend(label, colour, "", marker)

    def upright(self, x: float, colour: str, label: str, *, dash: str = "5 4") -> None:
        """A vertical line over the whole height."""
        self.line([(x, self._y_range[0]), (x, self._y_range[1])], colour, label, dash=dash, width=1.8)

    def text(self) -> str:
        """The SVG document."""
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
                'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">',
                f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
                f'<clipPath id="inside"><rect x="{_LEFT}" y="{_TOP - 6}" width="{right - _LEFT}" '
                f'height="{bottom - _TOP + 6}"/></clipPath>',
                *self._frame,
                '<g clip-path="url(#inside)">',
                *self._inside,
                "</g>",
                *self._legend_text(),
                "</svg>\n",
            ]
        )

    def _add_to_legend(self, label: str, colour: str, dash: str, shape: str) -> None:
        if label:
            self._legend.append((label, colour, dash, shape))

    def _legend_text(self) -> list[str]:
        items, x, y = [], float(_LEFT), 52
        for label, colour, dash, shape in self._legend:
            # An estimate of the width of the text: there is no font to measure it.
            width = 48 + 7 * len(label)
            if x > _LEFT and x + width > _WIDTH - _RIGHT + 20:
                x, y = float(_LEFT), y + 19
            if shape == "band":
                sample = f'<rect x="{x}" y="{y - 10}" width="22" height="11" fill="{colour}" fill-opacity="0.18"/>'
            elif shape == "line":
                sample = (
                    f'<line x1="{x}" x2="{x + 22}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="2" '
                    f'stroke-dasharray="{dash}"/>'
                )
            else:
                sample = _marker(shape, x + 11, y - 4, colour)
            items.append(f'{sample}<text x="{x + 28}" y="{y}">{escape(label)}</text>')
            x += width
        return items

    def _x(self, value: float) -> float:
        low, high = self._x_range
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _RIGHT - _LEFT)

    def _y(self, value: float) -> float:
        low, high = self._y_range
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _BOTTOM - _TOP)


def _marker(shape: str, x: float, y: float, colour: str) -> str:
    if shape == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>'
