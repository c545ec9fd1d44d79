"""Whatever the router routes, every reader, printer and exporter takes: the whole range of every field."""

import io
import json
import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.cli.common import VisibleConsole, print_json, table
from interlock.cli.review_screen import screen
from interlock.client.result import DecisionResult
from interlock.executors.execution import Execution
from interlock.executors.webhook import body_of
from interlock.operations.export import JsonLines, Parquet, preferences
from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.feedback.examples import example
from interlock.processors.review.payload import Payload
from interlock.processors.review.view import build_view
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.review.session import listed
from interlock.schemas import catalogue, damaged, wire
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from tests.processors.feedback.feedback_world import outcome

NOW = 1_767_225_600_000_000

POLICY = parse(
    """
name: lending
audit: {rate: 0}
domains:
  loans:
    models: ['*']
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.5}}
    attributes: {age: int, dti: float, pep: bool, country: string}
rules:
  - {id: old, when: "age IS NOT NULL AND age > 80", route: async}
  - {id: poor, when: "coalesce(dti, 0) > 43 OR coalesce(pep, FALSE)", route: manual}
  - {id: long, when: "length(country) > 3", route: sync}
""",
    "lending",
)
ROUTER = Router(RouterState(policies={"lending": compile_policy(POLICY)}), RouterSettings(audit_key=bytes(16)))

# Acts on a terminal, or changes the order of what is read there; line feeds and tabs are layout.
ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_odd = st.sampled_from(
    ["\0", "\x1b[2J", "\x9b8m", "\x85", "\u202e", "[/oops]", "[red]x", "\r", "\n", "'", "35,0", "35.0", "TRUE"]
)
_texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.lists(_odd, max_size=3).map("".join)
_micros = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**63 - 1, -(2**63), 0, NOW, NOW * 1000])


def _extreme(name: str) -> str:
    # By name: Hypothesis prints a strategy's values in its notes, and warns where they are long.
    return {
        "deep": '{"a":' * 3_000 + "1" + "}" * 3_000,
        "open": "[" * 2_000,
        "digits": '{"n": ' + "7" * 5_000 + "}",
        "overflow": '{"n": 1e999}',
    }[name]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5) | _odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_inputs = (
    st.dictionaries(_texts, _json, max_size=3).map(json.dumps)
    | _texts
    | st.sampled_from(["deep", "open", "digits", "overflow"]).map(_extreme)
)
_floats = st.floats()
_float32 = st.floats(width=32)


def _records(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(fields), max_size=2)


decisions = st.fixed_dictionaries(
    {
        "decision_id": _texts.filter(bool),
        "domain": st.just("loans") | _texts,
        "model_id": _texts,
        "model_version": _texts,
        "prediction": st.sampled_from(["approve", "reject"]) | _texts,
        "confidence": st.sampled_from([0.4, 0.9]) | _floats,
        "created_at": st.just(NOW) | _micros,
        "impact": _texts,
        "amount": st.none() | _floats,
        "novel": st.booleans(),
        "compliance_review": st.booleans(),
        "jurisdiction": _texts,
        "subject_id": _texts,
        "attributes": st.dictionaries(st.sampled_from(["age", "dti", "pep", "country"]) | _texts, _texts, max_size=3),
        "input": _inputs,
        "alternatives": _records(
            option=_texts, confidence=_floats, pros=st.lists(_texts, max_size=2), cons=st.lists(_texts, max_size=2)
        ),
        "explanation": st.fixed_dictionaries(
            {
                "top_features": _records(feature=_texts, value=_texts, importance=_floats),
                "reasoning": _texts,
                "similar_cases": _records(case_id=_texts, outcome=_texts),
            }
        ),
        "history": st.fixed_dictionaries(
            {
                "previous_decisions": _records(decision_id=_texts, outcome=_texts, decided_at=_micros),
                "model_accuracy_on_similar": st.none() | _floats,
            }
        ),
        "vector": st.lists(_float32, max_size=3),
    }
)


