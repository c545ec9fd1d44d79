"""The sampler role."""

import threading
from contextlib import closing

import structlog

from interlock.platform.connection import Platform
from interlock.processors.sampling.sampler import Sampler
from interlock.schemas import catalogue
from interlock.services.endpoint import serve
from interlock.services.retry import wait_until_available
from interlock.services.sampling_runs import SamplingRuns
from interlock.services.table_reader import table_reader
from interlock.streams.clock import SystemClock
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Message

log = structlog.get_logger()


def run(platform: Platform, stop: threading.Event) -> None:
    """Audits the candidates of active learning and samples from them, one run after another."""
    clock = SystemClock()
    sampler = Sampler(platform.audit_key)
    period = platform.settings.sampler.round_seconds

    def apply(message: Message) -> None:
        sampler.apply(message.key(), message.value())

    tables = wait_until_available(lambda: table_reader(platform, [catalogue.POLICIES.name], apply), stop)
    if tables is None:
        return
    serve(Metrics("sampler"), platform.settings)
    log.info("sampler runs", kafka=platform.bootstrap_servers, every=f"{period:g} s")
    with closing(tables):
        runs = SamplingRuns(platform.kafka(), sampler, clock)
        last = wait_until_available(runs.last, stop)
        # A restart does not shorten the present period: a small budget has no room for greedy selection.
        while last is not None and not stop.wait(max(0.0, last / 1e6 + period - clock.now() / 1e6)):
            for message in tables.poll():
                apply(message)
            run = wait_until_available(runs.run, stop)
            last = clock.now()
            if run is not None:
                log.info("sampling run", read=run.read, candidates=run.candidates, sampled=run.sampled)
    log.info("sampler stopped")
