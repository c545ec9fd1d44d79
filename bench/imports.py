"""What starting costs: the client library and the list of commands, each in fresh processes."""

import subprocess
import sys
import time
from collections.abc import Callable
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import Any, NamedTuple


class Start(NamedTuple):
    """Something that starts, as Python code, and how many seconds it may take on two quiet cores."""

    name: str
    code: str
    target: float


STARTS = (
    Start("python", "pass", 0.05),
    Start("from interlock import Client", "from interlock import Client", 0.3),
    Start("from interlock import Client, Decision", "from interlock import Client, Decision", 0.6),
    Start("interlock --help", "import sys; sys.argv[1:] = ['--help']; from interlock.cli import main; main()", 0.5),
)


def run(rounds: int = 9, say: Callable[[str], None] = lambda line: None) -> list[dict[str, Any]]:  # noqa: ARG005
    """Medians of each start; the first round, which compiles files, does not count."""
    times: dict[str, list[tuple[float, float]]] = {start.name: [] for start in STARTS}
    for number in range(rounds + 1):
        for start in STARTS:
            took = _times(start.code)
            if number:
                times[start.name].append(took)
        say(f"round {number} of {rounds}")
    return [
        {
            "start": start.name,
            "seconds": round(median(seconds for seconds, _ in times[start.name]), 3),
            "processor seconds": round(median(processor for _, processor in times[start.name]), 3),
            "target": start.target,
        }
        for start in STARTS
    ]


def _times(code: str) -> tuple[float, float]:
    """Seconds on the clock and of processor time of a process of its own, from its start to its end."""
    started, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-P", "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = getrusage(RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - started, processor
