"""The role `api`: serves the HTTP API."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing

import structlog
import uvicorn
from fastapi import FastAPI

from interlock.api.access.access import Access
from interlock.api.access.table import AccessTable
from interlock.api.app import create_app
from interlock.api.backend import Backend
from interlock.errors import InterlockError
from interlock.platform.connection import Platform
from interlock.platform.heap import share_memory_among_threads
from interlock.services import endpoint
from interlock.services.retry import wait_until_available
from interlock.streams.http_server import QuietServer

log = structlog.get_logger()

# Waits and event streams are ended by then; callers ask another process or ask again.
STOP_SECONDS = 3

# Longer than the idle time-out of common load balancers (60 s), so that they and not this server close connections.
KEEP_ALIVE_SECONDS = 75

# Reviewers and callers who wait hold a connection each.
_BACKLOG = 4096


def run(platform: Platform, stop: threading.Event) -> None:
    """Serves until SIGTERM."""
    serve(platform, stop)


def serve(platform: Platform, stop: threading.Event, install_pages: Callable[[FastAPI], None] = lambda _: None) -> None:
    """Serves the API, and what `install_pages` adds to it, until SIGTERM. Raises InterlockError."""
    settings = platform.settings.api
    share_memory_among_threads()
    backend = wait_until_available(lambda: Backend(platform), stop)
    if backend is None:
        return
    with (
        closing(backend),
        closing(AccessTable(backend.broker)) as table,
        closing(_access(platform, backend, table)) as access,
    ):
        app = create_app(backend, access, install_pages)
        endpoint.serve(app.state.metrics, platform.settings)
        listening = listen(settings.host, settings.port)
        log.info("serves HTTP", url=f"http://{settings.host}:{settings.port}")
        QuietServer(configuration(app)).run(sockets=[listening])
    log.info("stopped")


def _access(platform: Platform, backend: Backend, table: AccessTable) -> Access:
    key, settings = platform.session_key, platform.settings.api
    return Access(settings, key, table, lambda: backend.board.reviewers, is_local=platform.is_local)


def configuration(app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves it."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        # Only a proxy on this machine may say who its client is.
        forwarded_allow_ips="127.0.0.1",
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InterlockError where the address cannot be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise InterlockError(
            f"HTTP cannot be served on {host}:{port}: {error.strerror or error}. Choose another INTERLOCK_API__PORT, "
            "or an INTERLOCK_API__HOST that is an address of this machine."
        ) from error
    return listening
