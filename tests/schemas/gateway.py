"""What stands in front of a company's registry: TLS with certificates of clients, and a bearer token."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tests.streams.secured_kafka import Authority

# What it says to strangers, as gateways do: in their own words, and not in those of a registry.
STRANGER = b'{"message": "the token is not one of ours"}'


@contextmanager
def gateway(upstream: str, authority: Authority, token: str) -> Iterator[str]:
    """The address of a gateway that lets in who has a certificate of `authority` and the token, and passes requests
    on to the registry at `upstream`."""
    identity = authority.issue("gateway", "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(identity.certificate, identity.key)
    server: Any = _Server(("127.0.0.1", 0), _Gate)
    server.upstream, server.token = urlsplit(upstream), token
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}{server.upstream.path}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whom it does not let in is no error of the gateway."""


class _Gate(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._answer(401, STRANGER)
            return
        registry = http.client.HTTPConnection(self.server.upstream.netloc, timeout=60)
        headers = {name: self.headers[name] for name in ("Content-Type", "Accept") if name in self.headers}
        registry.request(self.command, self.path, body or None, headers)
        answer = registry.getresponse()
        self._answer(answer.status, answer.read())
        registry.close()

    do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...
