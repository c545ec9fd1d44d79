"""uvicorn, for processes that are at rest most of the time."""

import signal
import threading
import time

import pytest
import uvicorn

from interlock.streams.http_server import QuietServer


class _Counted(QuietServer):
    """Tells when it looks around."""

    def __init__(self) -> None:
        super().__init__(uvicorn.Config(_never, port=0, lifespan="off", log_config=None))
        self.looks: list[float] = []
        self.looked_again = threading.Event()

    async def on_tick(self, counter: int) -> bool:
        self.looks.append(time.monotonic())
        if len(self.looks) > 1:
            self.looked_again.set()
        return await super().on_tick(counter)


async def _never(scope: object, receive: object, send: object) -> None:
    """Nobody asks."""


@pytest.fixture
def running() -> tuple[_Counted, threading.Thread]:
    server = _Counted()
    thread = threading.Thread(target=server.run)
    thread.start()
    return server, thread


def test_a_server_at_rest_looks_around_once_a_second_and_stops_at_once(
    running: tuple[_Counted, threading.Thread],
) -> None:
    server, thread = running
    assert server.looked_again.wait(20)
    first, second = server.looks
    assert second - first >= 0.9
    told = time.monotonic()
    server.handle_exit(signal.SIGTERM, None)
    thread.join(20)
    # Less than the tick; 0.1 s of it is uvicorn's own pause for connections that end.
    assert time.monotonic() - told < 0.9


def test_the_date_of_answers_is_told_anew(running: tuple[_Counted, threading.Thread]) -> None:
    server, thread = running
    assert server.looked_again.wait(20)
    names = [name for name, _ in server.server_state.default_headers]
    server.handle_exit(signal.SIGTERM, None)
    thread.join(20)
    assert names[0] == b"date"
