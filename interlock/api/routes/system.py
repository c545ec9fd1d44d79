"""Health, readiness and metrics of this process, and how the platform stands."""

import time
from typing import Annotated, Any

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException
from fastapi import APIRouter, Request, Response, Security
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import Backend, backend_of
from interlock.api.shapes import SystemState
from interlock.errors import InterlockError
from interlock.operations.audit_trail import newest_anchor
from interlock.platform import instance as instances
from interlock.platform.connection import Platform
from interlock.platform.probes import known_findings, role_problem
from interlock.schemas import catalogue
from interlock.sinks.trail.anchors import key_id

router = APIRouter(tags=["system"])

Reader = Annotated[Principal, Security(authenticated, scopes=["system:read"])]


@router.get("/healthz", summary="Whether this process answers", response_class=PlainTextResponse)
def health() -> PlainTextResponse:
    return PlainTextResponse("ok")


@router.get("/readyz", summary="Whether this process can serve: Kafka answers", response_class=PlainTextResponse)
def ready(request: Request) -> PlainTextResponse:
    problem = backend_of(request).board.problem
    return PlainTextResponse(problem or "ok", 503 if problem else 200)


@router.get("/metrics", summary="Metrics of this process, for Prometheus", response_class=PlainTextResponse)
def metrics(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/v1/system",
    summary="Roles, what stands still, and whether Kafka and ClickHouse answer",
    response_model=SystemState,
)
def system(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    return answer(system_facts(backend_of(request)))


def system_facts(backend: Backend) -> dict[str, Any]:
    """How the platform stands. Roles are known of a local instance only."""
    # Read anew: what this process read at its start says how things stood then.
    instance = Platform(backend.platform.settings).instance
    return {
        "kafka": _probe(lambda: _kafka_problem(backend)),
        "clickhouse": _probe(lambda: _clickhouse_problem(backend)),
        "roles": [] if instance is None else [_role(child) for child in instance.children],
        "findings": None if instance is None else known_findings(instance),
        "audit_trail": _audit_trail(backend),
    }


def _audit_trail(backend: Backend) -> dict[str, Any]:
    try:
        newest = newest_anchor(backend.broker)
    except KafkaException:
        newest = None
    if newest is None:
        return {"signed_at": None, "key_id": None}
    return {"signed_at": newest["signed_at"], "key_id": key_id(bytes.fromhex(newest["public_key"]))}


def _probe(problem: Any) -> dict[str, Any]:
    started = time.monotonic()
    found = problem()
    return {"ok": not found, "problem": found, "milliseconds": round((time.monotonic() - started) * 1000, 1)}


def _kafka_problem(backend: Backend) -> str:
    if backend.board.problem:
        return backend.board.problem
    try:
        backend.broker.end_offsets(catalogue.CONTROLS.name)
    except KafkaException as error:
        return str(error.args[0].str())
    return ""


def _clickhouse_problem(backend: Backend) -> str:
    try:
        with backend.clickhouse() as client:
            client.query("SELECT 1")
    except (ClickHouseError, InterlockError, OSError) as error:
        return str(error).strip().splitlines()[0]
    return ""


def _role(child: instances.Child) -> dict[str, Any]:
    problem = None
    if child.metrics_port:
        try:
            problem = role_problem(child.metrics_port)
        except OSError as error:
            problem = f"does not answer: {error}"
    state = child.state if instances.alive(child) or child.state != "running" else "gone"
    return {"role": child.role, "state": state, "pid": child.pid, "restarts": child.restarts, "problem": problem}
