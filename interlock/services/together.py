"""Several things that run until they are told to stop, in one process: each in a thread."""

import threading
from collections.abc import Callable, Mapping

import structlog

log = structlog.get_logger()


def run_in_threads(runs: Mapping[str, Callable[[threading.Event], None]], stop: threading.Event) -> None:
    """Runs `runs`, by name, until `stop` is set, or one of them ends: the others stop then. Raises what the first has
    raised."""
    failures: list[BaseException] = []

    def serve(name: str, run: Callable[[threading.Event], None]) -> None:
        try:
            run(stop)
        except BaseException as error:
            if not failures:
                log.error("failed; what runs beside it stops", failed=name, reason=str(error))
            failures.append(error)
        finally:
            stop.set()

    threads = [threading.Thread(target=serve, args=run, name=run[0]) for run in runs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
