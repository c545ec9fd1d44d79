"""What a role serves over HTTP: its metrics, and whether it makes progress."""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from interlock.errors import InterlockError
from interlock.platform.probes import FINDINGS_PATH, HEALTH_PATH
from interlock.streams.metrics import Metrics

if TYPE_CHECKING:
    from interlock.platform.settings import Settings


def serve(
    metrics: Metrics,
    settings: "Settings",
    *,
    health: Callable[[], str | None] = lambda: None,
    findings: Callable[[], Sequence[dict[str, Any]]] = list,
) -> None:
    """Serves in threads of its own, which is also the sign that the role serves; port 0: nothing.

    `health`: why the process should be restarted, or None. `findings`: what stands still anywhere, as facts. Raises
    InterlockError where the address cannot be had.
    """
    host, port = settings.metrics_host, settings.metrics_port
    if not port:
        return
    of_prometheus: Any = make_wsgi_app(metrics.registry)

    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environment.get("PATH_INFO"):
            case path if path == HEALTH_PATH:
                problem = health()
                return _answer(start, 503 if problem else 200, "text/plain", problem or "ok")
            case path if path == FINDINGS_PATH:
                return _answer(start, 200, "application/json", json.dumps(findings()))
        return of_prometheus(environment, start)  # type: ignore[no-any-return]

    try:
        server = make_server(host, port, application, ThreadingWSGIServer, handler_class=_Silent)
    except OSError as error:
        raise InterlockError(
            f"metrics cannot be served on {host}:{port}: {error.strerror or error}. Choose another "
            "INTERLOCK_METRICS_PORT, or an INTERLOCK_METRICS_HOST that is an address of this machine."
        ) from error
    threading.Thread(target=_answer_requests, args=(server,), name="metrics", daemon=True).start()


def _answer_requests(server: WSGIServer) -> None:
    """For as long as the process runs; `serve_forever` would look twice a second whether somebody ends it."""
    while True:
        server.handle_request()


def _answer(start: StartResponse, code: int, kind: str, text: str) -> list[bytes]:
    status = {200: "200 OK", 503: "503 Service Unavailable"}[code]
    start(status, [("Content-Type", f"{kind}; charset=utf-8")])
    return [text.encode()]


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds."""
