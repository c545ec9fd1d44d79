"""The headers of a dead letter, as KIP-1034 names them: what was wrong with the message, and where it came from."""

from collections.abc import Iterable, Mapping

PREFIX = "__streams.errors."

_NAMES = ("exception", "stacktrace", "message", "topic", "partition", "offset")

_STEP = "interlock "


def with_error_headers(
    original: Iterable[tuple[str, bytes | None]] | None,
    *,
    reason: str,
    message: str,
    topic: str,
    partition: int,
    offset: int,
    step: str = "router",
) -> list[tuple[str, bytes | None]]:
    """The original headers followed by the six of KIP-1034. `reason` is a stable code for programs, `message`
    a sentence for a person; there is no exception behind a bad message, so the stack trace names the step."""
    added = {
        "exception": reason,
        "stacktrace": _STEP + step,
        "message": message,
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
    }
    encoded = ((PREFIX + name, text.encode(errors="backslashreplace")) for name, text in added.items())
    return [*(original or ()), *encoded]


def read_error_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> dict[str, str]:
    """What `with_error_headers` added, by short name. The last value counts: a dead letter may have been one before."""
    return {
        name.removeprefix(PREFIX): (value or b"").decode(errors="backslashreplace")
        for name, value in headers or ()
        if name.startswith(PREFIX)
    }


def step_of(errors: Mapping[str, str]) -> str:
    """The step that `read_error_headers` tells of; empty where none is named."""
    text = errors.get("stacktrace", "")
    return text.removeprefix(_STEP) if text.startswith(_STEP) else ""


def without_error_headers(
    headers: Iterable[tuple[str, bytes | None]] | None,
) -> list[tuple[str, bytes | None]]:
    """The headers as the producer sent them: what a replay sends again. Its own may have the same names: only those
    that were added, each one once and at the end, are taken away."""
    kept = [*(headers or ())]
    added = {PREFIX + name for name in _NAMES}
    while kept and kept[-1][0] in added:
        added.remove(kept.pop()[0])
    return kept
