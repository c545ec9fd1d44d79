"""Several roles in one process: each in a thread."""

import threading
from collections.abc import Callable, Mapping

import structlog

log = structlog.get_logger()


def run_in_threads(roles: Mapping[str, Callable[[threading.Event], None]], stop: threading.Event) -> None:
    """Runs roles until `stop` is set, or one of them ends: the others stop then. Raises what the first has raised."""
    failures: list[BaseException] = []

    def serve(role: str, run: Callable[[threading.Event], None]) -> None:
        structlog.contextvars.bind_contextvars(role=role)
        try:
            run(stop)
        except BaseException as error:
            if not failures:
                log.error("ends the roles of its process", roles=sorted(roles), reason=str(error))
            failures.append(error)
        finally:
            stop.set()

    threads = [threading.Thread(target=serve, args=role, name=role[0]) for role in roles.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
