"""The report of the reliance experiment, from what the sink has written."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.operations.reliance import reliance_report
from tests.sinks.review_records import START, outcome
from tests.sinks.sink_world import OUTCOMES
from tests.sinks.test_learning_views import Tale

pytestmark = pytest.mark.warehouse

# The records of these tests are old.
_ALWAYS = 3_660


def test_the_report_tells_each_person_by_domain_and_names_who_overrides_too_little(own: Client, run_id: str) -> None:
    tale = Tale(run_id, own)
    plain: dict[str, Any] = {"arm": "", "first_opinion": "", "first_opinion_at": None, "seeded": False}
    gold: dict[str, Any] = {"kind": "gold", "resolves": False, "gold_outcome": "approve", "claimed_at": START}

    def say(name: str, reviewer: str, said: str, **changes: Any) -> dict[str, Any]:
        return outcome(name, 1, reviewer=reviewer, outcome=said, domain=run_id, **plain | changes)

    records = []
    for number in range(14):
        kept = "approve" if number < 10 else "reject"
        trap = {"arm": "decide-first", "first_opinion": "approve", "prediction": "reject", "seeded": True}
        records.append(say(f"trap-{number}", "ann", kept, **gold | trap))
        records.append(say(f"open-{number}", "ann", "approve", arm="ai-first"))
    for number in range(200):
        records.append(say(f"nod-{number}", "eve", "approve"))
        wrong = {
            "overridden": number % 5 == 0,
            "kind": "audit",
            "audit": True,
            "route": "auto",
            "blind": True,
            "resolves": False,
        }
        records.append(say(f"audit-{number}", "joe", "approve", **wrong))
    tale.tell(OUTCOMES, records)
    tale.view("population_estimates")
    found = reliance_report(own, _ALWAYS)
    (ann,) = [one for one in found["reliance"] if one["domain"] == run_id]
    assert (ann["reviewer"], ann["judgements"], ann["known"]) == ("ann", 28, 14)
    for name in ("relative_self_reliance", "detection"):
        assert (ann[name]["count"], ann[name]["of"]) == (10, 14)
    assert (ann["accuracy_ai_first"]["of"], ann["accuracy_effect"]["estimate"]) == (0, None)
    few = {one["reviewer"]: one for one in found["overrides"] if one["domain"] == run_id}
    assert {name for name, one in few.items() if one["too_few"]} == {"eve"}
    assert (few["eve"]["errors_of_the_model"], few["eve"]["checked"]) == (40, 200)
    assert reliance_report(own, _ALWAYS, "nobody")["reliance"] == []
