"""The view of override rates against the functions on the records of the proof with people who err: survey decisions
through router and desk, with open work, several ways to a person, and errors that are overridden before their audit."""

from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from bench.proofs import employment
from bench.proofs.pipeline import SECOND, Habits, LearningSettings, Pipeline, people
from interlock.demo import survey
from interlock.learning.estimates import aipw, hajek, horvitz_thompson
from interlock.processors.outcomes import is_sample
from interlock.schemas import catalogue, wire
from tests.sinks.sink_world import ASYNC, OUTCOMES, World

pytestmark = pytest.mark.warehouse

HABITS = Habits(misses=0.1, answers=0.85, objects=0.5, gold_errors=0.2, gold_right=0.05)

DECISIONS = 400


def _lived(domain: str) -> Pipeline:
    source = (
        survey.POLICY.read_text().replace("\n  employment:\n", f"\n  {domain}:\n").replace("rate: 0.05", "rate: 0.2")
    )

    def truth(decision: Any) -> str | None:
        return survey.truth_of({**decision, "domain": "employment"})

    pipeline = Pipeline(source, truth, people(20), LearningSettings(), seed=1, start=employment.START, habits=HABITS)
    # An hour apart: what was given to a person who does not begin it waits for others by then.
    rows = [row | {"domain": domain} for row in employment.early(1, DECISIONS)]
    employment.send(pipeline, rows, pause=3_600 * SECOND)
    return pipeline


def _stored(pipeline: Pipeline, domain: str, client: Client) -> dict[str, Any]:
    """The row of the view, once the sink has stored everything."""
    world = World(domain, client, partitions=1)
    topics = dict(
        zip(("auto", "async", "sync", "manual"), (topic.name for topic in catalogue.ROUTE_TOPICS), strict=True)
    )
    for name, record in pipeline.routed.items():
        for topic in [topics[record["route"]]] + [ASYNC] * bool(record["audit"]):
            world.send(topic, name.encode(), wire.encode("RoutedDecision", record))
    for outcome in pipeline.of(catalogue.OUTCOMES):
        world.tell(OUTCOMES, outcome["outcome_id"], outcome)
    writer = world.writer(max_rows=5000, max_consumed=5000)
    world.settle(writer)
    writer.close()
    query = "SELECT * FROM population_estimates WHERE domain = {domain:String}"
    (row,) = client.query(query, parameters={"domain": domain}).named_results()
    return dict(row)


def test_on_the_data_of_the_proof_the_view_says_what_the_functions_say(shared: Client, run_id: str) -> None:
    pipeline = _lived(run_id)
    row = _stored(pipeline, run_id, shared)
    verdicts = {outcome["decision_id"]: outcome for outcome in pipeline.of(catalogue.OUTCOMES) if is_sample(outcome)}
    routed = list(pipeline.routed.values())
    names = [record["decision"]["decision_id"] for record in routed]
    ways = np.array([record["route"] for record in routed])
    chosen = np.array([record["route"] != "auto" or record["audit"] for record in routed])
    judged = np.array([name in verdicts for name in names])
    wrong = np.array([name in verdicts and verdicts[name]["overridden"] for name in names], dtype=float)
    assert len(set(ways)) == 4
    assert any(verdict["kind"] == "override" for verdict in verdicts.values())
    assert 0.75 < judged.sum() / chosen.sum() < 0.95
    share = np.array([judged[ways == way].sum() / chosen[ways == way].sum() for way in ways])
    about = wrong, judged, np.array([record["propensity"] for record in routed])
    doubt = 1 - np.array([record["calibrated_confidence"] for record in routed])
    for name, estimate in (
        ("horvitz_thompson", horvitz_thompson(*about, answered=share)),
        ("hajek", hajek(*about, answered=share)),
        ("aipw", aipw(*about, doubt, answered=share)),
    ):
        assert row[name] == pytest.approx(estimate.value), name
        # As near as the quantile of the beta distribution is in SQL.
        ends = row[f"{name}_lower"], row[f"{name}_upper"]
        assert ends == pytest.approx((estimate.low, estimate.high), abs=0.0025), name
