"""The server's listening socket."""

from __future__ import annotations

import socket


def listen(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: any free port). Raises OSError that says what to do."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno,
            f"embedded ClickHouse cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what listens there or choose another port (0 takes any free one).",
        ) from error
    listener.listen(128)  # connections that may wait while the server starts
    return listener
