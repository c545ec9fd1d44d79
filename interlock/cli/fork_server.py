"""Imports what roles consist of, once, and forks the roles from itself: none of them imports it again, and they share
the memory of what none of them changes.

It is itself a fork of the supervisor, or `python -m interlock.cli.fork_server FD` where FD is a socket of the
supervisor (`interlock.local.forked`). Nothing but imports happens before a fork, so that no thread of ours can hold a
lock that a child would wait for.
"""

import atexit
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import NoReturn

from interlock.errors import InterlockError
from interlock.local.forked import PREPARE, REQUEST_BYTES, SERVERS, Request
from interlock.platform.heap import give_back_unused, share_memory_among_threads

# All roles that the supervisor forks, with what they and their libraries would import when they begin to work.
PRELOADED = (
    "interlock.cli.app",
    "interlock.cli.roles",
    "interlock.operations.rights",
    "interlock.platform.keys",
    "interlock.platform.log_config",
    "interlock.services.router",
    "interlock.services.desk",
    "interlock.services.sink",
    "interlock.services.feedback",
    "interlock.services.calibration",
    "interlock.services.sampler",
    "interlock.services.notices",
    "interlock.services.watch",
    "interlock.console.server",
    "interlock.streams.kafka",
    "interlock.streams.topics",
    "interlock.platform.provisioning",
    "interlock.sinks.migrate",
    "interlock.streams.faust_app",
    "faust.app.router",
    "faust.assignor.partition_assignor",
    "faust.fixups.django",
    "faust.tables.wrappers",
    "faust.topics",
    "faust.worker",
    "encodings.idna",
    "anyio._backends._asyncio",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.auto",
)


class _WithoutPandas(MetaPathFinder):
    """As if pandas were not installed, as in containers; here it comes with chDB. No role has any use for it, but
    pyarrow loads it with its first array, which takes a second and 40 MB."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("roles of the local platform do without pandas", name=name)


def serve(requests: socket.socket, imports: Iterator[str]) -> Request | None:
    """Forks until the supervisor closes its end. Returns None then; in each child what it shall be.

    While nothing is asked it goes on with `imports`, in small steps. Kafka and ClickHouse need none of them, and the
    others need all."""
    # To whom to tell with what code which child has ended.
    reports: dict[int, int] = {}
    woken, waking = os.pipe()
    for end in (woken, waking):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    importing = True
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            # Nobody starts a server without a first request at once: Kafka does not wait for an import.
            ready = {key.fileobj for key, _ in selector.select(0 if importing and reports else None)}
            if not ready:
                importing = next(imports, None) is not None
            if woken in ready:
                os.read(woken, 4096)
                _report_ends(reports)
            if requests not in ready:
                continue
            data, (*descriptors,), _, _ = socket.recv_fds(requests, REQUEST_BYTES, 1)
            if not data:
                return None
            request = Request.decode(data)
            if request.name not in SERVERS:
                for _ in imports:
                    pass
                importing = False
            (report,) = descriptors
            try:
                pid = os.fork()
            except OSError as error:
                print(f"cannot fork: {error.strerror}", file=sys.stderr, flush=True)
                os.close(report)  # the supervisor tries again
                continue
            if pid:
                reports[pid] = report
                _tell(report, pid)
                continue
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            for descriptor in (woken, waking, report, *reports.values()):
                os.close(descriptor)
            return request


def _imports() -> Iterator[str]:
    """Imports what roles would import, and tells the name of each module when that is done."""
    # The servers come first, and do with pandas what they want.
    sys.meta_path.insert(0, _WithoutPandas())
    for module in PRELOADED:
        # The role that needs it says what is missing, in its own log.
        with contextlib.suppress(ImportError):
            import_module(module)
        yield module
    from interlock.platform.connection import connect

    with contextlib.suppress(InterlockError):  # as every role does first; a wrong setting is theirs to tell
        connect()
    gc.collect()
    give_back_unused()
    gc.freeze()


def _report_ends(reports: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            report = reports.pop(pid)
            _tell(report, os.waitstatus_to_exitcode(status))
            os.close(report)


def _tell(report: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
        os.write(report, f"{number}\n".encode())


def become(request: Request) -> NoReturn:
    """Runs the role, or roles, in this process, a child of the server, as `interlock run` does. Ends the process."""
    os.setpgid(0, 0)  # Ctrl-C reaches the supervisor only: it stops in order
    log = os.open(request.log_file, os.O_WRONLY | os.O_APPEND)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
    os.environ.update(request.environment)
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:  # what `ps` and `top` show
        name.write(request.name)
    gc.enable()
    from interlock.cli import app, roles

    code: object = 0
    try:
        if request.name == PREPARE:
            app.run(_prepare)
        elif request.ports:
            ports = {roles.Role(role): port for role, port in request.ports.items()}
            app.run(partial(roles.run_together, ports))
        else:
            app.run(partial(roles.run, roles.Role(request.name)))
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    # Without the interpreter's own end, which would first copy all that is shared in order to free it, for seconds.
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as it does there
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


def _prepare() -> None:
    from interlock.platform.connection import connect
    from interlock.platform.provisioning import prepare

    prepare(connect())


def main(requests: socket.socket) -> None:
    """Runs the server, and in its children the roles."""
    # A collection would write to every object, in memory that the children shall share.
    gc.disable()
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("fork-server")
    share_memory_among_threads()
    request = serve(requests, _imports())
    if request is not None:
        become(request)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
