"""Roles that share a process work side by side and stop together."""

import threading

import pytest

from interlock.errors import OperatorRequiredError
from interlock.services.together import run_in_threads


def test_the_others_stop_when_one_role_fails_and_its_error_is_raised() -> None:
    ended: list[str] = []

    def fails(_: threading.Event) -> None:
        raise OperatorRequiredError("the group was deleted")

    def waits(stop: threading.Event) -> None:
        stop.wait()
        ended.append("waits")

    with pytest.raises(OperatorRequiredError, match="the group was deleted"):
        run_in_threads({"waits": waits, "fails": fails}, threading.Event())
    assert ended == ["waits"]


def test_all_of_them_end_when_they_shall_stop() -> None:
    stop = threading.Event()
    together = threading.Barrier(3)

    def runs(stop: threading.Event) -> None:
        together.wait(30)
        stop.wait()

    running = threading.Thread(target=run_in_threads, args=({"a": runs, "b": runs}, stop))
    running.start()
    together.wait(30)
    stop.set()
    running.join(30)
    assert not running.is_alive()
