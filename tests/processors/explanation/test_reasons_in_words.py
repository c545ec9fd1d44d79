"""Every kind of reason has a sentence, with the values that made it hold."""

from typing import Any

import pytest

from interlock.policy.load import parse
from interlock.processors.explanation.records import Entry
from interlock.processors.explanation.rules import reason_of, thresholds_of
from interlock.processors.explanation.timeline import events_with_words
from interlock.processors.explanation.words import duration, shares
from interlock.schemas import avro_schemas, catalogue
from interlock.schemas.reasons import PIPELINE_REASONS, PipelineReason
from tests.sinks.sink_world import decision, routed

POLICY = parse(
    """
name: loans
domains:
  loans:
    models: ['*']
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.95, async: 0.8, sync: 0.6}}
    attributes: {age: int}
rules:
  - {id: large, when: amount > 10000, route: async, because: "Amounts above 10,000 need a person", regulation: [art-14]}
  - {id: young, when: age < 21, route: sync, four_eyes: true}
  - {id: unsure, when: confidence < 0.9, route: async, because: The model is not sure}
safe_rules:
  - {id: tiny, domain: loans, prediction: approve, when: amount < 50, because: So little is at stake}
packs: [high-stakes]
""",
    "policy",
)

_DETAILS = {
    "lane:": "loans/approve:async",
    "safe:": "tiny",
    "workflow:": "pre_approval",
    "halted:": "model:m@7",
    "picked:": "x",
}


def _routed(lost: frozenset[str] = frozenset(), **changes: Any) -> Entry:
    fields = {"amount": 12_000.0, "attributes": {"age": "19"}, **changes}
    record = routed(decision("d", "loans", **fields), "async", calibrated_confidence=0.85)
    return Entry(record, catalogue.REVIEWS_ASYNC.name, 0, 0, 0, lost=lost)


@pytest.mark.parametrize("reason", PIPELINE_REASONS, ids=lambda reason: reason.code)
@pytest.mark.parametrize("policy", [POLICY, None], ids=["policy", "forgotten"])
def test_every_reason_of_the_pipeline_has_a_sentence(reason: PipelineReason, policy: Any) -> None:
    code = reason.code + (_DETAILS[reason.code] if reason.is_prefix else "")
    told = reason_of(code, _routed(), policy)
    assert told.text[0].isupper()
    assert told.text.endswith(".")
    assert "{" not in told.text
    assert (told.code, told.kind) == (code, str(reason.kind))


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("large", "Amounts above 10,000 need a person (amount 12,000 > 10,000). Source: art-14."),
        ("young", "The rule “young” asks for a person (age 19 < 21). Two people had to agree."),
        ("unsure", "The model is not sure (confidence 0.85 < 0.9)."),
    ],
)
def test_a_rule_is_told_with_the_values_that_made_it_hold(rule: str, sentence: str) -> None:
    assert reason_of(rule, _routed(), POLICY).text == sentence


def test_a_rule_of_a_pack_names_the_pack() -> None:
    assert reason_of("high-stakes-large-amount", _routed(), None).pack == ""
    packed = next(rule for pack in POLICY.packs for rule in pack.rules)
    assert reason_of(packed.id, _routed(), POLICY).pack == "high-stakes"


def test_values_that_cannot_be_read_any_more_are_not_guessed() -> None:
    told = reason_of("young", _routed(lost=frozenset({"attributes"}), attributes={}), POLICY)
    assert told.text == (
        "The rule “young” asks for a person (the values that it looked at cannot be read any more). "
        "Two people had to agree."
    )
    assert reason_of("unsure", _routed(lost=frozenset({"attributes"})), POLICY).values == "confidence 0.85 < 0.9"


def test_a_rule_of_a_policy_that_is_forgotten_keeps_its_name() -> None:
    assert reason_of("large", _routed(), None).text == (
        "The rule “large” held; the text of the policy that has it cannot be read any more."
    )


def test_a_confidence_just_below_the_threshold_does_not_look_like_it() -> None:
    assert shares(0.9496, 0.95) == ("94.96 %", "95 %")
    record = routed(decision("d", "loans"), "async", calibrated_confidence=0.94999)
    told = reason_of("lane:loans/approve:async", Entry(record, "t", 0, 0, 0), POLICY)
    assert "94.999 %: less than the 95 %" in told.text


def test_a_threshold_in_the_own_confidence_is_told_with_that_confidence() -> None:
    policy = parse(
        "name: x\ndomains:\n  loans: {models: ['*'], outcomes: [approve, reject],"
        " lanes: {approve: {auto: 0.7, auto_raw: {m@7: 0.91}}}}\n",
        "policy",
    )
    entry = _routed(confidence=0.9, model_id="m", model_version="7")
    told = reason_of("lane:loans/approve:async", entry, policy).text
    assert "own confidence in “approve”, before any correction, was 90 %: less than the 91 %" in told
    thresholds = thresholds_of(policy, policy.domains["loans"], entry.record)
    assert thresholds is not None
    assert thresholds.text.startswith("From a confidence of its own of 91 % on")
    assert (thresholds.raw, thresholds.at_least["auto"]) == (True, 0.91)


def test_every_event_of_a_task_has_a_sentence() -> None:
    (event,) = [field for field in avro_schemas.parsed("Task")["fields"] if field["name"] == "event"]
    named = event["doc"].removeprefix("What made this record: ").rstrip(".").replace(" (", "(").split(", ")
    known = {name.split("(")[0] for name in named if name.split("(")[0].replace("_", "").isalpha()}
    assert {"arrived", "claimed", "breached", "recalled"} <= known
    assert {name for name in known if " " not in name} <= events_with_words()


def test_spans_are_written_out() -> None:
    assert [duration(seconds) for seconds in (0.2, 1, 61, 3_600, 7_500, 90_061)] == [
        "less than a second",
        "1 second",
        "1 minute 1 second",
        "1 hour",
        "2 hours 5 minutes",
        "1 day 1 hour",
    ]
