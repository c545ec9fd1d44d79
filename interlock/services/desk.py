"""The desk as a service: one instance works, the others stand by."""

import threading
from contextlib import closing

import structlog

from interlock.errors import OperatorRequiredError
from interlock.platform.connection import Platform
from interlock.processors.desk.authority import Authority, KnownSigner
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import FOLLOWED_TOPICS
from interlock.processors.desk.stream_clock import StreamClock
from interlock.services.desk_runner import desk_runner
from interlock.services.endpoint import serve
from interlock.services.liveness import watch_role
from interlock.services.resting import exclusive_heartbeats, fetching
from interlock.services.retry import wait_until_available
from interlock.services.table_reader import table_reader
from interlock.streams.metrics import Metrics
from interlock.streams.runner import ProcessingError, UnrecoverableError

log = structlog.get_logger()


def run(platform: Platform, stop: threading.Event) -> None:
    """Makes tasks of what people must see, and carries out what they command; stands by while another desk works."""

    metrics = Metrics("desk")
    signers = {
        name: KnownSigner(bytes.fromhex(signer.key.get_secret_value()), signer.speaks_for)
        for name, signer in platform.settings.desk.signers.items()
    }
    retention = round(platform.settings.desk.decided_days * 86_400 * 1_000_000)
    # A desk without the secret of the audit coin works, and takes no part in experiments.
    configured = platform.settings.router.audit_key is not None or platform.instance is not None
    arm_key = platform.audit_key if configured else b""
    processor = DeskProcessor(StreamClock(platform.settings.instance_id), Authority(signers), retention, arm_key)
    tables = wait_until_available(lambda: table_reader(platform, FOLLOWED_TOPICS, processor.follow), stop)
    if tables is None:
        return
    with closing(tables):
        runner = desk_runner(
            platform.kafka(),
            processor,
            tables,
            platform.settings.instance_id,
            metrics=metrics,
            stop=stop,
            consumer_overrides={**fetching(platform), **exclusive_heartbeats(platform)},
        )
        # While the desk reads its records commands wait, and after a restart it would only begin anew.
        health = watch_role(platform, "desk", stop, lambda: metrics.value("replayed"))
        serve(metrics, platform.settings, health=health)
        if not arm_key:
            log.warning("no INTERLOCK_ROUTER__AUDIT_KEY: no reliance experiment runs")
        log.info("desk runs", kafka=platform.bootstrap_servers, policies=sorted(processor.desk.state.policies))
        try:
            runner.run()
        except (UnrecoverableError, ProcessingError) as error:
            raise OperatorRequiredError(str(error)) from error
    log.info("desk stopped")
