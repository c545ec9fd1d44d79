"""A change of a policy on the whole pipeline: tried in shadow and on a share, promoted, taken back."""

import json
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from interlock.explanations.from_kafka import records_in_kafka
from interlock.policies import publishing, requests, trials
from interlock.policies.observed import Cell, Observed
from interlock.policies.published import Policies
from interlock.processors.explanation.explain import explain
from interlock.processors.router.candidates import in_share
from interlock.review.desk_connection import CommandRefusedError
from interlock.schemas import catalogue
from interlock.testing import Topology

_TEXT = """
name: lending
audit: {{rate: 0}}
domains:
  loan:
    models: [m]
    outcomes: [approve, reject{outcomes}]
    lanes: {{approve: {{auto: {auto}, async: 0.5}}}}
    queue: underwriting
queues:
  underwriting: {{qualifications: [{qualifications}]}}
"""


def _text(auto: float, outcomes: str = "", qualifications: str = "underwriter") -> str:
    return _TEXT.format(auto=auto, outcomes=outcomes, qualifications=qualifications)


CAREFUL, BOLD = _text(0.95), _text(0.7, ", refer", "underwriter, senior")


@pytest.fixture
def pipeline() -> Topology:
    topology = Topology()
    requests.publish_source(topology.broker, CAREFUL, "", "ann", "the first")
    topology.run()
    return topology


def _send(pipeline: Topology, prefix: str, count: int, confidence: float) -> list[dict[str, Any]]:
    """What became of so many decisions."""
    ids = [f"{prefix}-{number}" for number in range(count)]
    for decision_id in ids:
        pipeline.submit(pipeline.decision(decision_id, confidence, domain="loan", model_id="m", prediction="approve"))
    pipeline.run()
    return [pipeline.routed(decision_id) for decision_id in ids]


def _observed(pipeline: Topology, version: str) -> Observed:
    """As ClickHouse counts it, from the topics."""
    found: dict[str, tuple[str, str, bool]] = {}
    for topic in catalogue.ROUTE_TOPICS:
        for record in pipeline.records(topic.name):
            if record["candidate_version"] == version:
                by_candidate = record["policy_version"] == version
                routes = record["live_route"], record["candidate_route"]
                found[record["decision"]["decision_id"]] = (*routes, by_candidate)
    cells = {
        (live, candidate): [by for *routes, by in found.values() if routes == [live, candidate]]
        for live, candidate, _ in found.values()
    }
    return Observed(0, tuple(Cell(*routes, len(every), sum(every)) for routes, every in cells.items()))


def _in_force(pipeline: Topology) -> str:
    return str(publishing.published_policies(pipeline.broker)["lending"]["version"])


def test_a_change_is_tried_given_a_share_promoted_and_taken_back_and_open_tasks_keep_their_terms(
    pipeline: Topology,
) -> None:
    broker = pipeline.broker
    careful = _in_force(pipeline)
    pipeline.add_reviewer("rita", queues=["underwriting"], qualifications=[{"name": "underwriter"}])
    pipeline.add_reviewer("sam", queues=["underwriting"], qualifications=[{"name": "underwriter"}, {"name": "senior"}])

    # Shadow: people see what they saw before.
    bold = trials.begin(broker, BOLD, careful, "ann", "fewer reviews", pipeline.now)["version"]
    shadow = _send(pipeline, "shadow", 10, 0.8)
    assert {(record["route"], record["policy_version"]) for record in shadow} == {("async", careful)}
    assert _observed(pipeline, bold).facts(0)["matrix"] == [
        {"live": "async", "candidate": "auto", "decisions": 10, "by_candidate": 0}
    ]
    pipeline.review("rita", task_id="shadow-0")
    assert pipeline.resolutions("shadow-0")[-1]["outcome"] == "approve"

    # Share: what the candidate decides takes effect, and what it sends to people carries its duties.
    seen = _observed(pipeline, bold)
    trials.give_share(broker, "lending", bold, 0.5, "ben", pipeline.now, seen)
    share = _send(pipeline, "share", 40, 0.8)
    by_candidate = [record for record in share if record["policy_version"] == bold]
    assert 8 < len(by_candidate) < 32
    assert {record["route"] for record in by_candidate} == {"auto"}
    assert {record["route"] for record in share if record not in by_candidate} == {"async"}
    unsure = _send(pipeline, "unsure", 20, 0.6)
    assert {record["policy_version"] for record in unsure} == {careful, bold}
    tasks = pipeline.tasks()
    for record in unsure:
        named = record["decision"]["decision_id"]
        wanted = ["senior", "underwriter"] if record["policy_version"] == bold else ["underwriter"]
        assert tasks[named]["qualifications"] == wanted
        assert tasks[named]["policy_version"] == record["policy_version"]
    # Reviewers are shown the policy that routed the task, although it was never in force.
    assert Policies(broker).routed_by(bold) is not None

    # Promoted: everything is the candidate's, and open tasks need what it demands more.
    record = trials.promote(broker, "lending", bold, "ben", "as forecast", pipeline.now, _observed(pipeline, bold))
    assert record["signed_by"] == ["ann", "ben"]
    assert (record["stage"], record["base_version"]) == ("share", careful)
    pipeline.advance(timedelta(minutes=1))
    promoted = _send(pipeline, "promoted", 10, 0.8)
    assert {(record["route"], record["policy_version"]) for record in promoted} == {("auto", bold)}
    assert {record["candidate_version"] for record in promoted} == {""}
    assert pipeline.tasks()["shadow-1"]["qualifications"] == ["senior", "underwriter"]
    with pytest.raises(CommandRefusedError, match="senior"):
        pipeline.review("rita", task_id="shadow-1")
    pipeline.review("sam", task_id="shadow-1")
    assert pipeline.resolutions("shadow-1")[-1]["outcome"] == "approve"

    # Taken back: the text of before, and what was routed in between keeps its duties.
    before = _send(pipeline, "before", 1, 0.6)
    assert before[0]["policy_version"] == bold
    requests.publish_source(broker, CAREFUL, bold, "cid", "too many overrides", roll_back_of=careful)
    assert _in_force(pipeline) == careful
    pipeline.advance(timedelta(minutes=1))
    back = _send(pipeline, "back", 10, 0.8)
    assert {(record["route"], record["policy_version"]) for record in back} == {("async", careful)}
    assert pipeline.tasks()["before-0"]["qualifications"] == ["senior", "underwriter"]
    assert pipeline.tasks()["back-0"]["qualifications"] == ["underwriter"]


