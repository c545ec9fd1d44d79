"""The picker as a role."""

from contextlib import closing

import structlog

from interlock.connect import Platform
from interlock.patience import when_available
from interlock.picking import Rounds
from interlock.roles import serve_metrics, stop_on_signals, table_reader
from processors.picker.picking import Picker
from schemas import catalogue
from streams.clock import SystemClock
from streams.metrics import Metrics
from streams.ports import Message

log = structlog.get_logger()


def picker(platform: Platform) -> None:
    """Audits the pool of active learning and picks from it, round after round."""
    stop = stop_on_signals()
    clock = SystemClock()
    made = Picker(platform.audit_key)
    period = platform.settings.picker.round_seconds

    def take(message: Message) -> None:
        made.follow(message.key(), message.value())

    tables = when_available(lambda: table_reader(platform, [catalogue.POLICIES.name], take), stop)
    if tables is None:
        return
    serve_metrics(Metrics("picker"), platform.settings.metrics_port)
    log.info("picker runs", kafka=platform.bootstrap_servers, every=f"{period:g} s")
    with closing(tables):
        rounds = Rounds(platform.kafka(), made, clock)
        last = when_available(rounds.last, stop)
        # After a restart the round that is under way is not cut short: a small one has no room for greedy picks.
        while last is not None and not stop.wait(max(0.0, last / 1e6 + period - clock.now() / 1e6)):
            for message in tables.poll():
                take(message)
            found = when_available(rounds.round, stop)
            last = clock.now()
            if found is not None:
                log.info("round", read=found.read, pool=found.pool, picked=found.picked)
    log.info("picker stopped")
