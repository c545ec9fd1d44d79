"""Calls when a `threading.Event` is set, for who cannot wait for it, as an event loop cannot."""

import threading
from collections.abc import Callable

_lock = threading.Lock()
_waiting: dict[threading.Event, list[Callable[[], object]]] = {}


def when_set(event: threading.Event, call: Callable[[], object]) -> Callable[[], None]:
    """Calls `call` once from another thread when `event` is set, or now if it is. Returns what makes it forget: after
    that `call` is not called any more.

    One thread waits for each event, whoever is called: only the event itself ends a wait without a time-out, so that a
    thread for each call would be left behind by those who forget.
    """
    with _lock:
        known = event in _waiting
        _waiting.setdefault(event, []).append(call)
        if not known:
            # A daemon: it must not keep a process from ending whose event is never set.
            threading.Thread(target=_wait, args=(event,), name="when-set", daemon=True).start()

    def forget() -> None:
        with _lock:
            if call in _waiting.get(event, ()):
                _waiting[event].remove(call)

    return forget


def _wait(event: threading.Event) -> None:
    event.wait()
    with _lock:  # held during the calls, so that none comes after its `forget`
        for call in _waiting.pop(event):
            call()
