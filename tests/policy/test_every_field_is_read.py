"""Every field of a policy does something: a field that nothing reads promises what nobody keeps."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.operations.retention import short_kept
from interlock.policy import review
from interlock.policy.calendars import due
from interlock.policy.compiled import compile_policy
from interlock.policy.duties import duties
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.notices.terms import Notice
from interlock.policy.parts import Part as _Part
from tests.policy.test_compiled_policy import COLUMNS, ROW

ROOT = Path(__file__).parents[2]

EVERYTHING = """
name: everything
domains:
  loans:
    models: [m]
    shadow: [m@2]
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.9}, reject: {auto: 0.9, notice: adverse_action}}
    queue: desk
queues:
  desk: {calendar: {time_zone: Europe/Berlin, hours: {mon: ["09:00-17:00"]}, holidays: [2026-12-25]}}
rules: [{id: large, when: amount > 5, route: async, four_eyes: true}]
safe_rules: [{id: small, domain: loans, prediction: approve, when: amount < 1}]
priority: [{when: novel, set: high}]
service_levels: {critical: 1h, high: 2h, medium: 3h, low: 4h}
audit: {rate: 0.1, active: {budget_per_day: 5}}
packs: [high-stakes, eu-ai-act, ecoa-fcra]
"""

# What is read where no policy is compiled and no task is worked.
READ_ELSEWHERE = {
    ("Appeals", "filed_by"): "processors/desk",
    ("Appeals", "limit"): "processors/desk",
    ("Appeals", "on_behalf_of"): "processors/desk",
    ("Appeals", "priority"): "processors/desk",
    ("Active", "budget_per_day"): "processors/sampling",
    ("Active", "explore"): "processors/sampling",
    ("Active", "uncertainty"): "processors/sampling",
    ("Domain", "certify_by"): "processors/proposals",
    ("Domain", "groups"): "interlock/policies/replay",
    ("Domain", "override_limit"): "policy",
    ("Domain", "override_limits"): "policy",
    ("Reliance", "rate"): "processors/desk",
    ("Reliance", "decide_first"): "processors/desk",
    ("Reliance", "wrong_answers"): "processors/desk",
    ("Reliance", "from_"): "policy",
    ("Reliance", "until"): "policy",
    **dict.fromkeys((("Notice", field) for field in Notice.model_fields), "policy/notices"),
    ("Policy", "notices"): "policy",
    ("Policy", "publishing"): "interlock/policies",
    ("Publishing", "four_eyes"): "interlock/policies",
    ("Publishing", "shadow_decisions"): "interlock/policies",
    ("Publishing", "shadow_for"): "interlock/policies",
    ("Policy", "risk"): "processors/proposals",
    ("Risk", "per_year"): "processors/proposals",
    ("Rule", "because"): "processors/review",
    ("SafeRule", "because"): "processors/review",
}

# What is checked or told when a policy is written, and no code reads afterwards.
READ_BY_NONE = {
    ("Pack", "because"): "says what the pack is for, to whoever reads it",
    ("Queue", "escalations"): "a queue that no domain uses says so on purpose",
    ("Rule", "regulation"): "names the law to whoever reads the policy, as a file or in ClickHouse",
    ("SafeRule", "proposal"): "names the certificate to whoever reads the policy, as a file or in ClickHouse",
}


def _models(model: type[_Part]) -> set[type[_Part]]:
    return {model}.union(*map(_models, model.__subclasses__()))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """Which fields are read, by model."""
    found: set[tuple[str, str]] = set()

    def reading(self: _Part, name: str) -> Any:
        fields = type(self).model_fields
        if name in fields:
            found.add((type(self).__name__, name))
        elif name == "model_dump":
            found.update((type(self).__name__, field) for field in fields)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(_Part, "__getattribute__", reading)
    return found


def _use(policy: Policy) -> None:
    """What routers, desks and operators do with a policy."""
    compiled = compile_policy(policy)
    large = {**ROW, "domain": "loans", "model_id": "m", "prediction": "reject", "amount": 9.0, "novel": True}
    small = {**large, "prediction": "approve", "amount": 0.5, "novel": False, "confidence": 0.1}
    rows = [large, small, {**small, "confidence": 0.99}]
    compiled.evaluate(pl.DataFrame(rows, schema=COLUMNS), [])
    for name, domain in policy.domains.items():
        agreed = review.terms(policy, "v", name, domain.queue)
        due(0, 3600, agreed.calendar)
        review.deadline(agreed, "high", 0, appeal=True)
        duties(policy, domain, domain.queue, ["large"])
    list(short_kept([policy], {"decisions": 1}))


def test_every_field_of_a_policy_is_read_by_somebody(read: set[tuple[str, str]]) -> None:
    policy = parse(EVERYTHING, "policy")
    read.clear()
    _use(policy)
    known = {(model.__name__, field) for model in _models(_Part) - {_Part} for field in model.model_fields}
    assert known - read - READ_ELSEWHERE.keys() == READ_BY_NONE.keys()


@pytest.mark.parametrize(("field", "place"), READ_ELSEWHERE.items(), ids=str)
def test_what_is_read_elsewhere_is(field: tuple[str, str], place: str) -> None:
    texts = [path.read_text() for path in (ROOT / place).glob("*.py")]
    assert any(f".{field[1]}" in text for text in texts)


def test_every_term_of_review_is_read_by_the_desk_or_by_the_tools_of_reviewers() -> None:
    texts = [path.read_text() for folder in ("processors", "interlock") for path in (ROOT / folder).rglob("*.py")]
    helpers = (ROOT / "policy" / "review.py").read_text()
    for name in review.Terms.__dataclass_fields__:
        assert any(f".{name}" in text for text in texts) or helpers.count(f".{name}") > 0, name
