"""A backlog of real decisions, worked off by urgency, raises no alarm about a model that is as good as ever."""

import pytest

from bench.proofs import employment as employment_proof
from bench.proofs.pipeline import people
from interlock.demo import survey
from interlock.processors.arrival_order import ArrivalOrderBuffer
from interlock.schemas import catalogue


def _alarms(monkeypatch: pytest.MonkeyPatch, *, in_order: bool) -> list[str]:
    if not in_order:
        monkeypatch.setattr(
            ArrivalOrderBuffer, "add", lambda _self, _item_id, _arrived_at, _watermark, item, _now: [item]
        )
    pipeline = employment_proof.pipeline_of(survey.POLICY.read_text(), 1, people(20))
    employment_proof.send(pipeline, employment_proof.early(1, 2_000), batch=500)
    return [signal["monitor"] for signal in pipeline.of(catalogue.DRIFT_SIGNALS)]


def test_verdicts_counted_in_the_order_of_arrival_raise_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _alarms(monkeypatch, in_order=True) == []


def test_counted_as_they_come_they_would(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "overrides" in _alarms(monkeypatch, in_order=False)
