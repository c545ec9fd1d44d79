"""The live view of the demonstration."""

import io
import re
from collections import deque
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from interlock.demo.counts import ROUTES, Counts, Reviews

_MEANING = {
    "auto": "takes effect now",
    "async": "waits in a queue",
    "sync": "somebody is waiting",
    "manual": "a person from the start",
}
_COLOURS = {"auto": "green", "async": "cyan", "sync": "yellow", "manual": "magenta"}

# The rate shown is the mean over this many looks, half a second apart.
_LOOKS = 10

_BAR_WIDTH = 32


class View:
    """Renders counts; remembers the last ones for the rates."""

    def __init__(self, run: str, kafka: str, clickhouse: str) -> None:
        self._run = run
        self._kafka = kafka
        self._clickhouse = clickhouse
        self._history: deque[tuple[float, int, Counts]] = deque(maxlen=_LOOKS)
        self._reviews = Reviews()

    def add(self, seconds: float, produced: int, counts: Counts, reviews: Reviews) -> None:
        """Notes what was seen `seconds` after the start."""
        self._history.append((seconds, produced, counts))
        self._reviews = reviews

    def render(self) -> RenderableType:
        """The whole picture."""
        if not self._history:
            return Text("waiting for the first decisions …")
        seconds, produced, counts = self._history[-1]
        total = max(1, sum(counts.routed.values()))
        routes = Table(box=None, expand=False, header_style="bold")
        routes.add_column("route")
        for name in ("decisions", "share", "per second"):
            routes.add_column(name, justify="right")
        routes.add_column("")
        routes.add_column("")
        for route in ROUTES:
            share = counts.routed.get(route, 0) / total
            bar = Text("█" * round(share * _BAR_WIDTH), style=_COLOURS[route])
            routes.add_row(
                Text(route, style=_COLOURS[route]),
                f"{counts.routed.get(route, 0):,}",
                f"{share:.1%}",
                f"{self._rate(route):,.0f}",
                bar,
                Text(_MEANING[route], style="dim"),
            )
        facts = Table.grid(padding=(0, 3))
        facts.add_row("produced", f"{produced:,}", "audited", f"{counts.audited:,}")
        facts.add_row("routed and stored", f"{counts.done:,}", "dead letters", f"{counts.dead_letters:,}")
        facts.add_row(
            "latency p50 / p99",
            f"{counts.latency_p50:,.0f} / {counts.latency_p99:,.0f} ms",
            "waiting for people",
            f"{self._reviews.open:,}",
        )
        reviews = self._reviews
        share = reviews.overridden / reviews.decided if reviews.decided else 0.0
        people = Table.grid(padding=(0, 3))
        people.add_row("decided by people", f"{reviews.decided:,}", "of these overridden", f"{share:.0%}")
        people.add_row("held right now", f"{reviews.held:,}", "late", f"{reviews.late:,}")
        people.add_row("claim to verdict", f"{reviews.seconds:.1f} s", "within service level", _share(reviews))
        where = Text(f"Kafka {self._kafka}   ClickHouse {self._clickhouse}   run {self._run}   {seconds:.0f} s", "dim")
        return Panel(
            Group(routes, Text(), facts, Text(), people, Text(), where), title="Interlock", subtitle="Ctrl-C stops"
        )

    def _rate(self, route: str) -> float:
        (start, _, first), (end, _, last) = self._history[0], self._history[-1]
        if end <= start:
            return 0.0
        return (last.routed.get(route, 0) - first.routed.get(route, 0)) / (end - start)


def _share(reviews: Reviews) -> str:
    """Late open tasks count as not in time; what is not due yet does not count."""
    judged = reviews.decided + reviews.late
    return f"{reviews.in_time / judged:.0%}" if judged else "–"


def save_picture(view: RenderableType, file: Path) -> None:
    """Writes a view as an SVG picture that fetches nothing: no fonts from elsewhere."""
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(view)
    code_format = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(file), title="make demo", code_format=code_format)
