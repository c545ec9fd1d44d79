"""Signed webhooks to a real server on this machine."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from interlock.executors import Execution, Executor, PermanentError, RetryLater, SqliteSeen
from interlock.executors.webhook import WebhookSender, body_of
from interlock.operations.dead_letters import read_letters
from interlock.streams.clock import Clock, ManualClock, SystemClock
from interlock.streams.memory import InlineExecutor, MemoryBroker
from tests.interlock.client.test_client import decision
from tests.interlock.executors.executor_world import AT, SECRET, Receiver, memory, put_action, put_routed, receiving

OLD_SECRET = "whsec_" + "b2xk" * 8


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def sender(receiver: Receiver, clock: Clock | None = None, secrets: tuple[str, ...] = (SECRET,)) -> WebhookSender:
    return WebhookSender(f"http://{receiver.address}/hook", secrets, timeout_seconds=20, clock=clock)


def execution(**fields: Any) -> Execution:
    known = {"kind": "execute", "decision_id": "d", "version": 1, "outcome": "approve", "domain": "d", "at": AT}
    return Execution(**{"action_id": "d/1/execute", **known, **fields})


def executor(broker: MemoryBroker, send: WebhookSender, clock: ManualClock, tmp_path: Path) -> Executor:
    return Executor(
        broker, "webhooks", send, seen=SqliteSeen(tmp_path / "seen.sqlite"), clock=clock, pool=InlineExecutor()
    )


def settle(member: Executor, clock: ManualClock, seconds: float = 0.0) -> None:
    for _ in range(12):
        member.step()
        clock.advance(seconds / 12)


def test_the_receiver_can_verify_the_signature_and_reads_the_execution(receiver: Receiver) -> None:
    given = decision(decision_id="d", amount=5.0).to_record()
    with_nan = {**given, "vector": [float("nan")]}
    carried_out = execution(decision=with_nan, notices=("adverse_action",), modifications={"amount": 5})
    sender(receiver, SystemClock())(carried_out)
    ((headers, body),) = receiver.received
    payload = Webhook(SECRET).verify(body, headers)
    assert headers["webhook-id"] == "d/1/execute"
    assert headers["content-type"] == "application/json"
    assert (payload["type"], payload["timestamp"]) == ("decision.execute", "2026-01-01T00:00:00Z")
    assert payload["data"]["action_id"] == "d/1/execute"
    assert payload["data"]["modifications"] == {"amount": 5}
    assert payload["data"]["decision"]["amount"] == 5.0
    assert payload["data"]["decision"]["vector"] == [None]
    assert body.decode() == body_of(carried_out)


def test_while_a_secret_is_replaced_both_verify(receiver: Receiver) -> None:
    sender(receiver, SystemClock(), secrets=(SECRET, OLD_SECRET))(execution())
    ((headers, body),) = receiver.received
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("name", ["zażółć", "a b", "a\r\nx: y", "a%20b", "a/b.c"])
def test_any_decision_id_makes_a_header_that_tells_it_from_others(receiver: Receiver, name: str) -> None:
    sender(receiver, SystemClock())(execution(action_id=f"{name}/1/execute"))
    ((headers, body),) = receiver.received
    Webhook(SECRET).verify(body, headers)
    assert str(httpx.URL(f"http://h/{headers['webhook-id']}").path) == f"/{name}/1/execute"
    assert json.loads(body)["data"]["action_id"] == f"{name}/1/execute"


@pytest.mark.parametrize("status", [500, 503, 408, 425, 429])
def test_a_passing_trouble_of_the_receiver_means_later(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, {})]
    with pytest.raises(RetryLater, match=f"{status} 'no, because'") as raised:
        sender(receiver)(execution())
    assert raised.value.after == 0


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 301, 307])
def test_a_refusal_or_a_redirect_is_for_good(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, {"location": f"http://{receiver.address}/elsewhere"})]
    with pytest.raises(PermanentError) as raised:
        sender(receiver)(execution())
    assert raised.value.code == f"http-{status}"
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("999999", 3600), ("soon", 0), ("-5", 0), ("", 0)],
)
def test_retry_after_is_respected_within_an_hour(receiver: Receiver, text: str, seconds: float) -> None:
    receiver.answers = [(429, {"retry-after": text})]
    with pytest.raises(RetryLater) as raised:
        sender(receiver, ManualClock())(execution())
    assert raised.value.after == seconds


@pytest.mark.parametrize(("status", "in_doubt"), [(429, False), (503, False), (500, True), (502, True), (504, True)])
def test_an_error_of_the_server_leaves_open_whether_it_has_acted(
    receiver: Receiver, status: int, in_doubt: bool
) -> None:
    receiver.answers = [(status, {})]
    with pytest.raises(RetryLater) as raised:
        sender(receiver)(execution())
    assert raised.value.in_doubt == in_doubt


def test_retry_after_may_be_a_date(receiver: Receiver) -> None:
    clock = ManualClock()
    until = datetime.fromtimestamp(clock.now() / 1e6 + 90, UTC)
    receiver.answers = [(503, {"retry-after": format_datetime(until, usegmt=True)})]
    with pytest.raises(RetryLater) as raised:
        sender(receiver, clock)(execution())
    assert raised.value.after == 90


def test_a_receiver_that_is_away_means_later() -> None:
    with pytest.raises(RetryLater, match="ConnectError") as raised:
        WebhookSender("http://127.0.0.1:1/hook", [SECRET])(execution())
    assert not raised.value.in_doubt


def test_a_receiver_that_does_not_answer_in_time_means_later() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    client = httpx.Client(transport=httpx.MockTransport(slow))
    with pytest.raises(RetryLater, match="ReadTimeout") as raised:
        WebhookSender("http://127.0.0.1/hook", [SECRET], client=client)(execution())
    assert raised.value.in_doubt


def test_an_answer_that_breaks_off_after_its_status_counts() -> None:
    class BreaksOff(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"o"
            raise httpx.ReadError("gone")

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=BreaksOff()))
    WebhookSender("http://127.0.0.1/hook", [SECRET], client=httpx.Client(transport=transport))(execution())


@pytest.mark.parametrize(
    ("url", "secrets", "says"),
    [
        ("ftp://h/x", [SECRET], "address"),
        ("http://", [SECRET], "address"),
        ("http://h", [], "secret"),
        ("http://h", ["whsec_"], "secret"),
        ("http://h", ["whsec_a"], "secret"),
    ],
)
def test_a_wrong_address_or_secret_is_refused_at_the_start(url: str, secrets: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        WebhookSender(url, secrets)


def test_attempts_follow_the_schedule_with_the_same_id_and_body_and_a_fresh_time(
    receiver: Receiver, tmp_path: Path
) -> None:
    clock = ManualClock()
    broker = memory(clock)
    receiver.answers = [(503, {}), (503, {"retry-after": "30"})]
    put_routed(broker, "d")
    member = executor(broker, sender(receiver, clock), clock, tmp_path)
    settle(member, clock)
    assert len(receiver.received) == 1
    settle(member, clock, seconds=2)
    assert len(receiver.received) == 2
    settle(member, clock, seconds=27)
    assert len(receiver.received) == 2
    settle(member, clock, seconds=10)
    assert len(receiver.received) == 3
    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.received}) == 1
    times = [int(headers["webhook-timestamp"]) for headers, _ in receiver.received]
    assert times[1] - times[0] <= 2
    assert times[2] - times[1] >= 30
    assert list(read_letters(broker)) == []


def test_what_the_receiver_refuses_becomes_a_dead_letter(receiver: Receiver, tmp_path: Path) -> None:
    clock = ManualClock()
    broker = memory(clock)
    receiver.answers = [(410, {})]
    put_action(broker, "d", 2)
    settle(executor(broker, sender(receiver, clock), clock, tmp_path), clock)
    (letter,) = read_letters(broker)
    assert (letter.reason, letter.key) == ("http-410", b"d")
    assert "no, because" in letter.what["message"]


def test_a_restart_does_not_deliver_twice_what_was_delivered(receiver: Receiver, tmp_path: Path) -> None:
    clock = ManualClock()
    broker = memory(clock)
    put_action(broker, "d", 1)
    put_action(broker, "d", 2)
    first = broker.process()
    settle(executor(first, sender(receiver, clock), clock, tmp_path), clock)
    assert len(receiver.received) == 2
    first.kill()  # before it has committed
    clock.advance(60)
    put_action(broker, "d", 3)
    settle(executor(broker.process(), sender(receiver, clock), clock, tmp_path), clock)
    assert receiver.ids == ["d/1/execute", "d/2/execute", "d/3/execute"]


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("modifications", [_nested(300), _nested(900), {"a": "\ud800"}])
def test_an_execution_that_no_request_can_be_made_of_is_given_up_at_once(
    receiver: Receiver, modifications: dict[str, Any]
) -> None:
    with pytest.raises(PermanentError, match="no request can be made") as refused:
        sender(receiver, SystemClock())(execution(modifications=modifications))
    assert refused.value.code == "malformed-body"
    assert receiver.received == []
