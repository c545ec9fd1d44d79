"""``python -m interlock.sinks.embedded_clickhouse --data-dir DIR``: the embedded ClickHouse server in the foreground.

Passwords come from the environment, because arguments can be read by every user of the machine:
INTERLOCK_CLICKHOUSE_WRITER_PASSWORD and INTERLOCK_CLICKHOUSE_ANALYST_PASSWORD (may be empty, must be set).
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from pathlib import Path

from interlock.sinks.embedded_clickhouse.errors import DataDirectoryInUseError
from interlock.sinks.embedded_clickhouse.server import run_foreground, stop_with_parent
from interlock.sinks.embedded_clickhouse.settings import ANALYST_PASSWORD, WRITER_PASSWORD, ServerSettings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interlock.sinks.embedded_clickhouse", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8123, help="0 takes any free port")
    parser.add_argument("--writer-user", default="default")
    parser.add_argument("--analyst-user", default="analyst")
    parser.add_argument("--listen-fd", type=int, help="an already listening socket, instead of host and port")
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when standard input closes")
    given = parser.parse_args()
    missing = [name for name in (WRITER_PASSWORD, ANALYST_PASSWORD) if name not in os.environ]
    if missing:
        parser.error(f"set {' and '.join(missing)} in the environment (empty for no password)")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = ServerSettings(
        data_dir=given.data_dir,
        writer_password=os.environ.pop(WRITER_PASSWORD),
        analyst_password=os.environ.pop(ANALYST_PASSWORD),
        host=given.host,
        port=given.port,
        writer_user=given.writer_user,
        analyst_user=given.analyst_user,
    )
    if given.stop_with_parent:
        stop_with_parent()
    listener = None if given.listen_fd is None else socket.socket(fileno=given.listen_fd)
    try:
        run_foreground(settings, listener)
    except (DataDirectoryInUseError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