def _message(topic: str, key: bytes | None, value: bytes | None) -> Message:
    return Message(topic=topic, partition=0, offset=0, key=key, value=value, timestamp=(1, NOW // 1000))


def _strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text.encode(), parse_constant=refuse)


def _routed(key: bytes, value: bytes) -> tuple[str, bytes]:
    outputs = ROUTER.process([_message(catalogue.DECISIONS.name, key, value)], NOW)
    (topic,), (routed,) = outputs.topics, outputs.values
    assert routed is not None
    return topic, routed


@given(decisions, st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_router_routes_every_reader_and_printer_takes(
    tmp_path_factory: pytest.TempPathFactory, decision: dict[str, Any], cut: int
) -> None:
    whole = wire.encode("Decision", decision)
    key = decision["decision_id"].encode()
    # Some are cut within the vector, which stands last; the router reads only what stands first.
    topic, routed = _routed(key, whole[: len(whole) - cut] if cut else whole)
    message = _message(topic, key, routed)
    assert rows.to_arrow([message], Chunk(topic, 0, 0, 0), "log").num_rows == 1
    if topic == catalogue.DEAD_LETTER.name:
        _print_tables([decision["decision_id"], repr(message.value())])
        return
    if topic == catalogue.AUTO_APPROVED.name:
        assert DecisionResult.from_routed(damaged.read("RoutedDecision", routed).record).status == "decided"
        if cut:
            with pytest.raises(wire.WireError, match="damaged"):
                Execution.from_message(message)
        else:
            _strict(body_of(Execution.from_message(message)))
        # The desk takes it too, as an audit of it.
        message = _message(catalogue.REVIEWS_ASYNC.name, key, routed)
    task = _task(message)
    _review(task, routed)
    _learn(task, routed, tmp_path_factory.mktemp("export"))


def _task(message: Message) -> dict[str, Any]:
    outputs = DeskProcessor().process([message], NOW)
    written = zip(outputs.topics, outputs.values, strict=True)
    task, *_ = [wire.decode("Task", value) for name, value in written if name == catalogue.TASKS.name]
    _print_tables([str(value) for value in listed(task, NOW).values()])
    return task


def _review(task: dict[str, Any], routed: bytes) -> None:
    read = damaged.read("RoutedDecision", routed)
    payload = Payload(read.record, verified=True, damage=read.damage)
    for reveal in (False, True):
        view = build_view(task, payload, NOW, routed_by=POLICY, in_force=POLICY, reveal=reveal)
        shown = io.StringIO()
        VisibleConsole(file=shown, width=100, color_system=None).print(screen(view))
        assert not ACTIVE.search(shown.getvalue())
        assert _strict(_printed_json(view.facts()))["decision_id"] == view.decision_id


def _learn(task: dict[str, Any], routed: bytes, folder: Path) -> None:
    judged = outcome(1, decision_id=task["decision_id"], options=list(task["options"]) or ["approve", "reject"])
    learned = example(judged, damaged.read("RoutedDecision", routed).record)
    groups = {"answer": learned["prediction"]}
    record = wire.decode("TrainingExample", wire.encode("TrainingExample", learned)) | {"groups": groups}
    lines, columns = JsonLines(folder / "a.jsonl"), Parquet(folder / "a.parquet")
    for row in (record, *preferences(record)):
        lines.write(row)
    columns.write(record)
    lines.close()
    columns.close()
    for line in (folder / "a.jsonl").read_text(encoding="utf-8").splitlines():
        _strict(line)


def _printed_json(facts: Any) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        print_json(facts)
    assert not ACTIVE.search(printed.getvalue())
    return printed.getvalue()


def _print_tables(cells: Sequence[str]) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        table([f"column {number}" for number in range(len(cells))], [cells])
    assert not ACTIVE.search(printed.getvalue())
