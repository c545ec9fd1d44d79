"""Run the embedded ClickHouse server in this process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from interlock.sinks.embedded_clickhouse.child import EmbeddedClickHouse
from interlock.sinks.embedded_clickhouse.listening import listen
from interlock.sinks.embedded_clickhouse.settings import ServerSettings
from interlock.streams.http_server import QuietServer

if TYPE_CHECKING:
    from interlock.sinks.embedded_clickhouse.running import Runner

__all__ = ["EmbeddedClickHouse", "ServerSettings", "run_foreground"]

log = logging.getLogger("interlock.clickhouse")

# After SIGTERM, how long running requests may take to end by themselves; then how long queries and requests
# that were told to stop may take for that; then the engine itself. Together below the 30 s that supervisors
# give before they kill.
_FINISH_SECONDS = 10
_STOP_SECONDS = 5
# Request line and headers, as ClickHouse has it: queries and parameters may come in the URL.
_URL_BYTES = 1 << 20


class _Server(QuietServer):
    """Stops queries that outlast the grace period before their requests are cancelled."""

    def __init__(self, config: uvicorn.Config, runner: Runner) -> None:
        super().__init__(config)
        self._runner = runner

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        async def stop_late_queries() -> None:
            await asyncio.sleep(_FINISH_SECONDS)
            log.warning("stopping queries that still run %s s after the signal", _FINISH_SECONDS)
            await self._runner.stop_all()

        stopping = asyncio.create_task(stop_late_queries())
        await super().shutdown(sockets)
        stopping.cancel()


def run_foreground(settings: ServerSettings, listener: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish running requests within a bound and close the engine.

    Raises DataDirectoryInUseError or OSError when directory or port are taken.
    """
    # Times without a zone mean UTC on every machine; the engine reads this when it is loaded.
    os.environ["TZ"] = "UTC"
    time.tzset()
    # chDB imports it where it finds it, for results as Python objects, which nobody asks this process for: 49 MB.
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]  # how Python is told that a module is not there
    from interlock.sinks.embedded_clickhouse.app import create_app
    from interlock.sinks.embedded_clickhouse.engine import Engine
    from interlock.sinks.embedded_clickhouse.running import Runner

    with listener or listen(settings.host, settings.port) as bound:
        engine = Engine(settings.data_dir)
        runner = Runner(engine, settings.accounts)
        config = uvicorn.Config(
            create_app(engine, settings.accounts, runner),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_FINISH_SECONDS + _STOP_SECONDS,
            h11_max_incomplete_event_size=_URL_BYTES,
        )
        server = _Server(config, runner)
        # uvicorn raises the signal again once it has shut down; the engine is still to be closed then.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        log.info("ClickHouse %s serves %s on %s", engine.version, settings.data_dir, bound.getsockname()[:2])

        async def serve() -> bool:
            await server.serve(sockets=[bound])
            return await runner.close(_STOP_SECONDS)

        if asyncio.run(serve()):
            engine.close()
            log.info("ClickHouse stopped")
            return
    # A thread that the engine does not give back would keep the interpreter from ending. The engine's data
    # survive any kind of death; what was not acknowledged will be sent again.
    log.error("ClickHouse: a query did not stop within %s s; ending the process under it", _STOP_SECONDS)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(1)


def stop_with_parent() -> None:
    """Send this process SIGTERM when standard input closes, that is, when the parent has died."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
