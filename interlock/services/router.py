"""The router as a service: decisions in, routes out, exactly once."""

import threading
from contextlib import closing

import structlog

from interlock.errors import OperatorRequiredError
from interlock.platform.connection import Platform
from interlock.processors.router.authority import PolicyAuthority
from interlock.processors.router.breaker import TooManyBadMessagesError
from interlock.processors.router.router import RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue
from interlock.services.endpoint import serve
from interlock.services.finding_alerts import alert_teller, expired_teller
from interlock.services.liveness import watch_role
from interlock.services.resting import fetching
from interlock.services.retry import wait_until_available
from interlock.services.router_runner import TABLES, router_runner, signed_only
from interlock.services.table_reader import table_reader
from interlock.streams.clock import SystemClock
from interlock.streams.metrics import Metrics
from interlock.streams.runner import ProcessingError, UnrecoverableError

log = structlog.get_logger()


def run(platform: Platform, stop: threading.Event) -> None:
    """Routes decisions, exactly once."""

    metrics = Metrics("router")
    configured = platform.settings.router
    audit_key = platform.audit_key
    state = RouterState()
    # Nothing is routed before the tables are known: without its policy a decision would go to a person.

    signers = {name: bytes.fromhex(key.get_secret_value()) for name, key in configured.signers.items()}
    take = signed_only(state, PolicyAuthority(signers), alert_teller(platform.kafka()), SystemClock())
    tables = wait_until_available(lambda: table_reader(platform, TABLES, take), stop)
    if tables is None:
        return
    with closing(tables):
        runner = router_runner(
            platform.kafka(),
            state,
            RouterSettings(audit_key, configured.max_bad_share, remembered_ids=configured.remembered_ids),
            tables,
            platform.settings.instance_id,
            max_batch=configured.max_batch,
            max_wait_seconds=configured.max_wait_seconds,
            metrics=metrics,
            stop=stop,
            take=take,
            consumer_overrides=fetching(platform),
            on_expired=expired_teller(platform.kafka(), "router", catalogue.ROUTER_GROUP),
        )
        serve(metrics, platform.settings, health=watch_role(platform, "router", stop))
        log.info("router runs", kafka=platform.bootstrap_servers, policies=sorted(state.policies))
        try:
            runner.run()
        except UnrecoverableError as error:
            raise OperatorRequiredError(str(error)) from error
        except ProcessingError as error:
            if isinstance(error.__cause__, TooManyBadMessagesError):
                raise OperatorRequiredError(str(error.__cause__)) from error
            raise OperatorRequiredError(str(error)) from error
    log.info("router stopped")
