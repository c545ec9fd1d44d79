"""Simulated reviewers of a demonstration, in the background."""

import threading
from typing import TYPE_CHECKING

from interlock.platform.connection import Platform
from interlock.simulation.truth import Truth

if TYPE_CHECKING:
    from interlock.simulation.simulation import Simulation

# Two minutes of a person's work in half a second: ten people just keep up with what thirty decisions a second leave.
SPEEDUP = 240.0

# All go off duty first; the desk replies within tens of milliseconds.
_STOP_TIMEOUT_SECONDS = 60


class People(threading.Thread):
    """Works the queues until stopped, or until the desk has accepted `verdicts`.

    `failure` says what ended it too early."""

    def __init__(
        self, platform: Platform, count: int, truth: Truth, *, speedup: float = SPEEDUP, verdicts: int | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.failure = ""
        self._platform = platform
        self._count = count
        self._truth = truth
        self._speedup = speedup
        self._verdicts = verdicts
        self._simulation: Simulation | None = None
        self._stopping = threading.Event()

    @property
    def decided(self) -> int:
        """Verdicts that the desk accepted."""
        return self._simulation.decided if self._simulation is not None else 0

    def run(self) -> None:
        """In the thread."""
        from interlock.review.payload import PayloadReader
        from interlock.simulation.personas import personas
        from interlock.simulation.simulation import Simulation
        from interlock.streams.clock import SystemClock

        broker = self._platform.kafka()
        payloads = PayloadReader(broker, self._platform.clickhouse, lambda: self._platform.keys_to_read)
        try:
            simulation = Simulation(
                broker,
                personas(self._count, 0),
                truth=self._truth,
                clock=SystemClock(),
                payloads=payloads,
                speedup=self._speedup,
                decisions=self._verdicts,
            )
            self._simulation = simulation
            if self._stopping.is_set():
                simulation.stopping.set()
            simulation.register()
            simulation.run()
        except Exception as error:
            self.failure = str(error)
        finally:
            payloads.close()

    def stop(self) -> None:
        """Returns when all have gone off duty."""
        self._stopping.set()
        if self._simulation is not None:
            self._simulation.stopping.set()
        self.join(_STOP_TIMEOUT_SECONDS)
