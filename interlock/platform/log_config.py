"""Logging: one structured line an event, for a person on a terminal or as JSON for a collector."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

from interlock.platform.printing import visible, visible_json, visible_line


def configure(form: Literal["console", "json"] = "console") -> None:
    """Sets up structlog for the whole process; logs go to standard error, facts to standard output."""
    import structlog

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=lambda event, **_: visible_json(event))
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain_traceback)
    )
    # JSON has escapes of its own.
    shown: list[structlog.typing.Processor] = [] if form == "json" else [_visible]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks if form == "json" else structlog.dev.set_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # One handler for everything, also for the standard library's loggers (the runner's, those of libraries).
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.raiseExceptions = False  # a full disk must not end the process that logs
    quieten()


def _visible(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What records and errors say cannot begin a line of its own, or act on the terminal that shows the log."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = visible_line(value)
    return event


def _plain_traceback(stream: TextIO, exc_info: Any) -> None:
    """Without the values of variables, which may be secrets or a producer's text."""
    stream.write("\n" + visible("".join(traceback.format_exception(*exc_info))))


def quieten() -> None:
    """Silences loggers that repeat errors which are raised as well."""
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