def test_who_is_in_a_share_follows_from_the_decision_and_the_key_alone_whatever_router_asks(pipeline: Topology) -> None:
    broker = pipeline.broker
    bold = trials.begin(broker, BOLD, _in_force(pipeline), "ann", "fewer reviews", pipeline.now)["version"]
    _send(pipeline, "seen", 1, 0.8)
    for share in (0.1, 0.5):
        trials.give_share(broker, "lending", bold, share, "ben", pipeline.now, _observed(pipeline, bold))
        pipeline.restart_router()
        records = _send(pipeline, f"share-{share}", 30, 0.8)
        ids = [record["decision"]["decision_id"] for record in records]
        expected = in_share(pa.array(ids), bytes(16), share).tolist()
        assert [record["policy_version"] == bold for record in records] == expected
        assert any(expected)


def test_an_emergency_change_ends_a_share_at_once(pipeline: Topology) -> None:
    broker = pipeline.broker
    bold = trials.begin(broker, BOLD, _in_force(pipeline), "ann", "fewer reviews", pipeline.now)["version"]
    _send(pipeline, "seen", 1, 0.8)
    trials.give_share(broker, "lending", bold, 0.5, "ben", pipeline.now, _observed(pipeline, bold))
    assert {record["policy_version"] for record in _send(pipeline, "share", 20, 0.8)} == {bold, _in_force(pipeline)}
    requests.publish_source(broker, _text(0.999), _in_force(pipeline), "cid", "an alarm")
    after = _send(pipeline, "after", 20, 0.8)
    assert {record["policy_version"] for record in after} == {_in_force(pipeline)}
    assert {(record["candidate_version"], record["candidate_route"]) for record in after} == {(bold, "auto")}


def test_the_explanation_of_a_decision_says_that_a_change_decided_it_that_was_being_tried(pipeline: Topology) -> None:
    broker = pipeline.broker
    bold = trials.begin(broker, BOLD, _in_force(pipeline), "ann", "fewer reviews", pipeline.now)["version"]
    _send(pipeline, "seen", 1, 0.8)
    trials.give_share(broker, "lending", bold, 0.5, "ben", pipeline.now, _observed(pipeline, bold))
    arms = {record["policy_version"]: record for record in _send(pipeline, "share", 20, 0.8)}
    trials.withdraw(broker, "lending", bold, "ann", "twice the reviews", pipeline.now)
    words = {
        version: json.dumps(explain(records_in_kafka(broker, record["decision"]["decision_id"])).facts())
        for version, record in arms.items()
    }
    tried = f"version {bold} of the policy “lending”, which decided a share of the decisions in a trial that ann"
    assert tried in words[bold].encode().decode("unicode_escape")
    assert "a share of the decisions" not in words[_in_force(pipeline)]
    assert "0.7" in words[bold]  # the threshold it went by


def test_a_withdrawn_change_decides_nothing_any_more(pipeline: Topology) -> None:
    broker = pipeline.broker
    bold = trials.begin(broker, BOLD, _in_force(pipeline), "ann", "fewer reviews", pipeline.now)["version"]
    _send(pipeline, "seen", 1, 0.8)
    trials.give_share(broker, "lending", bold, 0.5, "ben", pipeline.now, _observed(pipeline, bold))
    trials.withdraw(broker, "lending", bold, "ann", "twice the reviews", pipeline.now)
    after = _send(pipeline, "after", 20, 0.8)
    assert {record["policy_version"] for record in after} == {_in_force(pipeline)}
    assert {record["candidate_version"] for record in after} == {""}
