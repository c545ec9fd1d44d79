"""The live view of the demonstration."""

import io
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from interlock.demo.counts import ROUTES, Counts, Reviews
from interlock.policies.controls import Halt

_MEANING = {
    "auto": "takes effect now",
    "async": "waits in a queue",
    "sync": "a caller waits for it",
    "manual": "decided by a person",
}
_COLOURS = {"auto": "green", "async": "cyan", "sync": "yellow", "manual": "magenta"}

# The rate shown is the mean over this many snapshots, half a second apart.
_SNAPSHOTS = 10

# What the routes take beside the bars, borders included: nothing is torn at 80 columns.
_WIDTH_WITHOUT_BAR = 69

_WIDEST_BAR = 32

# Of the picture in the README.
PICTURE_WIDTH = 110


@dataclass(frozen=True)
class Snapshot:
    """The state `seconds` after the start. `produced`: messages, damaged ones too."""

    seconds: float
    produced: int
    counts: Counts
    reviews: Reviews
    halts: list[Halt] = field(default_factory=list)


class View:
    """Renders snapshots; remembers the last ones for the rates."""

    def __init__(self, run: str, kafka: str, clickhouse: str, console_url: str, directory: str) -> None:
        """`directory`: of the instance, as it would be typed after `--data-dir`."""
        self._run = run
        self._console_url = console_url
        self._kafka = kafka
        self._clickhouse = clickhouse
        self._directory = directory
        self._history: deque[Snapshot] = deque(maxlen=_SNAPSHOTS)

    def add(self, snapshot: Snapshot) -> None:
        """The next one."""
        self._history.append(snapshot)

    def render(self, width: int) -> RenderableType:
        """The latest snapshot, for a terminal of so many columns."""
        if not self._history:
            return Text("waiting for the first decisions …")
        latest = self._history[-1]
        parts: list[RenderableType] = [Text(str(halt), "bold red") for halt in latest.halts]
        parts += [self._routes(width), Text(), _facts(latest), Text(), _people(latest.reviews), Text()]
        parts += [self._invitation(), self._where()]
        return Panel(Group(*parts), title="Interlock", subtitle="Ctrl-C stops", width=min(width, PICTURE_WIDTH))

    def _routes(self, width: int) -> Table:
        counts = self._history[-1].counts
        total = max(1, sum(counts.routed.values()))
        bar_width = max(0, min(_WIDEST_BAR, width - _WIDTH_WITHOUT_BAR))
        routes = Table(box=None, expand=False, header_style="bold")
        routes.add_column("route")
        for name in ("decisions", "share", "per second"):
            routes.add_column(name, justify="right")
        routes.add_column("")
        routes.add_column("", no_wrap=True)
        for route in ROUTES:
            decisions = counts.routed.get(route, 0)
            routes.add_row(
                Text(route, style=_COLOURS[route]),
                f"{decisions:,}",
                f"{decisions / total:.1%}",
                f"{self._rate(route):,.0f}",
                Text("█" * round(decisions / total * bar_width), style=_COLOURS[route]),
                Text(_MEANING[route], style="dim"),
            )
        return routes

    def _invitation(self) -> Text:
        return Text.assemble(
            ("take a case yourself: ", "bold"), (self._console_url, "bold underline"), no_wrap=True, overflow="fold"
        )

    def _where(self) -> Text:
        lines = (
            f"Kafka {self._kafka}   ClickHouse {self._clickhouse}",
            f"run {self._run}   {self._history[-1].seconds:.0f} s   --data-dir {self._directory}",
        )
        return Text("\n".join(lines), "dim", no_wrap=True, overflow="ellipsis")

    def _rate(self, route: str) -> float:
        first, last = self._history[0], self._history[-1]
        if last.seconds <= first.seconds:
            return 0.0
        return (last.counts.routed.get(route, 0) - first.counts.routed.get(route, 0)) / (last.seconds - first.seconds)


def _facts(latest: Snapshot) -> Table:
    counts = latest.counts
    facts = Table.grid(padding=(0, 3))
    facts.add_row("produced", f"{latest.produced:,}", "audited", f"{counts.audited:,}")
    facts.add_row("routed and stored", f"{counts.done:,}", "dead letters", f"{counts.dead_letters:,}")
    latency = f"{counts.latency_p50:,.0f} / {counts.latency_p99:,.0f} ms"
    facts.add_row("latency p50 / p99", latency, "waiting for people", f"{latest.reviews.open:,}")
    return facts


def _people(reviews: Reviews) -> Table:
    overridden = reviews.overridden / reviews.decided if reviews.decided else 0.0
    people = Table.grid(padding=(0, 3))
    people.add_row("decided by people", f"{reviews.decided:,}", "of these overridden", f"{overridden:.0%}")
    people.add_row("held right now", f"{reviews.held:,}", "late", f"{reviews.late:,}")
    people.add_row("claim to verdict", f"{reviews.seconds:.1f} s", "within service level", _share(reviews))
    return people


def _share(reviews: Reviews) -> str:
    """Late open tasks count as not in time; what is not due yet does not count."""
    judged = reviews.decided + reviews.late
    return f"{reviews.in_time / judged:.0%}" if judged else "–"


def save_picture(view: RenderableType, file: Path) -> None:
    """Writes a view as an SVG picture that fetches nothing: no fonts from elsewhere."""
    console = Console(record=True, width=PICTURE_WIDTH, file=io.StringIO())
    console.print(view)
    code_format = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(file), title="make demo", code_format=code_format)
