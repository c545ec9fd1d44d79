"""Decisions that are sent again: the same once more, or another one under the same id."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from interlock.processors.records import Message
from interlock.processors.router.router import Router, RouterOutputs, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import wire
from interlock.schemas.error_headers import read_error_headers
from tests.processors.router.messages import NOW, Sent, sent

POLICY = "{name: p, domains: {loans: {models: [m], outcomes: [approve, reject], lanes: {approve: {}}, queue: q}}}"


def _router(remembered_ids: int = 1_000, history: Sequence[Message] = ()) -> Router:
    state = RouterState()
    state.policies["p"] = compile_policy(parse(POLICY, "p"))

    def earlier(partition: int, start: int, end: int) -> Iterable[Sequence[Message]]:
        # In parts of three, to see that they are put together.
        found = [m for m in history if m.partition() == partition and start <= m.offset() < end]
        return [found[i : i + 3] for i in range(0, len(found), 3)]

    return Router(state, RouterSettings(bytes(range(16)), 1.0, remembered_ids=remembered_ids), earlier)


def _at(offset: int, decision_id: str = "d-1", partition: int = 0, **fields: object) -> Sent:
    return replace(sent(decision_id, **fields), record_offset=offset, record_partition=partition)


def _rows(outputs: RouterOutputs) -> list[tuple[str, bytes | None, bytes | None]]:
    return list(zip(outputs.topics, outputs.keys, outputs.values, strict=True))


def _topics(outputs: RouterOutputs) -> list[str]:
    return [topic for topic, _, _ in _rows(outputs)]


@pytest.mark.parametrize("batches", [[[_at(0), _at(1)]], [[_at(0)], [_at(1)]]], ids=["in one batch", "in two"])
def test_the_same_decision_sent_again_is_counted_and_has_no_effect(batches: list[list[Sent]]) -> None:
    router = _router()

    outputs = [router.process(batch, NOW) for batch in batches]

    assert [topic for one in outputs for topic in _topics(one)] == ["decisions.auto-approved"]
    assert sum(one.repeated for one in outputs) == 1


def test_other_content_under_the_same_id_is_a_dead_letter_that_names_both_and_an_alert() -> None:
    router = _router()
    router.process([_at(7, partition=2)], NOW)
    contradiction = _at(9, partition=2, amount=5_000_000.0)

    outputs = router.process([contradiction, _at(10, "d-2", partition=2)], NOW)

    assert outputs.bad == {"contradiction": 1}
    rows = list(zip(outputs.topics, outputs.keys, outputs.values, outputs.headers, strict=True))
    (letter,) = [row for row in rows if row[0] == "dead-letter"]
    assert letter[1:3] == (b"d-1", contradiction.value())
    assert read_error_headers(letter[3])["message"] == (
        "decisions[2] offset 9 has other content than offset 7 under the same decision_id"
    )
    (alert,) = [wire.decode("Alert", value) for topic, _, value, _ in rows if topic == "alerts"]
    assert (alert["kind"], alert["severity"]) == ("contradiction", "critical")
    assert "decisions[2] offset 9 has other content than offset 7" in alert["message"]
    assert [row[1] for row in rows if row[0] == "decisions.auto-approved"] == [b"d-2"]


def test_a_producer_that_uses_ids_again_causes_one_alert_an_hour_for_each_model() -> None:
    router = _router()
    router.process([_at(n, f"d-{n}") for n in range(50)], NOW)

    outputs = [
        router.process([_at(100 + n, f"d-{n}", amount=1.0), _at(200 + n, f"d-{n}", model_id="n")], NOW + n)
        for n in range(50)
    ]

    alerts = {key for one in outputs for topic, key, _ in _rows(one) if topic == "alerts"}
    assert len(alerts) == 2


@pytest.mark.parametrize("change", ["halt", "policy"])
def test_what_changes_between_two_sendings_makes_no_second_word(change: str) -> None:
    state = RouterState()
    state.policies["p"] = compile_policy(parse(POLICY, "p"))
    router = Router(state, RouterSettings(bytes(16), 1.0))
    first = router.process([_at(0)], NOW)
    if change == "halt":
        state.halted["all"] = "stop"
    else:
        state.policies.clear()

    again = router.process([_at(1)], NOW)

    assert _topics(first) == ["decisions.auto-approved"]
    assert (_topics(again), again.repeated) == ([], 1)


def test_an_unreadable_message_does_not_stand() -> None:
    router = _router()
    damaged = replace(_at(0), record_key=b"other")

    assert _topics(router.process([damaged], NOW)) == ["dead-letter"]
    assert _topics(router.process([_at(1)], NOW)) == ["decisions.auto-approved"]


def test_a_router_that_is_given_a_partition_knows_what_stands_before_in_it() -> None:
    history = [_at(n, f"d-{n}") for n in range(10)] + [_at(3, "e-3", partition=1)]
    router = _router(history=history)
    router.assigned([0, 1])

    outputs = router.process([_at(10, "d-0"), _at(11, "d-9", amount=2.0), _at(12, "d-11"), _at(4, "e-3", 1)], NOW)

    assert outputs.repeated == 2
    assert outputs.bad == {"contradiction": 1}
    assert outputs.counts == {"decisions.auto-approved": 1, "dead-letter": 1, "alerts": 1}


def test_the_history_is_read_once_for_an_assignment_and_no_further_back_than_is_remembered() -> None:
    asked: list[tuple[int, int, int]] = []

    def history(partition: int, start: int, end: int) -> Iterable[Sequence[Message]]:
        asked.append((partition, start, end))
        return ()

    router = Router(RouterState(), RouterSettings(bytes(16), remembered_ids=1_000), history)
    router.assigned([0, 1])
    router.process([_at(5_000)], NOW)
    router.process([_at(5_001), _at(70, "d-2", 1)], NOW)
    router.process([_at(5_002, "d-3")], NOW)

    assert asked == [(0, 4_500, 5_000), (1, 0, 70)]


_sendings = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), min_size=1, max_size=20)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(_sendings, st.data())
def test_one_word_for_one_id_however_the_log_is_cut_dropped_and_read_again_by_whom(
    sendings: list[tuple[str, int]], data: st.DataObject
) -> None:
    log = [_at(n, name, amount=float(amount)) for n, (name, amount) in enumerate(sendings)]
    expected = _rows(_router().process(log, NOW))
    routers, owner, at = [_router(history=log) for _ in range(2)], -1, 0
    written: list[tuple[str, bytes | None, bytes | None]] = []
    while at < len(log):
        successor = data.draw(st.sampled_from((0, 1)), "router")
        if successor != owner:
            owner = successor
            routers[owner].assigned([0])
        end = data.draw(st.integers(at + 1, len(log)), "end")
        outputs = _rows(routers[owner].process(log[at:end], NOW))
        if not data.draw(st.booleans(), "dropped"):
            written += outputs
            at = end

    def without_alerts(
        rows: list[tuple[str, bytes | None, bytes | None]],
    ) -> list[tuple[str, bytes | None, bytes | None]]:
        return sorted(row for row in rows if row[0] != "alerts")

    assert without_alerts(written) == without_alerts(expected)
    words = [key for topic, key, _ in written if topic == "decisions.auto-approved"]
    assert sorted(map(repr, words)) == sorted({repr(message.key()) for message in log})
