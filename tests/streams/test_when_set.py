"""Calls that wait for an event without a thread of their own."""

import threading
from queue import Queue

from interlock.streams.when_set import when_set

DEADLINE_SECONDS = 10.0


def test_everybody_who_waits_for_an_event_is_called_once_by_one_thread() -> None:
    event, called = threading.Event(), Queue[tuple[str, int]]()
    when_set(event, lambda: called.put(("a", threading.get_ident())))
    when_set(event, lambda: called.put(("b", threading.get_ident())))
    assert called.empty()
    event.set()
    told = [called.get(timeout=DEADLINE_SECONDS) for _ in range(2)]
    assert [name for name, _ in told] == ["a", "b"]
    assert len({thread for _, thread in told}) == 1
    event.set()
    when_set(event, lambda: called.put(("late", 0)))
    assert called.get(timeout=DEADLINE_SECONDS) == ("late", 0)
    assert called.empty()


def test_who_forgets_an_event_is_not_called() -> None:
    event, called = threading.Event(), Queue[str]()
    forget = when_set(event, lambda: called.put("forgot"))
    when_set(event, lambda: called.put("waits"))
    forget()
    event.set()
    assert called.get(timeout=DEADLINE_SECONDS) == "waits"
    assert called.empty()
    forget()


def test_a_thousand_waits_for_the_same_event_take_one_thread() -> None:
    event, before = threading.Event(), threading.active_count()
    for _ in range(1_000):
        when_set(event, lambda: None)()
    assert threading.active_count() <= before + 1
    event.set()
