"""Requests that schemathesis generates from the OpenAPI document: no answer but those that the document promises.

The real desk works on Kafka in memory, so that what is asked is done. `--campaign` asks more often.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import schemathesis
from httpx2 import Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from interlock.api.app import create_app
from interlock.api.routes import decisions
from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.schemas import catalogue, wire
from tests.interlock.api.api_world import EVERYTHING, World
from tests.interlock.review.review_world import DeskThread, decision, routed
from tests.processors.proposals.proposal_world import policy_version

log = logging.getLogger(__name__)

CHECKS = [
    allow_header_conformance,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]

# Of each operation and kind of request.
QUICK_EXAMPLES, CAMPAIGN_EXAMPLES = 4, 50

# A stream without an end.
STREAMS = ("/v1/events",)

# Names that exist, for every parameter of a path that is one.
KNOWN = {
    "task_id": "d-1",
    "decision_id": "d-1",
    "name": "lending",
    "reviewer": "ana",
    "version": str(policy_version()["version"]),
    "letter": "0:0",
}

# What cannot be told in the test is told with 503: the document promises it.
UNAVAILABLE = 503

# Longer waits would show the same.
LONGEST_WAIT = 0.01


class Asked:
    """A world with tasks and people, asked by somebody who may do everything."""

    def __init__(self, directory: Path) -> None:
        generous = {"requests_per_second": 1e6, "burst": 1_000_000}
        self.world = World(directory, desk_seconds=5, api=generous)
        self.world.put(catalogue.POLICIES, "lending", policy_version())
        people = [person({"id": name, "name": name.title(), "capacity": 1000}).to_record() for name in ("ana", "ben")]
        publish_reviewers(self.world.broker, people)
        self.desk = DeskThread(self.world.broker)
        self.desk.start()
        self.statuses: Counter[int] = Counter()
        self._token = self.world.token("ana", scopes=EVERYTHING)
        producer = self.world.broker.producer(None)
        for name in ("d-1", "d-2", "d-3"):
            value = wire.encode("RoutedDecision", routed(decision(name), queue="underwriting"))
            producer.produce(catalogue.REVIEWS_ASYNC.name, value, name.encode())
            producer.flush()
            self.desk.wait_for(name)

    def ask(self, case: Case[Any]) -> Response:
        """Sends what was generated, byte by byte."""
        query: dict[str, Any] = case.query or {}
        if isinstance(query.get("wait"), int | float):
            case.query = {**query, "wait": min(query["wait"], LONGEST_WAIT)}
        prepared = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
        headers = {**prepared.headers, "Authorization": f"Bearer {self._token}"}
        encoded = {_bytes(name): _bytes(value) for name, value in headers.items() if name.lower() != "cookie"}
        body = prepared.body.encode() if isinstance(prepared.body, str) else cast("bytes | None", prepared.body)
        response = self.world.client.request(prepared.method or "", prepared.url or "", content=body, headers=encoded)
        self.statuses[response.status_code] += 1
        return response

    def close(self) -> None:
        self.desk.stop()
        self.world.close()


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1", errors="replace") if isinstance(text, str) else text


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decisions, "_LOOKUP_SECONDS", LONGEST_WAIT)
        asked = Asked(tmp_path_factory.mktemp("generated"))
        yield asked
        asked.close()
    total = sum(asked.statuses.values())
    log.info("%d requests, by status: %s", total, dict(sorted(asked.statuses.items())))


def _ok(result: Any) -> Any:
    """An operation. Raises what schemathesis has against the document."""
    return result.ok()


# Routes need nobody to ask.
_SCHEMA = schemathesis.openapi.from_dict(create_app(None, None).openapi())  # type: ignore[arg-type]
OPERATIONS = {
    operation.label: operation
    for operation in (_ok(result) for result in _SCHEMA.get_all_operations())
    if operation.path not in STREAMS
}


@pytest.mark.parametrize("kind", ["as described", "not as described", "about what exists"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_that_the_document_promises(asked: Asked, campaign: bool, label: str, kind: str) -> None:
    operation = OPERATIONS[label]
    known = {name: value for name, value in KNOWN.items() if f"{{{name}}}" in operation.path}
    if kind == "about what exists" and not known:
        return
    mode = GenerationMode.NEGATIVE if kind == "not as described" else GenerationMode.POSITIVE
    overrides: dict[str, Any] = {"path_parameters": known} if kind == "about what exists" else {}

    @given(case=operation.as_strategy(generation_mode=mode, **overrides))
    @settings(
        max_examples=CAMPAIGN_EXAMPLES if campaign else QUICK_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case[Any]) -> None:
        response = asked.ask(case)
        assert response.status_code < 500 or response.status_code == UNAVAILABLE, response.text
        case.validate_response(response, checks=CHECKS)

    # Where there is nothing to send, nothing can be sent that is not as described.
    with suppress(Unsatisfiable):
        ask()


def test_the_requests_did_something(asked: Asked) -> None:
    if sum(asked.statuses.values()) < 100:
        pytest.skip("the others did not run")
    assert asked.statuses[200] > 0
    assert {catalogue.COMMANDS.name, catalogue.REPLIES.name} <= {
        topic for topic, count in asked.world.contents().items() if count
    }
