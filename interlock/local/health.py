"""Which roles ask to be restarted, or answer nothing any more."""

import threading
import time
from collections.abc import Callable, Sequence

from interlock.local.processes import Process
from interlock.platform.probes import role_problem

# A role notices after two minutes that it stands still; some seconds more make no difference, and each question costs
# it a thread.
CHECK_SECONDS = 15.0

# A process that is starved by others still answers within seconds. Far above that, because a restart helps only a
# process that hangs.
SILENT_SECONDS = 120.0


class Health:
    """Asks every running role in a thread: an answer may take seconds, in which ends of others would go unnoticed."""

    def __init__(
        self,
        processes: Sequence[Process],
        ask: Callable[[int], str | None] = role_problem,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ask`: what the role on a port wants to be restarted for; raises OSError if it does not answer."""
        self._processes = processes
        self._ask = ask
        self._monotonic = monotonic
        self._silent_since: dict[str, float] = {}
        self._problems: dict[str, str] = {}

    def look(self) -> None:
        """Asks each of them once."""
        # The supervisor may change them meanwhile.
        for process in list(self._processes):
            for role, port in process.metrics_ports.items():
                problem = self._problem(role, port) if process.state == "running" else None
                if problem or process.state != "running":
                    self._silent_since.pop(role, None)
                if problem:
                    self._problems[process.name] = problem

    def _problem(self, role: str, port: int) -> str | None:
        try:
            problem = self._ask(port)
        except OSError:
            seconds = self._monotonic() - self._silent_since.setdefault(role, self._monotonic())
            return f"{role} has answered nothing for {seconds:.0f} s" if seconds >= SILENT_SECONDS else None
        self._silent_since.pop(role, None)
        return problem

    def take(self) -> dict[str, str]:
        """Why to restart which processes, each told once."""
        taken, self._problems = self._problems, {}
        return taken

    def run(self, stop: threading.Event) -> None:
        """Asks until `stop` is set."""
        while not stop.wait(CHECK_SECONDS):
            self.look()
